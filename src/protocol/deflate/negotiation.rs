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
    pub(crate) fn window(&self) -> u8 {
        self.send.bits
    }
}

impl Config {
    /// Accepts the first of a client's offers that can be accepted, and returns the value of the
    /// response's header. An invalid offer is declined like one that cannot be kept; the handshake goes
    /// on without compression.
    pub(crate) fn take_up(&self, request: &Request) -> Option<(Negotiated, String)> {
        let deflate = self.deflate.as_ref()?;
        let offers = extensions::parse(request.header_values(hybi07::EXTENSIONS))?;
        offers
            .iter()
            .filter(|offer| offer.name == NAME)
            .find_map(|offer| Some(deflate.answer(Parameters::of(offer)?)))
    }

    /// Returns a client's offer in this version, if there is one.
    pub(crate) fn offer(&self, version: Version) -> Option<String> {
        let deflate = self.deflate.filter(|_| version.spec().deflate)?;
        Some(deflate.offer())
    }

    /// Reads which part of that offer the server has accepted, if any; `None` if the response is
    /// invalid.
    pub(crate) fn agree(&self, version: Version, answer: &[u8]) -> Option<Option<Negotiated>> {
        match &extensions::parse([answer].into_iter())?[..] {
            [] => Some(None),
            [taken_up] if taken_up.name == NAME => {
                let deflate = self.deflate.filter(|_| version.spec().deflate)?;
                deflate.agree(Parameters::of(taken_up)?).map(Some)
            }
            _ => None,
        }
    }
}

impl Deflate {
    fn answer(&self, offer: Parameters) -> (Negotiated, String) {
        let mut send = self.send;
        let mut receive = self.receive;
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
        let mut say = |parameter: &str| {
            words += "; ";
            words += parameter;
        };
        // Both may be sent without an offer (RFC 7692 §7.1.1), and some clients insist.
        if !send.takeover {
            say(SERVER_NO_TAKEOVER);
        }
        if !receive.takeover {
            say(CLIENT_NO_TAKEOVER);
        }
        // These only if they were offered; then the server's parameter is required.
        if offer.server_bits.is_some() {
            say(&format!("{SERVER_BITS}={}", send.bits));
        }
        if bounded.is_some() {
            say(&format!("{CLIENT_BITS}={}", receive.bits));
        }
        (self.negotiated(send, receive), words)
    }

    /// Writes the offer: requests the parameters that our own side needs, and allows those that it
    /// supports.
    fn offer(&self) -> String {
        let mut words = String::from(NAME);
        let mut say = |parameter: &str| {
            words += "; ";
            words += parameter;
        };
        if !self.receive.takeover {
            say(SERVER_NO_TAKEOVER);
        }
        if !self.send.takeover {
            say(CLIENT_NO_TAKEOVER);
        }
        if self.receive.bits < Window::MOST {
            say(&format!("{SERVER_BITS}={}", self.receive.bits));
        }
        match self.send.bits {
            Window::MOST => say(CLIENT_BITS),
            bits => say(&format!("{CLIENT_BITS}={bits}")),
        }
        words
    }

    /// Checks a server's response. It must include the parameters that the client has requested
    /// (RFC 7692 §7.1.1.1, §7.1.2.1), and may request those that the client has allowed (§7.1.2.2).
    fn agree(&self, answer: Parameters) -> Option<Negotiated> {
        let mut send = self.send;
        let mut receive = self.receive;
        send.takeover &= !answer.client_no_takeover;
        match answer.client_bits {
            None => {}
            Some(Bits::AtMost(most)) if most <= send.bits => send.bits = most,
            Some(_) => return None,
        }
        if !receive.takeover && !answer.server_no_takeover {
            return None;
        }
        receive.takeover &= !answer.server_no_takeover;
        match answer.server_bits {
            Some(bits) if bits <= receive.bits => receive.bits = bits,
            None if receive.bits == Window::MOST => {}
            _ => return None,
        }
        Some(self.negotiated(send, receive))
    }

    fn negotiated(&self, send: Window, receive: Window) -> Negotiated {
        Negotiated {
            send,
            receive,
            level: self.level,
            threshold: self.threshold,
        }
    }
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
