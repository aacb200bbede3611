//! Other threads that send and close, while one receives.

use std::collections::HashMap;
use std::thread;

use stentor::protocol::SendError;
use stentor::{CloseCode, Connector, Error, Message, Received, Sender, Server, Version};

use super::{LONG, open, url};
use crate::support::{Loopback, Script};

#[test]
fn messages_of_several_threads_never_mix() {
    const THREADS: usize = 4;
    const EACH: usize = 200;
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut socket = open(&server, version);
        let talk = |sender: Sender, thread: usize| {
            for number in 0..EACH {
                // Some are copied and some are not.
                let filling = "x".repeat(if number % 20 == 0 { 20_000 } else { 10 });
                sender.send(format!("{thread} {number} {filling}")).unwrap();
            }
        };
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let sender = socket.sender();
                scope.spawn(move || talk(sender, thread));
            }
            let mut next: HashMap<usize, usize> = HashMap::new();
            for _ in 0..THREADS * EACH {
                let Some(Message::Text(text)) = socket.recv().unwrap() else {
                    panic!("{version}: no text");
                };
                let mut words = text.split(' ');
                let mut word = || words.next().unwrap();
                let (thread, number) = (word().parse().unwrap(), word().parse::<usize>().unwrap());
                assert!(word().bytes().all(|byte| byte == b'x'), "{version}");
                let next = next.entry(thread).or_default();
                assert_eq!(number, *next, "{version}: thread {thread}");
                *next += 1;
            }
        });
    }
}

/// A thread that sends may then wait for something else than this connection.
#[test]
fn a_message_leaves_at_once_although_more_input_waits() {
    let server = Script::run(|mut client| {
        client.accept("");
        // Both arrive with one read.
        client.write(b"\x81\x01a\x81\x01b");
        client.expect(0x81, b"reply");
        client.start_close(1000);
        client.expect_goodbye(1000);
    });
    let mut socket = stentor::connect(&server.url).unwrap();
    assert_eq!(socket.recv().unwrap(), Some("a".into()));
    let before = socket.stats().bytes_out;
    socket.send("reply").unwrap();
    assert_eq!(socket.stats().bytes_out - before, 11);
    assert_eq!(socket.recv().unwrap(), Some("b".into()));
    assert_eq!(socket.recv().unwrap(), None);
    drop(socket);
    server.join();
}

#[test]
fn a_close_on_another_thread_wakes_the_reading_thread() {
    let server = Loopback::echo(Server::builder());
    for version in Version::ALL {
        let mut socket = open(&server, version);
        let sender = socket.sender();
        assert!(sender.is_open());
        let other = thread::spawn(move || {
            sender.close(CloseCode::NORMAL, "from elsewhere").unwrap();
            sender.close(CloseCode::NORMAL, "and again").unwrap();
            assert!(!sender.is_open());
            assert!(matches!(sender.send("more"), Err(Error::Closed)));
        });
        assert_eq!(socket.recv().unwrap(), None, "{version}");
        assert!(socket.closed().unwrap().clean, "{version}");
        other.join().unwrap();
    }
    let counters = server.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn a_sender_outlives_its_connection_and_keeps_nothing_open() {
    let server = Loopback::echo(Server::builder());
    let sender = open(&server, Version::Rfc6455).sender();
    server.wait_until_empty();
    assert!(!sender.is_open());
    assert!(matches!(sender.send("hello?"), Err(Error::Closed)));
    assert!(sender.close(CloseCode::NORMAL, "").is_ok());
}

#[test]
fn a_message_that_the_version_cannot_carry_is_the_senders_error() {
    let server = Loopback::echo(Server::builder());
    for version in [Version::Draft75, Version::Draft76] {
        let mut socket = open(&server, version);
        let sender = socket.sender();
        for bytes in [10, 100_000] {
            let sent = sender.send(vec![0; bytes]);
            let send_error = matches!(
                sent,
                Err(Error::Send(SendError::UnsupportedByVersion { version: which, .. }))
                    if which == version
            );
            assert!(send_error, "{sent:?}");
        }
        sender.send("still here").unwrap();
        assert_eq!(socket.recv().unwrap(), Some("still here".into()));
    }
}

/// More bytes than all buffers hold are sent while as many come back.
#[test]
fn a_thread_that_sends_waits_for_room_while_another_reads() {
    const COUNT: usize = 200;
    let server = Loopback::echo(Server::builder());
    let connector = Connector::new()
        .send_queue_limit(10_000)
        .write_timeout(LONG);
    let mut socket = connector.connect(&url(&server)).unwrap();
    let sender = socket.sender();
    let other = thread::spawn(move || {
        for _ in 0..COUNT {
            sender.send("x".repeat(100_000)).unwrap();
        }
    });
    for _ in 0..COUNT {
        match socket.recv_timeout(LONG).unwrap() {
            Received::Message(message) => assert_eq!(message.len(), 100_000),
            other => panic!("{other:?}"),
        }
    }
    other.join().unwrap();
}

#[test]
fn a_connection_may_move_to_another_thread() {
    fn may_be_shared<T: Send + Sync>(_: &T) {}
    let server = Loopback::echo(Server::builder());
    let mut socket = open(&server, Version::Rfc6455);
    may_be_shared(&socket.sender());
    let other = thread::spawn(move || {
        socket.send("from here").unwrap();
        socket.recv().unwrap()
    });
    assert_eq!(other.join().unwrap(), Some("from here".into()));
}
