//! The checker against right servers, and against peers that hang, flood, reset or close at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stentor::{Deflate, Server};

use crate::checker_support::peers::{
    UPGRADED, accept_value, checker, echo_server, first_diagnosis, flat, lesson, passed, peer,
    read_frame, read_request, relay, upgraded,
};

/// A ping, an empty ping and a pong that nobody asked for.
const KEEPALIVES: &[u8] = &[0x89, 2, b'h', b'i', 0x89, 0, 0x8a, 0];

#[test]
fn an_echo_server_of_the_library_passes_all_cases() {
    let url = echo_server(Server::builder());
    let text = passed(&["server", &url]);
    assert!(text.contains("0 failed"), "{text}");
    assert!(
        text.contains("skipped, because the server declines compression"),
        "{text}"
    );
}

#[test]
fn an_echo_server_with_compression_passes_all_cases() {
    let deflate = Deflate::new().send_takeover(true).receive_takeover(true);
    let url = echo_server(Server::builder().deflate(deflate));
    let text = passed(&["server", &url]);
    assert!(
        text.contains("0 failed") && !text.contains("skipped"),
        "{text}"
    );
}

#[test]
fn a_server_that_forgets_its_context_passes_all_cases() {
    let deflate = Deflate::new().send_takeover(false).receive_takeover(false);
    let url = echo_server(Server::builder().deflate(deflate));
    let text = passed(&["server", &url]);
    assert!(
        text.contains("0 failed") && !text.contains("skipped"),
        "{text}"
    );
}

#[test]
fn a_server_that_sends_pings_and_pongs_passes_all_cases() {
    let with_pings = |frame: Vec<u8>| {
        let behind = if frame[0] == 0x88 {
            &[][..]
        } else {
            &[0x89, 0, 0x8a, 0]
        };
        [KEEPALIVES, &frame, behind].concat()
    };
    let with_deflate = Server::builder().deflate(Deflate::new());
    for server in [Server::builder(), with_deflate] {
        let url = relay(
            echo_server(server),
            |head| [&head, KEEPALIVES].concat(),
            with_pings,
        );
        let text = passed(&["server", &url, "--timeout", "3"]);
        assert!(text.contains("0 failed"), "{text}");
    }
}

#[test]
fn a_server_that_sends_its_messages_in_fragments_passes_all_cases() {
    let in_fragments = |frame: Vec<u8>| match frame[..] {
        [0x81 | 0x82 | 0xc1, length @ ..=125, ..] => {
            let half = length / 2;
            let (first, last) = frame[2..].split_at(usize::from(half));
            let start = [&[frame[0] & 0x7f, 0, 0x00, half], first].concat();
            [&start, &[0x80, length - half][..], last].concat()
        }
        _ => frame,
    };
    let with_deflate = Server::builder().deflate(Deflate::new());
    let url = relay(echo_server(with_deflate), |head| head, in_fragments);
    let text = passed(&["server", &url, "--timeout", "3"]);
    assert!(text.contains("0 failed"), "{text}");
}

#[test]
fn an_interim_response_before_the_handshake_is_skipped() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
    let with_interim = |head: Vec<u8>| [interim, &head[..]].concat();
    let url = relay(echo_server(Server::builder()), with_interim, |frame| frame);
    let text = passed(&["server", &url, "--timeout", "3"]);
    assert!(text.contains("0 failed"), "{text}");
}

