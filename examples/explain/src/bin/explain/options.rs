//! The options of the command line.

use std::path::PathBuf;

use stentor::Version;
use stentor_explain::render::{Level, Style};
use stentor_explain::{Compression, Side};

use super::session::Settings;
use super::tap::Addresses;

/// The words of `--help`.
pub(crate) const HELP: &str = "\
Explains the bytes of WebSocket conversations: version 13 (RFC 6455), 8, 7, and
the drafts 76 and 75.

usage: explain [OPTIONS] BYTES...      bytes as pasted, see below
       explain [OPTIONS] FILE          a capture, a saved trace, or text
       explain [OPTIONS] < FILE        the same
       explain [OPTIONS] --listen ADDRESS --to ADDRESS [--save FILE]
                                       between a client and a server, live

How much is shown
  -q             one line for each head and each frame
  (default)      the bytes beside their parts
  -v             also bits, arithmetic, rules that are kept, ends of reads
  -w             with the reason of each rule
  --only broken  only what breaks a rule
  --secrets      also cookies and passwords
  --no-times     without the times of captures, traces and the tap
  --width N      columns, 80 by default

How to read it
  C>  <S         bytes of the client, bytes of the server
  0006           the place of the bytes in the stream of that side, in hex
  BROKEN         a rule that the bytes break; the status is 1
  ok             with -v: the sections of the rules that they keep
  CHOICE         with -v: the specification leaves this case open, or receivers
                 differ; the line says how it was decided here
  unread         bytes that are not explained, such as those after a broken rule
                 that hides where the next frame begins

Bytes without a handshake
  --as VERSION   13, 8, 7, 76 or 75; by default 13
  --from SIDE    client or server; by default by the first frame's mask
  --deflate      permessage-deflate was agreed on
  --base64       the bytes are Base64

Captures (pcap, pcapng)
  --port N       only connections of this port, also those without a handshake
  --as VERSION   connections of which the capture lacks the beginning

The tap (plain TCP: it cannot read TLS)
  --listen ADDRESS  PORT or HOST:PORT; a port alone is one of 127.0.0.1
  --to ADDRESS      the server: PORT or HOST:PORT
  --save FILE       saves a trace, which this program reads again. It has all
                    bytes, cookies and passwords too

Bytes are hex with any separators (81 85, 8185, 0x81, 81:85), the dumps of xxd,
hexdump, od, Wireshark, tcpdump -X and curl --trace, <Buffer 81 85> of Node,
b'\\x81\\x05Hello' and bytes.fromhex('8105') of Python, [129, 5] of Rust,
{0x81, 0x05} of C, a request or a response as text, and lines of Stentor's own
log at the level trace. od needs the options -A x -t x1.

Exit status: 0 no rule was broken, 1 a rule was broken, 2 wrong options or input
that cannot be read.

Examples
  explain 81 85 37 fa 21 3d 7f 9f 4d 51 58
  explain -v --as 76 --from server '00 48 65 6c 6c 6f ff'
  xxd frames.bin | explain -q
  tcpdump -i lo -U -w - port 9001 | explain
  explain --only broken capture.pcapng
  explain --listen 8001 --to 9001 --save trace.jsonl
";

/// The options, read.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    pub(crate) from: Option<Side>,
    pub(crate) is_base64: bool,
    pub(crate) port: Option<u16>,
    pub(crate) has_times: bool,
    pub(crate) save: Option<PathBuf>,
    pub(crate) input: Input,
}

/// The input.
#[derive(Debug)]
pub(crate) enum Input {
    Help,
    /// Bytes, or the name of a file.
    Words(Vec<String>),
    Stdin,
    Tap(Addresses),
}

/// Reads the options.
///
/// # Errors
///
/// One sentence about the first one that is wrong.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        settings: Settings {
            style: Style::default(),
            version: None,
            compression: None,
            secrets: false,
        },
        from: None,
        is_base64: false,
        port: None,
        has_times: true,
        save: None,
        input: Input::Stdin,
    };
    let mut words = Vec::new();
    let (mut listen, mut to) = (None, None);
    let mut arguments = arguments.flat_map(separated);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            let value = arguments.next();
            value.ok_or_else(|| format!("{argument} needs a value"))
        };
        match argument.as_str() {
            "--listen" => listen = Some(address(&value()?)?),
            "--to" => to = Some(address(&value()?)?),
            "-h" | "--help" => {
                options.input = Input::Help;
                return Ok(options);
            }
            "--" => words.extend(arguments.by_ref()),
            "-" => words.push("-".to_owned()),
            option if option.starts_with('-') => set(&mut options, option, &mut value)?,
            _ => words.push(argument),
        }
    }
    options.input = match (listen, to) {
        (Some(listen), Some(to)) if words.is_empty() => Input::Tap(Addresses { listen, to }),
        (Some(_), Some(_)) => return Err("--listen takes no other input".to_owned()),
        (None, None) if words.is_empty() || words == ["-"] => Input::Stdin,
        (None, None) => Input::Words(words),
        _ => return Err("--listen and --to belong together".to_owned()),
    };
    if options.save.is_some() && !matches!(options.input, Input::Tap(_)) {
        return Err("--save belongs to --listen and --to".to_owned());
    }
    Ok(options)
}

