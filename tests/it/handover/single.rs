//! One stream that reads and writes, on the calling thread only.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::time::Duration;

use stentor::server::Handover;
use stentor::{Received, Server, SlowClient, Version};

use super::{Plain, SOON, Site, lobby};
use crate::support::{Heard, PATIENCE, becomes, dial, echo, hush};

fn single(alive: &Arc<AtomicUsize>) -> impl Fn(TcpStream) -> Handover + use<> {
    let alive = Arc::clone(alive);
    move |stream| {
        let peer = stream.peer_addr().unwrap();
        Handover::single(Plain::new(stream, &alive)).peer(peer)
    }
}

/// The same, with reads that have a timeout, or do not block.
fn timed(timeout: Option<Duration>) -> impl Fn(TcpStream) -> Handover {
    move |stream| {
        match timeout {
            Some(_) => stream.set_read_timeout(timeout).unwrap(),
            None => stream.set_nonblocking(true).unwrap(),
        }
        let peer = stream.peer_addr().unwrap();
        Handover::single(stream).peer(peer)
    }
}

#[test]
fn one_stream_is_served_on_the_calling_thread() {
    let alive = Arc::default();
    let site = Site::run(Server::builder(), single(&alive), echo);
    for version in Version::ALL {
        let mut peer = site.open(version);
        let long = "x".repeat(300_000);
        for words in ["hello", &long, "", "again"] {
            peer.expect_echo(words);
        }
        peer.leave();
        becomes(&0, || alive.load(SeqCst));
    }
    let counters = site.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
    assert_eq!(counters.messages_out, 20);
}

#[test]
fn a_push_waits_for_the_next_read() {
    let site = Site::run(Server::builder(), single(&Arc::default()), lobby);
    let mut peers = Version::ALL.map(|version| site.open(version));
    site.wait_for_members(5);
    site.acceptor.handle().room("lobby").broadcast("to all");
    // The hub has sent it, once it has answered this.
    assert_eq!(site.acceptor.handle().room("lobby").members().len(), 5);
    for peer in &mut peers {
        assert_eq!(peer.hear_within(Duration::from_millis(50)), None);
        peer.say("poll");
        peer.expect_text("to all");
    }
}

#[test]
fn what_the_handler_sends_leaves_at_once() {
    let (go, told) = mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let site = Site::run(Server::builder(), single(&Arc::default()), move |client| {
        let told = told.lock().unwrap();
        for number in 0..3 {
            client.send(number.to_string())?;
            told.recv_timeout(PATIENCE)?;
        }
        client.close(stentor::CloseCode::NORMAL, "done")?;
        told.recv_timeout(PATIENCE)?;
        Ok(())
    });
    let mut peer = site.open(Version::Rfc6455);
    for number in 0..3 {
        // The handler does not go on before this has arrived.
        peer.expect_text(&number.to_string());
        go.send(()).unwrap();
    }
    peer.expect_goodbye(1000, "done");
    go.send(()).unwrap();
    peer.start_close(1000, "");
    peer.expect_end();
}

