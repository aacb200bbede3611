//! Connections of the learner's own programs and browsers, through the tap.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};
use stentor::{Deflate, Server};
use stentor_explain::Side;
use stentor_explain::lab::{Question, conversation};
use stentor_explain::tap::{Content, Entry, Event, Tap};

/// The taps of one run.
const TAPS: usize = 8;

/// The connections of a tap that are remembered; the oldest ones are forgotten.
const CONNECTIONS: usize = 32;

/// The bytes of each direction that are kept.
const BYTES: usize = 16 * 1024;

/// The taps for the learner's programs.
#[derive(Debug)]
pub(crate) struct Yours {
    /// The ports of the microscope itself, which are not tapped.
    own: [u16; 2],
    taps: Mutex<Vec<Watched>>,
}

/// One tap, and its connections.
#[derive(Debug)]
struct Watched {
    port: u16,
    /// The port of the learner's server; `None` is the echo server of this program.
    to: Option<u16>,
    connections: Arc<Mutex<VecDeque<Seen>>>,
}

/// One connection.
#[derive(Debug)]
struct Seen {
    number: u32,
    reads: Vec<(Side, Vec<u8>)>,
    /// The bytes of both directions that are kept.
    kept: [usize; 2],
    /// Bytes that were relayed, but not kept.
    lost: u64,
    is_ended: [bool; 2],
    fault: Option<String>,
}

impl Yours {
    pub(crate) fn new(own: [u16; 2]) -> Yours {
        Yours {
            own,
            taps: Mutex::default(),
        }
    }

    /// Lists the taps and their connections. The first one leads to an echo server; with a port, there is one to the
    /// learner's server on that port of this computer too.
    pub(crate) fn list(&self, port: Option<u64>) -> Result<Value, String> {
        let mut taps = lock(&self.taps);
        if taps.is_empty() {
            taps.push(Watched::begin(None).map_err(|error| error.to_string())?);
        }
        if let Some(port) = port {
            let port = u16::try_from(port).ok().filter(|port| *port > 0);
            let port = port.ok_or("a port is a number from 1 to 65535")?;
            let is_own = self.own.contains(&port) || taps.iter().any(|tap| tap.port == port);
            if is_own {
                return Err(format!("port {port} is one of the microscope's own"));
            }
            if !taps.iter().any(|tap| tap.to == Some(port)) {
                if taps.len() == TAPS {
                    return Err(format!(
                        "{TAPS} taps are the most: start the microscope again"
                    ));
                }
                taps.push(Watched::begin(Some(port)).map_err(|error| error.to_string())?);
            }
        }
        Ok(Value::Array(taps.iter().map(Watched::json).collect()))
    }

    /// Explains one connection.
    pub(crate) fn show(&self, question: &Question) -> Result<Value, String> {
        let taps = lock(&self.taps);
        let port = question.number("port");
        let tap = taps.iter().find(|tap| Some(u64::from(tap.port)) == port);
        let connections = lock(&tap.ok_or("there is no such tap")?.connections);
        let number = question.number("number");
        let seen = connections
            .iter()
            .find(|seen| Some(u64::from(seen.number)) == number);
        let seen = seen.ok_or("there is no such connection any more")?;
        let is_whole = seen.lost == 0;
        Ok(conversation(
            &seen.reads,
            seen.is_ended.map(|is_ended| is_ended && is_whole),
        ))
    }
}

impl Watched {
    /// Listens on a free port, and relays to the server on this port, or to a new echo server.
    fn begin(to: Option<u16>) -> io::Result<Watched> {
        let target = match to {
            Some(port) => local(port),
            None => echo()?,
        };
        let listener = super::bind(0)?;
        let port = listener.local_addr()?.port();
        let tap = Tap::new();
        tap.serve(listener, &[target]);
        let connections = Arc::new(Mutex::new(VecDeque::new()));
        let seen = Arc::clone(&connections);
        thread::Builder::new()
            .name("yours".to_owned())
            .spawn(move || {
                for event in tap.events() {
                    record(&mut lock(&seen), event);
                }
            })?;
        Ok(Watched {
            port,
            to,
            connections,
        })
    }

    fn json(&self) -> Value {
        let connections = lock(&self.connections);
        let connections = connections.iter().map(|seen| {
            json!({
                "number": seen.number,
                "client": seen.kept[0],
                "server": seen.kept[1],
                "lost": seen.lost,
                "ended": seen.is_ended.iter().all(|is_ended| *is_ended),
                "fault": seen.fault,
            })
        });
        json!({
            "port": self.port,
            "to": self.to,
            "connections": connections.collect::<Vec<_>>(),
        })
    }
}

fn record(connections: &mut VecDeque<Seen>, event: Event) {
    let number = match &event {
        Event::Opened(number, _) | Event::Failed(number, _) => *number,
        Event::Read(Entry { connection, .. }) => *connection,
        _ => return,
    };
    if !connections.iter().any(|seen| seen.number == number) {
        if connections.len() == CONNECTIONS {
            connections.pop_front();
        }
        connections.push_back(Seen {
            number,
            reads: Vec::new(),
            kept: [0; 2],
            lost: 0,
            is_ended: [false; 2],
            fault: None,
        });
    }
    let seen = connections.iter_mut().find(|seen| seen.number == number);
    let Some(seen) = seen else { return };
    match event {
        Event::Failed(_, error) => {
            seen.fault = Some(format!("the server cannot be reached: {error}"));
        }
        Event::Read(Entry { from, content, .. }) => match content {
            Content::Bytes(bytes) => {
                let kept = &mut seen.kept[from as usize];
                let room = match seen.lost {
                    0 => BYTES.saturating_sub(*kept).min(bytes.len()),
                    _ => 0,
                };
                *kept += room;
                seen.lost += (bytes.len() - room) as u64;
                if room > 0 {
                    seen.reads.push((from, bytes[..room].to_vec()));
                }
            }
            Content::Lost(count) => seen.lost += count,
            Content::End => seen.is_ended[from as usize] = true,
        },
        _ => {}
    }
}

/// Starts an echo server on a free port. It compresses, so that a learner can see that too.
fn echo() -> io::Result<SocketAddr> {
    let server = Server::builder()
        .listen(local(0))
        .deflate(Deflate::default())
        .max_clients(CONNECTIONS)
        .build()?;
    let address = server.local_addr()?;
    let serve = move || {
        server.run(|client| {
            while let Some(message) = client.recv()? {
                client.send(message)?;
            }
            Ok(())
        })
    };
    thread::Builder::new()
        .name("echo".to_owned())
        .spawn(serve)?;
    Ok(address)
}

/// A port of this computer.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
