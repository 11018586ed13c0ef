//! Cuts out of requests what a condition holds for.

use bytes::Bytes;
use model::{KeySet, Payload, Signal, SignalSet, Traces};
use wire::Matcher;

use crate::ottl::{Fork, Verdict};

/// A condition in OTTL, for each signal that it is meant for.
pub struct Condition {
    forks: [Option<Fork>; 3],
    /// Finds the attributes of spans that it reads.
    matcher: Matcher,
}

impl Condition {
    /// Reads a condition. A name of several words without a context, `service.name`, is an attribute of the resource or of
    /// the span, point or record.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut forks = Fork::of_words(text)?;
        let mut keys = KeySet::default();
        forks.iter_mut().flatten().for_each(|fork| fork.want(&mut keys));
        Ok(Self { forks, matcher: Matcher::new(&keys) })
    }

    /// Returns the signals that it is meant for.
    pub fn signals(&self) -> SignalSet {
        let meant = Signal::ALL.into_iter().filter(|signal| self.forks[*signal as usize].is_some());
        meant.fold(SignalSet::NONE, |all, signal| all.union(SignalSet::of(signal)))
    }

    /// Returns what the condition holds for; none for nothing, as for what it can not be judged of.
    ///
    /// *Cost*: what the condition looks at, and a copy of a request that has other parts.
    pub fn chosen(&mut self, signal: Signal, request: &Bytes) -> Option<Bytes> {
        let fork = self.forks[signal as usize].as_mut()?;
        let payload = match signal {
            Signal::Traces => {
                let mut traces = Traces::unread(request.clone());
                wire::scan_own_traces(request, &self.matcher, &mut traces.table).ok()?;
                Payload::Traces(traces)
            }
            Signal::Metrics => Payload::Metrics(request.clone()),
            Signal::Logs => Payload::Logs(request.clone()),
        };
        match fork.judge(&payload) {
            Verdict::Nothing => None,
            Verdict::Everything => Some(request.clone()),
            Verdict::Some => fork.take(&payload, u64::MAX).0.bytes().cloned(),
        }
    }
}
