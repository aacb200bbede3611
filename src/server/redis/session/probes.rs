//! Checks of the subscriptions: a subscription can be dead although its connection lives. After a time without a
//! notification, the session sends one to itself.

use crate::net::sync::Instant;
use crate::server::redis::wire::encode;

use super::lines::Expected;
use super::{Line, Phase, Session};

#[derive(Debug)]
pub(super) struct Probe {
    /// When something was received last.
    received: Instant,
    /// When the notification was sent that has not come yet.
    sent: Option<Instant>,
    pub(super) is_subscribed: bool,
}

impl Probe {
    pub(super) fn new(now: Instant) -> Probe {
        Probe {
            received: now,
            sent: None,
            is_subscribed: false,
        }
    }

    pub(super) fn received(&mut self, now: Instant) {
        self.received = now;
        self.sent = None;
    }
}

impl Session {
    pub(super) fn probe_due(&self) -> Option<Instant> {
        let times = &self.config.times;
        Some(match self.probe.sent {
            Some(sent) => sent + times.probe,
            None => self.probe.received + times.silence,
        })
    }

    pub(super) fn tick_probe(&mut self, now: Instant) {
        if self.phase != Phase::Up || self.probe_due().is_none_or(|due| due > now) {
            return;
        }
        if self.probe.sent.is_some() {
            return self.broken("the notifications of Redis do not come", now);
        }
        self.probe.sent = Some(now);
        let channel = self.config.keys.probe(self.config.machine);
        let half = self.lines.of(Line::Commands);
        encode(&["PUBLISH", &channel, ""], &mut half.out);
        half.await_reply(Expected::Probe, now);
    }
}
