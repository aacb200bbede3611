//! The closing handshake, and connections that end without it.

use std::sync::Arc;

use stentor::protocol::version::Closing;
use stentor::protocol::{
    CloseFrame, Config, Connection, Ending, Event, Initiator, SendError, State,
};
use stentor::{Accept, CloseCode, Message, Version};

use crate::support::{Driven, Head, bye, masked, text};

pub(super) fn our_goodbye_is_answered_by_the_peer(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(Some(frame(1001, "bye"))).unwrap();
    driven.drain();
    let close_frame: &[u8] = match version.closing() {
        Closing::CloseTcp => b"",
        Closing::Marker => b"\xff\x00",
        Closing::Frame => b"\x88\x05\x03\xe9bye",
    };
    assert_eq!(driven.output, close_frame);
    if version.closing() != Closing::CloseTcp {
        assert!(!driven.is_closed());
        assert_eq!(driven.connection.close_expected(), Some(Ending::Await));
        let answer = match version.closing() {
            Closing::Frame => masked(0x88, b"\x03\xe9"),
            _ => bye(version),
        };
        driven.receive(&answer);
        assert_eq!(driven.output, close_frame, "answered the answer");
    }
    let closed = driven.closed();
    assert_eq!((closed.initiator, closed.clean), (Initiator::Us, true));
    assert_eq!(closed.code, CloseCode::GOING_AWAY);
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
    assert_eq!(driven.connection.state(), State::Closing);
}

pub(super) fn the_peers_goodbye_is_answered_by_us(version: Version) {
    let mut driven = Driven::ready(version);
    driven.receive(&bye(version)).end();
    let closed = driven.closed();
    assert_eq!((closed.initiator, closed.clean), (Initiator::Peer, true));
    assert_eq!(closed.protocol_error, None);
    let answer: &[u8] = match version.closing() {
        Closing::CloseTcp => b"",
        Closing::Marker => b"\xff\x00",
        Closing::Frame => b"\x88\x00",
    };
    assert_eq!(driven.output, answer);
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
}

pub(super) fn a_second_goodbye_is_not_sent(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(None).unwrap();
    driven.drain().forget();
    driven.connection.close(None).unwrap();
    driven.drain();
    assert!(driven.output.is_empty());

    let mut driven = Driven::ready(version);
    driven.receive(&bye(version)).end().output.clear();
    driven.connection.close(Some(frame(1000, ""))).unwrap();
    driven.drain();
    assert!(driven.output.is_empty());

    // A close frame that was written elsewhere counts.
    let mut driven = Driven::ready(version);
    driven.connection.close_was_sent(None);
    driven.connection.close(None).unwrap();
    driven.drain().receive(&bye(version));
    assert!(driven.output.is_empty());
    assert_eq!(
        (driven.closed().initiator, driven.closed().clean),
        (Initiator::Us, true)
    );
}

pub(super) fn nothing_is_sent_after_our_goodbye(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(None).unwrap();
    driven.drain().forget();
    let now = Err(SendError::WrongState(State::Closing));
    assert_eq!(driven.connection.send(&Message::from("late")), now);
    assert_eq!(driven.connection.ping(b"late"), now);
    driven.drain();
    assert!(driven.output.is_empty());
}

pub(super) fn nothing_is_delivered_after_our_goodbye(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(None).unwrap();
    driven
        .receive(&[text(version, "on its way"), bye(version)].concat())
        .end();
    assert!(driven.texts().is_empty());
    assert!(driven.closed().clean);
}

pub(super) fn nothing_is_processed_after_the_peers_goodbye(version: Version) {
    // Draft-75 closes by the end of TCP; after that, only a bug can pass it more bytes.
    let mut driven = Driven::ready(version);
    if version.closing() == Closing::CloseTcp {
        driven.end().receive(&text(version, "late"));
    } else {
        driven.receive(&[bye(version), text(version, "late"), bye(version)].concat());
        driven
            .receive(&bye(version))
            .receive(b"\xff\xff\xff\xff")
            .end();
    }
    assert_eq!(driven.events.len(), 1);
    assert!(driven.closed().clean);
    assert_eq!(driven.connection.state(), State::Closing);
    assert!(driven.output.len() <= 2, "answered twice");
}

