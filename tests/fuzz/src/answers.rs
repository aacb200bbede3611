//! Responses to a client of each version, spoilt in a few places or not at all; with a second
//! judgement of each response, from the specifications and the library's documentation.

use std::sync::Arc;

use arbitrary::Arbitrary;
use stentor::protocol::framing::Framing;
use stentor::protocol::{ClientRequest, Config, Event, State};
use stentor::{Message, Version};

use crate::driven::{Call, Driven};
use crate::head::{Head, Spoil};
use crate::law;
use crate::ways::alike;
use crate::wire;

/// Fields of fixed size come first, so that the rest of an input is text, as in a request: values
/// for headers, one on each line, after the header's name and a colon; a line without a colon is
/// the status.
#[derive(Debug, Arbitrary)]
pub struct Answered<'a> {
    version: u8,
    /// The number of subprotocols offered.
    offered: u8,
    /// The bytes that spoil the proof.
    proof: [u8; 16],
    cuts: u32,
    spoils: [Spoil; 3],
    lines: &'a [u8],
}

/// The required result for a response.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// The connection opens, with this subprotocol.
    Opens(Option<String>),
    Declined,
    /// Either result: this file does not decide it.
    Open,
}

const SUBPROTOCOLS: [&str; 2] = ["chat", "superchat"];

/// Compares the result for the response with the required one.
pub fn judge(answered: &Answered) {
    let version = Version::ALL[usize::from(answered.version) % Version::ALL.len()];
    let offered = &SUBPROTOCOLS[..usize::from(answered.offered) % (SUBPROTOCOLS.len() + 1)];
    let asked = wire::asked(version).subprotocols(offered.iter().copied());
    let asked: ClientRequest = asked.expect("subprotocols");

    let mut head = Head::answering(version, offered.first().copied());
    head.fill(answered.lines);
    for spoil in &answered.spoils {
        head.spoil(spoil);
    }
    let config = Arc::new(Config::default());
    let mut verdict = law(&head, version, offered, &config);
    let mut bytes = head.bytes();
    let head_len = bytes.len();
    if version == Version::Draft76 {
        let right = law::proof([0; 2], [0; 8]);
        bytes.extend(
            right
                .iter()
                .zip(answered.proof)
                .map(|(one, other)| one ^ other),
        );
        if answered.proof != [0; 16] && verdict != Verdict::Open {
            verdict = Verdict::Declined;
        }
    }
    bytes.extend(match version.framing() {
        Framing::Hixie => &b"\x00behind\xff"[..],
        Framing::Hybi => b"\x81\x06behind",
    });
    let driven = alike(bytes.len(), answered.cuts, |way| {
        let mut driven = Driven::client(&config, &asked);
        way.cut(&bytes, |piece, reading| driven.receive(piece, reading));
        if verdict == Verdict::Declined {
            driven.call(&Call::EndOfStream);
        }
        driven
    });
    let printed = || bytes[..head_len].escape_ascii().to_string();
    let state = driven.connection().state();
    let events: Vec<&Event> = driven.events().collect();
    match verdict {
        Verdict::Opens(subprotocol) => {
            assert_eq!(state, State::Ready, "{}", printed());
            let behind = Event::Message(Message::from("behind"));
            assert_eq!(events, [&Event::Open, &behind]);
            assert_eq!(driven.connection().subprotocol(), subprotocol.as_deref());
        }
        Verdict::Declined => {
            assert!(matches!(events[..], [Event::Declined(_)]), "{}", printed());
            assert!(matches!(state, State::Error | State::Rejected), "{state}");
            assert_eq!(driven.output, b"");
        }
        Verdict::Open => {}
    }
}

/// Judges the header block of a response to [`wire::asked`]; the proof of draft-76 excluded.
fn law(head: &Head, version: Version, offered: &[&str], config: &Config) -> Verdict {
    let values = head.fields.iter().map(|field| &field.value);
    let odd = |byte: &u8| byte.is_ascii_control() || !byte.is_ascii();
    // A value may end its line and begin another; a status may be followed by words.
    if values.flatten().any(|byte| b"\r\n".contains(byte)) || head.target.iter().any(odd) {
        return Verdict::Open;
    }
    if head.target != b"101" && head.target.starts_with(b"101") {
        return Verdict::Open;
    }
    match opens(head, version, offered, config) {
        Some(subprotocol) => Verdict::Opens(subprotocol),
        None => Verdict::Declined,
    }
}

/// Returns the negotiated subprotocol; `None` if the response must be declined.
fn opens(
    head: &Head,
    version: Version,
    offered: &[&str],
    config: &Config,
) -> Option<Option<String>> {
    let values = || head.fields.iter().flat_map(|field| &field.value);
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    let bytes = head.bytes();
    let fits = bytes.len() <= config.limits.header_bytes
        && head.fields.len() <= config.limits.header_count;
    let is_101 = head.method == "HTTP/1.1" && head.target == b"101";
    if head.is_broken() || values().any(control) || !fits || !is_101 {
        return None;
    }
    let once = |name: &str| match head.header_values(name)[..] {
        [one] => Some(one),
        _ => None,
    };
    let says = |name: &str, value: &str| (once(name)? == value.as_bytes()).then_some(());
    let means = |name: &str, value: &str| {
        once(name)?
            .eq_ignore_ascii_case(value.as_bytes())
            .then_some(())
    };
    match version {
        Version::Draft75 => {
            let first = b"HTTP/1.1 101 Web Socket Protocol Handshake\r\n";
            let lines = b"Upgrade: WebSocket\r\nConnection: Upgrade\r\n";
            bytes.strip_prefix(first)?.strip_prefix(lines)?;
            says("WebSocket-Origin", "http://example.com")?;
            says("WebSocket-Location", "ws://example.com/demo")?;
        }
        Version::Draft76 => {
            means("Upgrade", "WebSocket")?;
            means("Connection", "Upgrade")?;
            says("Sec-WebSocket-Origin", "http://example.com")?;
            says("Sec-WebSocket-Location", "ws://example.com/demo")?;
        }
        _ => {
            means("Upgrade", "websocket")?;
            law::lists(head, "Connection", b"upgrade")?;
            says("Sec-WebSocket-Accept", wire::ACCEPT)?;
            match head.header_values("Sec-WebSocket-Extensions")[..] {
                [] => {}
                [one] if one.iter().all(|byte| b", \t".contains(byte)) => {}
                _ => return None,
            }
        }
    }
    let (name, needed) = match version {
        Version::Draft75 => ("WebSocket-Protocol", true),
        Version::Draft76 => ("Sec-WebSocket-Protocol", true),
        _ => ("Sec-WebSocket-Protocol", false),
    };
    // The old drafts request only the first.
    let mut known = offered.iter().take(if needed { 1 } else { 2 });
    match head.header_values(name)[..] {
        [] if needed && !offered.is_empty() => None,
        [] => Some(None),
        [one] => {
            let agreed = known.find(|known| known.as_bytes() == one)?;
            Some(Some((*agreed).to_owned()))
        }
        _ => None,
    }
}
