//! What a stage counts.

use component::{Counter, Telemetry};
use model::Signal;

/// Self-metrics of one stage.
pub(super) struct Meters {
    label: &'static str,
    telemetry: Telemetry,
    incoming: [Counter; 3],
    outgoing: [Counter; 3],
    rejected: std::cell::RefCell<Vec<(&'static str, Counter)>>,
}

impl Meters {
    pub(super) fn new(label: &'static str, telemetry: Telemetry) -> Self {
        let each = |verb: &str, description: &'static str| {
            Signal::ALL.map(|signal| {
                let telemetry = telemetry.with("otel_signal", signal.name());
                telemetry.counter(&format!("otelcol_{label}_{verb}_items"), description, "{item}")
            })
        };
        Self {
            incoming: each("incoming", "Number of items passed to the component."),
            outgoing: each("outgoing", "Number of items emitted from the component."),
            rejected: std::cell::RefCell::default(),
            label,
            telemetry,
        }
    }

    pub(super) fn incoming(&self, signal: Signal, items: u64) {
        self.incoming[signal as usize].add(items);
    }

    pub(super) fn outgoing(&self, signal: Signal, items: u64) {
        self.outgoing[signal as usize].add(items);
    }

    /// Reasons are few and static, so a list is searched faster than a map.
    pub(super) fn rejected(&self, items: u64, reason: &'static str) {
        let mut known = self.rejected.borrow_mut();
        if let Some((_, counter)) = known.iter().find(|(name, _)| *name == reason) {
            counter.add(items);
            return;
        }
        let name = format!("otelcol_{}_dropped_items", self.label);
        let counter = self.telemetry.with("reason", reason).counter(
            &name,
            "Number of items dropped, by reason.",
            "{item}",
        );
        counter.add(items);
        known.push((reason, counter));
    }
}
