//! Wrong accept values of version 13: each plausible input, digest and encoding for the key that was sent.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use sha1_smol::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

use crate::diagnoses::{accept as d, frames};
use crate::diagnosis::Diagnosis;
use crate::handshake::{self, GUID};
use crate::wire;

/// The key of the example in RFC 6455, section 1.3.
const RFC_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The mistake behind a wrong accept value, with its details. `earlier` are the keys of earlier requests.
pub(crate) fn diagnose(
    key: &str,
    earlier: &[String],
    value: &str,
) -> Option<(&'static Diagnosis, String)> {
    if value == key {
        return Some((&d::COPIED, String::new()));
    }
    let first = std::iter::once(RFC_KEY).chain(earlier.iter().map(String::as_str));
    for other in first.filter(|other| *other != key) {
        if value == handshake::accept(other) {
            return Some((&d::FIXED, format!("It belongs to the key {other}.")));
        }
    }
    // There are many of these, so they are tried without a second mistake.
    for (name, guid) in broken_guids() {
        let digest = Sha1::from(format!("{key}{guid}")).digest().bytes();
        if value == STANDARD.encode(digest) {
            return Some((&d::GUID, format!("Your value is {name}.")));
        }
    }
    search(key, value)
}

/// One way to make a value: the mistake in it, if it has one, and its name.
type Way<T> = (Option<&'static Diagnosis>, &'static str, T);

/// Tries all values with one mistake first, then those with two, then those with three.
fn search(key: &str, value: &str) -> Option<(&'static Diagnosis, String)> {
    let mut found: Option<Vec<(&'static Diagnosis, &'static str)>> = None;
    for (wrong_input, input_name, input) in inputs(key) {
        for (wrong_digest, digest_name, digest) in digests(key, &input) {
            for (wrong_output, output_name, output) in outputs(&digest) {
                if output != value {
                    continue;
                }
                let mistakes: Vec<_> = [
                    (wrong_input, input_name),
                    (wrong_digest, digest_name),
                    (wrong_output, output_name),
                ]
                .into_iter()
                .filter_map(|(wrong, name)| wrong.map(|wrong| (wrong, name)))
                .collect();
                if found
                    .as_ref()
                    .is_none_or(|best| best.len() > mistakes.len())
                {
                    found = Some(mistakes);
                }
            }
        }
    }
    let mistakes = found?;
    let (first, name) = *mistakes.first()?;
    let others: Vec<_> = mistakes[1..].iter().map(|(other, _)| other.id).collect();
    let detail = match others.as_slice() {
        [] => format!("Your value is {name}."),
        _ => format!(
            "Your value is {name}. It also has the mistake {}.",
            others.join(" and ")
        ),
    };
    Some((first, detail))
}

/// The texts that may have been hashed: K is the key, G the GUID, g the GUID in lower case.
const TEXTS: &[Way<&str>] = &[
    (None, "made of the right text", "KG"),
    (Some(&d::NO_GUID), "made of the key alone", "K"),
    (
        Some(&d::NO_GUID),
        "made of the GUID alone, without the key",
        "G",
    ),
    (Some(&d::LOWER), "made with the GUID in lower case", "Kg"),
    (Some(&d::ORDER), "made of the GUID and then the key", "GK"),
    (Some(&d::CR), "made of the key, CR, and the GUID", "K\rG"),
    (
        Some(&d::CR),
        "made of the key, CR LF, and the GUID",
        "K\r\nG",
    ),
    (Some(&d::CR), "made of the key, LF, and the GUID", "K\nG"),
    (
        Some(&d::CR),
        "made of the key, the GUID, and a line end",
        "KG\n",
    ),
    (
        Some(&d::CR),
        "made of the key, the GUID, and a line end",
        "KG\r\n",
    ),
    (
        Some(&d::CR),
        "made of a blank, the key, CR, and the GUID",
        " K\rG",
    ),
    (
        Some(&frames::BYTES_AS_TEXT),
        "made of the key with b'...' around it, and the GUID",
        "b'K'G",
    ),
    (
        Some(&d::BLANK),
        "made of a blank, the key, and the GUID",
        " KG",
    ),
    (
        Some(&d::BLANK),
        "made of the key, a blank, and the GUID",
        "K G",
    ),
];

