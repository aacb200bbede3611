//! The load generator: one thread, non-blocking sockets, epoll.

mod broadcast;
mod connect;
mod echo;
mod idle;
mod line;
mod members;
mod meter;
mod storm;
mod wire;

pub(crate) use broadcast::Broadcast;
pub(crate) use connect::connect;
pub(crate) use echo::Echo;
pub(crate) use idle::idle;
pub(crate) use meter::Figures;
pub(crate) use storm::{MISSED, RESUME, SIZE, Storm};
pub(crate) use wire::{Protocol, WELCOME};

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::process::Server;

/// The target of the load, the protocol spoken there, and the duration of the measurement.
pub(crate) struct Target<'a> {
    pub(crate) server: &'a Server,
    pub(crate) protocol: Protocol,
    /// The TLS configuration, if the connection uses TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) time: Duration,
}
