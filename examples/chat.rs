//! A chat room for browsers of every age: the page and the room on one port.
//!
//! `chat [ADDRESS | PATH]...`, by default 127.0.0.1:8000: a place with a slash in it is a Unix socket's
//! path. `chat 0.0.0.0:8000` is for other devices too, and prints the URLs that lead there. With the feature
//! `systemd`, `chat --systemd` takes the sockets that it is handed over. With the feature `tls`,
//! `chat --tls CERTIFICATE KEY ...` shows the certificate in these files, and SIGHUP reads them again; with the
//! feature `self-signed`, `chat --self-signed ...` makes a certificate of its own, which
//! `chat --self-signed=FILE ...` writes to a file, for clients that are to trust it.
//!
//! The page is at `/`, and at the path of any room so that a room can be linked to; a WebSocket at `/lobby` is in
//! the room `lobby`; `/health` is for machines. Other sites' pages are not let in. Messages are JSON, one object
//! each; `chat/chat.js` has the other half. SIGINT and SIGTERM close all connections in order; the second one
//! does not wait for the clients' answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stentor::{
    Audience, Client, ClientId, CloseCode, InvalidHeader, Message, RateLimit, Reply, Request,
    Response, Server, ServerHandle,
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
/// So one address cannot fill a room: it has a quarter of its places at most.
const MOST_PER_ADDRESS: usize = MOST_MEMBERS / 4;
const LONGEST_TEXT: usize = 2000;
/// Ten messages a second are more than anybody types, and five seconds' worth may come at once.
const MESSAGES_PER_SECOND: u32 = 10;
const BYTES_PER_SECOND: u32 = 32 * 1024;
/// How long the browsers may take to answer the last goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// Who is in which room, as the page lists them.
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
        .rate(rate.bytes(BYTES_PER_SECOND))
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

/// The first signal ends the server in good order, the second ends the process.
fn end_on_signals(server: ServerHandle) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        if signals.next().is_some() {
            server.shutdown(FAREWELL);
        }
        if let Some(signal) = signals.next() {
            // What a shell says of a process that a signal has ended.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// The page, the health check, and a way in for everything else that asks for a WebSocket.
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

/// The page runs the server's own script and no other, speaks to this server alone, and is never shown
/// inside of another page.
fn page(request: &Request) -> Result<Response, InvalidHeader> {
    // `'self'` means WebSockets too only since 2020 or so; before that, they must be named.
    let host = request.header_str("Host").filter(|host| is_plain(host));
    let sockets = host.map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
         connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response::html(PAGE).header("Content-Security-Policy", &policy)
}

/// Nothing that means something in a policy; an IPv6 address cannot stand there at all.
fn is_plain(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    host.bytes().all(allowed)
}

fn room_of(request: &Request) -> &str {
    request.path().strip_prefix('/').unwrap_or_default()
}

/// What the page makes of a room's name; a browser asks for other paths by itself.
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

/// The newcomer's name; `None` when it leaves without one.
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

/// A member's place in a room, given up on every way out.
struct Seat<'a> {
    id: ClientId,
    name: String,
    version: &'static str,
    room: String,
    audience: Audience,
    rooms: &'a Rooms,
}

impl Seat<'_> {
    /// Tells the newcomer who is there, and the others who has come; `None` in a full room.
    fn take<'a>(client: &Client, wanted: &str, rooms: &'a Rooms) -> Option<Seat<'a>> {
        let room = match room_of(client.request()) {
            "" => "lobby",
            room => room,
        };
        // The lock orders the list of members against the announcements: nobody is missed, or
        // seen twice. Nothing done under it waits for anybody's socket.
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
        // If it is gone already, the next `recv` will tell.
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

/// The trimmed text of one field of a message of the expected type.
///
/// # Errors
/// A complaint about another message, or about a text that is empty or too long: nothing is cut.
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
