//! The PROXY protocol, version 1 and version 2: trusted proxies name their clients, and nobody else does.

mod clients;

mod addresses;

mod rejected;

mod parser;

use stentor::server::TrustedProxies;
use stentor::{Client, HandlerResult, Server, ServerBuilder};

use crate::support::{Loopback, echo};

/// A header of version 1, and the client that it names.
const TEXT: (&[u8], &str) = (
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n",
    "192.0.2.7:4711",
);

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header of version 2 with these last bytes of its fixed part, and everything behind it.
fn binary(command: u8, family: u8, behind: &[u8]) -> Vec<u8> {
    let length = u16::try_from(behind.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, behind].concat()
}

/// The addresses and the ports of a header for IPv4; the client is 203.0.113.9:4242.
const IPV4: [u8; 12] = [203, 0, 113, 9, 198, 51, 100, 1, 0x10, 0x92, 1, 0xbb];

/// The same for IPv6; the client is [2001:db8::7]:4242.
fn ipv6() -> Vec<u8> {
    let (mut source, mut destination) = ([0; 16], [0; 16]);
    source[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    source[15] = 7;
    destination[15] = 1;
    [&source[..], &destination, &IPV4[8..]].concat()
}

/// Trusts the proxies at 127.0.0.1.
fn behind_a_proxy() -> ServerBuilder {
    Server::builder().proxy_protocol(TrustedProxies::new(["127.0.0.1"]).unwrap())
}

/// Sends each client its own peer, and then its messages.
fn names_peer(client: &mut Client) -> HandlerResult {
    client.send(client.peer().to_string())?;
    echo(client)
}

fn run(builder: ServerBuilder) -> Loopback {
    Loopback::run(builder, names_peer)
}