#[test]
fn interim_response_alone_is_named() {
    let url = peer(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    assert_eq!(first_diagnosis(&url), "D13-STATUS");
}

#[test]
fn a_server_that_closes_without_a_code_passes_the_lesson_about_wrong_input() {
    let without_code = |frame: Vec<u8>| match frame[0] {
        0x88 => vec![0x88, 0],
        _ => frame,
    };
    let url = relay(echo_server(Server::builder()), |head| head, without_code);
    passed(&["server", &url, "--lesson", "8", "--timeout", "3"]);
}

#[test]
fn one_lesson_can_be_chosen() {
    let url = echo_server(Server::builder());
    let text = passed(&["server", &url, "--lesson", "4"]);
    assert!(
        text.contains("Lesson 4") && !text.contains("Lesson 5"),
        "{text}"
    );
}

#[test]
fn a_seed_repeats_the_bytes_of_a_case() {
    let url = echo_server(Server::builder());
    let replay = || passed(&["server", &url, "--replay", "3.2", "--seed", "7"]);
    let text = replay();
    assert!(text.contains("masking key"), "{text}");
    assert_eq!(text, replay());
}

#[test]
fn silent_server_is_named() {
    let url = peer(|mut stream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    assert_eq!(first_diagnosis(&url), "D13-NO-RESPONSE");
}

#[test]
fn server_that_does_not_leave_its_first_connection_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        // The end of the stream is ignored: the first connection is served for ever.
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = read_request(&mut stream);
        let _ = stream.write_all(UPGRADED.as_bytes());
        thread::park();
        drop((listener, stream));
    });
    for number in ["2", "3"] {
        let output = checker(&["server", &url, "--timeout", "0.3", "--lesson", number]);
        let text = String::from_utf8_lossy(&output.stdout);
        let named = if number == "2" {
            "D13-NO-RESPONSE-AGAIN"
        } else {
            "D13-NO-RESPONSE"
        };
        assert!(text.contains(&format!("{named}\n")), "{text}");
        assert!(
            text.contains("nothing: the connection stayed open"),
            "{text}"
        );
    }
}

#[test]
fn server_that_closes_at_once_is_named() {
    let url = peer(|stream| {
        let _ = stream.shutdown(Shutdown::Both);
    });
    assert_eq!(first_diagnosis(&url), "D13-NO-RESPONSE-CLOSED");
}

#[test]
fn server_that_resets_is_named() {
    // A socket that is closed with unread bytes is reset.
    let url = peer(|stream| {
        let _ = stream.peek(&mut [0; 1]);
    });
    assert_eq!(first_diagnosis(&url), "D13-NO-RESPONSE-CLOSED");
}

#[test]
fn line_feed_at_the_end_of_a_value_is_no_wrong_line_end() {
    let url = peer(|mut stream| {
        if read_request(&mut stream).is_some() {
            let head = UPGRADED.trim_end();
            let _ = write!(stream, "{head}\r\nSec-WebSocket-Accept: abc=\n\r\n\r\n");
        }
    });
    let text = lesson(&url, "2");
    assert!(text.contains("D13-LINE-FEED\n"), "{text}");
    let header = "It stands at the end of the header Sec-WebSocket-Accept.";
    assert!(flat(&text).contains(header), "{text}");

    let url = peer(|mut stream| {
        if read_request(&mut stream).is_some() {
            let _ = stream.write_all(UPGRADED.replace("et\r\n", "et\n").as_bytes());
        }
    });
    let text = lesson(&url, "2");
    assert!(text.contains("D13-LINE-ENDS\n"), "{text}");
}

