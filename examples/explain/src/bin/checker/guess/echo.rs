//! The frame of a client that is not the expected echo: each plausible layout is tried on its bytes.

use crate::diagnoses::{client_frames as d, client_reads as reads};
use crate::diagnosis::Diagnosis;
use crate::wire::{self, Parsed};

/// Whether these bytes are the right frame; its masking key.
pub(crate) fn right(opcode: u8, payload: &[u8], got: &[u8]) -> Option<[u8; 4]> {
    match wire::parse(got) {
        Parsed::Frame(frame, len) => {
            let header =
                frame.fin && frame.rsv == 0 && frame.opcode == opcode && frame.form.is_none();
            let mask = frame.mask.filter(|mask| *mask != [0; 4]);
            mask.filter(|_| header && frame.payload == payload && len == got.len())
        }
        _ => None,
    }
}

/// The mistake in the bytes of a client that should have sent this message back.
pub(crate) fn diagnose(opcode: u8, payload: &[u8], got: &[u8]) -> Option<&'static Diagnosis> {
    let without_header = payload.len() > 1 && got.starts_with(payload);
    if without_header {
        return Some(&d::NONE);
    }
    if got.starts_with(b"HTTP/") || got.starts_with(b"GET ") || got.starts_with(b"POST ") {
        return Some(&d::HTTP);
    }
    if got == [&[0x00], payload, &[0xff]].concat() {
        return Some(&d::HIXIE);
    }
    let first = *got.first()?;
    for (wrong_length, length) in lengths(payload) {
        if let Some(wrong_mask) = mask_mistake(&length, payload, &got[1..]) {
            return wrong_mask.or(wrong_length).or_else(|| bits(opcode, first));
        }
    }
    match wire::parse(got) {
        Parsed::Frame(frame, _) if frame.mask.is_some() && frame.opcode <= 2 => {
            content(payload, &frame.payload)
        }
        Parsed::Frame(frame, _) if frame.fin && frame.rsv == 0 && frame.opcode <= 2 => {
            Some(&d::UNMASKED)
        }
        _ => None,
    }
}

/// The mistake in the first byte of a frame that is right otherwise.
fn bits(opcode: u8, first: u8) -> Option<&'static Diagnosis> {
    match first {
        _ if first & 0xf0 != 0x80 => Some(&d::BITS),
        _ if first & 0x0f != opcode => Some(&d::OPCODE),
        _ => None,
    }
}

/// The right and the wrong forms of the length, without the bit MASK.
fn lengths(payload: &[u8]) -> Vec<(Option<&'static Diagnosis>, Vec<u8>)> {
    let len = payload.len();
    let mut all = vec![(None, length(len))];
    let wide = (len as u64).to_be_bytes();
    let mut add = |wrong: &'static Diagnosis, first: u8, more: &[u8], reversed: bool| {
        let mut more = more.to_vec();
        if reversed {
            more.reverse();
        }
        all.push((Some(wrong), [&[first], &more[..]].concat()));
    };
    if len > 125 {
        add(&d::LENGTH_7, wire::low_byte(len) & 0x7f, &[], false);
        add(&d::LENGTH_LITTLE, 126, &wide[6..], true);
        add(&d::LENGTH_64_SHORT, 127, &wide[4..], false);
        add(&d::LENGTH_64_SHORT, 127, &wide[4..], true);
        add(&d::LENGTH_64_SHORT, 127, &wide[2..], false);
        add(&d::LENGTH_64_SHORT, 127, &wide[6..], false);
        add(&d::LENGTH_64_SHORT, 126, &wide[4..], false);
    }
    if len > 0xffff {
        add(&d::LENGTH_LITTLE, 127, &wide, true);
        add(&d::LENGTH_WRAPPED, 126, &wide[6..], false);
    } else {
        add(&d::LENGTH_LONG, 127, &wide, false);
        add(&d::LENGTH_LONG, 126, &wide[6..], false);
    }
    let characters = String::from_utf8_lossy(payload).chars().count();
    let utf16 = String::from_utf8_lossy(payload).encode_utf16().count();
    for count in [characters, utf16] {
        if count != len {
            all.push((Some(&d::LENGTH_CHARACTERS), length(count)));
        }
    }
    all
}

/// The shortest form of a length, without the bit MASK.
fn length(len: usize) -> Vec<u8> {
    let wide = (len as u64).to_be_bytes();
    match len {
        0..=125 => vec![wire::low_byte(len)],
        126..=0xffff => [&[126], &wide[6..]].concat(),
        _ => [&[127], &wide[..]].concat(),
    }
}

