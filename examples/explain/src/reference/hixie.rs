//! Draft-75 and draft-76 (draft-76 §5.3).

use stentor::protocol::{Config, Event, Initiator};
use stentor::{Message, Version};

use super::{Account, End};

pub(super) fn read(version: Version, bytes: &[u8], config: &Config) -> Account {
    let (mut events, mut output) = (Vec::new(), Vec::new());
    let end = frames(version, bytes, config, &mut events, &mut output);
    Account {
        events,
        end,
        output,
    }
}

fn frames(
    version: Version,
    mut rest: &[u8],
    config: &Config,
    events: &mut Vec<Event>,
    output: &mut Vec<u8>,
) -> End {
    let broken = End::new(1006, Initiator::Us, false);
    let cut_off = match version {
        Version::Draft75 => End::new(1005, Initiator::Peer, false),
        _ => End::disconnected(),
    };
    let limit = config.limits.message;
    let strict = config.fail_on_unknown_frames;
    while let [kind, behind @ ..] = rest {
        if strict && !matches!(kind, 0x00 | 0xff) {
            return broken;
        }
        if *kind < 0x80 {
            let end = behind.iter().position(|byte| *byte == 0xff);
            let inside = &behind[..end.unwrap_or(behind.len())];
            if inside.len() > limit {
                return broken;
            }
            if *kind == 0x00 && config.fail_on_invalid_hixie_text {
                match std::str::from_utf8(inside) {
                    Err(error) if error.error_len().is_some() || end.is_some() => return broken,
                    _ => {}
                }
            }
            let Some(end) = end else { return cut_off };
            if *kind == 0x00 {
                let text = String::from_utf8_lossy(inside).into_owned();
                events.push(Event::Message(Message::from(text)));
            }
            rest = &behind[end + 1..];
        } else {
            let (len, digits) = match length(behind, limit) {
                Some(Ok(length)) => length,
                Some(Err(_)) => return broken,
                None => return cut_off,
            };
            if *kind == 0xff && len == 0 && version == Version::Draft76 {
                output.extend([0xff, 0x00]);
                return End::new(1005, Initiator::Peer, true);
            }
            if *kind == 0xff && len > 0 && strict {
                return broken;
            }
            if behind.len() < digits + len {
                return cut_off;
            }
            rest = &behind[digits + len..];
        }
    }
    match version {
        Version::Draft75 => End::new(1005, Initiator::Peer, true),
        _ => End::disconnected(),
    }
}

/// An error of a length: it is above the limit, or has too many digits.
struct TooLarge;

/// Reads a length, and the number of its digits; `None` if it is not complete.
fn length(digits: &[u8], limit: usize) -> Option<Result<(usize, usize), TooLarge>> {
    let mut len = 0;
    for (number, digit) in (1..).zip(digits) {
        // `len` is at most the limit, which is far below the largest number.
        len = len * 128 + usize::from(digit & 0x7f);
        if len > limit || number > 10 {
            return Some(Err(TooLarge));
        }
        if digit & 0x80 == 0 {
            return Some(Ok((len, number)));
        }
    }
    None
}
