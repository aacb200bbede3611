//! Lessons 1, 9 and 10 of the checker: the library's server passes, and each mistake is named first.

use std::thread;

use stentor::Server;

use crate::checker_support::wrong_hixie_server::WrongServer;
use crate::checker_support::{assert_passed, complaints, misnamed, report};

/// Servers with a mistake that are checked at the same time: they mostly wait.
const AT_A_TIME: usize = 6;

/// Starts an echo server of the library; the process ends it.
fn library_server() -> String {
    let server = Server::bind("127.0.0.1:0").expect("a free port");
    let address = server.local_addr().expect("an address");
    thread::spawn(move || {
        server.run(|client| {
            while let Some(message) = client.recv()? {
                client.send(message)?;
            }
            Ok(())
        })
    });
    format!("ws://{address}/echo")
}

fn library_passes(version: &str, lesson: &str, cases: u64) {
    let url = library_server();
    let report = report(&[
        "server",
        &url,
        "--as",
        version,
        "--lesson",
        lesson,
        "--all",
        "--timeout",
        "4",
    ]);
    assert_passed(&report, cases);
}

#[test]
fn the_library_passes_the_lesson_of_draft_75() {
    library_passes("75", "1", 9);
}

#[test]
fn the_library_passes_the_lesson_of_draft_76() {
    library_passes("76", "9", 12);
}

#[test]
fn the_library_passes_the_lesson_of_version_7() {
    library_passes("7", "10", 6);
}

#[test]
fn the_library_passes_the_lesson_of_version_8() {
    library_passes("8", "10", 6);
}

