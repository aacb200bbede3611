//! The servers that are compared. Each is as simple as the documentation of its library suggests,
//! with that library's defaults; hand-made optimizations are not applied to any of them.

mod fastwebsockets;
mod floor;
mod stentor;
/// The store of the chat, which this crate does not use whole.
#[allow(dead_code)]
#[path = "../../../../examples/chat/store.rs"]
mod store;
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
    /// It goes to the room of its sender, the sender too. The room is the path of the request; a client of a
    /// floor sends the room's number.
    Rooms,
    /// It goes to everyone; but a client that is in a room has missed messages there, and resumes.
    Resume,
    /// It goes back to its sender, over TLS.
    SecureEcho,
}

impl Mode {
    const ALL: [Mode; 5] = [
        Mode::Echo,
        Mode::Broadcast,
        Mode::Rooms,
        Mode::Resume,
        Mode::SecureEcho,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mode::Echo => "echo",
            Mode::Broadcast => "broadcast",
            Mode::Rooms => "rooms",
            Mode::Resume => "resume",
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
pub(crate) const CONTENDERS: [Contender; 12] = [
    Contender { name: "floor-threads", protocol: Protocol::Raw, program: floor::threads },
    Contender { name: "floor-joined", protocol: Protocol::Raw, program: floor::joined },
    Contender { name: "stentor", protocol: Protocol::Rfc6455, program: stentor::run },
    Contender { name: "stentor-76", protocol: Protocol::Draft76, program: stentor::run },
    Contender { name: "stentor-once", protocol: Protocol::Deflate, program: stentor::deflating },
    Contender { name: "stentor-each", protocol: Protocol::Deflate, program: stentor::deflating_for_each },
    Contender { name: "stentor-room", protocol: Protocol::Rfc6455, program: stentor::room },
    Contender { name: "stentor-history", protocol: Protocol::Rfc6455, program: stentor::remembering },
    Contender { name: "stentor-stored", protocol: Protocol::Rfc6455, program: stentor::storing },
    Contender { name: "tungstenite", protocol: Protocol::Rfc6455, program: tungstenite::run },
    Contender { name: "tokio-tungstenite", protocol: Protocol::Rfc6455, program: tokio_tungstenite::run },
    Contender { name: "fastwebsockets", protocol: Protocol::Rfc6455, program: fastwebsockets::run },
];

impl Contender {
    /// A floor that differs only in joining messages is not run in scenarios without messages to
    /// join, nor are those that compress in scenarios without anything to compress. Three servers
    /// have TLS. Rooms, without a history, with one, and with one on the disk, are compared where nothing
    /// else counts.
    pub(crate) fn takes_part(&self, scenario: &Scenario) -> bool {
        match self.name {
            name if scenario.mode() == Mode::Resume => name == "stentor-history",
            "stentor" | "tungstenite" | "tokio-tungstenite" => true,
            _ if scenario.mode() == Mode::SecureEcho => false,
            "stentor-room" => scenario.name.starts_with("broadcast-w"),
            "stentor-stored" => scenario.name == "broadcast-w1",
            "stentor-history" => {
                scenario.name.starts_with("broadcast-w") || scenario.mode() == Mode::Rooms
            }
            "floor-joined" => matches!(scenario.mode(), Mode::Broadcast | Mode::Rooms),
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
