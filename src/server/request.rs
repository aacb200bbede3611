//! A client's request, as a server's hook and its handler receive it.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use crate::net::connection::Conversation;
use crate::net::peer::Peer;
use crate::protocol;

use super::handles::ServerHandle;
use super::shared::Shared;

/// A client's request, with the client's address and the server that received it. The hook
/// [`on_request`](crate::ServerBuilder::on_request) receives it, and [`Client::request`](crate::Client::request)
/// returns it to the handler.
///
/// It dereferences to [`protocol::Request`], which has the path, the query, the headers and the cookies. So
/// a function with a parameter `&protocol::Request` also accepts a reference to this type.
///
/// A clone is cheap: it shares the headers. It keeps the memory of the server, as a [`ServerHandle`] does.
///
/// ```
/// use stentor::{Reply, Request, Response, Server};
///
/// fn reply(request: &Request) -> Reply {
///     let is_own = request.addr().is_some_and(|addr| addr.is_loopback());
///     match (request.version(), request.path()) {
///         (None, "/clients") if is_own => {
///             Response::text(format!("{}\n", request.server().count())).into()
///         }
///         (Some(_), _) => Reply::accept(),
///         _ => Reply::reject(404, "nothing here"),
///     }
/// }
///
/// let server = Server::builder().on_request(reply);
/// ```
#[derive(Clone)]
#[doc(alias = "upgrade")]
#[doc(alias = "handshake")]
pub struct Request {
    request: protocol::Request,
    peer: Peer,
    addr: Option<IpAddr>,
    shared: Arc<Shared>,
}

impl Request {
    /// Returns the other end of the connection. If the client connects through a proxy, this is the proxy.
    /// It is also the result of [`Client::peer`](crate::Client::peer).
    #[inline]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Returns the client's IP address: the one that a trusted proxy names, or else that of the
    /// [`peer`](Request::peer); `None` if there is none. It is also the result of
    /// [`Client::addr`](crate::Client::addr).
    #[inline]
    pub fn addr(&self) -> Option<IpAddr> {
        self.addr
    }

    /// Returns a handle of the server: for its counters, its rooms, broadcasts and a shutdown.
    ///
    /// A hook gets the handle from each request. It need not keep the handle: a hook belongs to the server,
    /// so the memory of a server is not released at its end if its hook keeps a handle of it. Its
    /// threads end in any case.
    #[inline]
    pub fn server(&self) -> ServerHandle {
        ServerHandle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Returns the request that a connection has received; a substitute if there is none.
    #[inline]
    pub(super) fn of(conversation: &Conversation, shared: &Arc<Shared>) -> Request {
        let request = conversation.connection.request().cloned();
        Request {
            request: request.unwrap_or_else(protocol::Request::none),
            peer: conversation.link.peer(),
            addr: shared.address_of(conversation),
            shared: Arc::clone(shared),
        }
    }
}

impl Deref for Request {
    type Target = protocol::Request;

    fn deref(&self) -> &protocol::Request {
        &self.request
    }
}

impl fmt::Debug for Request {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("peer", &self.peer)
            .field("addr", &self.addr)
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}
