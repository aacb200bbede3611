//! Stentor: default settings, every timeout and limit on.

use std::io;
use std::net::TcpListener;

use stentor::{Client, Deflate, HandlerResult, Server, TlsServer};

use super::Mode;
use crate::identity::Identity;

pub(super) fn run(listener: TcpListener, mode: Mode) -> io::Result<()> {
    match mode {
        Mode::Echo => Server::attach(listener)?.run(echo),
        Mode::Broadcast => Server::attach(listener)?.run(broadcast),
        Mode::SecureEcho => {
            let identity = Identity::given()?;
            let tls = TlsServer::from_pem(identity.pem(), identity.pem());
            let builder = Server::builder().tls(tls.map_err(io::Error::other)?);
            builder.attach(listener)?.run(echo)
        }
    }
}

pub(super) fn deflating(listener: TcpListener, _: Mode) -> io::Result<()> {
    let builder = Server::builder().deflate(Deflate::new());
    builder.attach(listener)?.run(broadcast)
}

pub(super) fn deflating_for_each(listener: TcpListener, _: Mode) -> io::Result<()> {
    let server = Server::builder().deflate(Deflate::new()).attach(listener)?;
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
