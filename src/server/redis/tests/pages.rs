//! Pages of rooms' logs.

use super::super::scripts::log::PageLimits;
use super::{LIMITS, Link, Outcome, Position, RedisServer, attach, pages, read};

fn limits(entries: u32, bytes: u32) -> PageLimits {
    PageLimits {
        entries,
        bytes,
        ..LIMITS
    }
}

#[test]
fn a_page_is_limited_but_has_an_entry_if_there_is_one() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let large = "x".repeat(1000);
    let texts = vec![&large[..]; 50];
    let tip = link.say("lobby", 1, &texts)?.tip;
    let at = |number| Position::new(tip.epoch(), number);
    for (limits, after, expected) in [
        (limits(3, 1 << 20), 10, 11..=13),
        (limits(8, 1 << 20), 10, 11..=18),
        (limits(9, 1 << 20), 45, 46..=50),
        (limits(100, 11_500), 10, 11..=20),
        (limits(100, 1), 10, 11..=11),
    ] {
        let rooms = [("lobby", at(after))];
        let reply = link.ask(|context, into| read(context, &rooms, &limits, into))?;
        let numbers = numbers(reply)?;
        assert_eq!(numbers, [expected.collect::<Vec<_>>()]);
    }
    assert_eq!(link.read("lobby", tip)?.entries, []);
    let limits = limits(10, 5000);
    let reply = link.ask(|context, into| attach(context, &["lobby"], &limits, into))?;
    assert_eq!(numbers(reply)?, [[47, 48, 49, 50]]);
    assert_eq!(link.attach("lobby")?.entries.len(), 50);
    Ok(())
}

#[test]
fn one_call_reads_rooms_until_their_pages_are_large() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let large = "x".repeat(1000);
    let start = Position::new(0, 0);
    let mut counter = 1;
    for (room, count) in [("a", 2), ("b", 3), ("c", 1)] {
        link.say(room, counter, &vec![&large[..]; count])?;
        counter += count as u64;
    }
    let rooms = ["a", "new", "b", "c"];
    let all = [vec![1, 2], vec![], vec![1, 2, 3], vec![1]];
    // The third room exceeds 4,000 bytes, and the first one is read in any case.
    for (total, count) in [(1 << 20, 4), (4000, 3), (1, 1)] {
        let limits = PageLimits { total, ..LIMITS };
        let reply = link.ask(|context, into| attach(context, &rooms, &limits, into))?;
        assert_eq!(numbers(reply)?, all[..count]);
        let after = rooms.map(|room| (room, start));
        let reply = link.ask(|context, into| read(context, &after, &limits, into))?;
        assert_eq!(numbers(reply)?, all[..count]);
    }
    // Each room has its own position, and a new one gets it once.
    let reply = link.ask(|context, into| attach(context, &rooms, &LIMITS, into))?;
    let tips: Vec<_> = pages(reply)?.iter().map(|page| page.tip).collect();
    let tips = tips.into_iter().map(|tip| tip.ok_or("no tip"));
    let tips: Vec<_> = tips.collect::<Result<_, _>>()?;
    assert_eq!(
        [0, 1, 2, 3].map(|place| tips[place].at.number()),
        [2, 0, 3, 1]
    );
    let after: Vec<_> = rooms
        .iter()
        .zip(&tips)
        .map(|(room, tip)| (*room, tip.at))
        .collect();
    let reply = link.ask(|context, into| read(context, &after, &LIMITS, into))?;
    let read = pages(reply)?;
    assert!(read.iter().all(|page| page.entries.is_empty()));
    let again: Vec<_> = read.iter().filter_map(|page| page.tip).collect();
    assert_eq!(again, tips);
    Ok(())
}

/// Returns the numbers of the entries of each page.
fn numbers(reply: super::Reply) -> Result<Vec<Vec<u64>>, Box<dyn std::error::Error>> {
    let numbers = pages(reply)?.into_iter().map(|page| {
        let numbers = page.entries.iter().map(|entry| entry.at.number());
        numbers.collect()
    });
    Ok(numbers.collect())
}
