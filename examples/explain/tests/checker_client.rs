//! Lessons 11 and 12 of the checker for clients: the library's client passes, and each mistake is named first.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use stentor::{Connector, Deflate};

use crate::checker_support::{assert_passed, complaints, misnamed, report, wrong_client};

/// The URL of the checker, for the tests of this file that are clients.
const URL: &str = "CHECKER_URL";
/// The version of the library's client.
const VERSION: &str = "CLIENT_VERSION";
/// The mistake of the client that is wrong on purpose.
const WRONG: &str = "CLIENT_MISTAKE";

/// The two tests of this file that are clients.
const CLIENT_OF_THE_LIBRARY: &str = "checker_client::client_of_the_library";
const CLIENT_WITH_A_MISTAKE: &str = "checker_client::client_with_a_mistake";

/// Clients with a mistake that are checked at the same time: they mostly wait.
const AT_A_TIME: usize = 6;

/// A client of the library that echoes: the checker starts this test as a process.
#[test]
#[ignore = "the checker starts it"]
fn client_of_the_library() {
    let Ok(url) = env::var(URL) else { return };
    let version = env::var(VERSION).expect("a version");
    let connector = Connector::new().version(version.parse().expect("a version"));
    let connector = match env::var("CLIENT_DEFLATE") {
        Ok(_) => connector.deflate(Deflate::new().send_takeover(true).receive_takeover(true)),
        Err(_) => connector,
    };
    // The checker breaks the protocol and drops connections on purpose.
    if let Ok(mut socket) = connector.connect(&url) {
        while let Ok(Some(message)) = socket.recv() {
            if socket.send(message).is_err() {
                break;
            }
        }
    }
}

/// A client that makes one mistake: the checker starts this test as a process.
#[test]
#[ignore = "the checker starts it"]
fn client_with_a_mistake() {
    if let (Ok(url), Ok(wrong)) = (env::var(URL), env::var(WRONG)) {
        wrong_client::run(&url, &wrong);
    }
}

/// Runs a lesson against one of the clients of this file.
fn check(
    version: &str,
    lesson: &str,
    client: &str,
    variables: &[String],
    all: bool,
) -> serde_json::Value {
    let program = env::current_exe().expect("the test's own program");
    let program = program.to_str().expect("a path in UTF-8");
    let mut arguments = vec!["client", "--port", "0", "--as", version, "--lesson", lesson];
    if all {
        // A right client is in time, but on a busy machine not within a second.
        arguments.extend(["--all", "--timeout", "4"]);
    }
    arguments.extend(["--", "env", "CHECKER_URL={url}"]);
    arguments.extend(variables.iter().map(String::as_str));
    arguments.extend([program, "--ignored", "--exact", client]);
    report(&arguments)
}

