//! The two proofs of the handshakes: draft-76's numbers and MD5, and the SHA-1 of the rest.

use stentor::Version;
use stentor::protocol::version::draft76::{proof, solve};
use stentor::protocol::version::hybi07::accept_value;
use stentor::protocol::{Config, KeyError, Rejection, State};

use super::{decided_otherwise, hex, latin1, section, string};
use crate::support::{Driven, Head};

#[test]
fn every_pair_of_keys_gives_its_answer() {
    let mut ran = 0;
    for vector in section("hixie76_key_pairs") {
        let id = string(vector, "id");
        let parts = ["1", "2"].map(|n| {
            let part = solve(&latin1(&vector[format!("key{n}")])).unwrap();
            assert_eq!(
                u64::from(part),
                vector[format!("part{n}")].as_u64().unwrap(),
                "{id}"
            );
            let spaces = vector[format!("spaces{n}")].as_u64().unwrap();
            let number = vector[format!("number{n}")].as_u64().unwrap();
            assert_eq!(u64::from(part) * spaces, number, "{id}");
            part
        });
        let key3 = hex(&vector["key3_hex"]);
        let answer = hex(&vector["response_hex"]);
        assert_eq!(
            proof(parts, key3[..].try_into().unwrap())[..],
            answer,
            "{id}"
        );

        let mut driven = Driven::new(&Config::default());
        let head = Head::of(Version::Draft76)
            .set("Sec-WebSocket-Key1", latin1(&vector["key1"]))
            .set("Sec-WebSocket-Key2", latin1(&vector["key2"]));
        driven.receive(&head.head()).forget();
        driven.receive(&key3);
        assert_eq!(driven.output, answer, "{id}");
        ran += 1;
    }
    assert_eq!(ran, 15);
}

#[test]
fn every_single_key_is_solved_or_refused_by_its_name() {
    let mut ran = 0;
    for vector in section("hixie76_single_keys") {
        let (id, key) = (string(vector, "id"), latin1(&vector["key"]));
        let expected = match vector["error"].as_str() {
            None => Ok(vector["part"].as_u64().unwrap() as u32),
            Some("no_digits") => Err(KeyError::NoDigits),
            Some("no_spaces") => Err(KeyError::NoSpaces),
            Some("not_divisible") => Err(KeyError::NotDivisible),
            Some("part_overflow") => Err(KeyError::TooLarge),
            Some(other) => panic!("{id}: {other}"),
        };
        assert_eq!(solve(&key), expected, "{id}");

        for field in ["Sec-WebSocket-Key1", "Sec-WebSocket-Key2"] {
            let mut driven = Driven::new(&Config::default());
            driven.receive(&Head::of(Version::Draft76).set(field, &key).bytes());
            match expected {
                Ok(_) => assert_eq!(driven.connection.state(), State::Ready, "{id}"),
                Err(why) => {
                    assert_eq!(
                        *driven.rejected(),
                        Rejection::InvalidChallenge {
                            header: field,
                            error: why
                        },
                        "{id}"
                    );
                    assert!(driven.output.starts_with(b"HTTP/1.1 400 "), "{id}");
                }
            }
        }
        ran += 1;
    }
    assert_eq!(ran, 18);
}

/// Others round the quotient down; a remainder of one is still a remainder.
#[test]
fn a_rest_of_any_size_is_refused() {
    for spaces in 1..=12 {
        for number in 1000 * spaces..1001 * spaces {
            let key = format!("{number}{}x", " ".repeat(spaces as usize));
            let expected = match number % spaces {
                0 => Ok(number / spaces),
                _ => Err(KeyError::NotDivisible),
            };
            assert_eq!(solve(key.as_bytes()), expected, "{key}");
        }
    }
}

#[test]
fn every_accept_key_gives_its_value() {
    let mut ran = 0;
    for vector in section("accept_keys") {
        let accept = accept_value(string(vector, "key").as_bytes());
        assert_eq!(accept.as_deref(), vector["accept"].as_str());
        ran += 1;
    }
    assert_eq!(ran, 4);
}

#[test]
fn every_bad_accept_key_is_refused() {
    let mut ran = 0;
    for vector in section("accept_keys_bad") {
        let key = string(vector, "key");
        assert_eq!(
            accept_value(key.as_bytes()).is_some(),
            decided_otherwise(key),
            "{key}"
        );
        for version in [Version::Hybi07, Version::Hybi08, Version::Rfc6455] {
            let mut driven = Driven::new(&Config::default());
            driven.receive(&Head::of(version).set("Sec-WebSocket-Key", key).bytes());
            if decided_otherwise(key) {
                assert_eq!(driven.connection.state(), State::Ready);
            } else {
                assert_eq!(*driven.rejected(), Rejection::InvalidKey(key.to_owned()));
            }
        }
        ran += 1;
    }
    assert_eq!(ran, 6);
}
