//! The members of rooms.

use std::collections::BTreeMap;

use super::super::fault::ErrorKind;
use super::super::header::{Change, Header, Payload};
use super::super::keys::MachineId;
use super::super::scripts::log::Outgoing;
use super::super::scripts::presence::{
    Beat, Changed, Entered, Entering, Id, Members, beat, beaten, changed, enter, entered, expire,
    leave, members, members_page, renew, renewed, rooms, rooms_of, settle,
};
use super::super::scripts::{NoAnswer, Script};
use super::super::wire::Reply;
use super::{Link, Outcome, Position, RedisServer, texts};

type Answer<T> = Result<T, Box<dyn std::error::Error>>;

/// Longer than any test takes, in milliseconds.
const LONG: u64 = 600_000;

/// A short time that a test waits for, in milliseconds.
const SHORT: u64 = 20;

fn id(member: u8) -> Id {
    [member; 12]
}

impl Link {
    fn enter(&mut self, client: u64, member: u8, meta: &str) -> Answer<Entered> {
        self.enter_below(1000, client, member, meta)
    }

    fn enter_below(
        &mut self,
        max_announced: u32,
        client: u64,
        member: u8,
        meta: &str,
    ) -> Answer<Entered> {
        let (id, meta) = (id(member), meta.to_owned());
        let about = |change| Header {
            change,
            ..Header::message(self.context.machine, 0, Payload::Nothing)
        };
        let joined = about(Change::Joined {
            id,
            meta: meta.clone(),
        });
        let left = about(Change::Left { id });
        let outgoing = |header, payload| Outgoing { header, payload };
        let entering = Entering {
            client,
            id,
            meta: &meta,
            joined: outgoing(&joined, b"joined"),
            left: outgoing(&left, b"left\0"),
            max_announced,
        };
        let reply = self.ask(|context, into| enter(context, "lobby", &entering, into))?;
        Ok(entered(reply)?)
    }

    fn leave(&mut self, client: u64, grace: u64) -> Answer<Changed> {
        let reply = self.ask(|context, into| leave(context, "lobby", client, grace, into))?;
        Ok(changed(Script::Leave, reply)?)
    }

    fn expire(&mut self, dead: u64, grace: u64) -> Answer<Changed> {
        let dead = MachineId(dead);
        let reply = self.ask(|context, into| expire(context, "lobby", dead, grace, into))?;
        Ok(changed(Script::Expire, reply)?)
    }

    fn settle(&mut self) -> Answer<Changed> {
        let reply = self.ask(|context, into| settle(context, "lobby", into))?;
        Ok(changed(Script::Settle, reply)?)
    }

    /// Asks again until nobody has a grace period.
    fn settle_all(&mut self) -> Outcome {
        while let Some(next) = self.settle()?.next {
            std::thread::sleep(std::time::Duration::from_millis(next));
        }
        Ok(())
    }

    fn beat(&mut self, lease: u64, look: bool) -> Answer<Beat> {
        Ok(beaten(
            self.ask(|context, into| beat(context, lease, look, into))?,
        )?)
    }

