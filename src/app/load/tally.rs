//! What has been sent and how it was answered.

use std::cell::{Cell, RefCell};
use std::time::Duration;

/// Counts of spans, and of the data points and log records beside them.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) spans: Counts,
    /// Data points and log records.
    pub(crate) others: Counts,
    pub(crate) latencies: Latencies,
    /// Why something was refused first.
    pub(crate) first_refusal: RefCell<Option<String>>,
    /// The last reason for which something had to be sent again.
    pub(crate) last_trouble: RefCell<Option<String>>,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) sent: Cell<u64>,
    pub(crate) acked: Cell<u64>,
    pub(crate) refused: Cell<u64>,
    /// Each attempt after the first counts its items again.
    pub(crate) retried: Cell<u64>,
}

pub(crate) fn add(counter: &Cell<u64>, n: u64) {
    counter.set(counter.get() + n);
}

impl Tally {
    /// Returns what decides whether a load has arrived: spans, unless none were to be sent.
    const fn decisive(&self) -> &Counts {
        if self.spans.sent.get() > 0 { &self.spans } else { &self.others }
    }

    /// Returns how many spans nobody has taken; data points and log records where there are no spans.
    pub(crate) fn lost(&self) -> u64 {
        let counts = self.decisive();
        counts.sent.get().saturating_sub(counts.acked.get())
    }

    pub(crate) fn what_counts(&self) -> &'static str {
        if self.spans.sent.get() > 0 { "spans" } else { "data points and log records" }
    }

    pub(crate) fn is_nothing_acknowledged(&self) -> bool {
        self.spans.acked.get() + self.others.acked.get() == 0
    }

    pub(crate) fn summary(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let mut text = format!(
            "{} spans sent in {seconds:.1} s ({:.0}/s): {}\n",
            self.spans.sent.get(),
            self.spans.acked.get() as f64 / seconds.max(1e-9),
            self.spans.outcome(),
        );
        if self.others.sent.get() > 0 {
            text += &format!(
                "{} data points and log records sent: {}\n",
                self.others.sent.get(),
                self.others.outcome()
            );
        }
        if let (Some(p50), Some(p99)) = (self.latencies.quantile(0.5), self.latencies.quantile(0.99)) {
            text += &format!("acknowledged after {:.2} ms (p50), {:.2} ms (p99)\n", p50 * 1e3, p99 * 1e3);
        }
        for (what, reason) in [("refused", &self.first_refusal), ("retried", &self.last_trouble)] {
            if let Some(reason) = reason.borrow().as_ref() {
                text += &format!("{what}: {reason}\n");
            }
        }
        text
    }
}

impl Counts {
    fn outcome(&self) -> String {
        format!(
            "{} acknowledged, {} refused, {} retried",
            self.acked.get(),
            self.refused.get(),
            self.retried.get()
        )
    }
}

/// Latencies in buckets that each are 4.4 % wide.
///
/// *Cost*: 5 KB, whatever is recorded.
pub(crate) struct Latencies {
    buckets: RefCell<[u64; Self::BUCKETS]>,
}

impl Latencies {
    const BUCKETS: usize = 640;
    const PER_OCTAVE: f64 = 16.0;

    pub(crate) fn record(&self, latency: Duration) {
        let octaves = (latency.as_nanos() as f64).max(1.0).log2();
        let index = ((octaves * Self::PER_OCTAVE) as usize).min(Self::BUCKETS - 1);
        self.buckets.borrow_mut()[index] += 1;
    }

    /// Returns the middle of the bucket in which the quantile lies, in seconds; none of nothing.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let buckets = self.buckets.borrow();
        let total: u64 = buckets.iter().sum();
        let wanted = (total as f64 * part) as u64;
        let mut seen = 0;
        let index = buckets.iter().position(|count| {
            seen += count;
            seen > wanted
        })?;
        Some(((index as f64 + 0.5) / Self::PER_OCTAVE).exp2() / 1e9)
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: RefCell::new([0; Self::BUCKETS]) }
    }
}
