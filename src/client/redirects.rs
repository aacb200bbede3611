//! Redirects (RFC 9110 §15.4): which of them a client follows, and with which headers.

use crate::error::{Error, RedirectError};
use crate::net::log::{CLIENT, debug};
use crate::protocol::http::text::{escaped, split_port};
use crate::protocol::http::url::default_port;
use crate::protocol::{ClientRequest, HandshakeResponse, InvalidUrl};

/// Which redirects a client follows, and how many: those of the statuses 301, 302, 303, 307 and 308.
///
/// No redirect leads from `wss` to `ws`, and none to a URL that was requested already.
///
/// ```
/// use stentor::Connector;
/// use stentor::client::Redirects;
///
/// let connector = Connector::new().follow_redirects(Redirects::same_host(5));
/// let redirects = Redirects::same_host(5).or_to(["chat.example", "backup.example:8443"])?;
/// let connector = Connector::new().follow_redirects(redirects);
/// # Ok::<(), stentor::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Redirects {
    limit: usize,
    /// In lower case, an IPv6 address without brackets; no port stands for the scheme's default.
    hosts: Vec<(String, Option<u16>)>,
}

impl Redirects {
    /// Follows at most `limit` redirects of a connection, to the same host and port; also from `ws` to
    /// `wss` on that port, or from the default port of one to that of the other.
    pub fn same_host(limit: usize) -> Redirects {
        Redirects {
            limit,
            hosts: Vec::new(),
        }
    }

    /// Follows redirects to these hosts too: `example.com` with the default port of `ws` or `wss`, or
    /// `example.com:8443` with that port. IPv6 addresses are in brackets.
    ///
    /// Another host receives none of the headers and cookies that were added to the request, as any of
    /// them may be a credential; nor does the first host, if the redirects lead back to it. Origin and
    /// subprotocols are sent to every host.
    ///
    /// # Errors
    /// [`InvalidUrl`] if one of them is not a host.
    pub fn or_to<I>(mut self, hosts: I) -> Result<Redirects, InvalidUrl>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for host in hosts {
            let host = host.as_ref();
            let server = ClientRequest::to(&format!("ws://{host}"))?;
            if server.target() != "/" || host.ends_with('/') {
                return Err(InvalidUrl::Host(host.to_owned()));
            }
            let port = split_port(host).1.map(|_| server.port());
            self.hosts.push((server.host().to_owned(), port));
        }
        Ok(self)
    }

    fn allow(&self, to: &ClientRequest) -> bool {
        let default = default_port(to.is_secure());
        let matches = |(host, port): &(String, Option<u16>)| {
            host == to.host() && port.unwrap_or(default) == to.port()
        };
        self.hosts.iter().any(matches)
    }
}

/// The redirects of one connection so far.
pub(super) struct Chain<'a> {
    rules: &'a Redirects,
    /// The URLs that were requested.
    requested: Vec<String>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(rules: &'a Redirects) -> Chain<'a> {
        Chain {
            rules,
            requested: Vec::new(),
        }
    }

    /// Returns the request for the next URL, if an attempt failed because its response is a redirect.
    ///
    /// # Errors
    /// The same error if it is another, and [`Error::Redirect`] if the redirect is not followed.
    pub(super) fn after(
        &mut self,
        request: &ClientRequest,
        error: Error,
    ) -> Result<ClientRequest, Error> {
        let response = match &error {
            Error::Handshake(error) => error.response().filter(|response| is_redirect(response)),
            _ => None,
        };
        match response {
            Some(response) => self.follow(request, response).map_err(Error::Redirect),
            None => Err(error),
        }
    }

    fn follow(
        &mut self,
        from: &ClientRequest,
        response: &HandshakeResponse,
    ) -> Result<ClientRequest, RedirectError> {
        let to = match target(from, response) {
            Some(to) => to,
            None => {
                return Err(RedirectError::InvalidLocation {
                    url: shown(&from.url()),
                });
            }
        };
        self.requested.push(from.url());
        let (limit, whole) = (self.rules.limit, to.url());
        let url = shown(&whole);
        let same = is_same_server(from, &to);
        if from.is_secure() && !to.is_secure() {
            return Err(RedirectError::Insecure { url });
        }
        if !same && !self.rules.allow(&to) {
            return Err(RedirectError::NotAllowed { url });
        }
        if self.requested.contains(&whole) {
            return Err(RedirectError::Loop { url });
        }
        if self.requested.len() > limit {
            return Err(RedirectError::TooMany { limit, url });
        }
        debug!(target: CLIENT, "{} redirects to {url}", shown(&from.url()));
        Ok(match same {
            true => to,
            false => to.without_headers(),
        })
    }
}

