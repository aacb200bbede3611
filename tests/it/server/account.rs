//! The server's reports about its clients: every counter, every ending, every change of state.

use std::collections::BTreeMap;
use std::net::Shutdown;
use std::sync::{Arc, Mutex};

use rustix::net::sockopt;
use stentor::protocol::version::Closing;
use stentor::protocol::{Closed, Initiator, ProtocolError, State, Transition};
use stentor::server::{CloseReport, Counters};
use stentor::{HandlerResult, Response, Server, ServerBuilder, Version};

use crate::support::{
    HYBI, Head, Heard, Loopback, Peer, becomes, dial, hush, read_answer, read_end,
};

/// Sends a plain request; returns the number of bytes in each direction.
fn exchange(server: &Loopback, request: &[u8]) -> (u64, u64) {
    use std::io::{Read, Write};
    let mut stream = dial(server.address);
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    (request.len() as u64, answer.len() as u64)
}

#[test]
fn every_counter_counts() {
    let builder = Server::builder().on_request(|request| match request.path() {
        "/page" => Response::html("a page").into(),
        _ => stentor::Reply::accept(),
    });
    let server = Loopback::run(builder, |client| {
        while let Some(message) = client.recv()? {
            if message.as_text() == Some("fail") {
                return Err("as I was told to".into());
            }
            client.send(message)?;
        }
        Ok(())
    });
    let mut expected = Counters::default();
    assert_eq!(server.handle.counters(), expected);

    let page = exchange(&server, b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    let method = exchange(&server, b"POST /page HTTP/1.1\r\nHost: a\r\n\r\n");
    let plain = exchange(&server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (sent, received) in [page, method, plain] {
        expected.bytes_in += sent;
        expected.bytes_out += received;
    }
    expected.accepted = 3;
    expected.answered = 1;
    expected.rejected = [("method", 1), ("no upgrade", 1)].into();
    becomes(&expected, || server.handle.counters());

    let mut peers = server.open_all();
    for peer in &mut peers {
        peer.expect_echo("hello");
        peer.expect_echo("");
    }
    server.handle.broadcast("to all five");
    server.handle.broadcast(vec![1_u8, 2, 3]);
    for peer in &mut peers {
        peer.expect_text("to all five");
        if peer.version.has_binary() {
            assert_eq!(peer.hear(), Heard::Binary(vec![1, 2, 3]));
            peer.ping(b"");
            assert_eq!(peer.hear(), Heard::Pong(Vec::new()));
        }
    }
    let before = expected.clone();
    let with_bytes_of = |peers: &[Peer], mut expected: Counters| {
        expected.bytes_in = before.bytes_in + peers.iter().map(|peer| peer.written).sum::<u64>();
        expected.bytes_out = before.bytes_out + peers.iter().map(|peer| peer.read).sum::<u64>();
        expected
    };
    expected.connections = 5;
    expected.open = Version::ALL.map(|version| (version, 1)).into();
    expected.opened = Version::ALL.map(|version| (version, 1)).into();
    expected.accepted = 8;
    expected.messages_in = 10;
    expected.messages_out = 10 + 5 + 3;
    expected.skipped = 2;
    expected = with_bytes_of(&peers, expected);
    becomes(&expected, || server.handle.counters());

    peers[4].say("fail");
    peers[4].answer_goodbye(1011, "");
    for peer in &mut peers[..4] {
        peer.leave();
    }
    expected.connections = 0;
    expected.open = BTreeMap::new();
    expected.messages_in += 1;
    expected.failed_handlers = 1;
    // Two close frames without a code, two with, and one of our own.
    expected.closes = [(1000, 2), (1005, 2), (1011, 1)].into();
    expected = with_bytes_of(&peers, expected);
    becomes(&expected, || server.handle.counters());
}

/// The ways in which a conversation ends, on the client's side and the handler's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    PeerCloses,
    WeClose,
    HandlerReturns,
    HandlerFails,
    HandlerPanics,
    /// The stream ends without a close frame.
    Cut,
    /// TCP resets the connection.
    Reset,
    ProtocolError,
}

const ENDS: [End; 8] = [
    End::PeerCloses,
    End::WeClose,
    End::HandlerReturns,
    End::HandlerFails,
    End::HandlerPanics,
    End::Cut,
    End::Reset,
    End::ProtocolError,
];

fn obey(client: &mut stentor::Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        match message.as_text() {
            Some("close") => client.close(4002.into(), "enough")?,
            Some("return") => return Ok(()),
            Some("fail") => return Err("on purpose".into()),
            Some("panic") => panic!("on purpose"),
            _ => client.send(message)?,
        }
    }
    Ok(())
}

