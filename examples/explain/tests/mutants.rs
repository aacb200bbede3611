//! The checker against servers of version 13 that make one known mistake each: it must find each mistake, and
//! name it first.

use std::process::Command;

use serde_json::Value;

use crate::checker_support::mutant::{Mutant, SERVER};
use crate::checker_support::{complaints, first_failure, found_in_three, report};

/// Each mutant, with the case in which it fails, and the diagnoses that name its mistake.
const MUTANTS: &[(&str, &str, &[&str])] = &[
    ("A1", "2.5", &["D13-ACCEPT-HEX"]),
    ("A2", "2.5", &["D13-ACCEPT-UNHASHED"]),
    ("A3-hmac", "2.5", &["D13-ACCEPT-HMAC"]),
    ("A3-sha256", "2.5", &["D13-ACCEPT-DIGEST"]),
    ("A3-md5", "2.5", &["D13-ACCEPT-DIGEST"]),
    ("A4", "2.5", &["D13-ACCEPT-DECODED"]),
    ("A5-lower", "2.5", &["D13-ACCEPT-LOWER"]),
    ("A5-linebreak", "2.5", &["D13-ACCEPT-GUID"]),
    ("A5-blank", "2.5", &["D13-ACCEPT-GUID"]),
    ("A5-misprint", "2.5", &["D13-ACCEPT-GUID"]),
    ("A6-cr", "2.5", &["D13-ACCEPT-CR"]),
    ("A6-blank", "2.5", &["D13-ACCEPT-BLANK"]),
    ("A8-status", "2.1", &["D13-STATUS"]),
    ("A8-noblank", "2.2", &["D13-NO-BLANK-LINE"]),
    ("A8-lf", "2.3", &["D13-LINE-ENDS"]),
    ("A9", "2.7", &["D13-CONNECTION-LIST"]),
    ("A10", "2.9", &["D13-EXTENSION-COPIED"]),
    ("A11-other", "2.10", &["D13-SUBPROTOCOL-NOT-OFFERED"]),
    ("A11-list", "2.10", &["D13-SUBPROTOCOL-LIST"]),
    ("F1", "3.1", &["D13-NO-FRAME"]),
    ("F2-response", "3.1", &["D13-HTTP-ON-SOCKET"]),
    ("F2-refusal", "3.1", &["D13-HTTP-ON-SOCKET"]),
    ("F3", "3.1", &["D13-MASKED"]),
    ("F5", "8.3", &["D13-READS-KEY"]),
    ("F5-wait", "8.3", &["D13-READS-KEY"]),
    ("F6-read", "4.2", &["D13-LENGTH-7BIT"]),
    ("F6-write", "4.2", &["D13-LENGTH-7BIT"]),
    ("F7-16", "4.2", &["D13-LENGTH-ENDIAN"]),
    ("F7-16-read", "4.2", &["D13-LENGTH-ENDIAN"]),
    ("F7-64", "4.7", &["D13-LENGTH-ENDIAN"]),
    ("F7-64-read", "4.7", &["D13-LENGTH-ENDIAN"]),
    ("F8-read", "4.7", &["D13-LENGTH-64"]),
    ("F8-write", "4.7", &["D13-LENGTH-64"]),
    ("F9-read", "4.5", &["D13-LENGTH-SIGNED"]),
    ("F9-write", "4.5", &["D13-LENGTH-SIGNED"]),
    ("F10", "3.5", &["D13-LENGTH-CHARACTERS"]),
    // A system may return a large message with one read: then a later case shows it.
    ("F11", "", &["D13-ONE-READ", "D13-GLUED-LOST"]),
    ("F12-lost", "5.1", &["D13-GLUED-LOST"]),
    ("F12-glued", "5.1", &["D13-GLUED-JOINED"]),
    ("F13", "5.3", &["D13-HEADER-CUT"]),
    ("F14", "", &["D13-MASK-RESTARTS"]),
    ("F15-unknown", "6.4", &["D13-CONTINUATION"]),
    ("F15-each", "6.4", &["D13-CONTINUATION"]),
    ("F15-opcode", "6.4", &["D13-OPCODE-LOST"]),
    ("F15-ping", "6.6", &["D13-PING-JOINED"]),
    ("F17-nopayload", "6.1", &["D13-PONG-EMPTY"]),
    ("F17-pingback", "6.1", &["D13-PING-FOR-PING"]),
    ("F17-long", "8.6", &["D13-ACCEPTS-LONG-CONTROL"]),
    ("F18", "8.4", &["D13-ACCEPTS-RSV"]),
    ("F19-fragment", "6.7", &["D13-UTF8-PIECEWISE"]),
    ("F19-read", "5.6", &["D13-UTF8-READS"]),
    (
        "F20-continuation",
        "12.2",
        &["D13-DEFLATE-RSV1-CONTINUATION"],
    ),
    ("F20-first", "12.2", &["D13-DEFLATE-NO-RSV1"]),
    ("F20-tail", "12.4", &["D13-DEFLATE-TAIL"]),
    ("F20-keep", "12.2", &["D13-DEFLATE-TAIL-SENT"]),
    ("F21-read", "12.5", &["D13-DEFLATE-CONTEXT"]),
    ("F21-write", "12.6", &["D13-DEFLATE-CONTEXT-KEPT"]),
    ("E1", "7.1", &["D13-CLOSE-NO-REPLY"]),
    ("E1-drop", "7.1", &["D13-CLOSE-TCP-ONLY"]),
    ("E2-text", "7.1", &["D13-CLOSE-TEXT"]),
    ("E2-little", "7.1", &["D13-CLOSE-ENDIAN"]),
    ("E3-1005", "7.3", &["D13-CLOSE-RESERVED"]),
    ("E3-1006", "8.3", &["D13-CLOSE-RESERVED"]),
    ("E5-one", "7.1", &["D13-CLOSE-ONE-BYTE"]),
    ("E5-long", "7.1", &["D13-CLOSE-LONG"]),
    ("E6", "7.9", &["D13-CLOSE-RESET"]),
    ("E6-linger", "7.2", &["D13-CLOSE-RESET"]),
];

