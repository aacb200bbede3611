//! The values of the labels: fixed sets, each value with its count, also if it is 0.

use std::collections::BTreeMap;

use crate::error::DisconnectReason;
use crate::protocol::{CloseCode, Version};

/// The names of rejections, as `Rejection::name` returns them.
const REJECTIONS: [&str; 31] = [
    "address full",
    "application",
    "body",
    "duplicate header",
    "full",
    "header block too large",
    "http version",
    "invalid challenge",
    "invalid host",
    "invalid key",
    "invalid proxy header",
    "invalid subprotocol",
    "invalid upgrade",
    "invalid version",
    "key without version",
    "malformed header block",
    "method",
    "missing header",
    "no connection upgrade",
    "no upgrade",
    "origin",
    "resource",
    "shutting down",
    "timeout",
    "too many handshakes",
    "too many headers",
    "unexpected proxy header",
    "unknown host",
    "unsupported draft",
    "unsupported subprotocol",
    "unsupported version",
];

/// The close codes of IANA's registry, which `CloseCode` has as constants.
const CODES: [CloseCode; 19] = [
    CloseCode::NORMAL,
    CloseCode::GOING_AWAY,
    CloseCode::PROTOCOL_ERROR,
    CloseCode::UNSUPPORTED_DATA,
    CloseCode::TOO_LARGE_BEFORE_13,
    CloseCode::NO_CODE,
    CloseCode::ABNORMAL,
    CloseCode::INVALID_TEXT,
    CloseCode::POLICY,
    CloseCode::TOO_LARGE,
    CloseCode::MANDATORY_EXTENSION,
    CloseCode::INTERNAL_ERROR,
    CloseCode::SERVICE_RESTART,
    CloseCode::TRY_AGAIN_LATER,
    CloseCode::BAD_GATEWAY,
    CloseCode::TLS_HANDSHAKE,
    CloseCode::UNAUTHORIZED,
    CloseCode::FORBIDDEN,
    CloseCode::TIMEOUT,
];

/// The reasons for which the server itself disconnects a client: all but the end of the stream.
const REASONS: [DisconnectReason; 11] = [
    DisconnectReason::HandshakeTimeout,
    DisconnectReason::PongTimeout,
    DisconnectReason::IdleTimeout,
    DisconnectReason::UnfinishedMessage,
    DisconnectReason::WriteTimeout,
    DisconnectReason::Evicted,
    DisconnectReason::TotalSendQueue,
    DisconnectReason::TotalIncoming,
    DisconnectReason::CloseTimeout,
    DisconnectReason::ShutdownTimeout,
    DisconnectReason::Aborted,
];

/// The label of all other close codes. A client may choose any of more than a thousand.
const OTHER: &str = "other";

pub(super) fn versions<N: Copy + Default>(counts: &BTreeMap<Version, N>) -> Vec<(&str, N)> {
    let count = |version| counts.get(&version).copied().unwrap_or_default();
    let versions = Version::ALL.into_iter();
    versions
        .map(|version| (version.name(), count(version)))
        .collect()
}

pub(super) fn rejections(counts: &BTreeMap<&'static str, u64>) -> Vec<(&'static str, u64)> {
    let mut all = BTreeMap::from(REJECTIONS.map(|name| (name, 0)));
    all.extend(counts);
    all.into_iter().collect()
}

pub(super) fn disconnects(counts: &BTreeMap<DisconnectReason, u64>) -> Vec<(&'static str, u64)> {
    let count = |reason| counts.get(&reason).copied().unwrap_or_default();
    let reasons = REASONS.into_iter();
    reasons
        .map(|reason| (name(reason), count(reason)))
        .collect()
}

pub(super) fn closes(counts: &BTreeMap<u16, u64>) -> Vec<(String, u64)> {
    let count = |code: &CloseCode| counts.get(&code.get()).copied().unwrap_or_default();
    let named = CODES.iter().map(|code| (code.to_string(), count(code)));
    let all: u64 = counts.values().sum();
    let other = all - CODES.iter().map(count).sum::<u64>();
    named.chain([(OTHER.to_owned(), other)]).collect()
}

const fn name(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::EndOfStream => "end of stream",
        DisconnectReason::HandshakeTimeout => "handshake timeout",
        DisconnectReason::PongTimeout => "pong timeout",
        DisconnectReason::IdleTimeout => "idle timeout",
        DisconnectReason::UnfinishedMessage => "unfinished message",
        DisconnectReason::WriteTimeout => "write timeout",
        DisconnectReason::Evicted => "evicted",
        DisconnectReason::TotalSendQueue => "total send queue",
        DisconnectReason::TotalIncoming => "total incoming",
        DisconnectReason::CloseTimeout => "close timeout",
        DisconnectReason::ShutdownTimeout => "shutdown timeout",
        DisconnectReason::Aborted => "aborted",
    }
}
