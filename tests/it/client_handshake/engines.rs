//! A client's engine and a server's, exchanging bytes directly.

use stentor::protocol::{
    CloseFrame, Closed, Config, Ending, Event, Initiator, Role, SendError, State,
};
use stentor::{CloseCode, Message, Version};

use super::{ready, request};
use crate::support::{Driven, HIXIE, HYBI, every_way};

/// Carries the output of each side to the other, until both have no more; returns all bytes of the
/// client, and all bytes of the server.
fn exchange(client: &mut Driven, server: &mut Driven) -> (Vec<u8>, Vec<u8>) {
    let (mut all_up, mut all_down) = (Vec::new(), Vec::new());
    loop {
        let up = std::mem::take(&mut client.drain().output);
        let down = std::mem::take(&mut server.drain().output);
        if up.is_empty() && down.is_empty() {
            return (all_up, all_down);
        }
        server.receive(&up);
        client.receive(&down);
        all_up.extend(up);
        all_down.extend(down);
    }
}

/// Both sides, with their handshake done.
fn pair(version: Version) -> (Driven, Driven) {
    let mut client = Driven::client(&request(version));
    let mut server = Driven::new(&Config::default());
    exchange(&mut client, &mut server);
    assert_eq!(client.events, [Event::Open], "{version}");
    assert_eq!(server.events, [Event::Request, Event::Open], "{version}");
    assert_eq!(client.connection.role(), Role::Client);
    assert_eq!(server.connection.role(), Role::Server);
    client.forget();
    server.forget();
    (client, server)
}

fn close(code: u16, reason: &str) -> CloseFrame {
    CloseFrame {
        code: CloseCode::new(code),
        reason: reason.to_owned(),
    }
}

/// Messages that the version can carry, of all lengths that are encoded in different ways.
fn messages(version: Version) -> Vec<Message> {
    let texts = ["", "x", "Grüße 👋", "\0"].map(Message::from);
    let lens = [125, 126, 127, 65_535, 65_536];
    let mut all: Vec<Message> = texts.into();
    all.extend(lens.map(|len| Message::from("y".repeat(len))));
    if version.has_binary() {
        all.extend(lens.map(|len| Message::from(vec![0xff; len])));
    }
    all
}

#[test]
fn messages_go_both_ways() {
    for version in Version::ALL {
        let (mut client, mut server) = pair(version);
        let messages = messages(version);
        for message in &messages {
            client.connection.send(message).unwrap();
            server.connection.send(message).unwrap();
        }
        exchange(&mut client, &mut server);
        let events: Vec<Event> = messages.into_iter().map(Event::Message).collect();
        assert!(client.events == events, "{version}");
        assert!(server.events == events, "{version}");
    }
}

/// Runs a whole conversation, from the request to the reply to the close frame.
fn conversation(version: Version, client_closes: bool) -> [(Driven, Vec<u8>); 2] {
    let mut client = Driven::client(&request(version));
    let mut server = Driven::new(&Config::default());
    let (mut up, mut down) = exchange(&mut client, &mut server);
    client.connection.send(&"Grüße".into()).unwrap();
    server.connection.send(&"👋".repeat(40).into()).unwrap();
    if version.has_ping() {
        client.connection.ping(b"up").unwrap();
        server.connection.ping(b"down").unwrap();
    }
    for closes in [false, true] {
        let closer = match (closes, client_closes) {
            (false, _) => None,
            (true, true) => Some(&mut client),
            (true, false) => Some(&mut server),
        };
        if let Some(side) = closer {
            side.connection.close(Some(close(1000, "bye"))).unwrap();
        }
        let more = exchange(&mut client, &mut server);
        up.extend(more.0);
        down.extend(more.1);
    }
    client.end();
    server.end();
    [(client, down), (server, up)]
}

