//! The recipe "Request and response".

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use stentor::{HandlerResult, Server};

use crate::cookbook;
use crate::support::{Loopback, PATIENCE};

/// Starts a caller and its reading thread.
fn caller(server: &Loopback) -> (Arc<super::Caller>, thread::JoinHandle<()>) {
    let socket = cookbook::open(server.address, "/");
    let caller = Arc::new(super::Caller::new(socket.sender()));
    let reader = Arc::clone(&caller);
    (caller, thread::spawn(move || reader.read(socket)))
}

#[test]
fn each_thread_receives_the_response_to_its_own_request() {
    let server = Loopback::run(Server::builder(), super::serve);
    let (caller, _) = caller(&server);
    thread::scope(|scope| {
        for number in 0..8 {
            let caller = &caller;
            scope.spawn(move || {
                for round in 0..50 {
                    let response = caller.call(&format!("r{number}.{round}"), PATIENCE);
                    assert_eq!(response.unwrap(), format!("R{number}.{round}"));
                }
            });
        }
    });
    assert!(caller.waiting().is_empty());
}

#[test]
fn a_request_without_a_response_times_out_and_a_late_one_is_ignored() {
    // Responds to each request together with the next one, the newer first.
    let server = Loopback::run(Server::builder(), |client| -> HandlerResult {
        while let (Some(first), Some(second)) = (client.recv()?, client.recv()?) {
            client.send(second)?;
            client.send(first)?;
        }
        Ok(())
    });
    let (caller, _) = caller(&server);
    let error = caller.call("one", Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&RecvTimeoutError::Timeout));
    assert!(caller.waiting().is_empty());
    assert_eq!(caller.call("two", PATIENCE).unwrap(), "two");
    assert!(caller.waiting().is_empty());
}

#[test]
fn the_end_of_the_connection_ends_the_wait() {
    let server = Loopback::run(Server::builder(), |client| {
        client.recv()?;
        Ok(())
    });
    let (caller, reader) = caller(&server);
    let error = caller.call("one", PATIENCE).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&RecvTimeoutError::Disconnected));
    reader.join().unwrap();
    let error = caller.call("two", PATIENCE).unwrap_err();
    assert!(error.is::<stentor::Error>(), "{error}");
    assert!(caller.waiting().is_empty());
}
