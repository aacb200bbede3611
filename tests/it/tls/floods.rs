//! TLS clients that send much without meaning, or stop at unusual points.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::cipher::{AeadKey, Iv, MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::crypto::tls13::OkmBlock;
use rustls::version::TLS13;
use rustls::{ContentType, KeyLog, ProtocolVersion, SupportedCipherSuite, Tls13CipherSuite};
use stentor::{Received, Server, Version};

use crate::support::{
    Head, Identity, Loopback, PATIENCE, becomes, dial, echo, secure, secure_as, text,
};

use super::{open, over_tls};

/// The client's half of a session, with access to the record layer.
struct Records {
    stream: TcpStream,
    suite: &'static Tls13CipherSuite,
    secret: Vec<u8>,
    encrypter: Box<dyn MessageEncrypter>,
    sequence: u64,
}

/// Keeps the secret with which the client's records are encrypted.
#[derive(Debug, Default)]
struct Secrets(Mutex<Vec<u8>>);

impl KeyLog for Secrets {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        if label == "CLIENT_TRAFFIC_SECRET_0" {
            *self.0.lock().unwrap() = secret.to_vec();
        }
    }
}

impl Records {
    /// Behind the first line of a request.
    fn open(server: &Loopback) -> Records {
        let secrets = Arc::new(Secrets::default());
        let mut config = Identity::common().believer_with(&[&TLS13]);
        config.key_log = Arc::clone(&secrets) as Arc<dyn KeyLog>;
        let mut stream = secure_as(dial(server.address), config);
        stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        let (conn, stream) = stream.into_parts();
        let Some(SupportedCipherSuite::Tls13(suite)) = conn.negotiated_cipher_suite() else {
            panic!("not TLS 1.3");
        };
        let secret = secrets.0.lock().unwrap().clone();
        Records {
            stream,
            suite,
            encrypter: encrypter(suite, &secret),
            secret,
            // The line was the first.
            sequence: 1,
        }
    }

    /// With the handshake done.
    fn open_whole(server: &Loopback) -> Records {
        let mut client = Records::open(server);
        let head = Head::of(Version::Rfc6455).bytes();
        let line = head.iter().position(|byte| *byte == b'\n').unwrap();
        client.say(&head[line + 1..]);
        becomes(&1, || server.handle.clients().len());
        client
    }

    fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ,
            version: ProtocolVersion::TLSv1_2,
            payload: OutboundChunks::Single(payload),
        };
        let record = self.encrypter.encrypt(message, self.sequence).unwrap();
        self.sequence += 1;
        record.encode()
    }

    fn say(&mut self, bytes: &[u8]) {
        let record = self.record(ContentType::ApplicationData, bytes);
        self.stream.write_all(&record).unwrap();
    }

    /// An empty record, and a change of keys (RFC 8446 §4.6.3): either of them makes rustls forget
    /// the number of the other.
    fn nothing(&mut self) -> Vec<u8> {
        let mut records = self.record(ContentType::ApplicationData, b"");
        records.extend(self.record(ContentType::Handshake, &[24, 0, 0, 1, 0]));
        let mut next = vec![0; self.secret.len()];
        expand(self.suite, &self.secret, b"traffic upd", &mut next);
        self.encrypter = encrypter(self.suite, &next);
        (self.secret, self.sequence) = (next, 0);
        records
    }

    /// Sends empty records until the server takes no more, or has taken 4 MiB of them.
    fn flood(&mut self) -> bool {
        let mut sent = 0;
        while sent < 4 * 1024 * 1024 {
            let nothing: Vec<u8> = (0..100).flat_map(|_| self.nothing()).collect();
            if self.stream.write_all(&nothing).is_err() {
                return false;
            }
            sent += nothing.len();
        }
        true
    }
}

/// RFC 8446 §7.3.
fn encrypter(suite: &Tls13CipherSuite, secret: &[u8]) -> Box<dyn MessageEncrypter> {
    let (mut key, mut iv) = ([0; 32], [0; 12]);
    assert_eq!(suite.aead_alg.key_len(), key.len());
    expand(suite, secret, b"key", &mut key);
    expand(suite, secret, b"iv", &mut iv);
    suite.aead_alg.encrypter(AeadKey::from(key), Iv::new(iv))
}

/// `HKDF-Expand-Label` without a context (RFC 8446 §7.1).
fn expand(suite: &Tls13CipherSuite, secret: &[u8], label: &[u8], out: &mut [u8]) {
    let len = (out.len() as u16).to_be_bytes();
    let label = [b"tls13 ", label].concat();
    let info: [&[u8]; 4] = [&len, &[label.len() as u8], &label, &[0]];
    let expander = suite.hkdf_provider.expander_for_okm(&OkmBlock::new(secret));
    expander.expand_slice(&info, out).unwrap();
}

