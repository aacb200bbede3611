//! Each error of the engine names a rule, and there are bytes that break it.

use std::collections::HashSet;
use std::mem::discriminant;
use std::sync::LazyLock;

use stentor::Version;
use stentor::protocol::ProtocolError;
use stentor_explain::engine::protocol_error;
use stentor_explain::reference::agreement::Setting;
use stentor_explain::rule;
use stentor_explain::{Compression, Explainer, Side, Verdict};

use crate::support::vectors::frame;

const KEY: Option<[u8; 4]> = Some([0x37, 0xfa, 0x21, 0x3d]);

/// Bytes of a client in version 13, unless the setting is another, and the error of the engine.
fn errors() -> Vec<(Setting, Vec<u8>, ProtocolError)> {
    let client = Setting::new(Version::Rfc6455, Side::Client);
    let server = Setting::new(Version::Rfc6455, Side::Server);
    let hixie = Setting {
        fail_on_unknown_frames: true,
        ..Setting::new(Version::Draft76, Side::Client)
    };
    let deflate = Setting {
        takeover: Some(true),
        ..client
    };
    let large = (16 * 1024 * 1024 + 1_u64).to_be_bytes();
    let length_64 = |length: [u8; 8]| [&[0x82, 0xff][..], &length, &[1, 2, 3, 4]].concat();
    let fragments = [
        frame(0x02, b"", KEY),
        frame(0x00, b"", KEY).repeat(131_071),
        frame(0x80, b"", KEY),
    ];
    let masked = |first, payload: &[u8]| frame(first, payload, KEY);
    vec![
        (client, vec![0x81, 0x00], ProtocolError::Unmasked),
        (server, masked(0x81, b""), ProtocolError::Masked),
        (
            client,
            masked(0xd1, b"x"),
            ProtocolError::ReservedBits(0b101),
        ),
        (client, masked(0x83, b"x"), ProtocolError::ReservedOpcode(3)),
        (
            client,
            masked(0x09, b"x"),
            ProtocolError::FragmentedControl(9),
        ),
        (
            client,
            masked(0x89, &[0; 126]),
            ProtocolError::LongControl(9),
        ),
        (
            client,
            vec![0x82, 0xfe, 0, 5, 1, 2, 3, 4],
            ProtocolError::LengthNotMinimal(5),
        ),
        (
            client,
            length_64([0x80, 0, 0, 0, 0, 0, 0, 1]),
            ProtocolError::LengthTopBit(0x8000_0000_0000_0001),
        ),
        (client, masked(0x80, b"x"), ProtocolError::StrayContinuation),
        (
            client,
            [masked(0x01, b"x"), masked(0x81, b"y")].concat(),
            ProtocolError::MessageInsideMessage,
        ),
        (
            client,
            masked(0x88, b"x"),
            ProtocolError::CloseBodyOfOneByte,
        ),
        (
            client,
            masked(0x88, &[3, 0xed]),
            ProtocolError::InvalidCloseCode(1005),
        ),
        (
            client,
            masked(0x81, &[0xc3, 0x28]),
            ProtocolError::InvalidUtf8,
        ),
        (
            client,
            length_64(large),
            ProtocolError::MessageTooLarge(16 * 1024 * 1024),
        ),
        (
            client,
            fragments.concat(),
            ProtocolError::TooManyFragments(131_072),
        ),
        (
            hixie,
            vec![0xff, 0x88, 0x80, 0x80, 0x01],
            ProtocolError::SkipTooLarge(16 * 1024 * 1024),
        ),
        (
            deflate,
            masked(0xc1, &[0x06]),
            ProtocolError::InvalidCompression,
        ),
        (
            hixie,
            b"hello".to_vec(),
            ProtocolError::UnknownFrameType(b'h'),
        ),
    ]
}

/// The rules that bytes break, or that leave a choice about them; each sentence about them is one.
fn decided(setting: &Setting, bytes: &[u8]) -> Vec<&'static str> {
    let mut ids = Vec::new();
    for note in setting.explain([bytes]) {
        for verdict in note.verdicts {
            if let Verdict::Broken(rule, by) | Verdict::Choice(rule, by) = verdict {
                assert!(by.ends_with('.'), "{by}");
                ids.push(rule.id);
            }
        }
    }
    ids
}

