//! The server that benchmarks measure: default limits and timeouts, all output off. Only the limit
//! of a message is higher, 64 MiB, since some benchmarks measure large messages.
//!
//! `bench_server MODE PORT`, with one of the modes
//! - `echo`: every message goes back to its sender,
//! - `broadcast`: every message goes to all, its sender included, through the hub,
//! - `rooms`: every message goes to the room of its sender, through the hub; the room is the path of the
//!   request,
//! - `chat-idle`: messages are read and dropped.

use std::process::ExitCode;

use stentor::{Client, Server};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, port] = arguments.as_slice() else {
        return usage();
    };
    let handler: fn(&mut Client) -> stentor::HandlerResult = match mode.as_str() {
        "echo" => echo,
        "broadcast" => broadcast,
        "rooms" => rooms,
        "chat-idle" => chat_idle,
        _ => return usage(),
    };
    let Ok(port) = port.parse::<u16>() else {
        return usage();
    };
    match serve(port, handler) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16, handler: fn(&mut Client) -> stentor::HandlerResult) -> std::io::Result<()> {
    let server = Server::builder()
        .listen(("127.0.0.1", port))
        .max_message_size(64 * 1024 * 1024)
        .build()?;
    server.run(handler)
}

fn usage() -> ExitCode {
    eprintln!("usage: bench_server echo|broadcast|rooms|chat-idle PORT");
    ExitCode::from(2)
}

fn echo(client: &mut Client) -> stentor::HandlerResult {
    while let Some(message) = client.recv()? {
        client.send(message)?;
    }
    Ok(())
}

fn broadcast(client: &mut Client) -> stentor::HandlerResult {
    while let Some(message) = client.recv()? {
        client.broadcast(message);
    }
    Ok(())
}

fn rooms(client: &mut Client) -> stentor::HandlerResult {
    let room = client.request().path().to_owned();
    client.join(&room);
    let room = client.room(&room);
    while let Some(message) = client.recv()? {
        room.broadcast(message);
    }
    Ok(())
}

fn chat_idle(client: &mut Client) -> stentor::HandlerResult {
    while client.recv()?.is_some() {}
    Ok(())
}
