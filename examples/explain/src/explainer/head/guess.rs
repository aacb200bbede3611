//! Known wrong values of the two proofs: each is calculated, and compared with the found one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

use super::accept::GUID;

/// A GUID that is printed on some web pages in place of the right one.
const MISPRINT: &[u8] = b"258EAFA5-E914-47DA-95CA-5BAB11DC85B6";

/// Returns how a server may have come to a wrong accept value for a key.
pub(super) fn accept(found: &[u8], key: &[u8]) -> Option<&'static str> {
    let digest_of = |parts: &[&[u8]]| Sha1::from(parts.concat()).digest();
    let value = |parts: &[&[u8]]| STANDARD.encode(digest_of(parts).bytes());
    let joined = [key, GUID].concat();
    let right = digest_of(&[&joined]);
    let guesses = [
        (
            STANDARD.encode(right.to_string()),
            "It is Base64 of the digest in hex digits, not of its 20 bytes",
        ),
        (
            right.to_string(),
            "It is the digest in hex digits, not in Base64",
        ),
        (
            STANDARD.encode(&joined),
            "It is Base64 of the key and the fixed text, without SHA-1",
        ),
        (
            STANDARD.encode(md5::compute(&joined).0),
            "It is made with MD5, not with SHA-1",
        ),
        (
            value(&[&STANDARD.decode(key).unwrap_or_default(), GUID]),
            "The key was decoded before it was hashed",
        ),
        (value(&[key]), "The fixed text is missing after the key"),
        (
            value(&[GUID, key]),
            "The fixed text stands before the key, and must stand after it",
        ),
        (
            value(&[key, &GUID.to_ascii_lowercase()]),
            "The fixed text is in lower case",
        ),
        (
            value(&[key, MISPRINT]),
            "The fixed text is one that some web pages misprint",
        ),
        (
            value(&[key, b"\r", GUID]),
            "The key was hashed with the CR of its line",
        ),
        (
            value(&[b" ", key, GUID]),
            "The key was hashed with the blank before it",
        ),
    ];
    let known = guesses
        .into_iter()
        .find(|(guess, _)| guess.as_bytes() == found);
    known.map(|(_, words)| words)
}

/// Returns how a server may have come to a wrong proof for the quotients and key3.
pub(super) fn proof(found: &[u8], numbers: [u32; 2], key3: &[u8]) -> Option<&'static str> {
    let [first, second] = numbers;
    let digest =
        |first: [u8; 4], second: [u8; 4]| md5::compute([&first[..], &second[..], key3].concat()).0;
    let unhashed = [&first.to_be_bytes()[..], &second.to_be_bytes(), key3].concat();
    let hex = format!("{:x}", md5::compute(&unhashed));
    let as_text = format!("{first}{second}");
    let guesses = [
        (unhashed, "These are the bytes that must be hashed with MD5"),
        (
            hex.into_bytes(),
            "It is the digest in hex digits, not its 16 bytes",
        ),
        (
            digest(first.to_le_bytes(), second.to_le_bytes()).to_vec(),
            "The numbers were written with the least significant byte first",
        ),
        (
            digest(second.to_be_bytes(), first.to_be_bytes()).to_vec(),
            "The numbers of the two keys were swapped",
        ),
        (
            md5::compute([as_text.as_bytes(), key3].concat()).0.to_vec(),
            "The numbers were hashed as digits, not as four bytes each",
        ),
        (
            md5::compute([first.to_be_bytes(), second.to_be_bytes()].concat())
                .0
                .to_vec(),
            "The input of MD5 lacks key3",
        ),
    ];
    let known = guesses
        .into_iter()
        .find(|(guess, _)| guess.starts_with(found));
    known.map(|(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::{accept, proof};

    #[test]
    fn known_wrong_accept_values_are_recognized() {
        let key = b"dGhlIHNhbXBsZSBub25jZQ==";
        let mut different = std::collections::HashSet::new();
        for found in [
            "YjM3YTRmMmNjMDYyNGYxNjkwZjY0NjA2Y2YzODU5NDViMmJlYzRlYQ==",
            "b37a4f2cc0624f1690f64606cf385945b2bec4ea",
            "ZEdobElITmhiWEJzWlNCdWIyNWpaUT09MjU4RUFGQTUtRTkxNC00N0RBLTk1Q0EtQzVBQjBEQzg1QjEx",
            "BXhwxM0SZasKmCD9S4BfpPmCnEw=",
            "hHLtf2V1k8aDQZfNjw3Ia1hCwt0=",
            "2OZf2Seed9yzIpkj+zvC9KS9Mjw=",
            "WJfwerbIozKsJXHxxI0JTO1SQgU=",
            "xi594u34epCyRUevAXoTvQaUoCk=",
            "zvnId+CMmoYWpbuFiCx6kU/bpAw=",
            "s3mCG3XUBfFRrUGpYOBQiHm5i8g=",
            "fI/F95pFHyUax3HLt0ktmQ==",
        ] {
            let words = accept(found.as_bytes(), key);
            assert!(
                words.is_some_and(|words| different.insert(words)),
                "{found}"
            );
        }
        let right = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(accept(right, key), None);
        assert_eq!(accept(b"", key), None);
    }

    #[test]
    fn known_wrong_proofs_are_recognized() {
        let numbers = [829_309_203, 259_970_620];
        let key3 = b"^n:ds[4U";
        assert_eq!(proof(b"8jKS'y:G*Co,Wxa-", numbers, key3), None);
        let unhashed = b"\x31\x6e\x41\x13\x0f\x7e\xd6\x3c^n:ds[4U";
        let words = proof(unhashed, numbers, key3);
        assert_eq!(
            words,
            Some("These are the bytes that must be hashed with MD5")
        );
        let hex = proof(b"386a4b5327793a47", numbers, key3);
        assert_eq!(
            hex,
            Some("It is the digest in hex digits, not its 16 bytes")
        );
        let mut different = std::collections::HashSet::new();
        for found in [
            b"\xe8\xad\x34\xe1\xea\xee\x8c\xf2\x24\x0c\x85\x67\x4c\x2e\x19\x80",
            b"\xaa\x13\x98\x98\xa7\xa6\x8a\x7f\x63\x46\xe0\x56\x00\x92\x3a\x09",
            b"\x52\x98\x9c\x51\x17\x4c\x6b\xec\xa7\x64\x9f\x9d\x1f\x6a\xed\x8f",
            b"\x84\xf7\x28\xbf\x5d\x23\x8a\x8d\xfa\x8e\x96\xfe\xa1\x7a\x32\x25",
        ] {
            let words = proof(found, numbers, key3);
            assert!(
                words.is_some_and(|words| different.insert(words)),
                "{found:x?}"
            );
        }
    }
}