fn set(
    options: &mut Options,
    option: &str,
    value: &mut dyn FnMut() -> Result<String, String>,
) -> Result<(), String> {
    let style = &mut options.settings.style;
    match option {
        "-q" | "--quiet" => style.level = Level::Quiet,
        "-v" | "--verbose" => style.level = Level::Verbose,
        "-w" | "--why" => style.why = true,
        "--only" => match value()?.as_str() {
            "broken" => style.only_broken = true,
            other => return Err(format!("--only knows \"broken\", not \"{other}\"")),
        },
        "--secrets" => options.settings.secrets = true,
        "--no-times" => options.has_times = false,
        "--width" => style.width = number(option, &value()?)?,
        "--as" => options.settings.version = Some(version(&value()?)?),
        "--from" => {
            options.from = Some(match value()?.as_str() {
                "client" => Side::Client,
                "server" => Side::Server,
                other => return Err(format!("--from knows client and server, not \"{other}\"")),
            });
        }
        "--deflate" => options.settings.compression = Some(Compression::default()),
        "--base64" => options.is_base64 = true,
        "--port" => options.port = Some(number(option, &value()?)?),
        "--save" => options.save = Some(value()?.into()),
        other => return Err(format!("{other} is no option; --help shows all of them")),
    }
    Ok(())
}

/// `-vw` as `-v` and `-w`, `--as=76` as `--as` and `76`.
fn separated(argument: String) -> Vec<String> {
    if let Some((name, value)) = argument.split_once('=')
        && name.starts_with("--")
    {
        return vec![name.to_owned(), value.to_owned()];
    }
    let letters = argument.strip_prefix('-').unwrap_or_default();
    match letters.len() > 1 && letters.chars().all(|letter| "qvwh".contains(letter)) {
        true => letters.chars().map(|letter| format!("-{letter}")).collect(),
        false => vec![argument],
    }
}

fn version(name: &str) -> Result<Version, String> {
    match name.trim_start_matches("draft-") {
        "75" => Ok(Version::Draft75),
        "76" => Ok(Version::Draft76),
        "7" => Ok(Version::Hybi07),
        "8" => Ok(Version::Hybi08),
        "13" => Ok(Version::Rfc6455),
        _ => Err(format!("--as knows 75, 76, 7, 8 and 13, not \"{name}\"")),
    }
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("{option}: \"{value}\" is no number that fits"))
}

/// A port alone is one of this computer, which others cannot connect to.
fn address(value: &str) -> Result<String, String> {
    let port = value.rsplit(':').next().unwrap_or_default();
    let is_number = !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
    if is_number && port.parse::<u16>().is_err() {
        return Err(format!("{port} is no port: a port is at most 65535"));
    }
    match value.parse::<u16>() {
        Ok(port) => Ok(format!("127.0.0.1:{port}")),
        Err(_) => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_stand_anywhere_and_together() {
        let read = options("81 -vw --as=76 05 --from server --only broken").unwrap();
        assert_eq!(read.settings.style.level, Level::Verbose);
        assert!(read.settings.style.why && read.settings.style.only_broken);
        assert_eq!(read.settings.version, Some(Version::Draft76));
        assert_eq!(read.from, Some(Side::Server));
        assert!(matches!(read.input, Input::Words(words) if words == ["81", "05"]));
    }

    #[test]
    fn a_port_alone_is_on_loopback() {
        let read = options("--listen 8001 --to example.com:80").unwrap();
        let Input::Tap(addresses) = read.input else {
            panic!("{read:?}")
        };
        assert_eq!(addresses.listen, "127.0.0.1:8001");
        assert_eq!(addresses.to, "example.com:80");
    }

    #[test]
    fn wrong_options_are_named() {
        for (line, words) in [
            ("--as 14", "not \"14\""),
            ("--from me", "not \"me\""),
            ("--listen 1", "together"),
            ("--listen 1 --to 2 81", "no other input"),
            ("--frobnicate", "--frobnicate is no option"),
            ("--port 65536", "\"65536\""),
            ("--as", "needs a value"),
            ("--save x 81", "belongs to"),
        ] {
            let error = options(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn help_fits_into_80_columns() {
        for line in HELP.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
