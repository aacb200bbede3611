//! A chat for browsers of every age: the page and the rooms on one port.
//!
//! `chat [ADDRESS | PATH]...`, by default 127.0.0.1:8000: an argument with a slash is the path of a Unix
//! socket. `chat 0.0.0.0:8000` is for other devices too, and prints the URLs for them. With the feature
//! `systemd`, `chat --systemd` uses the sockets that systemd passes to it. With the feature `tls`,
//! `chat --tls CERTIFICATE KEY ...` uses the certificate in these files, and SIGHUP reads them again; with the
//! feature `self-signed`, `chat --self-signed ...` creates a certificate of its own, which
//! `chat --self-signed=FILE ...` writes to a file, for clients that are to trust it.
//! `chat --operator-file FILE ...` is a chat with operators: the first line of the file is their secret.
//! `chat --grace-period SECONDS ...` sets how long a member whose connection was lost stays a member.
//! With the feature `prometheus`, `chat --metrics PORT ...` serves metrics for Prometheus at `/metrics`, on that port of
//! 127.0.0.1; `chat --metrics ADDRESS ...` on another address. `chat/dashboard.json` is a dashboard of Grafana for them.
//! The messages are kept in `./chat.redb` and outlive the process; `chat --data FILE ...` keeps them in another
//! file, `chat --data none ...` in memory only. With the feature `redis`, `chat --redis redis://HOST/ ...` shares its
//! rooms with all chats that use the same Redis, which keeps the messages.
//! With the feature `tls` too, the URL may be `rediss://HOST/`, and `chat --redis-ca FILE ...` trusts the certificates in
//! that file.
//! Behind a load balancer, `chat --proxy ADDRESS ...` takes the clients' addresses from the PROXY protocol of that proxy,
//! and `chat --trust-forwarded ...` takes them from `X-Forwarded-For`: no client may reach such a chat without the proxy.
//!
//! The page is at `/`, and at the path of any room so that a room can be linked to; a WebSocket at `/lobby` is in
//! the room `lobby`; `/health` is the health check for a monitor, and `/ready` the one for a load balancer. Requests from other sites' pages are rejected. Messages are
//! JSON, one object each (`chat/wire.rs`); `chat/chat.js` has the other half. A room remembers its newest
//! messages, and a client that comes back receives those that it has missed. SIGINT and SIGTERM start a graceful
//! shutdown; the second signal does not wait for the clients' answers.
//!
//! On Windows, ctrl-C does the same. There are no Unix sockets, no SIGHUP, and no modes of files: the store and the
//! secret are as private as the folders that they are in.

#![allow(
    clippy::incompatible_msrv,
    reason = "the library compiles with an older Rust than this example"
)]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use stentor::server::History;
use stentor::{Client, RateLimit, Server};

#[path = "chat/doors.rs"]
mod doors;
#[path = "chat/member.rs"]
mod member;
#[cfg(feature = "prometheus")]
#[path = "chat/metrics.rs"]
mod metrics;
#[path = "chat/moderation.rs"]
mod moderation;
#[path = "chat/names.rs"]
mod names;
#[path = "chat/options.rs"]
mod options;
#[path = "chat/pages.rs"]
mod pages;
#[cfg(feature = "prometheus")]
#[path = "chat/process.rs"]
mod process;
#[path = "chat/rooms.rs"]
mod rooms;
#[path = "chat/signals.rs"]
mod signals;
#[path = "chat/store.rs"]
mod store;
#[path = "chat/wire.rs"]
mod wire;

use member::Member;
use moderation::Moderation;
use options::Options;
use wire::Request;

const MOST_MEMBERS: usize = 200;
/// One address has at most a quarter of a room's places, so it cannot fill the room.
const MOST_PER_ADDRESS: usize = MOST_MEMBERS / 4;
/// The rate limit: nobody types ten messages a second, and those of five seconds may come at once.
const MESSAGES_PER_SECOND: u32 = 10;
const BYTES_PER_SECOND: u32 = 32 * 1024;
/// How long the browsers may take to answer the close frame of a shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// The parts of the chat that all clients share.
struct House {
    moderation: Arc<Moderation>,
    rooms: rooms::List,
}