/// The texts for a key, and those with wrong GUIDs and with the decoded key.
fn inputs(key: &str) -> Vec<Way<Vec<u8>>> {
    let lower = GUID.to_lowercase();
    let text = |pattern: &str| -> Vec<u8> {
        let part = |letter| match letter {
            'K' => key.to_owned(),
            'G' => GUID.to_owned(),
            'g' => lower.clone(),
            other => other.to_string(),
        };
        pattern.chars().map(part).collect::<String>().into_bytes()
    };
    let mut ways: Vec<Way<Vec<u8>>> = TEXTS
        .iter()
        .map(|(mistake, name, pattern)| (*mistake, *name, text(pattern)))
        .collect();
    let decoded = STANDARD.decode(key).unwrap_or_default();
    let joined = [&decoded, GUID.as_bytes()].concat();
    let name = "made of the key's 16 decoded bytes and the GUID";
    ways.push((Some(&d::DECODED), name, joined));
    let name = "made of the key's 16 decoded bytes alone";
    ways.push((Some(&d::NO_GUID), name, decoded));
    let with = |guid: &str| format!("{key}{guid}").into_bytes();
    for guid in WRONG_GUIDS {
        ways.push((Some(&d::GUID), guid.0, with(guid.1)));
    }
    ways
}

/// GUIDs with the white space of a page in them: the RFC breaks the line inside the GUID.
fn broken_guids() -> Vec<(&'static str, String)> {
    let mut guids = Vec::new();
    let hyphens = GUID.match_indices('-').map(|(at, _)| at);
    for at in hyphens.flat_map(|at| [at, at + 1]) {
        let (start, end) = GUID.split_at(at);
        for indent in 0..=12 {
            let blanks = " ".repeat(indent);
            if indent > 0 {
                guids.push((
                    "made with a blank inside the GUID",
                    format!("{start}{blanks}{end}"),
                ));
            }
            for line_end in ["\n", "\r\n"] {
                let guid = format!("{start}{line_end}{blanks}{end}");
                guids.push(("made with a line break inside the GUID", guid));
            }
        }
    }
    guids
}

/// GUIDs that are wrong in a way that was seen.
const WRONG_GUIDS: &[(&str, &str)] = &[
    (
        "made with 258EAFA5-E914-47DA-95CA-5BAB11DC85B6",
        "258EAFA5-E914-47DA-95CA-5BAB11DC85B6",
    ),
    (
        "made with the GUID without its hyphens",
        "258EAFA5E91447DA95CAC5AB0DC85B11",
    ),
    (
        "made with the GUID in braces",
        "{258EAFA5-E914-47DA-95CA-C5AB0DC85B11}",
    ),
    (
        "made with a zero byte after the GUID",
        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11\0",
    ),
    (
        "made with the letter O instead of the digit 0 in the GUID",
        "258EAFA5-E914-47DA-95CA-C5ABODC85B11",
    ),
    (
        "made with a GUID that lacks its last digit",
        "258EAFA5-E914-47DA-95CA-C5AB0DC85B1",
    ),
];

/// The digests of a text, and the text itself.
fn digests(key: &str, input: &[u8]) -> Vec<Way<Vec<u8>>> {
    let sha1 = |bytes: &[u8]| Sha1::from(bytes).digest().bytes().to_vec();
    let guid = GUID.as_bytes();
    vec![
        (None, "made with SHA-1", sha1(input)),
        (
            Some(&d::UNHASHED),
            "the text itself in Base64",
            input.to_vec(),
        ),
        (
            Some(&d::DIGEST),
            "made with SHA-256",
            Sha256::digest(input).to_vec(),
        ),
        (
            Some(&d::DIGEST),
            "made with SHA-512",
            Sha512::digest(input).to_vec(),
        ),
        (
            Some(&d::DIGEST),
            "made with MD5",
            md5::compute(input).0.to_vec(),
        ),
        (
            Some(&d::DIGEST),
            "hashed twice with SHA-1",
            sha1(&sha1(input)),
        ),
        (
            Some(&d::HMAC),
            "HMAC-SHA-1 of the GUID with the key",
            hmac(key.as_bytes(), guid),
        ),
        (
            Some(&d::HMAC),
            "HMAC-SHA-1 of the key with the GUID",
            hmac(guid, key.as_bytes()),
        ),
        (
            Some(&d::HMAC),
            "HMAC-SHA-1 of key and GUID with the GUID",
            hmac(guid, input),
        ),
        (
            Some(&d::HMAC),
            "HMAC-SHA-1 of key and GUID with the key",
            hmac(key.as_bytes(), input),
        ),
        (
            Some(&d::HMAC),
            "HMAC-SHA-1 of key and GUID with an empty key",
            hmac(b"", input),
        ),
    ]
}

