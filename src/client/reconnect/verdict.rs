//! Which failures are permanent, and the time that a server asks its clients to wait.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use crate::error::{Error, ProxyError, SocksError};
use crate::protocol::{HandshakeError, HandshakeResponse};

/// Returns whether an attempt would fail again in the same way: a mistake in the program's own settings,
/// or a server that rejects this request or does not speak the protocol.
pub(super) fn is_permanent(error: &Error) -> bool {
    match error {
        Error::Url(_) | Error::Header(_) | Error::Origin(_) | Error::Redirect(_) => true,
        Error::Handshake(error) => breaks_rules(error),
        Error::Proxy(error) => match error {
            ProxyError::InvalidUrl(_) => true,
            ProxyError::Status { status, .. } => !is_temporary(*status),
            ProxyError::InvalidResponse(error) => breaks_rules(error),
            // The proxy does not reach the server: it may do so later (RFC 1928 §6).
            ProxyError::Socks(SocksError::Reply(1 | 3..=6)) => false,
            ProxyError::Socks(_) => true,
            ProxyError::EndOfStream => false,
        },
        #[cfg(feature = "tls")]
        Error::Tls(error) => error.is_permanent(),
        // `wss` without the feature `tls`.
        Error::Io(error) => error.kind() == ErrorKind::Unsupported,
        Error::Disconnected(_)
        | Error::Protocol(_)
        | Error::Rejected(_)
        | Error::Answered
        | Error::Send(_)
        | Error::Closed
        | Error::Dropped
        | Error::QueueFull { .. } => false,
    }
}

/// Returns the time after which a server asks its clients to try again (RFC 9110 §10.2.3).
pub(super) fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::Handshake(error) => read_retry_after(error.response()?),
        _ => None,
    }
}

fn breaks_rules(error: &HandshakeError) -> bool {
    match error {
        HandshakeError::Status(response) => !is_temporary(response.status()),
        HandshakeError::StreamEnded => false,
        _ => true,
    }
}

/// Returns whether a status means that the same request may be accepted later.
fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn read_retry_after(response: &HandshakeResponse) -> Option<Duration> {
    let value = response.header_str("Retry-After")?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Duration, Error, HandshakeError, is_permanent, retry_after};
    use crate::error::{DisconnectReason, ProxyError, RedirectError, SocksError};
    use crate::protocol::{InvalidUrl, Limits, ResponseReader};
    use std::io::{Error as IoError, ErrorKind};
    use std::time::SystemTime;

    /// The error of a response with this status and these further header lines.
    fn responded(status: u16, headers: &str) -> Error {
        let bytes = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n{headers}\r\n");
        match ResponseReader::default().read(bytes.as_bytes(), &Limits::default()) {
            Ok((_, Some(response))) => Error::Handshake(Box::new(HandshakeError::Status(response))),
            _ => Error::Answered,
        }
    }

    #[test]
    fn rejections_are_permanent_unless_their_status_is_temporary() {
        for status in [
            200, 204, 301, 302, 307, 400, 401, 403, 404, 405, 407, 410, 426,
        ] {
            assert!(is_permanent(&responded(status, "")), "{status}");
        }
        for status in [408, 425, 429, 500, 502, 503, 504, 520] {
            assert!(!is_permanent(&responded(status, "")), "{status}");
        }
    }

    #[test]
    fn failures_of_the_network_are_not_permanent() {
        let kinds = [
            ErrorKind::ConnectionRefused,
            ErrorKind::NotFound,
            ErrorKind::TimedOut,
            ErrorKind::NetworkUnreachable,
            ErrorKind::AddrNotAvailable,
            ErrorKind::Other,
        ];
        for kind in kinds {
            assert!(!is_permanent(&IoError::from(kind).into()), "{kind}");
        }
        let reasons = [
            DisconnectReason::EndOfStream,
            DisconnectReason::HandshakeTimeout,
        ];
        for reason in reasons {
            assert!(!is_permanent(&Error::Disconnected(reason)), "{reason}");
        }
        let cut = Error::Handshake(Box::new(HandshakeError::StreamEnded));
        assert!(!is_permanent(&cut));
    }

    #[test]
    fn mistakes_in_the_settings_are_permanent() {
        let url = || String::from("ws://a.example/");
        let errors = [
            InvalidUrl::Host(url()).into(),
            IoError::from(ErrorKind::Unsupported).into(),
            Error::Redirect(RedirectError::Loop { url: url() }),
            ProxyError::InvalidUrl(url()).into(),
            Error::Handshake(Box::new(HandshakeError::Missing("Upgrade"))),
        ];
        for error in errors {
            assert!(is_permanent(&error), "{error}");
        }
    }

    #[test]
    fn a_proxy_that_does_not_reach_the_server_is_not_permanent() {
        let status = |status| ProxyError::Status {
            status,
            reason: String::new(),
        };
        for (error, expected) in [
            (status(407), true),
            (status(403), true),
            (status(502), false),
            (ProxyError::EndOfStream, false),
            (ProxyError::Socks(SocksError::Reply(2)), true),
            (ProxyError::Socks(SocksError::Reply(5)), false),
            (ProxyError::Socks(SocksError::NoMethod), true),
        ] {
            assert_eq!(
                is_permanent(&Error::Proxy(error.clone())),
                expected,
                "{error}"
            );
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        let read = |value: &str| retry_after(&responded(503, &format!("Retry-After: {value}\r\n")));
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("0"), Some(Duration::ZERO));
        assert_eq!(read(&"9".repeat(40)), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let hour = Duration::from_secs(3600);
        let date = httpdate::fmt_http_date(SystemTime::now() + hour);
        let left = read(&date).unwrap_or_default();
        assert!(left > hour / 2 && left <= hour, "{left:?}");
        for value in ["", "-1", "soon", "1.5", "12 34"] {
            assert_eq!(read(value), None, "{value}");
        }
        assert_eq!(retry_after(&responded(503, "")), None);
        assert_eq!(retry_after(&Error::Closed), None);
    }
}
