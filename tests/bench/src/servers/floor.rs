//! The floors: the cost of a thread per connection with no WebSocket at all. A client sends the
//! length of its messages, gets one byte back, and from then on all bytes are messages. With rooms, the
//! number of its room follows the length.
//!
//! Their sends block: a client that does not read stops all others. That is no model to follow,
//! only the minimum that a server can do.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::Mode;
use crate::load::WELCOME;

/// About the number of bytes that are joined into one send.
const JOINED: usize = 64 * 1024;

type Clients = Arc<Mutex<HashMap<u32, Vec<Arc<TcpStream>>>>>;

/// A message, and the number of its room.
type Message = (u32, Vec<u8>);

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
            Mode::Broadcast | Mode::Rooms | Mode::Resume => {
                listen(Arc::new(stream), mode, &clients, &poster)
            }
        });
    }
    Ok(())
}

fn number(mut stream: &TcpStream) -> io::Result<u32> {
    let mut number = [0; 4];
    stream.read_exact(&mut number)?;
    Ok(u32::from_be_bytes(number))
}

fn greet(stream: &TcpStream) -> io::Result<usize> {
    stream.set_nodelay(true)?;
    Ok(number(stream)? as usize)
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

fn listen(
    stream: Arc<TcpStream>,
    mode: Mode,
    clients: &Clients,
    poster: &Sender<Message>,
) -> io::Result<()> {
    let size = greet(&stream)?;
    let room = match mode {
        Mode::Rooms => number(&stream)?,
        _ => 0,
    };
    {
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        (&*stream).write_all(WELCOME)?;
        clients.entry(room).or_default().push(Arc::clone(&stream));
    }
    let mut input = BufReader::new(&*stream);
    loop {
        let mut message = vec![0; size];
        input.read_exact(&mut message)?;
        poster.send((room, message)).map_err(io::Error::other)?;
    }
}

fn shout(commands: &Receiver<Message>, clients: &Clients, most: usize) {
    let mut joined: HashMap<u32, Vec<u8>> = HashMap::new();
    while let Ok((room, bytes)) = commands.recv() {
        let mut size = bytes.len();
        joined.insert(room, bytes);
        while size < most
            && let Ok((room, more)) = commands.try_recv()
        {
            size += more.len();
            joined.entry(room).or_default().extend(more);
        }
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        for (room, bytes) in joined.drain() {
            if let Some(clients) = clients.get_mut(&room) {
                clients.retain(|stream| (&**stream).write_all(&bytes).is_ok());
            }
        }
    }
}
