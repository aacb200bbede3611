//! `microscope`: a page in the browser that shows the protocol at work.
//!
//! The page is one file, and asks this program in JSON over a WebSocket ([`stentor_explain::lab`]). Everything listens
//! on 127.0.0.1 only, and nothing is fetched from anywhere. In front of the server is the tap of this crate, which
//! records the handshake of the page itself: the first thing that the page explains.

mod browser;
mod course;
mod drawing;
mod export;
mod opening;
mod options;
mod page;
mod scenes;
mod yours;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::Value;
use stentor::{Client, HandlerResult, Reply, Request, Server};
use stentor_explain::lab::{LARGEST_ANSWER, LARGEST_REQUEST, Question, reply};
use stentor_explain::tap::Tap;

use opening::Opening;
use options::{HELP, Options, Serve};
use yours::Yours;

/// The pages, in one browser or several, that are open at a time.
const MOST_CLIENTS: usize = 16;

/// The bytes of answers that wait for one page.
const QUEUE: usize = 2 * LARGEST_ANSWER;

/// The parts of the program that all pages share.
#[derive(Debug)]
struct House {
    opening: Opening,
    yours: Yours,
}

fn main() -> ExitCode {
    let result = options::read(std::env::args().skip(1)).and_then(run);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "microscope: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: Options) -> Result<(), String> {
    match options {
        Options::Help => {
            let written = io::stdout().write_all(HELP.as_bytes());
            written.map_err(|error| error.to_string())
        }
        Options::Export(path) => export::write(&path),
        Options::Serve(how) => serve(&how).map_err(|error| error.to_string()),
    }
}

/// Serves the page until the process ends.
fn serve(how: &Serve) -> io::Result<()> {
    let listener = options::listen(how.port)?;
    let address = listener.local_addr()?;
    let server = server(yours::local(0))?;
    let behind = server.local_addr()?;
    let tap = Tap::new();
    tap.serve(listener, &[behind]);
    let house = Arc::new(House {
        opening: Opening::of(tap)?,
        yours: Yours::new([address.port(), behind.port()]),
    });
    let mut out = io::stdout();
    let url = format!("http://{address}/");
    writeln!(out, "microscope: {url}")?;
    out.flush()?;
    if how.open {
        browser::open(url)?;
    }
    server.run(move |client| talk(client, &house))
}

/// The server behind the tap. A page of another site can neither connect nor read: its host, or its origin, is another
/// one.
fn server(address: SocketAddr) -> io::Result<Server> {
    let hosts = ["localhost", "127.0.0.1", "[::1]"];
    Server::builder()
        .listen(address)
        .allowed_hosts(hosts)
        .map_err(io::Error::other)?
        .same_origin()
        .max_message_size(LARGEST_REQUEST)
        .max_clients(MOST_CLIENTS)
        .send_queue_limit(QUEUE)
        .on_request(respond)
        .build()
}

fn respond(request: &Request) -> Reply {
    match (request.version(), request.path()) {
        (None, "/") => page::response().into(),
        (Some(_), "/microscope") => Reply::accept(),
        _ => Reply::reject(404, "nothing is here: the page is at /"),
    }
}

/// Answers the questions of one page.
fn talk(client: &mut Client, house: &House) -> HandlerResult {
    while let Some(message) = client.recv()? {
        let answer = match message.as_text().map(Question::read) {
            Some(Ok(question)) => question.reply(house.answer(&question)),
            Some(Err(error)) => reply(&Value::Null, Err(error)),
            None => reply(&Value::Null, Err("a question is a text".to_owned())),
        };
        client.send(answer)?;
    }
    Ok(())
}

impl House {
    fn answer(&self, question: &Question) -> Result<Value, String> {
        match question.ask() {
            "opening" => self.opening.answer(question),
            "scenes" => Ok(scenes::list()),
            "yours" => self.yours.list(question.number("port")),
            "yours-show" => self.yours.show(question),
            _ => question.answer(),
        }
    }
}

/// Binds a port of this computer, for this computer only.
fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}
