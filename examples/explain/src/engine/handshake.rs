//! The errors of the handshake.

use stentor::protocol::{HandshakeError, KeyError, Rejection};

use crate::rules::handshake::{
    ACCEPT, BODY, COMPLETE, CONNECTION, DEFLATE, DRAFT, EXTENSION_CHOICE, EXTENSIONS, HEADER_LINE,
    HEADER_VALUE, HOST, HTTP, HTTP_VERSION, KEY, KEY_DIGITS, KEY_DIVISION, KEY_SIZE, KEY_SPACES,
    KEY_VERSION, KEYS, LINE_END, LOCATION, METHOD, ONCE, ORIGIN, ORIGIN_ECHO, PREAMBLE, PROOF,
    REQUEST_LINE, STATUS, STATUS_LINE, SUBPROTOCOL, SUBPROTOCOL_CHOICE, TARGET, UPGRADE, VERSION,
};

use super::Basis;

/// Returns the rules that a rejected request has broken. A variant that is newer than this table has
/// none.
pub fn rejection(rejection: &Rejection) -> Basis {
    match rejection {
        Rejection::MalformedHeaders(part) => of_malformed(part),
        Rejection::NotHttp(_) => rules!(HTTP),
        Rejection::Method(_) | Rejection::HandshakeMethod(_) | Rejection::UnknownMethod(_) => {
            rules!(METHOD)
        }
        Rejection::Resource(_) => rules!(TARGET),
        Rejection::HttpVersion(_) => rules!(HTTP_VERSION),
        Rejection::NoUpgrade | Rejection::InvalidUpgrade(_) => rules!(UPGRADE),
        Rejection::NoConnectionUpgrade => rules!(CONNECTION),
        Rejection::Body => rules!(BODY),
        Rejection::Missing(header) => of_header(header),
        Rejection::Duplicate(_) => rules!(ONCE),
        Rejection::InvalidHost(_) => rules!(HOST),
        Rejection::InvalidVersion(_) | Rejection::UnsupportedVersion { .. } => {
            rules!(VERSION)
        }
        Rejection::UnsupportedDraft(_) => rules!(DRAFT),
        Rejection::KeyWithoutVersion => rules!(KEY_VERSION),
        Rejection::InvalidKey(_) => rules!(KEY),
        Rejection::InvalidChallenge { error, .. } => key_error(*error),
        Rejection::InvalidSubprotocol => rules!(SUBPROTOCOL),
        policy => Basis::Policy(of_policy(policy)),
    }
}

/// The rejections that are decisions of the server.
fn of_policy(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::HeadersTooLarge(_) | Rejection::TooManyHeaders(_) => {
            "HTTP has no limit for a header block: each server has its own."
        }
        Rejection::UnexpectedProxyHeader | Rejection::InvalidProxyHeader(_) => {
            "The PROXY protocol stands before HTTP, and belongs to no version of WebSocket."
        }
        Rejection::UnknownHost(_) => "A server decides which host names it serves.",
        Rejection::UnsupportedSubprotocol => "A server decides which subprotocols it supports.",
        Rejection::Origin(_) => "A server decides which web pages may connect to it.",
        Rejection::Timeout => "A server decides how long it waits for a request.",
        Rejection::Full | Rejection::AddressFull | Rejection::TooManyHandshakes { .. } => {
            "A server decides how many clients it accepts."
        }
        Rejection::ShuttingDown => "A server decides when it shuts down.",
        Rejection::Application { .. } => "The application decides which requests it accepts.",
        _ => "This table does not know the variant.",
    }
}

/// Returns the rule that a key of draft-76 has broken.
pub fn key_error(error: KeyError) -> Basis {
    match error {
        KeyError::NoDigits => rules!(KEY_DIGITS),
        KeyError::NoSpaces => rules!(KEY_SPACES),
        KeyError::NotDivisible => rules!(KEY_DIVISION),
        KeyError::TooLarge => rules!(KEY_SIZE),
        _ => Basis::Policy("This table does not know the variant."),
    }
}

/// Returns the rules that a response has broken.
pub fn handshake_error(error: &HandshakeError) -> Basis {
    match error {
        HandshakeError::Status(response) if (300..600).contains(&response.status()) => {
            Basis::Policy("A server decides which requests it accepts.")
        }
        HandshakeError::Status(_) => rules!(STATUS),
        HandshakeError::HeadersTooLarge(_)
        | HandshakeError::TooManyHeaders(_)
        | HandshakeError::TooManyInterim(_) => {
            Basis::Policy("HTTP has no limit for header blocks: each client has its own.")
        }
        HandshakeError::MalformedHeaders(part) => of_malformed(part),
        HandshakeError::NotHttp(_) => rules!(HTTP),
        HandshakeError::Preamble(_) => rules!(PREAMBLE),
        HandshakeError::HttpVersion => rules!(HTTP_VERSION),
        HandshakeError::Missing(header) => of_header(header),
        HandshakeError::Duplicate(_) => rules!(ONCE),
        HandshakeError::Mismatch { header, .. } => of_header(header),
        HandshakeError::SubprotocolNotOffered { .. } => rules!(SUBPROTOCOL_CHOICE),
        HandshakeError::NotOffered { .. } => {
            rules!(EXTENSION_CHOICE, DEFLATE, EXTENSIONS)
        }
        HandshakeError::Proof { .. } => rules!(PROOF),
        // Without CR, the client does not find the end of the header block.
        HandshakeError::StreamEnded => rules!(COMPLETE, LINE_END),
        _ => Basis::Policy("This table does not know the variant."),
    }
}

/// Returns the rules for the form of a header block.
fn of_malformed(part: &str) -> Basis {
    match part {
        "request line" => rules!(REQUEST_LINE),
        "status line" => rules!(STATUS_LINE),
        "a line that does not end in CR LF" => rules!(LINE_END),
        _ => rules!(HEADER_LINE, HEADER_VALUE),
    }
}

/// Returns the rule about a header that is missing, or that has another value than the required one.
fn of_header(header: &str) -> Basis {
    match header {
        "Host" => rules!(HOST),
        "Upgrade" => rules!(UPGRADE),
        "Connection" => rules!(CONNECTION),
        "Origin" => rules!(ORIGIN),
        "Sec-WebSocket-Key" => rules!(KEY),
        "Sec-WebSocket-Key1" | "Sec-WebSocket-Key2" => rules!(KEYS),
        "Sec-WebSocket-Accept" => rules!(ACCEPT),
        "WebSocket-Origin" | "Sec-WebSocket-Origin" => rules!(ORIGIN_ECHO),
        "WebSocket-Location" | "Sec-WebSocket-Location" => rules!(LOCATION),
        "WebSocket-Protocol" | "Sec-WebSocket-Protocol" => rules!(SUBPROTOCOL_CHOICE),
        _ => rules!(HEADER_LINE),
    }
}
