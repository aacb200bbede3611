//! The headers that make a request a handshake, and those that are negotiated.

use stentor::protocol::{Config, Rejection, State};
use stentor::{Accept, Version, Versions};

use super::{ask, asked, assert_refused};
use crate::support::{Driven, HIXIE, HYBI, HandshakeResponse, Head, KEY3, PROOF};

#[test]
fn upgrade_and_connection_are_words_in_lists() {
    for version in Version::ALL {
        for connection in [
            "upgrade",
            "keep-alive, Upgrade",
            "UPGRADE ,close",
            ",,Upgrade",
        ] {
            let driven = ask(&Head::of(version).set("Connection", connection));
            assert_eq!(driven.connection.state(), State::Ready, "{connection}");
        }
        for connection in ["", "keep-alive", "Upgrades", "no Upgrade", "Upgrade;x"] {
            let driven = ask(&Head::of(version).set("Connection", connection));
            assert_eq!(
                *driven.rejected(),
                Rejection::NoConnectionUpgrade,
                "{connection}"
            );
        }
        // That is plain HTTP, which nobody answers here.
        for upgrade in ["", "h2c", "websockets", "web socket", "websocket/13"] {
            let driven = ask(&Head::of(version).set("Upgrade", upgrade));
            assert_eq!(driven.connection.version(), None, "{upgrade}");
            assert_eq!(driven.rejected().name(), "invalid upgrade", "{upgrade}");
        }
    }
}

#[test]
fn a_version_is_a_number_that_stands_once() {
    let head = || Head::of(Version::Rfc6455);
    let field = "Sec-WebSocket-Version";
    for unknown in [
        "",
        "0",
        "9",
        "12",
        "14",
        "013",
        "+13",
        "13.0",
        "0x0d",
        "13 8",
        "\u{661}\u{663}",
    ] {
        let driven = ask(&head().set(field, unknown));
        assert_refused(&driven, 426, unknown);
        let answer = HandshakeResponse::read(&driven.output);
        assert_eq!(answer.header(field), Some("13, 8, 7"));
        assert_eq!(answer.header("Upgrade"), Some("websocket"));
        assert!(answer.header("Connection").unwrap().contains("Upgrade"));
    }
    for bad in [
        head().set(field, "13, 8"),
        head().with(field, "13"),
        head().with(field, "8"),
    ] {
        assert_refused(&ask(&bad), 400, "more than one");
    }
}

#[test]
fn an_allow_list_of_one_speaks_only_that() {
    for allowed in Version::ALL {
        let mut config = Config::default();
        config.versions = Versions::NONE.with(allowed);
        for version in Version::ALL {
            let driven = asked(&Head::of(version).bytes(), &config);
            let accepted = driven.connection.state() == State::Ready;
            assert_eq!(
                accepted,
                version == allowed,
                "{version} where {allowed} is allowed"
            );
        }
    }
}

#[test]
fn keys_of_draft_76_stand_once() {
    for field in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
        let twice = ask(&Head::of(Version::Draft76).with(field, "1 2"));
        assert_eq!(*twice.rejected(), Rejection::Duplicate(field));
        let none = ask(&Head::of(Version::Draft76).without(field));
        assert_eq!(*none.rejected(), Rejection::Missing(field));
    }
}

/// One client library declares key3 as a body. To a parser that honours it, key3 is gone.
#[test]
fn a_content_length_does_not_swallow_key3() {
    let mut driven = Driven::new(&Config::default());
    driven.receive(
        &Head::of(Version::Draft76)
            .with("Content-Length", "8")
            .head(),
    );
    assert!(driven.output.starts_with(b"HTTP/1.1 101 "));
    driven.forget();
    driven.receive(KEY3);
    assert_eq!(driven.output, PROOF);
}

