//! The script that forgets a room's messages.

use super::super::entry::forgotten as notified;
use super::super::scripts::log::{forget, forgotten};
use super::super::wire::Push;
use super::{Link, Outcome, Position, RedisServer, texts};

impl Link {
    fn forget(
        &mut self,
        room: &str,
        up_to: Position,
    ) -> Result<Option<Position>, Box<dyn std::error::Error>> {
        let reply = self.ask(|context, into| forget(context, room, up_to, into))?;
        Ok(forgotten(reply)?)
    }
}

#[test]
fn entries_up_to_a_position_are_gone_and_numbers_go_on() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let mut other = Link::open(&redis, 2)?;
    let channel = link.context.keys.channel("lobby");
    other.command(&["SUBSCRIBE", &channel])?;
    let tip = link.say("lobby", 1, &["one", "two", "three"])?.tip;
    other.reply()?;
    let at = |number| Position::new(tip.epoch(), number);
    assert_eq!(link.forget("lobby", at(2))?, Some(at(2)));
    let Ok(Push::Message(_, bytes)) = Push::read(other.reply()?) else {
        return Err("no notification".into());
    };
    assert_eq!(notified(&bytes), Some(at(2)));
    let page = link.attach("lobby")?;
    assert_eq!(texts(&page.entries), ["3 three"]);
    assert_eq!(
        (page.tip.map(|tip| tip.at), page.forgotten),
        (Some(tip), Some(at(2)))
    );
    // An earlier position changes nothing, and a later one than the newest is the newest.
    link.forget("lobby", at(1))?;
    assert_eq!(link.read("lobby", at(0))?.forgotten, Some(at(2)));
    assert_eq!(link.forget("lobby", at(u64::MAX))?, Some(at(3)));
    let page = link.read("lobby", at(0))?;
    assert_eq!((page.entries, page.forgotten), (Vec::new(), Some(at(3))));
    assert_eq!(link.say("lobby", 4, &["four"])?.tip, at(4));
    assert_eq!(texts(&link.attach("lobby")?.entries), ["4 four"]);
    Ok(())
}

#[test]
fn entries_of_earlier_epochs_are_forgotten_and_those_of_later_ones_stay() -> Outcome {
    let Some(mut redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let before = Link::open(&redis, 1)?.say("lobby", 1, &["one", "two"])?.tip;
    redis.kill()?;
    redis.restart()?;
    let mut link = Link::open(&redis, 1)?;
    let tip = link.say("lobby", 3, &["three", "four"])?.tip;
    assert!(tip.epoch() > before.epoch());
    let first = Position::new(before.epoch(), 1);
    assert_eq!(link.forget("lobby", first)?, Some(first));
    assert_eq!(
        texts(&link.attach("lobby")?.entries),
        ["2 two", "1 three", "2 four"]
    );
    // Behind the last one of its epoch.
    link.forget("lobby", Position::new(before.epoch(), u64::MAX))?;
    assert_eq!(texts(&link.attach("lobby")?.entries), ["1 three", "2 four"]);
    let begin = Position::new(tip.epoch(), 0);
    assert_eq!(link.forget("lobby", begin)?, Some(begin));
    assert_eq!(link.attach("lobby")?.entries.len(), 2);
    Ok(())
}

#[test]
fn a_position_that_the_room_has_not_reached_changes_nothing() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    assert_eq!(link.forget("new", Position::new(1, 1))?, None);
    assert_eq!(redis.command(&["DBSIZE"])?, "0");
    let tip = link.say("lobby", 1, &["one"])?.tip;
    assert_eq!(
        link.forget("lobby", Position::new(tip.epoch() + 1, 1))?,
        None
    );
    let page = link.attach("lobby")?;
    assert_eq!((page.entries.len(), page.forgotten), (1, None));
    Ok(())
}

#[test]
fn a_redis_without_memory_forgets_and_the_bytes_of_the_log_are_right_behind_that() -> Outcome {
    let Some(redis) = RedisServer::start(&["--appendonly", "no"])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let text = "x".repeat(1000);
    let tip = link.say("lobby", 1, &[&text[..]; 64])?.tip;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"])?;
    assert!(link.say("lobby", 65, &["no"]).is_err());
    let up_to = Position::new(tip.epoch(), 63);
    assert_eq!(link.forget("lobby", up_to)?, Some(up_to));
    redis.command(&["CONFIG", "SET", "maxmemory", "0"])?;
    // The limit of 256 KiB holds some 240 entries of such a size: none of these is removed.
    for counter in 0..20 {
        link.say("lobby", 65 + 10 * counter, &[&text[..]; 10])?;
    }
    let length = redis.command(&[
        "XLEN",
        &link
            .context
            .keys
            .key("lobby", super::super::keys::Kind::Log),
    ])?;
    assert_eq!(length, "201");
    Ok(())
}
