//! Messages that are sent while there is no connection.

use std::thread;

use stentor::protocol::SendError;
use stentor::{CloseCode, Connector, Error, Version};

use super::{HOUR, LOST, Series, at_once, next, stay};
use crate::support::{becomes, eventually};

/// The cost of a message beyond its payload.
const OVERHEAD: usize = 64;

#[test]
fn messages_that_wait_follow_those_of_the_loop_in_their_order() {
    let series = Series::run(|connections| {
        for numbers in [["1", "2", "3"], ["5", "6", "7"]] {
            let mut server = connections.next();
            server.expect(0x81, b"subscribe");
            for number in numbers {
                server.expect(0x81, number.as_bytes());
            }
        }
    });
    let mut feed = stay(&series.url, at_once());
    let sender = feed.sender();
    assert!(!sender.is_connected());
    sender.send("1").unwrap();
    feed.send("2").unwrap();
    assert_eq!(sender.waiting_bytes(), 2 * (OVERHEAD + 1));
    assert_eq!(next(&mut feed), "connected");
    assert!(sender.is_connected());
    sender.send("3").unwrap();
    feed.send("subscribe").unwrap();
    assert_eq!(next(&mut feed), LOST);
    assert_eq!(sender.waiting_bytes(), 0);
    feed.send("5").unwrap();
    sender.send("6").unwrap();
    assert_eq!(next(&mut feed), "connected again");
    feed.send("subscribe").unwrap();
    sender.send("7").unwrap();
    assert_eq!(next(&mut feed), LOST);
    series.join();
}

#[test]
fn messages_that_wait_are_limited_in_bytes() {
    let mut feed = stay("ws://127.0.0.1:9/", at_once().queue_limit(3 * OVERHEAD));
    let sender = feed.sender();
    sender.send("x".repeat(OVERHEAD)).unwrap();
    let large = sender.send("xx".repeat(OVERHEAD)).unwrap_err().to_string();
    assert_eq!(
        large,
        "not connected, and 128 bytes wait for the next connection already: this message would exceed \
         the queue limit of 192 bytes"
    );
    sender.send("").unwrap();
    assert!(matches!(
        feed.send(""),
        Err(Error::QueueFull {
            waiting: 192,
            limit: 192
        })
    ));
    assert_eq!(feed.discard_waiting(), 2);
    feed.send("there is room again").unwrap();

    let mut feed = stay("ws://127.0.0.1:9/", at_once().queue_limit(0));
    assert!(matches!(feed.send(""), Err(Error::QueueFull { .. })));
}

#[test]
fn a_message_that_the_version_cannot_carry_does_not_wait() {
    for version in Version::ALL {
        let connector = Connector::new().version(version);
        let mut feed = connector
            .stay_connected("ws://127.0.0.1:9/", at_once())
            .unwrap();
        let sent = feed.send(vec![1, 2]);
        match version.has_binary() {
            true => sent.unwrap(),
            false => assert!(matches!(
                sent,
                Err(Error::Send(SendError::UnsupportedByVersion { version: which, .. }))
                    if which == version
            )),
        }
    }
}

#[test]
fn a_message_of_a_connection_that_has_ended_does_not_reach_the_next_one() {
    let series = Series::run(|connections| {
        drop(connections.next());
        let mut server = connections.next();
        server.expect(0x81, b"subscribe");
        server.expect(0x81, b"waited");
        server.start_close(1000);
        server.expect_goodbye(1000);
    });
    let mut feed = stay(&series.url, at_once());
    assert_eq!(next(&mut feed), "connected");
    // Until the end of the stream, and the reset that answers these bytes, have arrived.
    let socket = feed.connection().unwrap().sender();
    eventually("the end of the connection", || socket.send("lost").err());
    feed.send("subscribe").unwrap();
    feed.sender().send("waited").unwrap();
    assert!(next(&mut feed).starts_with("disconnected"));
    assert_eq!(next(&mut feed), "connected again");
    feed.send("subscribe").unwrap();
    assert_eq!(next(&mut feed), "over");
    series.join();
}

