//! How long a series must be silent before chance does not explain it.
//!
//! Three requests a minute make no minute without one, two make one in seven: at night three in a row are nothing. So each
//! window without a row adds to how improbable the silence is, as much as the windows before it allow:
//! * the share of windows that were missing lately says how probable one more is, whatever makes them miss;
//! * of spans, no more than Poisson's law says of as many requests as were to be expected: ever fewer of them come in an
//!   evening, faster than that share follows.

/// What silence of a series has been like lately, and how far the one that goes on is from that.
///
/// *Cost*: 4 bytes; some additions in a window that has a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Silence {
    /// Share of windows that were missing. *Units*: 1 / [`WHOLE`].
    pub(crate) share: u16,
    /// −ln of the chance of the silence that goes on. *Units*: 1 / [`UNITS`].
    pub(crate) improbability: u8,
    /// Windows that it has lasted, as far as they can be counted.
    pub(crate) windows: u8,
}

const WHOLE: u16 = u16::MAX;
/// Windows in which the share is forgotten to a third.
const MEMORY: u16 = 60;
const UNITS: f64 = 18.0;
/// A silence that comes by chance in one of 1.2 million is none: e to the −14.
const CERTAIN: u8 = 252;
/// No window says more than a third of that: a single one is a lost scrape, and two are a late one as well.
const MOST_OF_A_WINDOW: f64 = CERTAIN as f64 / 3.0;
/// Silence where there was none is as sure as twice the opening level.
const STRENGTH: f64 = 2.0;

impl Silence {
    /// Adds a window without a row, in which so many observations were to be expected of those that come by themselves;
    /// none of a series that is asked for its values. Returns how strongly that speaks for a fault.
    pub(crate) fn go_on(&mut self, expected: Option<f64>) -> f64 {
        let share = f64::from(self.share) / f64::from(WHOLE);
        // What is expected was learned from windows that had a row.
        let by_chance = expected.map_or(f64::INFINITY, |expected| (expected * (1.0 - share)).max(0.0));
        let said = (UNITS * by_chance.min(-share.ln())).min(MOST_OF_A_WINDOW);
        self.improbability = self.improbability.saturating_add(said.round() as u8);
        self.windows = self.windows.saturating_add(1);
        if self.is_certain() { STRENGTH } else { 0.0 }
    }

    /// Ends with a window that has a row. What was no chance is a fault, and no habit of the series.
    #[inline]
    pub(crate) fn end(&mut self) {
        let missed = if self.is_certain() { 0 } else { self.windows };
        for _ in 0..missed {
            self.share += (WHOLE - self.share) / MEMORY;
        }
        self.share -= self.share / MEMORY;
        self.forget();
    }

    /// Ends without a trace.
    pub(crate) fn forget(&mut self) {
        (self.improbability, self.windows) = (0, 0);
    }

    const fn is_certain(&self) -> bool {
        self.improbability >= CERTAIN
    }
}
