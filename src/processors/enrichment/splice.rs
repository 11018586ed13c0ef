//! The half that sees telemetry, and writes into it what was published.

use std::collections::HashMap;

use bytes::Bytes;
use component::{BuildCx, Counter, Cx, Processor};
use model::{Batch, Payload, SpanRec, Timestamp, Traces, alert_event};
use prost::Message;
use wire::{
    build::Attributes,
    edit::{SpanEditor, append_to_data_points, append_to_log_records, span_attribute},
    view::{self, AnyValue, LogRecord, Metric, MetricData, attributes},
};

use super::{
    EnrichmentConfig,
    config::Which,
    verdicts::{SPANS, VERSION, Verdicts, operation_key, point_key, resource_key},
};
use crate::aggregation::attributes::canonical;

/// Writes verdicts into what passes.
pub(super) struct Splicer {
    config: EnrichmentConfig,
    services: HashMap<String, Service>,
    /// When what is known no longer holds; 0 for never.
    valid_until: Timestamp,
    editor: SpanEditor,
    key: Vec<u8>,
    enriched: [Counter; 3],
    unreadable: Counter,
    expired: Counter,
}

/// What is known of a service and of all that belongs to it.
#[derive(Default)]
struct Service {
    itself: Option<Known>,
    operations: HashMap<Vec<u8>, Operation>,
    metrics: HashMap<Vec<u8>, HashMap<PointKey, Known>>,
    incident: Option<Incident>,
}

/// The incident that is open in a service, in the two forms in which it is written.
struct Incident {
    attributes: Attributes,
    /// As fields of a span.
    fields: Vec<u8>,
}

impl Incident {
    fn new(id: &str) -> Self {
        let mut attributes = Attributes::new();
        attributes.push_str(alert_event::INCIDENT_ID, id);
        let fields = fields_of(&attributes);
        Self { attributes, fields }
    }
}

fn fields_of(attributes: &Attributes) -> Vec<u8> {
    attributes.iter().flat_map(|it| span_attribute(it.key, it.value)).collect()
}

/// Tells a data point from others of its metric.
#[derive(PartialEq, Eq, Hash)]
struct PointKey {
    resource: u64,
    attributes: Vec<u8>,
}

struct Known {
    is_anomalous: bool,
    attributes: Attributes,
}

struct Operation {
    is_anomalous: bool,
    /// Attributes as fields of a span.
    fields: Vec<u8>,
}

impl Splicer {
    pub(super) fn new(config: &EnrichmentConfig, cx: &BuildCx<'_>) -> Self {
        let counter = |signal: &str| {
            let telemetry = cx.telemetry.with("otel_signal", signal);
            let description = "Spans, data points and log records that got attributes";
            telemetry.counter("otelcol_processor_enrichment_enriched_items", description, "{item}")
        };
        Self {
            config: config.clone(),
            services: HashMap::new(),
            valid_until: Timestamp::default(),
            editor: SpanEditor::new(),
            key: Vec::new(),
            enriched: ["traces", "metrics", "logs"].map(counter),
            unreadable: cx.telemetry.counter(
                "otelcol_processor_enrichment_unreadable_verdicts",
                "Verdicts of another release, which are left out",
                "{verdict}",
            ),
            expired: cx.telemetry.counter(
                "otelcol_processor_enrichment_expired_verdicts",
                "Verdicts that were forgotten, as no newer ones came in their time",
                "{verdict}",
            ),
        }
    }

    /// Takes what was published, in place of all before.
    fn learn(&mut self, published: &[u8]) {
        let Some(verdicts) = Verdicts::decode(published).ok().filter(|it| it.version == VERSION) else {
            self.unreadable.add(1);
            return;
        };
        self.services.clear();
        self.valid_until = Timestamp(verdicts.valid_until_unix_nano);
        for open in verdicts.incidents {
            self.services.entry(open.service).or_default().incident = Some(Incident::new(&open.id));
        }
        for subject in verdicts.subjects {
            let service = self.services.entry(subject.service).or_default();
            let is_anomalous = subject.is_anomalous;
            let mut written = Attributes::of_list(&subject.attributes);
            if let (SPANS | "", Some(incident)) = (&*subject.metric, &service.incident) {
                incident.attributes.iter().for_each(|it| written.push_encoded(it.key, it.value));
            }
            if subject.metric == SPANS {
                let fields = fields_of(&written);
                service.operations.insert(subject.key, Operation { is_anomalous, fields });
                continue;
            }
            let known = Known { is_anomalous, attributes: written };
            if subject.metric.is_empty() {
                service.itself = Some(known);
            } else {
                let key = PointKey { resource: subject.resource, attributes: subject.key };
                service.metrics.entry(subject.metric.into_bytes()).or_default().insert(key, known);
            }
        }
    }

    /// Forgets what no longer holds: who makes verdicts is gone, or nothing comes that could be judged.
    fn expire(&mut self, now: Timestamp) {
        if !self.services.is_empty() && self.valid_until.as_nanos() > 0 && now >= self.valid_until {
            self.services.clear();
            self.expired.add(1);
        }
    }

