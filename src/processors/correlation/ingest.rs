//! The half on every shard: it picks events out of the stream of log records, and counts the lines that services
//! write.

use std::collections::{BTreeMap, btree_map::Entry};

use bytes::Bytes;
use component::{Counter, Cx, Processor};
use model::{Ack, Batch, Partial, Payload, Traces, alert_event};
use prost::Message;
use wire::{
    build::{Attributes, LogsWriter},
    view::{KeyValue, LogRecord, Span, groups},
};

use super::{
    events,
    lines::{Line, line_of},
};
use crate::aggregation::spec::{self, SERVICE_NAME};

/// Raised when the meaning of a field changes.
pub(super) const VERSION: u32 = 1;

/// The scope under which alerts are told.
const ALERTS: &[u8] = b"alerting";
/// What other stages write is no line of the service that it tells of.
const OURS: &[u8] = b"trueline.";
/// The event of the semantic conventions for feature flags, of a log record or a span, and its name of before.
const FLAG_WAS_ASKED: [&[u8]; 2] = [b"feature_flag.evaluation", b"feature_flag"];
/// What stands before the name of a flag.
pub(super) const FLAG: &str = "feature_flag/";
/// Variants that are noted in a second.
const MOST_FLAGS: usize = 1024;
/// Lines that are counted apart in a second.
const MOST_LINES: usize = 10_000;

/// What shards tell: `proto/correlation.proto` is its description.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CorrelationPartial {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// An encoded `ExportLogsServiceRequest` with events alone.
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) events: Bytes,
    /// An encoded `ExportLogsServiceRequest` of alerts, which wait here until it is known who has spoken of them.
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) alerts: Bytes,
    #[prost(message, repeated, tag = "4")]
    pub(super) lines: Vec<LineRow>,
    /// Variants of feature flags that services were told.
    #[prost(message, repeated, tag = "6")]
    pub(super) flags: Vec<FlagRow>,
}

/// How often a service was told a variant of a feature flag.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct FlagRow {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    /// [`FLAG`], the flag's name, and in brackets who provides it where that is told.
    #[prost(string, tag = "2")]
    pub(super) flag: String,
    #[prost(string, tag = "3")]
    pub(super) variant: String,
    #[prost(uint64, tag = "4")]
    pub(super) evaluations: u64,
}

/// How often a service wrote a line.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LineRow {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(string, tag = "2")]
    pub(super) key: String,
    #[prost(bool, tag = "3")]
    pub(super) is_complaint: bool,
    #[prost(uint64, tag = "4")]
    pub(super) records: u64,
}

/// Passes log records on and tells of events among them; requests of alerts it takes out of the stream.
pub(super) struct IngestHalf {
    changes: Vec<String>,
    counts_lines: bool,
    lines: BTreeMap<(String, Line), u64>,
    /// By service, flag and variant how often it was told since the last tick.
    flags: BTreeMap<(String, String, String), u64>,
    uncounted: Counter,
    left_out_flags: Counter,
}

impl IngestHalf {
    pub(super) fn new(
        changes: &[String],
        counts_lines: bool,
        uncounted: Counter,
        left_out_flags: Counter,
    ) -> Self {
        let (lines, flags) = (BTreeMap::new(), BTreeMap::new());
        Self { changes: changes.to_vec(), counts_lines, lines, flags, uncounted, left_out_flags }
    }

    /// Returns the events of a request, and counts the lines of all else.
    fn look_at(&mut self, request: &[u8]) -> Vec<u8> {
        let mut events = LogsWriter::new();
        for group in groups(request) {
            let service = group.resource.attribute("service.name");
            let service = service.map(|name| events::cut(name.to_label_string()));
            for message in group.items() {
                let record = LogRecord::of(message);
                if events::is_event(record.event_name, &self.changes) {
                    events.copy(&group, message, &Attributes::new());
                } else if let Some(service) = &service
                    && FLAG_WAS_ASKED.contains(&record.event_name)
                {
                    self.see_flag(service, record.attributes());
                } else if let Some(service) = &service
                    && self.counts_lines
                    && !record.event_name.starts_with(OURS)
                {
                    self.count(service, &record);
                }
            }
        }
        events.take()
    }

