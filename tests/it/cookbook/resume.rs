//! The recipe "Resume after a lost connection".

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use stentor::WebSocket;

use crate::support::PATIENCE;

/// Returns the value of a text in a JSON object.
fn value(message: &str, key: &str) -> String {
    let parsed: serde_json::Value = serde_json::from_str(message).unwrap();
    match &parsed[key] {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn next(socket: &mut WebSocket) -> String {
    super::super::text(socket)
}

#[test]
fn a_client_that_comes_back_receives_what_it_has_missed() {
    let server = super::build("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let handle = server.handle();
    let server = server.spawn(super::chat).unwrap();
    let (written, lines) = mpsc::channel();
    let archive = {
        let handle = handle.clone();
        thread::spawn(move || super::archive(&handle, |line| written.send(line).unwrap()))
    };
    let mut first = stentor::connect(&url).unwrap();
    assert_eq!(value(&next(&mut first), "missed"), "0");
    first.send("one").unwrap();
    let id = value(&next(&mut first), "id");
    let mut other = stentor::connect(&url).unwrap();
    assert_eq!(value(&next(&mut other), "type"), "welcome");
    assert_eq!(value(&next(&mut other), "text"), "one");
    drop(first);
    other.send("two").unwrap();
    assert_eq!(value(&next(&mut other), "text"), "two");
    let mut again = stentor::connect(&format!("{url}?since={id}")).unwrap();
    assert_eq!(value(&next(&mut again), "missed"), "0");
    assert_eq!(value(&next(&mut again), "text"), "two");
    for text in ["one", "two"] {
        let line = lines.recv_timeout(PATIENCE).unwrap();
        assert!(line.contains(text), "{line}");
    }
    handle.shutdown(Duration::from_secs(5));
    drop((other, again));
    server.join().unwrap();
    archive.join().unwrap().unwrap();
}
