//! The page of metrics for Prometheus, on an address of its own. With the feature `prometheus`.

use std::io;
use std::net::SocketAddr;

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use stentor::server::RunningServer;
use stentor::{Reply, Request, Response, Server, ServerHandle};

use crate::process::Process;

/// The format that Prometheus requests; for all others, such as a browser, the page is plain text.
const OPEN_METRICS: &str = "application/openmetrics-text";
const OPEN_METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// More are not needed: each Prometheus uses one connection at a time.
const MOST_CONNECTIONS: usize = 16;

/// Serves the metrics of the chat at `/metrics`, and prints the URL.
///
/// The page is on a server of its own, so that clients cannot reach it, and so that it answers when the chat is full.
pub(crate) fn serve(address: SocketAddr, chat: &ServerHandle) -> io::Result<RunningServer> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(chat.metrics()));
    registry.register_collector(Box::new(Process));
    let mut builder = Server::builder()
        .listen(address)
        .max_clients(MOST_CONNECTIONS)
        .on_request(move |request| answer(request, &registry));
    if address.ip().is_loopback() {
        // The page of another site cannot read the metrics by a name that leads to this machine.
        let hosts = builder.allowed_hosts(["localhost", "127.0.0.1", "[::1]"]);
        builder = hosts.map_err(io::Error::other)?;
    } else {
        log::warn!("each program that can connect to {address} can read the metrics");
    }
    let server = builder.build()?;
    println!("metrics at http://{}/metrics", server.local_addr()?);
    server.spawn(|_| Ok(()))
}

fn answer(request: &Request, registry: &Registry) -> Reply {
    if request.version().is_some() || request.path() != "/metrics" {
        return Reply::reject(404, "the metrics are at /metrics");
    }
    let accepted = request.header_str("Accept").unwrap_or_default();
    let mut page = String::new();
    let (kind, encoded) = match accepted.contains(OPEN_METRICS) {
        true => (OPEN_METRICS_TYPE, text::encode(&mut page, registry)),
        false => {
            let encoded = prometheus_text::encode(&mut page, registry);
            (prometheus_text::CONTENT_TYPE, encoded)
        }
    };
    match encoded {
        Ok(()) => Response::new(200).body(kind, page).into(),
        Err(_) => Reply::reject(500, "the metrics cannot be encoded"),
    }
}
