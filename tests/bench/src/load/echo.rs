//! Every message comes back; each client always has the same number of messages in flight.

use std::collections::VecDeque;
use std::time::Instant;

use super::Target;
use super::members::Members;
use super::meter::{Figures, Meter};
use super::wire::Heard;
use crate::HandlerResult;

#[derive(Clone, Copy)]
pub(crate) struct Echo {
    pub(crate) clients: usize,
    pub(crate) size: usize,
    /// Messages of a client in flight at a time.
    pub(crate) depth: usize,
}

impl Echo {
    pub(crate) fn run(self, target: &Target) -> HandlerResult<Figures> {
        let mut members = Members::gather(target, self.size, self.clients)?;
        let message: Vec<u8> = (b'a'..=b'z').cycle().take(self.size).collect();
        let encoded = members.wire.message(&message);
        let mut sent = vec![VecDeque::from(vec![Instant::now(); self.depth]); self.clients];
        for index in 0..self.clients {
            for _ in 0..self.depth {
                members.clients[index].send(&encoded);
            }
            members.flush(index)?;
        }
        let mut meter = Meter::start(target);
        while meter.goes_on()? {
            members.batch(|index, client, received| {
                match received {
                    Heard::Message(same) if same == message => {}
                    Heard::Message(_) => return Err("another message came back".into()),
                    _ => return Err("a client was sent away".into()),
                }
                let now = Instant::now();
                if let Some(at) = sent[index].pop_front() {
                    meter.took(now - at);
                }
                sent[index].push_back(now);
                meter.count();
                client.send(&encoded);
                Ok(())
            })?;
        }
        meter.finish("CPU µs/message", "1000 messages/s")
    }
}
