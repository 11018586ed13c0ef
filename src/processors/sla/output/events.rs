//! What happens to objectives, as log records.

use model::Timestamp;
use wire::{
    build::{Attributes, LogRecord, LogsWriter},
    view::AnyValue,
};

use super::metrics::Told;
use crate::sla::{calendar::duration_text, config::Urgency, report::Standing, state::Told as Remembered};

/// Something that happened to an objective.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) enum Event {
    Breach,
    Recovered,
    /// The place of the threshold in the objective's escalation.
    Budget(usize),
    /// The place of the alert.
    BurnRate(usize),
}

impl Event {
    const fn name(&self) -> &'static str {
        match self {
            Self::Breach => "trueline.slo.breach",
            Self::Recovered => "trueline.slo.recovered",
            Self::Budget(_) => "trueline.slo.budget_threshold",
            Self::BurnRate(_) => "trueline.slo.burn_rate",
        }
    }

    /// Returns what has happened since it was last told, and remembers it.
    pub(in crate::sla) fn since(told: &Told<'_>, last: &mut Remembered) -> Vec<Self> {
        let Told { objective, report, .. } = told;
        let mut events = Vec::new();
        let is_breached = match report.standing {
            Standing::Breached => Some(true),
            Standing::Met => Some(false),
            // Too little data changes nothing that was told.
            Standing::InsufficientData => last.is_breached,
        };
        match (last.is_breached, is_breached) {
            (Some(false) | None, Some(true)) => events.push(Self::Breach),
            (Some(true), Some(false)) => events.push(Self::Recovered),
            _ => {}
        }
        last.is_breached = is_breached;
        if report.standing != Standing::InsufficientData {
            let n_budgets = report.n_budgets(objective);
            events.extend((last.n_budgets..n_budgets).map(Self::Budget));
            last.n_budgets = n_budgets;
        }
        last.burning.resize(objective.burn.len(), false);
        for (place, (was, is)) in last.burning.iter_mut().zip(&report.burning).enumerate() {
            if let Some(is) = is {
                if *is && !*was {
                    events.push(Self::BurnRate(place));
                }
                *was = *is;
            }
        }
        events
    }

    fn urgency(&self, told: &Told<'_>) -> Option<Urgency> {
        match self {
            Self::Breach | Self::Recovered => None,
            Self::Budget(place) => told.objective.escalation.get(*place).map(|budget| budget.severity),
            Self::BurnRate(place) => told.objective.burn.get(*place).map(|alert| alert.severity),
        }
    }

    fn sentence(&self, told: &Told<'_>) -> String {
        let (service, name) = (&told.objective.service, &told.objective.name);
        let what = match self {
            Self::Breach => "the objective is breached".to_owned(),
            Self::Recovered => "the objective is met again".to_owned(),
            Self::Budget(place) => {
                let consumed = told.objective.escalation.get(*place).map_or(0.0, |budget| budget.consumed);
                format!("{:.0} % of the error budget is spent", consumed * 100.0)
            }
            Self::BurnRate(_) => "the error budget burns too fast".to_owned(),
        };
        format!("{service} {name}: {what}")
    }
}

/// Writes events in the order of their objectives. Returns the request and its records.
pub(in crate::sla) fn write(all: &[(Told<'_>, Vec<Event>)], at: Timestamp) -> (Vec<u8>, u64) {
    let mut writer = LogsWriter::new();
    let mut n_records = 0;
    for (told, events) in all.iter().filter(|(_, events)| !events.is_empty()) {
        let mut resource = Attributes::new();
        resource.push_str("service.name", &told.objective.service);
        writer.resource(&resource);
        writer.scope("sla", "");
        for event in events {
            let (severity_number, severity_text) = severity(event, told);
            writer.record(&LogRecord {
                time: at.as_nanos(),
                observed_time: at.as_nanos(),
                severity_number,
                severity_text,
                body: AnyValue::Str(event.sentence(told).as_bytes()),
                attributes: &attributes(event, told),
                flags: 0,
                trace_id: told.record.bad_traces.ids().first().copied(),
                span_id: None,
                event_name: event.name(),
            });
            n_records += 1;
        }
    }
    (writer.take(), n_records)
}

fn severity(event: &Event, told: &Told<'_>) -> (u8, &'static str) {
    match (event, event.urgency(told)) {
        (Event::Recovered, _) => (9, "INFO"),
        (_, Some(Urgency::Ticket)) => (13, "WARN"),
        _ => (17, "ERROR"),
    }
}

fn attributes(event: &Event, told: &Told<'_>) -> Attributes {
    let Told { objective, report, .. } = told;
    let mut out = Attributes::new();
    out.push_str("trueline.slo.id", &objective.id);
    out.push_str("trueline.slo.name", &objective.name);
    out.push_str("trueline.slo.sli", objective.sli_type.name());
    out.push_str("trueline.slo.window", &objective.window.text());
    out.push("trueline.slo.target", AnyValue::Double(objective.target));
    out.push("trueline.slo.coverage", AnyValue::Double(report.coverage));
    if let Some(remaining) = report.remaining(objective) {
        out.push("trueline.slo.error_budget.remaining", AnyValue::Double(remaining));
    }
    if let Some(urgency) = event.urgency(told) {
        out.push_str("trueline.slo.severity", urgency.name());
    }
    if let Event::BurnRate(place) = event
        && let Some(pair) =
            objective.burn.get(*place).and_then(|alert| alert.pairs.iter().find(|pair| burns(told, pair)))
    {
        for (name, width) in [("short", pair.short), ("long", pair.long)] {
            out.push_str(&format!("trueline.slo.burn_rate.{name}_window"), &duration_text(width));
            if let Some(rate) = report.burn_rate(objective, width) {
                out.push(format!("trueline.slo.burn_rate.{name}"), AnyValue::Double(rate));
            }
        }
        out.push("trueline.slo.burn_rate.factor", AnyValue::Double(pair.factor));
    }
    for (name, value) in &objective.labels {
        out.push_str(name, value);
    }
    out
}

fn burns(told: &Told<'_>, pair: &crate::sla::plan::Pair) -> bool {
    let exceeds = |width| told.report.burn_rate(told.objective, width).is_some_and(|rate| rate > pair.factor);
    exceeds(pair.short) && exceeds(pair.long)
}
