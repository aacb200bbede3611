//! Many clients, many rooms and many messages at once.

use std::thread;
use std::time::{Duration, Instant};

use stentor::server::{Followed, History, Redis as Options, Since};

use super::{Figures, PATIENCE};
use crate::HandlerResult;
use crate::clients::{Clients, Dialect};
use crate::redis::{Disk, Redis};
use crate::servers::{Local, MISSED, ROOM, ROOMS, room};

/// The clients of each of two servers.
const CLIENTS: usize = 1000;

/// Lets two thousand clients resume at once, on servers that do not know the room yet, and again.
pub(super) fn resume(_: Duration) -> HandlerResult<Figures> {
    let redis = Redis::start(Disk::Off)?;
    {
        let publisher = Local::shared(&redis.address())?;
        for number in 0..MISSED {
            publisher.handle.room(ROOM).publish(number.to_string())?;
        }
    }
    let servers = [
        Local::shared(&redis.address())?,
        Local::shared(&redis.address())?,
    ];
    let ports = servers.each_ref().map(|server| server.port);
    let mut figures = Figures::new();
    for name in ["first", "second"] {
        let mut clients = Clients::connect(Dialect::Stentor, &ports, CLIENTS)?;
        let (before, began) = (redis.scripts()?, Instant::now());
        for index in 0..clients.len() {
            clients.send(index, "resume")?;
        }
        let mut next = vec![0; clients.len()];
        let mut left = MISSED * clients.len();
        while left > 0 {
            if began.elapsed() > PATIENCE {
                return Err(format!("{left} missed messages did not arrive").into());
            }
            clients.turn(Duration::from_millis(10), |client, text| {
                let expected: usize = next[client];
                if text.parse() != Ok(expected) {
                    return Err(format!("{text} instead of the message {expected}").into());
                }
                next[client] += 1;
                left -= 1;
                Ok(())
            })?;
        }
        let took = began.elapsed().as_secs_f64();
        let reads = redis.scripts()? - before;
        let most = if name == "first" {
            servers.len() as u64
        } else {
            0
        };
        if reads > most {
            return Err(format!("{reads} reads, and not {most}").into());
        }
        figures.push((format!("{name} time: reads of Redis"), reads as f64));
        figures.push((format!("{name} time: s"), took));
    }
    Ok(figures)
}

/// Attaches ten thousand rooms, and reads them again after the connections were cut.
pub(super) fn attach(_: Duration) -> HandlerResult<Figures> {
    let redis = Redis::start(Disk::Off)?;
    let server = Local::shared(&redis.address())?;
    let mut clients = Clients::connect(Dialect::Stentor, &[server.port], 1)?;
    let began = Instant::now();
    clients.send(0, "rooms")?;
    let mut is_in = false;
    while !is_in && began.elapsed() < PATIENCE {
        clients.turn(Duration::from_millis(10), |_, text| {
            is_in = text == "joined";
            Ok(())
        })?;
    }
    for number in (0..ROOMS).rev() {
        server.handle.history(&room(number), None, 1)?;
    }
    let first = (began.elapsed().as_secs_f64(), redis.scripts()?);
    let began = Instant::now();
    redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"])?;
    while server.handle.counters().redis.reconnects == 0 || server.handle.health().degraded {
        if began.elapsed() > PATIENCE {
            return Err("the server does not connect again".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    // Each room is read: its message comes behind that.
    for number in 0..ROOMS {
        server.handle.room(&room(number)).broadcast("again");
    }
    let mut left = ROOMS;
    while left > 0 {
        if began.elapsed() > PATIENCE {
            return Err(format!("{left} rooms were not read again").into());
        }
        clients.turn(Duration::from_millis(10), |_, text| {
            left -= usize::from(text == "again");
            Ok(())
        })?;
    }
    let counters = server.handle.counters().redis;
    if (counters.gaps, counters.refused) != (0, 0) {
        return Err(format!("{counters:?}").into());
    }
    Ok(vec![
        ("10,000 rooms: s".into(), first.0),
        ("10,000 rooms: commands".into(), first.1 as f64),
        (
            "after a cut, with a message to each: s".into(),
            began.elapsed().as_secs_f64(),
        ),
    ])
}

/// Lets a server catch up with ten thousand messages of another one after its connections were cut.
pub(super) fn catch_up(_: Duration) -> HandlerResult<Figures> {
    const MESSAGES: usize = 10_000;
    const TEXT: usize = 100;
    let redis = Redis::start(Disk::Off)?;
    let user = [
        "ACL", "SETUSER", "late", "on", ">secret", "~*", "&*", "+@all",
    ];
    redis.command(&user)?;
    let history = || History::new().max_entries(2 * MESSAGES).max_bytes(64 << 20);
    let address = redis.address_of("late:secret@");
    let options = Options::at(&address)?.max_pause(Duration::from_millis(50));
    let late = Local::start(history().redis(options))?;
    let other = Local::start(history().redis(Options::at(&redis.address())?))?;
    let mut follow = late.handle.follow(ROOM, Since::Last(0))?;
    redis.command(&["ACL", "SETUSER", "late", "off"])?;
    redis.command(&["CLIENT", "KILL", "USER", "late"])?;
    let room = other.handle.room(ROOM);
    for number in 0..MESSAGES - 1 {
        room.broadcast(format!("{number:0TEXT$}"));
    }
    room.publish(format!("{:0TEXT$}", MESSAGES - 1))?;
    let began = Instant::now();
    redis.command(&["ACL", "SETUSER", "late", "on"])?;
    for number in 0..MESSAGES {
        match follow.next() {
            Some(Followed::Entry(entry))
                if entry.message.as_text().map(str::parse) == Some(Ok(number)) => {}
            other => return Err(format!("{other:?} instead of the message {number}").into()),
        }
    }
    let took = began.elapsed().as_secs_f64();
    Ok(vec![("10,000 messages of 100 bytes: s".into(), took)])
}