#[test]
fn a_subprotocol_is_one_string_in_the_old_drafts() {
    let mut config = Config::default();
    config.subprotocols = vec!["chat".to_owned(), "a, b".to_owned()];
    for (version, field) in HIXIE
        .into_iter()
        .zip(["WebSocket-Protocol", "Sec-WebSocket-Protocol"])
    {
        for (offer, result) in [
            ("chat", Ok(Some("chat"))),
            ("a, b", Ok(Some("a, b"))),
            ("Chat", Err("unsupported subprotocol")),
            ("chat, a, b", Err("unsupported subprotocol")),
            ("", Err("invalid subprotocol")),
            ("ch\tat", Err("invalid subprotocol")),
            ("ch\u{e4}t", Err("invalid subprotocol")),
        ] {
            let driven = asked(&Head::of(version).with(field, offer).bytes(), &config);
            match result {
                Ok(agreed) => {
                    assert_eq!(driven.connection.subprotocol(), agreed);
                    assert_eq!(
                        HandshakeResponse::read(&driven.output).header(field),
                        agreed
                    );
                }
                Err(name) => assert_eq!(driven.rejected().name(), name, "{offer}"),
            }
        }
        let twice = Head::of(version).with(field, "chat").with(field, "chat");
        assert_eq!(
            *asked(&twice.bytes(), &config).rejected(),
            Rejection::Duplicate(field)
        );
    }
}

#[test]
fn a_subprotocol_is_the_first_known_of_a_list_later() {
    let mut config = Config::default();
    config.subprotocols = vec!["chat".to_owned(), "superchat".to_owned()];
    let field = "Sec-WebSocket-Protocol";
    for version in HYBI {
        for (offer, agreed) in [
            ("chat", Some("chat")),
            ("superchat, chat", Some("superchat")),
            ("xmpp,superchat", Some("superchat")),
            (" , chat ,", Some("chat")),
            ("Chat, xmpp", None),
            ("", None),
        ] {
            let driven = asked(&Head::of(version).with(field, offer).bytes(), &config);
            assert_eq!(driven.connection.state(), State::Ready, "{offer}");
            assert_eq!(driven.connection.subprotocol(), agreed, "{offer}");
            assert_eq!(
                HandshakeResponse::read(&driven.output).header(field),
                agreed,
                "{offer}"
            );
        }
        for bad in ["ch at", "chat;q=1", "\"chat\"", "ch\u{e4}t"] {
            let driven = asked(&Head::of(version).with(field, bad).bytes(), &config);
            assert_refused(&driven, 400, bad);
        }
    }
}

#[test]
fn the_application_may_choose_only_what_was_offered() {
    for version in HYBI {
        let head = Head::of(version)
            .with("Sec-WebSocket-Protocol", "one, two")
            .bytes();
        for (choice, offered) in [
            ("two", true),
            ("three", false),
            ("one, two", false),
            ("", false),
        ] {
            let mut driven = Driven::new(&Config::default());
            driven.accept = Accept::new().subprotocol(choice);
            driven.receive(&head);
            if offered {
                assert_eq!(driven.connection.subprotocol(), Some(choice));
            } else {
                assert_refused(&driven, 500, choice);
            }
        }
    }
}

#[test]
fn cookies_are_pairs() {
    let head = Head::of(Version::Rfc6455)
        .with(
            "Cookie",
            "sid=31d4d96e407aad42; lang=\"en US\";x=a=b ; broken; empty=",
        )
        .with("cookie", "sid=second")
        .with("Cookie", b"bad=\xff");
    let driven = ask(&head);
    let request = driven.connection.request().unwrap();
    assert_eq!(
        request.cookies().collect::<Vec<_>>(),
        [
            ("sid", "31d4d96e407aad42"),
            ("lang", "en US"),
            ("x", "a=b"),
            ("empty", ""),
            ("sid", "second"),
        ]
    );
    assert_eq!(
        request.cookie("sid"),
        Some("31d4d96e407aad42"),
        "the first counts"
    );
    assert_eq!(request.cookie("SID"), None);
    assert_eq!(request.cookie("broken"), None);
}
