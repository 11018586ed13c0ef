//! When `sla` and `alerting` let alerts fire, by a virtual clock.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use component::Telemetry;
use engine::Offline;
use model::{Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
};
use prost::Message;

use super::{
    Firings,
    traffic::{START, Scrape, Slot, at},
};
use crate::rig::plan;

/// How the events come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Feed {
    /// Each event is a span.
    Spans,
    /// Counters, as scraped.
    Counters,
}

/// A collector as its users have it: everything but the objective is by default.
fn yaml(target: &str, feed: Feed) -> String {
    let (stages, sli) = match feed {
        Feed::Spans => ("sla, alerting", "{type: success_rate}"),
        Feed::Counters => (
            "aggregation, sla, alerting",
            "{type: success_rate, counters: {total: {name: requests}, bad: {name: requests, attributes: {outcome: bad}}}}",
        ),
    };
    format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors:
  aggregation:
  sla: {{slos: [{{name: availability, service: shop, sli: {sli}, target: {target}, burn_alerts: google}}]}}
  alerting:
exporters: {{nop: }}
service:
  pipelines:
    telemetry: {{receivers: [otlp], processors: [{stages}], exporters: [nop]}}
"
    )
}

/// Runs a scenario. Returns what fired, by `sloth_severity`.
pub(super) fn firings(
    target: &str,
    feed: Feed,
    slots: &[Slot],
    scrapes: &[Scrape],
) -> Result<BTreeMap<String, Firings>> {
    let mut offline = Offline::new(plan(yaml(target, feed))?, &Telemetry::default(), START);
    let mut firings = BTreeMap::from(["page", "ticket"].map(|severity| (severity.to_owned(), Vec::new())));
    match feed {
        Feed::Spans => {
            for slot in slots {
                // Whole seconds are evaluated when they begin, so the events come just before the slot's end.
                offline.advance(at(slot.end() - 1));
                note(&mut offline, &mut firings)?;
                if let Some(spans) = slot.spans() {
                    offline.take(Signal::Traces, Bytes::from(spans))?;
                }
            }
        }
        Feed::Counters => {
            for scrape in scrapes {
                offline.advance(at(scrape.at));
                note(&mut offline, &mut firings)?;
                if let Some(metrics) = scrape.metrics() {
                    offline.take(Signal::Metrics, Bytes::from(metrics))?;
                }
            }
        }
    }
    offline.advance(at(slots.last().context("a scenario is not empty")?.end()) + Duration::from_secs(2));
    note(&mut offline, &mut firings)?;
    Ok(firings)
}

/// Takes what the stages have told since.
fn note(offline: &mut Offline, firings: &mut BTreeMap<String, Firings>) -> Result<()> {
    for export in offline.told().exports.iter().filter(|export| export.signal == Signal::Logs) {
        let request = ExportLogsServiceRequest::decode(export.bytes.whole())?;
        let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
        for record in scopes.flat_map(|scope| &scope.log_records) {
            note_record(record, firings)?;
        }
    }
    Ok(())
}

fn note_record(record: &LogRecord, firings: &mut BTreeMap<String, Firings>) -> Result<()> {
    let Some(state) = record.event_name.strip_prefix("trueline.alert.") else { return Ok(()) };
    let Some(Value::KvlistValue(labels)) = value(&record.attributes, "trueline.alert.labels") else {
        return Ok(());
    };
    // What is not about an objective, such as the watchdog, is not compared.
    let Some(Value::StringValue(severity)) = value(&labels.values, "sloth_severity") else { return Ok(()) };
    let time = |key: &str| match value(&record.attributes, key) {
        Some(Value::IntValue(nanos)) => Ok(Timestamp(nanos.cast_unsigned()).since(START).as_secs()),
        other => Err(anyhow::anyhow!("{key} is {other:?}")),
    };
    let firings = firings.get_mut(severity).with_context(|| severity.clone())?;
    let is_reminder =
        value(&record.attributes, "trueline.alert.is_reminder") == Some(&Value::BoolValue(true));
    match state {
        _ if is_reminder => {}
        "firing" => {
            ensure!(
                firings.last().is_none_or(|last| last.1.is_some()),
                "{severity} fires twice: {firings:?}"
            );
            firings.push((time("trueline.alert.starts_at")?, None));
        }
        "resolved" => {
            let last = firings.last_mut().context("what is resolved has fired")?;
            ensure!(last.1.is_none(), "{severity} is resolved twice: {last:?}");
            last.1 = Some(time("trueline.alert.ends_at")?);
        }
        _ => {}
    }
    Ok(())
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.as_ref().and_then(|value: &AnyValue| value.value.as_ref())
}
