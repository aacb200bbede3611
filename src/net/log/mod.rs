//! Logging that survives a panic of the logger. The user installs the logger: if it panics, only the
//! line is lost, and neither the thread that logs, which all clients may share, nor the line's client.
//!
//! The whole library logs with these macros, which require a target; otherwise they equal those of the
//! crate `log`. Their work beyond comparing levels is done in separate functions, to keep it off the
//! stack of a waiting thread.

pub(crate) mod quota;
pub(crate) mod shown;
pub(crate) mod traced;

use std::fmt;

use ::log::{Level, Record};

use super::catch_panic::catch_panic;

/// The target of lines about a server: listening, accepting, turning connections away, limits of the system.
pub(crate) const SERVER: &str = "stentor::server";

/// The target of lines about connecting to a server.
#[cfg(feature = "client")]
pub(crate) const CLIENT: &str = "stentor::client";

/// The target of lines about one connection, on either side.
pub(crate) const CONNECTION: &str = "stentor::connection";

/// Whether the logger accepts lines of this target and level.
macro_rules! log_enabled {
    (target: $target:expr, $level:expr) => {{
        let level: ::log::Level = $level;
        level <= ::log::STATIC_MAX_LEVEL
            && level <= ::log::max_level()
            && $crate::net::log::is_wanted(level, $target)
    }};
}

macro_rules! log {
    (target: $target:expr, $level:expr, $($words:tt)+) => {{
        let level: ::log::Level = $level;
        if level <= ::log::STATIC_MAX_LEVEL && level <= ::log::max_level() {
            let place = &(module_path!(), file!(), line!());
            $crate::net::log::update($target, level, place, format_args!($($words)+));
        }
    }};
}

#[cfg(feature = "server")]
macro_rules! error {
    (target: $target:expr, $($words:tt)+) => {
        $crate::net::log::log!(target: $target, ::log::Level::Error, $($words)+)
    };
}

#[cfg(feature = "server")]
macro_rules! warning {
    (target: $target:expr, $($words:tt)+) => {
        $crate::net::log::log!(target: $target, ::log::Level::Warn, $($words)+)
    };
}

macro_rules! info {
    (target: $target:expr, $($words:tt)+) => {
        $crate::net::log::log!(target: $target, ::log::Level::Info, $($words)+)
    };
}

macro_rules! debug {
    (target: $target:expr, $($words:tt)+) => {
        $crate::net::log::log!(target: $target, ::log::Level::Debug, $($words)+)
    };
}

macro_rules! trace {
    (target: $target:expr, $($words:tt)+) => {
        $crate::net::log::log!(target: $target, ::log::Level::Trace, $($words)+)
    };
}

/// Logs a line that a peer has caused, with the target and the level of its kind, if [`LogGate`](quota::LogGate) lets it through.
macro_rules! log_limited {
    ($watchdog:expr, $kind:expr, $($words:tt)+) => {{
        let kind: $crate::net::log::quota::Kind = $kind;
        if let Some(line) = $watchdog.line_of(kind, format_args!($($words)+)) {
            $crate::net::log::log!(target: kind.target(), kind.level(), "{line}");
        }
    }};
}

pub(crate) use {debug, info, log, log_enabled, log_limited, trace};
// `warn` is an attribute's name, too.
#[cfg(feature = "server")]
pub(crate) use {error, warning as warn};

/// A module, a file, and a line of it.
pub(crate) type Place = (&'static str, &'static str, u32);

#[cold]
#[inline(never)]
pub(crate) fn update(
    target: &'static str,
    level: Level,
    &(module, file, line): &'static Place,
    words: fmt::Arguments<'_>,
) {
    let _ = catch_panic(|| {
        let mut record = Record::builder();
        record.level(level).target(target).args(words);
        record.module_path_static(Some(module));
        record.file_static(Some(file)).line(Some(line));
        ::log::logger().log(&record.build());
    });
}

#[cold]
#[inline(never)]
pub(crate) fn is_wanted(level: Level, target: &'static str) -> bool {
    catch_panic(|| ::log::log_enabled!(target: target, level)).unwrap_or(false)
}
