//! Extensions: the offers of the request, those that the response accepts, and the parameters of
//! compression.

use std::collections::HashSet;
use std::sync::Arc;

use stentor::Version;

use crate::rules::handshake::{DEFLATE, EXTENSION_CHOICE, EXTENSIONS};

use super::super::agreed::Compression;
use super::block::Block;
use super::marks::{Marks, Place};
use super::syntax::once;
use super::text::{is_token, is_token_byte, quoted};

/// The name of the header.
const HEADER: &str = "Sec-WebSocket-Extensions";

/// The name of the extension that compresses messages (RFC 7692 §7).
const DEFLATE_NAME: &str = "permessage-deflate";

/// One extension, with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extension {
    name: String,
    parameters: Vec<(String, Option<String>)>,
}

/// The extensions that a response accepts.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) compression: Option<Compression>,
    /// The names of those that this program does not know, if they were offered.
    pub(super) unknown: Option<Arc<str>>,
}

/// The parameters of permessage-deflate, in an offer or in a response.
#[derive(Debug, Clone, Copy, Default)]
struct Parameters {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// `Some(None)`: without a number, which only an offer may have.
    client_bits: Option<Option<u8>>,
}

/// Judges the offers of a request, and returns them.
pub(super) fn judge_offer(block: &Block, marks: &mut Marks) -> Vec<Extension> {
    let mut offers = Vec::new();
    for (place, value) in block.all(HEADER) {
        let place = Place::Value(place);
        match parse(value) {
            Ok(found) => {
                marks.holds(place, &EXTENSIONS);
                for offer in found.iter().filter(|offer| offer.name == DEFLATE_NAME) {
                    match Parameters::of(offer) {
                        Ok(_) => marks.holds(place, &DEFLATE),
                        Err(by) => {
                            let how = format!("{by}: a server declines this offer");
                            marks.choice(place, &DEFLATE, how);
                        }
                    }
                }
                offers.extend(found);
            }
            Err(by) => marks.broken(place, &EXTENSIONS, by),
        }
    }
    offers
}

/// Judges the extensions of a response, and returns them. `offers` is `None` if the request is unknown.
pub(super) fn judge_choice(
    block: &Block,
    version: Version,
    offers: Option<&[Extension]>,
    marks: &mut Marks,
) -> Chosen {
    let Some((place, value)) = once(block, HEADER, marks) else {
        return Chosen::default();
    };
    let place = Place::Value(place);
    let accepted = match parse(value) {
        Ok(accepted) => accepted,
        Err(by) => {
            marks.broken(place, &EXTENSIONS, by);
            return Chosen::default();
        }
    };
    marks.holds(place, &EXTENSIONS);
    if let Some(offers) = offers {
        judge_offered(&accepted, offers, place, marks);
    }
    Chosen {
        compression: judge_deflate(&accepted, offers, place, marks),
        unknown: unknown(&accepted, version, offers),
    }
}

/// Returns the names of the accepted extensions that have no rules here.
fn unknown(
    accepted: &[Extension],
    version: Version,
    offers: Option<&[Extension]>,
) -> Option<Arc<str>> {
    let is_offered =
        |name: &str| offers.is_none_or(|offers| offers.iter().any(|offer| offer.name == name));
    // permessage-deflate belongs to version 13 (RFC 7692).
    let is_known = |name: &str| name == DEFLATE_NAME && version == Version::Rfc6455;
    let names = accepted.iter().map(|extension| &extension.name[..]);
    let names = names.filter(|name| is_offered(name) && !is_known(name));
    let names: Vec<String> = names.take(8).map(|name| quoted(name.as_bytes())).collect();
    (!names.is_empty()).then(|| names.join(", ").into())
}

