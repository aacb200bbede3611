//! The proxies whose PROXY headers are trusted.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::net::peer::Peer;
use crate::protocol::http::text::Escaped;
use crate::server::settings::parsed;

/// The proxies that send the PROXY protocol (version 1 or 2) to a server, for
/// [`ServerBuilder::proxy_protocol`](crate::ServerBuilder::proxy_protocol). The default value trusts no
/// proxy.
///
/// Each connection from a trusted proxy must begin with a PROXY header. The address in it becomes the
/// client's: [`Client::peer`](crate::Client::peer), the log, the
/// [close report](crate::server::CloseReport), and the limits
/// [`max_clients_per_address`](crate::ServerBuilder::max_clients_per_address) and
/// [`handshakes_per_address`](crate::ServerBuilder::handshakes_per_address) use it. The server reads the
/// header before TLS and before the request, within the
/// [handshake timeout](crate::ServerBuilder::handshake_timeout). A connection without a valid header is
/// rejected with 400 (with TLS, by the alert `internal_error`), logged, and counted in
/// [`Counters::rejected`](crate::server::Counters::rejected) as "invalid proxy header".
///
/// All other peers connect without a header. If one sends a header, it is rejected like every other peer
/// whose bytes are not HTTP or TLS. The address of the connection decides whether a header is expected, never its
/// bytes:
/// the specification forbids a receiver to guess.
///
/// A header without a client's address (`UNKNOWN` in version 1; `LOCAL`, and any family other than TCP over
/// IPv4 or IPv6, in version 2) is valid: the client's address is then the proxy's own. Health checks of
/// proxies send such headers. A header of version 1 may have 107 bytes, one of version 2 4,096 bytes. Its
/// extensions (TLVs) are skipped, and a checksum in them is not verified.
///
/// Trust an address only if no other program can connect from it: a program that can send a header can claim any
/// address.
///
/// ```
/// use stentor::server::TrustedProxies;
///
/// let proxies = TrustedProxies::new(["192.0.2.10", "10.0.0.0/8", "2001:db8::/32"])?;
/// let server = stentor::Server::builder()
///     .listen("[::]:8000")
///     .proxy_protocol(proxies);
/// # Ok::<(), stentor::server::InvalidNetwork>(())
/// ```
///
/// HAProxy sends the header with this line, nginx with those of its module `stream`:
///
/// ```text
/// server chat 192.0.2.1:8000 send-proxy-v2
/// ```
/// ```text
/// proxy_pass 192.0.2.1:8000;
/// proxy_protocol on;
/// ```
///
/// If the server also trusts
/// [`X-Forwarded-For`](crate::ServerBuilder::trust_forwarded_headers), a request with that header names the
/// client once more, and [`Client::addr`](crate::Client::addr) and the limits use this address. The peer that
/// the PROXY header names has sent it: so trust both only if this peer is a second proxy.
/// [`trust_local_proxy`](crate::ServerBuilder::trust_local_proxy) does not apply to a client that a PROXY
/// header has named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "it does nothing until it is passed to `ServerBuilder::proxy_protocol`"]
#[doc(alias = "PROXY protocol")]
pub struct TrustedProxies {
    networks: Vec<Network>,
    unix_sockets: bool,
}

/// Text that is not a network: see [`TrustedProxies::new`]. `Display` names the text and the fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidNetwork {
    text: String,
    fault: &'static str,
}

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl TrustedProxies {
    /// Trusts the proxies at these addresses. Each text is an IP address (`192.0.2.10`, `2001:db8::1`) or a
    /// block of addresses in CIDR notation (`10.0.0.0/8`, `2001:db8::/32`). An IPv4 address is the same in
    /// its IPv6 form (`::ffff:192.0.2.10`).
    ///
    /// # Errors
    /// [`InvalidNetwork`] for other text, for a prefix that is longer than an address, and for a block whose
    /// address has bits behind the prefix, such as `10.0.0.1/8`.
    pub fn new<I>(networks: I) -> Result<TrustedProxies, InvalidNetwork>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        Ok(TrustedProxies {
            networks: parsed(networks)?,
            unix_sockets: false,
        })
    }

    /// Sets whether the peers that connect over a Unix socket are trusted proxies. Default: no. If so, each
    /// of them must send a PROXY header. It is dangerous if other programs can reach the socket.
    pub fn unix_sockets(mut self, trust: bool) -> TrustedProxies {
        self.unix_sockets = trust;
        self
    }

    /// Returns whether a connection with this peer begins with a PROXY header.
    pub(crate) fn contain(&self, peer: Peer) -> bool {
        match peer.ip() {
            Some(address) => self
                .networks
                .iter()
                .any(|network| network.contains(address)),
            None => self.unix_sockets,
        }
    }
}

