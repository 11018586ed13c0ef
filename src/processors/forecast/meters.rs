//! What the processor tells of itself.

use component::{Counter, Gauge, Telemetry};

use super::state::{Contest, Rejection};

/// The processor's instruments.
pub(super) struct Meters {
    pub(super) series: Gauge,
    pub(super) overflowed_series: Gauge,
    unreadable: Counter,
    out_of_order: Counter,
    replaced: Counter,
    kept: Counter,
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
        Self {
            series: gauge("series", "Series that are forecast"),
            overflowed_series: gauge(
                "overflowed_series",
                "Series of the last window that were not learned because max_series are remembered",
            ),
            unreadable: rejected("unreadable"),
            out_of_order: rejected("out_of_order"),
            replaced: models("replaced"),
            kept: models("kept"),
        }
    }

    pub(super) fn reject(&self, rejection: Rejection) {
        match rejection {
            Rejection::Unreadable => self.unreadable.add(1),
            Rejection::OutOfOrder => self.out_of_order.add(1),
        }
    }

    pub(super) fn count(&self, contest: Contest) {
        match contest {
            Contest::Replaced => self.replaced.add(1),
            Contest::Kept => self.kept.add(1),
        }
    }
}
