//! The header block of a response in drafts 75 and 76: the parts that both drafts have, with each one's diagnoses.

use crate::diagnoses::{draft75, draft76};
use crate::diagnosis::Diagnosis;
use crate::handshake::{Head, Request};
use crate::lesson::{Check, Failure, Shown};
use crate::talk::{HeadReading, Talk};

/// The host and the origin of a request that shows how the server builds its location.
pub(crate) const HOST: &str = "checker.example:8123";
/// The origin of that request.
pub(crate) const ORIGIN: &str = "http://checker.example";
/// The target of that request.
pub(crate) const TARGET: &str = "/echo?room=7";

/// The names and diagnoses of one draft.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The first letters of its headers.
    prefix: &'static str,
    old_prefix: &'static str,
    names: &'static Diagnosis,
    value: &'static Diagnosis,
    origin: &'static Diagnosis,
    location: &'static Diagnosis,
    location_wrong: &'static Diagnosis,
    protocol: &'static Diagnosis,
}

pub(crate) static DRAFT75: Draft = Draft {
    prefix: "WebSocket-",
    old_prefix: "Sec-WebSocket-",
    names: &draft75::SEC_NAMES,
    value: &draft75::HEADER_VALUE,
    origin: &draft75::ORIGIN,
    location: &draft75::LOCATION,
    location_wrong: &draft75::LOCATION_WRONG,
    protocol: &draft75::PROTOCOL,
};

pub(crate) static DRAFT76: Draft = Draft {
    prefix: "Sec-WebSocket-",
    old_prefix: "WebSocket-",
    names: &draft76::OLD_NAMES,
    value: &draft76::HEADER_VALUE,
    origin: &draft76::ORIGIN,
    location: &draft76::LOCATION,
    location_wrong: &draft76::LOCATION_WRONG,
    protocol: &draft76::PROTOCOL,
};

/// Reads the header block of the response, with CR LF at the end of each line.
pub(crate) fn read(talk: &mut Talk, silent: &'static Diagnosis) -> Check<Head> {
    match talk.read_head() {
        HeadReading::Head(head) if head.has_line_ends() => Ok(head),
        HeadReading::Head(head) => Failure::diagnosed(&draft75::LINE_ENDS, "")
            .received(Shown::bytes(head.raw, "the response"))
            .expected("0d 0a (CR LF) at the end of each line")
            .fail(),
        HeadReading::Incomplete(bytes, missing) if bytes.starts_with(b"HTTP/") => {
            Failure::diagnosed(&draft75::NO_BLANK_LINE, "")
                .received(Shown::bytes(bytes, missing.words()))
                .expected("0d 0a 0d 0a (CR LF CR LF) behind the last header")
                .fail()
        }
        HeadReading::Incomplete(bytes, missing) => Failure::diagnosed(silent, "")
            .received(Shown::bytes(bytes, missing.words()))
            .expected("a status line with 101, the headers and a blank line")
            .fail(),
    }
}

/// A request that shows how the server builds its headers.
pub(crate) fn telling_request(talk: &mut Talk) -> Request {
    let mut request = talk.new_request();
    request.set_request_line(&format!("GET {TARGET} HTTP/1.1"));
    request.set("Host", HOST);
    request.set("Origin", ORIGIN);
    request
}

impl Draft {
    /// Checks `Upgrade` and `Connection`: clients compare both values exactly.
    pub(crate) fn upgrade(&self, head: &Head) -> Check {
        for (name, value) in [("Upgrade", "WebSocket"), ("Connection", "Upgrade")] {
            let values: Vec<&str> = head.values(name).collect();
            if values != [value] {
                let line = head.header_lines(name).next().unwrap_or("(no such line)");
                return Failure::diagnosed(self.value, "")
                    .received(Shown::line(line))
                    .expected(format!("{name}: {value}"))
                    .fail();
            }
        }
        Ok(())
    }

    /// Checks origin, location and subprotocol against [`telling_request`].
    pub(crate) fn headers(&self, head: &Head) -> Check {
        let location = format!("ws://{HOST}{TARGET}");
        let origin = self.origin;
        self.header(head, "Origin", ORIGIN, [origin, origin])?;
        self.header(
            head,
            "Location",
            &location,
            [self.location, self.location_wrong],
        )?;
        let name = format!("{}Protocol", self.prefix);
        match head.header_lines(&name).next() {
            None => Ok(()),
            Some(line) => Failure::diagnosed(self.protocol, "")
                .received(Shown::line(line))
                .expected(format!("no {name}: the request has none"))
                .fail(),
        }
    }

    fn header(
        &self,
        head: &Head,
        name: &str,
        value: &str,
        diagnoses: [&'static Diagnosis; 2],
    ) -> Check {
        let [missing, wrong] = diagnoses;
        let full = format!("{}{name}", self.prefix);
        let old = format!("{}{name}", self.old_prefix);
        let lines: Vec<&str> = head.header_lines(&full).collect();
        let right = format!("{full}: {value}");
        let (diagnosis, line) = match lines[..] {
            [line] if head.values(&full).eq([value]) && line.starts_with(&full) => return Ok(()),
            [line, ..] => (wrong, line),
            [] => match head.header_lines(&old).next() {
                Some(line) => (self.names, line),
                None => (missing, "(no such line)"),
            },
        };
        let value_at = line.find(':').map_or(0, |colon| colon + 2);
        let failure = Failure::diagnosed(diagnosis, "")
            .sent(Shown::line(format!("GET {TARGET} HTTP/1.1")))
            .sent(Shown::line(format!("Host: {HOST}")))
            .sent(Shown::line(format!("Origin: {ORIGIN}")))
            .received(Shown::line(line))
            .expected(right);
        if lines.is_empty() {
            return failure.fail();
        }
        failure
            .caret(value_at, line.chars().count().saturating_sub(value_at), "")
            .fail()
    }
}
