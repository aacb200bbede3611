//! The codec alone: no socket, no thread. `cargo bench --manifest-path tests/bench/Cargo.toml`.

use std::hint::black_box;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use stentor::protocol::framing::mask;
use stentor::protocol::{Config, Connection, Event};
use stentor::{Accept, Version};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The number of messages in one read, as a busy client sends them.
const BURST: usize = 256;

fn main() {
    divan::main();
}

#[divan::bench(args = [64, 4096, 1 << 20])]
fn unmask(bencher: Bencher, size: usize) {
    let mut payload = vec![b'x'; size];
    let bencher = bencher.counter(BytesCount::new(size));
    bencher.bench_local(|| mask::apply(black_box(&mut payload), MASK, 0));
}

/// Items are messages of 64 bytes.
#[divan::bench(args = [Version::Draft76, Version::Rfc6455])]
fn small_messages(bencher: Bencher, version: Version) {
    let burst = message(version, &"x".repeat(64)).repeat(BURST);
    let mut connection = open(&request(version), &Arc::default());
    let bencher = bencher.counter(ItemsCount::new(BURST));
    bencher.bench_local(|| assert_eq!(receive(&mut connection, &burst), BURST));
}

/// A message of about 1 MiB, copied, unmasked and checked to be UTF-8.
#[divan::bench(args = ["ASCII", "naïve café", "Привет"])]
fn text(bencher: Bencher, sample: &str) {
    let text = sample.repeat((1 << 20) / sample.len());
    let bytes = message(Version::Rfc6455, &text);
    let mut connection = open(&request(Version::Rfc6455), &Arc::default());
    let bencher = bencher.counter(BytesCount::new(text.len()));
    bencher.bench_local(|| assert_eq!(receive(&mut connection, &bytes), 1));
}

/// Items are handshakes, from the first byte of the request to the last of the response.
#[divan::bench(args = Version::ALL)]
fn handshake(bencher: Bencher, version: Version) {
    let (config, request) = (Arc::default(), request(version));
    let bencher = bencher.counter(ItemsCount::new(1_usize));
    bencher.bench_local(|| open(&request, &config).data_to_send());
}

/// Returns a connection whose handshake is done.
fn open(request: &[u8], config: &Arc<Config>) -> Connection {
    let mut connection = Connection::new(Arc::clone(config));
    connection.receive_data(black_box(request));
    while let Some(event) = connection.next_event() {
        match event {
            Event::Request => assert_eq!(connection.accept(Accept::new()), Ok(())),
            Event::Open => return connection,
            event => panic!("{event:?}"),
        }
    }
    panic!("it did not open");
}

/// Returns the number of messages in the bytes.
fn receive(connection: &mut Connection, bytes: &[u8]) -> usize {
    connection.receive_data(black_box(bytes));
    let events = std::iter::from_fn(|| connection.next_event());
    events
        .map(black_box)
        .filter(|event| matches!(event, Event::Message(_)))
        .count()
}

/// Returns a text message as a client writes it.
fn message(version: Version, text: &str) -> Vec<u8> {
    if matches!(version, Version::Draft75 | Version::Draft76) {
        return [b"\x00", text.as_bytes(), b"\xff"].concat();
    }
    let mut payload = text.as_bytes().to_vec();
    mask::apply(&mut payload, MASK, 0);
    let head = match text.len() {
        len @ 0..=125 => vec![0x81, 0x80 | len as u8],
        len => [&[0x81, 0x80 | 127], &(len as u64).to_be_bytes()[..]].concat(),
    };
    [&head[..], &MASK, &payload].concat()
}

fn request(version: Version) -> Vec<u8> {
    let hybi = |number: u8, origin: &str| {
        format!(
            "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             {origin}: http://example.com\r\nSec-WebSocket-Version: {number}\r\n\r\n"
        )
    };
    let old = "Upgrade: WebSocket\r\nOrigin: http://example.com\r\n";
    let fields = match version {
        Version::Draft75 => format!("{old}\r\n"),
        Version::Draft76 => format!(
            "{old}Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
             Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:ds[4U"
        ),
        Version::Hybi07 => hybi(7, "Sec-WebSocket-Origin"),
        Version::Hybi08 => hybi(8, "Sec-WebSocket-Origin"),
        Version::Rfc6455 => hybi(13, "Origin"),
    };
    let head = "GET /demo HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n";
    format!("{head}{fields}").into_bytes()
}
