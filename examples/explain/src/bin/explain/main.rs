//! `explain`: explains bytes of WebSocket conversations, pasted, captured, saved, or live.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that panics is a test that fails"
    )
)]

mod capture;
mod options;
mod saved;
mod session;
mod tap;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use stentor::Version;
use stentor_explain::Side;

use options::{HELP, Input, Options};
use session::Session;
use stentor_explain::paste::{self, Form, LARGEST, Pasted};

/// The reason why the program ends without a result.
#[derive(Debug)]
enum Failure {
    /// Wrong options.
    Usage(String),
    /// Input that cannot be read.
    Input(String),
    /// The output cannot be written.
    Output(io::Error),
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let result = options::read(std::env::args().skip(1))
        .map_err(Failure::Usage)
        .and_then(|options| run(options, &mut out));
    match result.and_then(|broken| out.flush().map(|()| broken).map_err(Failure::Output)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        // `explain … | head` has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _ = out.flush();
            let _ = writeln!(io::stderr(), "explain: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Returns how many rules were broken.
fn run(mut options: Options, out: &mut dyn Write) -> Result<usize, Failure> {
    let has_color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    options.settings.style.color = has_color;
    match &options.input {
        Input::Help => {
            out.write_all(HELP.as_bytes())?;
            Ok(0)
        }
        Input::Tap(addresses) => {
            let mut settings = options.settings.clone();
            settings.style.times = options.has_times;
            tap::run(addresses, options.save.as_deref(), &settings, out)
        }
        Input::Stdin => {
            if io::stdin().is_terminal() {
                let words = "there is no input: paste bytes as arguments, or name a file";
                return Err(Failure::Usage(format!("{words}; --help shows how")));
            }
            file(io::stdin(), &options, out)
        }
        Input::Words(words) => match &words[..] {
            [name] if Path::new(name).is_file() => {
                let opened = File::open(name);
                let opened = opened.map_err(|error| Failure::Input(format!("{name}: {error}")))?;
                file(opened, &options, out)
            }
            [name, other, ..] if is_input(name) && is_input(other) => Err(Failure::Usage(format!(
                "one file at a time: explain {name}"
            ))),
            [name] if is_name(name) => Err(Failure::Input(format!("there is no file {name}"))),
            words => pasted(&words.join(" "), &options, out),
        },
    }
}

/// Whether this is meant to be the name of a file.
fn is_name(word: &str) -> bool {
    let endings = [".pcap", ".pcapng", ".cap", ".jsonl", ".txt", ".hex", ".bin"];
    endings.iter().any(|ending| word.ends_with(ending))
}

/// Whether this names a file, and is no hex.
fn is_input(word: &str) -> bool {
    is_name(word) || Path::new(word).is_file() && paste::hex_word(word).is_err()
}

/// Explains a file of any kind.
fn file(file: impl Read + Send, options: &Options, out: &mut dyn Write) -> Result<usize, Failure> {
    let unread = |error| Failure::Input(format!("the input cannot be read: {error}"));
    let mut file = file;
    let mut beginning = Vec::new();
    (&mut file)
        .take(64)
        .read_to_end(&mut beginning)
        .map_err(unread)?;
    let mut settings = options.settings.clone();
    settings.style.times = options.has_times;
    let is_capture = capture::is_capture(&beginning);
    let is_trace = saved::is_trace(&beginning);
    if is_capture {
        return capture::explain(beginning, file, &settings, options.port, out);
    }
    let file = io::Cursor::new(beginning).chain(file);
    if is_trace {
        return saved::explain(BufReader::new(file), &settings, out);
    }
    let mut text = Vec::new();
    file.take(LARGEST as u64 + 1)
        .read_to_end(&mut text)
        .map_err(unread)?;
    if text.len() > LARGEST {
        return Err(Failure::Input("the input is larger than 64 MiB".to_owned()));
    }
    match String::from_utf8(text) {
        Ok(text) => pasted(&text, options, out),
        Err(_) => Err(Failure::Input(
            "this input has raw bytes. Run: xxd FILE | explain".to_owned(),
        )),
    }
}

/// Explains pasted bytes.
fn pasted(text: &str, options: &Options, out: &mut dyn Write) -> Result<usize, Failure> {
    let form = if options.is_base64 {
        Form::Base64
    } else {
        Form::Any
    };
    let settings = &options.settings;
    let version = settings.version.unwrap_or(Version::Rfc6455);
    match paste::read(text, form).map_err(Failure::Input)? {
        Pasted::Packets(packets) => Ok(capture::explain_packets(
            &packets,
            settings,
            options.port,
            out,
        )?),
        Pasted::Headers(headers) => {
            let mut broken = 0;
            for (from, header) in headers {
                let mut session = Session::frames(settings, version).header();
                session.feed(from, &header, out)?;
                session.end(from, out)?;
                broken += session.broken();
            }
            Ok(broken)
        }
        Pasted::Bytes(bytes) => {
            let is_head = bytes.starts_with(b"GET ") || bytes.starts_with(b"HTTP/");
            let from = options.from.unwrap_or_else(|| sender(&bytes, version));
            let mut session = match is_head {
                true => Session::new(settings).pasted(),
                false => Session::frames(settings, version).pasted(),
            };
            session.feed(from, &bytes, out)?;
            // A response alone: no request will come.
            session.end(from.other(), out)?;
            session.end(from, out)?;
            if !options.settings.style.only_broken && !options.is_base64 && paste::lacks_cr(text) {
                let words = "the line ends are shown as CR LF: a paste does not keep them. To see \
                             those of a file, run: xxd FILE | explain";
                session.remark(from, words, out)?;
            }
            if session.has_both_masks() {
                let words = "some frames are masked and others are not: if these are the bytes of \
                             both sides, explain those of one side at a time";
                session.remark(from, words, out)?;
            }
            Ok(session.broken())
        }
    }
}

/// The side that has sent bytes: a client sends requests and masked frames.
fn sender(bytes: &[u8], version: Version) -> Side {
    let is_hixie = matches!(version, Version::Draft75 | Version::Draft76);
    match bytes {
        [b'H', b'T', b'T', b'P', ..] => Side::Server,
        _ if bytes.starts_with(b"GET ") || is_hixie => Side::Client,
        [_, 0x80..=0xff, ..] => Side::Client,
        _ => Side::Server,
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Usage(words) | Failure::Input(words) => f.write_str(words),
            Failure::Output(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}
