//! Holds the notes about one direction against the library's engine, which has read the same bytes.

mod seen;

use std::sync::Arc;

use stentor::protocol::{
    ClientRequest, Closed, Config, Connection, Event, Initiator, Limits, Role,
};
use stentor::{Accept, CloseCode, Deflate, Version};

use seen::{Reader, Seen};

use crate::engine;
use crate::explainer::hybi::{FRAGMENTS, LARGEST};
use crate::note::{Note, Part, Side, Verdict};
use crate::rule::Rule;
use crate::rules::frames as rules;
use crate::{Compression, Explainer};

/// A connection behind its handshake, on the side that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The version.
    pub version: Version,
    /// The side that sends the frames.
    pub from: Side,
    /// permessage-deflate, with this context takeover in both directions. Version 13 only.
    pub takeover: Option<bool>,
    /// Whether unknown frames fail a connection of draft-75 or draft-76, if a server reads them.
    pub fail_on_unknown_frames: bool,
    /// Whether invalid UTF-8 fails it.
    pub fail_on_invalid_text: bool,
}

/// The events of the engine for a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// All events but the last.
    pub events: Vec<Event>,
    /// The last event.
    pub closed: Closed,
}

impl Setting {
    /// Frames of this side, without compression, with the default configuration.
    pub fn new(version: Version, from: Side) -> Setting {
        Setting {
            version,
            from,
            takeover: None,
            fail_on_unknown_frames: false,
            fail_on_invalid_text: false,
        }
    }

    /// Returns the explainer for the frames.
    pub fn explainer(&self) -> Explainer {
        let compression = self.takeover.map(|takeover| Compression {
            client_takeover: takeover,
            server_takeover: takeover,
            ..Compression::default()
        });
        Explainer::frames(self.version, compression)
    }

    /// Returns the notes about a stream that is fed in these pieces, without those about the ends of
    /// reads.
    pub fn explain<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Note> {
        let mut explainer = self.explainer();
        let mut notes = Vec::new();
        for piece in pieces {
            explainer.feed(self.from, piece);
            notes.extend(explainer.notes());
        }
        explainer.end(self.from);
        notes.extend(explainer.notes());
        notes.retain(|note| note.part != Part::Cut);
        notes
    }

    /// Lets the engine read a stream. `None` if it does not do its handshake, or does not end.
    pub fn run<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Run> {
        let (_, mut connection) = self.connections()?;
        let mut events = Vec::new();
        let mut drain = |connection: &mut Connection| {
            events.extend(std::iter::from_fn(|| connection.next_event()));
        };
        for piece in pieces {
            connection.receive_data(piece);
            drain(&mut connection);
        }
        connection.receive_eof();
        drain(&mut connection);
        match events.pop() {
            Some(Event::Closed(closed)) => Some(Run { events, closed }),
            _ => None,
        }
    }