/// HMAC with SHA-1 (RFC 2104), for keys of at most 64 bytes.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let pad = |with: u8| -> Vec<u8> {
        let byte = |at| key.get(at).copied().unwrap_or(0) ^ with;
        (0..64).map(byte).collect()
    };
    let inner = Sha1::from([&pad(0x36), text].concat()).digest().bytes();
    let outer = Sha1::from([&pad(0x5c)[..], &inner].concat());
    outer.digest().bytes().to_vec()
}

/// The texts that may have been made of a digest.
fn outputs(digest: &[u8]) -> Vec<Way<String>> {
    let hex = wire::hex(digest).replace(' ', "");
    let upper = hex.to_uppercase();
    let standard = STANDARD.encode(digest);
    vec![
        (
            Some(&d::HEX),
            "Base64 of the hex text",
            STANDARD.encode(&hex),
        ),
        (
            Some(&d::HEX),
            "Base64 of the hex text in upper case",
            STANDARD.encode(&upper),
        ),
        (Some(&d::NO_BASE64), "the hex text", hex),
        (Some(&d::NO_BASE64), "the hex text in upper case", upper),
        (
            Some(&d::ENCODING),
            "in the form for URLs",
            URL_SAFE.encode(digest),
        ),
        (
            Some(&d::ENCODING),
            "without padding",
            STANDARD_NO_PAD.encode(digest),
        ),
        (
            Some(&d::ENCODING),
            "in the form for URLs without padding",
            URL_SAFE_NO_PAD.encode(digest),
        ),
        (Some(&d::ENCODING), "in quotes", format!("\"{standard}\"")),
        (Some(&d::ENCODING), "in quotes", format!("'{standard}'")),
        (
            Some(&frames::BYTES_AS_TEXT),
            "the right one with b'...' around it",
            format!("b'{standard}'"),
        ),
        (None, "in Base64", standard),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_for_the_key_of_the_rfc_are_recognized() {
        for (value, id) in [
            (
                "YjM3YTRmMmNjMDYyNGYxNjkwZjY0NjA2Y2YzODU5NDViMmJlYzRlYQ==",
                "D13-ACCEPT-HEX",
            ),
            ("BXhwxM0SZasKmCD9S4BfpPmCnEw=", "D13-ACCEPT-DECODED"),
            ("hHLtf2V1k8aDQZfNjw3Ia1hCwt0=", "D13-ACCEPT-NOGUID"),
            ("WJfwerbIozKsJXHxxI0JTO1SQgU=", "D13-ACCEPT-LOWER"),
            ("2OZf2Seed9yzIpkj+zvC9KS9Mjw=", "D13-ACCEPT-ORDER"),
            ("zvnId+CMmoYWpbuFiCx6kU/bpAw=", "D13-ACCEPT-CR"),
            ("s3mCG3XUBfFRrUGpYOBQiHm5i8g=", "D13-ACCEPT-BLANK"),
            ("fI/F95pFHyUax3HLt0ktmQ==", "D13-ACCEPT-DIGEST"),
            ("I0LaJwpzqqaocDChnoeI5+bJdnQ=", "D13-ACCEPT-HMAC"),
            ("BKguWnClpU89ejmNzZHuX1i/Z/A=", "D13-ACCEPT-HMAC"),
            ("xi594u34epCyRUevAXoTvQaUoCk=", "D13-ACCEPT-GUID"),
            ("GzNNjhuNV8HHohRRfBBqvENCgrg=", "D13-ACCEPT-GUID"),
            ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo", "D13-ACCEPT-ENCODING"),
            ("'s3pPLMBiTxaQ9kYGzzhZRbK+xOo='", "D13-ACCEPT-ENCODING"),
            ("b's3pPLMBiTxaQ9kYGzzhZRbK+xOo='", "D13-BYTES-AS-TEXT"),
            ("iLIfL26ZDItGMJM9mokJKdfDkxs=", "D13-BYTES-AS-TEXT"),
        ] {
            let (found, _) = diagnose(RFC_KEY, &[], value).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(found.id, id, "{value}");
        }
        assert!(diagnose(RFC_KEY, &[], "AAAAAAAAAAAAAAAAAAAAAAAAAAA=").is_none());
    }

    #[test]
    fn the_value_of_the_example_is_recognized_for_another_key() {
        let found = diagnose(
            "AQIDBAUGBwgJCgsMDQ4PEA==",
            &[],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        );
        assert_eq!(found.map(|(found, _)| found.id), Some("D13-ACCEPT-FIXED"));
    }
}
