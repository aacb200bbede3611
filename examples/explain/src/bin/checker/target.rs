//! The program under test.

use std::fmt;
use std::rc::Rc;

use crate::host::Host;

/// The program under test, and how it is reached.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A server: the checker connects to it.
    Server {
        /// A name, an IPv4 address, or an IPv6 address in brackets.
        host: String,
        port: u16,
        /// The path with its query; it begins with `/`.
        path: String,
    },
    /// A client: the checker listens, and starts it for each case.
    Client(Rc<Host>),
}

impl Target {
    /// The server that a `ws://` URL names, or the reason why the URL cannot be used.
    pub(crate) fn server(url: &str) -> Result<Target, String> {
        let Some(rest) = url.strip_prefix("ws://") else {
            return Err(format!(
                "{url}: the checker needs a URL that begins with ws://"
            ));
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let path = match path.strip_prefix('/') {
            Some(_) => path.to_owned(),
            None => format!("/{path}"),
        };
        let in_brackets = authority.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match authority[in_brackets..].rfind(':') {
            Some(colon) => authority.split_at(in_brackets + colon),
            None => (authority, ":80"),
        };
        let port = port[1..]
            .parse()
            .map_err(|_| format!("{url}: {:?} is no port", &port[1..]))?;
        if host.is_empty() {
            return Err(format!("{url}: the host is missing"));
        }
        Ok(Target::Server {
            host: host.to_owned(),
            port,
            path,
        })
    }

    /// The value of the header `Host`.
    pub(crate) fn host_header(&self) -> String {
        match self {
            Target::Server { host, port: 80, .. } => host.clone(),
            Target::Server { host, port, .. } => format!("{host}:{port}"),
            Target::Client(client) => client.authority(),
        }
    }

    /// The path with its query.
    pub(crate) fn path(&self) -> &str {
        match self {
            Target::Server { path, .. } => path,
            Target::Client(client) => client.target(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}{}", self.host_header(), self.path())
    }
}
