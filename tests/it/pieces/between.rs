//! What other threads send while a message is sent in pieces.

use std::io::Write;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use stentor::{Client, CloseCode, Error, HandlerResult, Server, ServerBuilder, Version};

use super::{FRAGMENT, SOON};
use crate::support::{HYBI, Heard, Loopback, PATIENCE, Peer, becomes};

/// A server whose handlers send a message in pieces, a fragment for each step.
pub(super) struct Steps {
    /// Dropped before the server, whose handler waits for it.
    steps: Sender<Step>,
    pub(super) server: Loopback,
    pub(super) results: Receiver<Result<(), Error>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Fragment,
    Finish,
    Drop,
}

/// The payload of a fragment.
pub(super) const PART: [u8; 3] = *b"abc";

impl Steps {
    pub(super) fn new(builder: ServerBuilder) -> Steps {
        Steps::with_send_buffer(1 << 20, builder)
    }

    pub(super) fn with_send_buffer(bytes: usize, builder: ServerBuilder) -> Steps {
        let ((steps, step), (result, results)) = (channel(), channel());
        let step = Mutex::new(step);
        let server = Loopback::run_with_send_buffer(bytes, builder, move |client| {
            let step = step.lock().unwrap_or_else(PoisonError::into_inner);
            run(client, &step, &result)
        });
        Steps {
            steps,
            server,
            results,
        }
    }

    pub(super) fn step(&self, step: Step) {
        self.steps.send(step).unwrap();
    }

    /// Sends a fragment, and returns the result of that.
    pub(super) fn fragment(&self) -> Result<(), Error> {
        self.step(Step::Fragment);
        self.results.recv_timeout(PATIENCE).unwrap()
    }

    /// Opens a client, and receives the first fragment.
    pub(super) fn begin(&self, version: Version) -> Peer {
        let mut peer = self.server.open(version);
        self.fragment().unwrap();
        assert_eq!(peer.hear(), Heard::Fragment(2, PART.into()), "{version}");
        peer
    }
}

fn run(
    client: &mut Client,
    steps: &Receiver<Step>,
    results: &Sender<Result<(), Error>>,
) -> HandlerResult {
    let mut writer = client.binary_writer()?;
    loop {
        match steps.recv() {
            Ok(Step::Fragment) => {
                let written = writer.write_all(&PART).and_then(|()| writer.flush());
                results.send(written.map_err(Error::from)).unwrap();
            }
            Ok(Step::Finish) => {
                results.send(writer.finish()).unwrap();
                break;
            }
            Ok(Step::Drop) | Err(_) => {
                drop(writer);
                break;
            }
        }
    }
    while client.recv()?.is_some() {}
    Ok(())
}

#[test]
fn messages_wait_for_the_last_fragment_in_their_order() {
    for version in HYBI {
        let steps = Steps::new(Server::builder());
        let server = &steps.server;
        let mut peer = steps.begin(version);
        let client = server.client(&peer);
        server.handle.broadcast("broadcast");
        becomes(&1, || server.handle.counters().messages_out);
        client.send("from a handle").unwrap();
        server.handle.broadcast("x".repeat(100_000));
        becomes(&3, || server.handle.counters().messages_out);
        // They wait, and count as waiting.
        assert!(server.handle.counters().waiting > 100_000);
        steps.fragment().unwrap();
        assert_eq!(peer.hear(), Heard::Fragment(0, PART.into()));
        assert_eq!(peer.hear_within(SOON), None);
        steps.step(Step::Finish);
        assert_eq!(peer.hear(), Heard::Fragment(0x80, Vec::new()));
        peer.expect_text("broadcast");
        peer.expect_text("from a handle");
        assert_eq!(peer.hear_text().len(), 100_000);
        becomes(&0, || server.handle.counters().waiting);
        assert_eq!(server.handle.counters().messages_out, 4);
        // The next message does not wait.
        server.handle.broadcast("next");
        peer.expect_text("next");
        peer.leave();
    }
}