/// The reading thread is busy elsewhere, and has not noticed the end.
#[test]
fn once_sending_has_noticed_the_end_messages_wait() {
    let series = Series::run(|connections| {
        let mut server = connections.next();
        server.say("hello");
        drop(server);
        let mut server = connections.next();
        assert_eq!(server.hear(), (0x81, b"first".to_vec()));
        server.start_close(1000);
    });
    let mut feed = stay(&series.url, at_once());
    assert_eq!(next(&mut feed), "connected");
    assert_eq!(next(&mut feed), "hello");
    let socket = feed.connection().unwrap().sender();
    eventually("the end of the connection", || socket.send("lost").err());
    let sender = feed.sender();
    sender.send("first").unwrap();
    sender.send("x".repeat(100_000)).unwrap();
    assert_eq!(sender.waiting_bytes(), 2 * OVERHEAD + 5 + 100_000);
    assert!(next(&mut feed).starts_with("disconnected"));
    assert_eq!(next(&mut feed), "connected again");
    assert_eq!(next(&mut feed), "over");
    series.join();
}

/// Some messages are lost with each connection, but none is overtaken and none arrives twice.
#[test]
fn messages_of_a_thread_arrive_in_their_order_over_many_connections() {
    const LAST: usize = 3000;
    let series = Series::run(|connections| {
        let mut newest = None;
        while newest != Some(LAST) {
            let mut server = connections.next();
            for _ in 0..100 {
                let (_, payload) = server.hear();
                let words = String::from_utf8(payload).unwrap();
                let number = words.trim_start_matches('x').parse().unwrap();
                assert!(
                    newest.is_none_or(|newest| newest < number),
                    "{newest:?} {number}"
                );
                newest = Some(number);
                if number == LAST {
                    server.start_close(1000);
                    return;
                }
            }
        }
    });
    let options = at_once().queue_limit(20_000);
    let mut feed = stay(&series.url, options);
    let sender = feed.sender();
    let other = thread::spawn(move || {
        let mut number = 0;
        loop {
            let filling = "x".repeat(if number % 50 == 0 { 18_000 } else { 5 });
            match sender.send(format!("{filling}{number}")) {
                Ok(()) if number < LAST => number += 1,
                // It may be lost too, so it is repeated until the server closes the connection.
                Ok(()) | Err(Error::QueueFull { .. }) => thread::sleep(super::MILLISECOND / 10),
                Err(error) => return assert!(matches!(error, Error::Closed), "{error}"),
            }
        }
    });
    while next(&mut feed) != "over" {}
    other.join().unwrap();
    series.join();
}

#[test]
fn messages_that_wait_are_dropped_when_all_ends() {
    let feed = stay("ws://127.0.0.1:9/", at_once());
    let sender = feed.sender();
    sender.send("waits").unwrap();
    sender.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(sender.waiting_bytes(), 0);
    assert!(matches!(sender.send("more"), Err(Error::Closed)));

    let feed = stay("ws://127.0.0.1:9/", at_once());
    let sender = feed.sender();
    sender.send("waits").unwrap();
    drop(feed);
    assert_eq!(sender.waiting_bytes(), 0);
    assert!(matches!(sender.send("more"), Err(Error::Closed)));
}

#[test]
fn more_than_a_socket_holds_may_wait() {
    const COUNT: usize = 100;
    let series = Series::run(|connections| {
        let mut server = connections.next();
        // The client does not wait for its own messages to be read before it reads.
        server.say("go on");
        for _ in 0..COUNT {
            assert_eq!(server.hear().1.len(), 60_000);
        }
        server.start_close(1000);
        server.expect_goodbye(1000);
    });
    let connector = Connector::new().send_queue_limit(1000).write_timeout(HOUR);
    let options = at_once().queue_limit(usize::MAX);
    let mut feed = connector.stay_connected(&series.url, options).unwrap();
    for _ in 0..COUNT {
        feed.send("x".repeat(60_000)).unwrap();
    }
    assert_eq!(next(&mut feed), "connected");
    assert_eq!(next(&mut feed), "go on");
    let sender = feed.sender();
    becomes(&0, || sender.waiting_bytes());
    assert_eq!(next(&mut feed), "over");
    series.join();
}
