//! The process that created an object. A forked child has a copy of its memory, but not its
//! threads: an object that relies on a thread has to detect the fork.

use std::fmt;
#[cfg(any(feature = "server", test))]
use std::io;

/// A process, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// Returns the calling process. A system call: for once per connection, not per message.
    pub(crate) fn current() -> Process {
        Process(std::process::id())
    }

    pub(crate) fn is_current(self) -> bool {
        self == Process::current()
    }

    /// Returns an error if `what` was created in this process and is used in a fork of it.
    ///
    /// # Errors
    /// Names the process that created it, the calling process, and the remedy.
    #[cfg(any(feature = "server", test))]
    pub(crate) fn check(self, what: &str) -> io::Result<()> {
        match Process::current() {
            now if now == self => Ok(()),
            now => Err(io::Error::other(format!(
                "{what} was started in process {self}, and this is process {now}, a fork of it that \
                 has none of its threads: fork first, then start {what} in the child"
            ))),
        }
    }

    #[cfg(feature = "client")]
    pub(crate) fn id(self) -> u32 {
        self.0
    }

    /// Returns a process other than the calling one.
    #[cfg(test)]
    pub(crate) fn another() -> Process {
        Process(std::process::id() ^ 1)
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn only_the_process_itself_passes_the_check() {
        assert!(Process::current().check("the server").is_ok());
        assert!(!Process::another().is_current());
        let error = Process::another().check("the server").err();
        let words = error.map(|error| error.to_string()).unwrap_or_default();
        for part in [
            &format!("process {}", Process::another()),
            &format!("process {}", Process::current()),
            "fork first",
        ] {
            assert!(words.contains(part), "{words}");
        }
    }
}
