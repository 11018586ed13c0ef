//! What the exporter tells of itself, by destination.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use component::{Counter, Gauge, Telemetry};

/// Upper bounds of the histogram from detection to delivery, in seconds; the first is what a page should take.
const BOUNDS: [(&str, Duration); 9] = [
    ("0.1", Duration::from_millis(100)),
    ("0.5", Duration::from_millis(500)),
    ("1", Duration::from_secs(1)),
    ("5", Duration::from_secs(5)),
    ("15", Duration::from_secs(15)),
    ("60", Duration::from_secs(60)),
    ("300", Duration::from_secs(300)),
    ("3600", Duration::from_secs(3600)),
    ("+Inf", Duration::MAX),
];

/// Why a transition that was taken is dropped.
const DROPPED: [&str; 2] = ["queue_full", "resolve_not_needed"];

/// Why an alert becomes a dead letter.
const DEAD_LETTERS: [&str; 5] = ["status", "redirect", "address", "template", "expired"];

/// Counters and gauges of one lane.
pub(super) struct Metrics {
    sent_messages: Counter,
    sent_alerts: Counter,
    pub(super) failed: Counter,
    pub(super) retried: Counter,
    pub(super) damaged: Counter,
    items: Gauge,
    bytes: Gauge,
    age: Gauge,
    is_open: Gauge,
    took_buckets: Vec<Counter>,
    took_count: Counter,
    took_milliseconds: Counter,
    by_reason: RefCell<BTreeMap<(&'static str, &'static str), Counter>>,
    telemetry: Telemetry,
}

impl Metrics {
    pub(super) fn new(telemetry: &Telemetry, destination: &str) -> Self {
        let telemetry = telemetry.with("destination", destination);
        let counter =
            |name: &str, what, unit| telemetry.counter(&format!("trueline_alert_webhook_{name}"), what, unit);
        let gauge =
            |name: &str, what, unit| telemetry.gauge(&format!("trueline_alert_webhook_{name}"), what, unit);
        let bucket = |(le, _): &(&str, Duration)| {
            telemetry.with("le", le).counter(
                "trueline_alert_webhook_delivery_seconds_bucket",
                "Transitions delivered within so many seconds of the stage's word.",
                "{transition}",
            )
        };
        let metrics = Self {
            sent_messages: counter("sent_messages", "Messages that the destination took.", "{message}"),
            sent_alerts: counter("sent_alerts", "Alerts in these messages.", "{alert}"),
            failed: counter("failed_attempts", "Attempts that failed.", "{attempt}"),
            retried: counter("retries", "Failed attempts after which another is made.", "{attempt}"),
            damaged: counter("damaged_lines", "Lines of the queue's file that could not be read.", "{line}"),
            items: gauge("queue_items", "Transitions that wait.", "{transition}"),
            bytes: gauge("queue_bytes", "What they take of the queue's bytes.", "By"),
            age: gauge("queue_age_seconds", "How long the oldest has waited.", "s"),
            is_open: gauge("circuit_open", "1 while the destination is left alone after failures.", "1"),
            took_buckets: BOUNDS.iter().map(bucket).collect(),
            took_count: counter("delivery_seconds_count", "Transitions delivered.", "{transition}"),
            took_milliseconds: counter(
                "delivery_milliseconds_sum",
                "From the stage's word to delivery, all together.",
                "ms",
            ),
            by_reason: RefCell::default(),
            telemetry,
        };
        // A counter that is born with its first loss shows no increase to whoever watches it.
        DROPPED.iter().for_each(|reason| metrics.dropped(reason, 0));
        DEAD_LETTERS.iter().for_each(|reason| metrics.dead_letter(reason, 0));
        metrics
    }

    pub(super) fn sent(&self, alerts: u64) {
        self.sent_messages.add(1);
        self.sent_alerts.add(alerts);
    }

    /// Counts a transition that was delivered so long after the stage's word.
    pub(super) fn took(&self, time: Duration) {
        self.took_count.add(1);
        self.took_milliseconds.add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        for ((_, bound), bucket) in BOUNDS.iter().zip(&self.took_buckets) {
            if time <= *bound {
                bucket.add(1);
            }
        }
    }

    pub(super) fn queue(&self, items: u64, bytes: u64, age: Duration, is_open: bool) {
        self.items.set(items);
        self.bytes.set(bytes);
        self.age.set(age.as_secs());
        self.is_open.set(u64::from(is_open));
    }

    pub(super) fn dropped(&self, reason: &'static str, transitions: u64) {
        self.count(
            "dropped",
            "Transitions that were taken and then dropped, by reason.",
            reason,
            transitions,
        );
    }

    pub(super) fn dead_letter(&self, reason: &'static str, alerts: u64) {
        self.count("dead_letters", "Alerts that were put among the dead letters, by reason.", reason, alerts);
    }

    fn count(&self, name: &'static str, what: &'static str, reason: &'static str, by: u64) {
        let mut counters = self.by_reason.borrow_mut();
        let counter = counters.entry((name, reason)).or_insert_with(|| {
            let telemetry = self.telemetry.with("reason", reason);
            telemetry.counter(&format!("trueline_alert_webhook_{name}"), what, "{alert}")
        });
        counter.add(by);
    }
}

/// Counters of what comes in.
pub(super) struct Intake {
    telemetry: Telemetry,
    by_reason: RefCell<BTreeMap<&'static str, Counter>>,
}

impl Intake {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        Self { telemetry: telemetry.clone(), by_reason: RefCell::default() }
    }

    /// Counts log records that are not sent on.
    pub(super) fn passed_over(&self, reason: &'static str) {
        let mut counters = self.by_reason.borrow_mut();
        let counter = counters.entry(reason).or_insert_with(|| {
            self.telemetry.with("reason", reason).counter(
                "trueline_alert_webhook_passed_over",
                "Log records that tell of no alert, by reason.",
                "{record}",
            )
        });
        counter.add(1);
    }
}
