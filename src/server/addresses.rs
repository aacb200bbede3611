//! Limits per address: connections at one time, and handshakes in a period.
//!
//! An address without a connection is remembered only if its last handshake was recent, and only up to
//! a fixed number of addresses: counting does not stop an attacker with more addresses than that.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::net::client_id::ClientId;
use crate::net::sync::Instant;
use crate::protocol::Rejection;

/// The addresses that count as one: an IPv4 address, or the first 64 bits of an IPv6 address, since a
/// client with one IPv6 address has the whole /64 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AddressGroup(IpAddr);

/// The limits of each address.
#[derive(Debug, Clone, Default)]
pub(crate) struct PerAddress {
    pub(crate) connections: Option<usize>,
    pub(crate) handshakes: Option<Handshakes>,
}

/// The rate limit of handshakes: `count` in each `period`, all at once or one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Handshakes {
    pub(crate) count: u32,
    pub(crate) period: Duration,
}

#[derive(Debug)]
pub(crate) struct Addresses {
    limits: PerAddress,
    connections: HashMap<AddressGroup, usize>,
    /// The address group that each client is counted for.
    groups: HashMap<ClientId, AddressGroup>,
    visits: Visits,
    began: Instant,
}

/// For each recent address, the time when all of its handshakes will be forgotten. In two
/// generations: an address without a handshake for two periods is in neither.
#[derive(Debug, Default)]
struct Visits {
    lately: HashMap<AddressGroup, Nanos>,
    before: HashMap<AddressGroup, Nanos>,
    turned: Duration,
}

/// Nanoseconds since `Addresses` was created. Twice the longest `Duration` fits: no handshake is
/// forgotten later than that.
type Nanos = u128;

/// The most addresses in one generation. With more, the older generation is dropped early. This
/// limits the memory to some megabytes.
const MOST: usize = 65_536;

impl AddressGroup {
    pub(crate) fn of(address: IpAddr) -> AddressGroup {
        AddressGroup(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address => address,
        })
    }
}

impl PerAddress {
    pub(crate) fn is_unlimited(&self) -> bool {
        self.connections.is_none() && self.handshakes.is_none()
    }
}

impl Addresses {
    pub(crate) fn new(limits: PerAddress) -> Addresses {
        Addresses {
            limits,
            connections: HashMap::new(),
            groups: HashMap::new(),
            visits: Visits::default(),
            began: Instant::now(),
        }
    }

    /// Counts a client for its address group.
    ///
    /// # Errors
    /// The rejection, if the connection exceeds a limit.
    pub(crate) fn enter(&mut self, id: ClientId, net: AddressGroup) -> Result<(), Rejection> {
        if let Some(handshakes) = &self.limits.handshakes {
            let now = self.began.elapsed();
            let visited = self.visits.visit(net, handshakes, now);
            visited.map_err(|wait| Rejection::TooManyHandshakes {
                retry_after: wait.as_secs().saturating_add(1),
            })?;
        }
        if let Some(most) = self.limits.connections {
            let here = self.connections.entry(net).or_default();
            if *here >= most {
                if most == 0 {
                    self.connections.remove(&net);
                }
                return Err(Rejection::AddressFull);
            }
            *here += 1;
        }
        self.groups.insert(id, net);
        Ok(())
    }

    /// Removes a client, if it is counted.
    pub(crate) fn leave(&mut self, id: ClientId) {
        let Some(net) = self.groups.remove(&id) else {
            return;
        };
        if let Some(here) = self.connections.get_mut(&net) {
            *here -= 1;
            if *here == 0 {
                self.connections.remove(&net);
            }
        }
        if let Some(handshakes) = &self.limits.handshakes {
            self.visits.forget(handshakes.period, self.began.elapsed());
        }
    }
}

/// The nanoseconds of a second.
const SECOND: u128 = 1_000_000_000;

impl Visits {
    /// Counts one more handshake at the time `now`.
    ///
    /// # Errors
    /// How long to wait, if the handshake exceeds the limit; it does not count then.
    fn visit(
        &mut self,
        net: AddressGroup,
        limit: &Handshakes,
        now: Duration,
    ) -> Result<(), Duration> {
        self.forget(limit.period, now);
        // Each handshake is forgotten in its share of the period.
        let share = limit.period.as_nanos() / u128::from(limit.count.max(1));
        let known = self.lately.get(&net).or_else(|| self.before.get(&net));
        let begins = known.copied().unwrap_or_default().max(now.as_nanos());
        let forgotten = begins + share;
        let latest = now.as_nanos() + limit.period.as_nanos();
        if forgotten > latest {
            let wait = forgotten - latest;
            let seconds = u64::try_from(wait / SECOND).unwrap_or(u64::MAX);
            let nanos = u32::try_from(wait % SECOND).unwrap_or_default();
            return Err(Duration::new(seconds, nanos));
        }
        if self.lately.len() >= MOST && !self.lately.contains_key(&net) {
            self.rotate(now);
        }
        self.lately.insert(net, forgotten);
        Ok(())
    }

    /// Drops the older generation after each period: the handshakes in it are all forgotten by then.
    fn forget(&mut self, period: Duration, now: Duration) {
        if now.saturating_sub(self.turned) >= period {
            self.rotate(now);
        }
    }

    fn rotate(&mut self, now: Duration) {
        self.before = std::mem::take(&mut self.lately);
        self.turned = now;
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressGroup, Handshakes, MOST, Visits};
    use std::net::IpAddr;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn net(address: &str) -> AddressGroup {
        AddressGroup::of(address.parse::<IpAddr>().unwrap_or(IpAddr::from([0; 4])))
    }

