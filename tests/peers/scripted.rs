//! A client that executes the commands on its input and prints the results: for tests of
//! servers that need more functions than a client for a terminal has.
//!
//! Input and output are JSON, a line each. The first line names the server, the others are
//! commands:
//!
//! ```text
//! {"url": "ws://…", "version": "RFC 6455", "subprotocols": ["a", "b"], "origin": "http://…",
//!  "fields": {"Authorization": "…"}, "cookies": {"name": "value"}, "trust": "file.pem",
//!  "proxy": "http://user:password@…"}
//! {"text": "…"}  {"binary": [0, 255]}  {"ping": "…"}  {"close": [4000, "reason"]}
//! {"echo": 3}    sends back the next messages, as many as that, and prints nothing about them
//! {"wait": 3}    waits for this many events, and prints them
//! ```
//!
//! In the first line all but the URL may be left out. `trust` needs the feature `tls`.
//!
//! The output: `open`, or `declined` with the server's response, or `failed`; then `text`,
//! `binary`, `pong` and, at the end, `closed`.

use std::error::Error;
use std::io::{self, BufRead};

use serde_json::{Value, json};
use stentor::protocol::Event;
use stentor::protocol::{HandshakeError, HandshakeResponse};
use stentor::{CloseCode, Connector, Message, WebSocket};

fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init();
    let mut script = io::stdin().lock().lines();
    let wanted: Value = serde_json::from_str(&script.next().ok_or("no input")??)?;
    let mut socket = match connect(&wanted) {
        Ok(socket) => socket,
        Err(error) => {
            say(json!(declined(&*error)));
            return Ok(());
        }
    };
    say(json!({"open": {
        "version": socket.version().name(),
        "subprotocol": socket.subprotocol(),
        "answer": shown(socket.response()),
    }}));
    for line in script {
        follow(&mut socket, &serde_json::from_str(&line?)?)?;
    }
    Ok(())
}

fn connect(wanted: &Value) -> Result<WebSocket, Box<dyn Error>> {
    let mut connector = Connector::new();
    if let Some(name) = wanted["version"].as_str() {
        connector = connector.version(name.parse()?);
    }
    if let Some(names) = wanted["subprotocols"].as_array() {
        connector = connector.subprotocols(names.iter().filter_map(Value::as_str))?;
    }
    if let Some(origin) = wanted["origin"].as_str() {
        connector = connector.origin(origin)?;
    }
    for (name, value) in wanted["fields"].as_object().into_iter().flatten() {
        connector = connector.header(name, value.as_str().unwrap_or_default())?;
    }
    for (name, value) in wanted["cookies"].as_object().into_iter().flatten() {
        connector = connector.cookie(name, value.as_str().unwrap_or_default())?;
    }
    if let Some(url) = wanted["proxy"].as_str() {
        connector = connector.proxy(url)?;
    }
    if let Some(path) = wanted["trust"].as_str() {
        connector = trusting(connector, path)?;
    }
    Ok(connector.connect(wanted["url"].as_str().ok_or("no URL")?)?)
}

#[cfg(feature = "tls")]
fn trusting(connector: Connector, path: &str) -> Result<Connector, Box<dyn Error>> {
    let tls = stentor::tls::TlsClient::trusting_only(&std::fs::read(path)?)?;
    Ok(connector.tls(tls))
}

#[cfg(not(feature = "tls"))]
fn trusting(_: Connector, _: &str) -> Result<Connector, Box<dyn Error>> {
    Err("built without the feature tls".into())
}

fn declined(error: &(dyn Error + 'static)) -> Value {
    match error.downcast_ref::<stentor::Error>() {
        Some(stentor::Error::Handshake(cause)) => match &**cause {
            HandshakeError::Status(answer) => json!({"declined": shown(answer)}),
            broken => json!({"failed": broken.to_string()}),
        },
        _ => json!({"failed": error.to_string()}),
    }
}

fn shown(answer: &HandshakeResponse) -> Value {
    let fields = answer.headers();
    let fields = fields.map(|(name, value)| json!([name, String::from_utf8_lossy(value)]));
    json!({
        "status": answer.status(),
        "reason": answer.reason(),
        "fields": fields.collect::<Vec<_>>(),
        "body": String::from_utf8_lossy(answer.body()),
    })
}

fn follow(socket: &mut WebSocket, line: &Value) -> Result<(), Box<dyn Error>> {
    if let Some(text) = line["text"].as_str() {
        socket.send(text)?;
    } else if let Some(bytes) = line["binary"].as_array() {
        let bytes = bytes.iter().filter_map(Value::as_u64);
        socket.send(bytes.map(u8::try_from).collect::<Result<Vec<u8>, _>>()?)?;
    } else if let Some(payload) = line["ping"].as_str() {
        socket.ping(payload.as_bytes())?;
    } else if let Some(code) = line["close"][0].as_u64() {
        let reason = line["close"][1].as_str().unwrap_or_default();
        socket.close(CloseCode::new(u16::try_from(code)?), reason)?;
    } else if let Some(times) = line["echo"].as_u64() {
        for _ in 0..times {
            let message = socket.recv()?.ok_or("no message to send back")?;
            socket.send(message)?;
        }
    } else if let Some(times) = line["wait"].as_u64() {
        for _ in 0..times {
            say(happened(socket)?);
        }
    } else {
        return Err(format!("what is {line}?").into());
    }
    Ok(())
}

/// Returns the next event, pings excluded; the last one is the end of the connection, clean or not.
fn happened(socket: &mut WebSocket) -> Result<Value, Box<dyn Error>> {
    loop {
        return Ok(match socket.recv_event() {
            Ok(Some(Event::Message(Message::Text(text)))) => json!({"text": text.as_str()}),
            Ok(Some(Event::Message(Message::Binary(bytes)))) => json!({"binary": bytes.as_bytes()}),
            Ok(Some(Event::Pong(payload))) => json!({"pong": String::from_utf8_lossy(&payload)}),
            Ok(Some(_)) => continue,
            Ok(None) | Err(stentor::Error::Disconnected(_) | stentor::Error::Protocol(_)) => {
                let closed = socket.closed().ok_or("an end that is none")?;
                json!({"closed": {
                    "code": closed.code.get(),
                    "reason": closed.reason,
                    "clean": closed.clean,
                }})
            }
            Err(error) => return Err(error.into()),
        });
    }
}

fn say(what: Value) {
    println!("{what}");
}
