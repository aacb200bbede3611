//! The programs of `docs/cookbook.md`, which `build.rs` has written into files, run against clients.
//! The tests of a program are a module inside it, so that its functions need not be public.

#![allow(
    dead_code,
    reason = "each program has a `main`, which uses a fixed port"
)]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use stentor::{Connector, Message, Received, WebSocket};

use crate::support::{PATIENCE, ROOT};

#[path = "."]
mod reload {
    include!(concat!(env!("OUT_DIR"), "/live_reload.rs"));

    #[path = "reload.rs"]
    mod tests;
}

#[cfg(feature = "query")]
#[path = "."]
mod auth {
    include!(concat!(env!("OUT_DIR"), "/token_at_the_handshake.rs"));

    #[path = "auth.rs"]
    mod tests;
}

#[path = "."]
mod requests {
    include!(concat!(env!("OUT_DIR"), "/request_and_response.rs"));

    #[path = "requests.rs"]
    mod tests;
}

#[path = "."]
mod game {
    include!(concat!(env!("OUT_DIR"), "/game_loop.rs"));

    #[path = "game.rs"]
    mod tests;
}

/// Its test is in the program, and uses a Unix socket.
#[cfg(unix)]
mod handler {
    include!(concat!(env!("OUT_DIR"), "/handler_without_a_network.rs"));
}

#[cfg(feature = "prometheus")]
#[path = "."]
mod metrics {
    include!(concat!(env!("OUT_DIR"), "/metrics.rs"));

    #[path = "metrics.rs"]
    mod tests;
}

#[cfg(all(feature = "systemd", unix))]
#[path = "."]
mod systemd {
    include!(concat!(env!("OUT_DIR"), "/systemd_service.rs"));

    #[path = "systemd.rs"]
    mod tests;
}

/// Its tests are in the program.
#[cfg(feature = "testing")]
mod testing {
    include!(concat!(env!("OUT_DIR"), "/testing_a_handler.rs"));
}

#[cfg(feature = "history")]
#[path = "."]
mod journal {
    include!(concat!(env!("OUT_DIR"), "/a_journal_in_a_file.rs"));

    #[path = "journal.rs"]
    mod tests;
}

#[cfg(feature = "history")]
#[path = "."]
mod continuing {
    include!(concat!(
        env!("OUT_DIR"),
        "/a_bot_that_continues_after_a_restart.rs"
    ));

    #[path = "continuing.rs"]
    mod tests;
}

#[cfg(all(feature = "history", feature = "query"))]
#[path = "."]
mod resume {
    include!(concat!(
        env!("OUT_DIR"),
        "/resume_after_a_lost_connection.rs"
    ));

    #[path = "resume.rs"]
    mod tests;
}

#[cfg(all(feature = "history", feature = "query"))]
#[path = "."]
mod members {
    include!(concat!(env!("OUT_DIR"), "/members_of_a_room.rs"));

    #[path = "members.rs"]
    mod tests;
}

#[path = "."]
mod bot {
    include!(concat!(env!("OUT_DIR"), "/a_bot_that_reconnects.rs"));

    #[path = "bot.rs"]
    mod tests;
}

#[path = "."]
mod transfers {
    include!(concat!(env!("OUT_DIR"), "/uploads_and_downloads.rs"));

    #[path = "transfers.rs"]
    mod tests;
}

#[path = "."]
mod inside {
    include!(concat!(env!("OUT_DIR"), "/inside_another_server.rs"));

    #[path = "inside.rs"]
    mod tests;
}

#[test]
fn each_recipe_is_run() {
    let cookbook = fs::read_to_string(Path::new(ROOT).join("docs/cookbook.md")).unwrap();
    let headings = cookbook.lines().filter_map(|line| line.strip_prefix("## "));
    let names: Vec<_> = headings
        .map(|heading| heading.to_lowercase().replace(' ', "_"))
        .collect();
    let own = include_str!("mod.rs");
    for name in &names {
        let program = format!("\"/{name}.rs\"");
        assert!(own.contains(&program), "{program} is not included");
    }
    assert!(names.len() > 5, "{names:?}");
}

fn open(address: SocketAddr, path: &str) -> WebSocket {
    open_with(&Connector::new(), address, path)
}

fn open_with(connector: &Connector, address: SocketAddr, path: &str) -> WebSocket {
    let stream = TcpStream::connect(address).unwrap();
    let url = format!("ws://{address}{path}");
    connector.connect_over(stream, &url).unwrap()
}

/// Returns the next text, which must come in time.
fn text(socket: &mut WebSocket) -> String {
    match socket.recv_timeout(PATIENCE).unwrap() {
        Received::Message(Message::Text(text)) => text.into_string(),
        other => panic!("{other:?}"),
    }
}

/// Reads texts until one has the expected property.
fn text_that(socket: &mut WebSocket, fits: impl Fn(&str) -> bool) -> String {
    let since = Instant::now();
    loop {
        let text = text(socket);
        if fits(&text) {
            return text;
        }
        assert!(since.elapsed() < PATIENCE, "the last text was {text}");
    }
}

/// Returns whether a message arrives within this time.
fn arrives(socket: &mut WebSocket, time: Duration) -> Option<Message> {
    match socket.recv_timeout(time).unwrap() {
        Received::Message(message) => Some(message),
        Received::Nothing => None,
        other => panic!("{other:?}"),
    }
}
