//! Writes HTTP responses: rejections, ordinary pages, and the headers of a 101.

use std::any::Any;
use std::fmt;

use crate::protocol::error::Rejection;
use crate::protocol::http::body::Body;
use crate::protocol::http::redacted::Shown;
use crate::protocol::http::text::is_token;
use crate::protocol::version::Versions;

use super::values::Values;

/// Returns the current time as the header `Date` has it (RFC 9110 §5.6.7), such as
/// `Sun, 06 Nov 1994 08:49:37 GMT`. The protocol has no clock of its own. Text with a control character
/// is not sent.
pub type Date = fn() -> String;

/// The header that makes a browser trust the `Content-Type` instead of guessing from the body.
const CONTENT_TYPE_OPTIONS: &str = "X-Content-Type-Options";

/// An ordinary HTTP response: a page, a health check, a redirect. It always ends the connection. A clone
/// shares the [`Body`].
///
/// Beside its own headers it has `Content-Length`, `Connection: close`, `Date` if there is a clock, and
/// `X-Content-Type-Options: nosniff`. If one of the last two was added by [`header`](Response::header), it
/// replaces the automatic one.
///
/// ```
/// use stentor::Response;
///
/// let page = Response::html("<!DOCTYPE html><p>Hello");
/// let moved = Response::new(308).header("Location", "https://example.com/chat")?;
/// let json = Response::new(503).body("application/json", r#"{"error": "maintenance"}"#);
/// assert_eq!((page.status(), moved.status(), json.status()), (200, 308, 503));
/// // A header that would break the response is an error, whatever a request has put into it.
/// assert!(Response::new(204).header("X-Name", "a\r\nSet-Cookie: b=c").is_err());
/// # Ok::<(), stentor::protocol::InvalidHeader>(())
/// ```
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    fields: Vec<(String, String)>,
    body: Body,
}

/// How a handshake is accepted: the subprotocol, additional headers of the 101, and values for the
/// connection's handler.
///
/// Two are equal if their subprotocols and headers are, and if both are without values, or one is a clone
/// of the other: values are compared by identity. `Debug` shows no value, since it may be a secret.
///
/// ```
/// use stentor::Accept;
///
/// let accept = Accept::new()
///     .subprotocol("chat")
///     .header("Set-Cookie", "session=e8bb43229de9; Secure; HttpOnly")?;
/// # let _ = accept;
/// # Ok::<(), stentor::protocol::InvalidHeader>(())
/// ```
#[must_use]
#[doc(alias = "upgrade")]
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Accept {
    pub(crate) subprotocol: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) values: Values,
}

invalid_text! {
    /// A header that would break a request or a response: its name is not a token, it is one that the
    /// handshake writes itself, or its value has a control character.
    InvalidHeader: "header \"{}\" cannot be sent"
}

impl Response {
    /// Creates a response with this status (200 to 599; anything else is sent as 500) and an empty
    /// body.
    #[inline]
    pub fn new(status: u16) -> Self {
        Response {
            status: if (200..600).contains(&status) {
                status
            } else {
                500
            },
            fields: Vec::new(),
            body: Body::default(),
        }
    }

    /// Creates a 200 with a page, as `text/html; charset=utf-8`.
    pub fn html(page: impl Into<Body>) -> Self {
        Response::new(200).body("text/html; charset=utf-8", page)
    }

    /// Creates a 200 with plain text, as `text/plain; charset=utf-8`.
    pub fn text(text: impl Into<Body>) -> Self {
        Response::new(200).body("text/plain; charset=utf-8", text)
    }

    /// Sets the body and its type. A control character in `kind` turns it into
    /// `application/octet-stream`.
    pub fn body(mut self, kind: &str, body: impl Into<Body>) -> Self {
        let kind = if is_value(kind) {
            kind
        } else {
            "application/octet-stream"
        };
        self.fields
            .retain(|(name, _)| !name.eq_ignore_ascii_case("Content-Type"));
        self.fields
            .push(("Content-Type".to_owned(), kind.to_owned()));
        self.body = body.into();
        self
    }

