//! tokio-tungstenite on tokio's runtime of several threads, and tokio's channel to broadcast.

use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::broadcast::{Sender, channel, error::RecvError};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Message, Result};
use tokio_tungstenite::{WebSocketStream, accept_async, accept_hdr_async};

use super::Mode;
use crate::identity::Identity;

/// The rooms, by the path of the request.
type Rooms = Arc<Mutex<HashMap<String, Sender<Message>>>>;

pub(super) fn run(listener: TcpListener, mode: Mode) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    if mode == Mode::SecureEcho {
        let config = Identity::given()?.server()?;
        return Runtime::new()?.block_on(run_secure(listener, config));
    }
    Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (room, rooms) = (channel(1024).0, Rooms::default());
        loop {
            let (stream, _) = listener.accept().await?;
            match mode {
                Mode::Rooms => tokio::spawn(serve_in_room(stream, Arc::clone(&rooms))),
                _ => tokio::spawn(serve(stream, mode, room.clone())),
            };
        }
    })
}

async fn run_secure(listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let acceptor = TlsAcceptor::from(config);
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let stream = acceptor.accept(stream).await?;
            echo(accept_async(stream).await?).await
        });
    }
}

async fn serve(stream: TcpStream, mode: Mode, room: Sender<Message>) -> Result<()> {
    stream.set_nodelay(true)?;
    let socket = accept_async(stream).await?;
    match mode {
        Mode::Echo | Mode::SecureEcho => echo(socket).await,
        Mode::Broadcast | Mode::Rooms | Mode::Resume => broadcast(socket, room).await,
    }
}

// The type of the error is the library's.
#[allow(clippy::result_large_err)]
async fn serve_in_room(stream: TcpStream, rooms: Rooms) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut path = String::new();
    let callback = |request: &Request, response: Response| {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let socket = accept_hdr_async(stream, callback).await?;
    let room = {
        let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(path).or_insert_with(|| channel(1024).0).clone()
    };
    broadcast(socket, room).await
}

async fn echo<S>(mut socket: WebSocketStream<S>) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn broadcast(mut socket: WebSocketStream<TcpStream>, room: Sender<Message>) -> Result<()> {
    let mut messages = room.subscribe();
    loop {
        tokio::select! {
            message = messages.recv() => match message {
                Ok(message) => socket.send(message).await?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            message = socket.next() => match message.transpose()? {
                Some(message) if message.is_text() || message.is_binary() => {
                    let _ = room.send(message);
                }
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}
