//! Many clients on one thread.

use std::io::ErrorKind;
use std::mem;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustls::ClientConfig;

use super::Target;
use super::line::{Line, WIRE};
use super::wire::{Heard, Protocol, Wire};
use crate::HandlerResult;

/// The number of handshakes at a time while many clients connect, and the most time that may take.
const AT_ONCE: usize = 32;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Client {
    line: Line,
    wire: Wire,
    pub(super) open: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of the output the socket has taken.
    written: usize,
    /// Whether the poller reports when the socket takes more.
    waits: bool,
}

impl Client {
    /// Sends a message, at the latest at the end of this turn.
    pub(super) fn send(&mut self, encoded: &[u8]) {
        self.output.extend_from_slice(encoded);
    }

    pub(super) fn start_close(&mut self) {
        self.wire.close_frame(&mut self.output);
        if self.wire.protocol == Protocol::Raw {
            let _ = self.line.socket.shutdown(Shutdown::Write);
        }
    }

    /// Reads the bytes that have arrived; `None` once no more will arrive.
    fn read(&mut self, wire: &mut [u8], scratch: &mut [u8]) -> Option<usize> {
        match self.line.read(wire, scratch) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
            read => read.ok().filter(|read| *read > 0),
        }
    }

    fn hear<F>(&mut self, bytes: &[u8], index: usize, received: &mut F) -> HandlerResult<usize>
    where
        F: FnMut(usize, &mut Client, Heard) -> HandlerResult<()>,
    {
        let mut used = 0;
        if !self.open {
            let Some(answer) = self.wire.answer(bytes)? else {
                return Ok(0);
            };
            used = answer;
            self.open = true;
            received(index, self, Heard::Open)?;
        }
        while let Some((len, what)) = self.wire.next(&bytes[used..])? {
            used += len;
            match what {
                Heard::Ping(payload) => self.wire.pong(payload, &mut self.output),
                what => received(index, self, what)?,
            }
        }
        Ok(used)
    }
}

pub(super) struct Members {
    pub(super) clients: Vec<Client>,
    pub(super) wire: Wire,
    /// The number of rooms in which the clients are, if they are in rooms.
    rooms: Option<usize>,
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    poller: OwnedFd,
    ready: Vec<epoll::Event>,
    /// The bytes as they arrive, and after decryption.
    encrypted: Vec<u8>,
    scratch: Vec<u8>,
}

impl Members {
    /// Returns a set without clients.
    pub(super) fn new(target: &Target, size: usize) -> HandlerResult<Members> {
        Ok(Members {
            clients: Vec::new(),
            wire: Wire {
                protocol: target.protocol,
                size,
            },
            rooms: None,
            address: target.server.address,
            tls: target.tls.clone(),
            poller: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            ready: Vec::with_capacity(256),
            encrypted: vec![0; WIRE],
            scratch: vec![0; 2 * WIRE],
        })
    }

    /// Connects this many clients, and waits until all are open.
    pub(super) fn gather(target: &Target, size: usize, count: usize) -> HandlerResult<Members> {
        Members::gather_in(None, target, size, count)
    }

    /// The same, with clients in so many rooms: the first in the first, the second in the second.
    pub(super) fn gather_in(
        rooms: Option<usize>,
        target: &Target,
        size: usize,
        count: usize,
    ) -> HandlerResult<Members> {
        let mut members = Members::new(target, size)?;
        members.rooms = rooms;
        let start = Instant::now();
        let mut open = 0;
        while open < count {
            if start.elapsed() > PATIENCE {
                return Err(format!("only {open} clients of {count} are open").into());
            }
            while members.clients.len() < count.min(open + AT_ONCE) {
                members.dial(members.clients.len())?;
            }
            members.batch(|_, _, received| match received {
                Heard::Open => {
                    open += 1;
                    Ok(())
                }
                Heard::Gone => Err("the server closed a client's connection".into()),
                _ => Ok(()),
            })?;
        }
        Ok(members)
    }

    /// Connects one more client, or one anew, and sends its handshake request.
    pub(super) fn dial(&mut self, index: usize) -> HandlerResult<()> {
        let line = Line::dial(self.address, self.tls.as_ref())?;
        let token = epoll::EventData::new_u64(index as u64);
        epoll::add(&self.poller, &line.socket, token, epoll::EventFlags::IN)?;
        let client = Client {
            line,
            wire: self.wire,
            open: false,
            input: Vec::new(),
            output: self.wire.hello(self.rooms.map(|rooms| index % rooms)),
            written: 0,
            waits: false,
        };
        match self.clients.get_mut(index) {
            Some(old) => *old = client,
            None => self.clients.push(client),
        }
        self.flush(index)
    }

    /// Waits until something has arrived, a hundredth of a second at most, and passes it to
    /// `received`.
    pub(super) fn batch<F>(&mut self, mut received: F) -> HandlerResult<()>
    where
        F: FnMut(usize, &mut Client, Heard) -> HandlerResult<()>,
    {
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: 10_000_000,
        };
        let mut ready = mem::take(&mut self.ready);
        epoll::wait(&self.poller, spare_capacity(&mut ready), Some(&wait))?;
        for event in ready.drain(..) {
            let index = event.data.u64() as usize;
            let client = &mut self.clients[index];
            let Some(read) = client.read(&mut self.encrypted, &mut self.scratch) else {
                epoll::delete(&self.poller, &client.line.socket)?;
                received(index, client, Heard::Gone)?;
                continue;
            };
            // Only incomplete messages are ever copied.
            let mut input = mem::take(&mut client.input);
            if input.is_empty() {
                let used = client.hear(&self.scratch[..read], index, &mut received)?;
                input.extend_from_slice(&self.scratch[used..read]);
            } else {
                input.extend_from_slice(&self.scratch[..read]);
                let used = client.hear(&input, index, &mut received)?;
                input.drain(..used);
            }
            client.input = input;
            self.flush(index)?;
        }
        self.ready = ready;
        Ok(())
    }

    /// Writes the pending output, as far as the socket takes it. A closed connection is noticed by
    /// reading.
    pub(super) fn flush(&mut self, index: usize) -> HandlerResult<()> {
        let client = &mut self.clients[index];
        if (client.written < client.output.len() || client.line.holds())
            && let Ok(written) = client.line.write(&client.output[client.written..])
        {
            client.written += written;
        }
        let unwritten = client.written < client.output.len();
        let waits = unwritten || client.line.holds();
        if !unwritten {
            client.output.clear();
            client.written = 0;
        }
        if waits != client.waits {
            client.waits = waits;
            let token = epoll::EventData::new_u64(index as u64);
            let flags = match waits {
                true => epoll::EventFlags::IN | epoll::EventFlags::OUT,
                false => epoll::EventFlags::IN,
            };
            epoll::modify(&self.poller, &client.line.socket, token, flags)?;
        }
        Ok(())
    }
}
