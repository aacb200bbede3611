//! The options of a server at their defaults, as its threads use them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::net::connection::OnState;
use crate::net::date;
use crate::net::options::ConnectionOptions;
use crate::net::rate_limit::{OnRateLimit, RateLimit};
use crate::net::send_queue::SlowClient;
use crate::net::tls::TlsServer;

use super::addresses::PerAddress;
#[cfg(feature = "history")]
use super::history::History;
use super::proxy_protocol::TrustedProxies;
use super::reply::Reply;
use super::request::Request;
use super::teardown::CloseReport;

pub(super) type OnRequest = dyn Fn(&Request) -> Reply + Send + Sync;
type OnClose = dyn Fn(&CloseReport) + Send + Sync;

/// The options of a server, except for its listeners.
pub(crate) struct Settings {
    pub(crate) connection: ConnectionOptions,
    pub(crate) trust_local_proxy: bool,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) total_send_queue_limit: usize,
    pub(crate) all_incoming: usize,
    pub(crate) slow_client: SlowClient,
    pub(crate) rate: Option<RateLimit>,
    pub(crate) on_rate_limit: OnRateLimit,
    pub(crate) max_clients: usize,
    pub(crate) per_address: PerAddress,
    pub(crate) max_rooms_per_client: usize,
    pub(crate) max_memberships: usize,
    #[cfg(feature = "history")]
    pub(crate) history: Option<History>,
    pub(crate) stack_size: usize,
    pub(crate) tls: Option<TlsServer>,
    pub(crate) on_request: Option<Arc<OnRequest>>,
    pub(crate) on_close: Option<Arc<OnClose>>,
    pub(crate) on_state: Option<Arc<OnState>>,
    /// The kit for tests reads it.
    #[cfg(feature = "testing")]
    pub(crate) record: Option<Arc<super::record::Record>>,
}

/// Parses each text of a list.
pub(super) fn parsed<T: FromStr, C: FromIterator<T>>(
    texts: impl IntoIterator<Item: AsRef<str>>,
) -> Result<C, T::Err> {
    let texts = texts.into_iter();
    texts.map(|text| text.as_ref().parse()).collect()
}

impl Default for Settings {
    fn default() -> Self {
        let mut connection = ConnectionOptions::default();
        connection.config().date = Some(date::now);
        Settings {
            connection,
            trust_local_proxy: false,
            trusted_proxies: TrustedProxies::default(),
            total_send_queue_limit: 256 * 1024 * 1024,
            all_incoming: 256 * 1024 * 1024,
            slow_client: SlowClient::Close,
            rate: None,
            on_rate_limit: OnRateLimit::Delay,
            max_clients: 10_000,
            per_address: PerAddress::default(),
            max_rooms_per_client: 1000,
            max_memberships: 1_000_000,
            #[cfg(feature = "history")]
            history: None,
            stack_size: 1024 * 1024,
            tls: None,
            on_request: None,
            on_close: None,
            on_state: None,
            #[cfg(feature = "testing")]
            record: None,
        }
    }
}

impl fmt::Debug for Settings {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut settings = f.debug_struct("Settings");
        #[cfg(feature = "history")]
        settings.field("history", &self.history);
        settings
            .field("connection", &self.connection)
            .field("trust_local_proxy", &self.trust_local_proxy)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("total_send_queue_limit", &self.total_send_queue_limit)
            .field("all_incoming", &self.all_incoming)
            .field("slow_client", &self.slow_client)
            .field("rate", &self.rate)
            .field("on_rate_limit", &self.on_rate_limit)
            .field("max_clients", &self.max_clients)
            .field("per_address", &self.per_address)
            .field("max_rooms_per_client", &self.max_rooms_per_client)
            .field("max_memberships", &self.max_memberships)
            .field("stack_size", &self.stack_size)
            .field("tls", &self.tls)
            .field("on_request", &self.on_request.is_some())
            .field("on_close", &self.on_close.is_some())
            .field("on_state", &self.on_state.is_some())
            .finish()
    }
}