    /// Asks again until there is a dead server.
    fn wait_for_dead(&mut self) -> Answer<Vec<MachineId>> {
        loop {
            let dead = self.beat(LONG, true)?.dead;
            if !dead.is_empty() {
                return Ok(dead);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    fn rooms_of(&mut self, machine: u64) -> Answer<Vec<String>> {
        Ok(rooms(self.ask(|context, into| {
            rooms_of(context, MachineId(machine), into)
        })?)?)
    }

    fn members(&mut self, cursor: u64) -> Answer<Members> {
        Ok(members_page(self.ask(|context, into| {
            members(context, "lobby", cursor, into)
        })?)?)
    }

    /// The list of members, the number of those that are not announced, and the number of pages.
    fn list(&mut self) -> Answer<(BTreeMap<u8, String>, u64, usize)> {
        let (mut list, mut pages, mut cursor) = (BTreeMap::new(), 0, 0);
        loop {
            let page = self.members(cursor)?;
            pages += 1;
            list.extend(page.members.into_iter().map(|(id, meta)| (id[0], meta)));
            match page.next {
                Some(next) => cursor = next,
                None => return Ok((list, page.unannounced, pages)),
            }
        }
    }

    fn log(&mut self) -> Answer<Vec<String>> {
        Ok(texts(&self.read("lobby", Position::new(0, 0))?.entries))
    }
}

fn list(members: &[(u8, &str)]) -> BTreeMap<u8, String> {
    let owned = members.iter().map(|(id, meta)| (*id, (*meta).to_owned()));
    owned.collect()
}

#[test]
fn a_member_with_two_connections_joins_and_leaves_once() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let (mut one, mut two) = (Link::open(&redis, 1)?, Link::open(&redis, 2)?);
    let first = one.enter(1, 7, "Ann")?;
    assert!(first.is_announced);
    assert_eq!((first.at.number(), first.next), (1, None));
    // Again: the reply was lost.
    assert_eq!(one.enter(1, 7, "Ann")?, first);
    assert_eq!(two.enter(1, 7, "Ann")?.at, first.at);
    assert_eq!(one.list()?.0, list(&[(7, "Ann")]));
    assert_eq!(one.members(0)?.at, Some(first.at));
    let left = one.leave(1, 0)?;
    assert_eq!((left.at, left.removed, left.left), (first.at, 1, 0));
    assert_eq!(one.leave(1, 0)?.removed, 0);
    let left = two.leave(1, 0)?;
    assert_eq!((left.at.number(), left.removed), (2, 1));
    assert_eq!(two.leave(1, 0)?.at, left.at);
    assert_eq!(one.log()?, ["1 +7 Ann", "2 -7"]);
    assert_eq!(one.list()?.0, list(&[]));
    Ok(())
}

#[test]
fn new_metadata_is_an_entry_and_an_old_one_is_none() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.enter(1, 7, "Ann")?;
    link.enter(2, 7, "Anna")?;
    link.enter(2, 7, "Anna")?;
    assert_eq!(link.log()?, ["1 +7 Ann", "2 +7 Anna"]);
    assert_eq!(link.list()?.0, list(&[(7, "Anna")]));
    // The same connection as another member: the first one keeps its other connection.
    link.enter(2, 8, "Bob")?;
    link.enter(1, 8, "Bob")?;
    assert_eq!(link.log()?[2..], ["3 +8 Bob", "4 -7"]);
    assert_eq!(link.list()?.0, list(&[(8, "Bob")]));
    Ok(())
}

#[test]
fn only_announced_members_leave_with_an_entry() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    assert!(link.enter_below(2, 1, 1, "a")?.is_announced);
    assert!(link.enter_below(2, 2, 2, "b")?.is_announced);
    assert!(!link.enter_below(2, 3, 3, "c")?.is_announced);
    let (members, unannounced, _) = link.list()?;
    assert_eq!((members, unannounced), (list(&[(1, "a"), (2, "b")]), 1));
    link.leave(1, 0)?;
    // It was decided when the member entered.
    assert!(!link.enter_below(2, 4, 3, "c")?.is_announced);
    link.leave(3, 0)?;
    link.leave(4, 0)?;
    assert_eq!(link.list()?, (list(&[(2, "b")]), 0, 1));
    assert!(link.enter_below(2, 5, 3, "c")?.is_announced);
    assert_eq!(link.log()?, ["1 +1 a", "2 +2 b", "3 -1", "4 +3 c"]);
    Ok(())
}

