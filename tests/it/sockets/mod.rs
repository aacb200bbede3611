//! The sockets that a server listens on, and their clients: ports, Unix sockets, and sockets passed
//! by systemd.

mod several;

#[cfg(all(feature = "unix", unix))]
mod unix;

#[cfg(all(feature = "unix", unix))]
mod files;

/// It starts the chat, as the tests of both sides do.
#[cfg(all(feature = "systemd", feature = "client", unix))]
mod systemd;

#[cfg(all(feature = "unix", unix))]
use std::path::Path;

#[cfg(all(feature = "unix", unix))]
use stentor::Server;

/// Returns a server that listens on a port of the system's choice, and on a path.
#[cfg(all(feature = "unix", unix))]
fn on_port_and_path(path: &Path) -> Server {
    let builder = Server::builder().listen("127.0.0.1:0").listen_unix(path);
    builder.build().unwrap()
}
