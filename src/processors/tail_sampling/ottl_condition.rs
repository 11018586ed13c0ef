//! The policy `ottl_condition`: spans for which, or for an event of which, a condition in the collector's language holds.

use component::Checks;
use model::Signal;
use serde::Deserialize;

use crate::ottl::{Context, ErrorMode, Faults, Sieve, error_mode};

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct OttlConditionConfig {
    pub(crate) error_mode: Option<String>,
    /// One that holds is enough.
    pub(crate) span: Vec<String>,
    pub(crate) spanevent: Vec<String>,
}

/// What is said of the conditions below a key: mistakes and doubts.
type Read = (&'static str, (Faults, Faults));

impl OttlConditionConfig {
    pub(super) fn validate(&self, path: &str, checks: &mut Checks) {
        if self.span.is_empty() && self.spanevent.is_empty() {
            checks.error(&format!("{path}.span"), "there is no condition, write at least one");
        }
        let (_, told) = self.read(path, checks);
        for (key, (faults, doubts)) in told {
            faults.into_iter().for_each(|(at, told)| checks.error(&format!("{path}.{key}.{at}"), told));
            doubts.into_iter().for_each(|(at, told)| checks.warn(&format!("{path}.{key}.{at}"), told));
        }
    }

    /// Returns what finds the spans: those that it would cut out, or out of which it would cut events.
    pub(super) fn sieve(&self) -> Sieve {
        // What is wrong was told when it was validated.
        self.read("", &mut Checks::default()).0
    }

    fn read(&self, path: &str, checks: &mut Checks) -> (Sieve, [Read; 2]) {
        let key = format!("{path}.error_mode");
        let mode = error_mode(&key, self.error_mode.as_deref(), ErrorMode::Ignore, checks);
        let mut sieve = Sieve::new(Signal::Traces, mode);
        let of_spans = sieve.add(&self.span, Some(Context::Span));
        let of_events = sieve.add(&self.spanevent, Some(Context::SpanEvent));
        (sieve, [("span", of_spans), ("spanevent", of_events)])
    }
}