    /// Adds a header; `Content-Type`, `Date` and `X-Content-Type-Options` replace the existing one.
    ///
    /// # Errors
    /// [`InvalidHeader`] if the header would break the response; no value from a request can smuggle a
    /// second header in.
    #[inline]
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        const ONCE: [&str; 3] = ["Content-Type", "Date", CONTENT_TYPE_OPTIONS];
        let field = checked(name, value)?;
        if ONCE.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            self.fields
                .retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        }
        self.fields.push(field);
        Ok(self)
    }

    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns its body, if the status allows one.
    pub(crate) fn into_body(self) -> Body {
        match self.has_body() {
            true => self.body,
            false => Body::default(),
        }
    }

    /// Returns the bytes before the body, with its length; in the response to a HEAD request, these are
    /// all. `date` is for servers with a clock (RFC 9110 §6.6.1).
    pub(crate) fn encode_head(&self, date: Option<Date>) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        line(
            &mut out,
            &[
                "HTTP/1.1 ",
                &self.status.to_string(),
                " ",
                phrase(self.status),
            ],
        );
        for (name, value) in &self.fields {
            header(&mut out, name, value);
        }
        let has = |name: &str| {
            let mut fields = self.fields.iter();
            fields.any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        let date = date.filter(|_| !has("Date")).map(|date| date());
        if let Some(date) = date.filter(|date| is_value(date)) {
            header(&mut out, "Date", date);
        }
        if !has(CONTENT_TYPE_OPTIONS) {
            header(&mut out, CONTENT_TYPE_OPTIONS, "nosniff");
        }
        // RFC 9110 §8.6: no length with 204, and 304 has no body either.
        if self.has_body() {
            header(&mut out, "Content-Length", self.body.len().to_string());
        }
        // RFC 9110 §7.8: a sender of Upgrade names it in Connection as well.
        let upgrade = has("Upgrade");
        header(
            &mut out,
            "Connection",
            if upgrade { "close, Upgrade" } else { "close" },
        );
        out.extend_from_slice(b"\r\n");
        out
    }

    fn has_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }

    /// Returns its body, if one is sent that is as large as `least`.
    #[cfg(feature = "server")]
    pub(crate) fn large_body(&self, least: usize) -> Option<&Body> {
        (self.has_body() && self.body.len() >= least).then_some(&self.body)
    }
}

impl Accept {
    /// Creates an acceptance with the first subprotocol of the client that the server's configuration
    /// has too. If there is none, the response of versions 7, 8 and RFC 6455 names no subprotocol: a browser
    /// that has offered some fails the connection then. In draft-75 and draft-76 the client receives 400.
    pub fn new() -> Self {
        Accept::default()
    }

    /// Chooses the subprotocol: one of those that the client offered, whether or not the server's
    /// configuration has it. Otherwise the request is rejected with 500, since the client would have to
    /// fail the connection.
    ///
    /// The response contains the name. So do not choose one that contains a secret: a browser, which
    /// cannot set headers, may offer two, a public name and one with a token. Choose the public name.
    #[doc(alias = "Sec-WebSocket-Protocol")]
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = Some(name.into());
        self
    }

    /// Adds a header to the 101: `Set-Cookie`, most likely.
    ///
    /// # Errors
    /// [`InvalidHeader`] if the header would break the response or belongs to the handshake.
    #[inline]
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, InvalidHeader> {
        self.fields.push(checked(name, value)?);
        Ok(self)
    }

    /// Attaches a value to the connection, of any type: the user, the session, the result of a look-up.
    /// [`Client::get`](crate::Client::get) and [`ClientHandle::get`](crate::ClientHandle::get) return it.
    /// There is one value of each type: a later one replaces it. So a type of the application's own is
    /// better than a `String`. By default there are no values.
    ///
    /// With this, a request is checked once, and a one-time token can be consumed where it is checked.
    /// Clones of this `Accept` share the value. If the connection does not open after all, the value is
    /// dropped. Only servers pass values on: a [`Connection`](crate::protocol::Connection) drops them.
    ///
    /// ```
    /// use stentor::{Accept, Reply, Request, Server};
    ///
    /// struct User(String);
    ///
    /// fn log_in(token: &str) -> Option<User> {
    ///     // Looks the token up, and removes it.
    /// #   Some(User(token.to_owned()))
    /// }
    ///
    /// fn reply(request: &Request) -> Reply {
    ///     match request.query().and_then(log_in) {
    ///         Some(user) => Accept::new().with(user).into(),
    ///         None => Reply::reject(403, "log in first"),
    ///     }
    /// }
    ///
    /// let server = Server::builder().on_request(reply).listen("127.0.0.1:0").build()?;
    /// # server.handle().shutdown(std::time::Duration::ZERO);
    /// server.run(|client| {
    ///     let user = client.get::<User>().ok_or("on_request attaches a user")?;
    ///     while let Some(message) = client.recv()? {
    ///         client.broadcast(format!("{}: {message}", user.0));
    ///     }
    ///     Ok(())
    /// })
    /// # ; Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "state")]
    #[doc(alias = "extensions")]
    pub fn with(mut self, value: impl Any + Send + Sync) -> Self {
        self.values.insert(value);
        self
    }
}