/// Whether `rest`, everything behind the first byte, fits this length and this payload: with the mistake
/// in the mask, or without one. `None` if it does not fit.
fn mask_mistake(length: &[u8], payload: &[u8], rest: &[u8]) -> Option<Option<&'static Diagnosis>> {
    let (&bits, more) = rest.split_first()?;
    if bits & 0x7f != length[0] || !more.starts_with(&length[1..]) {
        return None;
    }
    let has_bit = bits & 0x80 != 0;
    let body = &more[length.len() - 1..];
    if !has_bit && body.starts_with(payload) && body.len() < payload.len() + 4 {
        return Some(Some(&d::UNMASKED));
    }
    if has_bit && body.len() < payload.len() + 4 {
        return (body == payload).then_some(Some(&d::NO_KEY));
    }
    let (key, masked) = body.split_first_chunk::<4>()?;
    let masked = masked.get(..payload.len())?;
    let pad: Vec<u8> = masked
        .iter()
        .zip(payload)
        .map(|(one, other)| one ^ other)
        .collect();
    let right = pad
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte == key[at % 4]);
    match (has_bit, right) {
        (true, true) if *key == [0; 4] => Some(Some(&d::ZERO)),
        (true, true) => Some(None),
        (false, true) => Some(Some(&d::NO_MASK_BIT)),
        (false, false) => None,
        (true, false) => pad_mistake(*key, &pad).map(Some),
    }
}

/// The mistake that makes these bytes of a key, one for each byte of the payload.
fn pad_mistake(key: [u8; 4], pad: &[u8]) -> Option<&'static Diagnosis> {
    if pad.len() < 3 {
        return None;
    }
    if pad.iter().all(|byte| *byte == 0) {
        return Some(&d::PLAIN);
    }
    let follows = |order: [usize; 4], from: usize| {
        let pad = pad[from..].iter().enumerate();
        pad.into_iter()
            .all(|(at, byte)| *byte == key[order[at % 4]])
    };
    let orders = [
        [0; 4],
        [3, 2, 1, 0],
        [1, 2, 3, 0],
        [3, 0, 1, 2],
        [1; 4],
        [3; 4],
    ];
    if orders.into_iter().any(|order| follows(order, 0)) {
        return Some(&d::MASK_ORDER);
    }
    let wrong = pad
        .iter()
        .enumerate()
        .position(|(at, byte)| *byte != key[at % 4])?;
    let restarts = (wrong.saturating_sub(3)..=wrong).any(|from| {
        let piece = pad[from..].iter().take(8).enumerate();
        from > 0 && piece.into_iter().all(|(at, byte)| *byte == key[at % 4])
    });
    restarts.then_some(&d::MASK_RESTART)
}

/// The mistake in reading a message that comes back with another content.
fn content(payload: &[u8], found: &[u8]) -> Option<&'static Diagnosis> {
    let (key, rest) = payload.split_at(payload.len().min(4));
    let unmasked: Vec<u8> = rest
        .iter()
        .zip(key.iter().cycle())
        .map(|(one, other)| one ^ other)
        .collect();
    if payload.len() > 4 && !found.is_empty() && unmasked.starts_with(found) {
        return Some(&reads::READS_KEY);
    }
    if payload.len() > 125 {
        return Some(long_content(payload, found));
    }
    if found.len() > payload.len() && found.starts_with(payload) {
        return Some(&reads::JOINED);
    }
    if found.is_empty() {
        return None;
    }
    if !payload.is_ascii() {
        return Some(&reads::ENCODING);
    }
    payload.starts_with(found).then_some(&reads::ONE_READ)
}

