//! A message is made of a buffer, cloned, and gives the buffer back: when the bytes are copied, and when not.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use stentor::Message;
use stentor::protocol::framing::Encoder;
use stentor::protocol::{Binary, Body, SendError, Text};
use stentor::{Response, Version};

use super::{LONG, place};

static TEXT: &str = "static";
static BYTES: &[u8] = b"static";

fn long() -> String {
    "x".repeat(LONG)
}

fn addr<T: AsRef<[u8]> + ?Sized>(bytes: &T) -> usize {
    bytes.as_ref().as_ptr().addr()
}

#[test]
fn message_is_made_of_any_owned_buffer_without_a_copy() {
    fn check<T: Into<Message>>(source: T, addr: fn(&T) -> usize) {
        let before = addr(&source);
        let message: Message = source.into();
        assert_eq!(place(&message), before, "{} bytes", message.len());
    }
    for len in [1, 256, 257, LONG] {
        let text = "x".repeat(len);
        check(text.clone(), addr);
        check(text.clone().into_boxed_str(), |text| addr(text.as_bytes()));
        check(Arc::<str>::from(text.clone()), |text| addr(text.as_bytes()));
        check(Arc::new(text.clone()), |text| addr(text.as_bytes()));
        check(Text::from(text.clone()), |text| addr(text.as_bytes()));
        let bytes = text.into_bytes();
        check(bytes.clone(), addr);
        check(bytes.clone().into_boxed_slice(), addr);
        check(Arc::<[u8]>::from(bytes.clone()), addr);
        check(Arc::new(bytes.clone()), |bytes| addr(&**bytes));
        check(Binary::from(bytes), addr);
    }
    check(Text::from_static(TEXT), |_| addr(TEXT));
    check(Binary::from_static(BYTES), |_| addr(BYTES));
}

#[test]
fn borrowed_buffers_are_copied_once() {
    let text = long();
    for message in [Message::from(&*text), Message::from(&text)] {
        assert_ne!(place(&message), addr(&text));
        let before = place(&message);
        assert_eq!(message.into_text().map(|text| addr(&text)), Ok(before));
    }
    let message = Message::from(text.as_bytes());
    let before = place(&message);
    assert_eq!(addr(&message.into_data()), before);
}

#[test]
fn clones_share_a_long_payload() {
    for message in [
        Message::from(long()),
        Message::from(long().as_str()),
        Message::from(Arc::<str>::from(long())),
        Message::from(long().into_bytes()),
        Message::from(Arc::<[u8]>::from(long().into_bytes())),
        Message::from(vec![7; 257]),
        Message::Text(Text::from_static(TEXT)),
        Message::Binary(Binary::from_static(BYTES)),
        Message::Binary(Text::from(long()).into()),
    ] {
        let clones = [message.clone(), message.clone().clone()];
        for clone in &clones {
            assert_eq!(clone, &message);
            assert_eq!(place(clone), place(&message));
        }
    }
    let short = Message::from("short");
    assert_eq!(short.clone(), short);
}

#[test]
fn buffer_is_given_back_to_its_last_owner_without_a_copy() {
    let texts = [
        Message::from(long()),
        Message::from(long().into_boxed_str()),
        Message::from(Arc::new(long())),
        Message::from("short"),
    ];
    for message in texts {
        let clone = message.clone();
        let before = place(&message);
        if message.len() == LONG {
            let copy = clone.into_text().unwrap();
            assert_ne!(addr(&copy), before, "a clone was left");
        }
        assert_eq!(addr(&message.into_text().unwrap()), before);
    }
    let binaries = [
        Message::from(long().into_bytes()),
        Message::from(Arc::new(long().into_bytes())),
        Message::Binary(Text::from(long()).into()),
        Message::from(long()),
        Message::from(b"short"),
    ];
    for message in binaries {
        let clone = message.clone();
        let before = place(&message);
        if message.len() == LONG {
            let copy = clone.into_data();
            assert_ne!(addr(&copy), before, "a clone was left");
        }
        assert_eq!(addr(&message.into_data()), before);
    }
}

