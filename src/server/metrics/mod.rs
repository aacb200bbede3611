//! The metrics of a server, for Prometheus. With the feature `prometheus`.
//!
//! The numbers are those of [`Counters`]: nothing is counted twice, and a server whose metrics are not
//! read does no work for them. No label is the name of a room or another value that a peer chooses: there could be
//! any number of them, and each costs Prometheus memory.

mod labels;
mod page;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::counters::Counters;
use super::handles::ServerHandle;
use super::health::Health;
use super::hub::QUEUE;
#[cfg(feature = "redis")]
use super::redis::counters::RedisCounters;
use page::Page;

/// The metrics of a server, as a collector of the crate `prometheus-client`:
/// [`ServerHandle::metrics`] returns it. The program registers it in a registry of its own, and serves the registry on
/// a page. That page shows how many clients there are and which limits they reach: keep it off public ports.
///
/// ```
/// use prometheus_client::encoding::text;
/// use prometheus_client::registry::Registry;
///
/// let server = stentor::Server::bind("127.0.0.1:0")?;
/// let mut registry = Registry::default();
/// registry.register_collector(Box::new(server.handle().metrics()));
///
/// let mut page = String::new();
/// text::encode(&mut page, &registry)?;
/// assert!(page.contains("stentor_connections 0\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// All names begin with `stentor_`. Counters begin at 0 when the server is built, and never fall. Each series exists
/// from the beginning, so that the first event shows as an increase. Labels have a fixed set of values: `version` is
/// one of the five versions, `reason` is a name of [`Counters::rejected`] or of a
/// [`DisconnectReason`](crate::DisconnectReason), and `code` is a close code of IANA's registry; all other codes
/// are `other`.
///
/// To collect, it visits all connected clients, as [`ServerHandle::counters`] does, and requests the number of rooms
/// from the hub. If the hub does not answer within one second, `stentor_live` is 0, and `stentor_rooms` has no value.
///
/// A registry takes one server. For more servers in one process, use a registry for each, or sub-registries with
/// different prefixes.
///
/// A program needs the version of `prometheus-client` that Stentor depends on: 0.26. A newer version of that crate
/// is not a new major version here.
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerMetrics {
    handle: ServerHandle,
}

impl ServerMetrics {
    #[inline]
    pub(super) fn new(handle: ServerHandle) -> ServerMetrics {
        ServerMetrics { handle }
    }

    fn limits(&self, page: &mut Page<'_>) -> fmt::Result {
        let shared = &self.handle.shared;
        let settings = &shared.settings;
        page.gauge(
            "stentor_connections_limit",
            "The most connections that the server accepts at a time.",
            settings.max_clients,
        )?;
        page.bytes(
            "stentor_send_queue_limit",
            "The limit of the memory in all send queues together.",
            settings.total_send_queue_limit,
        )
    }

    fn hub(&self, page: &mut Page<'_>) -> fmt::Result {
        let shared = &self.handle.shared;
        page.gauge(
            "stentor_hub_commands",
            "Broadcasts, joins and other commands that wait for the hub.",
            shared.commands.len(),
        )?;
        page.gauge(
            "stentor_hub_commands_limit",
            "As many commands may wait for the hub. Then their senders wait.",
            QUEUE,
        )?;
        page.gauge(
            "stentor_memberships",
            "Memberships in rooms now. A client counts once for each of its rooms.",
            shared.memberships.count(),
        )
    }
}

impl Collector for ServerMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // First: it may take a second, and the counters are of a later moment than the request.
        let (health, rooms) = self.handle.shared.health();
        let counters = self.handle.counters();
        let mut page = Page::new(encoder);
        page.build()?;
        write_health(&mut page, health)?;
        write_connections(&mut page, &counters)?;
        write_handshakes(&mut page, &counters)?;
        write_messages(&mut page, &counters)?;
        write_memory(&mut page, &counters)?;
        write_ends(&mut page, &counters)?;
        write_rooms(&mut page, &counters, rooms)?;
        write_history(&mut page, &counters)?;
        #[cfg(feature = "redis")]
        write_redis(&mut page, &counters.redis)?;
        self.hub(&mut page)?;
        self.limits(&mut page)
    }
}

fn write_health(page: &mut Page<'_>, health: Health) -> fmt::Result {
    page.gauge(
        "stentor_live",
        "1 if the hub has answered within one second. At 0, restart the process.",
        usize::from(health.live),
    )?;
    page.gauge(
        "stentor_ready",
        "1 until the server begins to shut down.",
        usize::from(health.ready),
    )?;
    page.gauge(
        "stentor_degraded",
        "1 while the journal does not work. Its rooms receive no messages then.",
        usize::from(health.degraded),
    )
}

fn write_connections(page: &mut Page<'_>, counters: &Counters) -> fmt::Result {
    page.gauge(
        "stentor_connections",
        "Connections now, including those in their handshake.",
        counters.connections,
    )?;
    page.gauges(
        "stentor_clients",
        "Open clients now, by version.",
        ("version", labels::versions(&counters.open)),
    )?;
    page.counter(
        "stentor_connections_accepted",
        "Connections that were accepted.",
        counters.accepted,
    )
}

