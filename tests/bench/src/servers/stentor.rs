//! Stentor: default settings, every deadline and limit on.

use std::io;
use std::net::TcpListener;

use stentor::{Client, Outcome, Server};

use super::Mode;

pub(super) fn run(listener: TcpListener, mode: Mode) -> io::Result<()> {
    Server::attach(listener)?.run(match mode {
        Mode::Echo => echo,
        Mode::Broadcast => broadcast,
    })
}

fn echo(client: &mut Client) -> Outcome {
    while let Some(message) = client.recv()? {
        client.send(message)?;
    }
    Ok(())
}

fn broadcast(client: &mut Client) -> Outcome {
    while let Some(message) = client.recv()? {
        client.broadcast(message);
    }
    Ok(())
}
