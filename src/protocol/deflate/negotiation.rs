//! Negotiates the parameters of compression (RFC 7692 §5 and §7.1).

use super::settings::{Deflate, Window};
use crate::protocol::config::Config;
use crate::protocol::handshake::request::Request;
use crate::protocol::http::extensions;
use crate::protocol::http::extensions::{Extension, Parameter};
use crate::protocol::version::{Version, hybi07};

/// The negotiated parameters: how each side compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Negotiated {
    pub(crate) send: Window,
    pub(crate) receive: Window,
    pub(crate) level: u8,
    threshold: usize,
}

/// The extension's registered name.
const NAME: &str = "permessage-deflate";

const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// The parameters of one offer, or of a response.
#[derive(Debug, Clone, Copy, Default)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    client_bits: Option<Bits>,
}

/// The value of `client_max_window_bits`: in an offer, and only there, it may have no number.
#[derive(Debug, Clone, Copy)]
enum Bits {
    Any,
    AtMost(u8),
}

impl Negotiated {
    fn new(deflate: &Deflate, send: Window, receive: Window) -> Negotiated {
        Negotiated {
            send,
            receive,
            level: deflate.level,
            threshold: deflate.threshold,
        }
    }

    /// Returns whether a message of `len` bytes is worth compressing, and can be for the peer's
    /// window.
    pub(crate) fn is_worth(&self, len: usize) -> bool {
        len >= self.threshold && self.send.bits >= Window::LEAST_TO_SEND
    }

    /// Returns whether a message that is sent may refer to those before it.
    pub(crate) fn keeps_context(&self) -> bool {
        self.send.takeover
    }

    /// Returns the window of sent messages, as the logarithm of its size in bytes.
    #[cfg(feature = "server")]
    pub(crate) fn window(&self) -> u8 {
        self.send.bits
    }
}

/// Accepts the first of a client's offers that can be accepted, and returns the value of the
/// response's header. An invalid offer is declined like one that cannot be kept; the handshake goes
/// on without compression.
pub(crate) fn accept_offer(request: &Request, config: &Config) -> Option<(Negotiated, String)> {
    let deflate = config.deflate.as_ref()?;
    let offers = extensions::parse(request.header_values(hybi07::EXTENSIONS))?;
    offers
        .iter()
        .filter(|offer| offer.name == NAME)
        .find_map(|offer| Some(accept(deflate, Parameters::of(offer)?)))
}

/// Returns a client's offer in this version, if there is one: it requests the parameters that our own
/// side needs, and allows those that it supports.
pub(crate) fn offer(config: &Config, version: Version) -> Option<String> {
    let deflate = config.deflate.filter(|_| version.spec().deflate)?;
    let mut words = String::from(NAME);
    let mut add = |parameter: &str| {
        words += "; ";
        words += parameter;
    };
    if !deflate.receive.takeover {
        add(SERVER_NO_TAKEOVER);
    }
    if !deflate.send.takeover {
        add(CLIENT_NO_TAKEOVER);
    }
    if deflate.receive.bits < Window::MOST {
        add(&format!("{SERVER_BITS}={}", deflate.receive.bits));
    }
    match deflate.send.bits {
        Window::MOST => add(CLIENT_BITS),
        bits => add(&format!("{CLIENT_BITS}={bits}")),
    }
    Some(words)
}

/// Reads which part of that offer the server has accepted, if any; `None` if the response is
/// invalid.
pub(crate) fn read_response(
    config: &Config,
    version: Version,
    value: &[u8],
) -> Option<Option<Negotiated>> {
    match &extensions::parse([value].into_iter())?[..] {
        [] => Some(None),
        [accepted] if accepted.name == NAME => {
            let deflate = config.deflate.filter(|_| version.spec().deflate)?;
            confirm(&deflate, Parameters::of(accepted)?).map(Some)
        }
        _ => None,
    }
}

