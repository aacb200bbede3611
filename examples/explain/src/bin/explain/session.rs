//! One conversation: explained, and written.

use std::io::{self, Write};
use std::time::Duration;

use stentor::Version;
use stentor_explain::render::{Renderer, Style};
use stentor_explain::{Compression, Explainer, Part, Side, Value, Verdict};

/// The options that all inputs share.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) style: Style,
    /// The version of frames without a handshake.
    pub(crate) version: Option<Version>,
    pub(crate) compression: Option<Compression>,
    pub(crate) secrets: bool,
}

/// The origin of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Conversation,
    /// A piece of a stream that goes on: its end is not the stream's.
    Paste,
    /// The header of one frame, without its payload, and without the frames before.
    Header,
}

/// The rules about the end of a stream.
const END: [&str; 3] = ["stream.complete", "stream.close", "handshake.complete"];

/// The rules about the frames before a frame.
const ORDER: [&str; 3] = ["message.continuation", "message.nested", "mask.key"];

/// The bytes that are explained before their notes are written: a small frame has notes of some 2500 bytes.
const PIECE: usize = 16 * 1024;

/// The first bytes of TLS: a record of its handshake.
const TLS: [u8; 2] = [0x16, 0x03];

/// One conversation.
#[derive(Debug)]
pub(crate) struct Session {
    explainer: Explainer,
    renderer: Renderer,
    kind: Kind,
    /// Whether frames without a mask, and frames with one, were pasted.
    masks: [bool; 2],
    /// The sides that have sent bytes.
    has_sent: [bool; 2],
    /// Directions that cannot be followed any more, after missing bytes: the bytes since then.
    lost: [Option<u64>; 2],
    /// Nothing came yet, and a handshake is expected.
    is_new: bool,
    /// It is TLS, and so not explained.
    is_tls: bool,
}

impl Session {
    /// Begins a conversation with its handshake.
    pub(crate) fn new(settings: &Settings) -> Session {
        Session::with(settings, Explainer::new(), true)
    }

    /// Begins a conversation with its frames.
    pub(crate) fn frames(settings: &Settings, version: Version) -> Session {
        Session::with(
            settings,
            Explainer::frames(version, settings.compression),
            false,
        )
    }

    fn with(settings: &Settings, mut explainer: Explainer, is_new: bool) -> Session {
        explainer.show_secrets(settings.secrets);
        Session {
            explainer,
            renderer: Renderer::new(settings.style),
            kind: Kind::Conversation,
            masks: [false; 2],
            has_sent: [false; 2],
            lost: [None, None],
            is_new,
            is_tls: false,
        }
    }

    /// The bytes are pasted: they are a piece of a stream.
    pub(crate) fn pasted(mut self) -> Session {
        self.kind = Kind::Paste;
        self.is_new = false;
        self
    }

    /// The bytes are the header of one frame.
    pub(crate) fn header(mut self) -> Session {
        self.kind = Kind::Header;
        self
    }

    /// Sets the name that begins each head and frame.
    pub(crate) fn name(&mut self, name: impl Into<String>) {
        self.renderer.name(name);
    }

    /// Sets the time of the next bytes.
    pub(crate) fn clock(&mut self, now: Duration) {
        self.renderer.clock(now);
    }

    /// Explains the bytes of one read.
    pub(crate) fn feed(&mut self, from: Side, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if std::mem::take(&mut self.is_new) && bytes.starts_with(&TLS) {
            self.is_tls = true;
            let words = "this is TLS: its bytes are encrypted, and cannot be explained";
            return self.renderer.remark(from, words, out);
        }
        if self.is_tls {
            return Ok(());
        }
        if let Some(lost) = &mut self.lost[from as usize] {
            *lost += bytes.len() as u64;
            return Ok(());
        }
        self.has_sent[from as usize] = true;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(PIECE.min(rest.len()));
            self.renderer.bytes(from, piece);
            self.explainer.feed(from, piece);
            rest = others;
            self.write(rest.is_empty(), out)?;
        }
        Ok(())
    }

    /// Ends a direction.
    pub(crate) fn end(&mut self, from: Side, out: &mut dyn Write) -> io::Result<()> {
        if self.is_tls {
            return Ok(());
        }
        if let Some(lost) = self.lost[from as usize] {
            let words =
                format!("the stream ends here; {lost} bytes after the gap are not explained");
            return self.renderer.remark(from, &words, out);
        }
        self.explainer.end(from);
        self.write(true, out)
    }

    /// Bytes are missing: without them, the beginnings of later frames are not known.
    pub(crate) fn gap(&mut self, from: Side, bytes: u64, out: &mut dyn Write) -> io::Result<()> {
        if let Some(lost) = &mut self.lost[from as usize] {
            *lost += bytes;
            return Ok(());
        }
        self.lost[from as usize] = Some(0);
        let words =
            format!("{bytes} bytes are missing here: later frames of the {from} are not explained");
        self.renderer.remark(from, &words, out)
    }

    /// Writes a line about the conversation.
    pub(crate) fn remark(
        &mut self,
        from: Side,
        words: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.renderer.remark(from, words, out)
    }

    /// Whether some frames have a mask and others do not: perhaps they are those of both sides.
    pub(crate) fn has_both_masks(&self) -> bool {
        self.masks == [true, true]
    }

    /// How many rules were broken until now.
    pub(crate) fn broken(&self) -> usize {
        self.renderer.broken()
    }

    /// Writes the notes, and the end of the read if it is one.
    fn write(&mut self, is_whole: bool, out: &mut dyn Write) -> io::Result<()> {
        let notes = self.explainer.notes();
        let notes = notes.filter(|note| is_whole || note.part != Part::Cut);
        if self.kind == Kind::Conversation {
            return self.renderer.write(notes, out);
        }
        let kind = self.kind;
        let mut ends = Vec::new();
        let masks = &mut self.masks;
        let notes = notes.filter_map(|mut note| {
            if let (Part::MaskBit, Value::Flag(is_masked)) = (note.part, &note.value) {
                masks[usize::from(*is_masked)] = true;
            }
            note.verdicts.retain(|verdict| {
                let rule = match verdict {
                    Verdict::Broken(rule, words) if END.contains(&rule.id) => {
                        ends.push((note.from, words.clone()));
                        rule
                    }
                    Verdict::Holds(rule) | Verdict::Broken(rule, _) | Verdict::Choice(rule, _) => {
                        rule
                    }
                };
                let is_unknown = kind == Kind::Header && ORDER.contains(&rule.id);
                !END.contains(&rule.id) && !is_unknown
            });
            let is_absent = kind == Kind::Header && note.part == Part::Payload;
            (note.part != Part::End && !is_absent).then_some(note)
        });
        self.renderer.write(notes, out)?;
        if kind == Kind::Paste {
            let has_sent = self.has_sent;
            for (from, words) in ends
                .into_iter()
                .filter(|(from, _)| has_sent[*from as usize])
            {
                let words = words.replace("The stream ended", "the bytes end");
                self.renderer.remark(from, &words, out)?;
            }
        }
        Ok(())
    }
}
