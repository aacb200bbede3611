//! The values that a program passes in and receives: messages, and sets of versions.

use std::error::Error;
use std::sync::Arc;

use stentor::protocol::SendError;
use stentor::protocol::{Config, Connection, NotText};
use stentor::{Message, Response, Version, Versions};

#[test]
fn text_message_gives_its_text() -> Result<(), NotText> {
    let message = Message::from("Hellö");
    assert!(message.is_text() && !message.is_binary());
    assert_eq!(message.as_text(), Some("Hellö"));
    assert_eq!(message.as_ref(), "Hellö".as_bytes());
    assert_eq!(message.clone().into_data(), "Hellö".as_bytes());
    assert_eq!(message.clone().into_text()?, "Hellö");
    assert_eq!(String::try_from(message)?, "Hellö");
    Ok(())
}

#[test]
fn binary_message_is_not_text_even_if_it_is_utf_8() {
    let message = Message::from(b"abc");
    assert!(message.is_binary() && !message.is_text());
    assert_eq!(message.as_text(), None);
    assert_eq!(message.as_ref(), b"abc");
    assert_eq!(message.clone().into_data(), b"abc");
    let by_method = message.clone().into_text().unwrap_err();
    let by_trait = String::try_from(message.clone()).unwrap_err();
    assert_eq!(by_method, by_trait);
    assert_eq!(by_method.into_message(), message);
}

#[test]
fn error_of_a_binary_message_passes_through_a_question_mark() {
    fn text(message: Message) -> Result<String, Box<dyn Error>> {
        Ok(message.into_text()?)
    }
    let error = text(Message::from(vec![0; 2])).unwrap_err().to_string();
    assert_eq!(error, "not a text message, but a binary message of 2 bytes");
}

#[test]
fn display_shows_text_as_it_is_and_binary_as_its_length() {
    for (message, shown) in [
        (Message::from(""), ""),
        (Message::from("a\nb"), "a\nb"),
        (Message::from(vec![]), "0 bytes"),
        (Message::from(vec![7]), "1 byte"),
        (Message::from(vec![7; 300]), "300 bytes"),
    ] {
        assert_eq!(message.to_string(), shown);
    }
    assert_eq!(format!("{:>4}|", Message::from("ab")), "  ab|");
}

#[test]
fn sets_of_versions_are_built_by_every_way_alike() {
    for bits in 0..1_u8 << Version::ALL.len() {
        let chosen = || {
            let numbered = Version::ALL.into_iter().enumerate();
            numbered.filter(move |(at, _)| bits & 1 << at != 0)
        };
        let versions: Vec<Version> = chosen().map(|(_, version)| version).collect();
        let with = versions
            .iter()
            .fold(Versions::NONE, |set, version| set.with(*version));
        let united = versions.iter().fold(Versions::NONE, |set, &version| {
            assert_eq!(version | set, set | version);
            set | version
        });
        let collected: Versions = versions.iter().copied().collect();
        assert_eq!((united, collected), (with, with));
        assert_eq!(collected.iter().collect::<Vec<_>>(), versions);
        assert_eq!(collected | collected, collected);
        assert_eq!(collected | Versions::ALL, Versions::ALL);
    }
}

#[test]
fn two_versions_make_a_set() {
    let set = Version::Draft76 | Version::Rfc6455;
    assert_eq!(set, Versions::RFC6455.with(Version::Draft76));
    assert_eq!(Versions::from(Version::Rfc6455), Versions::RFC6455);
    assert_eq!(Version::Hybi07 | Version::Hybi07, Version::Hybi07.into());
}

#[test]
fn date_that_would_break_a_response_is_not_sent() -> Result<(), SendError> {
    for (date, is_sent) in [
        (
            (|| "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()) as fn() -> String,
            true,
        ),
        (|| "now\r\nSet-Cookie: a=b".to_owned(), false),
    ] {
        let mut config = Config::default();
        config.date = Some(date);
        let mut connection = Connection::new(Arc::new(config));
        connection.respond(Response::new(204))?;
        let bytes = connection.data_to_send();
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.contains("\r\nDate: Sun"), is_sent, "{text}");
        assert!(!text.contains("Cookie"), "{text}");
    }
    Ok(())
}
