//! The mistake behind wrong frames: predictions of wrong servers, compared with the bytes that came.

use super::reader::{self, Reader};
use super::writer::{self, Writer};
use crate::diagnoses::{cuts, frames as d, lengths};
use crate::diagnosis::Diagnosis;
use crate::exchange::Exchange;
use crate::talk::{Missing, Talk};
use crate::wire::{self, Frame, Parsed};

/// The bytes that a probe sends at most.
const MAX_PROBE: u64 = 1 << 20;

/// A message of this length may need several reads, although it was sent with one write.
const SEVERAL_READS: usize = 1000;

/// The close code for a message that is too big.
const TOO_BIG: u16 = 1009;

/// A mistake, and the bytes that a server with this mistake sends.
#[derive(Debug, Clone)]
pub(crate) struct Prediction {
    pub(crate) diagnosis: &'static Diagnosis,
    pub(crate) words: String,
    pub(crate) bytes: Vec<u8>,
}

impl Prediction {
    /// A prediction from the frames that the wrong server sends.
    pub(crate) fn new(diagnosis: &'static Diagnosis, words: &str, frames: &[Frame]) -> Prediction {
        Prediction {
            diagnosis,
            words: words.to_owned(),
            bytes: encode(frames),
        }
    }
}

/// The bytes of frames, one behind the other.
pub(crate) fn encode(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::encode).collect()
}

/// The mistake that explains the bytes of an exchange, and its details.
pub(crate) fn diagnose(exchange: &Exchange) -> Option<(&'static Diagnosis, String)> {
    let received = &exchange.received;
    if received.is_empty() {
        return None;
    }
    let right = encode(&exchange.expected);
    let mut best: Option<(usize, &Prediction)> = None;
    let mut predictions = exchange.predictions.clone();
    add_predictions(exchange, &mut predictions);
    for prediction in &predictions {
        if let Some(strength) = fits(received, &prediction.bytes, &right) {
            // The earlier prediction of two equal ones wins.
            if best.is_none_or(|(found, _)| strength > found) {
                best = Some((strength, prediction));
            }
        }
    }
    if let Some((_, found)) = best {
        return Some((found.diagnosis, found.words.clone()));
    }
    look(exchange)
        .or_else(|| by_shape(exchange))
        .or_else(|| by_close(exchange))
}

/// How well received bytes fit a prediction: `None` if they do not, or if they fit a right server as well.
fn fits(received: &[u8], predicted: &[u8], right: &[u8]) -> Option<usize> {
    if predicted == right || predicted.is_empty() {
        return None;
    }
    if received == predicted {
        return Some(usize::MAX);
    }
    let wrong_from = common(predicted, right);
    let fit = common(received, predicted);
    // All of the shorter one must fit, and it must contain the mistake.
    let whole = fit == received.len() || fit == predicted.len();
    let shows_it = fit > wrong_from && fit >= 2;
    (whole && shows_it).then_some(fit)
}

fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(l, r)| l == r).count()
}

/// Each wrong reader with a right writer, each wrong writer with a right reader, and both where the same
/// mistake is in both.
fn add_predictions(exchange: &Exchange, predictions: &mut Vec<Prediction>) {
    if received_is(exchange, &exchange.writes.concat()) {
        predictions.push(Prediction {
            diagnosis: &d::COPIED,
            words: "The bytes are those that the checker sent.".to_owned(),
            bytes: exchange.writes.concat(),
        });
    }
    let right = reader::RIGHT.play(&exchange.writes).replies;
    for writer in writer::WRONG {
        predictions.push(write(writer, &right, None));
    }
    for reader in reader::WRONG {
        let Some(diagnosis) = reader.mistake else {
            continue;
        };
        let replies = reader.play(&exchange.writes).replies;
        let words = format!("Your bytes fit a server that {}.", reader.words);
        predictions.push(Prediction::new(diagnosis, &words, &replies));
        if reader.is_about_length() {
            for writer in writer::WRONG
                .iter()
                .filter(|writer| writer.is_about_length())
            {
                predictions.push(write(writer, &replies, Some(reader)));
            }
        }
    }
}

