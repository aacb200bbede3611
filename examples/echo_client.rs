//! A client that sends back every message until the server closes: for test suites that act as the
//! server.
//!
//! `cargo run --example echo_client -- [--as draft-75|draft-76|7|8|13] ws://127.0.0.1:9001/`

use std::error::Error;
use std::process::ExitCode;

use stentor::Connector;

/// The largest messages of the suites.
const LARGE: usize = 64 * 1024 * 1024;

fn main() -> ExitCode {
    env_logger::init();
    match echo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn echo() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (version, url) = match arguments[..] {
        [url] => ("13", url),
        ["--as", version, url] => (version, url),
        _ => return Err("usage: echo_client [--as draft-75|draft-76|7|8|13] URL".into()),
    };
    let connector = Connector::new()
        .version(version.parse()?)
        .max_message_size(LARGE);
    #[cfg(feature = "deflate")]
    let connector = {
        let deflate = stentor::Deflate::new().send_takeover(true);
        connector.deflate(deflate.receive_takeover(true))
    };
    let mut socket = connector.connect(url)?;
    loop {
        match socket.recv() {
            Ok(Some(message)) => socket.send(message)?,
            Ok(None) => break,
            // Suites break the protocol, and drop connections, on purpose.
            Err(error) => {
                eprintln!("{error}");
                break;
            }
        }
    }
    Ok(())
}
