//! What a service serves, by ten seconds, and the same as OTLP and as series.

use std::fmt::Write as _;

use model::Timestamp;
use wire::{
    build::{Attributes, MetricHead, MetricsWriter, NumberPoint, Span, SpansWriter},
    view::{Number, Temporality},
};

use super::EVALUATION;

/// When scenarios begin: a whole hour.
pub(super) const START: Timestamp = Timestamp::from_secs(1_800_000_000);
/// The finest that `sla` tells apart.
pub(super) const SLOT_SECONDS: u64 = 10;
pub(super) const MINUTES: u64 = 60;
pub(super) const HOURS: u64 = 3600;

/// How a service fares for some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// A whole number of slots.
    pub(super) seconds: u64,
    /// Events in a slot.
    pub(super) per_slot: u64,
    /// Bad events in ten thousand.
    pub(super) bad: u64,
    pub(super) process: Process,
}

/// Whether the process runs that serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Process {
    Runs,
    /// It is not there to be scraped; the one that comes after counts from zero.
    Gone,
}

/// Events of ten seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// In seconds since the scenario began.
    pub(super) start: u64,
    pub(super) good: u64,
    pub(super) bad: u64,
    pub(super) process: Process,
}

/// Lays events out evenly.
pub(super) fn slots(stretches: &[Stretch]) -> Vec<Slot> {
    let (mut slots, mut start, mut parts_bad) = (Vec::new(), 0, 0);
    for stretch in stretches {
        assert!(stretch.seconds.is_multiple_of(SLOT_SECONDS), "{stretch:?} ends within a slot");
        for _ in 0..stretch.seconds / SLOT_SECONDS {
            parts_bad += stretch.per_slot * stretch.bad;
            let bad = parts_bad / 10_000;
            parts_bad %= 10_000;
            slots.push(Slot { start, good: stretch.per_slot - bad, bad, process: stretch.process });
            start += SLOT_SECONDS;
        }
    }
    slots
}

pub(super) fn at(seconds: u64) -> Timestamp {
    START + std::time::Duration::from_secs(seconds)
}

impl Slot {
    pub(super) const fn end(&self) -> u64 {
        self.start + SLOT_SECONDS
    }

    /// Each event as a span, evenly over the slot. Nothing when nothing came.
    pub(super) fn spans(&self) -> Option<Vec<u8>> {
        let total = self.good + self.bad;
        if total == 0 {
            return None;
        }
        let (none, mut writer) = (Attributes::new(), SpansWriter::new());
        writer.resource(&shop());
        writer.scope("test", "");
        for event in 0..total {
            let nanos = SLOT_SECONDS * 1_000_000_000 * (2 * event + 1) / (2 * total);
            let end = at(self.start).as_nanos() + nanos;
            writer.span(&Span {
                trace_id: u128::from(end).to_be_bytes(),
                span_id: end.to_be_bytes(),
                trace_state: "",
                parent_id: None,
                name: "GET /cart",
                kind: 2,
                start: end - 1_000_000,
                end,
                attributes: &none,
                events: &[],
                links: &[],
                status: if event < self.bad { 2 } else { 0 },
                status_message: "",
                flags: 0,
            });
        }
        Some(writer.take())
    }
}

/// What a process has counted when it is scraped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scrape {
    /// In seconds since the scenario began.
    pub(super) at: u64,
    /// What it has counted; none while there is no process.
    pub(super) counted: Option<Counted>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) good: u64,
    pub(super) bad: u64,
    /// When the process began.
    pub(super) since: u64,
}

/// Reads the counters of the process at every evaluation.
pub(super) fn scrapes(slots: &[Slot]) -> Vec<Scrape> {
    let (mut good, mut bad, mut since) = (0, 0, 0);
    let mut scrapes = vec![Scrape { at: 0, counted: Some(Counted { good, bad, since }) }];
    for slot in slots {
        if slot.process == Process::Gone {
            (good, bad, since) = (0, 0, slot.end());
        } else {
            (good, bad) = (good + slot.good, bad + slot.bad);
        }
        if slot.end().is_multiple_of(EVALUATION.as_secs()) {
            let counted = (slot.process == Process::Runs).then_some(Counted { good, bad, since });
            scrapes.push(Scrape { at: slot.end(), counted });
        }
    }
    scrapes
}

impl Scrape {
    /// The counters as a scrape is handed on over OTLP.
    pub(super) fn metrics(&self) -> Option<Vec<u8>> {
        let counted = self.counted?;
        let mut writer = MetricsWriter::new();
        writer.resource(&shop());
        writer.scope("test", "");
        let head = MetricHead { name: "requests", description: "", unit: "{request}" };
        let mut sum = writer.sum(&head, Temporality::Cumulative, true);
        for (outcome, value) in [("bad", counted.bad), ("good", counted.good)] {
            let mut attributes = Attributes::new();
            attributes.push_str("outcome", outcome);
            sum.point(&NumberPoint {
                attributes: &attributes,
                start: at(counted.since).as_nanos(),
                time: at(self.at).as_nanos(),
                value: Some(Number::Int(value.cast_signed())),
                exemplars: &[],
                flags: 0,
            });
        }
        Some(writer.take())
    }
}

/// The counters as `promtool` reads series, one for each outcome.
pub(super) fn series(scrapes: &[Scrape]) -> String {
    let mut text = String::new();
    for outcome in ["good", "bad"] {
        writeln!(text, "      - series: 'requests_total{{outcome=\"{outcome}\"}}'")
            .expect("a text takes all");
        let values = scrapes.iter().map(|scrape| match scrape.counted {
            Some(counted) => (if outcome == "good" { counted.good } else { counted.bad }).to_string(),
            None => "_".to_owned(),
        });
        writeln!(text, "        values: '{}'", values.collect::<Vec<_>>().join(" "))
            .expect("a text takes all");
    }
    text
}

fn shop() -> Attributes {
    let mut resource = Attributes::new();
    resource.push_str("service.name", "shop");
    resource
}
