//! The memory that rooms take in Redis.

use super::{Context, Keys, Link, Outcome, RedisServer};
use crate::server::redis::keys::Kind;

const MESSAGES: u32 = 1024;

/// Returns the memory of Redis, in bytes.
fn used(redis: &RedisServer) -> Result<f64, Box<dyn std::error::Error>> {
    let info = redis.command(&["INFO", "memory"])?;
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    Ok(used.ok_or("no used_memory")?.trim().parse()?)
}

#[test]
fn an_entry_takes_a_third_more_than_its_payload_and_a_hundred_bytes_at_most() -> Outcome {
    let Some(redis) = RedisServer::start(&["--appendonly", "no"])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.context.log.entries = MESSAGES;
    link.context.log.bytes = u64::MAX >> 12;
    let mut counter = 1;
    for size in [20, 100, 1024] {
        let room = size.to_string();
        let text = "x".repeat(size);
        for _ in 0..MESSAGES / 64 {
            link.say(&room, counter, &[&text[..]; 64])?;
            counter += 64;
        }
        let Context { keys, machine, .. } = &link.context;
        let memory = |kind| -> Result<f64, Box<dyn std::error::Error>> {
            let key = keys.key(&room, kind);
            let usage = redis.command(&["MEMORY", "USAGE", &key, "SAMPLES", "0"])?;
            Ok(usage.parse()?)
        };
        let entry = memory(Kind::Log)? / f64::from(MESSAGES);
        let (state, writer) = (memory(Kind::State)?, memory(Kind::Writer(*machine))?);
        println!("{size} bytes: {entry:.0} in the log; state {state}, each writer {writer}");
        let payload = f64::from(u32::try_from(size)?);
        assert!(
            (payload..payload * 4.0 / 3.0 + 100.0).contains(&entry),
            "{entry}"
        );
        assert!(state + writer < 1024.0, "{state} {writer}");
    }
    Ok(())
}

#[test]
fn a_room_with_one_message_takes_less_than_eight_kib() -> Outcome {
    const ROOMS: u32 = 2000;
    let Some(redis) = RedisServer::start(&["--appendonly", "no"])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.context.keys = Keys::new("chat");
    let before = used(&redis)?;
    for room in 0..ROOMS {
        link.say(&format!("room {room}"), u64::from(room) + 1, &["hello"])?;
    }
    let room = (used(&redis)? - before) / f64::from(ROOMS);
    println!("a room with one message: {room:.0} bytes");
    // A stream begins with a node of 4 KiB (`stream-node-max-bytes`).
    assert!((200.0..8192.0).contains(&room), "{room}");
    Ok(())
}