    fn splice_spans(&mut self, traces: &mut Traces) {
        let Self { config, services, editor, key, enriched, .. } = self;
        let of_resources: Vec<Option<&Service>> = traces
            .table
            .resources
            .iter()
            .map(|resource| service_of(services, resource.resource.of(&traces.bytes)))
            .collect();
        if of_resources.iter().all(Option::is_none) {
            return;
        }
        let bytes = Bytes::clone(&traces.bytes);
        let mut n_enriched = 0;
        editor.append(traces, |_, span| {
            let service = of_resources.get(span.resource as usize).copied().flatten();
            let Some(service) = service else { return &[] };
            operation_key(span.kind, span.name.of(&bytes), key);
            let operation = service.operations.get(key.as_slice());
            let is_wanted = |is_marked: bool| {
                is_chosen(config.spans, is_marked) || is_sampled(config.share, span, &bytes)
            };
            let fields = match (operation, &service.incident) {
                (Some(operation), _) if is_wanted(operation.is_anomalous) => &operation.fields,
                (_, Some(incident)) if is_wanted(span.status == STATUS_ERROR) => &incident.fields,
                _ => return &[],
            };
            n_enriched += 1;
            fields
        });
        enriched[0].add(n_enriched);
    }

    fn splice_data_points(&self, request: &Bytes) -> Option<Bytes> {
        let mut n_enriched = 0;
        let mut resources = Resources::default();
        let spliced = append_to_data_points(request, |resource, metric, point| {
            let service = service_of(&self.services, resource)?;
            let metric = Metric::of(metric);
            let of_metric = service.metrics.get(metric.name)?;
            let attributes = point_key(point_attributes(&metric, point));
            let known = of_metric.get(&PointKey { resource: resources.key_of(resource), attributes })?;
            let chosen = is_chosen(self.config.data_points, known.is_anomalous);
            n_enriched += u64::from(chosen);
            chosen.then_some(&known.attributes)
        });
        self.enriched[1].add(n_enriched);
        spliced
    }

    fn splice_logs(&self, request: &Bytes) -> Option<Bytes> {
        let mut n_enriched = 0;
        let spliced = append_to_log_records(request, |resource, record| {
            let service = service_of(&self.services, resource)?;
            let attributes = match (&service.itself, &service.incident) {
                (Some(known), _) if is_chosen(self.config.logs, known.is_anomalous) => &known.attributes,
                (_, Some(incident)) if is_chosen(self.config.logs, is_failure(record)) => {
                    &incident.attributes
                }
                _ => return None,
            };
            // What stages tell of a service says by itself what it is about.
            let is_ours = LogRecord::of(record).event_name.starts_with(OURS);
            n_enriched += u64::from(!is_ours);
            (!is_ours).then_some(attributes)
        });
        self.enriched[2].add(n_enriched);
        spliced
    }
}

/// The key of the resource that was asked for last: points of one stand together.
#[derive(Default)]
struct Resources {
    last: Option<(Vec<u8>, u64)>,
}

impl Resources {
    fn key_of(&mut self, resource: &[u8]) -> u64 {
        match &self.last {
            Some((known, key)) if known == resource => *key,
            _ => {
                let key = resource_key(&canonical(resource, |_| true));
                self.last = Some((resource.to_vec(), key));
                key
            }
        }
    }
}

impl Processor for Splicer {
    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Verdicts(published) = &batch.payload {
            self.learn(published);
            return cx.absorb(batch);
        }
        if !self.services.is_empty() {
            match &mut batch.payload {
                Payload::Traces(traces) => self.splice_spans(traces),
                Payload::Metrics(bytes) => {
                    if let Some(spliced) = self.splice_data_points(bytes) {
                        *bytes = spliced;
                    }
                }
                Payload::Logs(bytes) => {
                    if let Some(spliced) = self.splice_logs(bytes) {
                        *bytes = spliced;
                    }
                }
                Payload::Partial(_)
                | Payload::Rollups(_)
                | Payload::Conditions(_)
                | Payload::Incidents(_)
                | Payload::Verdicts(_) => {}
            }
        }
        cx.pass(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.expire(cx.now());
    }
}

/// OTLP's status code of a span that failed.
const STATUS_ERROR: u8 = 2;
/// OTLP's lowest severity number of an error.
const SEVERITY_ERROR: i32 = 17;
/// How names of events begin that stages write.
const OURS: &[u8] = b"trueline.";

fn is_failure(record: &[u8]) -> bool {
    LogRecord::of(record).severity_number >= SEVERITY_ERROR
}

/// Whether an item is enriched; of an incident those that failed are marked.
fn is_chosen(which: Which, is_marked: bool) -> bool {
    match which {
        Which::None => false,
        Which::Anomalous => is_marked,
        Which::All => true,
    }
}

/// Chooses whole traces by the random bits of their ids, as OpenTelemetry's consistent sampling does.
fn is_sampled(share: f64, span: &SpanRec, request: &[u8]) -> bool {
    const RANDOM_BITS: u64 = (1 << 56) - 1;
    let Some(low) = span.trace_id(request).and_then(|id| id.last_chunk::<8>()) else { return false };
    let random = u64::from_be_bytes(*low) & RANDOM_BITS;
    (random as f64) < share * (1u64 << 56) as f64
}

fn service_of<'a>(services: &'a HashMap<String, Service>, resource: &[u8]) -> Option<&'a Service> {
    let name = attributes(resource, 1).find(|it| it.key == b"service.name").map(|it| it.value());
    match name {
        Some(AnyValue::Str(name)) => services.get(str::from_utf8(name).ok()?),
        None | Some(AnyValue::Empty) => services.get("unknown_service"),
        Some(value) => services.get(&value.to_label_string()),
    }
}

fn point_attributes<'a>(metric: &Metric<'a>, point: &'a [u8]) -> impl Iterator<Item = view::KeyValue<'a>> {
    let number = match metric.data {
        MetricData::Histogram { .. } => 9,
        MetricData::ExponentialHistogram { .. } => 1,
        _ => 7,
    };
    attributes(point, number)
}