/// Mutants that are checked at the same time: most of the time they wait.
const AT_A_TIME: usize = 8;

#[test]
fn each_mistake_of_a_server_is_found_and_named_first() {
    let wrong = complaints(AT_A_TIME, MUTANTS, |(id, case, names)| {
        let is_expected = |(at, name): &(String, String)| {
            (case.is_empty() || at == case) && names.contains(&name.as_str())
        };
        let run = || checked(&["--as", "13", "--wrong", id]);
        let found = found_in_three(run, is_expected);
        let named = found.as_ref().is_some_and(is_expected);
        (!named).then(|| format!("{id}: {found:?}, expected {names:?} in case {case}"))
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_server_without_a_mistake_passes() {
    assert_eq!(first_failure(&checked(&["--as", "13"])), None);
    assert_eq!(first_failure(&checked(&[])), None);
}

#[test]
fn no_mistake_of_a_server_is_missing_here() {
    let output = Command::new("python3")
        .args([SERVER, "--list"])
        .output()
        .expect("python3");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut listed: Vec<_> = text
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[1].contains("server") && row[2].split(',').any(|version| version == "13"))
        .map(|row| row[0].to_owned())
        .collect();
    let mut here: Vec<_> = MUTANTS.iter().map(|(id, ..)| (*id).to_owned()).collect();
    listed.sort();
    here.sort();
    assert_eq!(listed, here);
}

/// The report about a server with these arguments.
fn checked(arguments: &[&str]) -> Value {
    let server = Mutant::start(arguments);
    // A right response is in time, but on a busy machine not within a second.
    report(&["server", &server.url(""), "--timeout", "3"])
}
