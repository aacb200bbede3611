//! Who is compared. Each server is as simple as the documentation of its library suggests, with that
//! library's defaults; what could be won by hand, with any of them, is not looked for.

mod fastwebsockets;
mod floor;
mod stentor;
mod tokio_tungstenite;
mod tungstenite;

use std::io;
use std::net::TcpListener;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::Outcome;
use crate::load::Protocol;

/// What a server does with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It goes back to its sender.
    Echo,
    /// It goes to everyone, its sender too.
    Broadcast,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Echo => "echo",
            Mode::Broadcast => "broadcast",
        }
    }
}

pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// What its clients speak.
    pub(crate) protocol: Protocol,
    program: fn(TcpListener, Mode) -> io::Result<()>,
}

impl Contender {
    /// A floor that only differs where there is something to be joined is not run elsewhere.
    pub(crate) fn takes_part(&self, mode: Mode) -> bool {
        mode == Mode::Broadcast || self.name != "floor-joined"
    }
}

pub(crate) const CONTENDERS: [Contender; 7] = {
    const fn contender(
        name: &'static str,
        protocol: Protocol,
        program: fn(TcpListener, Mode) -> io::Result<()>,
    ) -> Contender {
        Contender {
            name,
            protocol,
            program,
        }
    }
    [
        contender("floor-threads", Protocol::Raw, floor::threads),
        contender("floor-joined", Protocol::Raw, floor::joined),
        contender("stentor", Protocol::Rfc6455, stentor::run),
        contender("stentor-76", Protocol::Draft76, stentor::run),
        contender("tungstenite", Protocol::Rfc6455, tungstenite::run),
        contender(
            "tokio-tungstenite",
            Protocol::Rfc6455,
            tokio_tungstenite::run,
        ),
        contender("fastwebsockets", Protocol::Rfc6455, fastwebsockets::run),
    ]
};

/// The child process: prints the port, for 0 the one that was free, and serves until it is killed.
pub(crate) fn serve(name: &str, mode: &str, port: &str) -> Outcome<()> {
    // Whatever happens to the parent, nobody stays behind.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let contender = CONTENDERS.iter().find(|contender| contender.name == name);
    let contender = contender.ok_or_else(|| format!("no server {name}"))?;
    let mode = [Mode::Echo, Mode::Broadcast]
        .into_iter()
        .find(|known| known.name() == mode)
        .ok_or_else(|| format!("no mode {mode}"))?;
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    println!("{}", listener.local_addr()?.port());
    Ok((contender.program)(listener, mode)?)
}
