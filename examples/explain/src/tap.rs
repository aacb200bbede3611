//! The tap: relays TCP between any client and any server, and hands over a copy of the bytes that they send.
//!
//! Each direction has a thread that reads, hands a copy over, and writes. The copy goes into a bounded
//! queue, never waiting: if the reader of the queue is slower than the connections, bytes are relayed without being
//! explained, and counted; and so are the events about connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::note::Side;

/// An event of the relay.
#[derive(Debug)]
pub enum Event {
    /// A client has connected: the number of the connection, and the client's address.
    Opened(u32, SocketAddr),
    /// The server cannot be reached, for this connection.
    Failed(u32, io::Error),
    /// A read of one direction.
    Read(Entry),
    /// Both directions have ended.
    Closed(u32),
    /// One of the counts has changed.
    Counted,
    /// [`Stopper::stop`] was called.
    Stop,
}

/// One read of one direction of a connection, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The connection, counted from 1.
    pub connection: u32,
    /// The side that has sent the bytes.
    pub from: Side,
    /// The time since the tap began.
    pub at: Duration,
    /// The bytes.
    pub content: Content,
}

/// The content of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The bytes of one read.
    Bytes(Vec<u8>),
    /// So many bytes were relayed, but not kept.
    Lost(u64),
    /// The stream has ended.
    End,
}

/// A relay, and its events.
#[derive(Debug)]
pub struct Tap {
    outlet: Outlet,
    events: Receiver<Event>,
}

/// Stops the reader of the events.
#[derive(Debug, Clone)]
pub struct Stopper {
    events: SyncSender<Event>,
}

/// The way to the reader of the events: it never waits.
#[derive(Debug, Clone)]
struct Outlet {
    events: SyncSender<Event>,
    counts: Arc<Counts>,
}

/// Counts of a tap.
#[derive(Debug, Default)]
pub struct Counts {
    /// Beginnings and ends that the queue had no room for, since they were last looked at.
    pub dropped: AtomicU64,
    /// Connections that were closed, since there were too many.
    pub refused: AtomicU64,
}

/// One direction of a connection.
struct Direction {
    connection: u32,
    from: Side,
    source: Arc<TcpStream>,
    target: Arc<TcpStream>,
    begin: Instant,
    outlet: Outlet,
    /// Bytes that the queue had no room for.
    lost: u64,
}

/// The events that wait at most, and the bytes of one: 64 MiB in all.
const EVENTS: usize = 1024;
const READ: usize = 64 * 1024;

/// The connections at a time. Others are closed at once.
const CONNECTIONS: usize = 256;

/// The time that connecting to the server may take.
const CONNECT: Duration = Duration::from_secs(10);

impl Tap {
    /// Creates a tap that relays nothing yet.
    pub fn new() -> Tap {
        let (sender, events) = sync_channel(EVENTS);
        let outlet = Outlet {
            events: sender,
            counts: Arc::default(),
        };
        Tap { outlet, events }
    }

    /// Relays the clients of this listener to the first of these addresses that can be reached, on threads of its own,
    /// until the process ends.
    pub fn serve(&self, listener: TcpListener, targets: &[SocketAddr]) {
        let (targets, outlet) = (Arc::from(targets), self.outlet.clone());
        let begin = Instant::now();
        thread::spawn(move || accept(&listener, &targets, begin, &outlet));
    }

    /// Returns the queue of events.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Returns the counts.
    pub fn counts(&self) -> &Counts {
        &self.outlet.counts
    }

    /// Returns a handle that stops the reader of the events.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            events: self.outlet.events.clone(),
        }
    }
}

impl Default for Tap {
    fn default() -> Tap {
        Tap::new()
    }
}

impl Stopper {
    /// Puts [`Event::Stop`] into the queue, and waits for room.
    pub fn stop(&self) {
        // Without a reader, there is nothing to stop.
        let _ = self.events.send(Event::Stop);
    }
}

