//! The end: by this side in every phase, by the server, and by permanent errors.

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use stentor::client::{Reconnect, ReconnectingSender};
use stentor::protocol::{Initiator, InvalidUrl};
use stentor::{CloseCode, Connector, Error};

use super::super::LONG;
use super::{HOUR, Series, at_once, next, next_delay, stay};
use crate::support::PATIENCE;

/// Both ways to end all.
const ENDS: [fn(&ReconnectingSender); 2] = [
    |sender| sender.close(CloseCode::NORMAL, "enough").unwrap(),
    |sender| sender.abort(),
];

/// The timeouts are an hour, so nothing else ends a wait.
fn patient() -> Connector {
    let connector = Connector::new()
        .handshake_timeout(HOUR)
        .connect_timeout(HOUR);
    connector.close_timeout(HOUR).write_timeout(HOUR)
}

fn soon<T>(wait: impl FnOnce() -> T) -> T {
    let since = Instant::now();
    let result = wait();
    assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
    result
}

#[test]
fn the_end_interrupts_the_delay() {
    for end in ENDS {
        let series = Series::run(|connections| drop(connections.next_stream()));
        let options = Reconnect::new()
            .first_delay(HOUR)
            .max_delay(HOUR)
            .jitter(false);
        let mut feed = patient().stay_connected(&series.url, options).unwrap();
        assert_eq!(next_delay(&mut feed), HOUR);
        let sender = feed.sender();
        let nothing = feed.recv_timeout(super::MILLISECOND).unwrap();
        assert_eq!(super::in_words(nothing), "nothing");
        let other = thread::spawn(move || end(&sender));
        assert_eq!(soon(|| next(&mut feed)), "over");
        assert_eq!(next(&mut feed), "over");
        other.join().unwrap();
        soon(|| drop(feed));
        series.join();
    }
}

#[test]
fn the_end_interrupts_an_attempt() {
    for end in ENDS {
        // It accepts no connection; the system does.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", silent.local_addr().unwrap());
        let mut feed = patient().stay_connected(&url, at_once()).unwrap();
        let sender = feed.sender();
        let (update, connected) = mpsc::channel();
        let other = thread::spawn(move || {
            // The request is on its way.
            let (mut stream, _) = silent.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.read_exact(&mut [0; 16]).unwrap();
            end(&sender);
            update.send(stream).unwrap();
        });
        assert_eq!(soon(|| next(&mut feed)), "over");
        soon(|| drop(feed));
        other.join().unwrap();
        drop(connected);
    }
}

#[test]
fn a_close_completes_the_closing_handshake_of_an_open_connection() {
    let series = Series::run(|connections| {
        let mut server = connections.next();
        server.say("hello");
        server.expect(0x81, b"last words");
        server.expect_close(4000, "enough");
        server.start_close(4000);
    });
    let mut feed = patient().stay_connected(&series.url, at_once()).unwrap();
    assert_eq!(next(&mut feed), "connected");
    assert_eq!(next(&mut feed), "hello");
    let sender = feed.sender();
    let other = thread::spawn(move || {
        sender.send("last words").unwrap();
        sender.close(CloseCode::new(4000), "enough").unwrap();
        sender.close(CloseCode::new(4001), "again").unwrap();
        assert!(!sender.is_connected());
        assert!(matches!(sender.send("more"), Err(Error::Closed)));
    });
    assert_eq!(soon(|| next(&mut feed)), "over");
    other.join().unwrap();
    let closed = feed.closed().unwrap();
    assert_eq!((closed.code.get(), closed.initiator), (4000, Initiator::Us));
    soon(|| drop(feed));
    series.join();
}

#[test]
fn an_abort_does_not_wait_for_the_server() {
    let series = Series::run(|connections| {
        let mut server = connections.next();
        server.say("hello");
        // It does not answer.
        let mut rest = Vec::new();
        let _ = server.stream.read_to_end(&mut rest);
    });
    let mut feed = patient().stay_connected(&series.url, at_once()).unwrap();
    assert_eq!(next(&mut feed), "connected");
    assert_eq!(next(&mut feed), "hello");
    let sender = feed.sender();
    let other = thread::spawn(move || sender.abort());
    assert_eq!(soon(|| next(&mut feed)), "over");
    other.join().unwrap();
    soon(|| drop(feed));
    series.join();
}

#[test]
fn the_end_comes_before_the_first_attempt() {
    for end in ENDS {
        let unused = TcpListener::bind("127.0.0.1:0").unwrap();
        unused.set_nonblocking(true).unwrap();
        let url = format!("ws://{}/", unused.local_addr().unwrap());
        let mut feed = stay(&url, at_once());
        end(&feed.sender());
        assert_eq!(next(&mut feed), "over");
        assert!(unused.accept().is_err(), "a connection was opened");
    }
}

#[test]
fn dropping_the_value_closes_the_connection() {
    let series = Series::run(|connections| {
        let mut server = connections.next();
        server.expect_goodbye(1000);
        server.start_close(1000);
    });
    let mut feed = stay(&series.url, at_once());
    assert_eq!(next(&mut feed), "connected");
    drop(feed);
    series.join();
}

