//! A hand-rolled HTTP server with a page, and a chat of Stentor's at `/chat`. It reads the header block of each
//! request itself, and hands the stream over with all that it has read.
//!
//! `cargo run --example embed_own_server`, then open <http://127.0.0.1:8000/>.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use stentor::server::{Acceptor, Handover};
use stentor::{Client, HandlerResult, Server};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8000"))?;
    println!("listening on http://{}/", listener.local_addr()?);
    serve(&listener)
}

/// Serves each connection on a thread of its own.
pub(crate) fn serve(listener: &TcpListener) -> io::Result<()> {
    let acceptor = Server::builder().acceptor()?;
    thread::scope(|scope| {
        for stream in listener.incoming() {
            let (stream, acceptor) = (stream?, &acceptor);
            scope.spawn(move || {
                if let Err(error) = answer(stream, acceptor) {
                    eprintln!("{error}");
                }
            });
        }
        Ok(())
    })
}

fn answer(mut stream: TcpStream, acceptor: &Acceptor) -> Result<(), Box<dyn Error>> {
    let (mut read, mut piece) = (Vec::new(), [0; 1024]);
    // What is read past the header block belongs to the WebSocket connection, too.
    while !read.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Err("the client has left in the middle of its request".into()),
            _ if read.len() > 16 * 1024 => return Err("a request that is too long".into()),
            len => read.extend_from_slice(&piece[..len]),
        }
    }
    if read.starts_with(b"GET /chat ") {
        acceptor.serve(Handover::new(stream).already_read(read), chat)?;
        return Ok(());
    }
    let page = include_str!("chat.html");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length";
    write!(stream, "{head}: {}\r\n\r\n{page}", page.len())?;
    Ok(())
}

fn chat(client: &mut Client) -> HandlerResult {
    client.join("chat");
    while let Some(message) = client.recv()? {
        if !message.is_empty() {
            client.room("chat").broadcast(message);
        }
    }
    Ok(())
}
