//! The client under test as a process: started anew for each case, its output kept within a bound, and ended
//! with the case.

use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The end of the output that is kept, in bytes.
const OUTPUT_KEPT: usize = 4096;

/// A running client. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Program {
    /// Starts the command. Each `{url}` in its arguments is replaced by the URL.
    ///
    /// # Errors
    /// The command is empty, or the operating system cannot start it.
    pub(crate) fn start(command: &[String], url: &str) -> io::Result<Program> {
        let mut words = command.iter().map(|word| word.replace("{url}", url));
        let name = words
            .next()
            .ok_or_else(|| io::Error::other("no command was given"))?;
        let mut child = Command::new(name)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = Arc::new(Mutex::new(Vec::new()));
        keep(child.stdout.take(), &output);
        keep(child.stderr.take(), &output);
        Ok(Program { child, output })
    }

    /// Returns the exit status, if the process has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Returns the last lines that the process has written, at most so many, without control characters.
    pub(crate) fn last_lines(&self, lines: usize) -> Vec<String> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&output);
        let printable = |line: &str| {
            let characters = line.chars().filter(|c| !c.is_control());
            characters.take(200).collect::<String>()
        };
        let all: Vec<String> = text.lines().map(printable).collect();
        all[all.len().saturating_sub(lines)..].to_vec()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either fails only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a pipe on a thread until it ends, and keeps the end of it. The thread is not joined: a process that the
/// client has started may hold the pipe open.
fn keep(pipe: Option<impl Read + Send + 'static>, output: &Arc<Mutex<Vec<u8>>>) {
    let Some(mut pipe) = pipe else { return };
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.extend_from_slice(&buffer[..count]);
            let surplus = output.len().saturating_sub(OUTPUT_KEPT);
            output.drain(..surplus);
        }
    });
}
