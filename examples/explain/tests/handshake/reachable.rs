//! Each rule can be broken, and each error of the library has its rule.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use stentor::Version;
use stentor::protocol::{HandshakeError, KeyError, Rejection};
use stentor_explain::engine::{self, Basis};
use stentor_explain::rule;

use super::agreement::{Asking, Decision, server};
use crate::support::conversation::Conversation;
use crate::support::heads::Head;
use crate::support::{broken, choices};

/// Rules that leave a decision open, and are not broken: a limit, and draft-75's order of headers, which
/// all servers ignore.
const ONLY_DECIDED: [&str; 2] = ["handshake.head-size", "handshake.order"];

const NEW: Version = Version::Rfc6455;
const OLD: Version = Version::Draft76;

/// Requests that are wrong in one point each.
fn requests() -> Vec<Vec<u8>> {
    let new = || Head::request(NEW);
    let old = || Head::request(OLD);
    let mut requests = vec![
        new().line("POST / HTTP/1.1"),
        new().line("POST / HTTP/1.1").without("Upgrade"),
        new().line("get / HTTP/1.1"),
        new().line("GET demo HTTP/1.1"),
        new().line("GET / HTTP/1.0"),
        new().line("GET /"),
        new().without("Upgrade"),
        new().set("Upgrade", "h2c"),
        new().without("Connection"),
        new().with("Content-Length", "5"),
        new().without("Host"),
        new().with("Host", "b"),
        new().set("Host", "a:b"),
        new().set("Sec-WebSocket-Version", "13, 8"),
        new().set("Sec-WebSocket-Version", "14"),
        new().without("Sec-WebSocket-Version"),
        new().without("Sec-WebSocket-Key"),
        new().set("Sec-WebSocket-Key", "x"),
        new().with("Sec-WebSocket-Protocol", "a;b"),
        new().with("Sec-WebSocket-Extensions", "a;;b"),
        new().with("a b", "c"),
        new().with("a", "\0"),
        new().with("a", "b\nc: d"),
        old().with("Sec-WebSocket-Draft", "2"),
        old().set("Sec-WebSocket-Key1", "a b"),
        old().set("Sec-WebSocket-Key1", "12"),
        old().set("Sec-WebSocket-Key1", "1 2 3x"),
        old().set("Sec-WebSocket-Key1", "99999999999 x"),
        old().without("Sec-WebSocket-Key1"),
        old().after(b"abc"),
        Head::request(Version::Draft75).without("Origin"),
        Head::request(Version::Draft75)
            .without("Host")
            .with("Host", "a"),
    ]
    .iter()
    .map(Head::bytes)
    .collect::<Vec<_>>();
    requests.push(b"\x16\x03\x01".to_vec());
    requests.push([b"GET / HTTP/1.1\r\nA: ".to_vec(), vec![b'x'; 70_000]].concat());
    requests
}

/// A version, whether the request has a subprotocol, and a response.
type Changed = (Version, bool, Vec<u8>);

/// Replaces a text in the valid response of a version.
fn changed(version: Version, subprotocol: bool, old: &str, new: &str) -> Changed {
    let asking = Asking::new(version, subprotocol, false);
    let valid = asking.response.iter().map(|&byte| char::from(byte));
    let valid: String = valid.collect();
    assert!(valid.contains(old), "{old} in {valid}");
    let response = valid.replacen(old, new, 1);
    let response = response.chars().map(|one| u8::try_from(one).unwrap());
    (version, subprotocol, response.collect())
}

/// Responses that are wrong in one point each.
fn responses() -> Vec<Changed> {
    let first = Version::Draft75;
    let all = "HTTP/1.1 101 Switching Protocols\r\n";
    vec![
        changed(NEW, false, "101", "200"),
        changed(NEW, false, "101", "1O1"),
        changed(NEW, false, "HTTP/1.1", "HTTP/1.0"),
        changed(NEW, false, "HTTP", "HTTQ"),
        changed(NEW, false, "\r\n\r\n", "\r\n"),
        changed(NEW, false, "Upgrade: websocket\r\n", ""),
        changed(
            NEW,
            false,
            "Upgrade: websocket\r\n",
            "Upgrade: websocket\r\nUpgrade: websocket\r\n",
        ),
        changed(NEW, false, "Connection: Upgrade", "Connection: close"),
        changed(
            NEW,
            false,
            "Sec-WebSocket-Accept: ",
            "Sec-WebSocket-Accept: x",
        ),
        changed(
            NEW,
            false,
            all,
            &format!("{all}Sec-WebSocket-Protocol: x\r\n"),
        ),
        changed(
            NEW,
            false,
            all,
            &format!("{all}Sec-WebSocket-Extensions: x\r\n"),
        ),
        changed(
            NEW,
            false,
            all,
            &format!("{all}Sec-WebSocket-Extensions: ;\r\n"),
        ),
        changed(NEW, false, all, &format!("{all}no colon\r\n")),
        changed(first, true, "Web Socket", "WebSocket"),
        changed(first, true, "WebSocket-Protocol: chat\r\n", ""),
        changed(OLD, false, "/demo", "/"),
        changed(
            OLD,
            false,
            "Sec-WebSocket-Origin: http://",
            "Sec-WebSocket-Origin: http//",
        ),
        changed(OLD, false, "\r\n\r\n", "\r\n\r\nx"),
    ]
}

