//! The server under load: the number of a message decides its receivers; the rest is the library's.
//! All of its allocations are counted.

use std::alloc::System;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use rustix::net::sockopt;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use stentor::server::{CloseReport, Endpoint};
use stentor::tls::TlsServer;
use stentor::{Client, Deflate, Message, Reply, Request, Response, Server, ServerHandle};

use crate::HandlerResult;
use crate::talk::{self, To};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The results of clients that have left, by the class that they named themselves.
#[derive(Default)]
struct Departed {
    clients: u64,
    messages_in: u64,
    messages_out: u64,
}

type Ledger = Arc<Mutex<BTreeMap<String, Departed>>>;

/// Serves on two ports that it prints, the second with TLS, and prints its certificate. For each
/// line of input it prints the size of its heap in bytes; when there are no more it shuts down and
/// prints its counters.
pub(crate) fn serve() -> HandlerResult<()> {
    let (certificate, tls) = identity()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    // Unread bytes are soon in the send queue, and do not fill megabytes in the kernel first.
    sockopt::set_socket_send_buffer_size(&listener, 16 * 1024)?;
    let ledger = Ledger::default();
    let departed = Arc::clone(&ledger);
    let server = Server::builder()
        .listener(listener)
        .listen_plain("127.0.0.1:0")
        .tls(tls)
        .deflate(compression())
        .max_message_size(64 * 1024)
        .send_queue_limit(128 * 1024)
        .handshake_timeout(Duration::from_secs(5))
        .ping_interval(Some(Duration::from_secs(5)))
        .pong_timeout(Duration::from_secs(5))
        .on_request(answer)
        .on_close(move |report| depart(&departed, report))
        .build()?;
    let addresses = server.endpoints()?.into_iter().filter_map(of_net);
    let ports: Vec<String> = addresses
        .map(|address| address.port().to_string())
        .collect();
    let handle = server.handle();
    let stopper = handle.clone();
    thread::spawn(move || {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            let stats = ALLOCATOR.stats();
            println!("{}", stats.bytes_allocated - stats.bytes_deallocated);
        }
        stopper.shutdown(Duration::from_secs(10));
    });
    // All threads that stay are running by now.
    println!("{}\n{certificate}", ports.join(" "));
    let handled = AtomicU64::new(0);
    server.run(|client| pass_on(client, &handled))?;
    println!("{}", report(&handle, &ledger, handled.load(Relaxed)));
    Ok(())
}

/// Returns a self-signed certificate, in PEM, and the server's configuration for it.
fn identity() -> HandlerResult<(String, TlsServer)> {
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    let certificate = params.self_signed(&key)?.pem();
    let tls = TlsServer::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes())?;
    Ok((certificate, tls))
}

/// Accepts any offer of the client; lines of chat are compressed, too.
fn compression() -> Deflate {
    let deflate = Deflate::new().threshold(32);
    deflate.send_takeover(true).receive_takeover(true)
}

fn of_net(endpoint: Endpoint) -> Option<SocketAddr> {
    match endpoint {
        Endpoint::Net(address) => Some(address),
        _ => None,
    }
}

fn answer(request: &Request) -> Reply {
    match request.version() {
        Some(_) => Reply::accept(),
        None => Response::text("a page\n").into(),
    }
}

/// The first part of the path is the room.
fn pass_on(client: &mut Client, handled: &AtomicU64) -> stentor::HandlerResult {
    let path = client.request().path().trim_start_matches('/');
    let room = path.split('/').next().unwrap_or_default().to_owned();
    let (id, room, all) = (client.id(), client.room(&room), client.everyone());
    let (roommates, others) = (room.clone().except(id), all.clone().except(id));
    client.join(path.split('/').next().unwrap_or_default());
    while let Some(message) = client.recv()? {
        handled.fetch_add(1, Relaxed);
        let number = talk::number(message.as_bytes()).ok_or("a message without a number")?;
        if talk::is_echoed(number) {
            client.send(echo(&message))?;
        }
        match talk::to(number) {
            To::All => all.broadcast(message),
            To::AllOthers => others.broadcast(message),
            To::Room => room.broadcast(message),
            To::Roommates => roommates.broadcast(message),
        }
    }
    Ok(())
}

fn echo(message: &Message) -> Message {
    let words = String::from_utf8_lossy(message.as_bytes());
    format!("{}{words}", String::from_utf8_lossy(talk::ECHO)).into()
}

/// The second part of the path is the class.
fn depart(ledger: &Ledger, report: &CloseReport) {
    let class = report.target.split('/').nth(2).unwrap_or_default();
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let departed = ledger.entry(class.to_owned()).or_default();
    departed.clients += 1;
    departed.messages_in += report.messages_in;
    departed.messages_out += report.messages_out;
}

/// Returns names and numbers on one line.
fn report(handle: &ServerHandle, ledger: &Ledger, handled: u64) -> String {
    let counters = handle.counters();
    let mut line = String::new();
    let mut add = |name: &str, number: u64| {
        let _ = write!(line, "{name}={number} ");
    };
    add("connections", counters.connections as u64);
    add("open", counters.open.values().sum::<usize>() as u64);
    add("accepted", counters.accepted);
    add("opened", counters.opened.values().sum());
    add("refused", counters.rejected.values().sum());
    add("answered", counters.answered);
    add("closed", counters.closes.values().sum());
    add("messages_in", counters.messages_in);
    add("messages_out", counters.messages_out);
    add("bytes_in", counters.bytes_in);
    add("bytes_out", counters.bytes_out);
    add("dropped", counters.dropped);
    add("skipped", counters.skipped);
    add("evicted", counters.evicted);
    add("failed_handlers", counters.failed_handlers);
    add("handled", handled);
    for (disconnect_reason, number) in counters.disconnected {
        add(&format!("lost:{disconnect_reason:?}"), number);
    }
    for (code, number) in counters.closes {
        add(&format!("code:{code}"), number);
    }
    for (class, departed) in &*ledger.lock().unwrap_or_else(PoisonError::into_inner) {
        add(&format!("clients:{class}"), departed.clients);
        add(&format!("in:{class}"), departed.messages_in);
        add(&format!("out:{class}"), departed.messages_out);
    }
    line
}
