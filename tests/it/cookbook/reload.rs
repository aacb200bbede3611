//! The recipe "Live reload".

use std::time::Duration;
use std::{fs, thread};

use crate::cookbook;
use crate::support::{Folder, Loopback, ask, eventually};

#[test]
fn a_changed_page_is_reloaded_by_each_browser() {
    let folder = Folder::new();
    let page = folder.file("index.html");
    fs::write(&page, "one").unwrap();
    let server = super::build("127.0.0.1:0", page.clone()).unwrap();
    let server = Loopback::start(server, super::listen);
    // The thread never ends, like that of the program.
    let (file, handle) = (page.clone(), server.handle.clone());
    thread::spawn(move || super::watch(&file, &handle));
    let mut browsers = [0, 1].map(|_| cookbook::open(server.address, "/reload"));
    let mut text = String::from("one");
    // The thread may look at the page for the first time after some changes.
    let message = eventually("the reload", || {
        text.push('!');
        fs::write(&page, &text).unwrap();
        cookbook::arrives(&mut browsers[0], Duration::from_millis(300))
    });
    assert_eq!(message.as_text(), Some("reload"));
    assert_eq!(cookbook::text(&mut browsers[1]), "reload");
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let answer = ask(server.address, request.as_bytes());
    assert_eq!(
        (answer.status(), answer.body.as_slice()),
        (200, text.as_bytes())
    );
}