pub(super) fn an_end_without_goodbye_is_clean_only_where_it_is_the_goodbye(version: Version) {
    let mut driven = Driven::ready(version);
    driven.end();
    let closed = driven.closed();
    if version.closing() == Closing::CloseTcp {
        assert_eq!((closed.initiator, closed.clean), (Initiator::Peer, true));
        assert_eq!(driven.connection.state(), State::Closing);
    } else {
        assert_eq!((closed.initiator, closed.clean), (Initiator::Nobody, false));
        assert_eq!(closed.code, CloseCode::ABNORMAL);
        assert_eq!(driven.connection.state(), State::Error);
    }
    assert_eq!(driven.connection.close_expected(), Some(Ending::Linger));
    assert!(driven.output.is_empty());
}

pub(super) fn an_end_inside_a_message_is_not_clean(version: Version) {
    let bytes = text(version, "never whole");
    for at in 1..bytes.len() {
        let mut driven = Driven::ready(version);
        driven.receive(&bytes[..at]).end();
        assert_eq!(driven.events.len(), 1, "cut at {at}");
        assert!(!driven.closed().clean, "cut at {at}");
    }
}

pub(super) fn an_end_instead_of_the_peers_goodbye_is_not_clean(version: Version) {
    let mut driven = Driven::ready(version);
    driven.connection.close(None).unwrap();
    driven.end();
    assert_eq!(driven.closed().initiator, Initiator::Us);
    assert_eq!(
        driven.closed().clean,
        version.closing() == Closing::CloseTcp
    );
    assert_eq!(driven.connection.state(), State::Closing);
}

pub(super) fn an_end_during_the_handshake_is_an_error(version: Version) {
    let bytes = Head::of(version).bytes();
    for at in 0..bytes.len() {
        let mut driven = Driven::new(&Config::default());
        driven.receive(&bytes[..at]).end();
        assert_eq!(driven.connection.state(), State::Error, "cut at {at}");
        assert_eq!(
            driven.connection.close_expected(),
            Some(Ending::Linger),
            "cut at {at}"
        );
        assert!(!driven.is_closed(), "it was never open");
    }
}

pub(super) fn hanging_up_behind_the_last_message_loses_none(version: Version) {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(&[Head::of(version).bytes(), text(version, "last")].concat());
    connection.receive_eof();
    assert_eq!(connection.next_event(), Some(Event::Request));
    connection.accept(Accept::new()).unwrap();
    assert_eq!(connection.next_event(), Some(Event::Open));
    assert_eq!(connection.next_event(), Some(Event::Message("last".into())));
    assert!(matches!(connection.next_event(), Some(Event::Closed(_))));
    assert_eq!(connection.next_event(), None);
}

pub(super) fn open_is_told_before_closed(version: Version) {
    let mut connection = Connection::new(Arc::default());
    connection.receive_data(&Head::of(version).bytes());
    assert_eq!(connection.next_event(), Some(Event::Request));
    connection.accept(Accept::new()).unwrap();
    // Draft-76 is not open yet: its close is a failure, and it never was open.
    connection.close(None).unwrap();
    connection.receive_data(&bye(version));
    connection.receive_eof();
    let mut events = std::iter::from_fn(|| connection.next_event());
    if version == Version::Draft76 {
        assert_eq!(events.next(), None);
    } else {
        assert_eq!(events.next(), Some(Event::Open));
        assert!(matches!(events.next(), Some(Event::Closed(_))));
    }
}

pub(super) fn a_goodbye_that_may_not_be_sent_is_refused_everywhere(version: Version) {
    let mut driven = Driven::ready(version);
    let connection = &mut driven.connection;
    for code in [0, 999, 1005, 1006, 1015, 2999, 5000, 65535] {
        assert_eq!(
            connection.close(Some(frame(code, ""))),
            Err(SendError::CloseCode(code))
        );
    }
    let long = "x".repeat(124);
    assert_eq!(
        connection.close(Some(frame(1000, &long))),
        Err(SendError::TooLong(124))
    );
    assert_eq!(connection.state(), State::Ready);
    assert!(connection.data_to_send().is_empty());
    assert_eq!(connection.close(Some(frame(1000, &long[1..]))), Ok(()));
}

fn frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame {
        code: CloseCode::new(code),
        reason: reason.to_owned(),
    }
}
