//! Errors, as programs pass them on: each cause is told once, and an end that comes back is an end.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use stentor::client::{Reconnecting, ReconnectingSender};
use stentor::protocol::ClientRequest;
use stentor::protocol::{HostName, Origin, ProtocolError, Rejection, SendError};
use stentor::server::{
    Acceptor, Audience, CloseReport, CloseWith, Counters, JoinError, TrustedProxies,
};
#[cfg(feature = "tls")]
use stentor::tls::{TlsClient, TlsError, TlsServer};
use stentor::{
    Client, ClientHandle, Connector, DisconnectReason, Error, HandlerResult, Message, Response,
    Sender, Server, ServerBuilder, ServerHandle, Version, WebSocket,
};

use crate::support::{HYBI, Loopback, Script, echo};

/// Errors of every kind that a program can be given.
fn errors() -> Vec<Box<dyn StdError>> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Loopback::run(
        Server::builder().on_request(|_| Response::text("a page").into()),
        echo,
    );
    let url = format!("ws://{}/", server.address);
    let declined = stentor::connect(&url).unwrap_err();
    let script = Script::before_request(drop);
    let proxied = Connector::new().proxy(&format!("http://{}", script.address));
    let proxied = proxied.unwrap().connect("ws://example.com/").unwrap_err();
    script.join();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = nobody.local_addr().unwrap();
    let rejected = stentor::connect(&format!("ws://{nobody}/")).unwrap_err();
    let errors: Vec<Box<dyn StdError>> = vec![
        declined.into(),
        proxied.into(),
        rejected.into(),
        Connector::new().proxy("ftp://a").unwrap_err().into(),
        stentor::connect("http://example.com").unwrap_err().into(),
        Connector::new().origin("a/b").unwrap_err().into(),
        Connector::new().cookie("a b", "c;d").unwrap_err().into(),
        Response::new(200).header("a b", "c").unwrap_err().into(),
        ClientRequest::to("example.com").unwrap_err().into(),
        "a:80".parse::<HostName>().unwrap_err().into(),
        "a".parse::<Origin>().unwrap_err().into(),
        "76a".parse::<Version>().unwrap_err().into(),
        io::Error::from(Error::Disconnected(DisconnectReason::PongTimeout)).into(),
        Error::Send(SendError::CloseCode(1005)).into(),
        Error::Protocol(ProtocolError::Unmasked).into(),
        Error::Rejected(Rejection::Full).into(),
        Error::Closed.into(),
        JoinError::LongName(300).into(),
        TrustedProxies::new(["10.0.0.1/8"]).unwrap_err().into(),
        CloseWith::new(4000, "go away").into(),
        Server::builder().build().unwrap_err().into(),
        Server::bind("name.invalid:80").unwrap_err().into(),
        Server::bind(taken.local_addr().unwrap())
            .unwrap_err()
            .into(),
        Error::Io(io::Error::other(io::Error::other("inside"))).into(),
        Error::from(io::Error::other("inside")).into(),
    ];
    #[cfg(feature = "tls")]
    let errors = {
        let mut errors = errors;
        let missing = TlsServer::from_files("/no/such/file", "/no/such/key");
        errors.push(missing.unwrap_err().into());
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let unusable = TlsServer::from_files(manifest, manifest);
        errors.push(unusable.unwrap_err().into());
        let missing = TlsServer::from_files("/no/such/file", "/no/such/key");
        errors.push(Error::from(missing.unwrap_err()).into());
        let invalid = TlsClient::trusting(b"").unwrap_err();
        errors.push(Error::from(invalid).into());
        let plain = stentor::connect(&format!("wss://{}/", server.address));
        errors.push(plain.unwrap_err().into());
        errors
    };
    errors
}

/// A program that prints the whole chain, as `anyhow` does, says nothing twice.
#[test]
fn no_error_tells_its_cause_twice() {
    for error in errors() {
        let words = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            let told = next.to_string();
            assert!(!words.contains(&told), "{error:?}: {words}: {told}");
            cause = next.source();
        }
    }
}

#[test]
fn an_error_comes_back_out_of_an_io_error() {
    let there = io::Error::from(Error::Disconnected(DisconnectReason::PongTimeout));
    assert!(matches!(
        Error::from(there),
        Error::Disconnected(DisconnectReason::PongTimeout)
    ));
    let other = Error::from(io::Error::from(io::ErrorKind::NotFound));
    assert!(matches!(other, Error::Io(error) if error.kind() == io::ErrorKind::NotFound));
}

