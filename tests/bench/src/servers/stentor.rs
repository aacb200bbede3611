//! Stentor: default settings, every timeout and limit on.

use std::io;
use std::net::TcpListener;

use stentor::server::History;
use stentor::tls::TlsServer;
use stentor::{Client, Deflate, HandlerResult, Server};

use super::Mode;
use crate::identity::Identity;

pub(super) fn run(listener: TcpListener, mode: Mode) -> io::Result<()> {
    let builder = Server::builder().listener(listener);
    match mode {
        Mode::Echo => builder.build()?.run(echo),
        Mode::Broadcast => builder.build()?.run(broadcast),
        Mode::SecureEcho => {
            let identity = Identity::given()?;
            let tls = TlsServer::from_pem(identity.pem(), identity.pem());
            let builder = builder.tls(tls.map_err(io::Error::other)?);
            builder.build()?.run(echo)
        }
    }
}

pub(super) fn deflating(listener: TcpListener, _: Mode) -> io::Result<()> {
    let builder = Server::builder().listener(listener);
    builder.deflate(Deflate::new()).build()?.run(broadcast)
}

pub(super) fn deflating_for_each(listener: TcpListener, _: Mode) -> io::Result<()> {
    let builder = Server::builder().listener(listener);
    let server = builder.deflate(Deflate::new()).build()?;
    let handle = server.handle();
    server.run(move |client| {
        while let Some(message) = client.recv()? {
            for client in handle.clients() {
                client.send(message.clone())?;
            }
        }
        Ok(())
    })
}

/// Broadcasts to a room, which remembers nothing.
pub(super) fn room(listener: TcpListener, _: Mode) -> io::Result<()> {
    let builder = Server::builder().listener(listener);
    builder.build()?.run(broadcast_to_room)
}

/// Broadcasts to a room that keeps its newest messages in memory.
pub(super) fn remembering(listener: TcpListener, _: Mode) -> io::Result<()> {
    let builder = Server::builder().listener(listener);
    let builder = builder.history(History::new());
    builder.build()?.run(broadcast_to_room)
}

fn broadcast_to_room(client: &mut Client) -> HandlerResult {
    client.join("room");
    let room = client.room("room");
    while let Some(message) = client.recv()? {
        room.broadcast(message);
    }
    Ok(())
}

fn echo(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        client.send(message)?;
    }
    Ok(())
}

fn broadcast(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        client.broadcast(message);
    }
    Ok(())
}