#[test]
fn server_that_resets_at_once_is_not_taken_for_a_server_that_does_not_listen() {
    // The standard library cannot set SO_LINGER.
    let script = "\
import socket, struct
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()";
    let mut server = Command::new("python3")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut port = String::new();
    let stdout = server.stdout.take().expect("a pipe");
    let read = BufReader::new(stdout).read_line(&mut port);
    let url = format!("ws://127.0.0.1:{}", port.trim());
    let output = checker(&["server", &url, "--timeout", "0.3"]);
    server
        .kill()
        .and_then(|()| server.wait().map(|_| ()))
        .expect("the end of the server");
    read.expect("the port");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("D13-NO-RESPONSE-CLOSED"), "{text}");
    assert!(text.contains("the TCP connection was reset"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn flood_instead_of_a_response_ends_the_case() {
    let url = peer(|mut stream| while stream.write_all(&[b'x'; 4096]).is_ok() {});
    assert_eq!(first_diagnosis(&url), "D13-NOT-HTTP");
}

#[test]
fn flood_of_headers_ends_the_case() {
    let url = peer(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n");
        while stream.write_all(b"X-Header: and another one\r\n").is_ok() {}
    });
    assert_eq!(first_diagnosis(&url), "D13-NO-BLANK-LINE");
}

#[test]
fn flood_of_frames_ends_the_case() {
    let url = upgraded(|mut stream| {
        let pong = [0x8a, 0x00].repeat(4096);
        while stream.write_all(&pong).is_ok() {}
    });
    let text = lesson(&url, "3");
    assert!(text.contains("D13-FLOOD"), "{text}");
}

#[test]
fn silence_after_the_handshake_is_named() {
    let url = upgraded(|mut stream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let text = lesson(&url, "3");
    assert!(text.contains("D13-SILENT"), "{text}");
}

#[test]
fn all_that_passes_for_a_broken_rule_is_printed() {
    let url = upgraded(|mut stream| {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    });
    let output = checker(&["server", &url, "--timeout", "0.1", "--lesson", "8", "--all"]);
    let text = flat(&String::from_utf8_lossy(&output.stdout));
    for expected in [
        "88 02 03 ea (a close frame with code 1002; also accepted: 1003, 1007, 1008, 1009, 1010, 1011, \
         or TCP closed without a close frame)",
        "88 02 03 ef (a close frame with code 1007; also accepted: 1002, 1003, 1008, 1009, 1010, 1011, \
         or TCP closed without a close frame)",
        "88 02 03 ea (a close frame with code 1002; also accepted: TCP closed without a close frame)",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn server_that_sends_a_pong_back_is_named() {
    let url = upgraded(|mut stream| {
        // Echoes each frame with its opcode.
        while let Some((first, payload)) = read_frame(&mut stream) {
            let first = if first == 0x89 { 0x8a } else { first };
            let len = u8::try_from(payload.len()).unwrap_or_default();
            if stream
                .write_all(&[&[first, len], &payload[..]].concat())
                .is_err()
            {
                return;
            }
        }
    });
    let text = lesson(&url, "6");
    assert!(
        text.contains("✗ 6.3") && text.contains("D13-PONG-SENT-BACK\n"),
        "{text}"
    );
}

#[test]
fn trickling_server_does_not_hold_the_checker() {
    let url = peer(|mut stream| {
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n".iter().cycle() {
            thread::sleep(Duration::from_millis(20));
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
        }
    });
    let before = Instant::now();
    let output = checker(&["server", &url, "--timeout", "0.3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(before.elapsed() < Duration::from_secs(20));
}

#[test]
fn server_that_only_pings_does_not_hold_the_checker() {
    let url = upgraded(|mut stream| {
        while stream.write_all(&[0x89, 0x00]).is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    for lesson in ["3", "7"] {
        let arguments = ["server", &url, "--lesson", lesson, "--all"];
        let output = checker(&[&arguments[..], &["--timeout", "0.2"]].concat());
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains("No mistake that the checker"), "{text}");
    }
}

#[test]
fn server_that_never_reads_does_not_hold_the_checker() {
    let url = upgraded(|stream| {
        // The connection stays open until the checker has closed it.
        let mut byte = [0];
        while stream.peek(&mut byte).is_ok_and(|len| len > 0) {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let output = checker(&["server", &url, "--lesson", "4", "--all", "--timeout", "0.3"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn results_are_json_on_demand() {
    let url = echo_server(Server::builder());
    let text = passed(&["server", &url, "--json", "--lesson", "3"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    assert_eq!(value["failed"], 0);
    assert_eq!(value["lessons"][0]["cases"][0]["id"], "3.1");

    let url = upgraded(|mut stream| {
        let _ = stream.write_all(b"hello");
    });
    let output = checker(&[
        "server",
        &url,
        "--json",
        "--all",
        "--timeout",
        "0.2",
        "--lesson",
        "3",
    ]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
    let failure = &value["lessons"][0]["cases"][0]["failure"];
    assert_eq!(failure["diagnosis"], "D13-NO-FRAME");
    assert_eq!(failure["received"][0]["hex"], "68 65 6c 6c 6f");
}

#[test]
fn failures_are_legible_at_80_columns() {
    let url = upgraded(|mut stream| {
        let _ = stream.write_all(
            "{\"text\": \"größer als ein Rahmen, und länger als eine Zeile\"}".as_bytes(),
        );
    });
    let output = checker(&["server", &url, "--all", "--timeout", "0.2"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("D13-NO-FRAME"), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains('\x1b'), "{line}");
    }
}

#[test]
fn each_listed_diagnosis_has_a_page() {
    let list = passed(&["--list"]);
    let ids: Vec<_> = list
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with('D') && !line.contains(' '))
        .collect();
    assert!(ids.len() > 60, "{list}");
    // All pages are checked by the unit tests of the binary.
    for id in [ids[0], ids[ids.len() / 2], ids[ids.len() - 1]] {
        let page = passed(&["--explain", id]);
        assert!(page.starts_with(id) && page.lines().count() > 8, "{page}");
        let rule = page.lines().last().expect("a line");
        assert!(rule.starts_with("Rule: ") && !rule.contains(';'), "{rule}");
    }
}

#[test]
fn page_for_the_beginning_has_all_lines_of_a_response() {
    let page = passed(&["--explain", "begin"]);
    assert!(page.contains("HTTP/1.1 101 Switching Protocols\n  Upgrade: websocket\n"));
    assert!(
        page.lines().all(|line| line.chars().count() <= 80),
        "{page}"
    );
}

#[test]
fn next_lesson_is_printed_after_a_chosen_one() {
    let url = echo_server(Server::builder());
    let text = passed(&["server", &url, "--lesson", "3"]);
    let next = format!("Next:\n    checker server {url}/ --as 13 --lesson 4\n");
    assert!(text.contains(&next), "{text}");
}

#[test]
fn lessons_that_were_not_run_are_printed() {
    let url = upgraded(drop);
    let output = checker(&["server", &url, "--timeout", "0.3"]);
    let text = flat(&String::from_utf8_lossy(&output.stdout));
    let next = format!(
        "5 more cases of this lesson were not run. The later lessons were not run. \
         Next: checker server {url}/ --as 13 --lesson 2 "
    );
    assert!(text.contains(&next), "{text}");

    // The last case of the lesson: nothing of the lesson waits.
    let url = peer(|mut stream| {
        if let Some(request) = read_request(&mut stream) {
            let key = request.split("ey: ").nth(1).unwrap_or_default();
            let key = key.lines().next().unwrap_or_default();
            let head = UPGRADED.trim_end();
            let accept = accept_value(key);
            let _ = write!(
                stream,
                "{head}\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: other\r\n\r\n"
            );
        }
    });
    let text = flat(&lesson(&url, "2"));
    assert!(
        text.contains("✗ 2.10") && !text.contains("more case"),
        "{text}"
    );
    let next = format!("Next: checker server {url}/ --as 13 --lesson 2 ");
    assert!(text.contains(&next), "{text}");
}

#[test]
fn response_without_blank_line_is_shown_as_text_once() {
    let url = peer(|mut stream| {
        if read_request(&mut stream).is_some() {
            let _ = stream.write_all(UPGRADED.trim_end().as_bytes());
            let _ = stream.write_all(b"\r\n");
        }
    });
    let text = flat(&lesson(&url, "2"));
    let tail = r#"(..."websocket\r\nConnection: Upgrade\r\n","#;
    assert!(text.contains(tail), "{text}");
}

#[test]
fn code_after_a_broken_rule_is_named() {
    let text = flat(&closing_with(&[0x88, 0x02, 0x03, 0xed]));
    assert!(
        text.contains("The code is 1005. A rule was broken here: send 1002."),
        "{text}"
    );
    let text = flat(&closing_with(&[0x88, 0x01, 0xe8]));
    assert!(text.contains("e8 is only the low byte of 1000."), "{text}");
}

/// The output of lesson 8 for a server that sends this as its response to all.
fn closing_with(close: &'static [u8]) -> String {
    let url = upgraded(move |mut stream| {
        let _ = stream.read(&mut [0; 256]);
        let _ = stream.write_all(close);
    });
    let output = checker(&["server", &url, "--timeout", "0.3", "--lesson", "8", "--all"]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn wrong_command_lines_end_with_status_2() {
    for wrong in [
        &["--explain", "D13-NONE"][..],
        &["server"],
        &["server", "http://127.0.0.1:1"],
        &["server", "ws://127.0.0.1:1", "--as", "6"],
        &["server", "ws://127.0.0.1:1", "--lesson", "99"],
        &["server", "ws://127.0.0.1:1", "--replay", "99.1"],
        &["nothing"],
        &[],
    ] {
        let output = checker(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn missing_server_ends_with_status_2() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    drop(listener);
    for arguments in [&["server", &url][..], &["server", &url, "--replay", "2.1"]] {
        let output = checker(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty(), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.ends_with("is the program running?\n"), "{errors}");
    }
}