/// What others send meanwhile waits for the end of the message, and the writer does not wait for that.
#[test]
fn the_fragments_of_a_message_leave_at_once() {
    let (go, told) = mpsc::channel::<()>();
    let told = std::sync::Mutex::new(told);
    let builder = Server::builder().write_timeout(SOON);
    let site = Site::run(builder, single(&Arc::default()), move |client| {
        let told = told.lock().unwrap();
        let mut writer = client.binary_writer()?;
        for _ in 0..3 {
            writer.write_all(b"abc")?;
            writer.flush()?;
            told.recv_timeout(PATIENCE)?;
        }
        writer.finish()?;
        told.recv_timeout(PATIENCE)?;
        echo(client)
    });
    let mut peer = site.open(Version::Rfc6455);
    assert_eq!(peer.hear(), Heard::Fragment(2, b"abc".into()));
    site.acceptor.handle().broadcast("held");
    becomes(&1, || site.counters().messages_out);
    for _ in 0..2 {
        go.send(()).unwrap();
        assert_eq!(peer.hear(), Heard::Fragment(0, b"abc".into()));
    }
    go.send(()).unwrap();
    assert_eq!(peer.hear(), Heard::Fragment(0x80, Vec::new()));
    peer.expect_text("held");
    go.send(()).unwrap();
    peer.expect_echo("hello");
    peer.leave();
    let counters = site.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn more_than_the_buffers_hold_is_carried_while_the_handler_sends() {
    let site = Site::run(Server::builder(), single(&Arc::default()), |client| {
        for _ in 0..8 {
            client.send("x".repeat(900_000))?;
        }
        Ok(())
    });
    for version in Version::ALL {
        let mut peer = site.open(version);
        for _ in 0..8 {
            assert_eq!(peer.hear_text().len(), 900_000);
        }
        peer.answer_goodbye(1000, "");
    }
}

/// No answer could be waited for, since no ping can leave while the stream is read.
#[test]
fn a_silent_client_is_not_pinged_and_stays() {
    let builder = Server::builder()
        .ping_interval(Some(SOON / 10))
        .pong_timeout(SOON / 10);
    let site = Site::run(builder, single(&Arc::default()), echo);
    let mut peer = site.open(Version::Rfc6455);
    peer.expect_echo("hello");
    assert_eq!(peer.hear_within(2 * SOON), None);
    peer.expect_echo("still here");
    peer.leave();
    let counters = site.wait_until_empty();
    assert!(counters.disconnected.is_empty(), "{counters:?}");
}

#[test]
fn a_timeout_takes_effect_when_the_client_sends_something() {
    let alive = Arc::default();
    let builder = Server::builder().idle_timeout(Some(SOON));
    let site = Site::run(builder, single(&alive), echo);
    let mut peer = site.open(Version::Rfc6455);
    let mut other = site.open(Version::Rfc6455);
    other.leave();
    becomes(&1, || site.counters().disconnected.len());
    // Its thread still waits in the stream.
    assert_eq!(alive.load(SeqCst), 1);
    assert_eq!(site.counters().connections, 1);
    peer.say("too late");
    assert!(matches!(peer.hear(), Heard::End | Heard::Reset));
    becomes(&0, || alive.load(SeqCst));
    site.wait_until_empty();
}

#[test]
fn a_stream_with_timeouts_of_its_own_has_pushes_and_timeouts() {
    for timeout in [Some(Duration::from_millis(10)), None] {
        let builder = Server::builder()
            .idle_timeout(Some(5 * SOON))
            .handshake_timeout(SOON);
        let site = Site::run(builder, timed(timeout), lobby);
        let mut peers = Version::ALL.map(|version| site.open(version));
        site.wait_for_members(5);
        site.acceptor.handle().broadcast("to all");
        for peer in &mut peers {
            peer.expect_text("to all");
        }
        let mut silent = dial(site.address);
        let mut response = String::new();
        silent.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        for peer in &mut peers {
            peer.expect_end();
        }
        site.wait_until_empty();
    }
}

#[test]
fn a_shutdown_reaches_a_stream_with_timeouts_at_once_and_others_with_their_next_bytes() {
    let alive = Arc::new(AtomicUsize::new(0));
    for (polls, site) in [
        (
            false,
            Site::run(Server::builder(), timed(Some(SOON / 10)), echo),
        ),
        (true, Site::run(Server::builder(), single(&alive), echo)),
    ] {
        let mut peers = Version::ALL.map(|version| site.open(version));
        becomes(&5, || site.acceptor.handle().count());
        site.acceptor.handle().shutdown(Duration::from_secs(5));
        for peer in &mut peers {
            if polls {
                peer.say("anything");
            }
            peer.expect_goodbye(1001, "the server is going down");
            peer.start_close(1001, "");
        }
        drop(peers);
        site.wait_until_empty();
    }
    becomes(&0, || alive.load(SeqCst));
}

#[test]
fn waiting_with_a_timeout_needs_a_stream_that_has_one() {
    let site = Site::run(
        Server::builder(),
        timed(Some(Duration::from_millis(5))),
        |client| {
            match client.recv_timeout(Duration::from_millis(20))? {
                Received::Nothing => client.send("nothing")?,
                other => client.send(format!("{other:?}"))?,
            }
            echo(client)
        },
    );
    let mut peer = site.open(Version::Rfc6455);
    peer.expect_text("nothing");
    peer.expect_echo("hello");
    peer.leave();
}

/// The messages that wait for its next read are bounded, as for any slow consumer.
#[test]
fn a_client_that_never_sends_is_a_slow_consumer() {
    let builder = Server::builder()
        .send_queue_limit(64 * 1024)
        .slow_client(SlowClient::Close);
    let site = Site::run(builder, single(&Arc::default()), lobby);
    let mut silent = site.open(Version::Rfc6455);
    site.wait_for_members(1);
    let message = "x".repeat(60_000);
    becomes(&1, || {
        site.acceptor.handle().broadcast(message.as_str());
        site.counters().evicted
    });
    silent.say("here");
    // The last frame may be cut off.
    while let Ok(1..) = silent.stream.read(&mut [0; 4096]) {}
    site.wait_until_empty();
}

/// A stream whose code panics, or lies about what it has done.
struct Bad {
    stream: TcpStream,
    fault: u8,
}

impl Read for Bad {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        match buffer[0] {
            first if first != self.fault => Ok(read),
            b'1' => panic!("panicking on purpose"),
            b'2' => Ok(buffer.len() + 1),
            b'3' => Err(io::Error::other("broken")),
            _ => Ok(0),
        }
    }
}

impl Write for Bad {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        match (self.fault, bytes.first()) {
            (b'5', Some(0x81)) => panic!("panicking on purpose"),
            (b'6', Some(0x81)) => Ok(bytes.len() + 1),
            (b'7', Some(0x81)) => Err(io::ErrorKind::BrokenPipe.into()),
            (b'8', Some(0x81)) => Ok(0),
            _ => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_bad_stream_ends_its_own_connection_only() {
    hush("panicking on purpose");
    let number = AtomicUsize::new(0);
    let serve = move |stream: TcpStream| {
        let fault = b'0' + u8::try_from(number.fetch_add(1, SeqCst)).unwrap();
        let peer = stream.peer_addr().unwrap();
        Handover::single(Bad { stream, fault }).peer(peer)
    };
    let site = Site::run(Server::builder(), serve, echo);
    let mut other = site.open(Version::Rfc6455);
    other.expect_echo("hello");
    for fault in b'1'..=b'8' {
        let mut peer = site.open(Version::Rfc6455);
        match fault {
            b'1'..=b'4' => peer.write(&[fault]),
            _ => peer.say("hello"),
        }
        loop {
            match peer.hear() {
                Heard::Text(_) | Heard::Close(..) => {}
                end => break assert!(matches!(end, Heard::End | Heard::Reset), "{end:?}"),
            }
        }
    }
    other.expect_echo("still here");
    other.leave();
    site.wait_until_empty();
}