/// An error of the user's, which names another as its source.
#[derive(Debug)]
pub(super) struct Because(pub(super) Box<dyn StdError + Send + Sync>);

/// One that repeats the words of another and hides it, as `anyhow`'s does when it becomes a box.
#[derive(Debug)]
pub(super) struct Opaque<E>(pub(super) E);

/// One that never ends.
#[derive(Debug)]
struct Endless;

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something of mine failed")
    }
}

impl StdError for Because {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

impl<E: StdError> fmt::Display for Opaque<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<E: StdError> StdError for Opaque<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it turns round and round")
    }
}

impl StdError for Endless {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self)
    }
}

type Wrap = fn(Error) -> Box<dyn StdError + Send + Sync>;

/// The ways in which an error comes back from a handler.
const WRAPPED: [(&str, Wrap); 8] = [
    ("as it is", |error| error.into()),
    ("in an io::Error", |error| io::Error::from(error).into()),
    ("in two of them", |error| {
        io::Error::other(io::Error::other(error)).into()
    }),
    ("in one of the library's", |error| {
        Error::Io(io::Error::other(error)).into()
    }),
    ("as a source", |error| Because(error.into()).into()),
    ("in an io::Error as a source", |error| {
        io::Error::other(Because(io::Error::other(error).into())).into()
    }),
    ("hidden", |error| Opaque(error).into()),
    ("hidden, as a source", |error| {
        Because(Opaque(error).into()).into()
    }),
];

/// Reads until that fails, and then sends, which fails as well.
fn until_it_fails(client: &mut Client) -> Error {
    loop {
        match client.recv() {
            Ok(Some(_)) => {}
            Ok(None) => break client.send("too late").unwrap_err(),
            Err(error) => break error,
        }
    }
}

/// A function of the user's that uses `?` in an `io::Result`.
fn echo_with_io(client: &mut Client) -> io::Result<()> {
    while let Some(message) = client.recv()? {
        client.send(message)?;
    }
    client.send("too late")?;
    Ok(())
}

#[test]
fn an_end_that_comes_back_as_an_io_error_is_no_failed_handler() {
    let server = Loopback::run(Server::builder(), |client| Ok(echo_with_io(client)?));
    for version in Version::ALL {
        server.open(version).start_close(1000, "");
        drop(server.open(version));
        if HYBI.contains(&version) {
            server.open(version).write(b"\x81\x01x");
        }
    }
    let counters = server.wait_until_empty();
    assert_eq!(counters.failed_handlers, 0);
}

#[test]
fn an_end_that_comes_back_wrapped_is_no_failed_handler() {
    for (how, wrap) in WRAPPED {
        let server = Loopback::run(Server::builder(), move |client| {
            Err(wrap(until_it_fails(client)))
        });
        for version in Version::ALL {
            // Closed, as the peer says goodbye; lost, as it hangs up; broken.
            server.open(version).start_close(1000, "");
            drop(server.open(version));
            if HYBI.contains(&version) {
                server.open(version).write(b"\x81\x01x");
            }
        }
        let counters = server.wait_until_empty();
        assert_eq!(counters.failed_handlers, 0, "{how}");
    }
}

#[test]
fn any_other_error_is_a_failed_handler_however_deep_it_is() {
    let failing: [fn() -> HandlerResult; 5] = [
        || Err("mine".into()),
        || Err(io::Error::other("mine").into()),
        || Err(Because("mine".into()).into()),
        || Err(Because(Error::Dropped.into()).into()),
        || Err(Endless.into()),
    ];
    for (number, fail) in failing.into_iter().enumerate() {
        let server = Loopback::run(Server::builder(), move |client| {
            until_it_fails(client);
            fail()
        });
        for version in Version::ALL {
            drop(server.open(version));
        }
        let counters = server.wait_until_empty();
        assert_eq!(counters.failed_handlers, 5, "{number}");
    }
}

/// Handles are for any thread, and so are builders and errors.
#[test]
fn handles_builders_and_errors_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<ServerHandle>();
    check::<ClientHandle>();
    check::<Audience>();
    check::<Sender>();
    check::<ReconnectingSender>();
    check::<Acceptor>();
    check::<Server>();
    check::<ServerBuilder>();
    check::<Connector>();
    check::<CloseReport>();
    check::<Counters>();
    check::<Error>();
    check::<Message>();
    #[cfg(feature = "tls")]
    check::<(TlsServer, TlsClient, TlsError)>();
    // These belong to one thread at a time.
    fn check_send<T: Send>() {}
    check_send::<Client>();
    check_send::<WebSocket>();
    check_send::<Reconnecting>();
}
