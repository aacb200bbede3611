//! The log of a room.

use super::super::entry::{Body, Entry, notification};
use super::super::fault::ErrorKind;
use super::super::judge::{Loss, TipVerdict, Verdict, judge, judge_tip};
use super::super::scripts::log::Stored;
use super::super::scripts::{LogBounds, NoAnswer};
use super::super::wire::{Push, Reply};
use super::{LOG, Link, Outcome, Position, RedisServer, texts};

const START: Position = Position {
    epoch: 0,
    number: 0,
};

/// The kind of the error with which Redis has answered.
fn kind<T>(result: Result<T, Box<dyn std::error::Error>>) -> Option<ErrorKind> {
    let error = result.err()?;
    match error.downcast_ref::<NoAnswer>() {
        Some(NoAnswer::Redis(error)) => Some(error.kind),
        _ => None,
    }
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.at.number()).collect()
}

#[test]
fn a_batch_that_is_sent_again_is_stored_once() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let mut other = Link::open(&redis, 2)?;
    let first = link.say("lobby", 1, &["one", "two"])?;
    assert_eq!(
        (first.earlier, first.added, first.newest.counter),
        (None, 2, 2)
    );
    assert_eq!(first.position(1).number(), 1);
    other.say("lobby", 1, &["other"])?;
    let again = link.say("lobby", 1, &["one", "two"])?;
    assert_eq!((again.earlier, again.added), (Some(first.newest), 0));
    assert_eq!(again.newest, first.newest);
    assert_eq!(again.tip.number(), 3);
    for counter in [1, 2] {
        assert_eq!(again.position(counter), first.position(counter));
    }
    // A batch with more than was stored.
    let more = link.say("lobby", 2, &["two", "three"])?;
    assert_eq!((more.added, more.newest.counter), (1, 3));
    assert_eq!(more.position(2), first.position(2));
    assert_eq!(more.position(3).number(), 4);
    let page = link.read("lobby", START)?;
    assert_eq!(
        texts(&page.entries),
        ["1 one", "2 two", "3 other", "4 three"]
    );
    assert_eq!(page.tip.map(|tip| tip.at), Some(more.tip));
    Ok(())
}

#[test]
fn another_life_of_the_server_is_another_epoch_that_says_what_it_follows() -> Outcome {
    let Some(mut redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let before = Link::open(&redis, 1)?.say("lobby", 1, &["one", "two"])?;
    redis.kill()?;
    redis.restart()?;
    let mut link = Link::open(&redis, 1)?;
    // The reply was lost: the batch is sent again.
    let again = link.say("lobby", 1, &["one", "two"])?;
    assert_eq!((again.added, again.newest), (0, before.newest));
    // The new epoch is stored, although it has no entry.
    assert!(again.tip.epoch() > before.tip.epoch());
    assert_eq!(again.tip.number(), 0);
    let tip = link.attach("lobby")?.tip.ok_or("no tip")?;
    assert_eq!((tip.at, tip.before), (again.tip, Some(before.tip)));
    let verdict = judge_tip(before.tip, tip.at, tip.before);
    assert_eq!(verdict, TipVerdict::Same);
    let after = link.say("lobby", 3, &["three", "four"])?;
    assert_eq!(after.tip.epoch(), again.tip.epoch());
    let entries = link.read("lobby", before.tip)?.entries;
    assert_eq!(texts(&entries), ["1 three", "2 four"]);
    let verdict = judge(before.tip, entries[0].at, entries[0].before);
    assert_eq!(verdict, Verdict::Take);
    assert_eq!(entries[1].before, None);
    Ok(())
}

#[test]
fn a_replica_that_has_lost_the_tail_gives_no_number_again() -> Outcome {
    let Some(mut primary) = RedisServer::start_primary()? else {
        return Ok(());
    };
    let mut link = Link::open(&primary, 1)?;
    link.say("lobby", 1, &["one", "two", "three"])?;
    let replica = primary.start_replica()?;
    replica.promote()?;
    let lost = link.say("lobby", 4, &["four", "five"])?;
    primary.kill()?;
    let mut link = Link::open(&replica, 1)?;
    let tip = link.attach("lobby")?.tip.ok_or("no tip")?;
    assert_eq!(tip.at.number(), 3);
    let rewound = Loss::Rewound(tip.at);
    let verdict = judge_tip(lost.tip, tip.at, tip.before);
    assert_eq!(verdict, TipVerdict::After(rewound));
    // What this server has stored was rolled back with the log: so it is stored again.
    let again = link.say("lobby", 4, &["four", "five"])?;
    assert_eq!(again.added, 2);
    let entries = link.read("lobby", tip.at)?.entries;
    assert_eq!(texts(&entries), ["1 four", "2 five"]);
    assert!(entries[0].at.epoch() > lost.tip.epoch());
    assert_eq!(entries[0].before, Some(tip.at));
    let verdict = judge(lost.tip, entries[0].at, entries[0].before);
    assert_eq!(verdict, Verdict::TakeAfter(rewound));
    let verdict = judge(tip.at, entries[0].at, entries[0].before);
    assert_eq!(verdict, Verdict::Take);
    Ok(())
}

#[test]
fn a_log_is_trimmed_by_entries_and_by_bytes() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.context.log = LogBounds {
        entries: 80,
        bytes: 100_000,
        ..LOG
    };
    let mut most = 0;
    for counter in 1..=500 {
        link.say("many", counter, &["x"])?;
        if counter % 10 == 0 {
            let entries = link.read("many", START)?.entries;
            let all = (1..=counter).collect::<Vec<_>>();
            assert!(all.ends_with(&numbers(&entries)));
            most = most.max(entries.len());
        }
    }
    assert!((81..=90).contains(&most), "{most}");
    let large = "x".repeat(10_000);
    for counter in 1..=60 {
        let texts: [&str; 2] = if counter % 2 == 0 {
            [&large, "x"]
        } else {
            ["x", &large]
        };
        link.say("large", 2 * counter - 1, &texts)?;
        let entries = link.read("large", START)?.entries;
        let bytes: usize = entries
            .iter()
            .map(|entry| match &entry.body {
                Body::Known(_, payload) => payload.len() + 64,
                _ => 0,
            })
            .sum();
        assert!(bytes <= 112_500, "{bytes}");
        assert!(counter < 20 || bytes > 70_000, "{bytes}");
    }
    // The newest entry is kept, whatever its size.
    let huge = "x".repeat(200_000);
    link.say("large", 1000, &[&huge])?;
    assert_eq!(link.read("large", START)?.entries.len(), 1);
    link.say("large", 1001, &["x"])?;
    assert_eq!(numbers(&link.read("large", START)?.entries), [122]);
    Ok(())
}

