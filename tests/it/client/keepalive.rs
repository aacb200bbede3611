//! Servers that are slow, and alive: no message to them is lost.

use std::io::Read;
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;
use stentor::{Connector, DisconnectReason, Error, Version};

use super::{SOON, takes_soon};
use crate::support::Script;

/// Longer than a busy machine keeps the script waiting.
const ROOMY: Duration = Duration::from_millis(1500);

/// The server sends nothing meanwhile, for three times as long as a silent one is waited for.
#[test]
fn a_large_upload_to_a_slow_server_arrives() {
    // So much that each of many reads opens the TCP window again, also on a busy machine.
    const LEN: usize = 4_000_000;
    const STEPS: usize = 200;
    let script = Script::run(|mut server| {
        server.accept("");
        let mut frame = vec![0; 14 + LEN];
        for piece in frame.chunks_mut((14 + LEN) / STEPS) {
            server.stream.read_exact(piece).unwrap();
            thread::sleep(ROOMY * 3 / STEPS as u32);
        }
        server.say("thank you");
        server.start_close(1000);
    });
    let stream = TcpStream::connect(script.address).unwrap();
    sockopt::set_socket_send_buffer_size(&stream, 0).unwrap();
    let connector = Connector::new()
        .send_queue_limit(1000)
        .ping_interval(Some(ROOMY / 2))
        .pong_timeout(ROOMY / 2)
        .idle_timeout(Some(ROOMY));
    let mut socket = connector.connect_over(stream, &script.url).unwrap();
    let sender = socket.sender();
    let upload = thread::spawn(move || sender.send("x".repeat(LEN)));
    assert_eq!(socket.recv().unwrap(), Some("thank you".into()));
    upload.join().unwrap().unwrap();
    drop(socket);
    script.join();
}

fn assert_unfinished(connector: &Connector, begin: &'static [u8]) {
    let (hold, held) = mpsc::channel::<()>();
    let script = Script::run(move |mut server| {
        server.accept("");
        server.write(begin);
        let _ = held.recv();
    });
    let mut socket = connector.connect(&script.url).unwrap();
    let result = takes_soon(|| socket.recv());
    assert!(
        matches!(
            result,
            Err(Error::Disconnected(DisconnectReason::UnfinishedMessage))
        ),
        "{result:?}"
    );
    drop(hold);
    script.join();
}

#[test]
fn a_message_that_a_server_does_not_finish_is_given_up() {
    let connector = Connector::new()
        .ping_interval(Some(SOON / 2))
        .pong_timeout(SOON / 2);
    assert_unfinished(&connector.version(Version::Rfc6455), b"\x81\x05hal");
    let connector = Connector::new().min_message_rate(1000, SOON);
    assert_unfinished(&connector, b"\x81\x05hal");
}
