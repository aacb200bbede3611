//! Capture files: real ones, and ones with every kind of trouble.

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

use super::support::{Ran, beside, run};

const REQUEST: &[u8] =
    b"GET /demo HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

/// One segment: whether the client sends it, its sequence number, its flags, its payload.
#[derive(Clone)]
struct Segment {
    from_client: bool,
    sequence: u32,
    acknowledged: Option<u32>,
    flags: &'static str,
    payload: Vec<u8>,
}

/// A connection of which the segments are made one by one.
struct Maker {
    next: [u32; 2],
    segments: Vec<Segment>,
}

impl Maker {
    fn new() -> Maker {
        let mut maker = Maker {
            // The client's numbers begin again at 0 within its request.
            next: [u32::MAX - 10, 7000],
            segments: Vec::new(),
        };
        maker.send(true, "S", b"");
        maker.send(false, "S", b"");
        maker
    }

    fn send(&mut self, from_client: bool, flags: &'static str, payload: &[u8]) {
        let (own, other) = (usize::from(!from_client), usize::from(from_client));
        let is_first = self.segments.is_empty();
        self.segments.push(Segment {
            from_client,
            sequence: self.next[own],
            acknowledged: (!is_first).then_some(self.next[other]),
            flags,
            payload: payload.to_vec(),
        });
        let counted = payload.len() + usize::from(flags.contains(['S', 'F']));
        self.next[own] = self.next[own].wrapping_add(counted as u32);
    }

    /// A handshake, "Hello" and its echo, in segments of at most 50 bytes.
    fn conversation() -> Maker {
        let mut maker = Maker::new();
        for (from_client, bytes) in [
            (true, REQUEST),
            (false, RESPONSE),
            (true, HELLO),
            (false, b"\x81\x05Hello".as_slice()),
            (true, b"\x88\x82\x00\x00\x00\x00\x03\xe8"),
            (false, b"\x88\x02\x03\xe8"),
        ] {
            for piece in bytes.chunks(50) {
                maker.send(from_client, "", piece);
            }
        }
        maker.send(false, "F", b"");
        maker.send(true, "F", b"");
        maker.send(false, "", b"");
        maker
    }
}

/// The lower layers of a packet.
type Lower = fn(bool) -> (Vec<u8>, PacketBuilderStep<etherparse::IpHeaders>);

fn ipv4(from_client: bool) -> PacketBuilderStep<etherparse::IpHeaders> {
    let (from, to) = if from_client { (1, 2) } else { (2, 1) };
    PacketBuilder::ipv4([10, 0, 0, from], [10, 0, 0, to], 64)
}

fn ipv6(from_client: bool) -> PacketBuilderStep<etherparse::IpHeaders> {
    let mut addresses = [[0; 16], [0; 16]];
    addresses[0][15] = if from_client { 1 } else { 2 };
    addresses[1][15] = if from_client { 2 } else { 1 };
    PacketBuilder::ipv6(addresses[0], addresses[1], 64)
}

fn ethernet(kind: u16, tags: &[u16]) -> Vec<u8> {
    let mut header = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for tag in tags {
        header.extend([0x81, 0x00]);
        header.extend(tag.to_be_bytes());
    }
    header.extend(kind.to_be_bytes());
    header
}

/// The links: name, number in the file, and the bytes before the packet of IP.
fn links() -> Vec<(&'static str, u32, Lower)> {
    vec![
        ("ethernet", 1, |c| (ethernet(0x0800, &[]), ipv4(c))),
        ("ethernet, IPv6", 1, |c| (ethernet(0x86dd, &[]), ipv6(c))),
        ("VLAN", 1, |c| (ethernet(0x0800, &[7]), ipv4(c))),
        ("two VLAN tags", 1, |c| (ethernet(0x86dd, &[7, 8]), ipv6(c))),
        ("null", 0, |c| (vec![2, 0, 0, 0], ipv4(c))),
        ("null, IPv6", 0, |c| (vec![30, 0, 0, 0], ipv6(c))),
        ("loop", 108, |c| (vec![0, 0, 0, 2], ipv4(c))),
        ("raw", 101, |c| (vec![], ipv4(c))),
        ("raw of BSD", 12, |c| (vec![], ipv6(c))),
        ("IPv4", 228, |c| (vec![], ipv4(c))),
        ("IPv6", 229, |c| (vec![], ipv6(c))),
        ("cooked", 113, |c| {
            let mut header = vec![0; 14];
            header.extend([0x08, 0x00]);
            (header, ipv4(c))
        }),
        ("cooked 2", 276, |c| {
            let mut header = vec![0x86, 0xdd];
            header.extend([0; 18]);
            (header, ipv6(c))
        }),
    ]
}

