//! The authorities that the system trusts, as a process finds them when it starts.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::DnType;
use rustls::CertificateError;
use stentor::tls::TlsClient;
use stentor::{Connector, Error};

use crate::support::{Identity, Loopback};

use super::over_tls;

/// The server that the inner process connects to.
const SERVER: &str = "STENTOR_TEST_SERVER";

/// Only a new process may have other variables: so this test starts itself, and prints its result.
#[test]
fn the_systems_authorities_are_trusted_and_no_others() {
    if let Ok(url) = env::var(SERVER) {
        return println!("<{}>", connected(&url));
    }
    let server = Loopback::echo(over_tls());
    let url = format!("wss://{}/demo", server.address);
    let file = |name: &str, content: &str| {
        let name = format!("stentor-{}-{name}.pem", std::process::id());
        let path = env::temp_dir().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let own = Identity::common();
    let other = Identity::with(&["127.0.0.1"], |params| {
        params
            .distinguished_name
            .push(DnType::CommonName, "another authority");
    });
    let missing = Path::new("/nowhere/authorities.pem").to_owned();
    let garbage = format!("{}\nno certificate\n", own.certificate.replace('A', "B"));
    let mixed = format!("{}\n{}", other.certificate, own.certificate);
    let files = [
        (file("own", &own.certificate), "connected"),
        (file("mixed", &mixed), "connected"),
        (file("other", &other.certificate), "unknown issuer"),
        (file("garbage", &garbage), "no authorities"),
        (file("empty", ""), "no authorities"),
        (missing, "no authorities"),
    ];
    for (path, expected) in files {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("tls::native::the_systems_authorities_are_trusted_and_no_others")
            .env(SERVER, &url)
            .env("SSL_CERT_FILE", &path)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            printed.contains(&format!("<{expected}>")),
            "{path:?}: {output:?}"
        );
        let _ = fs::remove_file(path);
    }
}

/// Connects with the system's authorities, and returns the result in words.
fn connected(url: &str) -> String {
    let tls = match TlsClient::native() {
        Ok(tls) => tls,
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("the system has no usable certificate of an authority"));
            return "no authorities".to_owned();
        }
    };
    match Connector::new().tls(tls).connect(url) {
        Ok(socket) => {
            socket.abort();
            "connected".to_owned()
        }
        Err(Error::Tls(error)) => match stentor::tls::unversioned::cause(&error) {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                "unknown issuer".to_owned()
            }
            other => format!("{other:?}"),
        },
        Err(other) => other.to_string(),
    }
}
