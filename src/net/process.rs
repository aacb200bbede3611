//! The process that something was made in. A forked child has a copy of its memory, and none of its
//! threads: what relies on a thread has to notice.

use std::{fmt, io};

/// A process, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// The one that this is called in. Asks the system: for once per connection, not per message.
    pub(crate) fn current() -> Process {
        Process(std::process::id())
    }

    pub(crate) fn is_current(self) -> bool {
        self == Process::current()
    }

    /// An error unless `what`, which was made in this process, is still there.
    ///
    /// # Errors
    /// Which process it was made in, which one this is, and what to do instead.
    pub(crate) fn check(self, what: &str) -> io::Result<()> {
        match Process::current() {
            now if now == self => Ok(()),
            now => Err(io::Error::other(format!(
                "{what} was started in process {self}, and this is process {now}, a fork of it that \
                 has none of its threads: fork first, then start {what} in the child"
            ))),
        }
    }

    pub(crate) fn id(self) -> u32 {
        self.0
    }

    /// One that this is not.
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