impl Outlet {
    /// Hands an event over, or counts it if there is no room.
    fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection that was closed at once.
    fn refuse(&self) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        // If there is no room, the reader has work to do, and sees the count.
        let _ = self.events.try_send(Event::Counted);
    }
}

fn accept(listener: &TcpListener, targets: &Arc<[SocketAddr]>, begin: Instant, outlet: &Outlet) {
    let open = Arc::new(AtomicUsize::new(0));
    let mut connection = 0;
    for client in listener.incoming() {
        let Ok(client) = client else {
            // The process has too many open files: waiting is all that helps.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if open.load(Ordering::Relaxed) >= CONNECTIONS {
            outlet.refuse();
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        connection += 1;
        let (open, targets, outlet) = (Arc::clone(&open), Arc::clone(targets), outlet.clone());
        thread::spawn(move || {
            if let Err(error) = connect(client, &targets, connection, begin, &outlet) {
                outlet.tell(Event::Failed(connection, error));
            }
            outlet.tell(Event::Closed(connection));
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Relays one connection until both directions have ended.
fn connect(
    client: TcpStream,
    targets: &[SocketAddr],
    connection: u32,
    begin: Instant,
    outlet: &Outlet,
) -> io::Result<()> {
    outlet.tell(Event::Opened(connection, client.peer_addr()?));
    let mut server = Err(io::Error::from(io::ErrorKind::NotFound));
    for target in targets {
        server = TcpStream::connect_timeout(target, CONNECT);
        if server.is_ok() {
            break;
        }
    }
    let server = server?;
    // Small frames leave at once, as they came.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // Shared, not cloned: each connection needs two file descriptors.
    let (client, server) = (Arc::new(client), Arc::new(server));
    let direction = |from, source: &Arc<TcpStream>, target: &Arc<TcpStream>| Direction {
        connection,
        from,
        source: Arc::clone(source),
        target: Arc::clone(target),
        begin,
        outlet: outlet.clone(),
        lost: 0,
    };
    let to_server = direction(Side::Client, &client, &server);
    let to_client = direction(Side::Server, &server, &client);
    let other = thread::spawn(move || to_client.relay());
    to_server.relay();
    let _ = other.join();
    Ok(())
}

impl Direction {
    /// Relays until the stream ends, or one of the sockets fails.
    fn relay(mut self) {
        let mut bytes = vec![0; READ];
        let is_reset = loop {
            match (&*self.source).read(&mut bytes) {
                Ok(0) => break false,
                Ok(length) => {
                    // Before the bytes leave: the response to them comes after them in the queue.
                    self.hand_over(&bytes[..length]);
                    if (&*self.target).write_all(&bytes[..length]).is_err() {
                        let _ = self.source.shutdown(Shutdown::Read);
                        break false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
        };
        self.report_lost();
        self.outlet.tell(self.event(Content::End));
        let _ = self.target.shutdown(match is_reset {
            true => Shutdown::Both,
            false => Shutdown::Write,
        });
    }

    /// Hands a copy over, without waiting.
    fn hand_over(&mut self, bytes: &[u8]) {
        let is_free = self.report_lost();
        let event = self.event(Content::Bytes(bytes.to_vec()));
        if !is_free || self.outlet.events.try_send(event).is_err() {
            self.lost += bytes.len() as u64;
        }
    }

    /// Reports the bytes that were lost, if there are any. Returns whether there are none any more.
    fn report_lost(&mut self) -> bool {
        if self.lost > 0 {
            let lost = self.event(Content::Lost(self.lost));
            if self.outlet.events.try_send(lost).is_ok() {
                self.lost = 0;
            }
        }
        self.lost == 0
    }

    fn event(&self, content: Content) -> Event {
        let elapsed = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        Event::Read(Entry {
            connection: self.connection,
            from: self.from,
            // The time of a saved trace.
            at: Duration::from_millis(elapsed),
            content,
        })
    }
}
