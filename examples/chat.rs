//! A chat room for browsers of every age: the page and the room on one port.
//!
//! `chat [ADDRESS | PATH]...`, by default 127.0.0.1:8000: an argument with a slash is the path of a Unix
//! socket. `chat 0.0.0.0:8000` is for other devices too, and prints the URLs for them. With the feature
//! `systemd`, `chat --systemd` uses the sockets that systemd passes to it. With the feature `tls`,
//! `chat --tls CERTIFICATE KEY ...` uses the certificate in these files, and SIGHUP reads them again; with the
//! feature `self-signed`, `chat --self-signed ...` creates a certificate of its own, which
//! `chat --self-signed=FILE ...` writes to a file, for clients that are to trust it.
//!
//! The page is at `/`, and at the path of any room so that a room can be linked to; a WebSocket at `/lobby` is in
//! the room `lobby`; `/health` is the health check. Requests from other sites' pages are rejected. Messages are
//! JSON, one object each; `chat/chat.js` has the other half. SIGINT and SIGTERM start a graceful shutdown; the
//! second signal does not wait for the clients' answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stentor::protocol::InvalidHeader;
use stentor::server::{Audience, ClientId};
use stentor::{
    Client, CloseCode, Message, RateLimit, Reply, Request, Response, Server, ServerHandle,
};

#[path = "chat/names.rs"]
mod names;
#[path = "chat/doors.rs"]
mod sockets;

const PAGE: &str = include_str!("chat.html");
const SCRIPT: &str = include_str!("chat/chat.js");
const STYLE: &str = include_str!("chat/chat.css");
const LONGEST_ROOM: usize = 64;
const MOST_MEMBERS: usize = 200;
/// One address has at most a quarter of a room's places, so it cannot fill the room.
const MOST_PER_ADDRESS: usize = MOST_MEMBERS / 4;
const LONGEST_TEXT: usize = 2000;
/// The rate limit: nobody types ten messages a second, and those of five seconds may come at once.
const MESSAGES_PER_SECOND: u32 = 10;
const BYTES_PER_SECOND: u32 = 32 * 1024;
/// How long the browsers may take to answer the close frame of a shutdown.
const FAREWELL: Duration = Duration::from_secs(5);

/// The members of each room, as the page lists them.
#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Members>>);

/// A room's members in the order of their arrival, and the keys of the names that are taken.
#[derive(Default)]
struct Members {
    list: BTreeMap<ClientId, Value>,
    names: HashSet<String>,
}

fn main() -> ExitCode {
    env_logger::init();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::debug!("{error:?}");
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> std::io::Result<()> {
    let rate = RateLimit::per_second().messages(MESSAGES_PER_SECOND);
    let builder = Server::builder()
        .max_message_size(64 * 1024)
        .rate_limit(rate.bytes(BYTES_PER_SECOND))
        .max_clients_per_address(Some(MOST_PER_ADDRESS))
        .same_origin()
        .on_request(answer);
    let mut places: Vec<String> = std::env::args().skip(1).collect();
    let (builder, scheme) = sockets::secure(builder, &mut places)?;
    if let Some(option) = places.iter().find(|place| is_unknown(place)) {
        eprintln!("{option} is no option here: {USAGE}");
        std::process::exit(2);
    }
    let server = sockets::listen(builder, &places)?;
    end_on_signals(server.handle())?;
    sockets::announce(&server, scheme)?;
    let rooms = Rooms::default();
    server.run(|client| chat(client, &rooms))
}

const USAGE: &str = "chat [--tls CERT KEY | --self-signed[=FILE]] [ADDRESS | PATH]... | --systemd; \
    --tls, --self-signed and --systemd need the features of their names";

fn is_unknown(place: &str) -> bool {
    place.starts_with('-') && !(cfg!(feature = "systemd") && place == "--systemd")
}

/// The first signal starts a graceful shutdown, the second ends the process.
fn end_on_signals(server: ServerHandle) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            server.shutdown(FAREWELL);
        }
        if let Some(signal) = signals.next() {
            // The status that a shell reports for a process that a signal has ended.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Responds with the page or the health check, and accepts WebSocket requests for a room.
fn answer(request: &Request) -> Reply {
    let room = room_of(request);
    match request.version() {
        Some(_) if room.len() <= LONGEST_ROOM => Reply::accept(),
        Some(_) => Reply::reject(404, "that is no name for a room"),
        None if room == "health" => Response::text("ok\n").into(),
        // No room's page is at these two: a dot is not in a room's name.
        None if room == "chat.js" => asset("text/javascript; charset=utf-8", SCRIPT),
        None if room == "chat.css" => asset("text/css; charset=utf-8", STYLE),
        None if is_word(room) => match page(request) {
            Ok(page) => page.into(),
            Err(_) => Reply::reject(500, "this page cannot be shown"),
        },
        None => Reply::reject(404, "nothing here"),
    }
}

fn asset(kind: &str, text: &str) -> Reply {
    Response::new(200).body(kind, text).into()
}

/// Returns the page, with a policy: it runs only the server's own script, connects only to this server, and
/// is never shown inside another page.
fn page(request: &Request) -> Result<Response, InvalidHeader> {
    // `'self'` includes WebSockets only since about 2020; older browsers need them by name.
    let host = request.header_str("Host").filter(|host| is_plain(host));
    let sockets = host.map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
         connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response::html(PAGE).header("Content-Security-Policy", &policy)
}

/// Returns whether the host has only characters without a meaning in a policy; a policy cannot hold an IPv6
/// address at all.
fn is_plain(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    host.bytes().all(allowed)
}

fn room_of(request: &Request) -> &str {
    request.path().strip_prefix('/').unwrap_or_default()
}

/// Returns whether a path can be a room's name on the page; browsers request other paths by themselves.
fn is_word(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    name.len() <= LONGEST_ROOM && name.bytes().all(allowed)
}

fn chat(client: &mut Client, rooms: &Rooms) -> stentor::HandlerResult {
    let Some(wanted) = ask_name(client)? else {
        return Ok(());
    };
    let Some(seat) = Seat::take(client, &wanted, rooms) else {
        client.close(CloseCode::TRY_AGAIN_LATER, "this room is full")?;
        return Ok(());
    };
    while let Some(message) = client.recv()? {
        match field(&message, "say", "text", LONGEST_TEXT) {
            Ok(text) => seat.say(&text),
            Err(complaint) => complain(client, &complaint)?,
        }
    }
    Ok(())
}

/// Returns the new member's name; `None` if it leaves without a name.
fn ask_name(client: &mut Client) -> Result<Option<String>, stentor::Error> {
    while let Some(message) = client.recv()? {
        let name = field(&message, "join", "name", names::LONGEST);
        match name.and_then(|name| names::checked(&name)) {
            Ok(name) => return Ok(Some(name)),
            Err(complaint) => complain(client, &complaint)?,
        }
    }
    Ok(None)
}

/// A member's place in a room; dropping it leaves the room.
struct Seat<'a> {
    id: ClientId,
    name: String,
    version: &'static str,
    room: String,
    audience: Audience,
    rooms: &'a Rooms,
}

