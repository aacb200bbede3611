//! A token bucket, as arithmetic only: it has no clock; the caller passes the elapsed time.
//!
//! It fills evenly, up to its brim, and starts full. Taking more tokens than it holds leaves it in
//! debt: the caller waits until the debt is paid off.

use std::time::Duration;

/// A token bucket that counts in tokens times nanoseconds of the period: it never rounds, and it cannot
/// overflow, since its arithmetic saturates: the bucket is full, or in the deepest debt.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    /// Tokens added per period.
    tokens: u128,
    /// Nanoseconds.
    period: u128,
    level: i128,
    brim: i128,
}

impl TokenBucket {
    /// Creates a bucket that gets `tokens` in each `period`, and holds `most`. Each is at least one
    /// token or one nanosecond: a bucket that never gets or holds a token would block every caller.
    pub(crate) fn new(tokens: u64, period: Duration, most: u64) -> TokenBucket {
        let period = period.as_nanos().max(1);
        let brim = scaled(most.max(1), period);
        TokenBucket {
            tokens: u128::from(tokens.max(1)),
            period,
            level: brim,
            brim,
        }
    }

    /// Adds the tokens for the time since the last call.
    pub(crate) fn refill(&mut self, passed: Duration) {
        let more = passed.as_nanos().saturating_mul(self.tokens);
        let more = i128::try_from(more).unwrap_or(i128::MAX);
        self.level = self.level.saturating_add(more).min(self.brim);
    }

    /// Takes tokens, even if the bucket does not hold them.
    pub(crate) fn take(&mut self, tokens: u64) {
        self.level = self.level.saturating_sub(scaled(tokens, self.period));
    }

    /// Returns how long it takes until there is a whole token: zero if there is one now.
    pub(crate) fn wait(&self) -> Duration {
        let missing = scaled(1, self.period).saturating_sub(self.level);
        let missing = u128::try_from(missing).unwrap_or(0);
        // Rounded up: after that time there is one.
        let nanos = missing.div_ceil(self.tokens);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn scaled(tokens: u64, period: u128) -> i128 {
    let scaled = u128::from(tokens).saturating_mul(period);
    i128::try_from(scaled).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::TokenBucket;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn saved_up_tokens_can_be_spent_at_once_and_no_more() {
        let mut bucket = TokenBucket::new(10, SECOND, 30);
        for taken in 0..30 {
            assert_eq!(bucket.wait(), Duration::ZERO, "{taken}");
            bucket.take(1);
        }
        assert_eq!(bucket.wait(), SECOND / 10);
    }

    #[test]
    fn it_fills_evenly_and_never_above_its_brim() {
        let mut bucket = TokenBucket::new(10, SECOND, 2);
        bucket.take(2);
        bucket.refill(SECOND / 20);
        assert_eq!(bucket.wait(), SECOND / 20);
        bucket.refill(SECOND / 20);
        assert_eq!(bucket.wait(), Duration::ZERO);
        bucket.refill(1000 * SECOND);
        bucket.take(2);
        assert_eq!(bucket.wait(), SECOND / 10);
    }

    #[test]
    fn a_debt_is_paid_off_before_anything_else() {
        let mut bucket = TokenBucket::new(1000, SECOND, 100);
        bucket.take(5100);
        assert_eq!(bucket.wait(), 5 * SECOND + SECOND / 1000);
        bucket.refill(5 * SECOND);
        assert_eq!(bucket.wait(), SECOND / 1000);
        bucket.refill(SECOND / 1000);
        assert_eq!(bucket.wait(), Duration::ZERO);
    }

    /// There is a token after exactly the returned time, and none a nanosecond earlier, also
    /// at rates that do not divide a second and above one token per nanosecond.
    #[test]
    fn the_wait_is_exact_at_any_rate() {
        for tokens in [1, 3, 7, 50, 262_144, 999_999_937, 3_000_000_000, u64::MAX] {
            let mut bucket = TokenBucket::new(tokens, SECOND, 5);
            bucket.take(5);
            let wait = bucket.wait();
            assert!(wait > Duration::ZERO);
            let mut early = bucket.clone();
            early.refill(wait - Duration::from_nanos(1));
            assert!(early.wait() > Duration::ZERO, "{tokens}");
            bucket.refill(wait);
            assert_eq!(bucket.wait(), Duration::ZERO, "{tokens}");
        }
    }

    /// Many short times add as many tokens as the whole time.
    #[test]
    fn nothing_is_lost_in_small_steps() {
        let mut bucket = TokenBucket::new(7, SECOND, 100);
        bucket.take(100);
        for _ in 0..1_000_000 {
            bucket.refill(SECOND / 1_000_000);
        }
        for _ in 0..7 {
            assert_eq!(bucket.wait(), Duration::ZERO);
            bucket.take(1);
        }
        assert!(bucket.wait() > Duration::ZERO);
    }

    #[test]
    fn no_setting_overflows() {
        for tokens in [0, 1, u64::MAX] {
            for period in [Duration::ZERO, SECOND, Duration::MAX] {
                for most in [0, 1, u64::MAX] {
                    let mut bucket = TokenBucket::new(tokens, period, most);
                    assert_eq!(bucket.wait(), Duration::ZERO);
                    for passed in [Duration::ZERO, SECOND, Duration::MAX] {
                        bucket.take(u64::MAX);
                        bucket.take(u64::MAX);
                        bucket.wait();
                        bucket.refill(passed);
                        bucket.wait();
                    }
                }
            }
        }
    }
}