fn main() -> ExitCode {
    env_logger::init();
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("chat: {error}");
            return ExitCode::from(2);
        }
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::debug!("{error:?}");
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(options: &Options) -> std::io::Result<()> {
    let house = House {
        moderation: Arc::new(Moderation::new(options.operator_file.as_deref())?),
        rooms: rooms::List::default(),
    };
    let store = match options.redis {
        Some(_) => None,
        None => store::open(&options.data)?,
    };
    let kept = store.as_ref().map(|_| &options.data);
    let kept = kept.map(|data| format!("messages are kept in {data}"));
    let rate = RateLimit::per_second().messages(MESSAGES_PER_SECOND);
    let builder = Server::builder()
        .max_message_size(64 * 1024)
        .rate_limit(rate.bytes(BYTES_PER_SECOND))
        .max_clients_per_address(Some(MOST_PER_ADDRESS))
        .proxy_protocol(options.proxies.clone())
        .trust_forwarded_headers(options.trust_forwarded)
        .same_origin()
        .history(history(options, store)?)
        .on_request(pages::answer);
    let (builder, scheme) = doors::secure(builder, options.certificate.as_ref())?;
    let server = doors::listen(builder, options)?;
    #[cfg(feature = "prometheus")]
    let _metrics = match options.metrics {
        Some(address) => Some(metrics::serve(address, &server.handle())?),
        None => None,
    };
    signals::end_server(server.handle())?;
    house.moderation.follow(server.handle());
    doors::announce(&server, scheme)?;
    if let Some(kept) = kept {
        println!("{kept}");
    }
    server.run(|client| chat(client, &house))
}

/// The messages that the rooms keep in memory: for a day, and in 64 MiB at most. The store keeps more.
fn history(options: &Options, store: Option<store::Store>) -> std::io::Result<History> {
    let history = History::new().max_entries(1000).max_bytes(1024 * 1024);
    let history = history.max_age(Duration::from_secs(24 * 3600));
    let history = match store {
        Some(store) => history.journal(store),
        None => history,
    };
    let history = history
        .grace_period(options.grace_period)
        .max_announced(MOST_MEMBERS);
    match &options.redis {
        Some(address) => shared(history, address, options),
        None => Ok(history),
    }
}

/// Shares the rooms with all chats at this Redis.
#[cfg(feature = "redis")]
fn shared(history: History, address: &str, options: &Options) -> std::io::Result<History> {
    let redis = stentor::server::Redis::at(address).map_err(std::io::Error::other)?;
    let redis = redis.namespace("stentor-chat");
    #[cfg(feature = "tls")]
    let redis = match &options.redis_ca {
        Some(file) => redis.tls(doors::trusted(file)?),
        None => redis,
    };
    #[cfg(not(feature = "tls"))]
    let _ = options;
    Ok(history.redis(redis.on_gap(|_, gap| Some(wire::live_gap(gap).into()))))
}

#[cfg(not(feature = "redis"))]
fn shared(history: History, _: &str, _: &Options) -> std::io::Result<History> {
    Ok(history)
}

fn chat(client: &mut Client, house: &House) -> stentor::HandlerResult {
    let Ok(room) = rooms::at(client.request().path()) else {
        return Ok(());
    };
    let mut member = loop {
        let Some(message) = client.recv()? else {
            return Ok(());
        };
        match Request::read(&message) {
            Ok(Request::Join(join)) => match Member::enter(client, house, &room, join)? {
                Ok(member) => break member,
                Err(complaint) => client.send(wire::error(&complaint))?,
            },
            Ok(Request::Rooms) => client.send(house.rooms.message(&client.server()))?,
            Ok(_) => client.send(wire::error("say {\"type\":\"join\",\"name\":…} first"))?,
            Err(complaint) => client.send(wire::error(&complaint))?,
        }
    };
    while let Some(message) = client.recv()? {
        let answer = Request::read(&message).and_then(|request| member.answer(client, request));
        match answer {
            Ok(Some(message)) => client.send(message)?,
            Ok(None) => {}
            Err(complaint) => client.send(wire::error(&complaint))?,
        }
    }
    member.end(client);
    Ok(())
}
