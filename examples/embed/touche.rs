//! A page of the HTTP library `touche`, and a chat of Stentor's at `/chat`. `touche` reads the request, writes
//! the response, and then gives its TCP stream away.
//!
//! It drops what it has read past the header block: so a client of draft-76, which sends eight bytes there,
//! fails. Clients of all later versions wait for the response.
//!
//! `cargo run --example embed_touche`, then open <http://127.0.0.1:8000/>.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use stentor::server::{Acceptor, ParsedRequest};
use stentor::{Client, HandlerResult};
use touche::upgrade::Upgrade;
use touche::{Body, Connection, Request, Response, Server, Version};

type Answer = Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8000"))?;
    println!("listening on http://{}/", listener.local_addr()?);
    serve(listener)
}

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    let acceptor = Arc::new(stentor::Server::builder().acceptor()?);
    Server::from(listener).make_service(move |connection: &Connection| {
        let (peer, acceptor) = (connection.peer_addr(), Arc::clone(&acceptor));
        Ok::<_, Infallible>(move |request| answer(&request, peer, &acceptor))
    })
}

fn answer(request: &Request<Body>, peer: Option<SocketAddr>, acceptor: &Acceptor) -> Answer {
    if request.uri().path() != "/chat" {
        return Ok(Response::new(include_str!("chat.html").into()));
    }
    let minor = u8::from(request.version() != Version::HTTP_10);
    let parsed = ParsedRequest::new(request.method().as_str(), &request.uri().to_string())
        .version(1, minor)
        .headers(request.headers());
    let response = acceptor.respond_to(&parsed, peer)?;
    let mut builder = Response::builder().status(response.status());
    for (name, value) in response.headers() {
        builder = builder.header(name, value);
    }
    let body = response.body().to_vec();
    if response.is_upgrade() {
        let response = Mutex::new(Some(response));
        builder = builder.upgrade(move |connection: Connection| {
            let response = response
                .lock()
                .ok()
                .and_then(|mut response| response.take());
            if let (Some(response), Ok(stream)) = (response, connection.downcast::<TcpStream>()) {
                let _ = response.serve(stream, chat);
            }
        });
    }
    Ok(builder.body(body.into())?)
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