fn packet(segment: &Segment, lower: Lower, client_port: u16) -> Vec<u8> {
    let ports = match segment.from_client {
        true => (client_port, 8000),
        false => (8000, client_port),
    };
    let mut header = TcpHeader::new(ports.0, ports.1, segment.sequence, 60_000);
    header.syn = segment.flags.contains('S');
    header.fin = segment.flags.contains('F');
    header.rst = segment.flags.contains('R');
    if let Some(acknowledged) = segment.acknowledged {
        header.ack = true;
        header.acknowledgment_number = acknowledged;
    }
    let (mut bytes, builder) = lower(segment.from_client);
    builder
        .tcp_header(header)
        .write(&mut bytes, &segment.payload)
        .unwrap();
    bytes
}

/// A pcap file with these packets, a millisecond apart, cut to `most` bytes each.
fn pcap(link: u32, packets: &[Vec<u8>], most: usize) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_le_bytes());
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]);
    file.extend(link.to_le_bytes());
    for (n, packet) in packets.iter().enumerate() {
        let kept = &packet[..packet.len().min(most)];
        for number in [
            1000,
            n as u32 * 1000,
            kept.len() as u32,
            packet.len() as u32,
        ] {
            file.extend(number.to_le_bytes());
        }
        file.extend(kept);
    }
    file
}

/// A pcapng file, in either byte order.
fn pcapng(link: u16, packets: &[Vec<u8>], is_big: bool) -> Vec<u8> {
    let four = |number: u32| match is_big {
        true => number.to_be_bytes(),
        false => number.to_le_bytes(),
    };
    let two = |number: u16| match is_big {
        true => number.to_be_bytes(),
        false => number.to_le_bytes(),
    };
    let block = |kind: u32, body: &[u8]| {
        let length = four(12 + body.len() as u32);
        [&four(kind), &length, body, &length].concat()
    };
    let mut file = block(
        0x0a0d_0d0a,
        &[&four(0x1a2b_3c4d)[..], &two(1), &two(0), &[0xff; 8]].concat(),
    );
    file.extend(block(1, &[&two(link)[..], &two(0), &four(0)].concat()));
    for (n, packet) in packets.iter().enumerate() {
        let length = four(packet.len() as u32);
        let mut body = [
            &four(0)[..],
            &four(0),
            &four(n as u32 * 1000),
            &length,
            &length,
        ]
        .concat();
        body.extend(packet);
        body.resize(body.len().next_multiple_of(4), 0);
        file.extend(block(6, &body));
    }
    file
}

/// Captures these segments on Ethernet, and runs the program on the file.
fn capture(segments: &[Segment], arguments: &[&str]) -> Ran {
    let lower = links()[0].2;
    let packets: Vec<Vec<u8>> = segments.iter().map(|s| packet(s, lower, 40_000)).collect();
    run(
        &[&["-q", "--no-times"], arguments].concat(),
        &pcap(1, &packets, 65_535),
    )
}

/// The lines of the conversation, on any link, and with any disorder that can be repaired.
const EXPECTED: [&str; 8] = [
    "C> #1 request   GET /demo, RFC 6455",
    "<S #1 response  101 Switching Protocols, RFC 6455",
    "C> #1 frame 1   text, whole, masked, 5 bytes, \"Hello\"",
    "<S #1 frame 1   text, whole, not masked, 5 bytes, \"Hello\"",
    "C> #1 frame 2   close, masked, 2 bytes, 1000",
    "<S #1 frame 2   close, not masked, 2 bytes, 1000",
    "<S #1 end       the stream ends here",
    "C> #1 end       the stream ends here",
];

#[track_caller]
fn expect_conversation(text: &str) {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("--"))
        .collect();
    assert_eq!(lines, EXPECTED, "{text}");
}

/// The same lines of each side; segments that come late may change the order between the sides.
#[track_caller]
fn expect_sides(text: &str) {
    for side in ["C>", "<S"] {
        let of_side = |line: &&str| line.starts_with(side);
        let lines: Vec<&str> = text.lines().filter(of_side).collect();
        let expected: Vec<&str> = EXPECTED.into_iter().filter(of_side).collect();
        assert_eq!(lines, expected, "{text}");
    }
}