/// Judges the parameters of permessage-deflate, and returns them.
fn judge_deflate(
    accepted: &[Extension],
    offers: Option<&[Extension]>,
    place: Place,
    marks: &mut Marks,
) -> Option<Compression> {
    let mut deflate = accepted
        .iter()
        .filter(|extension| extension.name == DEFLATE_NAME);
    let first = deflate.next()?;
    if deflate.next().is_some() {
        let by = "permessage-deflate is accepted twice";
        marks.broken(place, &DEFLATE, by);
    }
    match check_answer(first, offers) {
        Ok(answer) => {
            marks.holds(place, &DEFLATE);
            Some(answer.compression())
        }
        Err(by) => {
            marks.broken(place, &DEFLATE, by);
            None
        }
    }
}

fn judge_offered(accepted: &[Extension], offers: &[Extension], place: Place, marks: &mut Marks) {
    let names: HashSet<&str> = offers.iter().map(|offer| &offer.name[..]).collect();
    for extension in accepted {
        if names.contains(&extension.name[..]) {
            marks.holds(place, &EXTENSION_CHOICE);
            continue;
        }
        let shown = offers
            .iter()
            .take(8)
            .map(|offer| quoted(offer.name.as_bytes()));
        let offered = match offers {
            [] => "none".to_owned(),
            _ => shown.collect::<Vec<_>>().join(", "),
        };
        let found = quoted(extension.name.as_bytes());
        let by = format!("found {found}, and the request offered {offered}");
        return marks.broken(place, &EXTENSION_CHOICE, by);
    }
}

/// Checks an accepted extension against the offers: it must answer one of them.
fn check_answer(accepted: &Extension, offers: Option<&[Extension]>) -> Result<Parameters, String> {
    let answer = Parameters::of(accepted)?;
    if answer.client_bits == Some(None) {
        return Err("client_max_window_bits must have a number in a response".to_owned());
    }
    let offers = offers.unwrap_or_default().iter();
    let mut error = None;
    for offer in offers.filter(|offer| offer.name == DEFLATE_NAME) {
        let Ok(offer) = Parameters::of(offer) else {
            continue;
        };
        match answer.answers(&offer) {
            Ok(()) => return Ok(answer),
            Err(by) => error = error.or(Some(by)),
        }
    }
    error.map_or(Ok(answer), Err)
}

impl Parameters {
    /// Reads the parameters of an extension (RFC 7692 §7.1).
    ///
    /// # Errors
    /// A sentence about the parameter that is unknown, occurs twice, or has an invalid value.
    fn of(extension: &Extension) -> Result<Parameters, String> {
        let mut parameters = Parameters::default();
        for (place, (name, value)) in extension.parameters.iter().enumerate() {
            let earlier = &extension.parameters[..place];
            if earlier.iter().any(|(other, _)| other == name) {
                return Err(format!("the parameter {name} occurs twice"));
            }
            parameters.set(name, value.as_deref())?;
        }
        Ok(parameters)
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let flag = match name {
            "server_no_context_takeover" => &mut self.server_no_takeover,
            "client_no_context_takeover" => &mut self.client_no_takeover,
            "server_max_window_bits" => {
                self.server_bits = Some(bits(name, value)?);
                return Ok(());
            }
            "client_max_window_bits" => {
                let bits = value.map(|value| bits(name, Some(value))).transpose()?;
                self.client_bits = Some(bits);
                return Ok(());
            }
            other => {
                let shown = quoted(other.as_bytes());
                return Err(format!("the parameter {shown} is unknown"));
            }
        };
        *flag = true;
        match value {
            None => Ok(()),
            Some(value) => {
                let value = quoted(value.as_bytes());
                Err(format!("{name} has the value {value}, and must have none"))
            }
        }
    }