#[test]
fn where_the_stream_is_cut_does_not_matter_to_either_side() {
    for version in Version::ALL {
        // The side that does not close only answers: it can be replayed.
        let [(client, down), _] = conversation(version, false);
        every_way(&[down], |how, pieces| {
            let mut again = Driven::client(&request(version));
            for piece in pieces {
                again.receive(piece);
            }
            assert_eq!(again.end().events, client.events, "{version}, {how}");
        });
        let [_, (server, up)] = conversation(version, true);
        every_way(&[up], |how, pieces| {
            let mut again = Driven::new(&Config::default());
            for piece in pieces {
                again.receive(piece);
            }
            assert_eq!(again.end().events, server.events, "{version}, {how}");
        });
        for side in [client, server] {
            let closed = side.closed();
            assert!(
                closed.clean && closed.initiator == Initiator::Peer,
                "{version}"
            );
            assert_eq!(side.texts().len(), 1, "{version}");
        }
    }
}

#[test]
fn pings_are_answered_by_either_side() {
    for version in HYBI {
        let (mut client, mut server) = pair(version);
        client.connection.ping(b"up").unwrap();
        server.connection.ping(b"down").unwrap();
        exchange(&mut client, &mut server);
        let [up, down] = [b"up", &b"down"[..]].map(<[u8]>::to_vec);
        assert_eq!(
            client.events,
            [Event::Ping(down.clone()), Event::Pong(up.clone())]
        );
        assert_eq!(server.events, [Event::Ping(up), Event::Pong(down)]);
    }
}

#[test]
fn messages_sent_before_the_draft_76_handshake_is_done_wait_for_it() {
    let mut client = Driven::client(&request(Version::Draft76));
    assert_eq!(
        client.connection.send(&"early".into()),
        Err(SendError::WrongState(State::Opening))
    );
    let mut server = Driven::new(&Config::default());
    server.receive(&client.output);
    client.forget();
    let (head, proof) = server.output.split_at(server.output.len() - 16);
    client.receive(head);
    client.connection.send(&"early".into()).unwrap();
    assert_eq!(client.drain().output, b"");
    client.receive(proof);
    assert_eq!(client.output, b"\0early\xff");
}

#[test]
fn the_client_sends_a_close_frame_and_the_server_closes_tcp_first() {
    for version in Version::ALL {
        let (mut client, mut server) = pair(version);
        client.connection.close(Some(close(3000, "bye"))).unwrap();
        let awaits = (version != Version::Draft75).then_some(Ending::Await);
        let left = awaits.unwrap_or(Ending::Linger);
        assert_eq!(client.connection.close_expected(), Some(left), "{version}");
        exchange(&mut client, &mut server);
        if version == Version::Draft75 {
            // The end of TCP is the closing handshake.
            server.end();
            exchange(&mut client, &mut server);
        } else {
            assert_eq!(
                client.connection.close_expected(),
                Some(Ending::Follow),
                "{version}"
            );
        }
        assert_eq!(
            server.connection.close_expected(),
            Some(Ending::Linger),
            "{version}"
        );
        client.end();
        assert_eq!(
            client.connection.close_expected(),
            Some(Ending::Linger),
            "{version}"
        );
        for (side, initiator) in [(&client, Initiator::Us), (&server, Initiator::Peer)] {
            let told = version.has_close_codes() || initiator == Initiator::Us;
            let Closed {
                code,
                reason,
                clean,
                ..
            } = side.closed();
            assert_eq!(side.closed().initiator, initiator, "{version}");
            assert_eq!(code.get(), if told { 3000 } else { 1005 }, "{version}");
            assert_eq!(
                reason.is_empty(),
                !told || version.has_close_codes() && initiator == Initiator::Us
            );
            assert!(clean, "{version}");
        }
    }
}

