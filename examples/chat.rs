//! A chat room for browsers of every age: the page and the room on one port.
//!
//! `chat [ADDRESS | PATH]...`, by default 127.0.0.1:8000: what has a slash in it is a Unix socket's
//! path. With the feature `systemd`, `chat --systemd` takes the sockets that it is handed over. With the
//! feature `tls`, `chat --tls CERTIFICATE KEY ...` shows what is in these files, and `chat --self-signed ...`
//! a certificate of its own making, which `chat --self-signed=FILE ...` writes to a file for those who are to
//! trust it; SIGHUP reads the files again. The page is at `/`, and at the path of any room so
//! that a room can be linked to; a WebSocket at `/lobby` is in the room `lobby`; `/health` is for
//! machines. Other sites' pages are not let in. What is said is JSON, one object per message;
//! `chat.html` has the other half. SIGINT and SIGTERM say goodbye to everybody; the second one does not
//! wait for their answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use stentor::{
    Audience, Client, ClientId, CloseCode, Endpoint, Message, Reply, Request, Response, Server,
    ServerBuilder, ServerHandle,
};

const PAGE: &str = include_str!("chat.html");
const LONGEST_ROOM: usize = 64;
const MOST_MEMBERS: usize = 200;
const LONGEST_NAME: usize = 32;
const LONGEST_TEXT: usize = 2000;
/// How long the browsers may take to answer the last goodbye.
const FAREWELL: Duration = Duration::from_secs(5);

/// Who is in which room, as the page lists them.
#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Members>>);

/// A room's members in the order of their arrival, and the names that are taken.
#[derive(Default)]
struct Members {
    list: BTreeMap<ClientId, Value>,
    names: HashSet<String>,
}

fn main() -> std::io::Result<()> {
    env_logger::init();
    let builder = Server::builder()
        .max_message(64 * 1024)
        .same_origin()
        .on_request(answer);
    let mut places: Vec<String> = std::env::args().skip(1).collect();
    let (builder, scheme) = secure(builder, &mut places)?;
    if let Some(option) = places.iter().find(|place| is_unknown(place)) {
        eprintln!("{option} is no option here: {USAGE}");
        std::process::exit(2);
    }
    let server = listen(builder, &places)?;
    end_on_signals(server.handle())?;
    for endpoint in server.endpoints()? {
        match endpoint {
            Endpoint::Net(address) => println!("chatting at {scheme}://{address}/"),
            endpoint => println!("chatting at {endpoint}"),
        }
    }
    let rooms = Rooms::default();
    server.run(|client| chat(client, &rooms))
}

const USAGE: &str = "chat [--tls CERT KEY | --self-signed[=FILE]] [ADDRESS | PATH]... | --systemd; \
    --tls needs the feature tls, --systemd that of its name";

fn is_unknown(place: &str) -> bool {
    place.starts_with('-') && !(cfg!(feature = "systemd") && place == "--systemd")
}

/// TLS, where the first arguments ask for it; and what the page's address begins with.
#[cfg(feature = "tls")]
fn secure(
    builder: ServerBuilder,
    arguments: &mut Vec<String>,
) -> std::io::Result<(ServerBuilder, &'static str)> {
    let tls = match &arguments[..] {
        [option, certificate, key, ..] if option == "--tls" => {
            let tls = stentor::TlsServer::from_files(certificate, key)?;
            reload_on_signals(tls.clone())?;
            arguments.drain(..3);
            tls
        }
        [option, ..] if option.split('=').next() == Some("--self-signed") => {
            let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            let made = rcgen::generate_simple_self_signed(names).map_err(std::io::Error::other)?;
            let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
            if let Some((_, file)) = arguments.remove(0).split_once('=') {
                std::fs::write(file, &certificate)?;
            }
            stentor::TlsServer::from_pem(certificate.as_bytes(), key.as_bytes())?
        }
        _ => return Ok((builder, "http")),
    };
    Ok((builder.tls(tls), "https"))
}

