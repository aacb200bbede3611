//! The offers that are accepted, and the responses to them: RFC 7692 §5.1 and §7.1.

use stentor::Deflate;
use stentor::Version;
use stentor::protocol::Config;

use super::{USUAL, answered, config};

const NEITHER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn plain() -> Deflate {
    Deflate::new()
}

fn takeover() -> Deflate {
    Deflate::new().send_takeover(true).receive_takeover(true)
}

#[test]
fn offers_are_answered_by_what_both_sides_can_keep() {
    let cases: [(Deflate, &str, &str); 27] = [
        (plain(), "permessage-deflate", NEITHER),
        (plain(), USUAL, NEITHER),
        (plain(), NEITHER, NEITHER),
        (takeover(), "permessage-deflate", "permessage-deflate"),
        (takeover(), USUAL, "permessage-deflate"),
        (takeover(), NEITHER, NEITHER),
        (
            takeover(),
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ),
        (
            takeover(),
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            plain().send_takeover(true),
            "permessage-deflate",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            plain().receive_takeover(true),
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
        ),
        // The response contains the server's window if the offer requested it, and only then.
        (
            takeover(),
            "permessage-deflate; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            takeover(),
            "permessage-deflate; server_max_window_bits=14",
            "permessage-deflate; server_max_window_bits=12",
        ),
        (
            takeover(),
            "permessage-deflate; server_max_window_bits=12",
            "permessage-deflate; server_max_window_bits=12",
        ),
        (
            takeover(),
            "permessage-deflate; server_max_window_bits=11",
            "permessage-deflate; server_max_window_bits=9",
        ),
        (
            takeover(),
            "permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9",
        ),
        (
            takeover(),
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=8",
        ),
        (
            takeover(),
            "permessage-deflate; server_max_window_bits=\"10\"",
            "permessage-deflate; server_max_window_bits=9",
        ),
        (
            takeover().send_window(10),
            "permessage-deflate; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            takeover().send_window(10),
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            takeover().send_window(10),
            "permessage-deflate",
            "permessage-deflate",
        ),
        // The client's window is bounded if possible; otherwise context takeover is declined.
        (
            takeover().receive_window(10),
            USUAL,
            "permessage-deflate; client_max_window_bits=10",
        ),
        (
            takeover().receive_window(10),
            "permessage-deflate; client_max_window_bits=12",
            "permessage-deflate; client_max_window_bits=10",
        ),
        (
            takeover().receive_window(10),
            "permessage-deflate; client_max_window_bits=10",
            "permessage-deflate",
        ),
        (
            takeover().receive_window(10),
            "permessage-deflate; client_max_window_bits=8",
            "permessage-deflate",
        ),
        (
            takeover().receive_window(10),
            "permessage-deflate",
            "permessage-deflate; client_no_context_takeover",
        ),
        (
            takeover(),
            "permessage-deflate; client_max_window_bits=15",
            "permessage-deflate",
        ),
        // Values that make no sense are replaced by the nearest that do.
        (
            takeover().send_window(1).receive_window(99).level(0),
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits",
            "permessage-deflate; server_max_window_bits=9",
        ),
    ];
    for (deflate, offer, expected) in cases {
        let words = answered(Version::Rfc6455, &[offer], &config(deflate));
        assert_eq!(words.as_deref(), Some(expected), "{offer} with {deflate:?}");
    }
}

#[test]
fn broken_offers_are_declined_and_the_next_is_tried() {
    let broken = [
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover=\"x\"",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=0",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=015",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=9.0",
        "permessage-deflate; server_max_window_bits=ten",
        "permessage-deflate; server_max_window_bits=1000000000000000000000010",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=010",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; unknown",
        "permessage-deflate; Server_No_Context_Takeover",
        "permessage-deflate; client_max_window_bits; x=y",
        "Permessage-Deflate",
        "deflate-stream",
        "deflate-frame",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
    ];
    let config = config(Deflate::new());
    for offer in broken {
        assert_eq!(
            answered(Version::Rfc6455, &[offer], &config),
            None,
            "{offer}"
        );
        let second = format!("{offer}, permessage-deflate");
        for offers in [&[offer, USUAL][..], &[&second]] {
            let words = answered(Version::Rfc6455, offers, &config);
            assert_eq!(words.as_deref(), Some(NEITHER), "{offers:?}");
        }
    }
}

#[test]
fn the_clients_first_offer_that_can_be_kept_counts() {
    let offers = [
        "mux, permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=12",
    ];
    let words = answered(Version::Rfc6455, &offers, &config(takeover()));
    let expected = "permessage-deflate; server_max_window_bits=9";
    assert_eq!(words.as_deref(), Some(expected));
}

#[test]
fn a_field_that_breaks_the_grammar_is_no_offer_and_no_reason_to_refuse() {
    let config = config(Deflate::new());
    for offer in [
        "permessage-deflate;",
        "permessage-deflate; =1",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits=\"1 0\"",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate\u{e9}",
        "(permessage-deflate)",
    ] {
        assert_eq!(
            answered(Version::Rfc6455, &[offer], &config),
            None,
            "{offer}"
        );
        let twice = [offer, USUAL];
        assert_eq!(answered(Version::Rfc6455, &twice, &config), None, "{offer}");
    }
}

#[test]
fn no_version_but_the_one_that_it_was_made_for_is_compressed() {
    for version in Version::ALL {
        let words = answered(version, &[USUAL], &config(Deflate::new()));
        assert_eq!(words.is_some(), version == Version::Rfc6455, "{version}");
    }
}

#[test]
fn a_client_that_does_not_offer_compression_has_none() {
    for version in Version::ALL {
        assert_eq!(answered(version, &[USUAL], &Config::default()), None);
        assert_eq!(answered(version, &[], &config(Deflate::new())), None);
    }
}