fn write_handshakes(page: &mut Page<'_>, counters: &Counters) -> fmt::Result {
    page.counters(
        "stentor_handshakes_completed",
        "Handshakes that were completed, by version.",
        ("version", labels::versions(&counters.opened)),
    )?;
    page.counters(
        "stentor_requests_rejected",
        "Requests that were rejected, by reason.",
        ("reason", labels::rejections(&counters.rejected)),
    )?;
    page.counter(
        "stentor_http_responses",
        "Requests that received an ordinary HTTP response from the program.",
        counters.answered,
    )
}

fn write_messages(page: &mut Page<'_>, counters: &Counters) -> fmt::Result {
    page.counter(
        "stentor_messages_received",
        "Messages that were received.",
        counters.messages_in,
    )?;
    page.counter(
        "stentor_messages_sent",
        "Messages that were accepted for sending. A broadcast counts once for each client.",
        counters.messages_out,
    )?;
    page.counter(
        "stentor_messages_dropped",
        "Messages that were dropped because the send queue of a client was full.",
        counters.dropped,
    )?;
    page.counter(
        "stentor_messages_skipped",
        "Broadcast messages that were not sent to a client because its version cannot carry them.",
        counters.skipped,
    )?;
    page.bytes_counter(
        "stentor_received",
        "Bytes that were received, of handshakes and frames.",
        counters.bytes_in,
    )?;
    page.bytes_counter(
        "stentor_sent",
        "Bytes that were sent, of handshakes and frames.",
        counters.bytes_out,
    )
}

fn write_memory(page: &mut Page<'_>, counters: &Counters) -> fmt::Result {
    page.bytes(
        "stentor_send_queue",
        "Memory in all send queues together. It waits for sockets that accept no more.",
        counters.waiting,
    )?;
    page.bytes(
        "stentor_incoming",
        "Memory of all clients for incoming messages. A client below 8 KiB is not counted.",
        counters.incoming,
    )
}

fn write_ends(page: &mut Page<'_>, counters: &Counters) -> fmt::Result {
    page.counters(
        "stentor_clients_disconnected",
        "Clients that the server disconnected, by reason.",
        ("reason", labels::disconnects(&counters.disconnected)),
    )?;
    page.counters(
        "stentor_closes",
        "Connections that have ended, by close code. 1005: no code. 1006: no close frame.",
        ("code", labels::closes(&counters.closes)),
    )?;
    page.counter(
        "stentor_clients_evicted",
        "Clients that were disconnected because their own send queue, or all together, were full.",
        counters.evicted,
    )?;
    page.counter(
        "stentor_clients_throttled",
        "Times that a client was throttled because it exceeded its rate limit.",
        counters.throttled,
    )?;
    page.counter(
        "stentor_rate_limit_exceeded",
        "Clients that were closed because they exceeded their rate limit.",
        counters.rate_limit_exceeded,
    )?;
    page.counter(
        "stentor_incoming_limit_exceeded",
        "Clients that were closed because all together held too much memory for incoming messages.",
        counters.incoming_exceeded,
    )?;
    page.counter(
        "stentor_handlers_failed",
        "Handlers that panicked or returned an error.",
        counters.failed_handlers,
    )
}

fn write_rooms(page: &mut Page<'_>, counters: &Counters, rooms: Option<usize>) -> fmt::Result {
    page.gauge("stentor_rooms", "Rooms that have members now.", rooms)?;
    page.counter(
        "stentor_joins_refused",
        "Times that a client could not join a room because of a limit.",
        counters.not_joined,
    )
}

/// The history of rooms. Without it, all of these are 0.
fn write_history(page: &mut Page<'_>, counters: &Counters) -> fmt::Result {
    page.bytes(
        "stentor_history",
        "Memory that the history of all rooms takes.",
        counters.history,
    )?;
    page.gauge(
        "stentor_members",
        "Members of rooms that are present, or in their grace period.",
        counters.members,
    )?;
    page.counter(
        "stentor_broadcasts_refused",
        "Broadcasts that the history of a room has refused.",
        counters.not_published,
    )?;
    page.counter(
        "stentor_journal_errors",
        "Calls of the journal that have failed. The log has the errors.",
        counters.journal_errors,
    )
}

/// The rooms that are shared through Redis. Without them, all of these are 0.
#[cfg(feature = "redis")]
fn write_redis(page: &mut Page<'_>, counters: &RedisCounters) -> fmt::Result {
    page.counter(
        "stentor_redis_reconnects",
        "Times that the connections to Redis were lost and are there again.",
        counters.reconnects,
    )?;
    page.counter(
        "stentor_redis_batches",
        "Batches of messages that were sent to Redis, including those that were sent again.",
        counters.batches,
    )?;
    page.counter(
        "stentor_redis_retried_batches",
        "Batches that were sent again because Redis had forgotten the scripts.",
        counters.retried,
    )?;
    page.counter(
        "stentor_redis_refused_messages",
        "Messages that were not stored: Redis has refused them, or could not be reached in time.",
        counters.refused,
    )?;
    page.counter(
        "stentor_redis_entries",
        "Entries of shared rooms that were received, those of this server too.",
        counters.entries,
    )?;
    page.counter(
        "stentor_redis_gaps",
        "Places in the order of a shared room's messages where some are missing.",
        counters.gaps,
    )
}
