//! The scripts, executed by a real Redis.

mod cost;

mod forget;

mod log;

mod pages;

mod sizes;

mod start;

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::facts::{ServerFacts, info};
use super::header::{Header, Payload};
use super::keys::{Keys, MachineId};
use super::scan::Bounds;
use super::scripts::log::{
    Appended, Outgoing, Page, PageLimits, append, appended, attach, pages, read,
};
use super::scripts::{ALL, Context, LogBounds, load, loaded};
use super::test_server::RedisServer;
use super::wire::{Decoder, Reply, encode};
use super::{Position, entry::Body, entry::Entry};

/// The result of a test.
type Outcome = Result<(), Box<dyn Error>>;

const REPLIES: Bounds = Bounds {
    line: 64 * 1024,
    bulk: 4 * 1024 * 1024,
    items: 100_000,
    reply: 16 * 1024 * 1024,
};

const LOG: LogBounds = LogBounds {
    entries: 256,
    bytes: 256 * 1024,
    log_seconds: 600,
    state_seconds: 86_400,
    inline: 16 * 1024,
};

const LIMITS: PageLimits = PageLimits {
    entries: 10_000,
    bytes: 1 << 20,
    total: 1 << 20,
};

/// The connection of a server to Redis.
struct Link {
    stream: UnixStream,
    decoder: Decoder,
    context: Context,
}

impl Link {
    /// Connects as the server with this number, and loads the scripts.
    fn open(redis: &RedisServer, machine: u64) -> Result<Link, Box<dyn Error>> {
        let mut link = Link::connect(redis, machine)?;
        link.context.life = link.facts()?.life;
        let mut bytes = Vec::new();
        load(&mut bytes);
        link.stream.write_all(&bytes)?;
        for script in ALL {
            loaded(script, link.reply()?)?;
        }
        Ok(link)
    }

    /// Connects, and sends nothing.
    fn connect(redis: &RedisServer, machine: u64) -> Result<Link, Box<dyn Error>> {
        Ok(Link {
            stream: redis.connect()?,
            decoder: Decoder::new(REPLIES),
            context: Context {
                keys: Keys::new("test"),
                machine: MachineId(machine),
                life: String::new(),
                log: LOG,
            },
        })
    }

    fn facts(&mut self) -> Result<ServerFacts, Box<dyn Error>> {
        let mut bytes = Vec::new();
        let count = info(&mut bytes);
        self.stream.write_all(&bytes)?;
        let mut text = String::new();
        for _ in 0..count {
            match self.reply()? {
                Reply::Bulk(bytes) => text += &String::from_utf8(bytes)?,
                reply => return Err(format!("{reply:?}").into()),
            }
        }
        Ok(ServerFacts::read(&text)?)
    }

    /// Sends what the closure appends, and returns the reply.
    fn ask(&mut self, call: impl FnOnce(&Context, &mut Vec<u8>)) -> Result<Reply, Box<dyn Error>> {
        let mut bytes = Vec::new();
        call(&self.context, &mut bytes);
        self.stream.write_all(&bytes)?;
        self.reply()
    }

    fn command(&mut self, parts: &[&str]) -> Result<Reply, Box<dyn Error>> {
        self.ask(|_, into| encode(parts, into))
    }

    fn reply(&mut self) -> Result<Reply, Box<dyn Error>> {
        let mut bytes = [0; 64 * 1024];
        loop {
            if let Some(reply) = self.decoder.next()? {
                return Ok(reply);
            }
            match self.stream.read(&mut bytes)? {
                0 => return Err("Redis has closed the connection".into()),
                len => self.decoder.feed(&bytes[..len]),
            }
        }
    }

    /// Appends texts as messages of this server, with consecutive counters.
    fn say(&mut self, room: &str, first: u64, texts: &[&str]) -> Result<Appended, Box<dyn Error>> {
        let machine = self.context.machine;
        let counters = first..;
        let headers = counters.map(|counter| Header::message(machine, counter, Payload::Text));
        let headers: Vec<Header> = headers.take(texts.len()).collect();
        let batch = headers.iter().zip(texts);
        let batch: Vec<Outgoing<'_>> = batch
            .map(|(header, text)| Outgoing {
                header,
                payload: text.as_bytes(),
            })
            .collect();
        let reply = self.ask(|context, into| append(context, room, first, &batch, into))?;
        Ok(appended(reply)?)
    }

    fn read(&mut self, room: &str, after: Position) -> Result<Page, Box<dyn Error>> {
        let rooms = [(room, after)];
        let reply = self.ask(|context, into| read(context, &rooms, &LIMITS, into))?;
        one(pages(reply)?)
    }

    fn attach(&mut self, room: &str) -> Result<Page, Box<dyn Error>> {
        let reply = self.ask(|context, into| attach(context, &[room], &LIMITS, into))?;
        one(pages(reply)?)
    }
}

fn one(pages: Vec<Page>) -> Result<Page, Box<dyn Error>> {
    let [page] = <[Page; 1]>::try_from(pages).map_err(|pages| format!("{pages:?}"))?;
    Ok(page)
}

/// Returns a short text of each entry: its number, and the message.
fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| {
        let number = entry.at.number();
        match &entry.body {
            Body::Known(_, payload) => {
                let payload = String::from_utf8_lossy(payload);
                format!("{number} {payload}")
            }
            body => format!("{number} {body:?}"),
        }
    };
    entries.iter().map(text).collect()
}
