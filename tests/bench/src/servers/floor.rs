//! The floors: the cost of a thread per connection with no WebSocket at all. A client sends the
//! length of its messages, gets one byte back, and from then on all bytes are messages.
//!
//! Their sends block: a client that does not read stops all others. That is no model to follow,
//! only the minimum that a server can do.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Mode;
use crate::load::WELCOME;

/// About the number of bytes that are joined into one send.
const JOINED: usize = 64 * 1024;

type Clients = Arc<Mutex<Vec<Arc<TcpStream>>>>;

/// One send for each message and client.
pub(super) fn threads(listener: TcpListener, mode: Mode) -> io::Result<()> {
    run(listener, mode, 0)
}

/// One send for all queued messages, for each client.
pub(super) fn joined(listener: TcpListener, mode: Mode) -> io::Result<()> {
    run(listener, mode, JOINED)
}

fn run(listener: TcpListener, mode: Mode, most: usize) -> io::Result<()> {
    let clients = Clients::default();
    let (poster, commands) = channel();
    let everyone = Arc::clone(&clients);
    thread::spawn(move || shout(&commands, &everyone, most));
    for stream in listener.incoming() {
        let (stream, clients, poster) = (stream?, Arc::clone(&clients), poster.clone());
        thread::spawn(move || match mode {
            Mode::Echo | Mode::SecureEcho => echo(&stream),
            Mode::Broadcast => listen(Arc::new(stream), &clients, &poster),
        });
    }
    Ok(())
}

fn greet(mut stream: &TcpStream) -> io::Result<usize> {
    stream.set_nodelay(true)?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    Ok(u32::from_be_bytes(size) as usize)
}

fn echo(mut stream: &TcpStream) -> io::Result<()> {
    greet(stream)?;
    stream.write_all(WELCOME)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => stream.write_all(&buffer[..read])?,
        }
    }
}

fn listen(stream: Arc<TcpStream>, clients: &Clients, poster: &Sender<Vec<u8>>) -> io::Result<()> {
    let size = greet(&stream)?;
    {
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        (&*stream).write_all(WELCOME)?;
        clients.push(Arc::clone(&stream));
    }
    let mut input = BufReader::new(&*stream);
    loop {
        let mut message = vec![0; size];
        input.read_exact(&mut message)?;
        poster.send(message).map_err(io::Error::other)?;
    }
}

fn shout(commands: &Receiver<Vec<u8>>, clients: &Clients, most: usize) {
    while let Ok(mut bytes) = commands.recv() {
        while bytes.len() < most
            && let Ok(more) = commands.try_recv()
        {
            bytes.extend(more);
        }
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|stream| (&**stream).write_all(&bytes).is_ok());
    }
}