/// Sends zero bytes to a silent server, until it has as many as a wrong reader waits for. Its first sign of
/// life then tells which length it has read.
pub(crate) fn probe(writes: &[Vec<u8>], talk: &mut Talk) -> Option<(&'static Diagnosis, String)> {
    let mut waits: Vec<(u64, &Reader)> = reader::WRONG
        .iter()
        .map(|reader| (reader.play(writes), reader))
        .filter(|(played, _)| played.replies.is_empty() && (1..=MAX_PROBE).contains(&played.waits))
        .map(|(played, reader)| (played.waits, reader))
        .collect();
    waits.sort_by_key(|(waits, _)| *waits);
    let mut sent = 0;
    for (waits, reader) in waits {
        let zeros = |len: u64| vec![0; usize::try_from(len).unwrap_or(0)];
        if waits <= sent {
            continue;
        }
        talk.send(&zeros(waits - 1 - sent));
        if talk.is_awake() {
            let words = format!("It went on before it had received {waits} more bytes.");
            return Some((&lengths::WAITS, words));
        }
        talk.send(&zeros(1));
        if talk.is_awake() {
            let words = format!(
                "It went on after exactly {waits} more bytes: it {}.",
                reader.words
            );
            return Some((reader.mistake.unwrap_or(&lengths::WAITS), words));
        }
        sent = waits;
    }
    None
}

fn received_is(exchange: &Exchange, bytes: &[u8]) -> bool {
    exchange.received.len() >= 2 && bytes.starts_with(&exchange.received)
}

fn write(writer: &Writer, replies: &[Frame], reader: Option<&Reader>) -> Prediction {
    let words = match reader {
        Some(reader) => format!(
            "Your bytes fit a server that {}, and {}.",
            reader.words, writer.words
        ),
        None => format!("Your bytes fit a server that {}.", writer.words),
    };
    Prediction {
        diagnosis: reader
            .and_then(|reader| reader.mistake)
            .unwrap_or(writer.mistake),
        words,
        bytes: replies
            .iter()
            .flat_map(|reply| (writer.encode)(reply))
            .collect(),
    }
}

/// Mistakes that show in the first wrong bytes, whatever the rest is.
fn look(exchange: &Exchange) -> Option<(&'static Diagnosis, String)> {
    let bytes = &exchange.received[exchange.wrong_at.min(exchange.received.len())..];
    let first = *bytes.first()?;
    if bytes.starts_with(b"HTTP/") || bytes.starts_with(b"<!") || bytes.starts_with(b"<html") {
        return Some((
            &d::HTTP_ON_SOCKET,
            format!("Your bytes begin with {:?}.", wire::printable(bytes, 24)),
        ));
    }
    if (0x20..0x7f).contains(&first) || matches!(first, b'\r' | b'\n' | b'\t') {
        return Some((&d::NO_FRAME, letter(first)));
    }
    if first == 0x00 && bytes.contains(&0xff) {
        return Some((&d::HIXIE_FRAME, String::new()));
    }
    let (frame, declared) = match wire::parse(bytes) {
        Parsed::Frame(frame, _) => {
            let len = frame.payload.len() as u64;
            (frame, len)
        }
        Parsed::Payload {
            frame, declared, ..
        } => (frame, declared),
        Parsed::Header => return None,
    };
    if frame.mask.is_some() {
        return Some((&d::MASKED, String::new()));
    }
    if frame.rsv != 0 {
        return Some((
            &d::RESERVED_SENT,
            format!(
                "The first byte is {first:02x}: {} is set.",
                wire::reserved(frame.rsv)
            ),
        ));
    }
    if !matches!(frame.opcode, 0..=2 | 8..=10) {
        return Some((
            &d::OPCODE_SENT,
            format!("The first byte is {first:02x}: opcode {}.", frame.opcode),
        ));
    }
    by_length(exchange, &frame, declared)
}

/// A frame that declares more bytes than come after it.
fn by_length(
    exchange: &Exchange,
    frame: &Frame,
    declared: u64,
) -> Option<(&'static Diagnosis, String)> {
    let came = frame.payload.len() as u64;
    if frame.form.is_some() {
        let words = format!("The length {declared} fits into a shorter form.");
        return Some((&lengths::LONG_FORM, words));
    }
    if declared > came && exchange.missing == Some(Missing::Silence) {
        let words = format!("The header declares {declared} bytes; {came} came after it.");
        return Some((&lengths::TOO_LONG, words));
    }
    None
}

