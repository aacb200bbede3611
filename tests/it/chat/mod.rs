//! The chat example as a process, as its clients see it.

#[cfg(feature = "prometheus")]
mod metrics;

mod moderation;

mod names;

mod page;

mod proxies;

mod resuming;

mod rooms;

mod wire;

use std::net::SocketAddr;

use serde_json::{Value, json};
use stentor::Version;

use crate::support::{Chat, HandshakeResponse, Head, Heard, Peer, ask};

/// Returns the next message of that type.
pub(crate) fn next(peer: &mut Peer, kind: &str) -> Value {
    loop {
        let message = next_of_all(peer);
        if message["type"] == kind {
            return message;
        }
    }
}

/// Returns the next message; pings may come before.
fn next_of_all(peer: &mut Peer) -> Value {
    loop {
        match peer.hear() {
            Heard::Ping(_) => {}
            Heard::Text(text) => return serde_json::from_str(&text).unwrap(),
            other => panic!("{}: {other:?} instead of text", peer.version),
        }
    }
}

/// Closes the connection on purpose, and waits for the close frame of the chat; messages may come before.
fn leave(mut peer: Peer) {
    peer.start_close(1000, "");
    loop {
        match peer.hear() {
            Heard::Text(_) | Heard::Ping(_) => {}
            end => {
                let expected = [Heard::Close(1000, String::new()), Heard::Marker, Heard::End];
                return assert!(expected.contains(&end), "{}: {end:?}", peer.version);
            }
        }
    }
}

/// A chat in which the end of a connection is a leave.
fn without_grace() -> Chat {
    Chat::start(&["--grace-period".to_owned(), "0".to_owned()])
}

pub(crate) fn send(peer: &mut Peer, message: &Value) {
    peer.say(&message.to_string());
}

fn ask_to_join(peer: &mut Peer, name: &str) {
    send(peer, &json!({"type": "join", "name": name}));
}

/// Returns a new member of the room `demo`, and the name that the chat has given it.
fn join(chat: &Chat, name: &str) -> (Peer, String) {
    let (peer, welcome) = enter(chat, Version::Rfc6455, "demo", &json!({"name": name}));
    (peer, welcome["name"].as_str().unwrap().to_owned())
}

/// Returns a client of that version in a room, and its welcome. The fields are those of its `join`.
pub(crate) fn enter(chat: &Chat, version: Version, room: &str, fields: &Value) -> (Peer, Value) {
    let mut peer = open(chat, version, room);
    let mut join = fields.clone();
    join["type"] = "join".into();
    send(&mut peer, &join);
    let welcome = next_of_all(&mut peer);
    assert_eq!(welcome["type"], "welcome", "{version}: {welcome}");
    (peer, welcome)
}

fn open(chat: &Chat, version: Version, room: &str) -> Peer {
    let head = Head::of(version).line(&format!("GET /{room} HTTP/1.1"));
    Peer::open_with(chat.address, version, &head)
}

fn say(peer: &mut Peer, text: &str) {
    send(peer, &json!({"type": "say", "text": text}));
}

/// Says a text of its own, and returns all messages up to that one: an event that has happened before is one
/// of them.
fn until_own(peer: &mut Peer, text: &str) -> Vec<Value> {
    say(peer, text);
    until_said(peer, text)
}

/// Returns all messages up to that text.
fn until_said(peer: &mut Peer, text: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    loop {
        messages.push(next_of_all(peer));
        let last = &messages[messages.len() - 1];
        if last["type"] == "said" && last["text"] == text {
            return messages;
        }
    }
}

/// Returns the texts of the `said` among messages.
fn texts(messages: &[Value]) -> Vec<&str> {
    let said = messages.iter().filter(|message| message["type"] == "said");
    said.map(|said| said["text"].as_str().unwrap()).collect()
}

fn types(messages: &[Value]) -> Vec<&str> {
    let types = messages.iter();
    types.map(|one| one["type"].as_str().unwrap()).collect()
}

/// Expects an error that contains these words.
fn expect_error(peer: &mut Peer, words: &str) {
    let error = next(peer, "error");
    assert!(error["text"].as_str().unwrap().contains(words), "{error}");
}

fn get(address: SocketAddr, path: &str) -> HandshakeResponse {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    ask(address, request.as_bytes())
}
