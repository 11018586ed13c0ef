//! The policy `ottl_condition`: spans for which a condition in the collector's language holds.

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

impl OttlConditionConfig {
    pub(super) fn validate(&self, path: &str, checks: &mut Checks) {
        if !self.spanevent.is_empty() {
            let message = "conditions on events are not supported, as a trace is decided by its spans\n\
                           write conditions on spans, or let a transform set an attribute of the span before";
            checks.error(&format!("{path}.spanevent"), message);
        } else if self.span.is_empty() {
            checks.error(&format!("{path}.span"), "there is no condition, write at least one");
        }
        let (_, (faults, doubts)) = self.read(path, checks);
        faults.into_iter().for_each(|(at, told)| checks.error(&format!("{path}.span.{at}"), told));
        doubts.into_iter().for_each(|(at, told)| checks.warn(&format!("{path}.span.{at}"), told));
    }

    /// Returns what finds the spans: those that it would cut out.
    pub(super) fn sieve(&self) -> Sieve {
        // What is wrong was told when it was validated.
        self.read("", &mut Checks::default()).0
    }

    fn read(&self, path: &str, checks: &mut Checks) -> (Sieve, (Faults, Faults)) {
        let key = format!("{path}.error_mode");
        let mode = error_mode(&key, self.error_mode.as_deref(), ErrorMode::Ignore, checks);
        let mut sieve = Sieve::new(Signal::Traces, mode);
        let told = sieve.add(&self.span, Some(Context::Span));
        (sieve, told)
    }
}
