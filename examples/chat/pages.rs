//! The responses to requests: the page with its script and style, the health checks, and the rooms.

use stentor::protocol::InvalidHeader;
use stentor::{Accept, Reply, Request, Response};

use crate::moderation::Seat;
use crate::rooms;

const PAGE: &str = include_str!("../chat.html");
const SCRIPT: &str = include_str!("chat.js");
const STYLE: &str = include_str!("chat.css");

/// Responds with the page or a health check, and accepts WebSocket requests for a room. A script cannot read the
/// response to a WebSocket request: it requests the page at the same path, and gets the same reason.
pub(crate) fn answer(request: &Request) -> Reply {
    match (request.version(), request.path()) {
        // No room is at these paths: `rooms::at` has the rules.
        (None, "/health") => health(request),
        (None, "/ready") => ready(request),
        (None, "/chat.js") => asset("text/javascript; charset=utf-8", SCRIPT),
        (None, "/chat.css") => asset("text/css; charset=utf-8", STYLE),
        (version, path) => match (rooms::at(path), version) {
            (Err(reason), _) => Reply::reject(404, format!("no such room: {reason}")),
            (Ok(_), Some(_)) => Accept::new().with(Seat::default()).into(),
            (Ok(_), None) => match page(request) {
                Ok(page) => page.into(),
                Err(_) => Reply::reject(500, "this page cannot be shown"),
            },
        },
    }
}

/// Responds with 200 while the chat works, and with 503 and the reason while it does not: for a monitor, which calls a
/// person.
fn health(request: &Request) -> Reply {
    let health = request.server().health();
    let fault = if !health.live {
        "the rooms do not answer: restart the chat\n"
    } else if !health.ready {
        "the chat shuts down\n"
    } else if health.degraded {
        "the last messages could not be stored, and were refused: check the disk; the log has the error\n"
    } else {
        return Response::text("ok\n").into();
    };
    unavailable(fault)
}

/// Responds with 503 while the chat should get no new clients: for a load balancer. A store that fails is no reason: if
/// it fails for all chats behind the balancer, none would be left.
fn ready(request: &Request) -> Reply {
    let health = request.server().health();
    match (health.live, health.ready) {
        (true, true) => Response::text("ready\n").into(),
        (false, _) => unavailable("the rooms do not answer\n"),
        (true, false) => unavailable("the chat shuts down\n"),
    }
}

fn unavailable(fault: &'static str) -> Reply {
    let response = Response::new(503).body("text/plain; charset=utf-8", fault);
    response.into()
}

fn asset(kind: &str, text: &str) -> Reply {
    Response::new(200).body(kind, text).into()
}

/// Returns the page, with a policy: it runs only the server's own script, connects only to this server, and
/// is never shown inside another page.
fn page(request: &Request) -> Result<Response, InvalidHeader> {
    // `'self'` includes WebSockets only since about 2020; older browsers need them by name.
    let host = request.header_str("Host").filter(|host| is_plain(host));
    let sockets = host.map_or_else(String::new, |host| format!(" ws://{host} wss://{host}"));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
         connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response::html(PAGE).header("Content-Security-Policy", &policy)
}

/// Returns whether the host has only characters without a meaning in a policy; a policy cannot hold an IPv6
/// address at all.
fn is_plain(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    host.bytes().all(allowed)
}
