//! What the processor tells of itself.

use component::{Counter, Gauge, Telemetry};

use super::{row::Rejection, window::Memory};

/// The processor's instruments.
pub(super) struct Meters {
    series: Gauge,
    overflowed_series: Gauge,
    degraded_series: Gauge,
    checkpoint_bytes: Gauge,
    pub(super) level_shifts: Counter,
    pub(super) drifts: Counter,
    pub(super) out_of_order_windows: Counter,
    pub(super) absent_rows: Counter,
    pub(super) rewinds: Counter,
    pub(super) lost_windows: Counter,
    left_out_priors: Counter,
    left_out_deployments: Counter,
    unreadable: Counter,
    duplicate: Counter,
}

impl Meters {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let name = |name: &str| format!("otelcol_processor_baseline_{name}");
        let gauge = |it: &str, description, unit| telemetry.gauge(&name(it), description, unit);
        let counter = |it: &str, description, unit| telemetry.counter(&name(it), description, unit);
        let rejected = |reason: &str| {
            let description = "Values that were neither learned nor scored, by reason";
            telemetry.with("reason", reason).counter(&name("rejected_points"), description, "{point}")
        };
        let left_out = |reason: &str| {
            let description = "What found no room in a table that is bounded, by which one";
            telemetry.with("reason", reason).counter(&name("left_out"), description, "{item}")
        };
        Self {
            series: gauge("series", "Series that are remembered", "{series}"),
            overflowed_series: gauge(
                "overflowed_series",
                "Series of the last window that passed unscored because max_series are remembered",
                "{series}",
            ),
            degraded_series: gauge(
                "degraded_series",
                "Series whose last hour was slower or had more errors than expected by degradation_ratio",
                "{series}",
            ),
            checkpoint_bytes: gauge("checkpoint_bytes", "Memory of earlier states", "By"),
            level_shifts: counter(
                "level_shifts",
                "Levels that stayed away until they became the level",
                "{shift}",
            ),
            drifts: counter("drifts", "Levels that moved away slowly", "{drift}"),
            out_of_order_windows: counter(
                "out_of_order_windows",
                "Tables of windows before the last one, which passed unscored",
                "{table}",
            ),
            absent_rows: counter("absent_rows", "Rows made for series that fell silent", "{row}"),
            rewinds: counter("rewinds", "Times that an exclusion took the memory back", "{rewind}"),
            lost_windows: counter(
                "lost_windows",
                "Windows outside of exclusions that were forgotten with them",
                "{window}",
            ),
            left_out_priors: left_out("priors"),
            left_out_deployments: left_out("deployments"),
            unreadable: rejected("unreadable"),
            duplicate: rejected("duplicate"),
        }
    }

    pub(super) fn reject(&self, rejection: Rejection) {
        match rejection {
            Rejection::Unreadable => self.unreadable.add(1),
            Rejection::Duplicate => self.duplicate.add(1),
        }
    }

    /// Counts what found no room since the last time.
    pub(super) fn count_left_out(&self, memory: &mut Memory) {
        self.left_out_priors.add(std::mem::take(&mut memory.priors.n_left_out));
        self.left_out_deployments.add(std::mem::take(&mut memory.deployments.n_left_out));
    }

    /// Reads what changes with windows, at the end of one.
    pub(super) fn read(&self, memory: &Memory) {
        self.series.set(memory.slots.len() as u64);
        self.overflowed_series.set(memory.n_overflowed);
        self.degraded_series.set(memory.n_degraded);
        self.checkpoint_bytes.set(memory.checkpoint_bytes());
    }
}
