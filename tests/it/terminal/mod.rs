//! The terminal client example as a process, in the room of the chat example.

mod chatting;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use stentor::Server;

use crate::support::{Chat, Folder, Loopback, PATIENCE, build, eventually};

fn start(arguments: &[&str]) -> Child {
    let mut client = Command::new(build("client"));
    client.args(arguments).stdin(Stdio::piped());
    client.stdout(Stdio::piped()).stderr(Stdio::piped());
    client.spawn().unwrap()
}

/// Fails unless it gets the welcome, receives its own message, and ends cleanly at the end of its
/// input.
fn expect_talk(arguments: &[&str]) {
    let mut client = start(arguments);
    let mut keyboard = client.stdin.take().unwrap();
    let screen = BufReader::new(client.stdout.take().unwrap());
    let (update, received) = mpsc::channel();
    thread::spawn(move || {
        screen
            .lines()
            .try_for_each(|line| update.send(line.unwrap()))
    });
    for (typed, expected) in [
        (r#"{"type":"join","name":"Ann"}"#, "\"welcome\""),
        (r#"{"type":"say","text":"hello"}"#, "\"hello\""),
    ] {
        // If it has ended already, its own output says why.
        let _ = writeln!(keyboard, "{typed}");
        loop {
            match received.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(expected) => break,
                Ok(_) => {}
                Err(_) => panic!("{arguments:?}: {}", fails(client)),
            }
        }
    }
    drop(keyboard);
    let status = eventually("the end of the client", || client.try_wait().unwrap());
    assert!(status.success(), "{arguments:?}: {status}");
}

/// Returns its output, which must report a failure.
fn fails(mut client: Child) -> String {
    drop(client.stdin.take());
    let status = eventually("the end of the client", || client.try_wait().unwrap());
    assert!(!status.success(), "{status}");
    String::from_utf8(client.wait_with_output().unwrap().stderr).unwrap()
}

#[cfg(unix)]
#[test]
fn the_terminals_client_comes_by_a_port_and_by_a_unix_socket() {
    let folder = Folder::new();
    let path = folder.file("chat.socket").display().to_string();
    let chat = Chat::start(std::slice::from_ref(&path));
    let url = format!("ws://{}/lobby", chat.address);
    expect_talk(&["--as", "draft-76", &url]);
    expect_talk(&["--unix", &path, "ws://localhost/lobby"]);
}

#[cfg(feature = "self-signed")]
#[test]
fn the_terminals_client_trusts_the_certificate_that_the_chat_has_signed() {
    let folder = Folder::new();
    let file = folder.file("chat.pem").display().to_string();
    let chat = Chat::start(&[format!("--self-signed={file}")]);
    let url = format!("wss://{}/lobby", chat.address);
    expect_talk(&["--trust", &file, &url]);
    let words = fails(start(&[&url]));
    assert!(words.contains("certificate"), "{words}");
}

/// ESC colours, moves and asks; 0x9B is ESC and a bracket in one; U+202E turns around what follows it.
#[test]
fn control_characters_of_others_are_escaped_on_the_terminal() {
    let sent =
        "a\tb\u{1b}[31mred\u{9b}2J\r\u{7f}\u{202e}ltr\u{2066}\u{0}שלום 👨\u{200d}👩\nnext line";
    let shown = concat!(
        "a\tb\\u{1b}[31mred\\u{9b}2J\\u{d}\\u{7f}\\u{202e}ltr\\u{2066}\\u{0}שלום 👨\u{200d}👩\nnext line\n",
        "\\x1b[0m\\xff\n",
    );
    let server = Loopback::run(Server::builder(), move |client| {
        client.send(sent)?;
        client.send(b"\x1b[0m\xff".to_vec())?;
        Ok(())
    });
    let client = start(&[&format!("ws://{}/", server.address)]);
    let output = client.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
}

#[test]
fn the_terminals_client_prints_its_usage() {
    for wrong in [
        &[][..],
        &["--as"],
        &["--what", "ws://localhost/"],
        &["ws://localhost/", "more"],
        &["--chat"],
        &["--chat", "Ann", "--unix", "socket", "ws://localhost/"],
    ] {
        let words = fails(start(wrong));
        assert!(words.contains("usage: client"), "{wrong:?}: {words}");
    }
}
