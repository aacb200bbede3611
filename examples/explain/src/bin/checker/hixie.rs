//! The frames of drafts 75 and 76, and the diagnosis of a wrong echo.

use crate::diagnoses::hixie as d;
use crate::diagnosis::Diagnosis;
use crate::lesson::{Check, Failure, Shown};
use crate::talk::{Missing, Talk};
use crate::wire::{self, Parsed};

/// A text frame: 00, the text, FF.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x00];
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0xff);
    bytes
}

/// Sends a text message and expects its echo.
pub(crate) fn echo(talk: &mut Talk, text: &str) -> Check {
    let sent = frame(text);
    talk.send(&sent);
    expect(talk, &sent, &sent, |got, _| diagnose(text, got))
}

/// Expects these bytes after `sent`. If others come, `mistake` names the cause.
pub(crate) fn expect(
    talk: &mut Talk,
    sent: &[u8],
    expected: &[u8],
    mistake: impl FnOnce(&[u8], Missing) -> Option<&'static Diagnosis>,
) -> Check {
    let mut got = talk.read_bytes(expected.len());
    if got == expected {
        return Ok(());
    }
    let (rest, missing) = talk.rest_until_silence();
    got.extend(rest);
    let failure = match mistake(&got, missing) {
        Some(diagnosis) => Failure::diagnosed(diagnosis, ""),
        None => Failure::unnamed(
            "draft-75 §4.3, draft-76 §5.3",
            "The response is not the expected one.",
        ),
    };
    failure
        .sent(Shown::bytes(sent, wire::printable(sent, 40)))
        .received(Shown::bytes(got, missing.words()))
        .expected(match expected.len() {
            0..=40 => format!(
                "{}   {}",
                wire::hex(expected),
                wire::printable(expected, 40)
            ),
            len => format!("the same {len} bytes"),
        })
        .fail()
}

/// The mistake that the bytes of a wrong echo show.
pub(crate) fn diagnose(text: &str, got: &[u8]) -> Option<&'static Diagnosis> {
    let plain = text.as_bytes();
    let right = frame(text);
    match got {
        [] => return Some(&d::SILENT),
        [0x00, content @ ..] if content == plain => return Some(&d::NO_END),
        [content @ .., 0xff] if content == plain => return Some(&d::NO_BEGIN),
        _ => {}
    }
    if !plain.is_empty() && got.starts_with(plain) {
        return Some(&d::UNFRAMED);
    }
    if let Parsed::Frame(frame, _) = wire::parse(got)
        && frame.payload == plain
        && got[0] >= 0x80
    {
        let known = matches!(frame.opcode, wire::opcode::TEXT | wire::opcode::BINARY);
        return Some(match frame.mask {
            Some(_) => &d::MASKED,
            None if known => &d::HYBI,
            None => &d::LENGTH_FRAME,
        });
    }
    let nested = [&[0x00], &right[..], &[0xff]].concat();
    if got.starts_with(&nested)
        || got == [&[0x00], &right[..]].concat()
        || got == [&right[..], &[0xff]].concat()
    {
        return Some(&d::NESTED);
    }
    if !text.is_ascii() && got.first() == Some(&0x00) {
        return Some(&d::ENCODING);
    }
    (!plain.is_empty() && right.starts_with(got)).then_some(&d::ONE_READ)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str, got: &[u8]) -> &'static str {
        diagnose(text, got).map_or("none", |diagnosis| diagnosis.id)
    }

    #[test]
    fn each_wrong_echo_shows_its_mistake() {
        assert_eq!(id("Hello", b""), "D75-FRAME-SILENT");
        assert_eq!(id("Hello", b"Hello"), "D75-FRAME-NONE");
        assert_eq!(id("Hello", b"Hello\n"), "D75-FRAME-NONE");
        assert_eq!(id("Hello", b"\x00Hello"), "D75-FRAME-NO-FF");
        assert_eq!(id("Hello", b"Hello\xff"), "D75-FRAME-NO-00");
        assert_eq!(id("Hello", b"\x81\x05Hello"), "D75-FRAME-HYBI");
        assert_eq!(id("Hello", b"\x80\x05Hello"), "D75-FRAME-LENGTH");
        assert_eq!(
            id("Hello", b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
            "D75-FRAME-MASKED"
        );
        assert_eq!(id("Hello", b"\x00\x00Hello\xff\xff"), "D75-FRAME-NESTED");
        assert_eq!(id("W\u{f6}rld", b"\x00W\xf6rld\xff"), "D75-FRAME-ENCODING");
        assert_eq!(id("Hello", b"\x00He"), "D75-ONE-READ");
        assert_eq!(id("Hello", b"\x00olleH\xff"), "none");
    }
}
