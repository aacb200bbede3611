//! The certificate of a server, and when a new one is used.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use stentor::tls::TlsServer;
use stentor::tls::unversioned;
use stentor::{Connector, Server, Version};

use crate::support::{Head, Identity, Loopback, dial, echo, secure_as, text};

/// A folder of this test's own, removed when the value is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("stentor-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, identity: &Identity) -> (PathBuf, PathBuf) {
        let (certificate, key) = (self.0.join("certificate.pem"), self.0.join("key.pem"));
        fs::write(&certificate, &identity.certificate).unwrap();
        fs::write(&key, &identity.key).unwrap();
        (certificate, key)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn der(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()
}

#[test]
fn a_server_uses_its_new_certificate_for_clients_that_connect_after_a_reload() {
    let folder = Folder::new("reload");
    let (old, new) = (Identity::of(&["127.0.0.1"]), Identity::of(&["127.0.0.1"]));
    let (certificate, key) = folder.write(&old);
    let tls = TlsServer::from_files(&certificate, &key).unwrap();
    let server = Loopback::run(Server::builder().tls(tls.clone()), echo);
    let connect = |believed: &Identity| {
        let mut stream = secure_as(dial(server.address), believed.believer());
        stream.write_all(&Head::of(Version::Rfc6455).bytes())?;
        let mut head = [0; 129];
        stream.read_exact(&mut head)?;
        assert!(head.ends_with(b"\r\n\r\n"), "{}", head.escape_ascii());
        Ok::<_, std::io::Error>(stream)
    };
    let mut before = connect(&old).unwrap();
    assert!(connect(&new).is_err());

    folder.write(&new);
    // Without a reload, it does not look.
    connect(&old).unwrap();
    tls.reload().unwrap();
    let after = connect(&new).unwrap();
    assert_eq!(after.conn.peer_certificates().unwrap(), [der(&new)]);
    assert!(connect(&old).is_err());
    // Existing clients have noticed nothing.
    before
        .write_all(&text(Version::Rfc6455, "still here"))
        .unwrap();
    let mut received = [0; 12];
    before.read_exact(&mut received).unwrap();
    assert_eq!(&received[2..], b"still here");

    // Files that cannot be read change nothing.
    fs::write(&key, "nothing").unwrap();
    let error = tls.reload().unwrap_err();
    let expected = format!("{}: no private key in the PEM", key.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    fs::remove_file(&key).unwrap();
    let error = tls.reload().unwrap_err();
    let expected = format!("{}: ", key.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    let error = std::io::Error::from(error);
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
    connect(&new).unwrap();

    tls.replace(&old.server());
    connect(&old).unwrap();
}

#[test]
fn an_unusable_certificate_is_an_error_at_once() {
    let (one, other) = (Identity::of(&["localhost"]), Identity::of(&["localhost"]));
    let from = |certificate: &str, key: &str| {
        let made = TlsServer::from_pem(certificate.as_bytes(), key.as_bytes());
        made.map(drop).unwrap_err()
    };
    let error = from(&one.certificate, &other.key);
    assert!(unversioned::cause(&error).is_some(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the private key does not match the certificate"
    );
    let torn = &one.certificate[..one.certificate.len() / 2];
    let garbled = &one.certificate.replace("MII", "!!!");
    for (certificate, key, expected) in [
        (&one.key[..], &one.key[..], "no certificate in the PEM"),
        ("", "", "no certificate in the PEM"),
        (
            &one.certificate,
            &one.certificate,
            "no private key in the PEM",
        ),
        (torn, &one.key, "invalid PEM: "),
        (garbled, &one.key, "invalid PEM: "),
    ] {
        let error = from(certificate, key);
        assert!(error.to_string().starts_with(expected), "{error}");
        assert!(unversioned::cause(&error).is_none(), "{error:?}");
    }

    let missing = TlsServer::from_files("/nowhere/certificate.pem", "/nowhere/key.pem");
    let error = missing.unwrap_err();
    assert!(
        error.to_string().starts_with("/nowhere/certificate.pem: "),
        "{error}"
    );
    let error = one.server().reload().unwrap_err();
    assert!(error.to_string().contains("use replace"), "{error}");
}

#[test]
fn configurations_of_rustls_work_on_either_side() {
    let one = Identity::of(&["127.0.0.1"]);
    let tls = unversioned::server(Arc::new(one.server_config())).unwrap();
    let server = Loopback::echo(Server::builder().tls(tls));
    let tls = unversioned::client(Arc::new(one.believer()));
    let url = format!("wss://{}/", server.address);
    let mut socket = Connector::new().tls(tls).connect(&url).unwrap();
    socket.send("hello").unwrap();
    assert_eq!(socket.recv().unwrap(), Some("hello".into()));
}

#[test]
fn certificate_and_key_may_be_in_one_file() {
    let one = Identity::of(&["localhost"]);
    let both = format!("{}{}", one.key, one.certificate);
    TlsServer::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
}
