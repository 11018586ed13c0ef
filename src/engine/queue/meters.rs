//! The collector's self-metrics of an exporter.

use component::{Counter, Gauge, Telemetry};
use model::Signal;

/// Counters of one exporter, by signal.
pub(crate) struct Meters {
    sent: [Counter; 3],
    send_failed: [Counter; 3],
    enqueue_failed: [Counter; 3],
    lost: Counter,
    /// Held, as a gauge is forgotten with its owner.
    _capacity: Option<Gauge>,
    pub(crate) queue_size: Gauge,
    pub(crate) in_flight: Gauge,
}

impl Meters {
    /// `telemetry` carries the label `exporter`.
    pub(crate) fn new(telemetry: &Telemetry, capacity: Option<u64>) -> Self {
        let each = |verb: &str, description: &'static str| {
            Signal::ALL.map(|signal| {
                let name = format!("otelcol_exporter_{verb}_{}", signal.items());
                telemetry.counter(&name, description, "{item}")
            })
        };
        let lost = telemetry.with("reason", "exporter_ended").counter(
            "otelcol_exporter_dropped_items",
            "Number of items taken and then dropped, by reason.",
            "{item}",
        );
        let capacity = capacity.map(|capacity| {
            let name = "otelcol_exporter_queue_capacity";
            let gauge = telemetry.gauge(name, "Fixed capacity of the sending queue.", "{batch}");
            gauge.set(capacity);
            gauge
        });
        Self {
            lost,
            _capacity: capacity,
            sent: each("sent", "Number of items successfully sent to the destination."),
            send_failed: each(
                "send_failed",
                "Number of items in failed attempts to send to the destination.",
            ),
            enqueue_failed: each(
                "enqueue_failed",
                "Number of items that failed to be added to the sending queue.",
            ),
            queue_size: telemetry.gauge(
                "otelcol_exporter_queue_size",
                "Current size of the sending queue.",
                "{batch}",
            ),
            in_flight: telemetry.gauge(
                "otelcol_exporter_in_flight_requests",
                "Number of requests being sent to the destination.",
                "{request}",
            ),
        }
    }

    pub(crate) fn sent(&self, signal: Signal, items: u64) {
        self.sent[signal as usize].add(items);
    }

    pub(crate) fn send_failed(&self, signal: Signal, items: u64) {
        self.send_failed[signal as usize].add(items);
    }

    /// Counts what was queued and has no outcome, as its exporter has ended.
    pub(crate) fn lost(&self, signal: Signal, items: u64) {
        self.send_failed(signal, items);
        self.lost.add(items);
    }

    pub(crate) fn enqueue_failed(&self, signal: Signal, items: u64) {
        self.enqueue_failed[signal as usize].add(items);
    }
}