/// A message that is right up to a certain byte.
fn by_shape(exchange: &Exchange) -> Option<(&'static Diagnosis, String)> {
    let awaited = exchange.awaited.as_ref()?;
    let Parsed::Frame(found, len) = wire::parse(&exchange.received[exchange.wrong_at..]) else {
        return None;
    };
    let rest = &exchange.received[exchange.wrong_at + len..];
    if let Some(words) = other_text(&found, rest, awaited) {
        return Some((&d::NOT_ECHO, words));
    }
    let (found, right) = (found.payload.as_slice(), awaited.payload.as_slice());
    let fit = common(found, right);
    if fit == found.len() && 0 < fit && fit < right.len() {
        let words = format!("Only the first {fit} of {} bytes came back.", right.len());
        let in_one_read = exchange.writes.len() == 1 && right.len() < SEVERAL_READS;
        let diagnosis = match in_one_read {
            true => &lengths::END_LOST,
            false => &cuts::ONE_READ,
        };
        return Some((diagnosis, words));
    }
    let sent = exchange.sent.iter().find(|sent| sent.payload == right)?;
    if fit > 0 && found.len() == right.len() && restarts(found, right, fit, sent.mask?) {
        let words = format!("The message is right up to byte {fit}; there the index was 0 again.");
        return Some((&cuts::MASK_RESTARTS, words));
    }
    None
}

/// The words for a server that adds to the message, changes its letters, or sends a message of its own first.
fn other_text(found: &Frame, rest: &[u8], awaited: &Frame) -> Option<String> {
    let (text, right) = (found.payload.as_slice(), awaited.payload.as_slice());
    if found.opcode != awaited.opcode || right.is_empty() {
        return None;
    }
    if rest.starts_with(&awaited.encode()) {
        let shown = wire::printable(text, 24);
        return Some(format!("Before it came a message of its own: \"{shown}\"."));
    }
    if text.eq_ignore_ascii_case(right) && text != right {
        return Some("Its letters are changed to upper or lower case.".to_owned());
    }
    let before = text.windows(right.len()).position(|part| part == right)?;
    let after = text.len() - before - right.len();
    let count = |len, place| match len {
        0 => None,
        _ => Some(format!("{} {place} it", wire::count(len, "byte"))),
    };
    let both = [count(before, "before"), count(after, "behind")];
    let added: Vec<String> = both.into_iter().flatten().collect();
    (!added.is_empty()).then(|| format!("It contains the message, with {}.", added.join(" and ")))
}

/// Whether the bytes from this place on were unmasked with an index that is one to three too small.
fn restarts(found: &[u8], right: &[u8], from: usize, key: [u8; 4]) -> bool {
    let until = found.len().min(from + 8);
    (1..4).any(|shift| {
        (from..until).all(|at| found[at] == right[at] ^ key[at % 4] ^ key[(at + shift) % 4])
    })
}

/// A close frame instead of a message: its code tells what the server has read.
fn by_close(exchange: &Exchange) -> Option<(&'static Diagnosis, String)> {
    let Parsed::Frame(close, _) = wire::parse(&exchange.received[exchange.wrong_at..]) else {
        return None;
    };
    let code = match close.payload.as_slice() {
        [high, low, ..] if close.opcode == wire::opcode::CLOSE => u16::from_be_bytes([*high, *low]),
        _ => return None,
    };
    if code != TOO_BIG {
        return None;
    }
    let huge = |reader: &&Reader| reader.play(&exchange.writes).waits > MAX_PROBE;
    let reader = reader::WRONG.iter().find(huge)?;
    let words = format!(
        "It closed with {code}, which means: the message is too big. Your bytes fit a server that {}.",
        reader.words
    );
    Some((reader.mistake?, words))
}