#[test]
fn a_member_that_comes_back_in_its_grace_period_neither_leaves_nor_joins() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let (mut one, mut two) = (Link::open(&redis, 1)?, Link::open(&redis, 2)?);
    one.enter(1, 7, "Ann")?;
    one.enter(2, 8, "Bob")?;
    let left = one.leave(1, LONG)?;
    assert!(
        left.next
            .is_some_and(|next| (LONG - 60_000..=LONG).contains(&next))
    );
    // It is still a member, and is counted once.
    assert_eq!(one.list()?, (list(&[(7, "Ann"), (8, "Bob")]), 0, 1));
    assert_eq!(two.enter(1, 7, "Ann")?.next, None);
    assert_eq!(one.log()?, ["1 +7 Ann", "2 +8 Bob"]);
    one.leave(2, SHORT)?;
    two.leave(1, SHORT)?;
    one.settle_all()?;
    two.settle_all()?;
    assert_eq!(one.list()?.0, list(&[]));
    let mut left = one.log()?.split_off(2);
    left.sort();
    assert!(
        left == ["3 -7", "4 -8"] || left == ["3 -8", "4 -7"],
        "{left:?}"
    );
    // The grace period is over, although nobody has asked: the member leaves and joins.
    one.enter(3, 7, "Ann")?;
    let next = one.leave(3, 1)?.next;
    std::thread::sleep(std::time::Duration::from_millis(next.unwrap_or(0) + 1));
    one.enter(4, 7, "Ann")?;
    assert_eq!(one.log()?[4..], ["5 +7 Ann", "6 -7", "7 +7 Ann"]);
    Ok(())
}

#[test]
fn the_members_of_a_dead_server_leave_exactly_once() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let (mut dead, mut two) = (Link::open(&redis, 1)?, Link::open(&redis, 2)?);
    let mut three = Link::open(&redis, 3)?;
    for link in [&mut dead, &mut two, &mut three] {
        link.context.log.entries = 1000;
    }
    for member in 1..=150 {
        dead.enter(member.into(), member, "x")?;
    }
    dead.enter(1000, 1, "x")?;
    two.enter(1, 150, "x")?;
    // No lease has ended: so nothing is removed.
    assert!(!dead.beat(LONG, false)?.is_unbroken);
    assert!(dead.beat(LONG, false)?.is_unbroken);
    assert_eq!(two.beat(LONG, true)?.dead, []);
    assert_eq!(two.expire(1, 0)?.removed, 0);
    // The process ends.
    dead.beat(1, false)?;
    assert_eq!(two.wait_for_dead()?, [MachineId(1)]);
    assert_eq!(two.rooms_of(1)?, ["lobby"]);
    let first = two.expire(1, 0)?;
    assert_eq!((first.removed, first.left), (100, 51));
    let second = three.expire(1, 0)?;
    assert_eq!((second.removed, second.left), (51, 0));
    let third = two.expire(1, 0)?;
    assert_eq!((third.removed, third.at), (0, second.at));
    assert_eq!(two.rooms_of(1)?, <[String; 0]>::default());
    assert_eq!(three.beat(LONG, true)?.dead, []);
    let log = two.log()?;
    let left = log.iter().filter(|entry| entry.contains(" -")).count();
    assert_eq!((log.len(), left), (150 + 149, 149));
    assert_eq!(two.list()?.0, list(&[(150, "x")]));
    // The server was alive after all: it learns that its lease has ended.
    assert!(!dead.beat(LONG, false)?.is_unbroken);
    Ok(())
}

#[test]
fn members_of_a_dead_server_have_a_grace_period_too() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let (mut dead, mut two) = (Link::open(&redis, 1)?, Link::open(&redis, 2)?);
    dead.enter(1, 7, "Ann")?;
    dead.enter(2, 8, "Bob")?;
    dead.beat(1, false)?;
    two.wait_for_dead()?;
    assert_eq!(two.expire(1, LONG)?.removed, 2);
    two.enter(1, 7, "Ann")?;
    assert_eq!(two.log()?, ["1 +7 Ann", "2 +8 Bob"]);
    let next = two.settle()?.next;
    assert!(next.is_some_and(|next| next > LONG / 2));
    Ok(())
}

#[test]
fn joins_and_leaves_are_trimmed_as_messages_are() -> Outcome {
    let Some(redis) = RedisServer::start(&["--appendonly", "no"])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    for client in 0..1000 {
        link.enter(client, 7, "Ann")?;
        link.leave(client, 0)?;
    }
    let log = link.log()?;
    assert!((256..=288).contains(&log.len()), "{}", log.len());
    assert_eq!(log.last().map(String::as_str), Some("2000 -7"));
    link.context.log.bytes = 8000;
    link.enter(1, 7, &"x".repeat(1000))?;
    let kept = link.log()?.len();
    assert!((40..100).contains(&kept), "{kept}");
    Ok(())
}