#[test]
fn an_empty_room_has_a_position_and_an_unknown_one_has_none() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    assert_eq!(link.read("lobby", START)?.tip, None);
    let tip = link.attach("lobby")?.tip.ok_or("no tip")?;
    assert_eq!((tip.at.number(), tip.before), (0, None));
    assert_eq!(link.attach("lobby")?.tip, Some(tip));
    let first = link.say("lobby", 1, &["one"])?.tip;
    assert_eq!(first, Position::new(tip.at.epoch(), 1));
    assert_eq!(judge(tip.at, first, None), Verdict::Take);
    Ok(())
}

#[test]
fn rooms_with_any_name_are_apart() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let rooms = [
        "",
        "%",
        "\0",
        "%00",
        "{a}",
        "a}:log",
        "%7Ba%7D",
        "\u{e4}\r\n",
    ];
    for room in rooms {
        link.say(room, 1, &[room])?;
    }
    for room in rooms {
        let entries = link.read(room, START)?.entries;
        assert_eq!(texts(&entries), [format!("1 {room}")]);
    }
    Ok(())
}

#[test]
fn a_deleted_state_or_log_is_a_reset_and_never_an_error() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let before = link.say("lobby", 1, &["one", "two"])?;
    // The log alone: the numbers go on.
    redis.command(&["DEL", "test:1:room:{lobby}:log"])?;
    assert_eq!(link.say("lobby", 3, &["three"])?.tip.number(), 3);
    assert_eq!(numbers(&link.read("lobby", START)?.entries), [3]);
    // The state alone: the log that is left is of no use.
    redis.command(&["DEL", "test:1:room:{lobby}:state"])?;
    link.say("lobby", 4, &["four", "five"])?;
    let entries = link.read("lobby", START)?.entries;
    assert_eq!(texts(&entries), ["1 four", "2 five"]);
    let verdict = judge(before.tip, entries[0].at, entries[0].before);
    assert_eq!(verdict, Verdict::TakeAfter(Loss::Reset));
    // All.
    redis.command(&["FLUSHALL"])?;
    let tip = link.attach("lobby")?.tip.ok_or("no tip")?;
    let verdict = judge_tip(before.tip, tip.at, tip.before);
    assert_eq!(verdict, TipVerdict::After(Loss::Reset));
    // A log of a later time, as after the clock was set back.
    redis.command(&[
        "XADD",
        "test:1:room:{lobby}:log",
        "99999999999999999-1",
        "h",
        "x",
        "m",
        "y",
    ])?;
    link.say("lobby", 6, &["six"])?;
    assert_eq!(texts(&link.read("lobby", START)?.entries), ["1 six"]);
    Ok(())
}

