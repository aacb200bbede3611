//! tungstenite on blocking sockets: a thread per connection. To broadcast, a second thread per
//! connection writes the messages from a channel: the first one waits in a read.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::protocol::Role;
use tungstenite::{Message, Result, WebSocket, accept};

use super::Mode;
use crate::identity::Identity;

/// The channels of all clients. One whose writer has ended is dropped at the next message.
type Room = Arc<Mutex<Vec<Sender<Message>>>>;

pub(super) fn run(listener: TcpListener, mode: Mode) -> io::Result<()> {
    if mode == Mode::SecureEcho {
        return run_secure(&listener);
    }
    let room = Room::default();
    for stream in listener.incoming() {
        let (stream, room) = (stream?, Arc::clone(&room));
        thread::spawn(move || match mode {
            Mode::Broadcast => broadcast(stream, &room),
            Mode::Echo | Mode::SecureEcho => {
                stream.set_nodelay(true)?;
                echo(stream)
            }
        });
    }
    Ok(())
}

fn run_secure(listener: &TcpListener) -> io::Result<()> {
    let config = Identity::given()?.server()?;
    for stream in listener.incoming() {
        let (stream, config) = (stream?, Arc::clone(&config));
        thread::spawn(move || echo(secure(stream, config)?));
    }
    Ok(())
}

fn secure(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    stream.set_nodelay(true)?;
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    Ok(StreamOwned::new(session, stream))
}

fn open<S: Read + Write>(stream: S) -> Result<WebSocket<S>> {
    // This is interrupted only on a non-blocking socket.
    accept(stream).map_err(|_| tungstenite::Error::ConnectionClosed)
}

fn echo<S: Read + Write>(stream: S) -> Result<()> {
    let mut socket = open(stream)?;
    loop {
        let message = socket.read()?;
        if message.is_text() || message.is_binary() {
            socket.send(message)?;
        }
    }
}

fn broadcast(stream: TcpStream, room: &Room) -> Result<()> {
    stream.set_nodelay(true)?;
    let writing = stream.try_clone()?;
    let mut socket = open(stream)?;
    let (sender, messages) = channel();
    let lock = || room.lock().unwrap_or_else(PoisonError::into_inner);
    lock().push(sender);
    thread::spawn(move || write(writing, &messages));
    loop {
        let message = socket.read()?;
        if message.is_text() || message.is_binary() {
            lock().retain(|client| client.send(message.clone()).is_ok());
        }
    }
}

fn write(stream: TcpStream, messages: &Receiver<Message>) -> Result<()> {
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    for message in messages {
        if let Err(error) = socket.send(message) {
            socket.get_ref().shutdown(Shutdown::Both)?;
            return Err(error);
        }
    }
    Ok(())
}