#[test]
fn a_long_list_is_read_in_pages() -> Outcome {
    let Some(redis) = RedisServer::start(&["--appendonly", "no"])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let meta = "x".repeat(1000);
    for member in 0..=255 {
        link.enter(member.into(), member, &meta)?;
    }
    let (members, unannounced, pages) = link.list()?;
    assert_eq!((members.len(), unannounced), (256, 0));
    assert!(pages > 1);
    Ok(())
}

#[test]
fn a_redis_without_memory_changes_no_member() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.enter(1, 7, "Ann")?;
    link.beat(LONG, false)?;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"])?;
    let refused = |error: Box<dyn std::error::Error>| match error.downcast_ref() {
        Some(NoAnswer::Redis(error)) => Some(error.kind),
        _ => None,
    };
    let entered = link.enter(2, 8, "Bob").err().and_then(refused);
    assert_eq!(entered, Some(ErrorKind::OutOfMemory));
    let left = link.leave(1, 0).err().and_then(refused);
    assert_eq!(left, Some(ErrorKind::OutOfMemory));
    // The lease goes on.
    assert!(link.beat(LONG, false)?.is_unbroken);
    redis.command(&["CONFIG", "SET", "maxmemory", "0"])?;
    assert_eq!(link.list()?, (list(&[(7, "Ann")]), 0, 1));
    assert_eq!(link.log()?, ["1 +7 Ann"]);
    link.enter(2, 8, "Bob")?;
    link.leave(1, 0)?;
    assert_eq!(link.log()?[1..], ["2 +8 Bob", "3 -7"]);
    Ok(())
}

#[test]
fn members_survive_another_life_of_the_server() -> Outcome {
    let Some(mut redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let before = Link::open(&redis, 1)?.enter(1, 7, "Ann")?;
    redis.kill()?;
    redis.restart()?;
    let mut link = Link::open(&redis, 1)?;
    let again = link.enter(1, 7, "Ann")?;
    assert_eq!(again.at.number(), 0);
    assert!(again.at > before.at);
    // The new epoch is the same in the next call, and says what it follows.
    assert_eq!(link.settle()?.at, again.at);
    link.leave(1, 0)?;
    let entries = link.read("lobby", before.at)?.entries;
    assert_eq!(texts(&entries), ["1 -7"]);
    assert_eq!(entries[0].before, Some(before.at));
    Ok(())
}

#[test]
fn every_key_of_members_has_its_time_which_is_renewed() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.enter(1, 7, "Ann")?;
    link.enter(2, 8, "Bob")?;
    link.leave(2, LONG)?;
    link.beat(LONG, true)?;
    link.say("lobby", 1, &["one"])?;
    let keys = redis.command(&["KEYS", "*"])?;
    assert_eq!(keys.lines().count(), 10, "{keys}");
    for key in keys.lines() {
        let seconds: i64 = redis.command(&["TTL", key])?.parse()?;
        assert!(seconds > 500, "{key}: {seconds}");
        redis.command(&["EXPIRE", key, "100"])?;
    }
    let reply = link.ask(|context, into| renew(context, "lobby", into))?;
    assert_eq!(renewed(reply)?, 1);
    link.beat(LONG, true)?;
    for key in keys.lines().filter(|key| !key.ends_with(":log")) {
        let seconds: i64 = redis.command(&["TTL", key])?.parse()?;
        assert!(seconds > 500, "{key}: {seconds}");
    }
    redis.command(&["FLUSHALL"])?;
    let reply = link.ask(|context, into| renew(context, "lobby", into))?;
    assert_eq!(renewed(reply)?, 0);
    let error = renewed(Reply::Error("LOADING".to_owned()));
    assert!(matches!(error, Err(NoAnswer::Redis(error)) if error.kind == ErrorKind::Loading));
    Ok(())
}
