//! The start of the connections: who they are, and whether this Redis can be used.

use crate::net::sync::Instant;
use crate::server::redis::facts::{self, ServerFacts};
use crate::server::redis::fault::RedisError;
use crate::server::redis::scripts::{self, ALL};
use crate::server::redis::wire::{Push, Reply, encode};

use super::life::Rereads;
use super::lines::Expected;
use super::{Line, Output, Phase, Session};

impl Session {
    /// Both connections are open: sends their first commands.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.phase = Phase::Starting(now + self.config.times.connect);
        self.info.clear();
        self.life.clear();
        self.rereads = Rereads::default();
        for line in [Line::Commands, Line::Notifications] {
            let config = &self.config;
            let half = self.lines.of(line);
            if let Some(password) = &config.password {
                facts::auth(config.user.as_deref(), password, &mut half.out);
                half.await_reply(Expected::Auth, now);
            }
            facts::set_name("stentor", &mut half.out);
            half.await_reply(Expected::Name, now);
        }
        if self.config.database != 0 {
            let half = self.lines.of(Line::Commands);
            facts::select(self.config.database, &mut half.out);
            half.await_reply(Expected::Select, now);
        }
        let half = self.lines.of(Line::Commands);
        for _ in 0..facts::info(&mut half.out) {
            half.await_reply(Expected::Info, now);
        }
        self.load_scripts(now);
        let probe = self.config.keys.probe(self.config.machine);
        encode(
            &["SUBSCRIBE", &probe],
            &mut self.lines.of(Line::Notifications).out,
        );
    }

    /// Loads the scripts: Redis forgets them when it starts, and by `SCRIPT FLUSH`.
    pub(super) fn load_scripts(&mut self, now: Instant) {
        let half = self.lines.of(Line::Commands);
        scripts::load(&mut half.out);
        for script in ALL {
            half.await_reply(Expected::Load(script), now);
        }
    }

    /// Executes a reply on the connection with commands.
    pub(super) fn replied(&mut self, reply: Reply, now: Instant) {
        let Some(expected) = self.lines.of(Line::Commands).answered() else {
            return self.broken("Redis has sent a reply without a command", now);
        };
        match expected {
            Expected::Append(room) => self.appended(&room, reply, now),
            Expected::Read(asked) => self.has_read(asked, reply, now),
            Expected::Forget(number) => self.has_forgotten(number, reply, now),
            expected => self.started(&expected, reply, now),
        }
    }

    /// Executes a reply to a command of the start, or of a check.
    fn started(&mut self, expected: &Expected, reply: Reply, now: Instant) {
        let reply = match (expected, reply) {
            (Expected::Name, _) => return,
            (_, Reply::Error(text)) => return self.start_failed(expected, &text, now),
            (_, reply) => reply,
        };
        match expected {
            Expected::Info => match reply {
                Reply::Bulk(part) => {
                    self.info.push_str(&String::from_utf8_lossy(&part));
                    self.info.push_str("\r\n");
                    self.has_facts(now);
                }
                _ => self.broken("Redis has answered INFO without a text", now),
            },
            Expected::Load(script) => {
                if scripts::loaded(*script, reply).is_err() {
                    return self.broken("Redis has not loaded a script", now);
                }
                if Some(script) == ALL.last() && self.phase != Phase::Up {
                    self.check_server(now);
                }
            }
            _ => {}
        }
    }

    fn start_failed(&mut self, expected: &Expected, text: &str, now: Instant) {
        let error = RedisError::read(text);
        let command = match expected {
            Expected::Auth => "AUTH",
            Expected::Select => "SELECT",
            Expected::Info => "INFO",
            Expected::Load(_) => "SCRIPT LOAD",
            _ => "a command",
        };
        let reason = format!("{command}: {error}");
        self.broken(&reason, now);
    }

    /// Checks the facts about the server, when all scripts are loaded.
    fn check_server(&mut self, now: Instant) {
        let checked = ServerFacts::read(&self.info)
            .and_then(|facts| facts.check().map(|warnings| (facts, warnings)));
        match checked {
            Ok((facts, warnings)) => {
                self.life = facts.life;
                self.warnings = warnings;
                self.begin_if_ready(now);
            }
            Err(unusable) => self.broken(&unusable.to_string(), now),
        }
    }

    /// Begins when the server is checked, and the notifications work.
    fn begin_if_ready(&mut self, now: Instant) {
        if self.phase == Phase::Up || self.life.is_empty() || !self.probe.is_subscribed {
            return;
        }
        self.phase = Phase::Up;
        self.up_since = Some(now);
        self.numbers.reconnects += u64::from(self.was_up);
        self.was_up = true;
        self.probe.received(now);
        let warnings = std::mem::take(&mut self.warnings);
        self.outputs.push_back(Output::Up(warnings));
    }

    /// Executes a reply on the connection with notifications.
    pub(super) fn notified(&mut self, reply: Reply, now: Instant) {
        self.probe.received(now);
        let push = match Push::read(reply) {
            Ok(push) => push,
            Err(reply) => {
                let expected = self.lines.of(Line::Notifications).answered();
                return match (expected, reply) {
                    (Some(Expected::Name), _) => {}
                    (Some(expected), Reply::Error(text)) => {
                        self.start_failed(&expected, &text, now)
                    }
                    (Some(_), _) => {}
                    (None, Reply::Error(text)) => {
                        let error = RedisError::read(&text);
                        let reason = format!("SUBSCRIBE: {error}");
                        self.broken(&reason, now);
                    }
                    (None, _) => self.broken("Redis has sent a reply without a command", now),
                };
            }
        };
        let probe = self.config.keys.probe(self.config.machine);
        match push {
            Push::Subscribed(channel, _) if channel == probe.as_bytes() => {
                self.probe.is_subscribed = true;
                self.begin_if_ready(now);
            }
            Push::Message(channel, _) if channel == probe.as_bytes() => {}
            Push::Subscribed(channel, _) => self.subscribed(&channel),
            Push::Unsubscribed(channel, _) => self.unsubscribed(&channel),
            Push::Message(channel, bytes) => self.message(&channel, &bytes),
            Push::Pong(_) => {}
        }
    }
}