/// Accepts an offer, and writes the value of the response's header.
fn accept(deflate: &Deflate, offer: Parameters) -> (Negotiated, String) {
    let mut send = deflate.send;
    let mut receive = deflate.receive;
    send.takeover &= !offer.server_no_takeover;
    receive.takeover &= !offer.client_no_takeover;
    if let Some(most) = offer.server_bits {
        send.bits = shared_window(send.bits, most);
    }
    let may_be_bounded = match offer.client_bits {
        None => None,
        Some(Bits::Any) => Some(Window::MOST),
        Some(Bits::AtMost(most)) => Some(most),
    };
    let bounded = may_be_bounded.filter(|most| receive.bits < *most);
    if bounded.is_none() {
        let theirs = may_be_bounded.unwrap_or(Window::MOST);
        // A client that cannot bound its window must not make us keep a larger one.
        receive.takeover &= theirs <= receive.bits;
        receive.bits = theirs;
    }
    let mut words = String::from(NAME);
    let mut add = |parameter: &str| {
        words += "; ";
        words += parameter;
    };
    // Both may be sent without an offer (RFC 7692 §7.1.1), and some clients insist.
    if !send.takeover {
        add(SERVER_NO_TAKEOVER);
    }
    if !receive.takeover {
        add(CLIENT_NO_TAKEOVER);
    }
    // These only if they were offered; then the server's parameter is required.
    if offer.server_bits.is_some() {
        add(&format!("{SERVER_BITS}={}", send.bits));
    }
    if bounded.is_some() {
        add(&format!("{CLIENT_BITS}={}", receive.bits));
    }
    (Negotiated::new(deflate, send, receive), words)
}

/// Checks the parameters of a server's response. It must include those that the client has requested
/// (RFC 7692 §7.1.1.1, §7.1.2.1), and may request those that the client has allowed (§7.1.2.2).
fn confirm(deflate: &Deflate, response: Parameters) -> Option<Negotiated> {
    let mut send = deflate.send;
    let mut receive = deflate.receive;
    send.takeover &= !response.client_no_takeover;
    match response.client_bits {
        None => {}
        Some(Bits::AtMost(most)) if most <= send.bits => send.bits = most,
        Some(_) => return None,
    }
    if !receive.takeover && !response.server_no_takeover {
        return None;
    }
    receive.takeover &= !response.server_no_takeover;
    match response.server_bits {
        Some(bits) if bits <= receive.bits => receive.bits = bits,
        None if receive.bits == Window::MOST => {}
        _ => return None,
    }
    Some(Negotiated::new(deflate, send, receive))
}

/// Returns the window for a peer that can read no larger one than `most`. A broadcast is compressed
/// once for each size that is in use, so there are few sizes: our own, 12 bits, 9, and 8, for which
/// messages are sent plain.
fn shared_window(own: u8, most: u8) -> u8 {
    match most {
        most if most >= own => own,
        12.. => 12,
        9.. => 9,
        _ => Window::LEAST,
    }
}

impl Parameters {
    /// Reads the parameters of one extension. `None` if a parameter is unknown, occurs twice, or has an
    /// invalid value: such an offer must be declined, and such a response must fail the connection
    /// (RFC 7692 §7).
    fn of(extension: &Extension<'_>) -> Option<Parameters> {
        let mut seen = Parameters::default();
        for Parameter { name, value } in &extension.parameters {
            let value = value.as_deref();
            let first = match *name {
                SERVER_NO_TAKEOVER => flag(&mut seen.server_no_takeover, value)?,
                CLIENT_NO_TAKEOVER => flag(&mut seen.client_no_takeover, value)?,
                SERVER_BITS => seen.server_bits.replace(bits(value?)?).is_none(),
                CLIENT_BITS => {
                    let most = match value {
                        None => Bits::Any,
                        Some(value) => Bits::AtMost(bits(value)?),
                    };
                    seen.client_bits.replace(most).is_none()
                }
                _ => return None,
            };
            if !first {
                return None;
            }
        }
        Some(seen)
    }
}

/// Sets a flag, which has no value; returns whether it was not set before.
fn flag(flag: &mut bool, value: Option<&str>) -> Option<bool> {
    match value {
        None => Some(!std::mem::replace(flag, true)),
        Some(_) => None,
    }
}

/// Parses a number from 8 to 15, without leading zeros (RFC 7692 §7.1.2.1).
fn bits(value: &str) -> Option<u8> {
    let names = ["8", "9", "10", "11", "12", "13", "14", "15"];
    let place = names.iter().position(|name| *name == value)?;
    u8::try_from(place).ok().map(|place| Window::LEAST + place)
}