#[test]
fn a_foreign_entry_is_skipped() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.say("lobby", 1, &["one"])?;
    let log = "test:1:room:{lobby}:log";
    redis.command(&["XADD", log, "99999999999999999-1", "a", "b"])?;
    redis.command(&["XADD", log, "99999999999999999-2", "a", "b", "c", "d"])?;
    let entries = link.read("lobby", START)?.entries;
    assert_eq!(texts(&entries), ["1 one", "1 Skip", "2 Skip"]);
    Ok(())
}

#[test]
fn a_redis_without_memory_stores_nothing_of_a_batch() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let before = link.say("lobby", 1, &["one"])?;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"])?;
    let full = link.say("lobby", 2, &["two", "three"]);
    assert_eq!(kind(full), Some(ErrorKind::OutOfMemory));
    assert_eq!(
        kind(link.say("new", 1, &["one"])),
        Some(ErrorKind::OutOfMemory)
    );
    assert_eq!(kind(link.attach("new")), Some(ErrorKind::OutOfMemory));
    let page = link.attach("lobby")?;
    assert_eq!(page.tip.map(|tip| tip.at), Some(before.tip));
    assert_eq!(texts(&page.entries), ["1 one"]);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"])?;
    assert_eq!(link.say("lobby", 2, &["two", "three"])?.added, 2);
    assert_eq!(link.read("new", START)?.tip, None);
    Ok(())
}

#[test]
fn every_key_of_a_log_has_its_time() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.say("lobby", 1, &["one"])?;
    link.attach("empty")?;
    let keys = redis.command(&["KEYS", "*"])?;
    assert_eq!(keys.lines().count(), 4, "{keys}");
    for key in keys.lines() {
        let seconds: i64 = redis.command(&["TTL", key])?.parse()?;
        let most = if key.ends_with("log") { 600 } else { 86_400 };
        assert!((most - 60..=most).contains(&seconds), "{key}: {seconds}");
    }
    // A log that has expired leaves the position, and its bytes count no longer.
    redis.command(&["DEL", "test:1:room:{lobby}:log"])?;
    let page = link.attach("lobby")?;
    assert_eq!(page.tip.map(|tip| tip.at.number()), Some(1));
    assert_eq!(page.entries, []);
    link.say("lobby", 2, &["two"])?;
    let seconds: i64 = redis
        .command(&["TTL", "test:1:room:{lobby}:log"])?
        .parse()?;
    assert!(seconds > 500, "{seconds}");
    let state = redis.command(&["HMGET", "test:1:room:{lobby}:state", "b", "s"])?;
    let bytes: Vec<i64> = state.lines().flat_map(str::parse).collect();
    assert_eq!(bytes[0], 2 * bytes[1]);
    Ok(())
}

#[test]
fn notifications_say_what_the_log_says() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let mut notified = Link::open(&redis, 2)?;
    let channel = link.context.keys.channel("lobby");
    notified.command(&["SUBSCRIBE", &channel])?;
    let small = "x".repeat(10_000);
    let limit = "y".repeat(16 * 1024);
    let large = "z".repeat(16 * 1024 + 1);
    let batch = ["one", "\0\n", &small, &small, &limit, &large, "", "end"];
    link.say("lobby", 1, &batch)?;
    let mut entries = Vec::new();
    while entries.len() < batch.len() {
        let Ok(Push::Message(of, payload)) = Push::read(notified.reply()?) else {
            return Err("not a notification".into());
        };
        assert_eq!(of, channel.as_bytes());
        assert!(payload.len() < 17 * 1024);
        entries.extend(notification(&payload).ok_or("not entries")?);
    }
    let log = link.read("lobby", START)?.entries;
    for (notified, stored) in entries.iter().zip(&log) {
        if stored.at.number() == 6 {
            assert_eq!(notified.body, Body::Absent);
        } else {
            assert_eq!(notified, stored);
        }
    }
    assert_eq!(numbers(&entries), (1..=8).collect::<Vec<_>>());
    let newest = Stored {
        counter: 8,
        at: entries[7].at,
    };
    assert_eq!(link.say("lobby", 1, &batch)?.earlier, Some(newest));
    assert_eq!(
        notified.command(&["PING"])?,
        Reply::Array(vec![Reply::Bulk(b"pong".to_vec()), Reply::Bulk(Vec::new())])
    );
    Ok(())
}