fn is_redirect(response: &HandshakeResponse) -> bool {
    matches!(response.status(), 301 | 302 | 303 | 307 | 308)
}

/// Returns the request for the URL of a redirect, if it has one that is valid.
fn target(from: &ClientRequest, response: &HandshakeResponse) -> Option<ClientRequest> {
    let mut locations = response.header_values("Location");
    let location = std::str::from_utf8(locations.next()?).ok()?;
    match locations.next() {
        Some(_) => None,
        None => from.at(&resolved(from, location)?).ok(),
    }
}

/// Resolves a reference (RFC 3986 §5.2) to an absolute URL. Its fragment has no meaning here.
fn resolved(from: &ClientRequest, location: &str) -> Option<String> {
    let reference = location.split('#').next().unwrap_or_default();
    let colon = reference.find([':', '/', '?']);
    let scheme = colon.filter(|at| reference[*at..].starts_with(':'));
    if let Some(at) = scheme {
        let (scheme, rest) = reference.split_at(at);
        // A handshake is an HTTP request, and so its URL may be written like that of one.
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return None,
        };
        return Some(format!("{scheme}{rest}"));
    }
    let scheme = if from.is_secure() { "wss" } else { "ws" };
    if reference.starts_with("//") {
        return Some(format!("{scheme}:{reference}"));
    }
    let (path, query) = split_query(reference);
    let (base, base_query) = split_query(from.target());
    let (path, query) = match path {
        "" if query.is_empty() => (base.to_owned(), base_query),
        "" => (base.to_owned(), query),
        path if path.starts_with('/') => (without_dots(path), query),
        path => {
            let folder = &base[..=base.rfind('/').unwrap_or_default()];
            (without_dots(&format!("{folder}{path}")), query)
        }
    };
    Some(format!("{scheme}://{}{path}{query}", from.authority()))
}

/// Splits a path from its query, which keeps its question mark.
fn split_query(target: &str) -> (&str, &str) {
    target.split_at(target.find('?').unwrap_or(target.len()))
}

/// Removes the segments `.` and `..` from an absolute path (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    // A dot at the end stands for the folder itself.
    if path.ends_with("/.") || path.ends_with("/..") {
        segments.push("");
    }
    format!("/{}", segments.join("/"))
}

/// Returns whether a redirect leads to the same server, perhaps by TLS now.
fn is_same_server(from: &ClientRequest, to: &ClientRequest) -> bool {
    let default = |request: &ClientRequest| request.port() == default_port(request.is_secure());
    let same_port = from.port() == to.port() || (default(from) && default(to));
    from.host() == to.host() && same_port
}

