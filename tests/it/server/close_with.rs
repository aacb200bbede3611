//! Handlers that close their connection with an error.

use std::error::Error as StdError;
use std::io;

use stentor::server::CloseWith;
use stentor::{CloseCode, Error, HandlerResult, Server, Version};

use super::errors::{Because, Opaque};
use crate::support::{HYBI, Loopback};

type Wrap = fn(CloseWith) -> Box<dyn StdError + Send + Sync>;

const WRAPPED: [Wrap; 6] = [
    |error| error.into(),
    |error| io::Error::from(error).into(),
    |error| Error::Io(io::Error::other(error)).into(),
    |error| Because(error.into()).into(),
    |error| io::Error::other(Because(error.into())).into(),
    |error| Opaque(error).into(),
];

/// Serves clients whose handler returns this error once it has received a message.
fn returning(
    error: impl Fn() -> Box<dyn StdError + Send + Sync> + Send + Sync + 'static,
) -> Loopback {
    Loopback::run(Server::builder(), move |client| -> HandlerResult {
        client.recv()?;
        Err(error())
    })
}

#[test]
fn the_connection_is_closed_with_the_code_of_the_error_however_it_is_wrapped() {
    for wrap in WRAPPED {
        let server = returning(move || wrap(CloseWith::new(4001, "no seat")));
        for version in HYBI {
            let mut peer = server.open(version);
            peer.say("hello");
            peer.answer_goodbye(4001, "no seat");
        }
        let counters = server.wait_until_empty();
        assert_eq!((counters.failed_handlers, counters.closes[&4001]), (0, 3));
    }
}

#[test]
fn a_version_without_codes_closes_in_its_own_way() {
    let server = returning(|| CloseWith::new(CloseCode::POLICY, "no seat").into());
    for version in [Version::Draft75, Version::Draft76] {
        let mut peer = server.open(version);
        peer.say("hello");
        peer.answer_goodbye(1008, "no seat");
    }
    assert_eq!(server.wait_until_empty().failed_handlers, 0);
}

#[test]
fn a_code_that_may_not_be_sent_is_a_failed_handler() {
    for code in [999, 1005, 1006, 1015, 2999, 5000] {
        let server = returning(move || CloseWith::new(code, "no seat").into());
        let mut peer = server.open(Version::Rfc6455);
        peer.say("hello");
        peer.answer_goodbye(1011, "");
        assert_eq!(server.wait_until_empty().failed_handlers, 1, "{code}");
    }
}

#[test]
fn a_close_that_came_first_counts() {
    let server = returning(|| CloseWith::new(4001, "no seat").into());
    let mut peer = server.open(Version::Rfc6455);
    peer.start_close(1000, "done");
    peer.expect_goodbye(1000, "");
    peer.expect_end();
    let counters = server.wait_until_empty();
    assert_eq!((counters.failed_handlers, counters.closes[&1000]), (0, 1));
}

#[test]
fn a_long_reason_is_shortened_between_two_characters() {
    let error = CloseWith::new(CloseCode::POLICY, "\u{e9}".repeat(100));
    assert_eq!(error.reason(), "\u{e9}".repeat(61));
    assert_eq!(error.code(), CloseCode::POLICY);
    let error = CloseWith::new(4001, "no\nseat");
    assert_eq!(error.to_string(), r#"close with 4001: "no\nseat""#);
    assert_eq!(CloseWith::new(4001, "").to_string(), "close with 4001");
}
