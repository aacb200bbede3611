//! The payload of a close frame (RFC 6455 §5.5.1, §7.4).

use stentor::Version;

use super::sink::NoteDraft;
use super::utf8::{Reading, TextReader};
use super::xor::xor_steps;
use crate::note::{Part, Side, Value};
use crate::rules::frames as rules;
use crate::step::Step;

/// Returns the notes about the payload of a close frame: `plain` is unmasked, and begins at `start`.
pub(super) fn notes(
    (version, from): (Version, Side),
    start: u64,
    plain: &[u8],
    key: Option<[u8; 4]>,
) -> Vec<NoteDraft> {
    let end = start + plain.len() as u64;
    match plain {
        [] => vec![
            NoteDraft::new(Part::Payload, from, start..end)
                .value(Value::Bytes(Vec::new()))
                .holds(&rules::CLOSE_BODY),
        ],
        [_] => vec![
            NoteDraft::new(Part::Payload, from, start..end)
                .value(Value::Bytes(plain.to_vec()))
                .steps(xor_steps(0, plain, key))
                .broken(&rules::CLOSE_BODY, "The payload has one byte."),
        ],
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let note = NoteDraft::new(Part::CloseCode, from, start..start + 2)
                .value(Value::Number(code.into()))
                .steps(xor_steps(0, &plain[..2], key))
                .step(Step::CloseCode {
                    high: *high,
                    low: *low,
                    code,
                })
                .holds(&rules::CLOSE_BODY);
            let allowed = may_be_sent(version, code).then_some(());
            let note = note.judge(
                &rules::CLOSE_CODE,
                allowed.ok_or_else(|| sentence(code, [*high, *low])),
            );
            let mut notes = vec![note];
            if !reason.is_empty() {
                let note = NoteDraft::new(Part::CloseReason, from, start + 2..end);
                notes.push(judge_reason(note.steps(xor_steps(2, reason, key)), reason));
            }
            notes
        }
    }
}

fn judge_reason(note: NoteDraft, reason: &[u8]) -> NoteDraft {
    let mut reader = TextReader::new(Reading::Strict);
    reader.push(reason);
    let part = reader.part(true);
    let note = note.steps(part.steps);
    match part.invalid {
        None => note.value(Value::Text(part.text)).holds(&rules::TEXT_UTF8),
        Some(invalid) => note
            .value(Value::Bytes(reason[..reason.len().min(64)].to_vec()))
            .broken(&rules::TEXT_UTF8, invalid.sentence()),
    }
}

/// Whether a close frame of this version may have this code.
fn may_be_sent(version: Version, code: u16) -> bool {
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => true,
        1004 => version != Version::Rfc6455,
        _ => false,
    }
}

fn sentence(code: u16, bytes: [u8; 2]) -> String {
    match code {
        1004 => "The code is 1004, which is reserved since version 13.".to_owned(),
        1005 => "The code is 1005, which means that no code was received.".to_owned(),
        1006 => "The code is 1006, which means that no close frame was received.".to_owned(),
        1015 => "The code is 1015, which means that the TLS handshake failed.".to_owned(),
        _ if bytes.iter().all(u8::is_ascii_digit) => {
            format!(
                "The code is {code}: its bytes are digits, as in a code that is written as text."
            )
        }
        _ if may_be_sent(Version::Rfc6455, code.swap_bytes()) => {
            let swapped = code.swap_bytes();
            format!("The code is {code}. With its bytes in the other order, it is {swapped}.")
        }
        _ => format!("The code is {code}, which is not defined."),
    }
}
