//! One "Hello" in all five versions, side by side: the handshake, and the bytes of the message in
//! both directions, annotated.

use std::sync::Arc;

use stentor::protocol::framing::Framing;
use stentor::protocol::framing::mask;
use stentor::protocol::{Config, Connection, Event, Printable};
use stentor::{Accept, Version};

fn main() -> Result<(), stentor::protocol::SendError> {
    for version in Version::ALL {
        println!("== {version} {}", "=".repeat(60 - version.name().len()));
        let mut connection = Connection::new(Arc::new(Config::default()));
        let (request, key3) = request(version);

        print_lines('>', &request);
        connection.receive_data(request.as_bytes());
        let head = answer(&mut connection)?;
        print_lines('<', &String::from_utf8_lossy(&head));
        if !key3.is_empty() {
            connection.receive_data(key3);
            let proof = answer(&mut connection)?;
            println!(
                "> {}    key3: eight bytes behind the HTTP request",
                Printable(key3)
            );
            println!(
                "< {}    MD5 of both keys' quotients and key3",
                Printable(&proof)
            );
        }

        let hello = hello(version);
        println!("> {}", annotate(version, &hello));
        connection.receive_data(&hello);
        println!("< {}\n", annotate(version, &answer(&mut connection)?));
    }
    Ok(())
}

/// Accepts the request, echoes every message, and returns the bytes to send.
fn answer(connection: &mut Connection) -> Result<Vec<u8>, stentor::protocol::SendError> {
    while let Some(event) = connection.next_event() {
        match event {
            Event::Request => connection.accept(Accept::new())?,
            Event::Message(message) => connection.send(&message)?,
            _ => {}
        }
    }
    Ok(connection.data_to_send())
}

/// Returns the request of a browser of that version, and draft-76's eight bytes.
fn request(version: Version) -> (String, &'static [u8]) {
    let common = "GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\n";
    let rest = match version {
        Version::Draft75 => "Upgrade: WebSocket\r\nOrigin: http://example.com\r\n",
        Version::Draft76 => {
            "Upgrade: WebSocket\r\nOrigin: http://example.com\r\n\
             Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
             Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n"
        }
        Version::Hybi07 => {
            "Upgrade: websocket\r\nSec-WebSocket-Origin: http://example.com\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 7\r\n"
        }
        Version::Hybi08 => {
            "Upgrade: websocket\r\nSec-WebSocket-Origin: http://example.com\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n"
        }
        Version::Rfc6455 => {
            "Upgrade: websocket\r\nOrigin: http://example.com\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        }
    };
    let key3: &[u8] = if version == Version::Draft76 {
        b"^n:ds[4U"
    } else {
        b""
    };
    (format!("{common}{rest}\r\n"), key3)
}

/// Returns "Hello" as a client sends it.
fn hello(version: Version) -> Vec<u8> {
    match version.framing() {
        Framing::Hixie => b"\x00Hello\xff".to_vec(),
        Framing::Hybi => {
            let key = [0x37, 0xfa, 0x21, 0x3d];
            let mut frame = vec![0x81, 0x80 | 5];
            frame.extend(key);
            frame.extend(b"Hello");
            mask::apply(&mut frame[6..], key, 0);
            frame
        }
    }
}

fn annotate(version: Version, frame: &[u8]) -> String {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x} "))
            .collect::<String>()
    };
    match (version.framing(), frame) {
        (Framing::Hixie, [start, text @ .., end]) => {
            format!("{start:02x} text, {}\"Hello\", {end:02x} end", hex(text))
        }
        (Framing::Hybi, [first, 0x85, rest @ ..]) => {
            let (key, payload) = rest.split_at(4);
            format!(
                "{first:02x} FIN and text, 85 masked, 5 bytes, {}the key, {}\"Hello\" under it",
                hex(key),
                hex(payload)
            )
        }
        (Framing::Hybi, [first, length, text @ ..]) => {
            format!(
                "{first:02x} FIN and text, {length:02x} 5 bytes, {}\"Hello\"",
                hex(text)
            )
        }
        (_, other) => hex(other),
    }
}

fn print_lines(direction: char, text: &str) {
    for line in text.lines() {
        println!("{direction} {line}");
    }
}
