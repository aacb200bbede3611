//! Pasted bytes, options and exit statuses. Each form of a paste has a test in the program itself.

use super::support::{explain, run, scratch};

const HELLO: &str = "81 85 37 fa 21 3d 7f 9f 4d 51 58";

#[test]
fn bytes_are_explained_and_the_status_is_0() {
    let text = explain(HELLO).expect(0);
    assert!(
        text.starts_with("C> frame 1   text, whole, masked, 5 bytes"),
        "{text}"
    );
    assert!(
        text.contains("0006  7f 9f 4d 51 58           payload \"Hello\""),
        "{text}"
    );
    assert!(!text.contains("stream"), "a paste has no end: {text}");
}

#[test]
fn a_broken_rule_gives_status_1() {
    let text = explain("--from client 81 05 48 65 6c 6c 6f").expect(1);
    assert!(text.contains("BROKEN mask.client, RFC 6455 §5.1"), "{text}");
    let text = explain("--from client -w --only broken 81 05 48 65 6c 6c 6f").expect(1);
    assert!(text.contains("  why "), "{text}");
    assert!(!text.contains("payload \""), "{text}");
    assert_eq!(explain(&format!("--only broken {HELLO}")).expect(0), "");
}

#[test]
fn frames_of_both_sides_in_one_paste_are_remarked_on() {
    let text = explain(&format!("{HELLO} 81 05 48 65 6c 6c 6f")).expect(1);
    assert!(
        text.contains("C> some frames are masked and others are not"),
        "{text}"
    );
    let text = explain("--from client 81 05 48 65 6c 6c 6f").expect(1);
    assert!(!text.contains("some frames"), "{text}");
    let text = explain(&format!("{HELLO} {HELLO}")).expect(0);
    assert!(!text.contains("some frames"), "{text}");
}

#[test]
fn the_same_bytes_differ_by_version() {
    explain("--as 13 82 7e 00 01 00").expect(1);
    explain("--as 8 82 7e 00 01 00").expect(0);
    let text = explain("--as 76 -q 00 48 65 6c 6c 6f ff ff 00").expect(0);
    assert_eq!(
        text,
        "C> frame 1   text, 5 bytes, \"Hello\"\nC> frame 2   close: FF 00\n"
    );
}

#[test]
fn frames_of_draft_76_without_text_are_not_called_text() {
    let text = explain("--as 76 --from server -q 80 80 80 00 41 ff ff").expect(1);
    let frames: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("<S frame"))
        .collect();
    assert_eq!(
        frames,
        [
            "<S frame 1   skipped, 0 bytes",
            "<S frame 2   skipped, 0 bytes",
            "<S frame 3   type FF, without its length",
        ]
    );
    let text = explain("--as 75 -q ff 00").expect(0);
    assert_eq!(text, "C> frame 1   empty: FF 00\n");
    let text = explain("--as 76 -q 00 ff").expect(0);
    assert_eq!(text, "C> frame 1   text, 0 bytes\n");
}

#[test]
fn compressed_payloads_are_read_if_that_was_agreed_on() {
    let text = explain("--deflate -v c1 07 f2 48 cd c9 c9 07 00").expect(0);
    assert!(text.contains("payload \"Hello\""), "{text}");
    assert!(text.contains("inflate   7 bytes become 5"), "{text}");
    explain("c1 07 f2 48 cd c9 c9 07 00").expect(1);
}

#[test]
fn input_comes_from_arguments_files_and_stdin() {
    let expected = explain(HELLO).expect(0);
    assert_eq!(run(&[], HELLO.as_bytes()).expect(0), expected);
    assert_eq!(run(&["-"], HELLO.as_bytes()).expect(0), expected);
    let path = scratch("hello.txt");
    std::fs::write(
        &path,
        "00000000: 8185 37fa 213d 7f9f 4d51 58  ..7.!=..MQX\n",
    )
    .unwrap();
    assert_eq!(run(&[path.to_str().unwrap()], b"").expect(0), expected);
    assert_eq!(
        run(&["--base64", "gYU3+iE9f59NUVg="], b"").expect(0),
        expected
    );
}

#[test]
fn wrong_use_and_unreadable_input_give_status_2() {
    for (arguments, words) in [
        (&["--as", "14", "81"][..], "--as knows 75, 76, 7, 8 and 13"),
        (&["--nothing"], "--help shows all of them"),
        (&["missing.pcap"], "there is no file missing.pcap"),
        (
            &["a.jsonl", "b.pcap"],
            "one file at a time: explain a.jsonl",
        ),
        (
            &["--listen", "80000", "--to", "1"],
            "80000 is no port: a port is at most 65535",
        ),
        (
            &["--listen", "1", "--to", "localhost:70000"],
            "70000 is no port: a port is at most 65535",
        ),
        (&["81", "zz"], "\"zz\" is not hex"),
        (&["81 8"], "odd number of hex digits"),
        (&["--listen", "0"], "--listen and --to belong together"),
        (
            &["--listen", "nowhere.invalid:1", "--to", "1"],
            "nowhere.invalid:1",
        ),
    ] {
        let ran = run(arguments, b"");
        assert!(ran.errors.contains(words), "{arguments:?}: {ran:?}");
        ran.expect(2);
    }
    let ran = run(&[], b"\xff\xfe\x00");
    assert!(
        ran.errors.contains("raw bytes. Run: xxd FILE | explain"),
        "{ran:?}"
    );
    assert_eq!(ran.status, 2);
    assert_eq!(run(&[], b"").status, 2);
}