#[cfg(not(feature = "tls"))]
fn secure(
    builder: ServerBuilder,
    _: &mut Vec<String>,
) -> std::io::Result<(ServerBuilder, &'static str)> {
    Ok((builder, "http"))
}

/// Those who come after the signal see the new certificate.
#[cfg(feature = "tls")]
fn reload_on_signals(tls: stentor::TlsServer) -> std::io::Result<()> {
    let mut signals = Signals::new([signal_hook::consts::SIGHUP])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if let Err(error) = tls.reload() {
                log::error!("the old certificate stays: {error}");
            }
        }
    });
    Ok(())
}

fn listen(builder: ServerBuilder, places: &[String]) -> std::io::Result<Server> {
    #[cfg(feature = "systemd")]
    if places == ["--systemd"] {
        return builder.attach_systemd();
    }
    let is_path = |place: &str| place.contains('/');
    let mut places = places.iter().map(String::as_str);
    let server = match places.next().unwrap_or("127.0.0.1:8000") {
        path if is_path(path) => builder.bind_unix(path)?,
        address => builder.bind(address)?,
    };
    places.try_fold(server, |server, place| match is_path(place) {
        true => server.and_bind_unix(place),
        false => server.and_bind(place),
    })
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
        Some(_) => Reply::refuse(404, "that is no name for a room"),
        None if room == "health" => Response::text("ok\n").into(),
        None if is_word(room) => Response::html(PAGE).into(),
        None => Reply::refuse(404, "nothing here"),
    }
}

fn room_of(request: &Request) -> &str {
    request.path().strip_prefix('/').unwrap_or_default()
}

/// What the page makes of a room's name; a browser asks for other paths by itself.
fn is_word(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
    name.len() <= LONGEST_ROOM && name.bytes().all(allowed)
}

fn chat(client: &mut Client, rooms: &Rooms) -> stentor::Outcome {
    let Some(wanted) = ask_name(client)? else {
        return Ok(());
    };
    let Some(seat) = Seat::take(client, &wanted, rooms) else {
        client.close(CloseCode::TRY_AGAIN_LATER, "this room is full")?;
        return Ok(());
    };
    while let Some(message) = client.recv()? {
        match field(&message, "say", "text", LONGEST_TEXT) {
            Some(text) => seat.say(&text),
            None => complain(
                client,
                "say {\"type\":\"say\",\"text\":…}, 1 to 2000 characters",
            )?,
        }
    }
    Ok(())
}

/// What the newcomer wants to be called; `None` when it leaves without having said.
fn ask_name(client: &mut Client) -> Result<Option<String>, stentor::Error> {
    while let Some(message) = client.recv()? {
        match field(&message, "join", "name", LONGEST_NAME) {
            Some(name) => return Ok(Some(name)),
            None => complain(
                client,
                "say {\"type\":\"join\",\"name\":…} first, 1 to 32 characters",
            )?,
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
            name: free_name(wanted, &members.names),
            version: client.version().name(),
            room: room.to_owned(),
            audience: client.room(room),
            rooms,
        };
        members.names.insert(seat.name.clone());
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
            members.names.remove(&self.name);
            if members.list.is_empty() {
                all.remove(&self.room);
            }
        }
        let others = self.audience.clone().except(self.id);
        others.broadcast(self.describe("left").to_string());
    }
}

/// The name that was asked for, or the first of `name 2`, `name 3` … that nobody has.
fn free_name(wanted: &str, taken: &HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{wanted} {number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

fn complain(client: &mut Client, text: &str) -> Result<(), stentor::Error> {
    client.send(json!({"type": "error", "text": text}).to_string())
}

/// The trimmed text of one field of a message of the expected type, neither empty nor too long.
fn field(message: &Message, kind: &str, name: &str, longest: usize) -> Option<String> {
    let value: Value = serde_json::from_str(message.as_text()?).ok()?;
    let text = value[name].as_str()?.trim();
    let fits = !text.is_empty() && text.chars().count() <= longest;
    (value["type"] == kind && fits).then(|| text.to_owned())
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
