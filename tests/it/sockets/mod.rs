//! The sockets that a server listens on, and their clients: ports, Unix sockets, and sockets passed
//! by systemd.

mod several;

mod unix;

mod files;

#[cfg(feature = "systemd")]
mod systemd;

use std::path::Path;

use stentor::Server;

/// Returns a server that listens on a port of the system's choice, and on a path.
fn on_port_and_path(path: &Path) -> Server {
    let builder = Server::builder().listen("127.0.0.1:0").listen_unix(path);
    builder.build().unwrap()
}
