//! The shop with a fault in virtual time: spans of the services that suffer carry the id of the incident, from when it is
//! known until it is over.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use component::Telemetry;
use engine::Offline;
use model::{Signal, Timestamp, alert_event};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
};
use prost::Message;
use wire::view::{LogRecord, groups};

use crate::{
    incidents::{quick_start, recorded},
    rig::plan,
};

/// Of the first span.
const START: Timestamp = Timestamp::from_secs(1_767_225_603);
const SECOND: Duration = Duration::from_secs(1);
/// Payments fail for 45 seconds; a minute after the alert has ended the incident is resolved.
const LOAD: [&str; 7] = [
    "load",
    "--rate=100",
    "--duration=320s",
    "--signals=traces",
    "--fault=payment:errors@60s+45s=0.9",
    "--start=1767225603",
    "--output",
];
const FAULT_ENDS: u64 = 105;
const FAILED: i32 = 2;

/// A span that left the pipeline.
struct Span {
    /// Whole seconds since the first span of the load.
    second: u64,
    service: String,
    is_failed: bool,
    incident: Option<String>,
}

/// What left the pipeline.
#[derive(Default)]
struct Left {
    spans: Vec<Span>,
    /// Second, state and id of what was told of incidents.
    told: Vec<(u64, String, String)>,
}

impl Left {
    /// Plays the load through the pipeline of the quick start with `enrichment` at its end.
    fn of(enrichment: &str) -> Result<Self> {
        let yaml =
            quick_start(&[])?.replace("  correlation:\n", &format!("  correlation:\n  {enrichment}\n"));
        let yaml = yaml.replace(", correlation]", ", correlation, enrichment]");
        let (load, mut left) = (recorded(&LOAD)?, Self::default());
        let mut offline = Offline::new(plan(yaml)?, &Telemetry::default(), START);
        let mut waiting = load.iter().peekable();
        while waiting.peek().is_some() {
            let now = offline.now() + SECOND;
            while let Some((_, request)) = waiting.next_if(|(at, _)| *at < now) {
                offline.take(Signal::Traces, request.clone())?;
            }
            offline.advance(now);
            let second = now.since(START).as_secs();
            for export in offline.told().exports {
                match export.signal {
                    Signal::Traces => left.take_spans(second, &export.bytes.whole())?,
                    Signal::Logs => left.take_records(second, &export.bytes.whole()),
                    Signal::Metrics => {}
                }
            }
        }
        Ok(left)
    }

    fn take_spans(&mut self, second: u64, request: &[u8]) -> Result<()> {
        for of_resource in ExportTraceServiceRequest::decode(request)?.resource_spans {
            let resource = of_resource.resource.context("a shop's span has a resource")?;
            let service =
                text(&resource.attributes, "service.name").context("a resource names its service")?;
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let is_failed = span.status.as_ref().is_some_and(|status| status.code == FAILED);
                let incident = text(&span.attributes, alert_event::INCIDENT_ID);
                self.spans.push(Span { second, service: service.clone(), is_failed, incident });
            }
        }
        Ok(())
    }

    fn take_records(&mut self, second: u64, request: &[u8]) {
        let records = groups(request).flat_map(|group| group.items().collect::<Vec<_>>());
        for record in records.map(LogRecord::of) {
            let name = String::from_utf8_lossy(record.event_name).into_owned();
            let Some(state) = name.strip_prefix("trueline.incident.") else { continue };
            let id = record.attributes().find(|it| it.key == alert_event::INCIDENT_ID.as_bytes());
            let id = id.map(|it| it.value().to_label_string()).unwrap_or_default();
            self.told.push((second, state.to_owned(), id));
        }
    }

    /// The second in which the only incident came to a state, and its id.
    fn when(&self, state: &str) -> Result<(u64, &str)> {
        let mut told = self.told.iter().filter(|(_, name, _)| name == state);
        let (second, _, id) = told.next().with_context(|| format!("nothing was {state}: {:?}", self.told))?;
        ensure!(told.next().is_none(), "more than one was {state}: {:?}", self.told);
        Ok((*second, id))
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match attributes.iter().find(|it| it.key == key)?.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

#[test]
fn spans_of_the_services_that_suffer_carry_the_id_of_the_incident_while_it_is_open_and_no_longer()
-> Result<()> {
    let left = Left::of("enrichment: {spans: all}")?;
    let ((opened, id), (resolved, of_end)) = (left.when("opened")?, left.when("resolved")?);
    assert_eq!(id, of_end);
    let (mut services, mut n_after) = (BTreeSet::new(), 0);
    for span in &left.spans {
        let is_after = span.second > resolved + 1;
        n_after += u64::from(is_after && span.service == "payment");
        match &span.incident {
            None => {}
            Some(_) if span.second <= opened || is_after => {
                panic!(
                    "a span of second {} is marked, the incident lasts from {opened} to {resolved}",
                    span.second
                )
            }
            Some(found) => {
                assert_eq!(found, id);
                services.insert(span.service.as_str());
            }
        }
        // A second is enough for what is told to come to the shards.
        let is_within = (opened + 2..=resolved).contains(&span.second);
        ensure!(!is_within || span.service != "payment" || span.incident.is_some(), "second {}", span.second);
    }
    assert_eq!(
        services,
        BTreeSet::from(["frontend", "payment"]),
        "the cause, and the service whose promise breaks"
    );
    assert!(n_after > 20, "{n_after} spans came after the end");
    Ok(())
}

#[test]
fn of_a_service_in_an_incident_the_spans_that_failed_are_marked_by_default() -> Result<()> {
    let left = Left::of("enrichment:")?;
    let (opened, _) = left.when("opened")?;
    let in_fault =
        |span: &&Span| span.service == "payment" && (opened + 2..FAULT_ENDS).contains(&span.second);
    let (failed, fine): (Vec<&Span>, Vec<&Span>) =
        left.spans.iter().filter(in_fault).partition(|span| span.is_failed);
    assert!(failed.len() > 10 && !fine.is_empty(), "{} failed, {} did not", failed.len(), fine.len());
    assert!(failed.iter().all(|span| span.incident.is_some()));
    assert!(fine.iter().all(|span| span.incident.is_none()));
    Ok(())
}
