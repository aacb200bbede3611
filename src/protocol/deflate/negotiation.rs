//! Which parameters both sides can live with (RFC 7692 §5 and §7.1).

use super::settings::{Deflate, Window};
use crate::protocol::config::Config;
use crate::protocol::extension::{self, Extension, Parameter};
use crate::protocol::request::Request;
use crate::protocol::version::{Version, hybi07};

/// What was agreed on: how each side compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
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

/// The parameters of one offer, or of an answer.
#[derive(Debug, Clone, Copy, Default)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    client_bits: Option<Bits>,
}

/// `client_max_window_bits`: in an offer, and only there, it may stand without a number.
#[derive(Debug, Clone, Copy)]
enum Bits {
    Any,
    AtMost(u8),
}

impl Terms {
    /// Whether a message of `len` bytes is worth compressing, and can be for the peer's window.
    pub(crate) fn is_worth(&self, len: usize) -> bool {
        len >= self.threshold && self.send.bits >= Window::LEAST_TO_SEND
    }

    /// Whether a message that is sent may refer to those before it.
    pub(crate) fn takes_over(&self) -> bool {
        self.send.takeover
    }

    /// The window for what is sent, as the logarithm of its size in bytes.
    pub(crate) fn window(&self) -> u8 {
        self.send.bits
    }
}

impl Config {
    /// Takes up the first of a client's offers that can be, with the answer's words. A broken offer
    /// is declined like one that cannot be kept; the handshake goes on without.
    pub(crate) fn take_up(&self, request: &Request) -> Option<(Terms, String)> {
        let deflate = self.deflate.as_ref()?;
        let offers = extension::parse(request.all(hybi07::EXTENSIONS))?;
        offers
            .iter()
            .filter(|offer| offer.name == NAME)
            .find_map(|offer| Some(deflate.answer(Parameters::of(offer)?)))
    }

    /// What a client offers in this version, if anything.
    pub(crate) fn offer(&self, version: Version) -> Option<String> {
        let deflate = self.deflate.filter(|_| version.row().deflate)?;
        Some(deflate.offer())
    }

    /// What a server has taken up of that, if anything; `None` where it says what it must not.
    pub(crate) fn agree(&self, version: Version, answer: &[u8]) -> Option<Option<Terms>> {
        match &extension::parse([answer].into_iter())?[..] {
            [] => Some(None),
            [taken_up] if taken_up.name == NAME => {
                let deflate = self.deflate.filter(|_| version.row().deflate)?;
                deflate.agree(Parameters::of(taken_up)?).map(Some)
            }
            _ => None,
        }
    }
}

impl Deflate {
    fn answer(&self, offer: Parameters) -> (Terms, String) {
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
            // A client that cannot keep within our bound must not make us remember more.
            receive.takeover &= theirs <= receive.bits;
            receive.bits = theirs;
        }
        let mut words = String::from(NAME);
        let mut say = |parameter: &str| {
            words += "; ";
            words += parameter;
        };
        // Both may be said unasked (RFC 7692 §7.1.1), and some clients insist.
        if !send.takeover {
            say(SERVER_NO_TAKEOVER);
        }
        if !receive.takeover {
            say(CLIENT_NO_TAKEOVER);
        }
        // These only where they were offered; then the server's must be.
        if offer.server_bits.is_some() {
            say(&format!("{SERVER_BITS}={}", send.bits));
        }
        if bounded.is_some() {
            say(&format!("{CLIENT_BITS}={}", receive.bits));
        }
        (self.terms(send, receive), words)
    }

    /// Asks for what our own side needs, and allows what it can do.
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

    /// A server must do what it was asked to (RFC 7692 §7.1.1.1, §7.1.2.1), and may ask of a client
    /// what that has allowed (§7.1.2.2).
    fn agree(&self, answer: Parameters) -> Option<Terms> {
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
        Some(self.terms(send, receive))
    }

    fn terms(&self, send: Window, receive: Window) -> Terms {
        Terms {
            send,
            receive,
            level: self.level,
            threshold: self.threshold,
        }
    }
}

/// The window for a peer that can read no larger one than `most`. Broadcasts are compressed once for
/// each size that is in use, so there are not many: our own, 12 bits, 9, and 8, which is sent plain.
fn shared_window(own: u8, most: u8) -> u8 {
    match most {
        most if most >= own => own,
        12.. => 12,
        9.. => 9,
        _ => Window::LEAST,
    }
}

impl Parameters {
    /// RFC 7692 §7: what has a parameter that is unknown, stands twice, or has a value that it must not
    /// have, is to be declined, and an answer to be hung up on.
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

/// Sets a flag, which has no value; says whether it was not set before.
fn flag(flag: &mut bool, value: Option<&str>) -> Option<bool> {
    match value {
        None => Some(!std::mem::replace(flag, true)),
        Some(_) => None,
    }
}

/// 8 to 15, without leading zeros (RFC 7692 §7.1.2.1).
fn bits(value: &str) -> Option<u8> {
    let names = ["8", "9", "10", "11", "12", "13", "14", "15"];
    let place = names.iter().position(|name| *name == value)?;
    u8::try_from(place).ok().map(|place| Window::LEAST + place)
}
