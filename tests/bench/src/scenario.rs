//! What is asked of each server.

use crate::Outcome;
use crate::load::{Broadcast, Echo, Figures, Target, connect, idle};
use crate::servers::Mode;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    load: Load,
}

enum Load {
    Echo(Echo),
    Broadcast(Broadcast),
    Connect,
    Idle(usize),
}

impl Scenario {
    pub(crate) fn mode(&self) -> Mode {
        match self.load {
            Load::Echo(_) | Load::Connect => Mode::Echo,
            Load::Broadcast(_) | Load::Idle(_) => Mode::Broadcast,
        }
    }

    pub(crate) fn run(&self, target: &Target) -> Outcome<Figures> {
        match &self.load {
            Load::Echo(echo) => echo.run(target),
            Load::Broadcast(broadcast) => broadcast.run(target),
            Load::Connect => connect(target),
            Load::Idle(clients) => idle(*clients, target),
        }
    }
}

pub(crate) const SCENARIOS: [Scenario; 9] = [
    Scenario {
        name: "echo-d1",
        about: "64 clients, 64 bytes, one message of each on the way",
        load: echo(64, 64, 1),
    },
    Scenario {
        name: "echo-d16",
        about: "64 clients, 64 bytes, 16 messages of each on the way",
        load: echo(64, 64, 16),
    },
    Scenario {
        name: "echo-d64",
        about: "16 clients, 64 bytes, 64 messages of each on the way",
        load: echo(16, 64, 64),
    },
    Scenario {
        name: "broadcast-w1",
        about: "100 clients, 64 bytes, one publisher, one message on the way; latency to the last",
        load: broadcast(100, 0, 64, 1, 1),
    },
    Scenario {
        name: "broadcast-w16",
        about: "100 clients, 64 bytes, 4 publishers, 16 messages of each on the way; latency to \
            the last",
        load: broadcast(100, 0, 64, 4, 16),
    },
    Scenario {
        name: "connect",
        about: "16 at a time open, shake hands, say goodbye and wait to be hung up on; latency of \
            the handshake",
        load: Load::Connect,
    },
    Scenario {
        name: "idle",
        about: "1000 silent clients; then broadcasts to them, one at a time",
        load: Load::Idle(1000),
    },
    Scenario {
        name: "large",
        about: "4 clients, messages of 1 MiB, one of each on the way",
        load: echo(4, 1 << 20, 1),
    },
    Scenario {
        name: "slow",
        about: "45 clients, 8 KiB, 4 publishers, 8 messages of each on the way; 5 more clients \
            never read",
        load: broadcast(45, 5, 8192, 4, 8),
    },
];

const fn echo(clients: usize, size: usize, depth: usize) -> Load {
    Load::Echo(Echo {
        clients,
        size,
        depth,
    })
}

const fn broadcast(
    clients: usize,
    stalled: usize,
    size: usize,
    publishers: usize,
    window: usize,
) -> Load {
    Load::Broadcast(Broadcast {
        clients,
        stalled,
        size,
        publishers,
        window,
    })
}
