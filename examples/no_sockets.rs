//! The protocol core driven by hand: no socket, no thread, no clock. A browser of 2010 sends "Hello"
//! in draft-76, a few bytes at a time, and all events and output are printed.

use std::sync::Arc;

use stentor::Accept;
use stentor::protocol::{Config, Connection, Event, Printable};

/// The bytes from the browser: its request, key3, a message, and its close.
const SENT: [&[u8]; 5] = [
    b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: WebSocket\r\nConnection: Upgr",
    b"ade\r\nOrigin: http://example.com\r\nSec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n\
      Sec-WebSocket-Key2: 12998 5 Y3 1  .P00\r\n\r\n^n:d",
    b"s[4U\x00Hel",
    b"lo\xff",
    b"\xff\x00",
];

fn main() -> Result<(), stentor::protocol::SendError> {
    let mut connection = Connection::new(Arc::new(Config::default()));
    for bytes in SENT {
        println!("peer sends   {}", Printable(bytes));
        connection.receive_data(bytes);
        while let Some(event) = connection.next_event() {
            match event {
                Event::Request => {
                    let request = connection
                        .request()
                        .map(|request| request.target().to_owned());
                    println!("  event      a request for {}", request.unwrap_or_default());
                    connection.accept(Accept::new())?;
                }
                Event::Open => println!("  event      open: {}", name(&connection)),
                Event::Message(message) => {
                    println!("  event      a message: {:?}", message.as_text());
                    connection.send(&message)?;
                }
                Event::Closed(closed) => println!("  event      closed: {closed}"),
                other => println!("  event      {other:?}"),
            }
        }
        for transition in connection.transitions() {
            println!("  state      {transition}");
        }
        let output = connection.data_to_send();
        if !output.is_empty() {
            println!("  we send    {}", Printable(&output));
        }
    }
    println!("close TCP?   {:?}", connection.close_expected());
    Ok(())
}

fn name(connection: &Connection) -> &str {
    connection
        .version()
        .map_or("unknown", |version| version.name())
}
