//! Makes each target's first corpus of the test vectors: `seeds FOLDER`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use arbitrary::Arbitrary;
use serde_json::Value;
use stentor::Version;
use stentor_explain::reference::xor;
use stentor_fuzz::answers::Answered;
use stentor_fuzz::connection::Script;
use stentor_fuzz::explain::Explained;
use stentor_fuzz::frames::SharedFrames;
use stentor_fuzz::handshake::Spoilt;
use stentor_fuzz::inflate::Compressed;
use stentor_fuzz::request_head::PendingHandshake;
use stentor_fuzz::wire::{self, Frame};

/// Seeds above this many bytes cost more time than they are worth.
const MOST: usize = 1500;

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: seeds FOLDER"));
    };
    let vectors = include_str!("../../vectors/vectors.json");
    let vectors: Value = serde_json::from_str(vectors)?;
    let mut seeds = Seeds { folder, written: 0 };
    requests(&vectors, &mut seeds)?;
    keys(&vectors, &mut seeds)?;
    frames(&vectors, &mut seeds)?;
    payloads(&vectors, &mut seeds)?;
    proxy_headers(&mut seeds)?;
    redis(&mut seeds)?;
    writeln!(io::stdout(), "{} seeds", seeds.written)
}

/// Whole requests, and their headers one per line.
fn requests(vectors: &Value, seeds: &mut Seeds) -> io::Result<()> {
    for vector in list(&vectors["handshakes"]) {
        let chunks = list(&vector["chunks_latin1"]);
        let bytes: Vec<u8> = chunks.iter().flat_map(latin1).collect();
        seeds.plant("request_head", fixed::<PendingHandshake>(), &bytes)?;
        seeds.plant("connection", fixed::<Script>(), &bytes)?;
        conversation(vector, &bytes, seeds)?;
        let head = bytes.split(|byte| *byte == b'\n').skip(1);
        let mut lines = Vec::new();
        for line in head.map_while(|line| line.strip_suffix(b"\r")) {
            if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                lines.extend(&line[..=colon]);
                lines.extend(line[colon + 1..].trim_ascii());
                lines.push(b'\n');
            }
        }
        lines.pop();
        for version in Version::ALL {
            seeds.plant(handshake(version), fixed::<Spoilt>(), &lines)?;
        }
    }
    for vector in list(&vectors["version_detection"]) {
        let bytes = latin1(&vector["request_latin1"]);
        seeds.plant("request_head", fixed::<PendingHandshake>(), &bytes)?;
    }
    Ok(())
}