    fn numbered(number: usize) -> AddressGroup {
        AddressGroup::of(IpAddr::from(
            u32::try_from(number).unwrap_or(0).to_be_bytes(),
        ))
    }

    fn ten_in_ten_seconds() -> Handshakes {
        Handshakes {
            count: 10,
            period: 10 * SECOND,
        }
    }

    #[test]
    fn an_attacker_owns_a_whole_64() {
        assert_eq!(net("2001:db8::1"), net("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(net("2001:db8::1"), net("2001:db8:0:1::1"));
        assert_eq!(net("::ffff:192.0.2.1"), net("192.0.2.1"));
        assert_ne!(net("192.0.2.1"), net("192.0.2.2"));
        assert_ne!(net("::1"), net("127.0.0.1"));
    }

    #[test]
    fn handshakes_come_at_once_up_to_the_count_and_then_one_after_the_other() {
        let (mut visits, limit) = (Visits::default(), ten_in_ten_seconds());
        let (one, other) = (net("192.0.2.1"), net("192.0.2.2"));
        for _ in 0..10 {
            assert_eq!(visits.visit(one, &limit, SECOND), Ok(()));
        }
        assert_eq!(visits.visit(one, &limit, SECOND), Err(SECOND));
        assert_eq!(visits.visit(one, &limit, SECOND * 3 / 2), Err(SECOND / 2));
        assert_eq!(visits.visit(other, &limit, SECOND), Ok(()));
        assert_eq!(visits.visit(one, &limit, 2 * SECOND), Ok(()));
        assert_eq!(visits.visit(one, &limit, 2 * SECOND), Err(SECOND));
        for _ in 0..10 {
            assert_eq!(visits.visit(one, &limit, 12 * SECOND), Ok(()));
        }
        assert_eq!(visits.visit(one, &limit, 12 * SECOND), Err(SECOND));
    }

    /// In any ten seconds there are at most twenty handshakes, also when the generations change: ten
    /// that were saved up, and ten of the rate.
    #[test]
    fn generations_never_allow_more_handshakes_than_the_limit() {
        let (mut visits, limit) = (Visits::default(), ten_in_ten_seconds());
        let mut let_in = Vec::new();
        for tick in 0..1000 {
            let now = tick * SECOND / 10;
            if visits.visit(net("2001:db8::1"), &limit, now).is_ok() {
                let_in.push(now);
            }
        }
        assert_eq!(let_in.len(), 10 + 99);
        for (at, time) in let_in.iter().enumerate() {
            let end = *time + 10 * SECOND;
            let within = let_in[at..].iter().take_while(|later| **later < end);
            assert!(within.count() <= 20, "{time:?}");
        }
    }

    #[test]
    fn address_without_a_handshake_for_two_periods_is_forgotten() {
        let (mut visits, limit) = (Visits::default(), ten_in_ten_seconds());
        for number in 0..1000 {
            assert_eq!(visits.visit(numbered(number), &limit, SECOND), Ok(()));
        }
        visits.forget(limit.period, 10 * SECOND);
        assert_eq!((visits.lately.len(), visits.before.len()), (0, 1000));
        visits.forget(limit.period, 20 * SECOND);
        assert_eq!((visits.lately.len(), visits.before.len()), (0, 0));
    }

    #[test]
    fn many_addresses_do_not_fill_the_memory() {
        let (mut visits, limit) = (Visits::default(), ten_in_ten_seconds());
        for number in 0..5 * MOST / 2 {
            assert_eq!(visits.visit(numbered(number), &limit, SECOND), Ok(()));
            assert!(visits.lately.len() <= MOST && visits.before.len() <= MOST);
        }
    }

    #[test]
    fn no_setting_overflows_or_rejects_every_handshake() {
        for count in [0, 1, u32::MAX] {
            for period in [Duration::ZERO, SECOND, Duration::MAX] {
                let (mut visits, limit) = (Visits::default(), Handshakes { count, period });
                assert_eq!(visits.visit(net("192.0.2.1"), &limit, SECOND), Ok(()));
                for now in [SECOND, Duration::MAX] {
                    let _ = visits.visit(net("192.0.2.1"), &limit, now);
                }
            }
        }
    }

    /// With an endless period no handshake is ever forgotten; with a period of zero, each is at once.
    #[test]
    fn endless_period_is_a_limit_and_a_period_of_zero_is_not() {
        let one = net("192.0.2.1");
        for count in [1, 3] {
            let period = Duration::MAX;
            let (mut visits, limit) = (Visits::default(), Handshakes { count, period });
            for _ in 0..count {
                assert_eq!(visits.visit(one, &limit, SECOND), Ok(()), "{count}");
            }
            for seconds in [1, 1_000_000_000] {
                let wait = visits.visit(one, &limit, seconds * SECOND);
                assert!(wait > Err(Duration::MAX / 4), "{count}: {wait:?}");
            }
            assert_eq!(visits.visit(net("192.0.2.2"), &limit, SECOND), Ok(()));
            let (mut visits, limit) = (
                Visits::default(),
                Handshakes {
                    count,
                    period: Duration::ZERO,
                },
            );
            for _ in 0..100 {
                assert_eq!(visits.visit(one, &limit, SECOND), Ok(()), "{count}");
            }
        }
    }
}
