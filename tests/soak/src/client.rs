//! One client: its socket, its buffers, and what it is up to.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, sockopt};
use stentor::protocol::Framing;
use stentor::{Closing, Version};

use crate::ledger::Ears;
use crate::wire::{self, Head, masked};

/// How a client behaves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Class {
    /// Talks, listens, takes naps that the server can bear, answers pings, and says goodbye.
    Healthy,
    /// Ends with a reset.
    Reset,
    /// Hangs up in the middle of a message.
    Torn,
    /// Shuts its side, and waits.
    HalfClose,
    /// Breaks the protocol.
    Garbage,
    /// Stops reading for good.
    Sleeper,
    /// Reads, and says nothing any more, no pong either.
    Mute,
    /// Asks for what no server can give.
    BadRequest,
    /// Stops in the middle of its request; some of them go away.
    HalfRequest,
    /// Asks for a page.
    Page,
}

impl Class {
    /// All that is not healthy.
    pub(crate) const ILL: [Class; 9] = [
        Class::Reset,
        Class::Torn,
        Class::HalfClose,
        Class::Garbage,
        Class::Sleeper,
        Class::Mute,
        Class::BadRequest,
        Class::HalfRequest,
        Class::Page,
    ];

    /// Whether it goes through a handshake.
    pub(crate) fn opens(self) -> bool {
        self < Class::BadRequest
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// The answer to its request has not come.
    Asking,
    Talking,
    /// It has said its last word, which has not come back.
    LastWord,
    /// It has said goodbye; the second once the server has, too.
    Goodbye,
    Parted,
    /// It has misbehaved; whatever comes, the end must.
    Doomed,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Stream,
    Reset,
}

pub(crate) struct Client {
    pub(crate) life: u32,
    pub(crate) class: Class,
    pub(crate) version: Version,
    pub(crate) stream: TcpStream,
    pub(crate) phase: Phase,
    pub(crate) ears: Ears,
    pub(crate) input: Vec<u8>,
    output: Vec<u8>,
    /// The write side is shut once all is out.
    shuts: bool,
    /// When it does what its class does; and when it should have been over.
    pub(crate) due: Duration,
    pub(crate) deadline: Duration,
    /// When it falls asleep next, and when it wakes up.
    pub(crate) nap: Option<Duration>,
    pub(crate) wakes: Option<Duration>,
    /// Until then a reset is nobody's fault.
    pub(crate) excused: Duration,
    /// What the poller was told.
    pub(crate) reads: bool,
    pub(crate) waits: bool,
}

/// The receive buffer: small, so that who naps is soon the server's concern.
const BUFFER: usize = 8 * 1024;

/// A connection, and the request on its way.
pub(crate) fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    rustix::net::connect(&socket, &address)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

impl Client {
    pub(crate) fn new(
        life: u32,
        class: Class,
        version: Version,
        room: usize,
        stream: TcpStream,
        ears: Ears,
    ) -> Client {
        let line = format!("GET /{room}/{class:?} HTTP/1.1");
        let whole = Head::of(version).line(&line).bytes();
        let output = match class {
            Class::BadRequest => Head::of(version).line("GET nowhere").bytes(),
            Class::HalfRequest => whole[..whole.len() / 2].to_vec(),
            Class::Page => b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_vec(),
            _ => whole,
        };
        Client {
            life,
            class,
            version,
            stream,
            phase: Phase::Asking,
            ears,
            input: Vec::new(),
            output,
            shuts: false,
            due: Duration::MAX,
            deadline: Duration::MAX,
            nap: None,
            wakes: None,
            excused: Duration::ZERO,
            reads: true,
            waits: false,
        }
    }

    pub(crate) fn say(&mut self, payload: &[u8], binary: bool) {
        match (self.version.framing(), binary) {
            (Framing::Hixie, _) => {
                self.output.push(0x00);
                self.output.extend_from_slice(payload);
                self.output.push(0xff);
            }
            (Framing::Hybi, true) => self.output.extend(masked(0x82, payload)),
            (Framing::Hybi, false) => self.output.extend(masked(0x81, payload)),
        }
    }

    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.output.extend(masked(0x8a, payload));
    }

    pub(crate) fn say_goodbye(&mut self) {
        match self.version.closing() {
            Closing::HangUp => self.shuts = true,
            Closing::Marker => self.output.extend([0xff, 0x00]),
            Closing::Frame => self.output.extend(wire::close_frame(1000, b"")),
        }
    }

    pub(crate) fn shut(&mut self) {
        self.shuts = true;
    }

    /// The beginning of a message.
    pub(crate) fn say_half(&mut self) {
        match self.version.framing() {
            Framing::Hixie => self.output.extend(b"\x00half a mess"),
            Framing::Hybi => self.output.extend(&masked(0x81, &[b'x'; 500])[..200]),
        }
    }

    /// Something that no version knows, one of several kinds.
    pub(crate) fn say_garbage(&mut self, which: usize) {
        // More than the server takes, and none of it said in earnest.
        let endless = vec![b'x'; 70 * 1024];
        match self.version.framing() {
            Framing::Hixie => {
                self.output.push(0x00);
                self.output.extend(endless);
            }
            Framing::Hybi => self.output.extend(match which % 5 {
                0 => b"\x81\x05hello".to_vec(),
                1 => masked(0x83, b"reserved"),
                2 => masked(0x81, b"\xc0\xaf"),
                3 => masked(0x82, &endless),
                _ => [&[0x82, 0xff, 0x80][..], &[0; 11]].concat(),
            }),
        }
    }

    /// Sends what the socket takes.
    pub(crate) fn flush(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(sent) => {
                    self.output.drain(..sent);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // How it ended, the next read tells.
                Err(_) => self.output.clear(),
            }
        }
        if std::mem::take(&mut self.shuts) {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Reads what is there, but not for ever; how it ended, if it has.
    pub(crate) fn fill(&mut self, scratch: &mut [u8]) -> Option<End> {
        match self.stream.read(scratch) {
            Ok(0) => Some(End::Stream),
            Ok(read) => {
                self.input.extend_from_slice(&scratch[..read]);
                None
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => None,
                _ => Some(End::Reset),
            },
        }
    }

    /// Hangs up so that the server hears of a reset.
    pub(crate) fn reset(&self) {
        let _ = sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }
}
