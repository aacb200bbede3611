//! TLS to Redis: certificates are verified, and faults are named at the start.

use std::fs;
use std::io;
use std::net::TcpListener;
#[cfg(feature = "client")]
use std::process::Command;

use stentor::Version;
use stentor::tls::TlsClient;

use super::*;
#[cfg(feature = "client")]
use crate::support::{Chat, build};
use crate::support::{Folder, Heard, Identity};

/// A Redis that also listens on a port for TLS.
struct Secure {
    redis: RedisServer,
    port: u16,
    folder: Folder,
}

/// Returns a Redis with this certificate.
fn secure(identity: &Identity) -> Option<Secure> {
    let folder = Folder::new();
    let [certificate, key] = ["certificate", "key"].map(|name| folder.file(name));
    fs::write(&certificate, &identity.certificate).unwrap();
    fs::write(&key, &identity.key).unwrap();
    let redis = redis(&[
        "--bind",
        "127.0.0.1",
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &certificate.display().to_string(),
        "--tls-key-file",
        &key.display().to_string(),
    ])?;
    // Redis takes no port 0, and another program may take a free port first: then another one is tried.
    let port = eventually("a port", || {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        listens(&redis, port).then_some(port)
    });
    Some(Secure {
        redis,
        port,
        folder,
    })
}

/// Lets Redis listen on a port for TLS; returns whether it does.
fn listens(redis: &RedisServer, port: u16) -> bool {
    redis.execute(&["CONFIG", "SET", "tls-port", &port.to_string()]) == "+OK"
}

impl Secure {
    fn address(&self) -> String {
        format!("rediss://127.0.0.1:{}/", self.port)
    }
}

/// Options that trust this certificate and no other.
fn trusting(address: &str, identity: &Identity) -> Redis {
    let tls = TlsClient::trusting_only(identity.certificate.as_bytes()).unwrap();
    options(address).tls(tls)
}

fn fault(redis: Redis) -> io::Error {
    let history = History::new().redis(redis);
    let builder = Server::builder().history(history).listen("127.0.0.1:0");
    builder.build().err().unwrap()
}

#[test]
fn a_room_is_shared_over_tls_with_messages_of_any_size() {
    let identity = Identity::of(&["127.0.0.1"]);
    let Some(secure) = secure(&identity) else {
        return;
    };
    let one = serve(trusting(&secure.address(), &identity));
    let other = serve(options(&secure.redis.address()));
    let mut peer = one.open(Version::Rfc6455);
    peer.resume("lobby", "last 0");
    publish(&other, "lobby", numbers(0..200));
    assert_eq!(peer.texts(200), numbers(0..200));
    // Beyond the records of TLS: these are read from the log.
    for size in [20_000, 200_000] {
        let bytes = vec![7; size];
        for server in [&one, &other] {
            server.handle.room("lobby").publish(bytes.clone()).unwrap();
            assert_eq!(peer.hear(), Heard::Binary(bytes.clone()));
        }
    }
    // Beyond the buffers of the sockets.
    let large = vec![7; 16 * 1024 * 1024 - 100];
    let at = one.handle.room("elsewhere").publish(large).unwrap();
    assert_eq!(at.number(), 1);
    let counters = one.handle.counters().redis;
    assert_eq!((counters.reconnects, counters.gaps), (0, 0));
}

#[test]
fn a_killed_redis_with_tls_comes_back() {
    let identity = Identity::of(&["127.0.0.1"]);
    let Some(mut secure) = secure(&identity) else {
        return;
    };
    let server = serve(trusting(&secure.address(), &identity));
    let mut peer = server.open(Version::Draft76);
    peer.resume("lobby", "last 0");
    publish(&server, "lobby", numbers(0..5));
    assert_eq!(peer.texts(5), numbers(0..5));
    let before = server.handle.counters().redis.reconnects;
    secure.redis.kill();
    eventually("the loss", || server.handle.health().degraded.then_some(()));
    secure.redis.start();
    eventually("the port", || {
        listens(&secure.redis, secure.port).then_some(())
    });
    reconnects(&server, before);
    publish(&server, "lobby", numbers(5..10));
    assert_eq!(peer.texts(5), numbers(5..10));
    assert_eq!(server.handle.counters().redis.gaps, 0);
}

#[test]
fn a_certificate_that_is_not_trusted_or_of_another_name_is_a_fault() {
    let identity = Identity::of(&["other.example"]);
    let Some(secure) = secure(&identity) else {
        return;
    };
    let others = Identity::of(&["127.0.0.1"]);
    for (trusted, reason) in [
        (&others, "invalid peer certificate"),
        (&identity, "not valid for name"),
    ] {
        let error = fault(trusting(&secure.address(), trusted)).to_string();
        assert!(error.contains(reason), "{error}");
        assert!(error.contains("trust the authority"), "{error}");
    }
    // The default is the authorities of browsers.
    let error = fault(options(&secure.address())).to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
}

#[test]
fn a_redis_without_tls_behind_an_address_with_tls_is_a_fault_and_the_reverse() {
    let identity = Identity::of(&["127.0.0.1"]);
    let Some(secure) = secure(&identity) else {
        return;
    };
    let tube = Tube::to(&secure.redis.socket());
    let address = format!("rediss://:secret@{}/", tube.address);
    let error = fault(trusting(&address, &identity)).to_string();
    assert!(error.contains("then write redis://"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    let plain = format!("redis://:secret@127.0.0.1:{}/", secure.port);
    let error = fault(options(&plain)).to_string();
    assert!(error.contains("write rediss://"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn certificates_for_an_address_without_tls_are_an_error() {
    let identity = Identity::of(&["127.0.0.1"]);
    let error = fault(trusting("redis://127.0.0.1:1/", &identity));
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("rediss://"), "{error}");
}

#[cfg(feature = "client")]
#[test]
fn the_chat_trusts_the_certificate_in_a_file() {
    let identity = Identity::of(&["127.0.0.1"]);
    let Some(secure) = secure(&identity) else {
        return;
    };
    let file = secure.folder.file("certificate").display().to_string();
    let options = ["--redis", &secure.address(), "--redis-ca", &file].map(str::to_owned);
    let chat = Chat::start(&options);
    let name = serde_json::json!({"name": "Ann"});
    let (_, welcome) = crate::chat::enter(&chat, Version::Rfc6455, "demo", &name);
    assert_eq!(welcome["name"], "Ann");
    let missing = secure.folder.file("missing").display().to_string();
    let with_missing = ["--redis-ca", &missing];
    for (arguments, expected) in [
        (&[][..], "trust the authority"),
        (&with_missing[..], missing.as_str()),
    ] {
        let mut command = Command::new(build("chat"));
        command.args(["--redis", &secure.address(), "127.0.0.1:0"]);
        let output = command.args(arguments).output().unwrap();
        assert!(!output.status.success());
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.contains(expected), "{words}");
    }
}