fn conversations() -> Vec<Conversation> {
    let requests = requests().into_iter();
    let requests = requests.map(|request| Conversation::default().client(request).ended());
    let responses = responses()
        .into_iter()
        .map(|(version, subprotocol, response)| {
            let request = Asking::new(version, subprotocol, false).request;
            Conversation::default()
                .client(request)
                .server(response)
                .ended()
        });
    let unlisted = Conversation::default()
        .client(
            Head::request(NEW)
                .set("Sec-WebSocket-Version", "14")
                .bytes(),
        )
        .server("HTTP/1.1 400 Bad Request\r\n\r\n");
    let window = Conversation::default()
        .client(
            Head::request(NEW)
                .with("Sec-WebSocket-Extensions", "permessage-deflate")
                .bytes(),
        )
        .server(
            Head::response(NEW)
                .with(
                    "Sec-WebSocket-Extensions",
                    "permessage-deflate; client_max_window_bits=9",
                )
                .bytes(),
        );
    requests
        .chain(responses)
        .chain([unlisted, window])
        .collect()
}

#[test]
fn each_rule_of_the_handshake_can_be_broken() {
    let mut found = BTreeSet::new();
    for conversation in conversations() {
        let notes = conversation.notes();
        found.extend(broken(&notes).into_iter().map(|(id, _)| id));
        let decided = choices(&notes).into_iter().map(|(id, _)| id);
        found.extend(decided.filter(|id| ONLY_DECIDED.contains(id)));
    }
    let rules = rule::all().map(|rule| rule.id);
    let rules: BTreeSet<&str> = rules.filter(|id| id.starts_with("handshake.")).collect();
    let found: BTreeSet<&str> = found
        .into_iter()
        .filter(|id| id.starts_with("handshake."))
        .collect();
    assert_eq!(found, rules);
}

#[test]
fn each_rule_has_a_name_of_its_own_a_source_and_a_reason() {
    let mut names = BTreeSet::new();
    for rule in rule::all() {
        assert!(names.insert(rule.id), "{} is there twice", rule.id);
        assert!(rule.source.contains('§'), "{}: {}", rule.id, rule.source);
        for sentence in [rule.says, rule.why] {
            assert!(
                sentence.len() > 10 && sentence.ends_with('.'),
                "{}: {sentence}",
                rule.id
            );
        }
    }
    assert!(names.len() > 30);
}

#[test]
fn each_rejection_has_a_rule_that_can_be_broken_or_is_a_decision_of_the_server() {
    let mut reached = BTreeMap::new();
    for request in requests() {
        if let Decision::Failed(rejection) = server(&request) {
            let notes = Conversation::default().client(&request).notes();
            let rules = engine::rejection(&rejection).rules();
            let broken: Vec<&str> = broken(&notes).into_iter().map(|(id, _)| id).collect();
            let agrees = rules.iter().any(|rule| broken.contains(&rule.id));
            assert!(rules.is_empty() || agrees, "{rejection:?}: {broken:?}");
            reached.insert(format!("{:?}", discriminant(&rejection)), rejection);
        }
    }
    let mut policies = 0;
    for rejection in Rejection::all() {
        match engine::rejection(&rejection) {
            Basis::Policy(why) => {
                assert!(
                    why.len() > 20 && !why.contains("table"),
                    "{rejection:?}: {why}"
                );
                policies += 1;
            }
            Basis::Rules(rules) => {
                assert!(!rules.is_empty(), "{rejection:?}");
                let name = format!("{:?}", discriminant(&rejection));
                assert!(reached.contains_key(&name), "no input for {rejection:?}");
            }
        }
    }
    assert_eq!(policies, 13);
}

#[test]
fn each_error_of_a_key_has_a_rule_of_its_own() {
    let rules: BTreeSet<&str> = KeyError::all()
        .into_iter()
        .flat_map(|error| engine::key_error(error).rules())
        .map(|rule| rule.id)
        .collect();
    assert_eq!(rules.len(), 4);
}

#[test]
fn each_error_of_a_response_has_a_rule_that_can_be_broken_or_is_a_limit_of_the_client() {
    let mut reached = BTreeMap::new();
    for (version, subprotocol, response) in responses() {
        let mut asking = Asking::new(version, subprotocol, false);
        if let Decision::Failed(error) = asking.decide(&response) {
            let conversation = Conversation::default()
                .client(&asking.request)
                .server(&response)
                .ended();
            let notes = conversation.notes();
            let broken: Vec<&str> = broken(&notes).into_iter().map(|(id, _)| id).collect();
            let rules = engine::handshake_error(&error).rules();
            let agrees = rules.iter().any(|rule| broken.contains(&rule.id));
            assert!(rules.is_empty() || agrees, "{error:?}: {broken:?}");
            reached.insert(format!("{:?}", discriminant(&error)), error);
        }
    }
    let mut policies = 0;
    for error in HandshakeError::all() {
        match engine::handshake_error(&error) {
            Basis::Policy(why) => {
                assert!(why.len() > 20 && !why.contains("table"), "{error:?}: {why}");
                policies += 1;
            }
            Basis::Rules(rules) => {
                assert!(!rules.is_empty(), "{error:?}");
                let name = format!("{:?}", discriminant(&error));
                assert!(reached.contains_key(&name), "no input for {error:?}");
            }
        }
    }
    // The limits for header blocks, and a refusal.
    assert_eq!(policies, 4);
}
