//! A terminal's client: what is typed goes out, a line a message; what comes in is printed, a
//! message a line. At the end of the input it waits until nothing more comes, and says goodbye.
//!
//! `cargo run --example client -- [--as draft-75|draft-76|7|8|13] ws://127.0.0.1:8000/chat`

use std::error::Error;
use std::io::{self, BufRead, Write};
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (version, url) = match arguments[..] {
        [url] => ("13", url),
        ["--as", version, url] => (version, url),
        _ => return Err("usage: client [--as draft-75|draft-76|7|8|13] URL".into()),
    };
    let mut socket = Connector::new().version(version.parse()?).connect(url)?;
    let sender = socket.sender();
    // The keyboard has a thread of its own, which the end of the program does not wait for.
    thread::spawn(move || send_lines(&sender));
    print_messages(&mut socket)?;
    if let Some(closed) = socket.closed() {
        eprintln!("{closed}");
    }
    Ok(())
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
            Received::Message(Message::Text(text)) => writeln!(out, "{text}")?,
            Received::Message(Message::Binary(bytes)) => writeln!(out, "{}", bytes.escape_ascii())?,
            Received::Nothing if typed_all => socket.close(CloseCode::NORMAL, "")?,
            Received::Nothing => {}
            Received::Closed => return Ok(()),
        }
        out.flush()?;
    }
}
