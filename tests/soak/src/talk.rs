//! The messages: each holds its sender, its number, and bytes that must arrive as they were sent.
//! Its number alone decides its receivers, so that everybody knows which messages are missing.

use std::io::Write;

use stentor::Version;
use stentor::protocol::framing::Framing;

/// The receivers of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    All,
    AllOthers,
    Room,
    Roommates,
}

/// The properties, of its sender and of each possible receiver, that the reach of a message depends
/// on.
#[derive(Clone, Copy)]
pub(crate) struct Traits {
    pub(crate) life: u32,
    pub(crate) room: usize,
    pub(crate) version: Version,
}

/// Out of this many messages one goes to all, one to all others, and one is binary if the version
/// has binary messages.
const ROUND: u32 = 32;

pub(crate) fn to(number: u32) -> To {
    match number % ROUND {
        0 => To::All,
        16 => To::AllOthers,
        odd if odd % 2 == 1 && odd != ROUND - 1 => To::Roommates,
        _ => To::Room,
    }
}

pub(crate) fn is_binary(number: u32, sender: Version) -> bool {
    sender.framing() == Framing::Hybi && number % ROUND == ROUND - 1
}

/// Whether its sender, and nobody else, also gets it echoed before it is sent to the others.
pub(crate) fn is_echoed(number: u32) -> bool {
    number % (ROUND / 2) == ROUND / 4
}

/// The beginning of an echo; the message follows.
pub(crate) const ECHO: &[u8] = b"echo ";

/// Whether a message is for this receiver.
pub(crate) fn reaches(number: u32, sender: &Traits, hearer: &Traits) -> bool {
    if is_binary(number, sender.version) && hearer.version.framing() == Framing::Hixie {
        return false;
    }
    let (own, same_room) = (sender.life == hearer.life, sender.room == hearer.room);
    match to(number) {
        To::All => true,
        To::AllOthers => !own,
        To::Room => same_room,
        To::Roommates => same_room && !own,
    }
}

/// Returns filler: no two places in it look alike.
fn filler() -> &'static [u8] {
    const LEN: usize = 64 * 1024;
    static FILLER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    FILLER.get_or_init(|| {
        let words = (0..).flat_map(|word: u32| format!("{word:x}.").into_bytes());
        words.take(LEN).collect()
    })
}

/// Mostly a line of chat; now and then a page, and seldom a book.
fn filler_of(life: u32, number: u32) -> &'static [u8] {
    let mixed = (life.wrapping_mul(0x9e37_79b9) ^ number.wrapping_mul(0x85eb_ca6b)) >> 7;
    let mixed = mixed as usize;
    let len = match mixed {
        book if book % 4096 == 0 => 20_000 + mixed % 4001,
        page if page % 256 == 0 => 3_000 + mixed % 1201,
        _ => 20 + mixed % 101,
    };
    let start = mixed % 997;
    &filler()[start..start + len]
}

/// Writes the payload of a message.
pub(crate) fn write(life: u32, number: u32, out: &mut Vec<u8>) {
    let _ = write!(out, "{life} {number} ");
    out.extend_from_slice(filler_of(life, number));
}

/// Returns life and number of a message, once it is certain that these are its bytes.
pub(crate) fn read(payload: &[u8]) -> Option<(u32, u32)> {
    let mut parts = payload.splitn(3, |byte| *byte == b' ');
    let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse().ok();
    let (life, number) = (number()?, number()?);
    (parts.next()? == filler_of(life, number)).then_some((life, number))
}

/// Returns the number of a message, without checking the rest.
pub(crate) fn number(payload: &[u8]) -> Option<u32> {
    let mut parts = payload.splitn(3, |byte| *byte == b' ');
    std::str::from_utf8(parts.nth(1)?).ok()?.parse().ok()
}
