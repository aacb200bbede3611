//! Faults at the start: each one is named, with its remedy.

use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

fn build(redis: Redis) -> Result<Server, std::io::Error> {
    let history = History::new().redis(redis);
    Server::builder()
        .history(history)
        .listen("127.0.0.1:0")
        .build()
}

fn fault(redis: Redis) -> String {
    build(redis).err().unwrap().to_string()
}

#[test]
fn a_server_does_not_start_without_its_redis() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = fault(options(&format!("redis://user:secret@{unused}/")));
    assert!(
        error.contains(&unused.to_string()) && error.contains("start Redis first"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_server_whose_redis_may_be_down_starts_and_works_when_it_is_there() {
    let Some(mut redis) = redis(&[]) else { return };
    redis.kill();
    let server = serve(options(&redis.address()).may_be_down());
    eventually("the fault", || {
        server.handle.health().degraded.then_some(())
    });
    let health = server.handle.health();
    assert!(health.ready && health.live);
    redis.start();
    assert_eq!(publish(&server, "lobby", numbers(0..1)).len(), 1);
    becomes(&false, || server.handle.health().degraded);
}

#[test]
fn a_wrong_password_and_a_missing_one_are_named() {
    let Some(redis) = redis(&["--requirepass", "right"]) else {
        return;
    };
    let tube = Tube::to(&redis.socket());
    let error = fault(options(&tube.redis()));
    assert!(
        error.contains("NOAUTH") && error.contains("add the password to the address"),
        "{error}"
    );
    let error = fault(options(&format!("redis://:wrong@{}/", tube.address)));
    assert!(
        error.contains("correct the user and the password") && !error.contains(":wrong@"),
        "{error}"
    );
    assert!(build(options(&format!("redis://:right@{}/", tube.address))).is_ok());
}

#[test]
fn a_replica_is_no_place_for_shared_rooms() {
    let Some(redis) = redis(&["--replicaof", "127.0.0.1", "1"]) else {
        return;
    };
    let error = fault(options(&redis.address()));
    assert!(error.contains("replica"), "{error}");
}

#[test]
fn a_server_of_another_protocol_is_no_redis() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let _ = stream
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let error = fault(options(&format!("redis://{address}/")));
    assert!(error.contains("Redis"), "{error}");
    thread.join().unwrap();
}

/// Answers that would take the memory or the stack of a careless reader.
#[test]
fn answers_without_an_end_are_faults() {
    let nested = "*1\r\n".repeat(100_000);
    let line = format!("+{}", "a".repeat(1_000_000));
    let many = "*1000000000\r\n".to_owned();
    let large = "$99999999999\r\n".to_owned();
    for answer in [nested, line, many, large, "?\r\n".to_owned()] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let text = answer.clone();
        let thread = thread::spawn(move || {
            for stream in listener.incoming().take(2) {
                // The other side may have closed the connection already.
                let _ = stream.unwrap().write_all(text.as_bytes());
            }
        });
        let error = fault(options(&format!("redis://{address}/")));
        assert!(error.contains("Redis"), "{error}");
        thread.join().unwrap();
    }
}

#[test]
fn a_redis_that_never_answers_ends_the_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let redis = options(&format!("redis://{address}/")).connect_timeout(Duration::from_millis(100));
    let error = fault(redis);
    assert!(error.contains("does not answer"), "{error}");
}

#[test]
fn a_journal_beside_redis_is_an_error() {
    let Some(redis) = redis(&[]) else { return };
    let history = History::new().redis(options(&redis.address()));
    let history = history.journal(crate::history::journal::store::Memory::default());
    let error = Server::builder()
        .history(history)
        .listen("127.0.0.1:0")
        .build()
        .err()
        .unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
