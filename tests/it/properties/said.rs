//! Inputs: frames, messages, lines of requests; and their receivers.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use stentor::protocol::Config;
use stentor::protocol::framing::Framing;
use stentor::{Message, Version};

use crate::support::{bye, close_frame, masked, text};

/// Frames that a client may send; in the drafts, the nearest equivalent.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    Text(String),
    Part(bool, Vec<u8>),
    Ping(Vec<u8>),
    Close(Option<u16>),
    Bytes(Vec<u8>),
}

impl Frame {
    pub(super) fn of(&self, version: Version) -> Vec<u8> {
        match (version.framing(), self) {
            (_, Frame::Text(word)) => text(version, word),
            (_, Frame::Bytes(bytes)) => bytes.clone(),
            (Framing::Hybi, Frame::Part(last, bytes)) => masked(u8::from(*last) << 7, bytes),
            (Framing::Hybi, Frame::Ping(bytes)) => masked(0x89, bytes),
            (Framing::Hybi, Frame::Close(Some(code))) => close_frame(*code, b""),
            (Framing::Hixie, Frame::Part(_, bytes)) => [b"\x42", &bytes[..], b"\xff"].concat(),
            (Framing::Hixie, Frame::Ping(bytes)) => {
                [&[0x80, bytes.len() as u8 & 0x7f], &bytes[..]].concat()
            }
            (_, Frame::Close(_)) => bye(version),
        }
    }

    /// Whether it breaks no rule, at any position, and ends nothing.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(self, Frame::Text(_) | Frame::Ping(_))
    }
}

pub(super) fn versions() -> impl Strategy<Value = Version> {
    select(&Version::ALL[..])
}

pub(super) fn frames() -> impl Strategy<Value = Frame> {
    prop_oneof![
        3 => "\\PC{0,20}".prop_map(Frame::Text),
        2 => (any::<bool>(), vec(any::<u8>(), 0..20)).prop_map(|(last, bytes)| Frame::Part(last, bytes)),
        2 => vec(any::<u8>(), 0..=125).prop_map(Frame::Ping),
        1 => proptest::option::of(990..1020_u16).prop_map(Frame::Close),
        1 => vec(any::<u8>(), 0..10).prop_map(Frame::Bytes),
    ]
}

/// Lengths on both sides of where their form changes.
pub(super) fn messages() -> impl Strategy<Value = Message> {
    let len = prop_oneof![
        8 => 0..20_usize,
        2 => 120..130_usize,
        1 => 65_530..65_540_usize,
    ];
    let bytes = len.prop_flat_map(|len| (Just(len), any::<u8>()));
    prop_oneof![
        "\\PC{0,30}".prop_map(Message::from),
        (0..200_usize, any::<char>()).prop_map(|(len, char)| char.to_string().repeat(len).into()),
        bytes.prop_map(|(len, byte)| vec![byte; len].into()),
    ]
}

pub(super) fn configs() -> impl Strategy<Value = Config> {
    (0..40_usize, 1..4_usize, any::<[bool; 2]>()).prop_map(|(message, fragments, fail)| {
        let mut config = Config::default();
        config.limits.message = message;
        config.limits.fragments = fragments;
        [
            config.fail_on_unknown_frames,
            config.fail_on_invalid_hixie_text,
        ] = fail;
        config
    })
}

/// Lines of requests, right and wrong.
pub(super) const LINES: [&str; 18] = [
    "GET / HTTP/1.1",
    "GET /a#b HTTP/1.1",
    "HEAD / HTTP/1.0",
    "Host: example.com",
    "Host: [::1]:0",
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Origin: http://example.com",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Version: 8",
    "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5",
    "Sec-WebSocket-Key2: 12998 5 Y3 1  .P00",
    "Sec-WebSocket-Protocol: a, b",
    "Content-Length: 8",
    " folded",
    "no colon",
    "",
];
