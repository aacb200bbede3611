//! What a server receives from a Redis that it shares with others: the library's own modules, which are compiled
//! here once more, against any bytes.

#![allow(dead_code, reason = "the encoders are for the library's own tests")]

#[path = "../../../src/server/redis/entry.rs"]
mod entry;

#[path = "../../../src/server/redis/facts.rs"]
mod facts;

#[path = "../../../src/server/redis/fault.rs"]
mod fault;

#[path = "../../../src/server/redis/header.rs"]
mod header;

#[path = "../../../src/server/redis/judge.rs"]
mod judge;

#[path = "../../../src/server/redis/keys.rs"]
mod keys;

#[path = "../../../src/server/redis/scan.rs"]
mod scan;

#[path = "../../../src/server/redis/scripts/mod.rs"]
mod scripts;

#[path = "../../../src/server/redis/wire.rs"]
mod wire;

use redis_protocol::resp2::decode::decode_range;
use stentor::server::Position;

use entry::notification;
use facts::ServerFacts;
use fault::RedisError;
use header::{Header, ReadHeader};
use judge::{Verdict, judge as judge_entry, judge_tip};
use keys::Keys;
use scan::{Bounds, Scan};
use scripts::{Script, log};
use wire::{Decoder, Push, Reply};

/// Small, so that the fuzzer reaches each of them.
const BOUNDS: Bounds = Bounds {
    line: 64,
    bulk: 200,
    items: 40,
    reply: 600,
};

/// Checks bytes, the first of which says how the rest is cut: in pieces of any size, the replies and the fault are
/// the same; and the decoder without the scan reads the same replies.
pub fn judge_replies(bytes: &[u8]) {
    let Some((&cut, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = replies(bytes, bytes.len().max(1));
    assert_eq!(
        whole,
        replies(bytes, usize::from(cut) % 16 + 1),
        "in pieces"
    );
    assert_eq!(whole, replies(bytes, 1), "byte by byte");
    let mut rest = bytes;
    for (reply, len) in &whole.0 {
        let decoded = decode_range(rest).ok().flatten().map(|(_, len)| len);
        assert_eq!(decoded, Some(*len), "{reply:?}");
        rest = &rest[*len..];
    }
    let mut scan = Scan::new(BOUNDS);
    if let Ok(Some(len)) = scan.advance(rest) {
        panic!("a reply of {len} bytes is left");
    }
}

type Read = (Vec<(Reply, usize)>, Option<String>);

/// Returns the replies with their lengths, and the fault.
fn replies(bytes: &[u8], size: usize) -> Read {
    let mut decoder = Decoder::new(BOUNDS);
    let (mut replies, mut received, mut used) = (Vec::new(), 0, 0);
    for piece in bytes.chunks(size) {
        decoder.feed(piece);
        received += piece.len();
        loop {
            match decoder.next() {
                Ok(Some(reply)) => {
                    let len = received - decoder.waiting() - used;
                    used += len;
                    replies.push((reply, len));
                }
                Ok(None) => break,
                Err(fault) => return (replies, Some(fault.to_string())),
            }
        }
        assert!(decoder.waiting() <= BOUNDS.reply + BOUNDS.line + 3);
    }
    (replies, None)
}

/// Checks a header of any bytes: what is read is written as the same bytes.
pub fn judge_header(bytes: &[u8]) {
    if let ReadHeader::Known(header) = Header::read(bytes) {
        let mut written = Vec::new();
        header.encode(&mut written);
        assert_eq!(written, bytes, "{header:?}");
    }
}

/// Checks the texts and answers that are made of any bytes: none of them panics, and what is read is consistent.
pub fn judge_answers(bytes: &[u8]) {
    let keys = Keys::new("a{b}");
    if let Some(room) = keys.room_of_channel(bytes) {
        assert_eq!(keys.channel(&room).as_bytes(), bytes);
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(facts) = ServerFacts::read(&text) {
        let _ = facts.check().map_err(|fault| fault.to_string());
    }
    let error = RedisError::read(&text);
    assert!(error.to_string().len() < 4000);
    let mut seen = Position::new(5, 5);
    for entry in notification(bytes).unwrap_or_default() {
        let _ = judge_tip(seen, entry.at, entry.before);
        match judge_entry(seen, entry.at, entry.before) {
            Verdict::Seen | Verdict::Attach => assert!(entry.at <= seen),
            Verdict::Take | Verdict::Read(_) | Verdict::TakeAfter(_) => {
                assert!(entry.at > seen);
                seen = entry.at;
            }
        }
    }
    for (reply, _) in replies(bytes, bytes.len().max(1)).0 {
        judge_reply(&reply);
    }
}

/// Reads a reply as each answer that a reply can be.
fn judge_reply(reply: &Reply) {
    if let Ok(appended) = log::appended(reply.clone()) {
        for counter in [0, 1, u64::MAX] {
            let earlier = appended.earlier.map(|earlier| earlier.at);
            let newest = earlier.max(Some(appended.newest.at));
            assert!(Some(appended.position(counter)) <= newest);
        }
    }
    if let Ok(pages) = log::pages(reply.clone()) {
        let entries = pages.iter().map(|page| page.entries.len());
        assert!(entries.sum::<usize>() < BOUNDS.items);
    }
    let _ = Push::read(reply.clone());
    for script in scripts::ALL {
        let _ = scripts::loaded(script, reply.clone());
    }
    if let Err(fault) = scripts::loaded(Script::Append, reply.clone()) {
        assert!(!fault.to_string().is_empty());
    }
}