    /// Returns the connections of the side that sends and of the side that reads, after their handshake.
    /// `None` if they do not do it.
    pub fn connections(&self) -> Option<(Connection, Connection)> {
        let config = Arc::new(self.config());
        let request = ClientRequest::to("ws://example.com/demo").ok()?;
        let request = request.version(self.version);
        let request = request.origin("http://example.com".parse().ok()?);
        let mut server = Connection::new(Arc::clone(&config));
        let mut client = Connection::client(config, &request, |bytes| bytes.fill(0));
        let mut open = 0;
        for _ in 0..4 {
            server.receive_data(&client.data_to_send());
            while let Some(event) = server.next_event() {
                match event {
                    Event::Request => server.accept(Accept::new()).ok()?,
                    event => open += usize::from(event == Event::Open),
                }
            }
            client.receive_data(&server.data_to_send());
            while let Some(event) = client.next_event() {
                open += usize::from(event == Event::Open);
            }
        }
        let connections = match self.from {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        (open == 2).then_some(connections)
    }

    fn config(&self) -> Config {
        let takeover = |takeover| {
            let deflate = Deflate::new().threshold(0).send_takeover(takeover);
            deflate.receive_takeover(takeover)
        };
        let mut config = Config::default();
        config.limits = limits();
        config.deflate = self.takeover.map(takeover);
        config.fail_on_unknown_frames = self.fail_on_unknown_frames;
        config.fail_on_invalid_hixie_text = self.fail_on_invalid_text;
        config
    }

    fn role(&self) -> Role {
        match self.from {
            Side::Client => Role::Server,
            Side::Server => Role::Client,
        }
    }

    /// Whether the engine, in this setting, fails on a note that breaks this rule.
    fn fails_on(&self, rule: &Rule) -> bool {
        let hixie = [Version::Draft75, Version::Draft76].contains(&self.version);
        let server = self.role() == Role::Server;
        match rule {
            rule if rule == &rules::TEXT_UTF8 && hixie => server && self.fail_on_invalid_text,
            rule if rule == &rules::HIXIE_TYPE => server && self.fail_on_unknown_frames,
            rule => ![
                &rules::STREAM_COMPLETE,
                &rules::CLOSE_LAST,
                &rules::HIXIE_CLOSE_LAST,
                &rules::DEFLATE_RSV1,
                // The engine has a window of 32 KiB, and accepts all distances within it.
                &rules::DEFLATE_WINDOW,
            ]
            .contains(&rule),
        }
    }

    /// Compares the notes with the events of the engine.
    ///
    /// # Errors
    /// If they differ; the text says where.
    pub fn compare(&self, notes: &[Note], run: &Run) -> Result<(), String> {
        let mut events = run.events.iter();
        let mut seen = Reader::default();
        let mut at = 0;
        while let Some(root) = notes.get(at) {
            let rest = &notes[at + 1..];
            let parts = rest.iter().take_while(|note| note.parent.is_some());
            let unit = &notes[at..=at + parts.count()];
            at += unit.len();
            // The engine judges the first two bytes of a frame together.
            let is_judged =
                root.part != Part::Frame || unit.iter().any(|note| note.part == Part::MaskBit);
            let broken = broken(unit)
                .chain(too_large(unit))
                .filter(|rule| is_judged && self.fails_on(rule));
            let broken: Vec<&Rule> = broken.collect();
            if !broken.is_empty() {
                return self.error(&broken, run, events.next());
            }
            let expected = match seen.read(unit) {
                Some(Seen::Close(code, reason)) => {
                    report(code.into(), &reason, Initiator::Peer, true)
                }
                None if root.part == Part::End => self.disconnect(notes),
                None => continue,
                Some(seen) => {
                    let event = events.next();
                    let event = event.ok_or_else(|| format!("no event for {seen:?}"))?;
                    if !seen.is(event) {
                        return Err(format!("{event:?} instead of {seen:?}"));
                    }
                    continue;
                }
            };
            if let Some(event) = events.next() {
                return Err(format!("{event:?} is in no note"));
            }
            return match run.closed == expected {
                true => Ok(()),
                false => Err(format!("{:?} instead of {expected:?}", run.closed)),
            };
        }
        Err("the notes have no end".to_owned())
    }

    /// The engine must have failed with one of these rules.
    fn error(&self, broken: &[&Rule], run: &Run, left: Option<&Event>) -> Result<(), String> {
        if let Some(event) = left {
            return Err(format!("{event:?} is in no note: {broken:?}"));
        }
        let error = run.closed.protocol_error.as_ref();
        let error = error.ok_or_else(|| format!("the engine accepts: {broken:?}"))?;
        match engine::protocol_error(error) {
            Some(rule) if broken.contains(&rule) => Ok(()),
            _ => Err(format!("{error:?} instead of {broken:?}")),
        }
    }

    /// The report about a stream that ends without a close.
    fn disconnect(&self, notes: &[Note]) -> Closed {
        let whole = !broken(notes).any(|rule| rule == &rules::STREAM_COMPLETE);
        match self.version {
            Version::Draft75 => report(CloseCode::NO_CODE, "", Initiator::Peer, whole),
            _ => report(CloseCode::ABNORMAL, "", Initiator::Nobody, false),
        }
    }
}

/// Returns the limits of the explainer.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.message = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    limits.fragments = FRAGMENTS;
    limits
}

/// Returns the rules that notes break.
pub fn broken(notes: &[Note]) -> impl Iterator<Item = &'static Rule> + '_ {
    let verdicts = notes.iter().flat_map(|note| &note.verdicts);
    verdicts.filter_map(|verdict| match verdict {
        Verdict::Broken(rule, _) => Some(*rule),
        _ => None,
    })
}

/// Returns the limits of the explainer that notes have reached. They are no rules, and the engine fails on
/// its own limits, which are the same.
fn too_large(notes: &[Note]) -> impl Iterator<Item = &'static Rule> + '_ {
    let limits = [
        &rules::MESSAGE_SIZE,
        &rules::MESSAGE_FRAGMENTS,
        &rules::HIXIE_SKIPPED,
    ];
    let verdicts = notes.iter().flat_map(|note| &note.verdicts);
    verdicts.filter_map(move |verdict| match verdict {
        Verdict::Choice(rule, _) if limits.contains(rule) => Some(*rule),
        _ => None,
    })
}

fn report(code: CloseCode, reason: &str, initiator: Initiator, clean: bool) -> Closed {
    Closed {
        code,
        reason: reason.to_owned(),
        initiator,
        clean,
        protocol_error: None,
    }
}
