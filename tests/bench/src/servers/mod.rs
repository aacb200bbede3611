//! The servers that are compared. Each is as simple as the documentation of its library suggests,
//! with that library's defaults; hand-made optimizations are not applied to any of them.

mod fastwebsockets;
mod floor;
mod stentor;
mod tokio_tungstenite;
mod tungstenite;

use std::io;
use std::net::TcpListener;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::HandlerResult;
use crate::load::Protocol;
use crate::scenario::Scenario;

/// The way a server treats a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It goes back to its sender.
    Echo,
    /// It goes to everyone, its sender too.
    Broadcast,
    /// It goes back to its sender, over TLS.
    SecureEcho,
}

impl Mode {
    const ALL: [Mode; 3] = [Mode::Echo, Mode::Broadcast, Mode::SecureEcho];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Echo => "echo",
            Mode::Broadcast => "broadcast",
            Mode::SecureEcho => "echo-tls",
        }
    }
}

pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// The protocol of its clients.
    pub(crate) protocol: Protocol,
    program: fn(TcpListener, Mode) -> io::Result<()>,
}

#[rustfmt::skip]
pub(crate) const CONTENDERS: [Contender; 11] = [
    Contender { name: "floor-threads", protocol: Protocol::Raw, program: floor::threads },
    Contender { name: "floor-joined", protocol: Protocol::Raw, program: floor::joined },
    Contender { name: "stentor", protocol: Protocol::Rfc6455, program: stentor::run },
    Contender { name: "stentor-76", protocol: Protocol::Draft76, program: stentor::run },
    Contender { name: "stentor-once", protocol: Protocol::Deflate, program: stentor::deflating },
    Contender { name: "stentor-each", protocol: Protocol::Deflate, program: stentor::deflating_for_each },
    Contender { name: "stentor-room", protocol: Protocol::Rfc6455, program: stentor::room },
    Contender { name: "stentor-history", protocol: Protocol::Rfc6455, program: stentor::remembering },
    Contender { name: "tungstenite", protocol: Protocol::Rfc6455, program: tungstenite::run },
    Contender { name: "tokio-tungstenite", protocol: Protocol::Rfc6455, program: tokio_tungstenite::run },
    Contender { name: "fastwebsockets", protocol: Protocol::Rfc6455, program: fastwebsockets::run },
];

impl Contender {
    /// A floor that differs only in joining messages is not run in scenarios without messages to
    /// join, nor are those that compress in scenarios without anything to compress. Three servers
    /// have TLS. Rooms, with and without a history, are compared where nothing else counts.
    pub(crate) fn takes_part(&self, scenario: &Scenario) -> bool {
        match self.name {
            "stentor" | "tungstenite" | "tokio-tungstenite" => true,
            _ if scenario.mode() == Mode::SecureEcho => false,
            "stentor-room" | "stentor-history" => scenario.name.starts_with("broadcast-w"),
            "floor-joined" => scenario.mode() == Mode::Broadcast,
            _ => self.protocol != Protocol::Deflate || scenario.name == "broadcast-json",
        }
    }
}

/// Runs the child process: prints the port (the one chosen, for 0) and serves until it is killed.
pub(crate) fn serve(name: &str, mode: &str, port: &str) -> HandlerResult<()> {
    // If the parent ends in any way, no child stays behind.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let contender = CONTENDERS.iter().find(|contender| contender.name == name);
    let contender = contender.ok_or_else(|| format!("no server {name}"))?;
    let mode = Mode::ALL.into_iter().find(|known| known.name() == mode);
    let mode = mode.ok_or("no such mode")?;
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    println!("{}", listener.local_addr()?.port());
    Ok((contender.program)(listener, mode)?)
}