/// Returns a URL for an error or the log: without its query.
pub(super) fn shown(url: &str) -> String {
    escaped(split_query(url).0.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Chain, Redirects, is_same_server, resolved};
    use crate::error::{Error, RedirectError};
    use crate::protocol::{ClientRequest, HandshakeError, InvalidUrl, Limits, ResponseReader};

    /// The server is the same and on the list: the scheme alone forbids it.
    #[test]
    fn wss_is_never_left_for_ws() -> Result<(), Error> {
        let redirects = Redirects::same_host(5).or_to(["a.example", "a.example:443"])?;
        let from = ClientRequest::to("wss://a.example/x")?;
        for location in [
            "ws://a.example/y?secret",
            "http://a.example/y?secret",
            "ws://a.example:443/y?secret",
        ] {
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
            let read = ResponseReader::default().read(answer.as_bytes(), &Limits::default());
            let Ok((_, Some(response))) = read else {
                return Err(Error::Answered);
            };
            let error = Error::Handshake(Box::new(HandshakeError::Status(response)));
            let result = Chain::new(&redirects).after(&from, error);
            assert!(
                matches!(&result, Err(Error::Redirect(RedirectError::Insecure { url })) if url.ends_with("/y")),
                "{location}: {result:?}"
            );
        }
        Ok(())
    }

    #[test]
    fn relative_locations_are_resolved() -> Result<(), InvalidUrl> {
        let from = ClientRequest::to("ws://a.example:81/b/c/d?q")?;
        for (location, expected) in [
            ("wss://b.example/x?y", "wss://b.example/x?y"),
            ("https://b.example/x#z", "wss://b.example/x"),
            ("HTTP://b.example", "ws://b.example/"),
            ("//b.example/x", "ws://b.example/x"),
            ("/x", "ws://a.example:81/x"),
            ("/x//y", "ws://a.example:81/x//y"),
            ("/./x/../../y/", "ws://a.example:81/y/"),
            ("x", "ws://a.example:81/b/c/x"),
            ("x:y", ""),
            ("./x:y", "ws://a.example:81/b/c/x:y"),
            ("x/y?z=/:?", "ws://a.example:81/b/c/x/y?z=/:?"),
            ("../x", "ws://a.example:81/b/x"),
            ("..", "ws://a.example:81/b/"),
            (".", "ws://a.example:81/b/c/"),
            ("../../../x", "ws://a.example:81/x"),
            ("?z", "ws://a.example:81/b/c/d?z"),
            ("", "ws://a.example:81/b/c/d?q"),
            ("#z", "ws://a.example:81/b/c/d?q"),
            ("ftp://b.example/", ""),
            ("javascript:x", ""),
            ("ws:x", ""),
            ("//", ""),
            ("//user:secret@b.example/", ""),
            ("/\\b.example", ""),
            ("/a b", ""),
        ] {
            let url = resolved(&from, location).and_then(|url| from.at(&url).ok());
            let url = url.map_or(String::new(), |request| request.url());
            assert_eq!(url, expected, "{location}");
        }
        Ok(())
    }

    #[test]
    fn same_server_has_the_same_host_and_port() -> Result<(), InvalidUrl> {
        let from = ClientRequest::to("ws://a.example/")?;
        for (to, same) in [
            ("ws://A.example/x", true),
            ("wss://a.example/", true),
            ("ws://a.example:443/", false),
            ("ws://a.example:81/", false),
            ("ws://b.a.example/", false),
            ("ws://a.example.b/", false),
        ] {
            assert_eq!(is_same_server(&from, &from.at(to)?), same, "{to}");
        }
        Ok(())
    }

    #[test]
    fn allowed_hosts_have_the_default_port_or_their_own() -> Result<(), InvalidUrl> {
        let redirects = Redirects::same_host(1).or_to(["A.example", "b.example:81", "[::1]"])?;
        for (to, allowed) in [
            ("ws://a.example/x", true),
            ("wss://a.example/", true),
            ("wss://a.example:80/", false),
            ("ws://b.example:81/", true),
            ("ws://b.example/", false),
            ("ws://x.a.example/", false),
            ("ws://[::1]/", true),
        ] {
            assert_eq!(redirects.allow(&ClientRequest::to(to)?), allowed, "{to}");
        }
        for invalid in ["", "a b", "a/", "a/b", "a?b", "ws://a", "u@a", "a:0"] {
            assert!(
                Redirects::same_host(1).or_to([invalid]).is_err(),
                "{invalid}"
            );
        }
        Ok(())
    }
}
