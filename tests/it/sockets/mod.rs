//! What a server listens on, and who comes by it: ports, Unix sockets, and what systemd hands over.

mod several;

mod unix;

mod files;

#[cfg(feature = "systemd")]
mod systemd;
