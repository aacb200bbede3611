//! Replaces `src/net/waker.rs`: the watchdog's `poll(2)` and the pipe that ends it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::socket::Socket;
use super::sync::Instant;
use super::sync::world;

#[derive(Debug)]
pub(crate) struct Waker {
    pipe: usize,
}

#[derive(Debug)]
pub(crate) struct Sleeper {
    pipe: usize,
}

pub(crate) fn pair() -> io::Result<(Waker, Sleeper)> {
    let pipe = world::call(|kernel| {
        kernel.pipes.push(false);
        kernel.pipes.len() - 1
    });
    Ok((Waker { pipe }, Sleeper { pipe }))
}

impl Waker {
    pub(crate) fn wake(&self) {
        world::call(|kernel| kernel.pipes[self.pipe] = true);
    }
}

impl Sleeper {
    pub(crate) fn sleep<'a>(
        &self,
        stalled: &[Arc<Socket>],
        lingering: impl Iterator<Item = &'a Socket>,
        at_most: Option<Duration>,
    ) {
        let lingering: Vec<&Socket> = lingering.collect();
        let end = at_most.and_then(|at_most| Instant::now().checked_add(at_most));
        world::block(end, |kernel| {
            let writable = |socket: &Socket| kernel.wires[socket.wire].is_writable();
            let readable = |socket: &Socket| kernel.wires[socket.wire].is_readable();
            let ready = kernel.pipes[self.pipe]
                || stalled.iter().any(|socket| writable(socket))
                || lingering.iter().any(|socket| readable(socket));
            ready.then_some(())
        });
    }

    pub(crate) fn awake(&self) {
        world::call(|kernel| kernel.pipes[self.pipe] = false);
    }
}