/// Keys, valid and invalid.
fn keys(vectors: &Value, seeds: &mut Seeds) -> io::Result<()> {
    for vector in list(&vectors["hixie76_key_pairs"]) {
        let key = |name: &str| vector[name].as_str().unwrap_or_default();
        let lines = format!(
            "Sec-WebSocket-Key1:{}\nSec-WebSocket-Key2:{}",
            key("key1"),
            key("key2")
        );
        let mut prefix = fixed::<Spoilt>();
        for (to, from) in prefix.iter_mut().zip(hex(&vector["key3_hex"])) {
            *to = from;
        }
        seeds.plant(handshake(Version::Draft76), prefix, lines.as_bytes())?;
    }
    for vector in list(&vectors["hixie76_single_keys"]) {
        let line = format!(
            "Sec-WebSocket-Key1:{}",
            vector["key"].as_str().unwrap_or("")
        );
        let prefix = fixed::<Spoilt>();
        seeds.plant(handshake(Version::Draft76), prefix, line.as_bytes())?;
    }
    for name in ["accept_keys", "accept_keys_bad"] {
        for vector in list(&vectors[name]) {
            let line = format!("Sec-WebSocket-Key:{}", vector["key"].as_str().unwrap_or(""));
            for version in [Version::Hybi07, Version::Hybi08, Version::Rfc6455] {
                seeds.plant(handshake(version), fixed::<Spoilt>(), line.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// Frames, in every version that they are for, alone and behind a handshake.
fn frames(vectors: &Value, seeds: &mut Seeds) -> io::Result<()> {
    for (framing, versions) in [("hixie", 2), ("hybi", 3)] {
        for vector in list(&vectors["frames"][framing]) {
            let bytes: Vec<u8> = list(&vector["chunks_hex"]).iter().flat_map(hex).collect();
            for version in 0..versions {
                let mut prefix = fixed::<SharedFrames>();
                prefix[0] = version;
                seeds.plant(&format!("frames_{framing}"), prefix, &bytes)?;
                let mut prefix = fixed::<SharedFrames>();
                prefix[0] = version + if framing == "hybi" { 2 } else { 0 };
                seeds.plant("client_frames", prefix.clone(), &bytes)?;
                // The same without masks: the mask is most of the difference to a server's frame.
                let plain: Vec<u8> = unmasked(&bytes);
                seeds.plant("client_frames", prefix, &plain)?;
                let mut prefix = fixed::<Script>();
                prefix[0] = 1 + version + if framing == "hybi" { 2 } else { 0 };
                seeds.plant("connection", prefix, &bytes)?;
                let version = version + if framing == "hybi" { 2 } else { 0 };
                for (mode, wire) in [(0, &bytes), (1, &plain), (6, &bytes), (7, &plain)] {
                    explained(version, mode, wire, seeds)?;
                }
            }
            // These bytes only choose the messages; any bytes do.
            seeds.plant("round_trip", Vec::new(), &bytes)?;
        }
    }
    for version in Version::ALL {
        let bytes = [wire::handshake(version), &wire::close_frame(version)].concat();
        seeds.plant("request_head", fixed::<PendingHandshake>(), &bytes)?;
        seeds.plant("connection", fixed::<Script>(), &bytes)?;
        seeds.plant(handshake(version), fixed::<Spoilt>(), b"")?;
        for offered in 0..3 {
            let mut prefix = fixed::<Answered>();
            (prefix[0], prefix[1]) = (version as u8, offered);
            seeds.plant("client_handshake", prefix, b"Set-Cookie:a=b")?;
        }
    }
    Ok(())
}

/// Compressed messages, those of each vector as messages of one connection.
fn payloads(vectors: &Value, seeds: &mut Seeds) -> io::Result<()> {
    for vector in list(&vectors["permessage_deflate"]) {
        let payloads: Vec<Vec<u8>> = list(&vector["message_payloads_hex"])
            .iter()
            .map(hex)
            .collect();
        for settings in 0..4 {
            let mut prefix = fixed::<Compressed>();
            prefix[1] = settings;
            for (len, payload) in prefix[4..7].iter_mut().zip(&payloads) {
                *len = payload.len() as u8;
            }
            seeds.plant("inflate", prefix, &payloads.concat())?;
        }
        // The same in frames of a server, and of a client.
        let (mut plain, mut masked) = (Vec::new(), Vec::new());
        for payload in payloads {
            let length = payload.len() as u8;
            plain.extend([&[0xc1, length], &payload[..]].concat());
            let first = 0xc1;
            Frame { first, payload }.masked([1, 2, 3, 4], &mut masked);
        }
        for takeover in [0, 4] {
            explained(4, 3 | takeover, &plain, seeds)?;
            explained(4, 2 | takeover, &masked, seeds)?;
        }
    }
    Ok(())
}

/// Frames for the explainer, of one version.
fn explained(version: u8, mode: u8, wire: &[u8], seeds: &mut Seeds) -> io::Result<()> {
    let mut prefix = fixed::<Explained>();
    prefix[..2].copy_from_slice(&[version, mode]);
    seeds.plant("explain", prefix, wire)
}

/// A request, and the response to it, for the explainer.
fn conversation(vector: &Value, request: &[u8], seeds: &mut Seeds) -> io::Result<()> {
    let outputs = list(&vector["expect"]["output_after_chunk_latin1"]);
    let response: Vec<u8> = outputs.iter().flat_map(latin1).collect();
    let mut prefix = fixed::<Explained>();
    prefix[1] = 0x80;
    prefix[6..].copy_from_slice(&(request.len() as u16).to_le_bytes());
    seeds.plant("explain", prefix, &[request, &response].concat())
}

/// Replies and notifications, as a Redis sends them, and headers of entries.
fn redis(seeds: &mut Seeds) -> io::Result<()> {
    let header = b"\x01\0\0\0\0\0\0\0\x07\x81\x02\x34\x05\x02\x03\x80\x01abcdefghijkl\x03Ann";
    seeds.plant("redis_header", Vec::new(), header)?;
    seeds.plant("redis_header", Vec::new(), &header[..9])?;
    let head = [b"5-5 0 1700\n", &header[..]].concat();
    let mut notification = format!("6-1 {} 2\n", head.len()).into_bytes();
    notification.extend([&head[..], b"hi"].concat());
    seeds.plant("redis_answers", Vec::new(), &notification)?;
    let replies: [&[u8]; 6] = [
        b"*5\r\n$0\r\n\r\n$0\r\n\r\n:1\r\n$1\r\n1\r\n$3\r\n5-6\r\n",
        b"*5\r\n$3\r\n5-6\r\n$0\r\n\r\n$3\r\n5-6\r\n$6\r\n- 0 1\n\r\n$2\r\nhi\r\n",
        b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*4\r\n$3\r\n5-6\r\n:1\r\n:0\r\n:-1\r\n*2\r\n*0\r\n*-1\r\n$-1\r\n",
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n+PONG\r\n",
        b"run_id:a\nrole:master\nmaster_replid:b\nredis_version:7.0.15\nmaxmemory_policy:noeviction\n",
    ];
    for reply in replies {
        seeds.plant("redis_answers", Vec::new(), reply)?;
        seeds.plant("redis_replies", vec![3], reply)?;
    }
    Ok(())
}

/// Headers of the PROXY protocol.
fn proxy_headers(seeds: &mut Seeds) -> io::Result<()> {
    for line in [
        "TCP4 192.0.2.7 198.51.100.1 4711 443",
        "TCP6 2001:db8::1 ::ffff:192.0.2.7 0 65535",
        "UNKNOWN",
        "UNKNOWN ffff::1",
    ] {
        let line = format!("PROXY {line}\r\nGET / HTTP/1.1\r\n");
        seeds.plant("proxy_header", Vec::new(), line.as_bytes())?;
    }
    for (command, family, length) in [
        (0x20, 0x00, 0_u8),
        (0x21, 0x00, 9),
        (0x21, 0x11, 12),
        (0x21, 0x11, 25),
        (0x21, 0x21, 36),
        (0x21, 0x31, 216),
    ] {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([command, family, 0, length]);
        header.extend((0..length).chain(*b"GET"));
        seeds.plant("proxy_header", Vec::new(), &header)?;
    }
    Ok(())
}

/// Turns short frames of a client into frames of a server, as far as these exist.
fn unmasked(mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let [first, second, a, b, c, d, rest @ ..] = bytes {
        let len = usize::from(second & 0x7f);
        if second & 0x80 == 0 || len > 125 || len > rest.len() {
            break;
        }
        plain.extend([*first, second & 0x7f]);
        plain.extend(xor(&rest[..len], [*a, *b, *c, *d]));
        bytes = &rest[len..];
    }
    plain.extend(bytes);
    plain
}

struct Seeds {
    folder: PathBuf,
    written: usize,
}

impl Seeds {
    /// Writes one seed, under a name that is the same in every run.
    fn plant(&mut self, target: &str, fixed: Vec<u8>, rest: &[u8]) -> io::Result<()> {
        if rest.len() > MOST {
            return Ok(());
        }
        let seed = [&fixed, rest].concat();
        let folder = Path::new(&self.folder).join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{:x}", md5::compute(&seed))), seed)?;
        self.written += 1;
        Ok(())
    }
}

/// Returns the bytes in front of the rest of an input of this kind: all zeros, nothing chosen.
fn fixed<'a, T: Arbitrary<'a>>() -> Vec<u8> {
    vec![0; T::size_hint(0).0]
}

fn handshake(version: Version) -> &'static str {
    match version {
        Version::Draft75 => "handshake_draft75",
        Version::Draft76 => "handshake_draft76",
        Version::Hybi07 => "handshake_hybi07",
        Version::Hybi08 => "handshake_hybi08",
        Version::Rfc6455 => "handshake_rfc6455",
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Converts each character to one byte.
fn latin1(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    text.chars().map(|char| char as u8).collect()
}

/// Decodes a string of hex digits, or one that is repeated.
fn hex(value: &Value) -> Vec<u8> {
    let Some(digits) = value.as_str() else {
        let times = value["times"].as_u64().unwrap_or(1) as usize;
        return match value["hex"].is_string() {
            true => hex(&value["hex"]).repeat(times),
            false => Vec::new(),
        };
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs
        .map(|two| digit(two[0]) << 4 | digit(two[1]))
        .collect()
}
