//! The recipe "Uploads and downloads".

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use crate::cookbook::{open, text};
use crate::support::{Folder, Loopback, eventually};

/// Starts the server, which keeps its files in this folder.
fn start(folder: &Folder) -> Loopback {
    let path = folder.file("");
    let server = super::build("127.0.0.1:0").unwrap();
    Loopback::start(server, move |client| super::serve(client, &path))
}

fn wait_until_empty(folder: &Path) {
    let is_empty = || fs::read_dir(folder).unwrap().next().is_none();
    eventually("the removal of the file", || is_empty().then_some(()));
}

#[test]
fn a_file_above_the_limit_of_messages_goes_there_and_back() {
    let folder = Folder::new();
    let server = start(&folder);
    let mut socket = open(server.address, "/");
    // `max_message_size` is 1 MiB.
    let file: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    let mut upload = socket.binary_writer().unwrap();
    upload.write_all(&file).unwrap();
    upload.finish().unwrap();
    assert_eq!(text(&mut socket), "stored");
    socket.send("get").unwrap();
    let mut found = Vec::new();
    let mut download = socket.recv_reader(super::LARGEST).unwrap().unwrap();
    download.read_to_end(&mut found).unwrap();
    assert!(found == file, "{} bytes", found.len());
    drop(socket);
    wait_until_empty(&folder.file(""));
}

#[test]
fn an_upload_that_breaks_off_leaves_no_file() {
    let folder = Folder::new();
    let server = start(&folder);
    let mut socket = open(server.address, "/");
    let mut upload = socket.binary_writer().unwrap();
    upload.write_all(&[7; 100_000]).unwrap();
    let files = || fs::read_dir(folder.file("")).unwrap().next();
    eventually("the file", files).unwrap();
    drop(upload);
    wait_until_empty(&folder.file(""));
}
