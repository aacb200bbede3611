//! Both ends of one connection, for a test on one thread.

use std::thread;
use std::time::Duration;

use crate::client::connector::Connector;
use crate::client::websocket::WebSocket;
use crate::error::Error;
use crate::net::peer::Peer;
use crate::net::system::local_pair;
use crate::server::Handover;
use crate::server::client::Client;
use crate::server::run::Server;

/// How long an end that is dropped waits for the other one, which may be on the same thread.
const CLOSE: Duration = Duration::from_millis(20);

/// Connects both ends of one connection, in the version of RFC 6455, for a test of a function that takes a
/// [`Client`] or a [`WebSocket`]. The client belongs to a server of its own, with the default options
/// except for the close timeout. This is 20 ms on both sides: when an end is dropped, it does not wait longer
/// for the other one, which the same thread may own.
///
/// ```
/// use stentor::testing::pair;
/// use stentor::{Client, HandlerResult};
///
/// fn greet(client: &mut Client) -> HandlerResult {
///     let name = client.recv()?.ok_or("no name")?;
///     Ok(client.send(format!("hello, {name}"))?)
/// }
///
/// let (mut client, mut socket) = pair()?;
/// socket.send("Ann")?;
/// greet(&mut client)?;
/// assert_eq!(socket.recv()?, Some("hello, Ann".into()));
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// # Errors
/// If the system has no resources for the connection or the threads of its server.
pub fn pair() -> Result<(Client, WebSocket), Error> {
    let acceptor = Server::builder().close_timeout(CLOSE).acceptor()?;
    let (near, far) = local_pair()?;
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("stentor handshake".to_owned());
        let connector = Connector::new().close_timeout(CLOSE);
        let connect = move || connector.connect_over(near, "ws://localhost/");
        let connecting = builder.spawn_scoped(scope, connect)?;
        let client = acceptor.accept(Handover::new(far).peer(Peer::Local))?;
        match connecting.join() {
            Ok(socket) => Ok((client, socket?)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
