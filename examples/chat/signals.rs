//! The signals that end the chat. Windows has none; there, ctrl-C, ctrl-break and the end of the console do the
//! same.

use std::io;

use stentor::ServerHandle;

use crate::SHUTDOWN_TIMEOUT;

/// The first signal starts a graceful shutdown, the second ends the process.
#[cfg(unix)]
pub(crate) fn end_server(server: ServerHandle) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            server.shutdown(SHUTDOWN_TIMEOUT);
        }
        if let Some(signal) = signals.next() {
            // The status that a shell reports for a process that a signal has ended.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// The first ctrl-C starts a graceful shutdown, the second ends the process.
#[cfg(windows)]
pub(crate) fn end_server(server: ServerHandle) -> io::Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};
    /// The status of a program that ctrl-C has ended (`STATUS_CONTROL_C_EXIT`, 0xC000_013A).
    const ENDED: i32 = -0x3FFF_FEC6;
    let is_second = AtomicBool::new(false);
    let stop = move || {
        if is_second.swap(true, Ordering::Relaxed) {
            std::process::exit(ENDED);
        }
        server.shutdown(SHUTDOWN_TIMEOUT);
    };
    ctrlc::set_handler(stop).map_err(io::Error::other)
}

/// Reloads the certificate on SIGHUP: clients that connect after the signal receive the new one.
#[cfg(all(feature = "tls", unix))]
pub(crate) fn reload(tls: stentor::tls::TlsServer) -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGHUP])?;
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if let Err(error) = tls.reload() {
                log::error!("the old certificate stays: {error}");
            }
        }
    });
    Ok(())
}
