//! A terminal's client. Each line that is typed is sent as a message, and each message that comes in is
//! printed as a line, with control characters escaped: a terminal would obey them. At the end of the input
//! the client waits until nothing more comes, and closes the connection.
//!
//! `cargo run --example client -- [--as draft-75|draft-76|7|8|13] ws://127.0.0.1:8000/chat`
//!
//! `--unix PATH` goes by a Unix socket, and the URL says only what to ask for. With the feature `tls`
//! there is `wss://` too, and `--trust FILE` believes the certificates in a file, beside those that
//! everybody does: for servers that have signed their own.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use stentor::{CloseCode, Connector, Message, Received, Sender, WebSocket};

/// How long nothing may come, at the end of the input, before the goodbye.
const QUIET: Duration = Duration::from_millis(500);

/// There will be no more input.
static TYPED_ALL: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    env_logger::init();
    match talk() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn talk() -> Result<(), Box<dyn Error>> {
    let mut socket = open()?;
    let sender = socket.sender();
    // The keyboard has a thread of its own, which the end of the program does not wait for.
    thread::spawn(move || send_lines(&sender));
    print_messages(&mut socket)?;
    if let Some(closed) = socket.closed() {
        eprintln!("{closed}");
    }
    Ok(())
}

const USAGE: &str = "usage: client [--as draft-75|draft-76|7|8|13] [--unix PATH] [--trust FILE] URL; \
    --trust needs the feature tls";

/// The connection that the arguments ask for.
fn open() -> Result<WebSocket, Box<dyn Error>> {
    let mut connector = Connector::new();
    let mut unix = None;
    let mut arguments = std::env::args().skip(1);
    let url = loop {
        let mut next = || arguments.next().ok_or(USAGE);
        match next()?.as_str() {
            "--as" => connector = connector.version(next()?.parse()?),
            "--unix" => unix = Some(UnixStream::connect(next()?)?),
            #[cfg(feature = "tls")]
            "--trust" => {
                let certificates = std::fs::read(next()?)?;
                connector = connector.tls(stentor::TlsClient::trusting(&certificates)?);
            }
            option if option.starts_with('-') => return Err(USAGE.into()),
            url => break url.to_owned(),
        }
    };
    if arguments.next().is_some() {
        return Err(USAGE.into());
    }
    Ok(match unix {
        Some(stream) => connector.connect_over(stream, &url)?,
        None => connector.connect(&url)?,
    })
}

fn send_lines(sender: &Sender) {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        if let Err(error) = sender.send(line) {
            eprintln!("not sent: {error}");
            break;
        }
    }
    TYPED_ALL.store(true, Ordering::Relaxed);
}

fn print_messages(socket: &mut WebSocket) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    loop {
        // Whether this was so before the wait: what was sent last has its time to be answered.
        let typed_all = TYPED_ALL.load(Ordering::Relaxed);
        match socket.recv_timeout(QUIET)? {
            Received::Message(Message::Text(text)) => writeln!(out, "{}", escaped(&text))?,
            Received::Message(Message::Binary(bytes)) => writeln!(out, "{}", bytes.escape_ascii())?,
            Received::Nothing if typed_all => socket.close(CloseCode::NORMAL, "")?,
            Received::Nothing => {}
            Received::Closed => return Ok(()),
        }
        out.flush()?;
    }
}

/// The text without the characters that a terminal obeys instead of showing them: control characters but for
/// tabs and line ends, and those that turn the direction of writing. Each becomes its number: `\u{1b}`.
fn escaped(text: &str) -> String {
    let turns = |it| matches!(it, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => out.push(character),
            it if it.is_control() || turns(it) => out.extend(it.escape_unicode()),
            it => out.push(it),
        }
    }
    out
}
