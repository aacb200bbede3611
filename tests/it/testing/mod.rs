//! The kit for the tests of users. Its clock saves the time of all these tests: none waits for a timeout,
//! and each timeout is the default, or longer.

use std::time::{Duration, Instant};

use stentor::testing::TestServer;
use stentor::{Client, DisconnectReason, HandlerResult, Message, Received, WebSocket};

use crate::support::PATIENCE;

mod connected;

mod ends;

mod clock;

mod moved;

mod peers;

const SECOND: Duration = Duration::from_secs(1);

const HOUR: Duration = Duration::from_secs(3600);

fn echo(client: &mut Client) -> HandlerResult {
    while let Some(message) = client.recv()? {
        client.send(message)?;
    }
    Ok(())
}

/// Returns the next message, which must come in time.
fn message(socket: &mut WebSocket) -> Message {
    match socket.recv_timeout(PATIENCE).unwrap() {
        Received::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

/// Returns how long the next client was connected, which must be disconnected for this reason.
fn expect_disconnect(server: &TestServer, reason: DisconnectReason) -> Duration {
    let report = server.next_report().expect("a report");
    assert_eq!(report.disconnect_reason, Some(reason), "{report:?}");
    report.duration
}

/// Runs a test of a timeout, which must not wait for it. The bound is wide, for machines that are busy: the
/// durations of the reports, which include the real time, would show a wait.
fn in_no_time(test: impl FnOnce()) {
    let began = Instant::now();
    test();
    let took = began.elapsed();
    assert!(took < 60 * SECOND, "{took:?}");
}
