//! The library's log, kept for tests to read. One for the process: tests run side by side and look
//! for entries that only they can have caused, such as an address.

use std::sync::{Mutex, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

static LOGBOOK: Logbook = Logbook(Mutex::new(Vec::new()));

struct Logbook(Mutex<Vec<(Level, String)>>);

/// Keeps every log entry from now on, for the whole process.
pub(crate) fn keep_logbook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOGBOOK).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
}

/// Returns the lines that contain all of these words.
pub(crate) fn logged(words: &[&str]) -> Vec<(Level, String)> {
    let lines = LOGBOOK.0.lock().unwrap_or_else(PoisonError::into_inner);
    let found = lines
        .iter()
        .filter(|(_, line)| words.iter().all(|word| line.contains(word)));
    found.cloned().collect()
}

impl Log for Logbook {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = (record.level(), record.args().to_string());
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line);
        }
    }

    fn flush(&self) {}
}
