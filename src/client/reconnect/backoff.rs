//! The delay before an attempt: it grows exponentially with the failures in a row, up to a maximum.

use std::time::Duration;

use crate::net::sync::Instant;
use crate::protocol::Entropy;

use super::options::Reconnect;

/// The failures in a row.
#[derive(Debug, Default)]
pub(super) struct Failures {
    count: u32,
    first: Option<Instant>,
}

impl Failures {
    /// Counts a failure. Returns whether that is the last one, after which the client gives up.
    pub(super) fn add(&mut self, options: &Reconnect) -> bool {
        self.count = self.count.saturating_add(1);
        let first = *self.first.get_or_insert_with(Instant::now);
        options.max_attempts.is_some_and(|most| self.count >= most)
            || (options.give_up_after).is_some_and(|time| first.elapsed() >= time)
    }

    /// Forgets all failures, after a success.
    pub(super) fn clear(&mut self) {
        *self = Failures::default();
    }

    /// Returns the delay before the next attempt. The server may have named a time, which counts up to the
    /// maximum: the delay is added to it, since other clients were given the same time.
    pub(super) fn delay(
        &self,
        options: &Reconnect,
        retry_after: Option<Duration>,
        entropy: Entropy,
    ) -> Duration {
        let most = longest(options, self.count);
        let delay = match options.jitter {
            true => part_of(most, entropy),
            false => most,
        };
        let retry_after = retry_after.unwrap_or_default().min(options.max_delay);
        retry_after.saturating_add(delay)
    }
}

/// Returns the longest delay after so many failures in a row.
fn longest(options: &Reconnect, failures: u32) -> Duration {
    // Also if it is not a number.
    let factor = match options.factor >= 1.0 {
        true => options.factor,
        false => 1.0,
    };
    let growths = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    let seconds = options.first_delay.as_secs_f64() * factor.powi(growths);
    // Infinite, if it is too large; not a number, if a first delay of 0 grows infinitely.
    match seconds.is_nan() {
        true => Duration::ZERO,
        false => Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
    }
    .min(options.max_delay)
}

/// Draws a duration between 0 and `most`.
fn part_of(most: Duration, entropy: Entropy) -> Duration {
    let mut bytes = [0; 4];
    entropy(&mut bytes);
    let part = f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX);
    let drawn = Duration::try_from_secs_f64(most.as_secs_f64() * part);
    drawn.unwrap_or(most).min(most)
}

#[cfg(test)]
mod tests {
    use super::{Duration, Failures, Reconnect, longest};
    use crate::client::entropy;
    use std::collections::HashSet;

    const SECOND: Duration = Duration::from_secs(1);

    fn after(count: u32) -> Failures {
        Failures { count, first: None }
    }

    #[test]
    fn the_delay_doubles_up_to_the_maximum() {
        let options = Reconnect::new().jitter(false);
        let delays = [1, 2, 3, 4, 5, 6, 7, 8, 1000, u32::MAX];
        let delays = delays.map(|failures| after(failures).delay(&options, None, entropy::fill));
        let expected = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60].map(Duration::from_secs);
        assert_eq!(delays, expected);
    }

    #[test]
    fn jitter_draws_from_all_delays_up_to_the_computed_one() {
        let options = Reconnect::new();
        for failures in 1..10 {
            let most = longest(&options, failures);
            let draw = || after(failures).delay(&options, None, entropy::fill);
            let drawn: Vec<Duration> = (0..1000).map(|_| draw()).collect();
            assert!(drawn.iter().all(|delay| *delay <= most), "{failures}");
            // Each misses by chance in fewer than one of 10^45 runs.
            let low = drawn.iter().filter(|delay| **delay < most / 10).count();
            let high = drawn.iter().filter(|delay| **delay > most * 9 / 10).count();
            assert!(low > 0 && high > 0, "{failures}: {low} {high}");
            let different: HashSet<&Duration> = drawn.iter().collect();
            assert!(different.len() > 900, "{failures}");
        }
    }

    #[test]
    fn the_ends_of_the_random_range_are_nothing_and_the_whole_delay() {
        let options = Reconnect::new().max_delay(Duration::MAX);
        let delay = |failures, entropy| after(failures).delay(&options, None, entropy);
        assert_eq!(delay(3, |bytes| bytes.fill(0)), Duration::ZERO);
        assert_eq!(delay(3, |bytes| bytes.fill(255)), 4 * SECOND);
        assert_eq!(delay(u32::MAX, |bytes| bytes.fill(255)), Duration::MAX);
    }

    #[test]
    fn options_without_sense_give_a_delay_within_the_maximum() {
        let factors = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300];
        for factor in factors {
            for first in [Duration::ZERO, SECOND, Duration::MAX] {
                for max in [Duration::ZERO, SECOND, Duration::MAX] {
                    let options = Reconnect::new().factor(factor);
                    let options = options.first_delay(first).max_delay(max);
                    for failures in [0, 1, 2, u32::MAX] {
                        let delay = after(failures).delay(&options, None, entropy::fill);
                        assert!(delay <= max, "{options:?}: {delay:?}");
                    }
                }
            }
        }
        let options = Reconnect::new().factor(0.5).jitter(false);
        assert_eq!(after(5).delay(&options, None, entropy::fill), SECOND);
    }

    #[test]
    fn a_servers_time_is_a_minimum_and_counts_up_to_the_maximum() {
        let options = Reconnect::new().jitter(false);
        let delay = |retry_after| after(1).delay(&options, Some(retry_after), entropy::fill);
        assert_eq!(delay(7 * SECOND), 8 * SECOND);
        assert_eq!(delay(Duration::MAX), 61 * SECOND);
    }

    #[test]
    fn the_client_gives_up_after_so_many_failures_or_so_much_time() {
        let options = Reconnect::new().max_attempts(Some(3));
        let mut failures = Failures::default();
        let given_up = [(); 4].map(|()| failures.add(&options));
        assert_eq!(given_up, [false, false, true, true]);
        failures.clear();
        assert!(!failures.add(&options));

        assert!(Failures::default().add(&Reconnect::new().give_up_after(Some(Duration::ZERO))));
        let options = Reconnect::new().give_up_after(Some(3600 * SECOND));
        assert!(!Failures::default().add(&options));
        assert!(!Failures::default().add(&Reconnect::new()));
    }
}
