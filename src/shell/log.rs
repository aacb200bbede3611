//! The log. Whoever installed it wrote it: where it panics, that costs the line, and neither the
//! thread that logs, which may be everybody's, nor the client whom the line is about.
//!
//! All of the library logs by these macros, which are those of the crate `log` but for that.

/// Whether lines of this level are wanted, by the logger's own word.
macro_rules! log_enabled {
    ($level:expr) => {{
        let level: ::log::Level = $level;
        level <= ::log::STATIC_MAX_LEVEL
            && level <= ::log::max_level()
            && $crate::shell::caught::caught(|| ::log::log_enabled!(level)).unwrap_or(false)
    }};
}

macro_rules! log {
    ($level:expr, $($words:tt)+) => {{
        let level: ::log::Level = $level;
        if level <= ::log::STATIC_MAX_LEVEL && level <= ::log::max_level() {
            let _ = $crate::shell::caught::caught(|| ::log::log!(level, $($words)+));
        }
    }};
}

macro_rules! error {
    ($($words:tt)+) => { $crate::shell::log::log!(::log::Level::Error, $($words)+) };
}

macro_rules! warning {
    ($($words:tt)+) => { $crate::shell::log::log!(::log::Level::Warn, $($words)+) };
}

macro_rules! info {
    ($($words:tt)+) => { $crate::shell::log::log!(::log::Level::Info, $($words)+) };
}

macro_rules! debug {
    ($($words:tt)+) => { $crate::shell::log::log!(::log::Level::Debug, $($words)+) };
}

macro_rules! trace {
    ($($words:tt)+) => { $crate::shell::log::log!(::log::Level::Trace, $($words)+) };
}

// `warn` is an attribute's name, too.
pub(crate) use {debug, error, info, log, log_enabled, trace, warning as warn};