#[test]
fn a_trace_does_not_overwrite_a_file() {
    let path = scratch("kept.jsonl");
    std::fs::write(&path, "kept").unwrap();
    let save = path.to_str().unwrap();
    let ran = run(&["--listen", "0", "--to", "1", "--save", save], b"");
    assert!(ran.errors.contains("there is such a file"), "{ran:?}");
    assert_eq!(ran.status, 2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
}

#[test]
fn help_names_each_option() {
    let text = explain("--help").expect(0);
    for option in [
        "-q",
        "-v",
        "-w",
        "--only broken",
        "--as",
        "--from",
        "--deflate",
        "--base64",
        "--port",
        "--listen",
        "--to",
        "--save",
        "--secrets",
        "--no-times",
        "--width",
        "C>  <S",
        "CHOICE",
        "unread",
    ] {
        assert!(text.contains(option), "{option}");
    }
}

#[test]
fn a_piece_of_a_frame_is_explained_as_far_as_it_goes() {
    let text = explain("81 05 48 65 6c").expect(0);
    assert!(text.contains("payload \"Hel\""), "{text}");
    assert!(
        text.contains("the bytes end after 3 of 5 bytes of the payload."),
        "{text}"
    );
    let text = explain("81").expect(0);
    assert!(text.contains("FIN 1, RSV 000, opcode 1 (text)"), "{text}");
}

#[test]
fn a_header_that_is_cut_off_names_the_part_that_lacks_bytes() {
    let text = explain("81 85 37 fa").expect(0);
    assert!(
        text.contains("0002  37 fa                    masking key, 2 of 4 bytes"),
        "{text}"
    );
    assert!(
        text.contains("the bytes end in the header, after 4 bytes of it."),
        "{text}"
    );
    let text = explain("82 7f 00 00 01").expect(0);
    assert!(text.contains("length, 3 of 8 bytes"), "{text}");
    let text = explain("81").expect(0);
    assert!(text.contains("after 1 byte of it."), "{text}");
}

#[test]
fn a_request_and_a_response_are_explained_alone() {
    let request = "GET /chat HTTP/1.1\nHost: example.com\nUpgrade: websocket\nConnection: Upgrade\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n\
                   Cookie: id=SECRET\n\n";
    let text = run(&["-v"], request.as_bytes()).expect(0);
    assert!(text.contains("Base64"), "{text}");
    assert!(!text.contains("SECRET"), "{text}");
    assert!(
        text.contains("C> the line ends are shown as CR LF"),
        "{text}"
    );
    let kept = request.replace('\n', "\r\n");
    let text = run(&["-v"], kept.as_bytes()).expect(0);
    assert!(!text.contains("the line ends are shown"), "{text}");
    let text = run(&["--secrets"], request.as_bytes()).expect(0);
    assert!(text.contains("Cookie: id=SECRET"), "{text}");
    let response = "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n";
    let text = run(&[], response.as_bytes()).expect(1);
    assert!(text.starts_with("<S response"), "{text}");
}

#[test]
fn secrets_of_lines_that_are_wrong_are_hidden_too() {
    let lines = [
        "Authorization: Basic\r\n SECRETfold\r\n\tSECRETmore\r\n",
        "Cookie:\r\n\tSECRETtab\r\n",
        "Cookie SECRETnocolon\r\n",
        "Cookie id=SECRETname; url=http://a\r\n",
        "cookie=SECRETequals\r\n",
        "Proxy-Authorization : SECRETblank\r\n",
    ];
    for line in lines {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}Accept: shown\r\n\r\n");
        // Pasted whole, and cut off within the last line.
        let cut = format!("GET / HTTP/1.1\r\nHost: a\r\n{}", line.trim_end());
        for head in [&head, &cut] {
            for level in ["-q", "-v", "-w"] {
                let text = run(&[level], head.as_bytes()).text;
                assert!(!text.contains("SECRET"), "{text}");
                assert!(level == "-q" || text.contains("hidden"), "{text}");
            }
        }
        let text = run(&["-v", "--secrets"], head.as_bytes()).text;
        assert!(text.contains("SECRET"), "{text}");
        let text = run(&["-v"], head.as_bytes()).text;
        assert!(text.contains("Accept: shown"), "{text}");
    }
}

#[test]
fn an_accept_value_without_its_request_is_judged_by_its_form() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let text = run(&["-v"], head.as_bytes()).expect(0);
    assert!(
        text.contains("Without the key of the request, it cannot be known"),
        "{text}"
    );
    for wrong in [
        "abc",
        "dGhlIHNhbXBsZSBub25jZQ==",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
    ] {
        let head = head.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", wrong);
        let text = run(&[], head.as_bytes()).expect(1);
        assert!(
            text.contains("BROKEN handshake.accept") && text.contains("28 characters"),
            "{text}"
        );
    }
}

