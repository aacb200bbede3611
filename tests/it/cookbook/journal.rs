//! The recipe "A journal in a file".

use std::fs;
use std::io::Write;
use std::time::Duration;

use stentor::ServerHandle;
use stentor::server::{HistoryError, Position};

use crate::support::eventually;

fn texts(server: &ServerHandle) -> Result<Vec<String>, HistoryError> {
    let page = server.history("lobby", None, 1000)?;
    let texts = page.entries.iter().map(|entry| entry.message.to_string());
    Ok(texts.collect())
}

#[test]
fn messages_survive_a_restart_and_a_torn_line_is_no_commit() {
    let path = std::env::temp_dir().join(format!("stentor-journal-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let mut known = Vec::new();
    let mut last: Option<Position> = None;
    for round in 0..4 {
        let server = super::build("127.0.0.1:0", &path).unwrap();
        let (handle, url) = (
            server.handle(),
            format!("ws://{}/", server.local_addr().unwrap()),
        );
        let server = server.spawn(super::chat).unwrap();
        assert_eq!(texts(&handle), Ok(known.clone()));
        let mut socket = stentor::connect(&url).unwrap();
        for text in &known {
            assert_eq!(super::super::text(&mut socket), *text);
        }
        for number in 0..5 {
            socket.send(format!("{round} {number}")).unwrap();
            known.push(super::super::text(&mut socket));
        }
        if round == 2 {
            let page = handle.history("lobby", None, 3).unwrap();
            handle.forget("lobby", page.entries[0].position).unwrap();
            known.drain(..known.len() - 2);
        }
        let page = handle.history("lobby", None, 1).unwrap();
        let newest = page.entries[0].position;
        assert!(last.is_none_or(|last| newest.number() == last.number() + 5));
        last = Some(newest);
        drop(socket);
        handle.shutdown(Duration::from_secs(5));
        server.join().unwrap();
        eventually("the file", || fs::metadata(&path).ok());
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"[{\"room\":\"lob").unwrap();
    }
    fs::remove_file(&path).unwrap();
}
