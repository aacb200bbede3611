//! Parses `no_proxy`: the hosts that are reached without the environment's proxy.

use std::net::IpAddr;

/// Returns whether a list like `localhost,.example.com,10.0.0.0/8` names a host. Its entries are
/// separated by commas, with or without blanks:
///
/// - `*`, for all hosts;
/// - a name, for that host and for all below it, with or without a dot before it, in any case;
/// - an address, of IPv6 with or without brackets, for that one;
/// - a block of addresses (RFC 4632 §3.1, RFC 4291 §2.3), `10.0.0.0/8` or `fd00::/8`, for all
///   addresses with the same first bits; its other bits do not matter.
///
/// Only an address in the URL matches an address: a name is not resolved. An IPv4 address in IPv6's
/// form (`::ffff:10.0.0.1`) is the IPv4 address, and a block contains addresses of its own family only.
/// Other entries match no host: `10.0.0.0/33`, and anything with a port.
pub(crate) fn names(list: &str, host: &str) -> bool {
    let address = host.parse::<IpAddr>().ok().map(|host| host.to_canonical());
    list.split(',').map(str::trim).any(|entry| match address {
        _ if entry == "*" => true,
        Some(address) => Block::parse(entry).is_some_and(|block| block.contains(address)),
        None => is_at_or_below(host, entry),
    })
}

/// Returns whether `host` is the domain or below it. It is in lower case already, as in every URL.
fn is_at_or_below(host: &str, entry: &str) -> bool {
    let domain = entry.trim_start_matches('.').to_ascii_lowercase();
    let is_below = |above: &str| above.is_empty() || above.ends_with('.');
    !domain.is_empty() && host.strip_suffix(&domain).is_some_and(is_below)
}

/// A block of addresses with the same first bits.
struct Block {
    address: IpAddr,
    bits: u32,
}

impl Block {
    /// Parses a block; a single address is a block of one.
    fn parse(text: &str) -> Option<Block> {
        let Some((address, bits)) = text.split_once('/') else {
            let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
            let address: IpAddr = bare.unwrap_or(text).parse().ok()?;
            let address = address.to_canonical();
            let bits = width(address);
            return Some(Block { address, bits });
        };
        let address = address.parse().ok()?;
        // The number parser would accept a sign.
        let is_number = bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|_| is_number)?;
        (bits <= width(address)).then_some(Block { address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differing >= self.bits
    }
}

/// Returns how many bits an address has.
fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn exceptions_match_hosts_and_their_domains() {
        for (host, list, is_in) in [
            ("localhost", "localhost", true),
            ("example.com", ".example.com", true),
            ("a.example.com", ".example.com", true),
            ("a.example.com", "x.org, Example.com", true),
            ("badexample.com", "example.com", false),
            ("example.com", "a.example.com", false),
            ("example.com", "example.com:80", false),
            ("example.com", "", false),
            ("example.com", " ,,", false),
            ("example.com", "*", true),
            ("10.0.0.1", "*", true),
            ("example.com", "0.0.0.0/0,::/0", false),
        ] {
            assert_eq!(names(list, host), is_in, "{host} in {list}");
        }
    }

    #[test]
    fn exceptions_match_addresses_and_blocks() {
        for (host, list, is_in) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "0.0.1", false),
            ("10.0.0.1", "10.0.0.1:80", false),
            ("::1", "::1", true),
            ("::1", "[0:0::1]", true),
            ("::1", "[::1]:80", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.255.0.1", "10.0.0.0/8", true),
            ("11.0.0.1", "10.0.0.0/8", false),
            ("10.9.0.1", "x.org, 10.1.2.3/8", true),
            ("::ffff:10.255.0.1", "10.0.0.0/8", true),
            ("192.168.1.127", "192.168.1.0/25", true),
            ("192.168.1.128", "192.168.1.0/25", false),
            ("192.168.1.1", "192.168.1.1/32", true),
            ("192.168.1.2", "192.168.1.1/32", false),
            ("192.168.1.2", "0.0.0.0/0", true),
            ("192.168.1.2", "::/0", false),
            ("::1", "0.0.0.0/0", false),
            ("fd12::1", "FD00::/8", true),
            ("fe80::1", "fd00::/8", false),
            ("2001:db8::1", "2001:db8::/127", true),
            ("2001:db8::2", "2001:db8::/127", false),
            ("2001:db8::1", "2001:db8::1/128", true),
            ("2001:db8::2", "::/0", true),
        ] {
            assert_eq!(names(list, host), is_in, "{host} in {list}");
        }
    }

    #[test]
    fn invalid_blocks_match_no_address() {
        for bits in [
            "",
            "33",
            "129",
            "-1",
            "+8",
            " 8",
            "8 8",
            "8/8",
            "0x8",
            "255.0.0.0",
            "4294967304",
        ] {
            assert!(!names(&format!("10.0.0.0/{bits}"), "10.0.0.0"), "{bits}");
        }
        for list in [
            "/8",
            "10/8",
            "10.0.0/8",
            "[fd00::]/8",
            "fd00::/129",
            "example.com/8",
        ] {
            let named = ["10.0.0.0", "fd00::", "example.com"].map(|host| names(list, host));
            assert_eq!(named, [false; 3], "{list}");
        }
    }
}