#[test]
fn records_without_content_do_not_go_on_for_ever() {
    let server = Loopback::echo(over_tls());
    let mut client = Records::open(&server);
    assert!(!client.flood(), "there is no end to it");
    let counters = server.wait_until_empty();
    assert_eq!(counters.rejected, [("tls", 1)].into());
    open(&server, Version::Rfc6455).expect_echo("and the next");
}

#[test]
fn records_without_content_do_not_hold_up_a_handler_that_did_not_want_to_wait() {
    let server = Loopback::run(over_tls(), |client| {
        while client.recv_timeout(Duration::ZERO)? == Received::Nothing {}
        Ok(())
    });
    let mut client = Records::open_whole(&server);
    assert!(!client.flood(), "there is no end to it");
    assert_eq!(server.wait_until_empty().closes, [(1006, 1)].into());
}

#[test]
fn occasional_records_without_content_are_harmless() {
    let server = Loopback::echo(over_tls());
    let mut client = Records::open_whole(&server);
    // In total, much more than may come at once.
    for _ in 0..10 {
        let nothing: Vec<u8> = (0..2000).flat_map(|_| client.nothing()).collect();
        client.stream.write_all(&nothing).unwrap();
        client.say(&text(Version::Rfc6455, "x"));
    }
    becomes(&10, || server.handle.counters().messages_in);
}

#[test]
fn many_changes_of_keys_in_a_row_end_that_one_connection() {
    let server = Loopback::echo(over_tls());
    let mut stream = secure(dial(server.address));
    let head = Head::of(Version::Rfc6455).bytes();
    stream.write_all(&head).unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    let mut bystander = open(&server, Version::Rfc6455);
    for _ in 0..1000 {
        stream.conn.refresh_traffic_keys().unwrap();
        if stream.conn.write_tls(&mut stream.sock).is_err() {
            break;
        }
    }
    becomes(&[(1006, 1)].into(), || server.handle.counters().closes);
    bystander.expect_echo("not my business");
}

#[test]
fn bytes_behind_the_end_of_a_session_are_ignored() {
    let server = Loopback::echo(over_tls());
    let head = Head::of(Version::Rfc6455).bytes();
    let frame = text(Version::Rfc6455, "half");
    // In the middle of a header block, behind it, in the middle of a frame, behind one.
    let whole = [head.clone(), frame.clone()].concat();
    for sent in [0, 10, head.len(), head.len() + 3, whole.len()] {
        let mut stream = secure(dial(server.address));
        stream.write_all(&whole[..sent]).unwrap();
        stream.conn.send_close_notify();
        while stream.conn.wants_write() {
            let wrote = stream.conn.write_tls(&mut stream.sock);
            wrote.unwrap();
        }
        // The session has ended; TCP has not.
        let _ = stream.sock.write_all(&[0x17; 1000]);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 1000, "{sent}: {}", rest.escape_ascii());
        drop(stream);
        server.wait_until_empty();
    }
    open(&server, Version::Rfc6455).expect_echo("and the next");
}

#[test]
fn a_shutdown_does_not_wait_for_handshakes_that_stall() {
    let mut server = Loopback::echo(over_tls());
    let hello = {
        let mut stream = secure(dial(server.address));
        let mut hello = Vec::new();
        stream.conn.write_tls(&mut hello).unwrap();
        hello
    };
    let stalled: Vec<TcpStream> = (0..=10)
        .map(|tenth| {
            let mut stream = dial(server.address);
            stream
                .write_all(&hello[..hello.len() * tenth / 10])
                .unwrap();
            stream
        })
        .collect();
    let peer = open(&server, Version::Rfc6455);
    let since = Instant::now();
    server.handle.shutdown(PATIENCE);
    // A client has to read its rejection, and to close TCP.
    for mut stream in stalled {
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        let _ = stream.shutdown(Shutdown::Both);
    }
    drop(peer);
    server.join();
    assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
}

#[test]
fn certificates_change_while_many_connect_and_no_client_is_refused() {
    const COMERS: usize = 4;
    let tls = Identity::common().server();
    let server = Loopback::run(Server::builder().tls(tls.clone()), echo);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let changing = scope.spawn(|| {
            let mut changes = 0;
            while !ended.load(SeqCst) {
                tls.replace(&Identity::common().server());
                changes += 1;
            }
            changes
        });
        let comers: Vec<_> = (0..COMERS)
            .map(|_| {
                scope.spawn(|| {
                    for version in Version::ALL {
                        open(&server, version).expect_echo("as if nothing were");
                    }
                })
            })
            .collect();
        let came = comers.into_iter().map(thread::ScopedJoinHandle::join);
        let came: Vec<_> = came.collect();
        ended.store(true, SeqCst);
        assert!(changing.join().unwrap() > 0);
        assert!(came.iter().all(Result::is_ok));
    });
    assert_eq!(server.wait_until_empty().rejected, [].into());
}
