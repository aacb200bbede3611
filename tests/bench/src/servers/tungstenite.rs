//! tungstenite on blocking sockets: a thread per connection. To broadcast, a second thread per
//! connection writes the messages from a channel: the first one waits in a read.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::Role;
use tungstenite::{Message, Result, WebSocket, accept, accept_hdr};

use super::Mode;
use crate::identity::Identity;

/// The channels of all clients. One whose writer has ended is dropped at the next message.
type Room = Arc<Mutex<Vec<Sender<Message>>>>;

/// The rooms, by the path of the request.
type Rooms = Arc<Mutex<HashMap<String, Room>>>;

pub(super) fn run(listener: TcpListener, mode: Mode) -> io::Result<()> {
    if mode == Mode::SecureEcho {
        return run_secure(&listener);
    }
    let (room, rooms) = (Room::default(), Rooms::default());
    for stream in listener.incoming() {
        let (stream, room, rooms) = (stream?, Arc::clone(&room), Arc::clone(&rooms));
        thread::spawn(move || match mode {
            Mode::Broadcast | Mode::Resume => {
                let socket = open(prepare(&stream)?)?;
                broadcast(&stream, socket, &room)
            }
            Mode::Rooms => {
                let (socket, path) = open_at_path(prepare(&stream)?)?;
                let room = Arc::clone(lock(&rooms).entry(path).or_default());
                broadcast(&stream, socket, &room)
            }
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

// The type of the error is the library's.
#[allow(clippy::result_large_err)]
fn open_at_path<S: Read + Write>(stream: S) -> Result<(WebSocket<S>, String)> {
    let mut path = String::new();
    let accepted = accept_hdr(stream, |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        Ok(response)
    });
    let socket = accepted.map_err(|_| tungstenite::Error::ConnectionClosed)?;
    Ok((socket, path))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

fn prepare(stream: &TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream.try_clone()?)
}

fn broadcast(stream: &TcpStream, mut socket: WebSocket<TcpStream>, room: &Room) -> Result<()> {
    let writing = stream.try_clone()?;
    let (sender, messages) = channel();
    lock(room).push(sender);
    thread::spawn(move || write(writing, &messages));
    loop {
        let message = socket.read()?;
        if message.is_text() || message.is_binary() {
            lock(room).retain(|client| client.send(message.clone()).is_ok());
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