/// Causes the end and reads the remaining bytes.
fn end(peer: &mut Peer, end: End) {
    let told = |peer: &mut Peer, command: &str, code, reason: &str| {
        peer.say(command);
        peer.answer_goodbye(code, reason);
    };
    match end {
        End::PeerCloses => {
            peer.start_close(4001, "bye");
            peer.expect_goodbye(4001, "");
        }
        End::WeClose => told(peer, "close", 4002, "enough"),
        End::HandlerReturns => told(peer, "return", 1000, ""),
        End::HandlerFails => told(peer, "fail", 1011, ""),
        End::HandlerPanics => told(peer, "panic", 1011, ""),
        End::Cut => {
            peer.stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_end(&mut peer.stream), Heard::End);
        }
        End::Reset => {
            let no_time = Some(std::time::Duration::ZERO);
            sockopt::set_socket_linger(&peer.stream, no_time).unwrap();
        }
        End::ProtocolError if HYBI.contains(&peer.version) => {
            // Not masked.
            peer.write(b"\x81\x01x");
            peer.expect_goodbye(1002, "frame without a mask");
            peer.expect_end();
        }
        End::ProtocolError => {
            peer.say(&"x".repeat(1001));
            peer.expect_end();
        }
    }
}

/// Code, reason, the side that started, clean or not.
fn account(version: Version, end: End) -> Closed {
    let ends_stream = version.closing() == Closing::CloseTcp;
    let (code, reason, initiator, clean) = match end {
        End::PeerCloses if version.has_close_codes() => (4001, "bye", Initiator::Peer, true),
        End::PeerCloses => (1005, "", Initiator::Peer, true),
        // The code in the peer's answer counts, and its answer has no reason.
        End::WeClose if version.has_close_codes() => (4002, "", Initiator::Us, true),
        End::WeClose => (4002, "enough", Initiator::Us, true),
        End::HandlerReturns => (1000, "", Initiator::Us, true),
        End::HandlerFails | End::HandlerPanics => (1011, "", Initiator::Us, true),
        // Draft-75 has no other close.
        End::Cut if ends_stream => (1005, "", Initiator::Peer, true),
        End::Cut | End::Reset => (1006, "", Initiator::Nobody, false),
        End::ProtocolError if version.has_close_codes() => (1002, "", Initiator::Us, false),
        End::ProtocolError => (1006, "", Initiator::Us, false),
    };
    let protocol_error = match end {
        End::ProtocolError if version.has_close_codes() => Some(ProtocolError::Unmasked),
        End::ProtocolError => Some(ProtocolError::MessageTooLarge(1000)),
        _ => None,
    };
    Closed {
        code: code.into(),
        reason: reason.to_owned(),
        initiator,
        clean,
        protocol_error,
    }
}

type Log<T> = Arc<Mutex<Vec<T>>>;

fn logging_departures(builder: ServerBuilder) -> (ServerBuilder, Log<CloseReport>) {
    let departures = Log::<CloseReport>::default();
    let log = Arc::clone(&departures);
    let builder = builder.on_close(move |report| log.lock().unwrap().push(report.clone()));
    (builder, departures)
}

