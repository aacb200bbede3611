//! fastwebsockets behind hyper on tokio's runtime of several threads, and tokio's channel to
//! broadcast. A read of a frame cannot be cancelled half-way, so reading and writing are two tasks.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError,
};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::runtime::Runtime;
use tokio::sync::broadcast::{Sender, channel, error::RecvError};

use super::Mode;

type Message = (OpCode, Bytes);

/// The rooms, by the path of the request; without rooms, all clients are in one.
type Rooms = Arc<Mutex<HashMap<String, Sender<Message>>>>;

pub(super) fn run(listener: TcpListener, mode: Mode) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let rooms = Rooms::default();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let rooms = Arc::clone(&rooms);
            tokio::spawn(async move {
                let service = service_fn(|request| answer(request, mode, Arc::clone(&rooms)));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connection.with_upgrades().await
            });
        }
    })
}

async fn answer(
    mut request: Request<Incoming>,
    mode: Mode,
    rooms: Rooms,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, socket) = upgrade(&mut request)?;
    let path = match mode {
        Mode::Rooms => request.uri().path().to_owned(),
        _ => String::new(),
    };
    let room = {
        let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(path).or_insert_with(|| channel(1024).0).clone()
    };
    tokio::spawn(async move {
        match mode {
            Mode::Echo | Mode::SecureEcho => echo(socket).await,
            Mode::Broadcast | Mode::Rooms | Mode::Resume => broadcast(socket, room).await,
        }
    });
    Ok(response)
}

async fn echo(socket: UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(socket.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn broadcast(socket: UpgradeFut, room: Sender<Message>) -> Result<(), WebSocketError> {
    let (reading, mut writing) = socket.await?.split(tokio::io::split);
    let mut reading = FragmentCollectorRead::new(reading);
    let mut messages = room.subscribe();
    let writer = tokio::spawn(async move {
        loop {
            match messages.recv().await {
                Ok((opcode, payload)) => {
                    let frame = Frame::new(true, opcode, None, Payload::Borrowed(&payload));
                    writing.write_frame(frame).await?;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok::<(), WebSocketError>(()),
            }
        }
    });
    // Pings and close frames stay unanswered: the writing half is in another task.
    let mut answer = async |_| Ok::<(), Infallible>(());
    while let Ok(frame) = reading.read_frame(&mut answer).await {
        match frame.opcode {
            OpCode::Close => break,
            opcode @ (OpCode::Text | OpCode::Binary) => {
                let _ = room.send((opcode, Bytes::from(Vec::from(frame.payload))));
            }
            _ => {}
        }
    }
    writer.abort();
    Ok(())
}