#[test]
fn a_close_of_another_thread_passes_between_fragments() {
    let steps = Steps::new(Server::builder());
    let server = &steps.server;
    let mut peer = steps.begin(Version::Rfc6455);
    server.handle.broadcast("never sent");
    becomes(&1, || server.handle.counters().messages_out);
    server
        .client(&peer)
        .close(CloseCode::new(4000), "now")
        .unwrap();
    peer.expect_goodbye(4000, "now");
    let error = steps.fragment().unwrap_err();
    assert!(matches!(error, Error::Closed), "{error:?}");
    assert_eq!(server.handle.counters().waiting, 0);
    assert_eq!(server.handle.counters().messages_out, 0);
    steps.step(Step::Finish);
    let error = steps.results.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(error, Error::Closed), "{error:?}");
    peer.start_close(4000, "");
    peer.expect_end();
}

#[test]
fn a_shutdown_passes_between_fragments() {
    let steps = Steps::new(Server::builder());
    let mut peer = steps.begin(Version::Rfc6455);
    let handle = steps.server.handle.clone();
    let stopping = thread::spawn(move || handle.shutdown(PATIENCE));
    peer.expect_goodbye(1001, "the server is going down");
    steps.step(Step::Drop);
    peer.start_close(1001, "");
    peer.expect_end();
    stopping.join().unwrap();
}

#[test]
fn a_writer_that_is_dropped_drops_the_messages_that_wait_for_it() {
    let steps = Steps::new(Server::builder());
    let server = &steps.server;
    let mut peer = steps.begin(Version::Rfc6455);
    server.handle.broadcast("never sent");
    becomes(&1, || server.handle.counters().messages_out);
    steps.step(Step::Drop);
    peer.answer_goodbye(1011, "a message was not finished");
    let counters = server.wait_until_empty();
    assert_eq!((counters.waiting, counters.messages_out), (0, 0));
}

#[test]
fn replies_before_the_message_leave_before_it() {
    let server = Loopback::run(Server::builder(), |client: &mut Client| {
        client.send("before")?;
        let mut writer = client.binary_writer()?;
        writer.write_all(&[1; FRAGMENT])?;
        writer.finish()?;
        client.send("after")?;
        Ok(())
    });
    let mut peer = server.open(Version::Hybi08);
    peer.expect_text("before");
    assert_eq!(peer.hear(), Heard::Fragment(2, vec![1; FRAGMENT]));
    assert_eq!(peer.hear(), Heard::Fragment(0x80, Vec::new()));
    peer.expect_text("after");
}

/// Several threads push to a client while its handler writes one message in pieces after the other: each
/// message arrives whole, and those of each thread in order.
#[test]
fn no_message_of_any_thread_stands_within_another() {
    const THREADS: usize = 4;
    const EACH: usize = 300;
    for version in HYBI {
        let server = Loopback::run(
            Server::builder().send_queue_limit(1 << 24),
            |client: &mut Client| {
                for number in 0..EACH {
                    let mut writer = client.text_writer()?;
                    for part in 0..number % 5 {
                        write!(writer, "w {number} {}", "~".repeat(part * 10))?;
                        writer.flush()?;
                        thread::yield_now();
                    }
                    writer.finish()?;
                }
                while client.recv()?.is_some() {}
                Ok(())
            },
        );
        let mut peer = server.open(version);
        let client = server.client(&peer);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (client, handle) = (&client, &server.handle);
                scope.spawn(move || {
                    for number in 0..EACH {
                        let text = format!("{thread} {number}");
                        match thread % 2 {
                            0 => client.send(text).unwrap(),
                            _ => handle.broadcast(text),
                        }
                    }
                });
            }
            let (mut next, mut written) = ([0; THREADS], 0);
            while written < EACH || next != [EACH; THREADS] {
                match peer.hear() {
                    Heard::Text(text) if text.is_empty() => written += 1,
                    Heard::Text(text) => {
                        let (thread, number) = text.split_once(' ').unwrap();
                        let next = &mut next[thread.parse::<usize>().unwrap()];
                        assert_eq!(number.parse(), Ok(*next), "{version}: {text}");
                        *next += 1;
                    }
                    Heard::Fragment(1, _) => {
                        written += 1;
                        while let Heard::Fragment(0, _) = rest(&mut peer) {}
                    }
                    other => panic!("{version}: {other:?}"),
                }
            }
        });
        peer.leave();
    }
}

/// Returns the next frame, which must be a further fragment.
fn rest(peer: &mut Peer) -> Heard {
    match peer.hear() {
        fragment @ Heard::Fragment(0 | 0x80, _) => fragment,
        other => panic!("{other:?} within a message"),
    }
}