/// The bits of a letter that was taken for the first byte of a frame.
fn letter(byte: u8) -> String {
    let shown = wire::printable(&[byte], 4);
    format!(
        "A client reads '{shown}' = {:04b} {:04b} as: FIN {}, RSV1 to RSV3 {:03b}, opcode {}.",
        byte >> 4,
        byte & 15,
        byte >> 7,
        byte >> 4 & 7,
        byte & 15
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Random;

    /// Messages as the lessons send them.
    fn messages() -> Vec<Frame> {
        let mut random = Random::new(5);
        let mut messages = vec![
            Frame::text("Hello"),
            Frame::text("The key has four bytes"),
            Frame::text("Grüße, 世界, κόσμε, 👋"),
            Frame::new(wire::opcode::BINARY, [0x00, 0xff, 0x80, 0x0d, 0x0a]),
        ];
        for len in [125, 126, 300, 512, 65536, 65535] {
            messages.push(Frame::text(&random.word(len)));
        }
        messages
    }

    /// The exchange of one message in which these bytes came back.
    fn exchange(message: &Frame, cuts: &[usize], key: [u8; 4], received: Vec<u8>) -> Exchange {
        let sent = message.clone().masked(key);
        let mut exchange = Exchange::new(vec![sent.clone()], vec![message.clone()]);
        exchange.writes = pieces(&sent.encode(), cuts);
        exchange.received = received;
        exchange.missing = Some(Missing::Silence);
        exchange
    }

    fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        let mut from = 0;
        for cut in cuts {
            let (piece, after) = rest.split_at(cut - from);
            pieces.push(piece.to_vec());
            rest = after;
            from = *cut;
        }
        pieces.push(rest.to_vec());
        pieces
    }

    #[test]
    fn each_wrong_writer_is_named_by_at_least_one_message() {
        let key = Random::new(6).mask();
        let messages = messages();
        for writer in writer::WRONG {
            let named = messages.iter().any(|message| {
                let exchange = exchange(message, &[], key, (writer.encode)(message));
                diagnose(&exchange).is_some_and(|(found, _)| found == writer.mistake)
            });
            assert!(named, "{}: {}", writer.mistake.id, writer.words);
        }
    }

    #[test]
    fn each_wrong_reader_that_replies_is_named_by_at_least_one_message() {
        let key = Random::new(7).mask();
        let messages = messages();
        for reader in reader::WRONG {
            let mistake = reader.mistake.expect("a mistake");
            let mut replies = 0;
            let named = messages.iter().any(|message| {
                [&[][..], &[11]].iter().any(|cuts| {
                    let sent = message.clone().masked(key);
                    let played = reader.play(&pieces(&sent.encode(), cuts)).replies;
                    replies += played.len();
                    let exchange = exchange(message, cuts, key, encode(&played));
                    diagnose(&exchange).is_some_and(|(found, _)| found == mistake)
                })
            });
            // A frame alone does not show the mistakes with the next frame.
            let needs_two = ["D13-KEY-CACHED", "D13-GLUED-LOST", "D13-GLUED-JOINED"];
            let needs_two = needs_two.contains(&mistake.id);
            assert!(
                named || needs_two,
                "{}: {} ({replies})",
                mistake.id,
                reader.words
            );
        }
    }

    #[test]
    fn other_text_than_the_message_is_no_echo() {
        let key = Random::new(9).mask();
        let message = Frame::text("Hello");
        for (texts, words) in [
            (&["Echo: Hello"][..], "with 6 bytes before it"),
            (&["<Hello>"], "with 1 byte before it and 1 byte behind it"),
            (&["HELLO"], "upper or lower case"),
            (&["welcome", "Hello"], "a message of its own: \"welcome\""),
        ] {
            let reply = texts.iter().flat_map(|text| Frame::text(text).encode());
            let mut exchange = exchange(&message, &[], key, reply.collect());
            exchange.awaited = Some(message.clone());
            let found = diagnose(&exchange).expect("a diagnosis");
            assert_eq!(found.0.id, "D13-NOT-ECHO", "{texts:?}");
            assert!(found.1.contains(words), "{}", found.1);
        }
    }

    #[test]
    fn message_that_lacks_its_last_byte_is_named_by_its_length() {
        let key = Random::new(9).mask();
        let named = |len: usize, cuts: &[usize]| {
            let message = Frame::text(&"abcdefgh".repeat(len / 8));
            let mut reply = message.clone();
            reply.payload.pop();
            let mut exchange = exchange(&message, cuts, key, reply.encode());
            exchange.awaited = Some(message);
            diagnose(&exchange).map(|(found, _)| found.id)
        };
        assert_eq!(named(8, &[]), Some("D13-END-LOST"));
        assert_eq!(named(8, &[9]), Some("D13-ONE-READ"));
        assert_eq!(named(4000, &[]), Some("D13-ONE-READ"));
    }

    #[test]
    fn right_bytes_have_no_mistake() {
        let key = Random::new(8).mask();
        for message in messages() {
            let exchange = exchange(&message, &[], key, message.encode());
            assert!(diagnose(&exchange).is_none(), "{}", message.words());
        }
    }
}