impl fmt::Debug for Accept {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        f.debug_struct("Accept")
            .field("subprotocol", &self.subprotocol.is_some())
            .field("fields", &Shown(shown))
            .field("values", &self.values)
            .finish()
    }
}

impl InvalidHeader {
    pub(crate) fn of(what: &str) -> InvalidHeader {
        InvalidHeader(what.to_owned())
    }
}

/// Creates the response to a rejected request: status, a body that names the error, and the headers
/// that the status requires.
pub(crate) fn rejection(rejection: &Rejection) -> Response {
    let body = format!("{rejection}\n");
    let mut response = Response::new(rejection.status()).body("text/plain; charset=utf-8", body);
    let mut add = |name: &str, value: String| response.fields.push((name.to_owned(), value));
    match rejection {
        Rejection::Method(_) => add("Allow", "GET, HEAD".to_owned()),
        Rejection::HandshakeMethod(_) => add("Allow", "GET".to_owned()),
        Rejection::UnsupportedVersion { allowed, .. } => {
            // One comma list (RFC 6455 §4.4 allows several headers, clients read one).
            if let Some(list) = number_list(*allowed) {
                add("Upgrade", "websocket".to_owned());
                add("Sec-WebSocket-Version", list);
            }
        }
        Rejection::Full | Rejection::AddressFull => add("Retry-After", "10".to_owned()),
        Rejection::TooManyHandshakes { retry_after } => add("Retry-After", retry_after.to_string()),
        _ => {}
    }
    response
}

/// Begins a 101: the status line and the headers that every version has, in the spelling and the
/// order that draft-75's clients compare byte for byte (draft-75 §4.1 step 12).
pub(crate) fn switching(phrase: &str, upgrade: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    line(&mut out, &["HTTP/1.1 101 ", phrase]);
    header(&mut out, "Upgrade", upgrade);
    header(&mut out, "Connection", "Upgrade");
    out
}

/// Appends one header. The caller must ensure that the value is valid: it is our own, was checked, or
/// came through the parser, which accepts no control character except the tab.
pub(crate) fn header(out: &mut Vec<u8>, name: &str, value: impl AsRef<[u8]>) {
    for part in [name.as_bytes(), b": ", value.as_ref(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}

fn number_list(versions: Versions) -> Option<String> {
    let numbers: Vec<String> = versions
        .numbers()
        .map(|number| number.to_string())
        .collect();
    (!numbers.is_empty()).then(|| numbers.join(", "))
}

fn line(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Checks a header that is added to those of the handshake.
#[inline]
pub(crate) fn checked(name: &str, value: &str) -> Result<(String, String), InvalidHeader> {
    const OURS: [&str; 4] = [
        "connection",
        "upgrade",
        "content-length",
        "transfer-encoding",
    ];
    let lower = name.to_ascii_lowercase();
    let ours = OURS.contains(&lower.as_str())
        || lower.starts_with("sec-websocket-")
        || lower.starts_with("websocket-");
    if ours || !is_token(name) || !is_value(value) {
        return Err(InvalidHeader::of(name));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[inline]
fn is_value(value: &str) -> bool {
    !value
        .bytes()
        .any(|byte| byte < 0x20 && byte != b'\t' || byte == 0x7f)
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // RFC 9112 §4: the phrase may be any text, and clients ignore it.
        _ => "Status",
    }
}
