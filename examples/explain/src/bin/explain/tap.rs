//! Explains the bytes of live connections: those that the tap relays.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use stentor_explain::tap::{Counts, Event, Stopper, Tap};

use super::Failure;
use super::saved::{self, Conversations};
use super::session::Settings;

/// The addresses of the tap.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// The address to listen on.
    pub(crate) listen: String,
    /// The server's address.
    pub(crate) to: String,
}

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
    let tap = Tap::new();
    // The events that were taken out of the queue.
    let done = Arc::new(AtomicU64::new(0));
    stop_on_signals(tap.stopper(), Arc::clone(&done))?;
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
    tap.serve(listener, &targets);
    explain((&tap, &done), trace.as_mut(), settings, out)
}

/// Writes the events of the relay, until it is stopped.
fn explain(
    (tap, done): (&Tap, &AtomicU64),
    mut trace: Option<&mut BufWriter<File>>,
    settings: &Settings,
    out: &mut dyn Write,
) -> Result<usize, Failure> {
    let events = tap.events();
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
        done.fetch_add(1, Ordering::Relaxed);
        write_counts(tap.counts(), out)?;
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
                    saved::write(&entry, *trace).map_err(unsaved)?;
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

/// Writes how many events are missing, if there are any.
fn write_counts(counts: &Counts, out: &mut dyn Write) -> io::Result<()> {
    let refused = counts.refused.swap(0, Ordering::Relaxed);
    if refused > 0 {
        writeln!(out, "-- too many connections: {refused} closed")?;
    }
    let dropped = counts.dropped.swap(0, Ordering::Relaxed);
    if dropped > 0 {
        writeln!(
            out,
            "-- the output was too slow: {dropped} events (beginnings and ends) are not shown"
        )?;
    }
    Ok(())
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
fn stop_on_signals(stopper: Stopper, done: Arc<AtomicU64>) -> Result<(), Failure> {
    let mut first = Some((stopper, done));
    let each = move || match first.take() {
        Some((stopper, done)) => {
            thread::spawn(move || stopper.stop());
            thread::spawn(move || exit_if_stalled(&done));
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
fn exit_if_stalled(done: &AtomicU64) {
    let mut before = done.load(Ordering::Relaxed);
    loop {
        thread::sleep(STALLED);
        let now = done.load(Ordering::Relaxed);
        if now == before {
            std::process::exit(130);
        }
        before = now;
    }
}