impl Seat<'_> {
    /// Sends the list of members to the new member, and the new member to the others; `None` in a full room.
    fn take<'a>(client: &Client, wanted: &str, rooms: &'a Rooms) -> Option<Seat<'a>> {
        let room = match room_of(client.request()) {
            "" => "lobby",
            room => room,
        };
        // The lock orders the list of members against the announcements: no member is missing, or
        // listed twice. Nothing under the lock waits for a client's socket.
        let mut all = rooms.lock();
        let members = all.entry(room.to_owned()).or_default();
        if members.list.len() >= MOST_MEMBERS {
            return None;
        }
        let seat = Seat {
            id: client.id(),
            name: names::free(wanted, &members.names),
            version: client.version().name(),
            room: room.to_owned(),
            audience: client.room(room),
            rooms,
        };
        members.names.insert(names::key(&seat.name));
        members.list.insert(seat.id, seat.describe("joined"));
        let mut welcome = seat.describe("welcome");
        welcome["room"] = room.into();
        welcome["members"] = members.list.values().cloned().collect();
        // If the client has disconnected already, the next `recv` reports it.
        let _ = client.handle().send(welcome.to_string());
        client.join(room);
        let others = seat.audience.clone().except(seat.id);
        others.broadcast(seat.describe("joined").to_string());
        Some(seat)
    }

    fn say(&self, text: &str) {
        let mut said = self.describe("said");
        said["text"] = text.into();
        said["time"] = now().into();
        self.audience.broadcast(said.to_string());
    }

    fn describe(&self, kind: &str) -> Value {
        json!({"type": kind, "id": self.id.get(), "name": self.name, "version": self.version})
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut all = self.rooms.lock();
        if let Some(members) = all.get_mut(&self.room) {
            members.list.remove(&self.id);
            members.names.remove(&names::key(&self.name));
            if members.list.is_empty() {
                all.remove(&self.room);
            }
        }
        let others = self.audience.clone().except(self.id);
        others.broadcast(self.describe("left").to_string());
    }
}

fn complain(client: &mut Client, text: &str) -> Result<(), stentor::Error> {
    client.send(json!({"type": "error", "text": text}).to_string())
}

/// Returns the trimmed text of one JSON field of a message of the expected type.
///
/// # Errors
/// An error text if the message is another one, or the text is empty or too long: no text is cut.
fn field(message: &Message, kind: &str, name: &str, longest: usize) -> Result<String, String> {
    let value = message.as_text().map(serde_json::from_str::<Value>);
    let value = value.and_then(Result::ok).unwrap_or_default();
    let text = value[name].as_str().unwrap_or_default().trim();
    let length = text.chars().count();
    if value["type"] != kind || text.is_empty() {
        let first = if kind == "join" { " first" } else { "" };
        return Err(format!(
            "say {{\"type\":\"{kind}\",\"{name}\":…}}{first}, 1 to {longest} characters"
        ));
    }
    if length > longest {
        return Err(format!(
            "this {name} is too long: {length} characters, and the most is {longest}"
        ));
    }
    Ok(text.to_owned())
}

fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Members>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
