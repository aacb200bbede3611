//! TLS: every promise holds over it too, and the claims about TLS itself.

#[cfg(feature = "client")]
mod clients;

mod conversations;

mod floods;

mod hostile;

#[cfg(feature = "client")]
mod identities;

#[cfg(feature = "native-roots")]
mod native;

mod slow;

use std::io::{Read, Write};
use std::net::TcpStream;

use stentor::{Server, ServerBuilder, Version};

use crate::support::{Head, Identity, Loopback, Peer, Secure, secure, tunnel};

fn over_tls() -> ServerBuilder {
    Server::builder().tls(Identity::common().server())
}

/// A TLS client whose handshake has succeeded.
fn open(server: &Loopback, version: Version) -> Peer {
    let bytes = Head::of(version).bytes();
    Peer::on(tunnel(server.address), version, &bytes)
}

/// The same on an own stream, with nothing between the test and the session; the response is read.
fn open_on(stream: TcpStream, version: Version) -> Secure {
    let mut stream = secure(stream);
    stream.write_all(&Head::of(version).bytes()).unwrap();
    let mut read = Vec::new();
    while !read.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut one = [0];
        stream.read_exact(&mut one).unwrap();
        read.push(one[0]);
    }
    if version == Version::Draft76 {
        stream.read_exact(&mut [0; 16]).unwrap();
    }
    stream
}
