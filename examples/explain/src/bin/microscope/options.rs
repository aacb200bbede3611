//! The options of the program.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;

/// The text of `--help`.
pub(crate) const HELP: &str = "\
microscope: a page in the browser that shows the WebSocket protocol at work

  microscope                 serve the page, and print its URL
  microscope --port PORT     on this port of 127.0.0.1; 0 is any free one
  microscope --open          open the page in the browser too; with --port or without
  microscope --export FILE   write the page with recorded conversations, which works without this program

The port is 8765, or any free one if that is taken.
";

/// The usual port: links to the page stay valid.
const PORT: u16 = 8765;

/// The task of the program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Options {
    Help,
    Serve(Serve),
    Export(PathBuf),
}

/// The way to serve the page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Serve {
    /// `None` is the usual port.
    pub(crate) port: Option<u16>,
    /// Opens the page in the browser.
    pub(crate) open: bool,
}

/// Reads the arguments.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let arguments: Vec<String> = arguments.collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => Ok(serve(None, false)),
        ["--open"] => Ok(serve(None, true)),
        ["--help" | "-h"] => Ok(Options::Help),
        ["--port", port] => Ok(serve(Some(number(port)?), false)),
        ["--port", port, "--open"] | ["--open", "--port", port] => {
            Ok(serve(Some(number(port)?), true))
        }
        ["--export", file] => Ok(Options::Export(PathBuf::from(file))),
        [.., option @ ("--port" | "--export")] => {
            Err(format!("{option} needs a value; --help shows how"))
        }
        _ => Err(format!(
            "\"{}\" is not understood; --help shows the options",
            words.join(" ")
        )),
    }
}

fn serve(port: Option<u16>, open: bool) -> Options {
    Options::Serve(Serve { port, open })
}

fn number(port: &str) -> Result<u16, String> {
    port.parse()
        .map_err(|_| format!("\"{port}\" is no port: give a number from 0 to 65535"))
}

/// Listens on a port of this computer; on the usual one, or any free one if that is taken.
pub(crate) fn listen(port: Option<u16>) -> io::Result<TcpListener> {
    match port {
        Some(port) => super::bind(port),
        None => super::bind(PORT).or_else(|_| super::bind(0)),
    }
}