#[test]
fn a_close_reports_debug_output_hides_the_query() {
    let (builder, reports) = logging_departures(Server::builder());
    let server = Loopback::echo(builder);
    let url = format!("ws://{}/chat?token=SECRET", server.address);
    let mut socket = stentor::connect(&url).unwrap();
    socket.close(stentor::CloseCode::NORMAL, "").unwrap();
    drop(socket);
    server.wait_until_empty();
    let reports = reports.lock().unwrap();
    assert_eq!(reports[0].target, "/chat?token=SECRET");
    let shown = format!("{reports:?}");
    assert!(shown.contains(r#"target: "/chat?...""#), "{shown}");
    assert!(!shown.contains("SECRET"), "{shown}");
}

#[test]
fn every_ending_is_reported_exactly_once() {
    hush("on purpose");
    let (builder, departures) = logging_departures(Server::builder().max_message_size(1000));
    let server = Loopback::run(builder, obey);
    for version in Version::ALL {
        for how in ENDS {
            if how == End::Reset && version == Version::Draft75 {
                // The end of TCP is its close, in whatever way it happens.
                continue;
            }
            let mut peer = server.open(version);
            peer.expect_echo("one");
            let id = server.client(&peer).id();
            end(&mut peer, how);
            drop(peer);
            server.wait_until_empty();
            let told = std::mem::take(&mut *departures.lock().unwrap());
            let [report] = told.as_slice() else {
                panic!("{version}, {how:?}: {told:?}");
            };
            assert_eq!(report.closed, account(version, how), "{version}, {how:?}");
            let commands = match how {
                End::WeClose | End::HandlerReturns | End::HandlerFails | End::HandlerPanics => 1,
                _ => 0,
            };
            assert_eq!(report.id, id);
            assert_eq!((report.messages_in, report.messages_out), (1 + commands, 1));
        }
    }
    let counters = server.handle.counters();
    assert_eq!(counters.failed_handlers, 2 * 5);
    assert_eq!(counters.closes.values().sum::<u64>(), 8 * 5 - 1);
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn a_close_by_a_handle_is_reported_as_our_own() {
    let (builder, departures) = logging_departures(Server::builder());
    let server = Loopback::run(builder, obey);
    for version in Version::ALL {
        let mut peer = server.open(version);
        server
            .client(&peer)
            .close(4003.into(), "from elsewhere")
            .unwrap();
        peer.answer_goodbye(4003, "from elsewhere");
        drop(peer);
        server.wait_until_empty();
        let told = std::mem::take(&mut *departures.lock().unwrap());
        assert_eq!(told.len(), 1, "{version}");
        let expected = Closed {
            code: 4003.into(),
            reason: if version.has_close_codes() {
                ""
            } else {
                "from elsewhere"
            }
            .to_owned(),
            initiator: Initiator::Us,
            clean: true,
            protocol_error: None,
        };
        assert_eq!(told[0].closed, expected, "{version}");
    }
}

#[test]
fn a_client_that_was_never_open_has_no_close_report() {
    let (builder, departures) = logging_departures(Server::builder());
    let server = Loopback::run(builder, obey);
    drop(dial(server.address));
    exchange(&server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    drop(Peer::without_key3(server.address));
    becomes(&3, || server.handle.counters().accepted);
    server.wait_until_empty();
    assert!(departures.lock().unwrap().is_empty());
}

/// The states during each ending, after `Opening`.
fn path(version: Version, end: End) -> Vec<State> {
    let last = match end {
        End::Cut if version.closing() != Closing::CloseTcp => State::Error,
        End::Reset | End::ProtocolError => State::Error,
        _ => State::Closing,
    };
    vec![State::Handshaking, State::Ready, last]
}

#[test]
fn every_change_of_state_is_seen_in_order() {
    hush("on purpose");
    let seen = Log::<(u64, Transition)>::default();
    let log = Arc::clone(&seen);
    let builder = Server::builder()
        .max_message_size(1000)
        .on_state(move |id, transition| log.lock().unwrap().push((id.get(), transition)));
    let server = Loopback::run(builder, obey);
    let mut clients = 0;
    let mut expect = |states: &[State], what: &str| {
        clients += 1;
        becomes(&clients, || server.handle.counters().accepted);
        server.wait_until_empty();
        let mut at = State::Opening;
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        for (id, transition) in &seen {
            assert_eq!((*id, transition.from), (clients, at), "{what}: {seen:?}");
            assert_eq!(at.after(transition.trigger), Some(transition.to), "{what}");
            at = transition.to;
        }
        let states_seen: Vec<State> = seen.iter().map(|(_, transition)| transition.to).collect();
        assert_eq!(states_seen, states, "{what}");
    };
    for version in Version::ALL {
        for how in ENDS {
            if how == End::Reset && version == Version::Draft75 {
                continue;
            }
            let mut peer = server.open(version);
            end(&mut peer, how);
            drop(peer);
            expect(&path(version, how), &format!("{version}, {how:?}"));
        }
    }
    let mut rejected = dial(server.address);
    std::io::Write::write_all(&mut rejected, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    read_answer(&mut rejected);
    drop(rejected);
    expect(&[State::Rejected], "refused");
    drop(dial(server.address));
    expect(&[State::Error], "gone before it has said anything");
    drop(Peer::without_key3(server.address));
    expect(&[State::Handshaking, State::Error], "gone without its key3");
}

#[test]
fn a_close_report_counts_the_last_messages_too() {
    let (builder, departures) = logging_departures(Server::builder());
    let server = Loopback::run(builder, |client| {
        client.recv()?;
        client.send("one")?;
        client.send("two")?;
        Ok(())
    });
    let mut peer = Peer::open_with(
        server.address,
        Version::Rfc6455,
        &Head::of(Version::Rfc6455),
    );
    peer.say("go on");
    peer.hear_texts(2);
    peer.answer_goodbye(1000, "");
    drop(peer);
    server.wait_until_empty();
    let told = departures.lock().unwrap();
    assert_eq!((told[0].messages_in, told[0].messages_out), (1, 2));
}
