//! The tap: relays TCP between any client and any server, and explains the bytes that they send.
//!
//! Each direction has a thread that reads, hands a copy over, and writes. The copy goes into a bounded
//! queue, never waiting: if the terminal is slower than the connections, bytes are relayed without being
//! explained, and counted; and so are the events about connections.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use stentor_explain::Side;

use super::Failure;
use super::saved::{self, Content, Conversations, Entry};
use super::session::Settings;

/// The addresses of the tap.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// The address to listen on.
    pub(crate) listen: String,
    /// The server's address.
    pub(crate) to: String,
}

/// An event of the relay, for the thread that explains.
enum Event {
    Opened(u32, SocketAddr),
    Failed(u32, io::Error),
    Read(Entry),
    /// Both directions have ended.
    Closed(u32),
    /// One of the counts has changed.
    Counted,
    Stop,
}

/// The way to the thread that explains: it never waits.
#[derive(Clone)]
struct Outlet {
    events: SyncSender<Event>,
    counts: Arc<Counts>,
}

/// Events that were not explained, since the last line about them.
#[derive(Default)]
struct Counts {
    /// Beginnings and ends that the queue had no room for.
    dropped: AtomicU64,
    /// Connections that were closed, since there were too many.
    refused: AtomicU64,
    /// All events that were taken out of the queue.
    done: AtomicU64,
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

/// The time without progress after which a signal ends the program, although output is left.
const STALLED: Duration = Duration::from_secs(1);

/// Relays until a signal comes. Returns how many rules were broken.
pub(crate) fn run(
    addresses: &Addresses,
    save: Option<&Path>,
    settings: &Settings,
    out: &mut dyn Write,
) -> Result<usize, Failure> {
    let wrong = |address: &str, error: io::Error| Failure::Usage(format!("{address}: {error}"));
    let targets: Vec<SocketAddr> = addresses
        .to
        .to_socket_addrs()
        .map_err(|error| wrong(&addresses.to, error))?
        .collect();
    let listener = TcpListener::bind(&addresses.listen);
    let listener = listener.map_err(|error| wrong(&addresses.listen, error))?;
    let own = listener
        .local_addr()
        .map_err(|error| wrong(&addresses.listen, error))?;
    if targets.contains(&own) {
        return Err(Failure::Usage(format!(
            "{own} would be connected to itself"
        )));
    }
    let mut trace = save.map(create).transpose()?;
    let (events, received) = sync_channel(EVENTS);
    let outlet = Outlet {
        events,
        counts: Arc::default(),
    };
    let counts = Arc::clone(&outlet.counts);
    stop_on_signals(outlet.clone())?;
    writeln!(
        out,
        "-- listening on {own}, for the server {}",
        addresses.to
    )?;
    if !own.ip().is_loopback() {
        writeln!(
            out,
            "-- other computers can connect, too: 127.0.0.1 allows this one only"
        )?;
    }
    out.flush()?;
    let begin = Instant::now();
    thread::spawn(move || accept(&listener, &Arc::from(targets), begin, &outlet));
    explain((&received, &counts), trace.as_mut(), settings, out)
}

/// Writes the events of the relay, until it is stopped.
fn explain(
    (events, counts): (&Receiver<Event>, &Counts),
    mut trace: Option<&mut BufWriter<File>>,
    settings: &Settings,
    out: &mut dyn Write,
) -> Result<usize, Failure> {
    let mut conversations = Conversations::new(settings);
    loop {
        // All that is written becomes visible before the thread waits.
        let event = match events.try_recv() {
            Ok(event) => event,
            Err(_) => {
                out.flush()?;
                if let Some(trace) = &mut trace {
                    trace.flush().map_err(unsaved)?;
                }
                match events.recv_timeout(Duration::from_secs(3600)) {
                    Ok(event) => event,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        };
        counts.done.fetch_add(1, Ordering::Relaxed);
        counts.write(out)?;
        match event {
            Event::Opened(number, client) => {
                if !settings.style.only_broken {
                    writeln!(out, "-- #{number}: client {client}")?;
                }
            }
            Event::Failed(number, error) => {
                let error = match is_full(&error) {
                    true => "closed, this program has too many open files".to_owned(),
                    false => format!("the server cannot be reached: {error}"),
                };
                writeln!(out, "-- #{number}: {error}")?;
            }
            Event::Read(entry) => {
                if let Some(trace) = &mut trace {
                    entry.write(*trace).map_err(unsaved)?;
                }
                conversations.entry(&entry, out)?;
            }
            Event::Closed(number) => conversations.close(number),
            Event::Counted => {}
            Event::Stop => break,
        }
    }
    out.flush()?;
    if let Some(trace) = &mut trace {
        trace.flush().map_err(unsaved)?;
    }
    Ok(conversations.broken())
}

/// Whether the process, or the system, has no file descriptor left (EMFILE, ENFILE).
fn is_full(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

impl Counts {
    /// Writes how many events are missing, if there are any.
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let refused = self.refused.swap(0, Ordering::Relaxed);
        if refused > 0 {
            writeln!(out, "-- too many connections: {refused} closed")?;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            writeln!(
                out,
                "-- the output was too slow: {dropped} events (beginnings and ends) are not shown"
            )?;
        }
        Ok(())
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
        // If there is no room, the thread that explains has work to do, and sees the count.
        let _ = self.events.try_send(Event::Counted);
    }
}

/// Creates the file of a trace, for its owner alone: it has all that was sent, passwords and cookies too.
fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // A device or a pipe keeps nothing that could be lost.
    if path
        .metadata()
        .is_ok_and(|file| file.is_file() && file.len() > 0)
    {
        let words = "there is such a file: remove it, or choose another name";
        return Err(Failure::Usage(format!("{}: {words}", path.display())));
    }
    let file = options.open(path);
    let file = file.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    let mut file = BufWriter::new(file);
    saved::begin(&mut file).map_err(unsaved)?;
    Ok(file)
}

fn unsaved(error: io::Error) -> Failure {
    Failure::Input(format!("the trace cannot be saved: {error}"))
}

/// The first signal stops the relay in order, the second one at once; so does the first if nobody reads
/// the output.
fn stop_on_signals(outlet: Outlet) -> Result<(), Failure> {
    let mut outlet = Some(outlet);
    let each = move || match outlet.take() {
        Some(Outlet { events, counts }) => {
            thread::spawn(move || events.send(Event::Stop));
            thread::spawn(move || exit_if_stalled(&counts));
        }
        None => std::process::exit(130),
    };
    on_signals(each).map_err(|error| Failure::Usage(format!("signals: {error}")))
}

/// Calls the function at each signal, on a thread of its own.
#[cfg(unix)]
fn on_signals(mut each: impl FnMut() + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || signals.forever().for_each(|_| each()));
    Ok(())
}

/// Windows has no signals: ctrl-C, ctrl-break and the end of the console are in their place.
#[cfg(windows)]
fn on_signals(each: impl FnMut() + Send + 'static) -> io::Result<()> {
    ctrlc::set_handler(each).map_err(io::Error::other)
}

/// Ends the program as soon as the output makes no progress.
fn exit_if_stalled(counts: &Counts) {
    let mut before = counts.done.load(Ordering::Relaxed);
    loop {
        thread::sleep(STALLED);
        let now = counts.done.load(Ordering::Relaxed);
        if now == before {
            std::process::exit(130);
        }
        before = now;
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

    /// Hands a copy to the thread that explains, without waiting for it.
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