/// Runs the lesson against a server with each mistake; expects its case and its diagnosis.
fn mistakes_are_named(draft: u8, lesson: &str, expected: &[(&'static str, &str, &str)]) {
    let missed = complaints(AT_A_TIME, expected, |mistake| {
        let server = WrongServer::start(draft, mistake.0);
        let version = draft.to_string();
        let url = server.url();
        let run = || report(&["server", &url, "--as", &version, "--lesson", lesson]);
        misnamed(mistake, run)
    });
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_right_server_of_draft_75_without_the_library_passes() {
    let server = WrongServer::start(75, "nothing");
    assert_passed(
        &report(&["server", &server.url(), "--as", "75", "--lesson", "1"]),
        9,
    );
}

#[test]
fn a_right_server_of_draft_76_without_the_library_passes() {
    let server = WrongServer::start(76, "nothing");
    assert_passed(
        &report(&["server", &server.url(), "--as", "76", "--lesson", "9"]),
        12,
    );
}

/// The cases of a lesson that fail, with the ids of their diagnoses.
fn all_failures(
    draft: u8,
    wrong: &'static str,
    version: &str,
    lesson: &str,
) -> Vec<(String, String)> {
    let server = WrongServer::start(draft, wrong);
    let url = server.url();
    let report = report(&["server", &url, "--as", version, "--lesson", lesson, "--all"]);
    let cases = report["lessons"][0]["cases"].as_array().expect("cases");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("none").to_owned();
    cases
        .iter()
        .filter(|case| case["passed"] == false)
        .map(|case| (text(&case["id"]), text(&case["failure"]["diagnosis"])))
        .collect()
}

#[test]
fn a_wrong_status_line_is_no_mistake_in_the_order_of_the_headers() {
    let found = all_failures(75, "status without space", "75", "1");
    assert_eq!(found, [("1.1".to_owned(), "D75-STATUS-SPACE".to_owned())]);
}

#[test]
fn a_server_may_reject_a_client_that_sends_a_frame_before_the_proof() {
    assert_eq!(all_failures(76, "early frame refused", "76", "9"), []);
}

#[test]
fn a_server_that_rejects_each_request_has_no_mistake_in_reading_pieces() {
    let found = all_failures(75, "refused", "8", "5");
    let named: Vec<_> = found.iter().filter(|(_, id)| id != "none").collect();
    assert!(!found.is_empty() && named.is_empty(), "{named:?}");
}

#[test]
fn each_mistake_in_the_handshake_of_draft_75_is_named() {
    mistakes_are_named(
        75,
        "1",
        &[
            ("refused", "1.1", "D75-REFUSED"),
            ("status without space", "1.1", "D75-STATUS-SPACE"),
            ("status of version 13", "1.1", "D75-STATUS-LINE"),
            ("line feeds", "1.1", "D75-LINE-ENDS"),
            ("no blank line", "1.1", "D75-NO-BLANK-LINE"),
            ("header order", "1.2", "D75-HEADER-ORDER"),
            ("lower case", "1.2", "D75-HEADER-VALUE"),
            ("other names", "1.3", "D75-SEC-NAMES"),
            ("no origin", "1.3", "D75-ORIGIN"),
            ("no location", "1.3", "D75-LOCATION"),
            ("location without query", "1.3", "D75-LOCATION-WRONG"),
            ("subprotocol", "1.3", "D75-PROTOCOL"),
            ("proof", "1.4", "D75-PROOF"),
        ],
    );
}

#[test]
fn each_mistake_in_the_frames_of_draft_75_is_named() {
    mistakes_are_named(
        75,
        "1",
        &[
            ("no echo", "1.4", "D75-FRAME-SILENT"),
            ("no frame", "1.4", "D75-FRAME-NONE"),
            ("no ff", "1.4", "D75-FRAME-NO-FF"),
            ("no 00", "1.4", "D75-FRAME-NO-00"),
            ("hybi frame", "1.4", "D75-FRAME-HYBI"),
            ("masked frame", "1.4", "D75-FRAME-MASKED"),
            ("length frame", "1.4", "D75-FRAME-LENGTH"),
            ("nested frame", "1.4", "D75-FRAME-NESTED"),
            ("empty dropped", "1.5", "D75-FRAME-EMPTY"),
            ("latin-1", "1.5", "D75-FRAME-ENCODING"),
            ("one read", "1.6", "D75-ONE-READ"),
            ("glued lost", "1.6", "D75-GLUED"),
            ("length unread", "1.7", "D75-LENGTH-SKIP"),
            ("marker closes", "1.8", "D75-MARKER-CLOSE"),
            ("marker is text", "1.8", "D75-MARKER-TEXT"),
            // Nothing came: that does not show what it took the bytes for.
            ("marker silences", "1.8", "none"),
            ("close bytes", "1.9", "D75-CLOSE-BYTES"),
            ("stays open", "1.9", "D75-STAYS-OPEN"),
        ],
    );
}

#[test]
fn each_mistake_in_the_handshake_of_draft_76_is_named() {
    mistakes_are_named(
        76,
        "9",
        &[
            ("waits for key3", "9.1", "D76-WAITS-FOR-KEY3"),
            ("refused", "9.1", "D76-REFUSED"),
            ("status of http/1.0", "9.1", "D76-STATUS"),
            ("line feeds", "9.2", "D75-LINE-ENDS"),
            ("lower case", "9.2", "D76-HEADER-VALUE"),
            ("other names", "9.3", "D76-OLD-NAMES"),
            ("no origin", "9.3", "D76-ORIGIN"),
            ("no location", "9.3", "D76-LOCATION"),
            ("location without query", "9.3", "D76-LOCATION-WRONG"),
            ("subprotocol", "9.3", "D76-PROTOCOL"),
            ("accept", "9.4", "D76-ACCEPT"),
            ("no proof", "9.4", "D76-PROOF-MISSING"),
            ("proof unhashed", "9.4", "D76-PROOF-UNHASHED"),
            ("proof little-endian", "9.4", "D76-PROOF-LITTLE-ENDIAN"),
            ("proof hex", "9.4", "D76-PROOF-HEX"),
            ("proof swapped", "9.4", "D76-PROOF-SWAPPED"),
            ("proof without key3", "9.4", "D76-PROOF-NO-KEY3"),
            ("proof little-endian and hex", "9.4", "D76-PROOF-TWO"),
            ("proof fixed", "9.5", "D76-PROOF-FIXED"),
            ("key3 as text", "9.5", "D76-PROOF-KEY3-TEXT"),
            ("name case", "9.6", "D76-NAME-CASE"),
            ("key3 in one read", "9.7", "D76-KEY3-CUT"),
            ("behind key3 lost", "9.9", "D76-KEY3-GLUED"),
            ("no spaces accepted", "9.12", "D76-KEY-NO-SPACES"),
            ("rest accepted", "9.12", "D76-KEY-REST"),
            ("one key accepted", "9.12", "D76-KEY-MISSING"),
        ],
    );
}

#[test]
fn each_mistake_in_the_frames_of_draft_76_is_named() {
    mistakes_are_named(
        76,
        "9",
        &[
            ("hybi frame", "9.8", "D75-FRAME-HYBI"),
            ("no ff", "9.8", "D75-FRAME-NO-FF"),
            ("one read", "9.8", "D75-ONE-READ"),
            ("length unread", "9.8", "D75-LENGTH-SKIP"),
            ("close silent", "9.10", "D76-CLOSE-SILENT"),
            ("marker is text", "9.10", "D76-CLOSE-TEXT"),
            ("close of version 13", "9.10", "D76-CLOSE-HYBI"),
            ("close twice", "9.10", "D76-CLOSE-TWICE"),
            ("close stays open", "9.10", "D76-CLOSE-OPEN"),
            ("late message", "9.11", "D76-CLOSE-LATE"),
        ],
    );
}
