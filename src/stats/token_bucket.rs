//! So many per day, and no more at once.

#[cfg(test)]
mod tests;

/// What a [`TokenBucket`] allows. One per setting, not per bucket.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TokenRate {
    /// Tokens a full bucket holds; below 1 nothing is ever allowed.
    pub capacity: f64,
    /// *Units*: nanoseconds in which an empty bucket fills.
    pub refill_time: f64,
}

/// A bucket of tokens that fill up with time, the caller's time.
///
/// *Cost*: 16 bytes, 2 ns.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TokenBucket {
    pub tokens: f64,
    /// *Units*: nanoseconds, of any origin.
    pub updated: u64,
}

impl TokenBucket {
    /// A full bucket.
    pub fn full(rate: TokenRate, now: u64) -> Self {
        Self { tokens: rate.capacity, updated: now }
    }

    /// Takes a token. Returns whether there was one. A time before the last fills nothing.
    ///
    /// *Units*: `now` in nanoseconds, of the same origin at each call.
    pub fn take(&mut self, rate: TokenRate, now: u64) -> bool {
        let passed = now.saturating_sub(self.updated) as f64;
        self.updated = self.updated.max(now);
        let filled =
            if rate.refill_time > 0.0 { rate.capacity * passed / rate.refill_time } else { rate.capacity };
        self.tokens = (self.tokens + filled).min(rate.capacity);
        let is_allowed = self.tokens >= 1.0;
        if is_allowed {
            self.tokens -= 1.0;
        }
        is_allowed
    }
}
