//! WebSocket clients of Stentor and of Socket.IO, on one thread.

use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::HandlerResult;

/// What a client sends and receives beside the texts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Stentor,
    /// Packets of Engine.IO 4 and Socket.IO 5; a text is the argument of the event `m`.
    SocketIo,
}

/// Clients, all of which are open.
pub(crate) struct Clients {
    clients: Vec<Client>,
    dialect: Dialect,
    poller: OwnedFd,
    ready: Vec<epoll::Event>,
    buffer: Vec<u8>,
}

struct Client {
    socket: TcpStream,
    is_open: bool,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// The handshakes at a time, and the longest time for all of them.
const AT_ONCE: usize = 32;
const PATIENCE: Duration = Duration::from_secs(30);

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const EVENT: (&str, &str) = ("42[\"m\",\"", "\"]");

impl Clients {
    /// Connects so many clients to each of these ports of 127.0.0.1. The clients of one port have numbers in a row.
    pub(crate) fn connect(dialect: Dialect, ports: &[u16], each: usize) -> HandlerResult<Clients> {
        let mut clients = Clients {
            clients: Vec::new(),
            dialect,
            poller: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(256),
            buffer: vec![0; 256 * 1024],
        };
        let began = Instant::now();
        for port in ports.iter().flat_map(|port| vec![*port; each]) {
            clients.dial(port)?;
            while clients.closed() >= AT_ONCE {
                clients.await_handshakes(began)?;
            }
        }
        while clients.closed() > 0 {
            clients.await_handshakes(began)?;
        }
        Ok(clients)
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Sends a text without quotes.
    pub(crate) fn send(&mut self, index: usize, text: &str) -> HandlerResult<()> {
        let client = &mut self.clients[index];
        match self.dialect {
            Dialect::Stentor => client.send(text),
            Dialect::SocketIo => client.send(&[EVENT.0, text, EVENT.1].concat()),
        }
        client.flush()
    }

    /// Waits at most so long for texts, and passes those that have arrived, with the number of their client.
    pub(crate) fn turn(
        &mut self,
        wait: Duration,
        mut received: impl FnMut(usize, &str) -> HandlerResult<()>,
    ) -> HandlerResult<()> {
        let wait = Timespec::try_from(wait)?;
        let mut ready = mem::take(&mut self.ready);
        epoll::wait(&self.poller, spare_capacity(&mut ready), Some(&wait))?;
        for event in ready.drain(..) {
            let index = event.data.u64() as usize;
            let client = &mut self.clients[index];
            match client.socket.read(&mut self.buffer) {
                Ok(0) => return Err("a server has closed a connection".into()),
                Ok(len) => client.input.extend_from_slice(&self.buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            client.take(self.dialect, |text| received(index, text))?;
            client.flush()?;
        }
        self.ready = ready;
        Ok(())
    }

    fn dial(&mut self, port: u16) -> HandlerResult<()> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let token = epoll::EventData::new_u64(self.clients.len() as u64);
        epoll::add(&self.poller, &socket, token, epoll::EventFlags::IN)?;
        let target = match self.dialect {
            Dialect::Stentor => "/",
            Dialect::SocketIo => "/socket.io/?EIO=4&transport=websocket",
        };
        let mut client = Client {
            socket,
            is_open: false,
            input: Vec::new(),
            output: format!(
                "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            )
            .into(),
        };
        client.flush()?;
        self.clients.push(client);
        Ok(())
    }

    fn closed(&self) -> usize {
        // Those behind the first ones are the newest.
        let newest = self.clients.iter().rev().take(2 * AT_ONCE);
        newest.filter(|client| !client.is_open).count()
    }

    fn await_handshakes(&mut self, began: Instant) -> HandlerResult<()> {
        if began.elapsed() > PATIENCE {
            return Err(format!("{} clients are not open", self.closed()).into());
        }
        self.turn(Duration::from_millis(100), |_, _| Ok(()))
    }
}

impl Client {
    fn send(&mut self, text: &str) {
        self.output.push(0x81);
        frame(text.as_bytes(), &mut self.output);
    }

    fn flush(&mut self) -> HandlerResult<()> {
        let began = Instant::now();
        let mut sent = 0;
        while sent < self.output.len() {
            match self.socket.write(&self.output[sent..]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if began.elapsed() > PATIENCE {
                        return Err("a server does not read".into());
                    }
                    std::thread::yield_now();
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.output.clear();
        Ok(())
    }

    /// Takes all whole frames out of the input.
    fn take(
        &mut self,
        dialect: Dialect,
        mut received: impl FnMut(&str) -> HandlerResult<()>,
    ) -> HandlerResult<()> {
        let input = mem::take(&mut self.input);
        let mut used = 0;
        if self.output.is_empty() && input.starts_with(b"HTTP/1.1 ") {
            let end = input.windows(4).position(|part| part == b"\r\n\r\n");
            let Some(end) = end else {
                self.input = input;
                return Ok(());
            };
            if !input.starts_with(b"HTTP/1.1 101 ") {
                return Err("a server has rejected a handshake".into());
            }
            used = end + 4;
            self.is_open = dialect == Dialect::Stentor;
        }
        while let Some((kind, payload)) = next(&input[used..])? {
            used += payload.end;
            let payload = &input[used - payload.len..used];
            let text = std::str::from_utf8(payload)?;
            match (kind, dialect) {
                (0x89, _) => {
                    self.output.push(0x8a);
                    frame(payload, &mut self.output);
                }
                (0x81, Dialect::Stentor) => received(text)?,
                (0x81, Dialect::SocketIo) => match text.as_bytes() {
                    [b'0', ..] => self.send("40"),
                    [b'4', b'0', ..] => self.is_open = true,
                    b"2" => self.send("3"),
                    _ => {
                        let text = text.strip_prefix(EVENT.0);
                        let text = text.and_then(|text| text.strip_suffix(EVENT.1));
                        received(text.ok_or("a packet that no client expects")?)?;
                    }
                },
                _ => return Err("a server has closed a connection".into()),
            }
        }
        self.input.extend_from_slice(&input[used..]);
        Ok(())
    }
}

/// The place of a payload: its length, and its end behind the beginning of its frame.
struct Place {
    len: usize,
    end: usize,
}

/// Returns the first byte of the next whole frame, and the place of its payload.
fn next(bytes: &[u8]) -> HandlerResult<Option<(u8, Place)>> {
    let (first, start, len) = match *bytes {
        [first, 126, a, b, ..] => (first, 4, usize::from(u16::from_be_bytes([a, b]))),
        [_] | [] | [_, 126, ..] => return Ok(None),
        [_, 127, ..] => return Err("a message of another length".into()),
        [first, len, ..] => (first, 2, usize::from(len)),
    };
    let end = start + len;
    Ok((bytes.len() >= end).then_some((first, Place { len, end })))
}

/// Appends the length, the mask and the masked payload of a frame.
fn frame(payload: &[u8], into: &mut Vec<u8>) {
    match payload.len() {
        len @ 0..=125 => into.push(0x80 | len as u8),
        len => {
            into.push(0x80 | 126);
            into.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    into.extend_from_slice(&MASK);
    let masks = MASK.iter().cycle();
    into.extend(payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask));
}
