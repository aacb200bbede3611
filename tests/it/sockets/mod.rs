//! The sockets that a server listens on, and their clients: ports, Unix sockets, and sockets passed
//! by systemd.

mod several;

mod unix;

mod files;

#[cfg(feature = "systemd")]
mod systemd;
