//! A client for a terminal: it sends each line of input as a message, and prints each message as a
//! line, with control characters escaped, since a terminal would obey them. At the end of the input it
//! waits until no more messages arrive, and closes the connection.
//!
//! `cargo run --example client -- [--as draft-75|draft-76|7|8|13] ws://127.0.0.1:8000/chat`
//!
//! `--unix PATH` connects over a Unix socket, on Unix, and the URL only sets the host and path of the request.
//! With the feature `tls`, the URL may begin with `wss://`, and `--trust FILE` trusts the certificates
//! in a file, beside the usual ones: for servers with a self-signed certificate.
//!
//! `--chat NAME` is for the example `chat`: the client joins the room of the URL by this name, says each line of
//! input, connects again after a lost connection, and then prints the messages that it has missed.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use stentor::{CloseCode, Connector, Message, Received, Sender, WebSocket};

#[path = "client/chat.rs"]
mod chat;

/// How long no message may arrive, after the end of the input, before the client closes.
const QUIET: Duration = Duration::from_millis(500);

/// Whether the input has ended.
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
    let arguments = Arguments::read()?;
    if let Some(name) = &arguments.chat {
        return chat::talk(&arguments.connector, &arguments.url, name);
    }
    let mut socket = arguments.open()?;
    let sender = socket.sender();
    // The keyboard has a thread of its own, which the end of the program does not wait for.
    thread::spawn(move || send_lines(&sender));
    print_messages(&mut socket)?;
    if let Some(closed) = socket.closed() {
        eprintln!("{closed}");
    }
    Ok(())
}

const USAGE: &str = "usage: client [--as draft-75|draft-76|7|8|13] [--unix PATH | --chat NAME] [--trust FILE] URL; \
    --trust needs the feature tls";

/// The connection that the arguments describe.
struct Arguments {
    connector: Connector,
    unix: Option<String>,
    /// The name of a member of the chat.
    chat: Option<String>,
    url: String,
}

impl Arguments {
    fn read() -> Result<Arguments, Box<dyn Error>> {
        let mut connector = Connector::new();
        let (mut unix, mut chat) = (None, None);
        let mut arguments = std::env::args().skip(1);
        let url = loop {
            let mut next = || arguments.next().ok_or(USAGE);
            match next()?.as_str() {
                "--as" => connector = connector.version(next()?.parse()?),
                "--unix" => unix = Some(next()?),
                "--chat" => chat = Some(next()?),
                #[cfg(feature = "tls")]
                "--trust" => {
                    let certificates = std::fs::read(next()?)?;
                    connector = connector.tls(stentor::tls::TlsClient::trusting(&certificates)?);
                }
                option if option.starts_with('-') => return Err(USAGE.into()),
                url => break url.to_owned(),
            }
        };
        if arguments.next().is_some() || (unix.is_some() && chat.is_some()) {
            return Err(USAGE.into());
        }
        Ok(Arguments {
            connector,
            unix,
            chat,
            url,
        })
    }

    fn open(&self) -> Result<WebSocket, Box<dyn Error>> {
        Ok(match &self.unix {
            Some(path) => self.open_unix(path)?,
            None => self.connector.connect(&self.url)?,
        })
    }

    #[cfg(unix)]
    fn open_unix(&self, path: &str) -> Result<WebSocket, Box<dyn Error>> {
        let stream = std::os::unix::net::UnixStream::connect(path)?;
        Ok(self.connector.connect_over(stream, &self.url)?)
    }

    #[cfg(not(unix))]
    fn open_unix(&self, path: &str) -> Result<WebSocket, Box<dyn Error>> {
        Err(format!("--unix {path}: there are no Unix sockets on this system").into())
    }
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
        // The value before the wait: so the last message has its full time for an answer.
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

/// Escapes the characters that a terminal obeys instead of showing them: control characters except tabs and
/// line ends, and characters that turn the direction of writing. Each becomes its number: `\u{1b}`.
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