#[test]
fn a_close_that_cannot_be_sent_closes_nothing() {
    let series = Series::run(|connections| {
        let mut server = connections.next();
        server.say("still open");
        server.start_close(1000);
    });
    let mut feed = stay(&series.url, at_once());
    let sender = feed.sender();
    for (code, reason) in [(1006, ""), (999, ""), (1000, "x".repeat(124).as_str())] {
        let code = CloseCode::new(code);
        assert!(matches!(sender.close(code, reason), Err(Error::Send(_))));
        assert!(matches!(feed.close(code, reason), Err(Error::Send(_))));
    }
    assert_eq!(next(&mut feed), "connected");
    assert_eq!(next(&mut feed), "still open");
    assert_eq!(next(&mut feed), "over");
    series.join();
}

#[test]
fn some_codes_of_the_server_are_final() {
    let closes_with = |code: u16, options: Reconnect| {
        let series = Series::run(move |connections| {
            let mut server = connections.next();
            server.start_close(code);
            server.expect_goodbye(code);
        });
        let mut feed = stay(&series.url, options);
        assert_eq!(next(&mut feed), "connected");
        let event = next(&mut feed);
        assert_eq!(feed.closed().unwrap().code.get(), code);
        series.join();
        event
    };
    for code in [1000, 1008, 3000, 3003] {
        assert_eq!(closes_with(code, at_once()), "over");
        let none = at_once().final_codes([]);
        assert_eq!(closes_with(code, none), format!("closed {code}"));
    }
    for code in [1001, 1002, 1009, 1011, 1012, 1013, 1014, 3008, 4000] {
        assert_eq!(closes_with(code, at_once()), format!("closed {code}"));
        let this_one = at_once().final_codes([CloseCode::new(code)]);
        assert_eq!(closes_with(code, this_one), "over");
    }
}

/// It may close one connection with its own sender, to connect again.
#[test]
fn a_final_code_of_this_side_is_not_final() {
    let series = Series::run(|connections| {
        let mut server = connections.next();
        server.expect_goodbye(1000);
        server.start_close(1000);
        drop(server);
        connections.next().say("again");
    });
    let mut feed = stay(&series.url, at_once());
    assert_eq!(next(&mut feed), "connected");
    let socket = feed.connection().unwrap().sender();
    socket.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(next(&mut feed), "closed 1000");
    assert_eq!(next(&mut feed), "connected again");
    assert_eq!(next(&mut feed), "again");
    series.join();
}

#[test]
fn permanent_errors_end_the_loop_but_do_not_forbid_another_attempt() {
    let series = Series::run(|connections| {
        for status in [400, 401, 403, 404, 302, 200] {
            connections.reject(status, "");
        }
        connections.next_request().write(b"no HTTP at all\r\n\r\n");
        connections.next().say("at last");
    });
    let mut feed = stay(&series.url, at_once());
    for status in [400, 401, 403, 404, 302, 200] {
        match feed.recv() {
            Err(Error::Handshake(error)) => {
                assert_eq!(error.response().unwrap().status(), status);
            }
            other => panic!("{other:?}"),
        }
        feed.send("waits").unwrap();
    }
    assert!(matches!(feed.recv(), Err(Error::Handshake(_))));
    assert_eq!(next(&mut feed), "connected");
    assert_eq!(next(&mut feed), "at last");
    series.join();
}

#[cfg(feature = "tls")]
#[test]
fn a_certificate_that_is_not_trusted_is_a_permanent_error() {
    use crate::support::{Identity, Loopback};
    use stentor::Server;
    use stentor::tls::TlsClient;

    let identity = Identity::common();
    let server = Loopback::echo(Server::builder().tls(identity.server()));
    let url = format!("wss://{}/", server.address);
    let mut feed = stay(&url, at_once());
    assert!(matches!(feed.recv(), Err(Error::Tls(_))));
    let tls = TlsClient::trusting_only(identity.certificate.as_bytes()).unwrap();
    let trusting = Connector::new().tls(tls);
    feed.set_connector(&trusting, &url).unwrap();
    assert_eq!(next(&mut feed), "connected");
    feed.send("hello").unwrap();
    assert_eq!(next(&mut feed), "hello");
}

#[test]
fn temporary_rejections_do_not_end_the_loop() {
    let statuses = [408, 425, 429, 500, 502, 503, 504, 520];
    let series = Series::run(move |connections| {
        for status in statuses {
            connections.reject(status, "");
        }
    });
    let mut feed = stay(&series.url, at_once());
    for status in statuses {
        let event = next(&mut feed);
        assert!(event.contains(&status.to_string()), "{event}");
    }
    series.join();
}

#[test]
fn an_invalid_url_is_an_error_at_once() {
    let stay = |url| Connector::new().stay_connected(url, at_once());
    let error = stay("http://example.com/").unwrap_err();
    assert!(
        matches!(error, Error::Url(InvalidUrl::Scheme(_))),
        "{error:?}"
    );
    assert!(stay("ws://").is_err());
    assert_eq!(stay("wss://example.com/").is_ok(), cfg!(feature = "tls"));
}

#[test]
fn the_log_names_the_server_and_hides_the_query() {
    crate::support::keep_logbook();
    let series = Series::run(|connections| {
        drop(connections.next());
        connections.reject(404, "");
    });
    let mut feed = stay(&series.url, at_once());
    assert_eq!(next(&mut feed), "connected");
    next(&mut feed);
    assert!(feed.recv().is_err());
    let address = series.address.to_string();
    for words in [
        "/feed: connected",
        "/feed: disconnected: the stream ended; next",
        "; gives up",
    ] {
        let lines = crate::support::logged(&[&address, words]);
        assert_eq!(lines.len(), 1, "{words}: {lines:?}");
    }
    assert!(crate::support::logged(&[&address, "secret"]).is_empty());
    series.join();
}