/// The mistake in reading a message above 125 bytes.
fn long_content(payload: &[u8], found: &[u8]) -> &'static Diagnosis {
    let length = length(payload.len());
    let whole = [&length[1..], payload].concat();
    let number = length[1..]
        .iter()
        .rev()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    match found {
        _ if !found.is_empty() && whole.starts_with(found) => &reads::LENGTH_7,
        _ if payload.starts_with(found) && found.len() as u64 == number => &reads::LENGTH_LITTLE,
        [] if length[0] == 127 => &reads::LENGTH_64,
        [] if payload.len() > 0x7fff => &reads::LENGTH_SIGNED,
        _ if payload.starts_with(found) => &reads::ONE_READ,
        _ => &reads::LENGTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, LengthForm, opcode};

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn id(payload: &[u8], got: &[u8]) -> &'static str {
        diagnose(opcode::TEXT, payload, got).map_or("none", |diagnosis| diagnosis.id)
    }

    fn masked(payload: &[u8]) -> Vec<u8> {
        Frame::new(opcode::TEXT, payload).masked(KEY).encode()
    }

    /// A masked frame with this header in place of the right one.
    fn with_header(header: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut masked = payload.to_vec();
        wire::xor(&mut masked, KEY, 0);
        [header, &KEY, &masked].concat()
    }

    #[test]
    fn a_right_echo_has_no_mistake() {
        for len in [0, 5, 125, 126, 65535, 65536] {
            let payload = vec![b'a'; len];
            let got = masked(&payload);
            assert_eq!(right(opcode::TEXT, &payload, &got), Some(KEY), "{len}");
            assert_eq!(id(&payload, &got), "none", "{len}");
        }
    }

    #[test]
    fn a_frame_without_its_mask_or_header_is_recognized() {
        assert_eq!(id(b"Hello", b"Hello"), "D13-CLIENT-FRAME-NONE");
        assert_eq!(id(b"Hello", b"\x00Hello\xff"), "D13-CLIENT-FRAME-HIXIE");
        assert_eq!(id(b"Hello", b"\x81\x05Hello"), "D13-CLIENT-UNMASKED");
        assert_eq!(id(b"Hello", b"\x81\x85Hello"), "D13-CLIENT-MASK-NO-KEY");
        assert_eq!(
            id(b"Hello", b"\x81\x85\x37\xfa\x21\x3dHello"),
            "D13-CLIENT-MASK-PLAIN"
        );
        assert_eq!(
            id(b"Hello", b"\x81\x85\0\0\0\0Hello"),
            "D13-CLIENT-MASK-ZERO"
        );
        assert_eq!(
            id(b"Hello", &with_header(&[0x81, 5], b"Hello")),
            "D13-CLIENT-MASK-NO-BIT"
        );
        assert_eq!(
            id(b"Hello", &with_header(&[0x82, 0x85], b"Hello")),
            "D13-CLIENT-OPCODE"
        );
        assert_eq!(
            id(b"Hello", &with_header(&[0x01, 0x85], b"Hello")),
            "D13-CLIENT-BITS"
        );
    }

    #[test]
    fn a_wrong_length_is_recognized_by_the_payload_behind_it() {
        let long = b"0123456789".repeat(30);
        let wide = b"0123456789".repeat(7000);
        assert_eq!(
            id(&long, &with_header(&[0x81, 0x80 | 44], &long)),
            "D13-CLIENT-LENGTH-7"
        );
        assert_eq!(
            id(&long, &with_header(&[0x81, 0xfe, 0x2c, 1], &long)),
            "D13-CLIENT-LENGTH-LITTLE-ENDIAN"
        );
        let short = [0x81, 0xff, 0, 1, 0x11, 0x70];
        assert_eq!(
            id(&wide, &with_header(&short, &wide)),
            "D13-CLIENT-LENGTH-64"
        );
        assert_eq!(
            id(&wide, &with_header(&[0x81, 0xfe, 0x11, 0x70], &wide)),
            "D13-CLIENT-LENGTH-16"
        );
        let form = Frame::new(opcode::TEXT, &b"Hello"[..]).with_form(LengthForm::Bits16);
        assert_eq!(
            id(b"Hello", &form.masked(KEY).encode()),
            "D13-CLIENT-LENGTH-FORM"
        );
        let text = "W\u{f6}rld".as_bytes();
        assert_eq!(
            id(text, &with_header(&[0x81, 0x85], text)),
            "D13-CLIENT-LENGTH-CHARACTERS"
        );
    }

    #[test]
    fn a_wrong_use_of_the_key_is_recognized() {
        let payload = b"0123456789";
        let with_pad = |pad: [u8; 10]| {
            let body: Vec<u8> = payload
                .iter()
                .zip(pad)
                .map(|(one, other)| one ^ other)
                .collect();
            [&[0x81, 0x8a][..], &KEY, &body].concat()
        };
        let [a, b, c, d] = KEY;
        assert_eq!(id(payload, &with_pad([a; 10])), "D13-CLIENT-MASK-ORDER");
        assert_eq!(
            id(payload, &with_pad([d, c, b, a, d, c, b, a, d, c])),
            "D13-CLIENT-MASK-ORDER"
        );
        assert_eq!(
            id(payload, &with_pad([a, b, c, d, a, a, b, c, d, a])),
            "D13-CLIENT-MASK-RESTART"
        );
    }

    #[test]
    fn a_message_that_was_read_wrongly_is_recognized() {
        assert_eq!(
            id(
                b"Hello world",
                &masked(&[0x27, 0x45, 0x1b, 0x03, 0x3a, 0x09, 0x08])
            ),
            "D13-CLIENT-READS-KEY"
        );
        let long = b"x".repeat(256);
        assert_eq!(id(&long, &masked(b"x")), "D13-CLIENT-READS-LITTLE-ENDIAN");
        let seven = [&[1, 0], &long[..124]].concat();
        assert_eq!(id(&long, &masked(&seven)), "D13-CLIENT-READS-LENGTH-7");
        assert_eq!(
            id(&b"x".repeat(65536), &masked(b"")),
            "D13-CLIENT-READS-LENGTH-64"
        );
        assert_eq!(
            id("W\u{f6}".as_bytes(), &masked(b"W?")),
            "D13-CLIENT-ENCODING"
        );
    }
}
