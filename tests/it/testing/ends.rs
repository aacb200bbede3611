//! The end of a test: the reports, and the failures that must not pass unnoticed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};

use stentor::protocol::Initiator;
use stentor::testing::TestServer;
use stentor::{CloseCode, Error, Server, Version};

use super::{echo, in_no_time, message};
use crate::support::hush;

/// Returns the message of the panic.
fn panic_of(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("no panic");
    match panic.downcast::<String>() {
        Ok(words) => *words,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn a_shutdown_returns_the_reports_in_the_order_of_the_closes() {
    let server = TestServer::new(Server::builder(), echo).unwrap();
    let mut first = server.connect().unwrap();
    let mut second = server.connect().unwrap();
    let third = server.connect().unwrap();
    first.send("hello").unwrap();
    assert_eq!(message(&mut first), "hello".into());
    second.close(CloseCode::from(4000), "bye").unwrap();
    assert_eq!(second.recv().unwrap(), None);
    drop(second);
    let report = server.next_report().unwrap();
    assert_eq!((report.closed.code.get(), report.id.get()), (4000, 2));
    drop(first);
    let reports = server.shutdown();
    let codes: Vec<_> = reports.iter().map(|report| report.closed.code).collect();
    assert_eq!(codes, [CloseCode::NORMAL, CloseCode::GOING_AWAY]);
    assert_eq!((reports[0].messages_in, reports[0].messages_out), (1, 1));
    assert_eq!(reports[1].closed.initiator, Initiator::Us);
    drop(third);
}

/// A client on the test's own thread, a peer that stalls and one that has vanished do not answer 1001.
#[test]
fn clients_that_do_not_answer_cost_a_shutdown_no_time() {
    in_no_time(|| {
        for version in Version::ALL {
            let server = TestServer::new(Server::builder(), echo).unwrap();
            let _socket = server.connect().unwrap();
            let (mut stalled, mut vanished) =
                (server.peer(version).unwrap(), server.peer(version).unwrap());
            let _silent = server.peer_before_handshake().unwrap();
            stalled.stall();
            vanished.vanish();
            assert_eq!(server.shutdown().len(), 3, "{version}");
        }
    });
}

#[test]
fn a_failed_handler_fails_the_test() {
    for words in ["wrong: ", "handlers have failed"] {
        hush(words);
    }
    for panics in [false, true] {
        let server = TestServer::new(Server::builder(), move |client| {
            let message = client.recv()?.ok_or("no message")?;
            assert!(!panics, "wrong: {message:?}");
            Err("wrong".into())
        });
        let server = server.unwrap();
        let mut socket = server.connect().unwrap();
        socket.send("hello").unwrap();
        assert_eq!(socket.recv().unwrap(), None);
        let code = socket.closed().unwrap().code;
        assert_eq!(code, CloseCode::INTERNAL_ERROR);
        drop(socket);
        let panic = panic_of(|| drop(server));
        assert!(panic.contains("handlers have failed"), "{panic}");
        assert!(panic.contains("wrong"), "{panic}");
        assert_eq!(panic.contains("panicked"), panics, "{panic}");
    }
}

#[test]
fn an_expected_failure_does_not_fail_the_test() {
    let server = TestServer::new(Server::builder(), |_| Err("wrong".into())).unwrap();
    let mut socket = server.connect().unwrap();
    assert_eq!(socket.recv().unwrap(), None);
    let failures = server.failures();
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].id.get(), &*failures[0].error), (1, "wrong"));
    assert_eq!(server.failures(), []);
    drop(socket);
    assert_eq!(server.shutdown().len(), 1);
}

/// It is the end of a connection, not a failure.
#[test]
fn a_handler_that_ends_with_the_connection_has_not_failed() {
    let server = TestServer::new(Server::builder(), echo).unwrap();
    server.connect().unwrap().abort();
    drop(server.peer(Version::Hybi07).unwrap());
    for _ in 0..2 {
        assert!(server.next_report().is_some());
    }
    assert_eq!(server.failures(), []);
}

#[test]
fn a_handler_that_never_returns_fails_the_test() {
    hush("a handler still runs");
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let server = TestServer::new(Server::builder(), move |_| {
        let released = released.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = released.recv();
        Ok(())
    });
    let server = server.unwrap();
    let _socket = server.connect().unwrap();
    let panic = panic_of(|| drop(server));
    assert!(panic.contains("still runs"), "{panic}");
    drop(release);
}

#[test]
fn a_shutdown_by_the_handle_rejects_further_clients() {
    let server = TestServer::new(Server::builder(), echo).unwrap();
    let mut socket = server.connect().unwrap();
    server.handle().shutdown(super::HOUR);
    assert_eq!(socket.recv().unwrap(), None);
    assert_eq!(socket.closed().unwrap().code, CloseCode::GOING_AWAY);
    assert!(matches!(server.connect(), Err(Error::Handshake(_))));
    drop(socket);
}