/// The rules that the bytes of the errors break, computed once: one of them has many frames.
static DECIDED: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| {
    let errors = errors();
    let ids = errors
        .iter()
        .map(|(setting, bytes, _)| decided(setting, bytes));
    ids.collect()
});

#[test]
fn each_error_of_the_engine_names_a_rule_that_the_notes_break() {
    let mut found = Vec::new();
    for ((setting, bytes, error), ids) in errors().iter().zip(&*DECIDED) {
        let run = setting.run([&bytes[..]]).expect("a connection");
        assert_eq!(run.closed.protocol_error.as_ref(), Some(error));
        let rule = protocol_error(error).unwrap_or_else(|| panic!("no rule for {error:?}"));
        assert!(ids.contains(&rule.id), "{error:?}: {ids:?}");
        found.push(discriminant(error));
    }
    // One of each: a new variant needs a line above, and a rule.
    let all = ProtocolError::all();
    assert_eq!(found, all.iter().map(discriminant).collect::<Vec<_>>());
}

/// The rules that a message breaks with a match of 600 bytes back, if the server has a window of so many
/// bits.
fn far_match(bits: u8) -> Vec<&'static str> {
    let stored = [&[0x00, 0x58, 0x02, 0xa7, 0xfd][..], &[b'a'; 600]].concat();
    // Fixed codes: three bytes at distance 600, the end; an empty block.
    let fixed = [
        0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0,
    ];
    let byte = |bits: &[u8]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit);
    let payload: Vec<u8> = stored
        .into_iter()
        .chain(fixed.chunks(8).map(byte))
        .collect();
    let compression = Compression {
        server_window_bits: bits,
        ..Compression::default()
    };
    let mut explainer = Explainer::frames(Version::Rfc6455, Some(compression));
    explainer.feed(Side::Server, &frame(0xc2, &payload, None));
    let verdicts = explainer.notes().flat_map(|note| note.verdicts);
    let broken = verdicts.filter_map(|verdict| match verdict {
        Verdict::Broken(rule, _) => Some(rule.id),
        _ => None,
    });
    broken.collect()
}

#[test]
fn a_match_reaches_back_as_far_as_the_agreed_window() {
    assert_eq!(far_match(9), ["deflate.window"]);
    assert!(far_match(10).is_empty());
}

#[test]
fn each_rule_of_frames_is_found_broken_or_decided_and_has_a_source_and_a_reason() {
    let client = |version| Setting::new(version, Side::Client);
    let zero = Some([0; 4]);
    let deflate = Setting {
        takeover: Some(true),
        ..client(Version::Rfc6455)
    };
    let late = [frame(0x88, b"", KEY), frame(0x81, b"late", KEY)].concat();
    let rsv1 = [frame(0x41, b"", KEY), frame(0xc0, b"", KEY)].concat();
    let inputs = [
        (client(Version::Rfc6455), frame(0x81, b"zero", zero)),
        (client(Version::Rfc6455), late),
        (deflate, rsv1),
        (client(Version::Rfc6455), vec![0x81]),
        (client(Version::Draft75), vec![0xff, 0x00]),
        (client(Version::Draft76), vec![0xff, 0x00, 0x00]),
    ];
    let others = inputs
        .iter()
        .flat_map(|(setting, bytes)| decided(setting, bytes));
    let seen: HashSet<&str> = DECIDED.iter().flatten().copied().chain(others).collect();
    let seen: HashSet<&str> = seen.into_iter().chain(far_match(9)).collect();
    let prefixes = [
        "mask.", "rsv.", "opcode.", "control.", "length.", "message.", "text.", "close.",
        "deflate.", "stream.", "hixie.",
    ];
    let rules: Vec<_> = rule::all()
        .filter(|rule| prefixes.iter().any(|prefix| rule.id.starts_with(prefix)))
        .collect();
    assert_eq!(rules.len(), 26);
    for rule in rules {
        assert!(seen.contains(&rule.id), "no input for {}", rule.id);
        assert!(rule.source.contains('§') && rule.says.ends_with('.') && rule.why.ends_with('.'));
    }
}