#[test]
fn the_server_sends_a_close_frame_and_closes_tcp_first() {
    for version in Version::ALL {
        let (mut client, mut server) = pair(version);
        server.connection.close(Some(close(1001, "bye"))).unwrap();
        exchange(&mut client, &mut server);
        if version != Version::Draft75 {
            assert_eq!(
                client.connection.close_expected(),
                Some(Ending::Follow),
                "{version}"
            );
            assert_eq!(
                server.connection.close_expected(),
                Some(Ending::Linger),
                "{version}"
            );
        }
        client.end();
        assert_eq!(
            client.connection.close_expected(),
            Some(Ending::Linger),
            "{version}"
        );
        let closed = client.closed();
        assert_eq!(closed.initiator, Initiator::Peer, "{version}");
        assert!(closed.clean && server.closed().clean, "{version}");
        if version.has_close_codes() {
            assert_eq!((closed.code.get(), closed.reason.as_str()), (1001, "bye"));
        }
    }
}

#[test]
fn close_frames_that_cross_answer_each_other() {
    for version in Version::ALL {
        let (mut client, mut server) = pair(version);
        client.connection.close(Some(close(1000, ""))).unwrap();
        server.connection.close(Some(close(1001, ""))).unwrap();
        let (up, down) = (client.drain().output.clone(), server.drain().output.clone());
        client.forget();
        server.forget();
        client.receive(&down).end();
        server.receive(&up).end();
        assert_eq!(
            (&client.output[..], &server.output[..]),
            (&b""[..], &b""[..]),
            "{version}"
        );
        if version != Version::Draft75 {
            assert!(client.closed().clean && server.closed().clean, "{version}");
        }
    }
}

#[test]
fn a_lost_connection_is_not_clean_for_a_client_either() {
    for version in Version::ALL {
        let mut client = ready(version);
        client.end();
        let ends_stream = version == Version::Draft75;
        let closed = client.closed();
        assert_eq!(closed.clean, ends_stream, "{version}");
        assert_eq!(
            closed.code.get(),
            if ends_stream { 1005 } else { 1006 },
            "{version}"
        );
        assert_eq!(client.connection.close_expected(), Some(Ending::Linger));
    }
}

#[test]
fn a_client_may_abort_while_it_waits_for_the_response() {
    for version in Version::ALL {
        let mut client = Driven::client(&request(version));
        client.forget();
        client.connection.close(Some(close(1000, ""))).unwrap();
        client
            .drain()
            .receive(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            .end();
        assert_eq!(client.connection.state(), State::Error, "{version}");
        assert_eq!(client.connection.close_expected(), Some(Ending::Linger));
        assert_eq!(
            (client.events.len(), client.output.len()),
            (0, 0),
            "{version}"
        );
    }
}

#[test]
fn only_a_server_answers_requests() {
    for version in Version::ALL {
        let mut client = Driven::client(&request(version));
        client.forget();
        let now = SendError::WrongState(State::Opening);
        let connection = &mut client.connection;
        assert_eq!(connection.accept(Default::default()), Err(now.clone()));
        assert_eq!(
            connection.reject(stentor::protocol::Rejection::Full),
            Err(now.clone())
        );
        assert_eq!(connection.respond(stentor::Response::text("x")), Err(now));
        assert_eq!(connection.request(), None);
        assert_eq!(connection.version(), Some(version));
        assert_eq!(client.drain().output, b"", "{version}");
        assert_eq!(client.connection.state(), State::Opening);
    }
}

/// Draft-75 and draft-76 have no masks; from version 7 on, every frame of a client has one.
#[test]
fn only_a_clients_frames_have_masks() {
    for version in Version::ALL {
        let (mut client, mut server) = pair(version);
        client.connection.send(&"Hello".into()).unwrap();
        server.connection.send(&"Hello".into()).unwrap();
        let (up, down) = (&client.drain().output, &server.drain().output);
        if HIXIE.contains(&version) {
            assert_eq!(
                (&up[..], &down[..]),
                (&b"\0Hello\xff"[..], &b"\0Hello\xff"[..])
            );
        } else {
            assert_eq!(down, b"\x81\x05Hello", "{version}");
            assert_eq!(
                up[..6],
                *b"\x81\x85the ",
                "{version}: the mask of the sample entropy"
            );
            assert_ne!(up[6..], *b"Hello", "{version}");
        }
    }
}
