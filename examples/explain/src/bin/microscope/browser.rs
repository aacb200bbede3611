//! The user's browser, started by the program of the desktop that knows which one it is.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::thread;

/// The program that opens a URL in the browser: that of macOS, or that of freedesktop.org for all others.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Opens this URL in the browser. The page is served in any case: without a browser, the error stream says so.
///
/// Some openers run as long as the browser, so a thread of its own waits for the opener.
pub(crate) fn open(url: String) -> io::Result<()> {
    let wait = move || {
        if let Err(fault) = run(&url) {
            let error = format!("no browser was opened, since {fault}: open {url} yourself");
            let _ = writeln!(io::stderr(), "microscope: {error}");
        }
    };
    thread::Builder::new()
        .name("browser".to_owned())
        .spawn(wait)?;
    Ok(())
}

/// Runs the opener until it ends. Its streams lead nowhere: the output of this program is for its own user.
fn run(url: &str) -> Result<(), String> {
    let mut command = Command::new(OPENER);
    command.arg(url).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{OPENER} failed with {status}")),
        Err(error) => Err(format!("{OPENER} did not start ({error})")),
    }
}
