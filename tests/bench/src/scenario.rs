//! The scenarios that each server runs.

use crate::HandlerResult;
use crate::load::{Broadcast, Echo, Figures, Storm, Target, connect, idle};
use crate::servers::Mode;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    load: Load,
}

enum Load {
    Echo(Echo),
    SecureEcho(Echo),
    Broadcast(Broadcast),
    Rooms(Broadcast),
    Connect,
    Idle(usize),
    Storm(Storm),
}

#[rustfmt::skip]
pub(crate) const SCENARIOS: [Scenario; 16] = [
    scenario("echo-d1", "64 clients, 64 bytes, one message of each on the way", echo(64, 64, 1)),
    scenario("echo-d16", "64 clients, 64 bytes, 16 messages of each on the way", echo(64, 64, 16)),
    scenario("echo-d64", "16 clients, 64 bytes, 64 messages of each on the way", echo(16, 64, 64)),
    scenario("broadcast-w1", "100 clients, 64 bytes, one message on the way", broadcast(100, 0, 64, 1, 1)),
    scenario("broadcast-w16", "100 clients, 64 bytes, 4 publishers with 16 messages each on the way", broadcast(100, 0, 64, 4, 16)),
    scenario("broadcast-json", "1000 clients, 1 KiB, one message on the way; compressed once, for each, and not", broadcast(1000, 0, 1024, 1, 1)),
    scenario("rooms-w1", "1000 clients in 100 rooms, 64 bytes, one message on the way in each room", rooms(1000, 100, 64, 1)),
    scenario("rooms-w8", "1000 clients in 100 rooms, 64 bytes, 8 messages on the way in each room", rooms(1000, 100, 64, 8)),
    scenario("resume", "100 clients, 64 bytes, one message on the way; again and again, 2000 others resume at once, and miss 100 messages of 100 bytes", Load::Storm(Storm { clients: 2000, others: 100 })),
    scenario("connect", "16 at a time open, shake hands, say goodbye and wait for the end", Load::Connect),
    scenario("idle", "1000 silent clients; then broadcasts to them, one at a time", Load::Idle(1000)),
    scenario("large", "4 clients, messages of 1 MiB, one of each on the way", echo(4, 1 << 20, 1)),
    scenario("tls-echo-d1", "TLS; 64 clients, 64 bytes, one message of each on the way", secure(echo(64, 64, 1))),
    scenario("tls-echo-d16", "TLS; 64 clients, 64 bytes, 16 messages of each on the way", secure(echo(64, 64, 16))),
    scenario("tls-large", "TLS; 4 clients, messages of 1 MiB, one of each on the way", secure(echo(4, 1 << 20, 1))),
    scenario("slow", "45 clients, 8 KiB, 4 publishers with 8 messages each on the way; 5 more clients never read", broadcast(45, 5, 8192, 4, 8)),
];

const fn scenario(name: &'static str, about: &'static str, load: Load) -> Scenario {
    Scenario { name, about, load }
}

const fn echo(clients: usize, size: usize, depth: usize) -> Load {
    Load::Echo(Echo {
        clients,
        size,
        depth,
    })
}

const fn secure(load: Load) -> Load {
    match load {
        Load::Echo(echo) => Load::SecureEcho(echo),
        other => other,
    }
}

const fn broadcast(
    clients: usize,
    stalled: usize,
    size: usize,
    pubs: usize,
    window: usize,
) -> Load {
    Load::Broadcast(Broadcast {
        clients,
        stalled,
        size,
        publishers: pubs,
        window,
        rooms: 1,
    })
}

/// One client in each room publishes.
const fn rooms(clients: usize, rooms: usize, size: usize, window: usize) -> Load {
    Load::Rooms(Broadcast {
        clients,
        stalled: 0,
        size,
        publishers: rooms,
        window,
        rooms,
    })
}

impl Scenario {
    pub(crate) fn mode(&self) -> Mode {
        match self.load {
            Load::Echo(_) | Load::Connect => Mode::Echo,
            Load::Broadcast(_) | Load::Idle(_) => Mode::Broadcast,
            Load::Rooms(_) => Mode::Rooms,
            Load::Storm(_) => Mode::Resume,
            Load::SecureEcho(_) => Mode::SecureEcho,
        }
    }

    pub(crate) fn run(&self, target: &Target) -> HandlerResult<Figures> {
        match self.load {
            Load::Echo(echo) | Load::SecureEcho(echo) => echo.run(target),
            Load::Broadcast(broadcast) | Load::Rooms(broadcast) => broadcast.run(target),
            Load::Connect => connect(target),
            Load::Idle(clients) => idle(clients, target),
            Load::Storm(storm) => storm.run(target),
        }
    }
}