#[test]
fn real_captures_give_the_same_conversations() {
    let mut expected = None;
    for name in [
        "ethernet.pcap",
        "cooked-v1.pcap",
        "cooked-v2.pcap",
        "tshark.pcapng",
        "mergecap.pcapng",
    ] {
        let path = beside("captures").join(name);
        let text = run(&["-q", "--no-times", path.to_str().unwrap()], b"").expect(0);
        assert_eq!(
            text.matches("\"Gr\u{fc}\u{df}e\"").count(),
            4,
            "{name}: {text}"
        );
        assert!(
            text.contains("C> #2 frame 3   close: FF 00"),
            "{name}: {text}"
        );
        assert_eq!(&text, expected.get_or_insert(text.clone()), "{name}");
        // The same from a pipe.
        let piped = run(&["-q", "--no-times"], &std::fs::read(&path).unwrap());
        assert_eq!(piped.expect(0), text, "{name}");
    }
}

#[test]
fn all_links_are_read_in_both_formats() {
    let segments = Maker::conversation().segments;
    for (name, link, lower) in links() {
        let packets: Vec<Vec<u8>> = segments.iter().map(|s| packet(s, lower, 40_000)).collect();
        let files = [
            pcap(link, &packets, 65_535),
            pcapng(link as u16, &packets, false),
            pcapng(link as u16, &packets, true),
        ];
        for file in files {
            let ran = run(&["-q", "--no-times"], &file);
            assert_eq!(ran.status, 0, "{name}: {ran:?}");
            expect_conversation(&ran.text);
        }
    }
}

#[test]
fn repeated_segments_are_dropped() {
    let mut segments = Vec::new();
    for segment in Maker::conversation().segments {
        segments.push(segment.clone());
        segments.push(segment);
    }
    // All of it once more, at the end.
    segments.extend(Maker::conversation().segments);
    expect_conversation(&capture(&segments, &[]).expect(0));
}

#[test]
fn overlapping_segments_are_joined() {
    let mut maker = Maker::conversation();
    let at = maker
        .segments
        .iter()
        .position(|s| s.payload == REQUEST[50..100])
        .unwrap();
    maker.segments[at].sequence = maker.segments[at].sequence.wrapping_sub(20);
    maker.segments[at].payload = REQUEST[30..100].to_vec();
    expect_conversation(&capture(&maker.segments, &[]).expect(0));
}

#[test]
fn segments_in_another_order_are_put_in_order() {
    let segments = Maker::conversation().segments;
    for at in 2..segments.len() - 1 {
        let mut swapped = segments.clone();
        swapped.swap(at, at + 1);
        expect_sides(&capture(&swapped, &[]).expect(0));
    }
    let mut reversed = segments.clone();
    // Each side's segments of the request and of the response.
    reversed[2..5].reverse();
    reversed[5..8].reverse();
    expect_sides(&capture(&reversed, &[]).expect(0));
}

#[test]
fn missing_segments_are_reported_and_the_other_side_goes_on() {
    let mut segments = Maker::conversation().segments;
    let at = segments.iter().position(|s| s.payload == HELLO).unwrap();
    segments.remove(at);
    let text = capture(&segments, &[]).expect(0);
    assert!(text.contains("C> #1 11 bytes are missing here"), "{text}");
    assert!(text.contains("<S #1 frame 2   close"), "{text}");
    assert!(!text.contains("C> #1 frame"), "{text}");
}

#[test]
fn packets_that_were_cut_have_a_gap() {
    let segments = Maker::conversation().segments;
    let lower = links()[0].2;
    let packets: Vec<Vec<u8>> = segments.iter().map(|s| packet(s, lower, 40_000)).collect();
    let ran = run(
        &["-q", "--no-times", "--port", "8000"],
        &pcap(1, &packets, 54 + 20),
    );
    assert!(
        ran.text.contains("C> #1 30 bytes are missing here"),
        "{ran:?}"
    );
}

#[test]
fn a_file_that_ends_within_a_packet_is_explained_until_there() {
    let path = beside("captures/ethernet.pcap");
    let file = std::fs::read(path).unwrap();
    let text = run(&["-q", "--no-times"], &file[..2000]).expect(0);
    assert!(text.contains("C> #1 frame 3   close"), "{text}");
    assert!(
        text.ends_with("-- the file ends within a packet\n"),
        "{text}"
    );
    // Each length: no panic, and no endless loop.
    for length in (4..file.len()).step_by(97) {
        let ran = run(&["-q"], &file[..length]);
        assert!((0..=2).contains(&ran.status), "{length}: {ran:?}");
    }
}

