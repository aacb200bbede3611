//! What a message costs Redis, with eight servers that receive it, by the number of messages on their way.

use std::time::{Duration, Instant};

use stentor::server::{Follow, Followed, History, Redis as Options, Since};

use super::Figures;
use crate::HandlerResult;
use crate::redis::{Disk, Redis};
use crate::servers::{Local, ROOM};

const SERVERS: usize = 8;
const SIZE: usize = 100;

pub(super) fn batches(time: Duration) -> HandlerResult<Figures> {
    let mut figures = Figures::new();
    let redis = Redis::start(Disk::Off)?;
    let servers = (0..SERVERS).map(|_| Local::start(history(&redis)?));
    let servers: Vec<_> = servers.collect::<HandlerResult<_>>()?;
    let follows = servers
        .iter()
        .map(|it| it.handle.follow(ROOM, Since::Last(0)));
    let mut follows: Vec<_> = follows.collect::<Result<_, _>>()?;
    let room = servers[0].handle.room(ROOM);
    for window in [1, 8, 64, 512] {
        let batches = || servers[0].handle.counters().redis.batches;
        let (before, cpu, began) = (batches(), redis.cpu()?, Instant::now());
        let mut sent = 0_usize;
        while began.elapsed() < time / 4 {
            for number in sent..sent + window {
                room.broadcast(format!("{number:0SIZE$}"));
            }
            // The others are at most one window behind.
            check(&mut follows[..1], sent, window)?;
            check(&mut follows[1..], sent, window)?;
            sent += window;
        }
        let (took, cpu) = (began.elapsed(), redis.cpu()? - cpu);
        let per_batch = sent as f64 / (batches() - before) as f64;
        let mut add =
            |name: &str, value| figures.push((format!("{window} on their way: {name}"), value));
        add("messages of a batch", per_batch);
        add("µs of Redis for a message", cpu * 1e6 / sent as f64);
        add("messages in a second", sent as f64 / took.as_secs_f64());
    }
    Ok(figures)
}

/// A server keeps more than a window.
fn history(redis: &Redis) -> HandlerResult<History> {
    let history = History::new().max_entries(4096).max_bytes(4 << 20);
    Ok(history.redis(Options::at(&redis.address())?))
}

/// Takes the messages of one window from each follower.
fn check(follows: &mut [Follow], first: usize, window: usize) -> HandlerResult<()> {
    for follow in follows {
        for number in first..first + window {
            match follow.next() {
                Some(Followed::Entry(entry))
                    if entry.message.as_text().map(str::parse) == Some(Ok(number)) => {}
                other => return Err(format!("{other:?} instead of the message {number}").into()),
            }
        }
    }
    Ok(())
}
