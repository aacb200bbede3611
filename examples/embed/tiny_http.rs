//! A page of the HTTP library `tiny_http`, and a chat of Stentor's at `/chat`. `tiny_http` reads the request,
//! writes the response, and then lends one stream that can be read or written, but not both at once.
//!
//! So the messages of others wait until the client sends something: its page sends an empty message twice a
//! second.
//!
//! `cargo run --example embed_tiny_http`, then open <http://127.0.0.1:8000/>.

use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use stentor::server::{Acceptor, Handover, ParsedRequest};
use stentor::{Client, HandlerResult};
use tiny_http::{Header, Request, Response, Server};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8000"))?;
    println!("listening on http://{}/", listener.local_addr()?);
    serve(listener)
}

/// Serves each request on a thread of its own.
pub(crate) fn serve(listener: TcpListener) -> Result<(), Box<dyn Error + Send + Sync>> {
    let acceptor = Arc::new(stentor::Server::builder().acceptor()?);
    let server = Server::from_listener(listener, None)?;
    for request in server.incoming_requests() {
        let acceptor = Arc::clone(&acceptor);
        thread::spawn(move || {
            if let Err(error) = answer(request, &acceptor) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn answer(request: Request, acceptor: &Acceptor) -> Result<(), Box<dyn Error>> {
    if request.url() != "/chat" {
        let html = Header::from_bytes("Content-Type", "text/html").map_err(|()| "a header")?;
        let page = Response::from_string(include_str!("chat.html"));
        return Ok(request.respond(page.with_header(html))?);
    }
    let http = request.http_version();
    let headers = request.headers().iter();
    let parsed = ParsedRequest::new(request.method().as_str(), request.url())
        .version(http.0, http.1)
        .headers(headers.map(|header| (header.field.as_str(), header.value.as_str())));
    let response = acceptor.respond_to(&parsed, request.remote_addr().copied())?;
    let mut answer = Response::from_data(response.body()).with_status_code(response.status());
    for (name, value) in response.headers() {
        answer.add_header(Header::from_bytes(name, value).map_err(|()| "a header")?);
    }
    if !response.is_upgrade() {
        return Ok(request.respond(answer)?);
    }
    let protocol = response.header_str("Upgrade").unwrap_or("websocket");
    let stream = request.upgrade(protocol, answer);
    Ok(response.serve(Handover::single(stream), chat)?)
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
