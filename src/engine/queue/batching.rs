//! How requests are joined before they are sent, and who wants it: an exporter's `sending_queue.batch`, or a `batch`
//! processor, which speaks for every exporter of its pipelines that does not join by itself.

use std::sync::{Arc, OnceLock};

use component::{BatchConfig, Counter, Sizer, Telemetry};

/// One way to join requests. Requests of two ways are never in one batch.
pub(crate) struct Batching {
    pub(super) config: BatchConfig,
    pub(super) sizer: Sizer,
    /// Those of a processor; an exporter has none.
    meters: OnceLock<Meters>,
}

struct Meters {
    by_size: Counter,
    by_timeout: Counter,
}

/// Why a batch was closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trigger {
    Size,
    Timeout,
}

impl Batching {
    pub(crate) fn new(config: BatchConfig, sizer: Sizer) -> Arc<Self> {
        Arc::new(Self { config, sizer, meters: OnceLock::new() })
    }

    /// Counts from now on what closes batches, as the collector's `batch` does. `telemetry` carries the label `processor`.
    pub(crate) fn count(&self, telemetry: &Telemetry) {
        let counter = |what: &str, description| {
            telemetry.counter(&format!("otelcol_processor_batch_{what}_trigger_send"), description, "{times}")
        };
        self.meters.get_or_init(|| Meters {
            by_size: counter("batch_size", "Number of times the batch was sent due to a size trigger"),
            by_timeout: counter("timeout", "Number of times the batch was sent due to a timeout trigger"),
        });
    }

    pub(super) fn closed_by(&self, trigger: Trigger) {
        if let Some(meters) = self.meters.get() {
            match trigger {
                Trigger::Size => meters.by_size.add(1),
                Trigger::Timeout => meters.by_timeout.add(1),
            }
        }
    }
}