    /// Looks for evaluations of feature flags among the events of spans. *Cost*: a walk over those that have events.
    fn look_at_spans(&mut self, traces: &Traces) {
        // A request has the spans of a resource one after the other.
        let mut service: Option<(u32, Option<String>)> = None;
        for span in traces.table.spans.iter().filter(|span| span.has_events) {
            let body = span.body.of(&traces.bytes);
            for event in (Span { body }).events().filter(|event| FLAG_WAS_ASKED.contains(&event.name)) {
                if service.as_ref().is_none_or(|(known, _)| *known != span.resource) {
                    let resource = traces.table.resources.get(span.resource as usize);
                    let resource = resource.map(|record| record.resource.of(&traces.bytes));
                    let name = resource.and_then(|resource| spec::text_of(resource, SERVICE_NAME));
                    service = Some((span.resource, name.map(events::cut)));
                }
                if let Some((_, Some(service))) = &service {
                    self.see_flag(service, event.attributes());
                }
            }
        }
    }

    /// Counts which variant of a flag a service was told; the value where the variant has no name.
    fn see_flag<'a>(&mut self, service: &str, attributes: impl Iterator<Item = KeyValue<'a>>) {
        let (mut flag, mut variant, mut value, mut provider) = (None, None, None, None);
        for attribute in attributes {
            let place = match attribute.key {
                b"feature_flag.key" => &mut flag,
                b"feature_flag.result.variant" | b"feature_flag.variant" => &mut variant,
                b"feature_flag.result.value" => &mut value,
                b"feature_flag.provider.name" | b"feature_flag.provider_name" => &mut provider,
                _ => continue,
            };
            *place = Some(attribute.value().to_label_string());
        }
        let (Some(flag), Some(variant)) = (flag, variant.or(value)) else { return };
        let flag = match provider {
            Some(provider) => format!("{FLAG}{flag} ({provider})"),
            None => format!("{FLAG}{flag}"),
        };
        let key = (service.to_owned(), events::cut(flag), events::cut(variant));
        if self.flags.len() < MOST_FLAGS || self.flags.contains_key(&key) {
            *self.flags.entry(key).or_default() += 1;
        } else {
            self.left_out_flags.add(1);
        }
    }

    fn count(&mut self, service: &str, record: &LogRecord<'_>) {
        let Some(line) = line_of(record) else { return };
        let n = self.lines.len();
        match self.lines.entry((service.to_owned(), line)) {
            Entry::Occupied(mut known) => *known.get_mut() += 1,
            Entry::Vacant(_) if n >= MOST_LINES => self.uncounted.add(1),
            Entry::Vacant(new) => {
                new.insert(1);
            }
        }
    }
}

impl Processor for IngestHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        let request = match &batch.payload {
            Payload::Logs(request) => request,
            Payload::Traces(traces) => {
                self.look_at_spans(traces);
                return cx.pass(batch);
            }
            _ => return cx.pass(batch),
        };
        let mut told = CorrelationPartial { version: VERSION, ..CorrelationPartial::default() };
        if tells_alerts(request) {
            // Who told of them waits until exporters have them.
            told.alerts = request.clone();
            return tell(&told, batch.ack, cx);
        }
        told.events = self.look_at(request).into();
        cx.pass(batch);
        if !told.events.is_empty() {
            tell(&told, Ack::none(), cx);
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        if self.lines.is_empty() && self.flags.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.lines).into_iter();
        let rows = lines.map(|((service, line), records)| LineRow {
            service,
            key: line.key,
            is_complaint: line.is_complaint,
            records,
        });
        let lines = rows.collect();
        let flag = |((service, flag, variant), evaluations)| FlagRow { service, flag, variant, evaluations };
        let flags = std::mem::take(&mut self.flags).into_iter().map(flag).collect();
        let told = CorrelationPartial { version: VERSION, lines, flags, ..CorrelationPartial::default() };
        tell(&told, Ack::none(), cx);
    }
}

/// Whether a request is what `alerting` writes; anybody may name a logger like it.
fn tells_alerts(request: &[u8]) -> bool {
    let Some(group) = groups(request).next().filter(|group| group.scope.name == ALERTS) else { return false };
    let first = group.items().next().map(LogRecord::of);
    first.is_some_and(|record| record.event_name.starts_with(alert_event::PREFIX.as_bytes()))
}

fn tell(told: &CorrelationPartial, ack: Ack, cx: &mut Cx<'_>) {
    let partial = Partial { bytes: told.encode_to_vec().into(), at: cx.now() };
    cx.pass(Batch { payload: Payload::Partial(partial), items: 0, ack });
}