    /// Checks that these parameters of a response answer an offer.
    fn answers(&self, offer: &Parameters) -> Result<(), String> {
        if offer.server_no_takeover && !self.server_no_takeover {
            return Err(
                "server_no_context_takeover was offered, and the response must repeat it"
                    .to_owned(),
            );
        }
        if let Some(most) = offer.server_bits {
            match self.server_bits {
                None => {
                    return Err(format!(
                        "server_max_window_bits={most} was offered, and the response must have one of at most {most}"
                    ));
                }
                Some(bits) if bits > most => {
                    return Err(format!(
                        "server_max_window_bits is {bits}, and the request allows at most {most}"
                    ));
                }
                Some(_) => {}
            }
        }
        match (self.client_bits.flatten(), offer.client_bits) {
            (Some(bits), None) => Err(format!(
                "client_max_window_bits is {bits}, and the request did not offer this parameter"
            )),
            (Some(bits), Some(Some(most))) if bits > most => Err(format!(
                "client_max_window_bits is {bits}, and the request allows at most {most}"
            )),
            _ => Ok(()),
        }
    }

    fn compression(&self) -> Compression {
        let default = Compression::default();
        Compression {
            client_takeover: !self.client_no_takeover,
            server_takeover: !self.server_no_takeover,
            client_window_bits: self
                .client_bits
                .flatten()
                .unwrap_or(default.client_window_bits),
            server_window_bits: self.server_bits.unwrap_or(default.server_window_bits),
        }
    }
}

/// Reads a number from 8 to 15, without leading zeros.
fn bits(name: &str, value: Option<&str>) -> Result<u8, String> {
    let Some(value) = value else {
        return Err(format!("{name} has no value, and must be 8 to 15"));
    };
    let number = value
        .parse()
        .ok()
        .filter(|number| (8..=15).contains(number));
    match number {
        Some(number) if value.len() == if number < 10 { 1 } else { 2 } => Ok(number),
        _ => {
            let value = quoted(value.as_bytes());
            Err(format!("{name} is {value}, and must be 8 to 15"))
        }
    }
}

/// Parses a list of extensions (RFC 6455 §9.1).
///
/// # Errors
/// A sentence about the first place that breaks the grammar.
fn parse(value: &[u8]) -> Result<Vec<Extension>, String> {
    let mut rest = Rest { value, at: 0 };
    let mut list = Vec::new();
    loop {
        // Empty elements are allowed (RFC 9110 §5.6.1.2).
        while rest.skip(b',') {}
        if rest.is_at_end() {
            return Ok(list);
        }
        list.push(rest.extension()?);
        if !rest.is_at_end() && !rest.skip(b',') {
            return Err(rest.error("a comma or a semicolon"));
        }
    }
}

/// The part of a list that was not parsed yet.
struct Rest<'a> {
    value: &'a [u8],
    at: usize,
}

impl Rest<'_> {
    fn extension(&mut self) -> Result<Extension, String> {
        let name = self.token()?;
        let mut parameters = Vec::new();
        while self.skip(b';') {
            let name = self.token()?;
            let value = match self.skip(b'=') {
                true => Some(self.parameter_value()?),
                false => None,
            };
            parameters.push((name, value));
        }
        Ok(Extension { name, parameters })
    }

    fn token(&mut self) -> Result<String, String> {
        self.skip_blanks();
        let start = self.at;
        while self.peek().is_some_and(is_token_byte) {
            self.at += 1;
        }
        match start < self.at {
            true => Ok(super::text::text(&self.value[start..self.at])),
            false => Err(self.error("a name")),
        }
    }

    /// A token, perhaps in quotes.
    fn parameter_value(&mut self) -> Result<String, String> {
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return self.token();
        }
        self.at += 1;
        let mut value = Vec::new();
        loop {
            match self.next() {
                None => return Err(self.error("a quote")),
                Some(b'"') => break,
                Some(b'\\') => match self.next() {
                    None => return Err(self.error("a character")),
                    Some(byte) => value.push(byte),
                },
                Some(byte) => value.push(byte),
            }
        }
        match is_token(&value) {
            true => Ok(super::text::text(&value)),
            false => Err(self.error("a token before the quote")),
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn is_at_end(&mut self) -> bool {
        self.skip_blanks();
        self.peek().is_none()
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn error(&self, expected: &str) -> String {
        let (value, at) = (quoted(self.value), self.at);
        format!("the list {value} is wrong at place {at}: {expected} must be there")
    }
}