#[test]
fn a_request_without_a_version_is_named_as_such() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let text = run(&[], request.as_bytes()).expect(1);
    assert!(
        text.contains("draft-75 (no Sec-WebSocket-Version)"),
        "{text}"
    );
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains("a request of version 13 has Sec-WebSocket-Version: 13 and"),
        "{text}"
    );
}

/// The library's log has the headers of frames, and no payloads.
#[test]
fn lines_of_the_log_are_explained_one_by_one() {
    let log = "[2026-11-30T10:00:00Z TRACE stentor::connection] client 1: < frame 018137fa213d\n\
               [2026-11-30T10:00:00Z TRACE stentor::connection] client 1: < frame 808537fa213d\n\
               [2026-11-30T10:00:00Z TRACE stentor::connection] client 1: > frame 827f0000000000011170\n";
    let text = run(&["-q"], log.as_bytes()).expect(0);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with("C> frame 1   text, first fragment, masked, 1 byte"),
        "{text}"
    );
    assert!(
        lines[1].contains("continuation, last fragment, masked, 5 bytes"),
        "{text}"
    );
    assert!(
        lines[2].starts_with("<S frame 1   binary, whole, not masked, 70000 bytes"),
        "{text}"
    );
    let broken = log.replace("808537fa213d", "8005");
    let text = run(&["-q"], broken.as_bytes()).expect(1);
    assert!(text.contains("BROKEN mask.client"), "{text}");
}

#[test]
fn nothing_from_the_wire_reaches_the_terminal_unescaped() {
    let attacks = [
        "--from server 81 0a 1b 5b 32 4a 07 c2 9b e2 80 ae".to_owned(),
        "--as 76 00 1b 5d 30 3b 78 07 ff".to_owned(),
        "--from server 88 05 03 e8 1b 5b 41".to_owned(),
    ];
    for attack in attacks {
        for level in ["-q", "-v", "-vw"] {
            let text = explain(&format!("{level} {attack}")).text;
            assert!(!text.is_empty());
            let is_obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!text.contains(is_obeyed), "{text:?}");
        }
    }
    let request = b"GET /\x1b[2J HTTP/1.1\r\nHost: \x07\r\n\x1b]0;x\x07: y\r\n\r\n";
    let text = run(&["-v"], request).text;
    assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
}

#[test]
fn large_pastes_are_read_in_time() {
    let mut frame = "82 7f 00 00 00 00 00 10 00 00".to_owned();
    frame.push_str(&" 00".repeat(0x10_0000));
    let text = run(&["-v", "--from", "server"], frame.as_bytes()).expect(0);
    assert!(text.lines().count() < 40, "{text}");
    let many = "89 00".repeat(20_000);
    let text = run(&["-q"], many.as_bytes()).expect(0);
    assert_eq!(text.lines().count(), 20_000);
}

/// Each of these frames has notes of some 2500 bytes: 375 MB in all, if they were kept.
#[cfg(target_os = "linux")]
#[test]
fn many_small_frames_are_explained_in_bounded_memory() {
    let path = scratch("small-frames.hex");
    std::fs::write(&path, "810161 ".repeat(150_000)).unwrap();
    let script = "ulimit -v 200000; exec \"$0\" --only broken \"$1\"";
    let ran = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_explain")])
        .arg(&path)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
}

/// Notes are written after each 16 KiB, at any place within a frame.
#[test]
fn frames_that_lie_across_pieces_are_explained_whole() {
    let text = run(&["-q"], "810161 ".repeat(40_000).as_bytes()).expect(0);
    assert_eq!(text.lines().count(), 40_000);
    for line in text.lines() {
        assert!(
            line.ends_with("text, whole, not masked, 1 byte, \"a\""),
            "{line}"
        );
    }
    let frame = format!("827e8000{}", "61".repeat(0x8000));
    let text = run(&["-v"], frame.repeat(3).as_bytes()).expect(0);
    assert!(!text.contains("a read ended here"), "{text}");
}

/// A dump of a whole packet, as tcpdump -X and Wireshark write it.
#[test]
fn the_headers_of_a_pasted_packet_are_left_out() {
    let builder = etherparse::PacketBuilder::ipv4([127, 0, 0, 1], [127, 0, 0, 1], 64);
    let builder = builder.tcp(40_000, 8000, 1, 1000);
    let mut packet = Vec::new();
    builder
        .write(&mut packet, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
        .unwrap();
    let mut dump = "12:00:00.000000 IP localhost.40000 > localhost.8000: Flags [P.]\n".to_owned();
    for (n, line) in packet.chunks(16).enumerate() {
        let pairs: Vec<String> = line
            .chunks(2)
            .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        dump.push_str(&format!(
            "\t0x{:04x}:  {:<39}  ....\n",
            n * 16,
            pairs.join(" ")
        ));
    }
    let text = run(&["-q", "--as", "13"], dump.as_bytes()).expect(0);
    assert!(
        text.contains("text, whole, masked, 5 bytes, \"Hello\""),
        "{text}"
    );
}
