//! The transition table: the drawing in the documentation is the code, and the engine follows it.

use stentor::protocol::{Config, Connection, Event, Rejection, State, Trigger};
use stentor::{Accept, Version};

use crate::client_handshake::request;
use crate::support::{Driven, Head, bye, text};

#[test]
fn the_documented_table_is_the_code() {
    let source = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../src/protocol/state.rs"
    ));
    let documented: Vec<&str> = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .skip_while(|line| *line != " ```text")
        .skip(1)
        .take_while(|line| *line != " ```")
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    assert_eq!(documented, drawn());
}

#[test]
fn the_numbers_of_the_states_are_zero_to_five() {
    assert_eq!(State::ALL.map(State::number), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn no_message_flows_once_it_is_over() {
    let over = State::ALL.map(State::is_over);
    assert_eq!(over, [false, false, false, true, true, true]);
    for from in State::ALL.into_iter().filter(|state| state.is_over()) {
        for to in Trigger::ALL
            .into_iter()
            .filter_map(|trigger| from.after(trigger))
        {
            assert!(to.is_over(), "{from} leads back to {to}");
        }
    }
}

/// [`Driven`] asserts in every test that each transition is in the table; this test asserts that
/// the table has no other ones.
#[test]
fn every_change_of_the_table_happens() {
    let mut seen = Vec::new();
    for driven in conversations() {
        seen.extend(
            driven
                .transitions
                .iter()
                .map(|change| (change.from, change.trigger)),
        );
    }
    for from in State::ALL {
        for trigger in Trigger::ALL {
            let changes = from.after(trigger).is_some_and(|to| to != from);
            if changes {
                assert!(
                    seen.contains(&(from, trigger)),
                    "{trigger:?} in {from} never happens"
                );
            }
        }
    }
}

#[test]
fn a_whole_conversation_goes_through_four_states() {
    for version in Version::ALL {
        let mut driven = Driven::ready(version);
        driven.receive(&bye(version)).end();
        let states: Vec<State> = driven.transitions.iter().map(|change| change.to).collect();
        assert_eq!(
            states,
            [State::Handshaking, State::Ready, State::Closing],
            "{version}"
        );
    }
}

/// The table as text, columns two blanks apart.
fn drawn() -> Vec<String> {
    let cell = |from: State, trigger| {
        from.after(trigger)
            .map_or("-".to_owned(), |to| to.to_string())
    };
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(Trigger::ALL.map(|trigger| format!("{trigger:?}")));
    for from in State::ALL {
        let mut spec = vec![from.to_string()];
        spec.extend(Trigger::ALL.map(|trigger| cell(from, trigger)));
        rows.push(spec);
    }
    let width = |column: usize| {
        rows.iter()
            .map(|spec| spec[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |spec: &Vec<String>| {
        let cells = spec
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Conversations of all versions, with all kinds of ends.
fn conversations() -> Vec<Driven> {
    let mut all = Vec::new();
    for version in Version::ALL {
        let head = Head::of(version).head();
        let fresh = || Driven::new(&Config::default());
        let ready = || Driven::ready(version);
        let mut talk = |mut driven: Driven, script: &dyn Fn(&mut Driven)| {
            script(&mut driven);
            // Nothing that happens afterwards changes anything.
            driven.receive(b"\x00late\xff").end();
            driven.connection.close(None).unwrap_or_default();
            driven.drain();
            all.push(driven);
        };
        talk(fresh(), &|driven| {
            driven.receive(&head[..head.len() - 1]).end();
        });
        talk(fresh(), &|driven| {
            driven.connection.reject(Rejection::Full).unwrap();
            driven.drain();
        });
        talk(fresh(), &|driven| {
            driven.receive(&head).end();
        });
        talk(fresh(), &|driven| {
            driven.receive(&head);
            driven.connection.close(None).unwrap();
            driven.drain();
        });
        talk(ready(), &|driven| {
            driven.receive(&text(version, "Hello")).end();
        });
        talk(ready(), &|driven| {
            driven.receive(&bye(version));
        });
        talk(ready(), &|driven| {
            driven.connection.close(None).unwrap();
            driven.drain().receive(&bye(version));
        });
        talk(ready(), &|driven| {
            driven.connection.close(None).unwrap();
            driven.drain().receive(&too_long(version));
        });
        talk(ready(), &|driven| {
            driven.receive(&too_long(version));
        });
    }
    all.extend(Version::ALL.into_iter().flat_map(conversations_of_clients));
    all
}

/// The ends that only a client can reach.
fn conversations_of_clients(version: Version) -> [Driven; 3] {
    let answered = |answer: &[u8]| {
        let mut driven = Driven::client(&request(version));
        driven.receive(answer);
        driven.receive(b"\x00late\xff").end();
        driven
    };
    let mut ends_stream = Driven::client(&request(version));
    ends_stream.connection.close(None).unwrap();
    ends_stream.drain();
    let rejected = answered(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    [ends_stream, rejected, answered(b"HTTP/1.1 101 ?\r\n\r\n")]
}

/// The beginning of a frame that every limit rejects.
fn too_long(version: Version) -> Vec<u8> {
    match version {
        Version::Draft75 | Version::Draft76 => vec![0x80, 0xff, 0xff, 0xff, 0xff, 0x7f],
        _ => vec![0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    }
}

#[test]
fn a_request_waits_in_opening_until_it_is_answered() {
    let mut connection = Connection::new(Default::default());
    connection.receive_data(&Head::of(Version::Rfc6455).bytes());
    assert_eq!(connection.next_event(), Some(Event::Request));
    assert_eq!(connection.next_event(), None);
    assert_eq!(connection.state(), State::Opening);
    assert!(connection.transitions().is_empty());
    connection.accept(Accept::new()).unwrap();
    assert_eq!(connection.state(), State::Ready);
}