#[test]
fn a_request_whose_first_segment_is_short_is_explained() {
    for length in 1..=4 {
        let mut maker = Maker::new();
        maker.send(true, "", &REQUEST[..length]);
        maker.send(true, "", &REQUEST[length..length + 1]);
        maker.send(true, "", &REQUEST[length + 1..]);
        maker.send(false, "", RESPONSE);
        maker.send(true, "", HELLO);
        let text = capture(&maker.segments, &["-q"]).expect(0);
        assert!(text.contains("request   GET /demo"), "{length}: {text}");
        assert!(text.contains("\"Hello\""), "{length}: {text}");
    }
    // Without more bytes, it is no request for WebSocket.
    let mut maker = Maker::new();
    maker.send(true, "", &REQUEST[..3]);
    let text = capture(&maker.segments, &["-q"]).expect(0);
    assert!(text.contains("1 connection did not ask"), "{text}");
}

#[test]
fn a_late_capture_needs_a_version() {
    let segments = Maker::conversation().segments;
    let at = segments.iter().position(|s| s.payload == HELLO).unwrap();
    let text = capture(&segments[at..], &[]).expect(0);
    assert_eq!(
        text,
        "-- 1 connection began before the capture; --as VERSION explains it\n"
    );
    let text = capture(&segments[at..], &["--as", "13"]).expect(0);
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(lines, EXPECTED[2..], "{text}");
}

#[test]
fn other_protocols_are_counted_and_a_port_explains_them() {
    let mut maker = Maker::new();
    maker.send(true, "", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    maker.send(
        false,
        "",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    );
    let text = capture(&maker.segments, &[]).expect(0);
    assert_eq!(
        text,
        "-- 1 connection did not ask for WebSocket; --port N explains it\n"
    );
    let text = capture(&maker.segments, &["--port", "8000"]).expect(1);
    assert!(text.contains("C> #1 request   GET /"), "{text}");
    let text = capture(&maker.segments, &["--port", "8001"]).expect(0);
    assert_eq!(text, "-- no connection of port 8001 has bytes\n");
}

#[test]
fn connections_at_the_same_time_are_kept_apart() {
    let segments = Maker::conversation().segments;
    let lower = links()[1].2;
    let mut packets = Vec::new();
    for segment in &segments {
        for port in 40_000..40_020 {
            packets.push(packet(segment, lower, port));
        }
    }
    let text = run(&["-q", "--no-times"], &pcap(1, &packets, 65_535)).expect(0);
    for number in 1..=20 {
        let name = format!(" #{number} ");
        let lines: String = text
            .lines()
            .filter(|line| line.contains(&name))
            .map(|line| line.replace(&name, " #1 ") + "\n")
            .collect();
        expect_conversation(&lines);
    }
}

#[test]
fn the_same_ports_once_more_are_another_connection() {
    let mut segments = Maker::conversation().segments;
    let mut second = Maker::conversation().segments;
    for segment in &mut second {
        segment.sequence = segment.sequence.wrapping_add(100_000);
        segment.acknowledged = segment
            .acknowledged
            .map(|number| number.wrapping_add(100_000));
    }
    segments.extend(second);
    let text = capture(&segments, &[]).expect(0);
    assert_eq!(text.matches("request   GET").count(), 2, "{text}");
    assert!(text.contains("C> #2 frame 1   text"), "{text}");
}

#[test]
fn a_reset_ends_both_directions() {
    let mut maker = Maker::new();
    maker.send(true, "", REQUEST);
    maker.send(false, "", RESPONSE);
    maker.send(false, "", b"\x81\x05He");
    maker.send(false, "R", b"");
    let text = capture(&maker.segments, &[]).expect(1);
    assert!(text.contains("BROKEN stream.complete"), "{text}");
    assert_eq!(text.matches("the stream ends here").count(), 2, "{text}");
}

#[test]
fn an_unknown_link_and_damaged_packets_are_named() {
    let text = run(&["-q"], &pcap(147, &[vec![1, 2, 3]], 100)).expect(0);
    assert_eq!(text, "-- left out: packets of the unknown link type 147\n");
    for length in 0..60 {
        let segment = &Maker::conversation().segments[2];
        let mut cut = packet(segment, links()[0].2, 40_000);
        cut.truncate(length);
        let ran = run(&["-q"], &pcap(1, &[cut], 65_535));
        assert_eq!(ran.status, 0, "{length}: {ran:?}");
    }
    let ran = run(&["-q"], b"\xd4\xc3\xb2\xa1\x00");
    assert_eq!(ran.status, 2, "{ran:?}");
}
