//! Conversations of two of the library's engines, explained from their first byte: the handshake tells how
//! the frames are read.

use std::sync::Arc;

use stentor::protocol::{ClientRequest, Config, Connection, Event};
use stentor::{Accept, Deflate, Message, Version};
use stentor_explain::{Explainer, Note, Part, Side, Step, Value};

use crate::support::broken;

/// Lets a client and a server exchange messages, and close; returns the notes about both directions.
fn talk(version: Version, deflate: Option<Deflate>, texts: &[&str]) -> Vec<Note> {
    let mut config = Config::default();
    config.deflate = deflate;
    let config = Arc::new(config);
    let request = ClientRequest::to("ws://example.com/demo").unwrap();
    let request = request.origin("http://example.com".parse().unwrap());
    let mut server = Connection::new(Arc::clone(&config));
    let entropy = |bytes: &mut [u8]| bytes.fill(7);
    let mut client = Connection::client(config, &request.version(version), entropy);
    let mut explainer = Explainer::new();
    let mut notes = Vec::new();
    for turn in 0..6 {
        let bytes = client.data_to_send();
        explainer.feed(Side::Client, &bytes);
        server.receive_data(&bytes);
        while let Some(event) = server.next_event() {
            match event {
                Event::Request => server.accept(Accept::new()).unwrap(),
                Event::Message(message) => server.send(&message).unwrap(),
                _ => {}
            }
        }
        let bytes = server.data_to_send();
        explainer.feed(Side::Server, &bytes);
        client.receive_data(&bytes);
        let events: Vec<Event> = std::iter::from_fn(|| client.next_event()).collect();
        if events.first() == Some(&Event::Open) {
            for text in texts {
                client.send(&Message::from(*text)).unwrap();
            }
        } else if turn == 1 {
            assert_eq!(events.len(), texts.len(), "{version}: the echoes");
            client.close(None).unwrap();
        }
        notes.extend(explainer.notes());
    }
    explainer.end(Side::Client);
    explainer.end(Side::Server);
    notes.extend(explainer.notes());
    notes
}

/// Returns the text of all messages of one side.
fn texts(notes: &[Note], from: Side) -> Vec<&str> {
    let parts = notes.iter().filter(|note| note.from == from);
    let texts = parts.filter_map(|note| match (&note.value, note.part) {
        (Value::Text(text), Part::Payload | Part::Text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn conversation_of_each_version_is_explained() {
    for version in Version::ALL {
        let said = ["Hello", "", "Grüße"];
        let notes = talk(version, None, &said);
        assert_eq!(broken(&notes), [], "{version}");
        assert_eq!(texts(&notes, Side::Client), said, "{version}");
        let closes = |note: &&Note| [Part::CloseMarker, Part::CloseCode].contains(&note.part);
        let expected = match version {
            // Its close is the end of the TCP connection.
            Version::Draft75 => 0,
            Version::Draft76 => 2,
            // The frame is empty.
            _ => 0,
        };
        assert_eq!(notes.iter().filter(closes).count(), expected, "{version}");
        assert_eq!(texts(&notes, Side::Server), said, "{version}");
    }
}

#[test]
fn compressed_conversation_copies_out_of_earlier_messages_if_that_was_negotiated() {
    let text = "The same words once more. ".repeat(30);
    let said = [text.as_str(), text.as_str()];
    for (takeover, window) in [(false, 15), (true, 15), (true, 9)] {
        let deflate = Deflate::new().threshold(0).send_takeover(takeover);
        let deflate = deflate.receive_takeover(takeover);
        let deflate = deflate.send_window(window).receive_window(window);
        let notes = talk(Version::Rfc6455, Some(deflate), &said);
        assert_eq!(broken(&notes), []);
        for side in [Side::Client, Side::Server] {
            assert_eq!(texts(&notes, side), said);
            let steps = notes.iter().filter(|note| note.from == side);
            let steps = steps.flat_map(|note| &note.steps);
            let copied: Vec<u64> = steps
                .filter_map(|step| match step {
                    Step::Inflate { from_before, .. } => Some(*from_before),
                    _ => None,
                })
                .collect();
            assert_eq!(copied.len(), 2, "{side}");
            assert_eq!((copied[0], copied[1] > 20), (0, takeover), "{side}");
        }
    }
}
