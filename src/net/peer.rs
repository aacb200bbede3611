//! The address of a connection's peer.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection. If there is a proxy between the client and the server, this is the proxy,
/// unless the proxy has named the client with the PROXY protocol.
///
/// An IPv4 client of a listener for both families has its IPv4 address here, not the IPv6 form that the
/// system uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A peer with an IP address and a port.
    Net(SocketAddr),
    /// A program on this machine that is connected over a Unix socket. It has no address, so the limits per
    /// address do not apply to it, unless a trusted proxy names a client's address.
    Local,
}

impl Peer {
    /// Returns the IP address of the peer. The result is `None` for a [local](Peer::Local) peer.
    #[inline]
    pub fn ip(self) -> Option<IpAddr> {
        self.addr().map(|addr| addr.ip())
    }

    /// Returns the IP address and the port of the peer. The result is `None` for a [local](Peer::Local) peer.
    #[inline]
    pub fn addr(self) -> Option<SocketAddr> {
        match self {
            Peer::Net(addr) => Some(SocketAddr::new(addr.ip().to_canonical(), addr.port())),
            Peer::Local => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(addr: SocketAddr) -> Peer {
        Peer::Net(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
    }
}

/// The address of a peer, or [`Peer::Local`] for none: a peer of a Unix socket has no address.
impl From<Option<SocketAddr>> for Peer {
    #[inline]
    fn from(addr: Option<SocketAddr>) -> Peer {
        addr.map_or(Peer::Local, Peer::from)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Net(addr) => self.addr().unwrap_or(*addr).fmt(f),
            Peer::Local => f.write_str("local"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Peer;
    use std::net::{AddrParseError, SocketAddr};

    #[test]
    fn an_ipv4_peer_has_its_ipv4_address_however_it_was_made() -> Result<(), AddrParseError> {
        let (short, long): (SocketAddr, SocketAddr) =
            ("9.9.9.9:80".parse()?, "[::ffff:9.9.9.9]:80".parse()?);
        for peer in [Peer::from(long), Peer::Net(long), Peer::Net(short)] {
            assert_eq!((peer.addr(), peer.ip()), (Some(short), Some(short.ip())));
            assert_eq!(peer.to_string(), "9.9.9.9:80");
        }
        assert_eq!(Peer::from(long), Peer::from(short));
        Ok(())
    }
}