#[test]
fn printed_next_command_repeats_the_port_and_the_client() {
    let program = env::current_exe().expect("the test's own program");
    let program = program.to_str().expect("a path in UTF-8");
    let output = Command::new(env!("CARGO_BIN_EXE_checker"))
        .args(["client", "--port", "0", "--lesson", "11", "--"])
        .args(["env", "CHECKER_URL={url}", "CLIENT_MISTAKE=line feeds"])
        .args([program, "--ignored", "--exact", CLIENT_WITH_A_MISTAKE])
        .output()
        .expect("the checker starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    let port = errors.split("127.0.0.1:").nth(1).expect("a URL");
    let port = port.split('/').next().unwrap_or_default();
    let text = String::from_utf8_lossy(&output.stdout);
    let next = format!(
        "checker client --port {port} --as 13 --lesson 11 -- env CHECKER_URL={{url}} \
         'CLIENT_MISTAKE=line feeds' {program} --ignored --exact {CLIENT_WITH_A_MISTAKE}\n"
    );
    assert!(text.contains(&next), "{next}{text}{errors}");
}

fn library_passes(version: &str, name: &str, lesson: &str, cases: u64) {
    let mut variables = vec![format!("{VERSION}={name}")];
    if lesson == "12" {
        variables.push("CLIENT_DEFLATE=1".to_owned());
    }
    let report = check(version, lesson, CLIENT_OF_THE_LIBRARY, &variables, true);
    assert_passed(&report, cases);
}

#[test]
fn the_library_passes_as_a_client_of_version_13() {
    library_passes("13", "13", "11", 16);
}

#[test]
fn the_library_passes_as_a_client_of_version_8() {
    library_passes("8", "8", "11", 16);
}

#[test]
fn the_library_passes_as_a_client_of_version_7() {
    library_passes("7", "7", "11", 16);
}

#[test]
fn the_library_passes_as_a_client_of_draft_76() {
    library_passes("76", "draft-76", "11", 9);
}

#[test]
fn the_library_passes_as_a_client_of_draft_75() {
    library_passes("75", "draft-75", "11", 8);
}

#[test]
fn the_library_passes_as_a_client_with_compression() {
    library_passes("13", "13", "12", 5);
}

#[test]
fn a_right_client_without_the_library_passes() {
    let variables = [format!("{WRONG}=nothing")];
    assert_passed(
        &check("13", "11", CLIENT_WITH_A_MISTAKE, &variables, true),
        16,
    );
}

#[test]
fn a_client_that_the_user_starts_for_each_case_passes() {
    let mut checker = Command::new(env!("CARGO_BIN_EXE_checker"))
        .args(["client", "--port", "0", "--lesson", "11"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the checker starts");
    let errors = BufReader::new(checker.stderr.take().expect("a pipe"));
    let lines = errors.lines().map_while(Result::ok);
    let mut starts = 0;
    for line in lines {
        if let Some(url) = line.strip_prefix("start your client: ") {
            let url = url.to_owned();
            starts += 1;
            thread::spawn(move || wrong_client::run(&url, "nothing"));
        }
    }
    assert!(checker.wait().expect("an exit status").success());
    assert!(starts >= 16, "{starts} connections");
}

#[test]
fn a_command_that_does_not_connect_ends_the_checker_with_status_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_checker"))
        .args([
            "client",
            "--port",
            "0",
            "--",
            "sh",
            "-c",
            "echo no such module; exit 1",
        ])
        .output()
        .expect("the checker starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("D-CLIENT-GONE") && text.contains("no such module"),
        "{text}"
    );
}

/// Runs lesson 11 against a client with each mistake; expects its case and its diagnosis.
fn mistakes_are_named(expected: &[(&str, &str, &str)]) {
    let missed = complaints(AT_A_TIME, expected, |mistake| {
        let variables = [format!("{WRONG}={}", mistake.0)];
        let run = || check("13", "11", CLIENT_WITH_A_MISTAKE, &variables, false);
        misnamed(mistake, run)
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn each_mistake_in_the_request_is_named() {
    mistakes_are_named(&[
        ("no request", "11.1", "D13-CLIENT-SILENT"),
        ("line feeds", "11.1", "D13-CLIENT-LINE-ENDS"),
        ("no blank line", "11.1", "D13-CLIENT-NO-BLANK-LINE"),
        ("http/1.0", "11.1", "D13-CLIENT-REQUEST-LINE"),
        ("no query", "11.1", "D13-CLIENT-TARGET"),
        ("early frame", "11.1", "D13-CLIENT-EARLY"),
        ("host without port", "11.2", "D13-CLIENT-HOST"),
        ("no upgrade", "11.2", "D13-CLIENT-UPGRADE"),
        ("connection close", "11.2", "D13-CLIENT-CONNECTION"),
        ("version 12", "11.3", "D13-CLIENT-VERSION"),
        ("no key", "11.3", "D13-CLIENT-KEY-MISSING"),
        ("short key", "11.3", "D13-CLIENT-KEY-LENGTH"),
        ("fixed key", "11.4", "D13-CLIENT-KEY-FIXED"),
    ]);
}

#[test]
fn each_mistake_about_the_response_is_named() {
    mistakes_are_named(&[
        ("accept refused", "11.5", "D13-CLIENT-REFUSED"),
        ("response in one read", "11.5", "D13-CLIENT-CUT-RESPONSE"),
        ("exact case", "11.5", "D13-CLIENT-RESPONSE-CASE"),
        ("accept unchecked", "11.6", "D13-CLIENT-ACCEPT-UNCHECKED"),
        // It may have refused the response: only a frame would show that it has not.
        ("refused but open", "11.6", "none"),
        ("status unchecked", "11.7", "D13-CLIENT-STATUS-UNCHECKED"),
        ("upgrade unchecked", "11.7", "D13-CLIENT-UPGRADE-UNCHECKED"),
        (
            "connection unchecked",
            "11.7",
            "D13-CLIENT-CONNECTION-UNCHECKED",
        ),
        (
            "subprotocol unchecked",
            "11.8",
            "D13-CLIENT-SUBPROTOCOL-UNCHECKED",
        ),
        (
            "extension unchecked",
            "11.8",
            "D13-CLIENT-EXTENSION-UNCHECKED",
        ),
    ]);
}

#[test]
fn each_mistake_in_frames_that_are_sent_is_named() {
    mistakes_are_named(&[
        ("no frame", "11.9", "D13-CLIENT-FRAME-NONE"),
        ("hixie frame", "11.9", "D13-CLIENT-FRAME-HIXIE"),
        ("no mask", "11.9", "D13-CLIENT-UNMASKED"),
        ("no mask bit", "11.9", "D13-CLIENT-MASK-NO-BIT"),
        ("no masking key", "11.9", "D13-CLIENT-MASK-NO-KEY"),
        ("plain payload", "11.9", "D13-CLIENT-MASK-PLAIN"),
        ("key of zeros", "11.9", "D13-CLIENT-MASK-ZERO"),
        ("first byte of the key", "11.9", "D13-CLIENT-MASK-ORDER"),
        ("no fin", "11.9", "D13-CLIENT-BITS"),
        ("no echo", "11.9", "D13-CLIENT-NO-ECHO"),
        ("empty dropped", "11.9", "D13-CLIENT-EMPTY"),
        ("one masking key", "11.10", "D13-CLIENT-MASK-FIXED"),
        ("seven bits", "11.12", "D13-CLIENT-LENGTH-7"),
        ("little-endian", "11.12", "D13-CLIENT-LENGTH-LITTLE-ENDIAN"),
        ("four bytes", "11.12", "D13-CLIENT-LENGTH-64"),
        ("mask restarts", "11.12", "D13-CLIENT-MASK-RESTART"),
        ("characters", "11.14", "D13-CLIENT-LENGTH-CHARACTERS"),
        ("always text", "11.14", "D13-CLIENT-OPCODE"),
    ]);
}

#[test]
fn each_mistake_in_reading_frames_is_named() {
    mistakes_are_named(&[
        ("reads a key", "11.9", "D13-CLIENT-READS-KEY"),
        ("reads seven bits", "11.12", "D13-CLIENT-READS-LENGTH-7"),
        (
            "reads little-endian",
            "11.12",
            "D13-CLIENT-READS-LITTLE-ENDIAN",
        ),
        ("reads signed", "11.12", "D13-CLIENT-READS-SIGNED"),
        ("reads four bytes", "11.12", "D13-CLIENT-READS-LENGTH-64"),
        ("one read", "11.11", "D13-CLIENT-ONE-READ"),
        ("header in one read", "11.11", "D13-CLIENT-HEADER-CUT"),
        ("glued lost", "11.11", "D13-CLIENT-GLUED"),
        ("response buffer lost", "11.11", "D13-CLIENT-GLUED-RESPONSE"),
        ("no pong", "11.13", "D13-CLIENT-PONG-NONE"),
        ("empty pong", "11.13", "D13-CLIENT-PONG-PAYLOAD"),
        ("ping back", "11.13", "D13-CLIENT-PING-BACK"),
        ("pong echoed", "11.13", "D13-CLIENT-PONG-ECHOED"),
        ("fragments apart", "11.13", "D13-CLIENT-FRAGMENTS"),
        ("last opcode", "11.13", "D13-CLIENT-FRAGMENT-OPCODE"),
        ("ping joined", "11.13", "D13-CLIENT-PING-JOINED"),
        ("latin-1", "11.14", "D13-CLIENT-ENCODING"),
        ("utf-8 pieces", "11.14", "D13-CLIENT-UTF8-PIECES"),
    ]);
}

#[test]
fn each_broken_frame_that_a_client_accepts_is_named() {
    mistakes_are_named(&[
        ("mask accepted", "11.15", "D13-CLIENT-MASKED-ACCEPTED"),
        ("rsv accepted", "11.15", "D13-CLIENT-RSV-ACCEPTED"),
        ("opcode accepted", "11.15", "D13-CLIENT-OPCODE-ACCEPTED"),
        (
            "continuation accepted",
            "11.15",
            "D13-CLIENT-STRAY-CONTINUATION",
        ),
        ("interleaved accepted", "11.15", "D13-CLIENT-INTERLEAVED"),
        ("control accepted", "11.15", "D13-CLIENT-CONTROL-ACCEPTED"),
        ("utf-8 accepted", "11.15", "D13-CLIENT-UTF8-ACCEPTED"),
        ("error ignored", "11.15", "D13-CLIENT-ERROR-OPEN"),
    ]);
}

#[test]
fn each_mistake_in_the_close_is_named() {
    mistakes_are_named(&[
        ("close silent", "11.16", "D13-CLIENT-CLOSE-SILENT"),
        ("close abrupt", "11.16", "D13-CLIENT-CLOSE-ABRUPT"),
        ("close as text", "11.16", "D13-CLIENT-CLOSE-TEXT"),
        (
            "close little-endian",
            "11.16",
            "D13-CLIENT-CLOSE-LITTLE-ENDIAN",
        ),
        ("close 1005", "11.16", "D13-CLIENT-CLOSE-RESERVED"),
        ("close of one byte", "11.16", "D13-CLIENT-CLOSE-ONE-BYTE"),
        ("close too long", "11.16", "D13-CLIENT-CLOSE-LONG"),
        ("close unmasked", "11.16", "D13-CLIENT-CONTROL-UNMASKED"),
        ("close without code", "11.16", "D13-CLIENT-CLOSE-CODE"),
        ("close echoed", "11.16", "D13-CLIENT-CLOSE-ECHOED"),
        ("tcp first", "11.16", "D13-CLIENT-CLOSES-TCP-FIRST"),
        ("close stays open", "11.16", "D13-CLIENT-CLOSE-OPEN"),
        ("close twice", "11.16", "D13-CLIENT-CLOSE-TWICE"),
        ("late message", "11.16", "D13-CLIENT-CLOSE-LATE"),
    ]);
}
