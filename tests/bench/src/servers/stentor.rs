//! Stentor: default settings, every timeout and limit on.

use std::io;
use std::net::TcpListener;

use stentor::server::{History, Since};
use stentor::tls::TlsServer;
use stentor::{Client, Deflate, HandlerResult, Server};

use super::Mode;
use super::store::{Refusal, Store};
use crate::identity::Identity;
use crate::load::{MISSED, RESUME, SIZE};

pub(super) fn run(listener: TcpListener, mode: Mode) -> io::Result<()> {
    let builder = Server::builder().listener(listener);
    match mode {
        Mode::Echo => builder.build()?.run(echo),
        Mode::Broadcast => builder.build()?.run(broadcast),
        Mode::Rooms => builder.build()?.run(broadcast_to_own_room),
        Mode::Resume => Err(io::ErrorKind::Unsupported.into()),
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
pub(super) fn remembering(listener: TcpListener, mode: Mode) -> io::Result<()> {
    let builder = Server::builder().listener(listener);
    let server = builder.history(History::new()).build()?;
    match mode {
        Mode::Rooms => server.run(broadcast_to_own_room),
        Mode::Resume => {
            let room = server.handle().room(MISSED_ROOM);
            (0..MISSED).for_each(|_| room.broadcast("x".repeat(SIZE)));
            server.run(broadcast_or_resume)
        }
        _ => server.run(broadcast_to_room),
    }
}

/// Broadcasts to a room that keeps its messages in the file of the chat's store: a message is on the disk
/// before anyone receives it.
pub(super) fn storing(listener: TcpListener, _: Mode) -> io::Result<()> {
    // Beside this program, since a folder for temporary files is often in memory.
    let folder = std::env::current_exe()?.with_file_name("stores");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.redb", std::process::id()));
    let store = Store::open(&path).map_err(|refusal| match refusal {
        Refusal::Error(error) | Refusal::NotWritable(error) => error,
        Refusal::Locked => io::ErrorKind::ResourceBusy.into(),
    })?;
    // The server ends by a signal; the open file needs no name.
    std::fs::remove_file(&path)?;
    let builder = Server::builder().listener(listener);
    let server = builder.history(History::new().journal(store)).build()?;
    server.run(broadcast_to_room)
}

/// The room with the missed messages.
const MISSED_ROOM: &str = "missed";

fn broadcast_or_resume(client: &mut Client) -> HandlerResult {
    if client.request().path() == "/" {
        return broadcast_in("room", client);
    }
    while let Some(message) = client.recv()? {
        match message.as_text() {
            Some(RESUME) => {
                client.resume(MISSED_ROOM, Since::Last(MISSED))?;
            }
            _ => client.leave(MISSED_ROOM),
        }
    }
    Ok(())
}

fn broadcast_to_room(client: &mut Client) -> HandlerResult {
    broadcast_in("room", client)
}

fn broadcast_to_own_room(client: &mut Client) -> HandlerResult {
    let room = client.request().path().to_owned();
    broadcast_in(&room, client)
}

fn broadcast_in(room: &str, client: &mut Client) -> HandlerResult {
    client.join(room);
    let room = client.room(room);
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
