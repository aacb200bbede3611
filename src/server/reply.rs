//! The response of a server's hook to a request.

use crate::protocol::{Accept, Rejection, Response};

/// The response of an [`on_request`](crate::ServerBuilder::on_request) hook to a request.
///
/// ```
/// use stentor::{Accept, Reply, Request, Response};
///
/// fn reply(request: &Request) -> Reply {
///     match (request.version(), request.path()) {
///         (None, "/") => Response::html("<h1>hello</h1>").into(),
///         (Some(_), "/chat") if request.cookie("session").is_none() => {
///             Reply::reject(403, "log in first")
///         }
///         (Some(_), "/chat") => Accept::new().subprotocol("chat").into(),
///         _ => Reply::reject(404, "nothing here"),
///     }
/// }
///
/// let server = stentor::Server::builder().on_request(reply);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Continues the handshake. Only a WebSocket request can be accepted: for plain HTTP, the client
    /// receives 400.
    Accept(Accept),
    /// Rejects the request. The connection is closed after the response.
    Reject(Rejection),
    /// Sends an ordinary HTTP response, such as a page or a health check. The connection is closed after the
    /// response.
    Respond(Response),
}

impl Reply {
    /// Accepts the request, without further options.
    pub fn accept() -> Reply {
        Reply::Accept(Accept::new())
    }

    /// Rejects the request with an HTTP status and a reason, which is the body of the response. A status
    /// outside of 400 to 599 is sent as 500.
    pub fn reject(status: u16, reason: impl Into<String>) -> Reply {
        Reply::Reject(Rejection::Application {
            status: if (400..600).contains(&status) {
                status
            } else {
                500
            },
            reason: reason.into(),
        })
    }
}

impl From<Accept> for Reply {
    fn from(accept: Accept) -> Reply {
        Reply::Accept(accept)
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Reply {
        Reply::Respond(response)
    }
}