#[test]
fn shared_buffers_are_given_back_shared() {
    let text = Arc::<str>::from(long());
    let back = Arc::<str>::from(Text::from(Arc::clone(&text)));
    assert!(Arc::ptr_eq(&text, &back));
    assert_eq!(String::from(Text::from(text)), *back);
    let bytes = Arc::<[u8]>::from(long().into_bytes());
    let back = Arc::<[u8]>::from(Binary::from(Arc::clone(&bytes)));
    assert!(Arc::ptr_eq(&bytes, &back));
    assert_eq!(Vec::from(Binary::from(bytes)), *back);
    assert_eq!(&*Arc::<str>::from(Text::from("other")), "other");
    assert_eq!(*Arc::<[u8]>::from(Binary::from(b"other")), *b"other");
}

#[test]
fn text_is_compared_ordered_and_hashed_as_a_str() {
    let texts = [
        Text::from("b"),
        Text::from_static("b"),
        Arc::<str>::from("b").into(),
    ];
    let (string, slice) = ("b".to_owned(), &b"b"[..]);
    for text in &texts {
        assert!(text == "b" && "b" == *text && *text == *"b");
        assert_eq!(*text, string);
        assert_eq!(string, *text);
        assert_eq!(*"b", *text);
        assert_eq!(HashSet::from([text.clone()]).get("b"), Some(text));
        assert_eq!(
            (text.to_string(), format!("{text:?}")),
            ("b".into(), "\"b\"".into())
        );
        assert!(*text > Text::default());
    }
    assert_eq!(BTreeSet::from(texts).len(), 1);
    let binaries = [
        Binary::from(b"b"),
        Binary::from_static(b"b"),
        vec![b'b'].into(),
    ];
    for binary in &binaries {
        assert!(*binary == b"b" && *binary == *b"b" && *binary == vec![b'b']);
        assert!(*binary == b"b"[..] && *binary == slice);
        assert_eq!(HashSet::from([binary.clone()]).get(&b"b"[..]), Some(binary));
        assert_eq!(format!("{binary:?}"), "[98]");
        assert!(*binary > Binary::default());
    }
    assert_eq!(BTreeSet::from(binaries).len(), 1);
}

#[test]
fn message_and_page_are_made_of_the_same_buffer() {
    let text = Text::from(long());
    let body = Body::from(text.clone());
    assert_eq!(addr(&body), addr(text.as_bytes()));
    assert_eq!(addr(&body.clone()), addr(text.as_bytes()));
    let binary = Binary::from(long().into_bytes());
    assert_eq!(addr(&Body::from(binary.clone())), addr(&binary));
    let _ = Response::html(text);
}

fn entropy(mask: &mut [u8]) {
    mask.fill(7);
}

#[test]
fn encoder_copies_a_payload_only_to_mask_one_that_is_shared() -> Result<(), SendError> {
    for version in Version::ALL {
        for (encoder, masks) in [
            (Encoder::server(version), false),
            (Encoder::client(version, entropy), version.has_binary()),
        ] {
            let message = Message::from(long());
            let (clone, before) = (message.clone(), place(&message));
            let (payload, _) = encoder.encode_owned(clone, &mut Vec::new())?;
            assert_eq!(addr(&payload) == before, !masks, "{version}");
            assert_eq!(message.as_text(), Some(&*long()), "{version}");
            drop(payload);
            let (payload, _) = encoder.encode_owned(message, &mut Vec::new())?;
            assert_eq!(addr(&payload), before, "{version}");
            assert_eq!(payload[0] == b'x', !masks, "{version}");
        }
    }
    Ok(())
}

#[cfg(feature = "bytes")]
#[test]
fn bytes_become_a_message_and_a_message_bytes_without_a_copy() {
    use bytes::Bytes;

    let bytes = Bytes::from(long());
    let message = Message::from(bytes.slice(1..));
    assert!(message.is_binary());
    assert_eq!(place(&message), addr(&bytes[1..]));
    assert_eq!(place(&message.clone()), addr(&bytes[1..]));
    assert_eq!(addr(&Bytes::from(message)), addr(&bytes[1..]));

    let sole = Bytes::from(long());
    let before = addr(&sole);
    assert_eq!(addr(&Message::from(sole).into_data()), before);

    for message in [
        Message::from(long()),
        Message::from(Arc::<str>::from(long())),
        Message::from(long().into_bytes()),
        Message::from("short"),
        Message::Binary(Binary::from_static(BYTES)),
    ] {
        let (expected, before) = (message.as_bytes().to_vec(), place(&message));
        let bytes = Bytes::from(message);
        assert_eq!((addr(&bytes), &*bytes), (before, &*expected));
    }
    let message = Message::from(long());
    let kept = message.clone();
    assert_eq!(addr(&Bytes::from(message)), place(&kept));
}