impl Network {
    /// Returns whether an address, in its canonical form, is in the network.
    fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => u128::from(own.to_bits() ^ other.to_bits()),
            (IpAddr::V6(own), IpAddr::V6(other)) => own.to_bits() ^ other.to_bits(),
            _ => return false,
        };
        differing.checked_shr(self.ignored()).unwrap_or(0) == 0
    }

    /// Returns how many bits of an address are behind the prefix.
    fn ignored(&self) -> u32 {
        length(self.address) - self.bits
    }

    #[inline]
    fn parse(text: &str) -> Result<Network, &'static str> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| {
            "write an IP address such as 192.0.2.10, or a block of addresses such as 10.0.0.0/8"
        })?;
        let bits = match prefix {
            Some(prefix) => decimal(prefix).filter(|bits| *bits <= length(written)),
            None => Some(length(written)),
        };
        let bits =
            bits.ok_or("the prefix is a number of bits, at most 32 for IPv4 and 128 for IPv6")?;
        let canonical = written.to_canonical();
        // An IPv4 address in its IPv6 form has 96 bits before it.
        let network = match bits.checked_sub(length(written) - length(canonical)) {
            Some(bits) => Network {
                address: canonical,
                bits,
            },
            None => Network {
                address: written,
                bits,
            },
        };
        let zeros = match network.address {
            IpAddr::V4(address) => address.to_bits().trailing_zeros(),
            IpAddr::V6(address) => address.to_bits().trailing_zeros(),
        };
        match zeros >= network.ignored() {
            true => Ok(network),
            false => {
                Err("the address has bits behind the prefix: write the first address of the block")
            }
        }
    }
}

/// Returns how many bits an address of this family has.
#[inline]
fn length(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[inline]
fn decimal(digits: &str) -> Option<u32> {
    let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_decimal)
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    #[inline]
    fn from_str(text: &str) -> Result<Network, InvalidNetwork> {
        Network::parse(text).map_err(|fault| InvalidNetwork {
            text: text.to_owned(),
            fault,
        })
    }
}

impl fmt::Display for InvalidNetwork {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, fault) = (Escaped::Text(&self.text), self.fault);
        write!(f, "invalid network \"{text}\": {fault}")
    }
}

impl std::error::Error for InvalidNetwork {}

#[cfg(test)]
mod tests {
    use super::{InvalidNetwork, TrustedProxies};
    use crate::net::peer::Peer;
    use std::net::{AddrParseError, SocketAddr};

    fn trusts(network: &str, address: &str) -> Result<bool, Box<dyn std::error::Error>> {
        let peer: Result<SocketAddr, AddrParseError> = address.parse();
        Ok(TrustedProxies::new([network])?.contain(Peer::Net(peer?)))
    }

    #[test]
    fn block_contains_the_addresses_with_its_prefix_and_no_others()
    -> Result<(), Box<dyn std::error::Error>> {
        let cases = [
            ("192.0.2.1", "192.0.2.1:1", "192.0.2.2:1"),
            ("::ffff:192.0.2.1", "192.0.2.1:1", "192.0.2.2:1"),
            ("192.0.2.1", "[::ffff:192.0.2.1]:1", "[::192.0.2.1]:1"),
            ("192.0.2.0/31", "192.0.2.1:1", "192.0.2.2:1"),
            ("10.0.0.0/8", "10.255.255.255:1", "11.0.0.0:1"),
            ("::ffff:10.0.0.0/104", "10.255.255.255:1", "11.0.0.0:1"),
            ("0.0.0.0/0", "255.255.255.255:1", "[::1]:1"),
            ("::ffff:0.0.0.0/96", "255.255.255.255:1", "[::1]:1"),
            ("::/0", "[ffff::1]:1", "1.2.3.4:1"),
            (
                "2001:db8::/33",
                "[2001:db8:7fff::1]:1",
                "[2001:db8:8000::1]:1",
            ),
            ("2001:db8::1/128", "[2001:db8::1]:1", "[2001:db8::2]:1"),
        ];
        for (network, inside, outside) in cases {
            assert!(trusts(network, inside)?, "{network}: {inside}");
            assert!(!trusts(network, outside)?, "{network}: {outside}");
        }
        Ok(())
    }

    #[test]
    fn local_peers_are_trusted_only_by_choice() -> Result<(), InvalidNetwork> {
        let everyone = TrustedProxies::new(["0.0.0.0/0", "::/0"])?;
        assert!(!everyone.contain(Peer::Local));
        assert!(everyone.unix_sockets(true).contain(Peer::Local));
        assert!(
            !TrustedProxies::default().contain(Peer::from(SocketAddr::from(([127, 0, 0, 1], 1))))
        );
        Ok(())
    }

    #[test]
    fn text_that_is_no_network_is_an_error_with_the_text() {
        let invalid = [
            "",
            "/",
            "/8",
            "localhost",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0.1/8",
            "10.0.0/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0 /8",
            "::1/129",
            "::1/127",
            "::ffff:10.0.0.0/90",
            "[::1]",
            "10.0.0.1:80",
            "010.0.0.1",
            "10.0.0.0/4294967304",
        ];
        for text in invalid {
            let error = TrustedProxies::new(["10.0.0.0/8", text]).err();
            let words = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(
                words.starts_with(&format!("invalid network \"{text}\": ")),
                "{text}: {words}"
            );
        }
    }
}
