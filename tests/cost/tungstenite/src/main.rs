//! Sends every message back to its sender.

use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> std::io::Result<()> {
    for stream in TcpListener::bind("127.0.0.1:9001")?.incoming() {
        let stream = stream?;
        thread::spawn(move || echo(stream));
    }
    Ok(())
}

fn echo(stream: TcpStream) -> Option<()> {
    let mut socket = tungstenite::accept(stream).ok()?;
    loop {
        let message = socket.read().ok()?;
        if message.is_text() || message.is_binary() {
            socket.send(message).ok()?;
        }
    }
}
