//! What the processor tells of itself.

use component::{Counter, Gauge, Telemetry};

use super::{learning::Tally, output::HORIZONS, state::Rejection};

/// The processor's instruments.
pub(super) struct Meters {
    pub(super) series: Gauge,
    pub(super) overflowed_series: Gauge,
    pub(super) checkpoint_bytes: Gauge,
    unreadable: Counter,
    out_of_order: Counter,
    replaced: Counter,
    kept: Counter,
    /// By horizon.
    within: [Counter; 3],
    outside: [Counter; 3],
}

impl Meters {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let name = |name: &str| format!("otelcol_processor_forecast_{name}");
        let gauge = |it: &str, description| telemetry.gauge(&name(it), description, "{series}");
        let rejected = |reason: &str| {
            let description = "Values that were not learned, by reason";
            telemetry.with("reason", reason).counter(&name("rejected_points"), description, "{point}")
        };
        let models = |result: &str| {
            let description =
                "Models of capacities that were fitted, by whether they were better than the last";
            telemetry.with("result", result).counter(&name("models"), description, "{model}")
        };
        let judged = |horizon: &str, result: &str| {
            let description = "Values for which an interval had been foretold, by whether they lay within it";
            let telemetry = telemetry.with("horizon", horizon).with("result", result);
            telemetry.counter(&name("judged_values"), description, "{value}")
        };
        Self {
            series: gauge("series", "Series that are forecast"),
            overflowed_series: gauge(
                "overflowed_series",
                "Series of the last window that were not learned because max_series are remembered",
            ),
            checkpoint_bytes: telemetry.gauge(&name("checkpoint_bytes"), "Memory of earlier states", "By"),
            unreadable: rejected("unreadable"),
            out_of_order: rejected("out_of_order"),
            replaced: models("replaced"),
            kept: models("kept"),
            within: HORIZONS.map(|horizon| judged(horizon, "within")),
            outside: HORIZONS.map(|horizon| judged(horizon, "outside")),
        }
    }

    pub(super) fn reject(&self, rejection: Rejection) {
        match rejection {
            Rejection::Unreadable => self.unreadable.add(1),
            Rejection::OutOfOrder => self.out_of_order.add(1),
        }
    }

    pub(super) fn count(&self, tally: &Tally) {
        self.replaced.add(tally.replaced);
        self.kept.add(tally.kept);
        for (counters, counts) in [(&self.within, tally.within), (&self.outside, tally.outside)] {
            counters.iter().zip(counts).for_each(|(counter, count)| counter.add(count));
        }
    }
}
