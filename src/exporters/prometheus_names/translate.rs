//! A metrics request to points with every label they will carry.

use std::{borrow::Cow, hash::BuildHasher, rc::Rc};

use bytes::Bytes;
use model::{Timestamp, prometheus::NameKind};
use rapidhash::quality::SeedableState;
use wire::view::{
    Exemplar as ExemplarView, ExponentialPoint, Group, HistogramPoint, KeyValue, Metric, MetricData,
    NumberPoint, Points, Resource, SummaryPoint, Temporality, groups,
};

use super::{
    Dropped, Exemplar, Family, FamilyKind, Label, Labels, MetricNames, Namer, Point, Sample, Settings, Value,
    labels::{join, set, set_default},
    values,
};

const SERVICE_NAMESPACE: &[u8] = b"service.namespace";
const SERVICE_NAME: &[u8] = b"service.name";
const SERVICE_INSTANCE_ID: &[u8] = b"service.instance.id";
static JOB: Bytes = Bytes::from_static(b"job");
static INSTANCE: Bytes = Bytes::from_static(b"instance");
static BUCKET_BOUND: Bytes = Bytes::from_static(b"le");
static QUANTILE: Bytes = Bytes::from_static(b"quantile");

/// The most characters that the labels of an exemplar may have together, names included.
/// *Source*: OpenMetrics 1.0, "Exemplars".
const MAX_EXEMPLAR_CHARS: usize = 128;

/// Translates requests; remembers names.
pub(crate) struct Translator {
    settings: Settings,
    namer: Namer,
    target_info: Rc<Family>,
    /// The same in every run: what sources add up to depends on their order.
    hasher: SeedableState<'static>,
}

/// A resource while its metrics are read.
struct Origin<'a> {
    resource: Resource<'a>,
    hash: u64,
    job: Bytes,
    instance: Bytes,
    /// Attributes that become labels of every series.
    promoted: Vec<KeyValue<'a>>,
    /// The latest time of any point; 0 before the first. *Units*: milliseconds since the epoch.
    latest_ms: i64,
}

/// What a metric's points have in common.
struct Common<'a, 'o> {
    origin: &'o mut Origin<'a>,
    scope_labels: &'o Labels,
    hash: u64,
    family: Rc<Family>,
    is_delta: bool,
}

/// What all kinds of points hold. *Units*: nanoseconds since the epoch, 0 when unknown.
struct Head {
    time: u64,
    start: u64,
    is_stale: bool,
}

impl Translator {
    pub(crate) fn new(settings: Settings) -> Self {
        let namer = Namer::new(&settings.namespace, settings.strategy);
        let target_info = Rc::new(Family {
            names: Rc::new(namer.target_info()),
            kind: FamilyKind::Gauge,
            help: Bytes::from_static(b"Target metadata"),
        });
        Self { settings, namer, target_info, hasher: SeedableState::fixed() }
    }

    /// Returns the names of the metric that describes resources.
    pub(crate) fn target_info(&self) -> &MetricNames {
        &self.target_info.names
    }

    /// Translates a request that was checked before. A point without a time gets `now`.
    pub(crate) fn translate(&mut self, request: &[u8], now: Timestamp) -> (Vec<Point>, Dropped) {
        let mut out = Out { points: Vec::new(), dropped: Dropped::default(), now_ms: millis(now.as_nanos()) };
        let mut open: Option<Origin<'_>> = None;
        for group in groups(request) {
            let is_new = open.as_ref().is_none_or(|origin| origin.resource != group.resource);
            if is_new && let Some(done) = open.replace(self.origin(group.resource)) {
                self.push_target_info(&done, &mut out);
            }
            let origin = open.as_mut().expect("a resource was just opened");
            self.translate_group(&group, origin, &mut out);
        }
        if let Some(done) = open {
            self.push_target_info(&done, &mut out);
        }
        (out.points, out.dropped)
    }

    fn origin<'a>(&self, resource: Resource<'a>) -> Origin<'a> {
        let text = |key: &[u8]| -> String {
            let found = resource.attributes().find(|attribute| attribute.key == key);
            found.map(|attribute| attribute.value().to_label_string()).unwrap_or_default()
        };
        let (namespace, name) = (text(SERVICE_NAMESPACE), text(SERVICE_NAME));
        let job = match (namespace.as_str(), name.as_str()) {
            ("", _) | (_, "") => name,
            (namespace, name) => format!("{namespace}/{name}"),
        };
        let config = self.settings.resource_labels;
        let is_promoted = |attribute: &KeyValue<'_>| {
            config.enabled && !(config.exclude_service_attributes && is_identifying(attribute))
        };
        Origin {
            resource,
            hash: self.hasher.hash_one(resource.body),
            job: job.into(),
            instance: text(SERVICE_INSTANCE_ID).into(),
            promoted: resource.attributes().filter(is_promoted).collect(),
            latest_ms: 0,
        }
    }

    fn translate_group<'a>(&mut self, group: &Group<'a>, origin: &mut Origin<'a>, out: &mut Out) {
        let scope_labels =
            if self.settings.has_scope_labels { self.scope_labels(group) } else { Labels::new() };
        let scope_hash = self.hasher.hash_one((origin.hash, group.scope.body, group.scope_schema_url));
        for body in group.items() {
            let metric = Metric::of(body);
            let hash = self.hasher.hash_one((scope_hash, metric.name, metric.unit));
            self.translate_metric(&metric, &scope_labels, hash, origin, out);
        }
    }

    fn scope_labels(&mut self, group: &Group<'_>) -> Labels {
        let mut labels = Labels::new();
        for attribute in group.scope.attributes() {
            // These three would take the place of the scope's own.
            if matches!(attribute.key, b"name" | b"version" | b"schema_url") {
                continue;
            }
            let key = format!("otel_scope_{}", String::from_utf8_lossy(attribute.key));
            if let Some(name) = self.namer.label(&key) {
                join(&mut labels, name, attribute.value().to_label_string().into());
            }
        }
        let own = [
            (&b"otel_scope_name"[..], group.scope.name),
            (b"otel_scope_version", group.scope.version),
            (b"otel_scope_schema_url", group.scope_schema_url),
        ];
        for (name, value) in own.into_iter().filter(|(_, value)| !value.is_empty()) {
            set(&mut labels, &Bytes::from_static(name), &text(value));
        }
        labels
    }

    fn translate_metric<'a>(
        &mut self,
        metric: &Metric<'a>,
        scope_labels: &Labels,
        hash: u64,
        origin: &mut Origin<'a>,
        out: &mut Out,
    ) {
        let Some((points, temporality, kind, name_kind)) = kind_of(&metric.data) else { return };
        let count = || points.iter().count() as u64;
        let is_delta = temporality == Temporality::Delta;
        if temporality == Temporality::Unspecified {
            return out.dropped.add("unspecified_temporality", count());
        }
        if is_delta && !self.settings.takes_deltas {
            return out.dropped.add("delta_temporality", count());
        }
        let (name, unit) = (String::from_utf8_lossy(metric.name), String::from_utf8_lossy(metric.unit));
        let Some(names) = self.namer.metric(&name, &unit, name_kind) else {
            return out.dropped.add("invalid_name", count());
        };
        let family = Rc::new(Family { names, kind, help: text(metric.description) });
        let mut common = Common { origin, scope_labels, hash, family, is_delta };
        for body in points.iter() {
            let made = match metric.data {
                MetricData::Empty => continue,
                MetricData::Gauge(_) | MetricData::Sum { .. } => self.number_point(body, &mut common, out),
                MetricData::Histogram { .. } => self.explicit_point(body, &mut common, out),
                MetricData::ExponentialHistogram { .. } => self.exponential_point(body, &mut common, out),
                MetricData::Summary(_) => Ok(self.summary_point(body, &mut common, out)),
            };
            match made {
                Ok(point) => out.points.push(point),
                Err(reason) => out.dropped.add(reason, 1),
            }
        }
    }

    fn number_point<'a>(
        &mut self,
        body: &'a [u8],
        common: &mut Common<'a, '_>,
        out: &Out,
    ) -> Result<Point, &'static str> {
        let view = NumberPoint::of(body);
        let value = match view.value {
            Some(value) => value.as_f64(),
            None if view.has_no_value() => 0.0,
            None => return Err("no_value"),
        };
        let is_counter = common.family.kind == FamilyKind::Counter;
        let head = Head { time: view.time, start: view.start, is_stale: view.has_no_value() };
        let exemplars = view.exemplars().filter(|_| is_counter);
        Ok(self.point(head, view.attributes(), exemplars, Value::Number(value), common, out))
    }

    fn explicit_point<'a>(
        &mut self,
        body: &'a [u8],
        common: &mut Common<'a, '_>,
        out: &Out,
    ) -> Result<Point, &'static str> {
        let view = HistogramPoint::of(body);
        let value = values::explicit(&view)?;
        let head = Head { time: view.time, start: view.start, is_stale: view.has_no_value() };
        Ok(self.point(head, view.attributes(), view.exemplars(), value, common, out))
    }

    fn exponential_point<'a>(
        &mut self,
        body: &'a [u8],
        common: &mut Common<'a, '_>,
        out: &Out,
    ) -> Result<Point, &'static str> {
        let view = ExponentialPoint::of(body);
        let value = values::exponential(&view)?;
        let head = Head { time: view.time, start: view.start, is_stale: view.has_no_value() };
        Ok(self.point(head, view.attributes(), view.exemplars(), value, common, out))
    }

    fn summary_point<'a>(&mut self, body: &'a [u8], common: &mut Common<'a, '_>, out: &Out) -> Point {
        let view = SummaryPoint::of(body);
        let head = Head { time: view.time, start: view.start, is_stale: view.has_no_value() };
        self.point(head, view.attributes(), std::iter::empty(), values::summary(&view), common, out)
    }

    fn point<'a>(
        &mut self,
        head: Head,
        attributes: impl Iterator<Item = KeyValue<'a>> + Clone,
        exemplars: impl Iterator<Item = ExemplarView<'a>>,
        value: Value,
        common: &mut Common<'a, '_>,
        out: &Out,
    ) -> Point {
        let at_ms = if head.time == 0 { out.now_ms } else { millis(head.time) };
        common.origin.latest_ms = common.origin.latest_ms.max(at_ms);
        let origin = attributes.clone().fold(common.hash, |sum, attribute| {
            // Independent of the order in which attributes were sent.
            sum.wrapping_add(self.hasher.hash_one((attribute.key, attribute.value)))
        });
        let mut labels = self.labels(common.origin, common.scope_labels, attributes);
        match common.family.kind {
            // These belong to the series that the point is spread over.
            FamilyKind::Histogram => set(&mut labels, &BUCKET_BOUND, &Bytes::new()),
            FamilyKind::Summary => set(&mut labels, &QUANTILE, &Bytes::new()),
            FamilyKind::Counter | FamilyKind::Gauge => {}
        }
        let exemplars = exemplars.filter_map(|exemplar| self.exemplar(&exemplar, at_ms)).collect();
        // A gauge has no time at which it was zero; receivers would make one up.
        let has_start = common.family.kind != FamilyKind::Gauge || common.is_delta;
        let start_ms = if has_start { millis(head.start) } else { 0 };
        let sample = Sample { at_ms, start_ms, value, is_stale: head.is_stale, exemplars };
        Point { family: Rc::clone(&common.family), labels, origin, is_delta: common.is_delta, sample }
    }

    fn labels<'a>(
        &mut self,
        origin: &Origin<'a>,
        scope_labels: &Labels,
        attributes: impl Iterator<Item = KeyValue<'a>>,
    ) -> Labels {
        // Of equal keys the first wins, and the resource's come first.
        let mut sorted: Vec<KeyValue<'a>> = origin.promoted.iter().copied().chain(attributes).collect();
        sorted.sort_by_key(|attribute| attribute.key);
        sorted.dedup_by_key(|attribute| attribute.key);
        let mut labels = Labels::with_capacity(sorted.len() + scope_labels.len() + 3);
        for attribute in sorted {
            self.join_attribute(&mut labels, &attribute);
        }
        for (name, value) in [(&JOB, &origin.job), (&INSTANCE, &origin.instance)] {
            if !value.is_empty() {
                set(&mut labels, name, value);
            }
        }
        for Label { name, value } in &self.settings.external_labels {
            set_default(&mut labels, name, value);
        }
        for Label { name, value } in scope_labels {
            set(&mut labels, name, value);
        }
        labels
    }

    fn join_attribute(&mut self, labels: &mut Labels, attribute: &KeyValue<'_>) {
        let name = self.namer.label(&String::from_utf8_lossy(attribute.key));
        if let Some(name) = name.filter(|name| name != "__name__") {
            join(labels, name, attribute.value().to_label_string().into());
        }
    }

    /// Returns an exemplar with its trace, and with what else was measured if that is short enough.
    fn exemplar(&mut self, view: &ExemplarView<'_>, at_ms: i64) -> Option<Exemplar> {
        let value = view.value?.as_f64();
        let mut labels = Labels::new();
        for (name, id, len) in [(&b"span_id"[..], view.span_id, 8), (b"trace_id", view.trace_id, 16)] {
            if id.len() == len && id.iter().any(|&byte| byte != 0) {
                labels.push(Label::new(name, hex(id)));
            }
        }
        let mut all = labels.clone();
        for attribute in view.filtered_attributes() {
            let name = self.namer.label(&String::from_utf8_lossy(attribute.key));
            if let Some(name) = name.filter(|name| name != "trace_id" && name != "span_id") {
                join(&mut all, name, attribute.value().to_label_string().into());
            }
        }
        let chars = |bytes: &Bytes| String::from_utf8_lossy(bytes).chars().count();
        let total: usize = all.iter().map(|label| chars(&label.name) + chars(&label.value)).sum();
        let labels = if total <= MAX_EXEMPLAR_CHARS { all } else { labels };
        let at_ms = if view.time == 0 { at_ms } else { millis(view.time) };
        Some(Exemplar { labels, value, at_ms })
    }

    /// Says what a resource is beside a job and an instance, so that queries may join it.
    fn push_target_info(&mut self, origin: &Origin<'_>, out: &mut Out) {
        let has_more = origin.resource.attributes().any(|attribute| !is_identifying(&attribute));
        let has_identity = !origin.job.is_empty() || !origin.instance.is_empty();
        if !self.settings.has_target_info || origin.latest_ms == 0 || !has_more || !has_identity {
            return;
        }
        let bare = Origin {
            promoted: Vec::new(),
            job: origin.job.clone(),
            instance: origin.instance.clone(),
            ..*origin
        };
        let described = origin.resource.attributes().filter(|attribute| !is_identifying(attribute));
        let labels = self.labels(&bare, &Labels::new(), described);
        out.points.push(Point {
            family: Rc::clone(&self.target_info),
            labels,
            origin: origin.hash,
            is_delta: false,
            sample: Sample {
                at_ms: origin.latest_ms,
                start_ms: 0,
                value: Value::Number(1.0),
                is_stale: false,
                exemplars: Vec::new(),
            },
        });
    }
}

/// What a translation has made so far.
struct Out {
    points: Vec<Point>,
    dropped: Dropped,
    now_ms: i64,
}

/// Returns a metric's points, temporality and type; gauges and summaries are cumulative in that their
/// values stand for themselves.
fn kind_of<'a>(data: &MetricData<'a>) -> Option<(Points<'a>, Temporality, FamilyKind, NameKind)> {
    let cumulative = Temporality::Cumulative;
    Some(match *data {
        MetricData::Empty => return None,
        MetricData::Gauge(points) => (points, cumulative, FamilyKind::Gauge, NameKind::Gauge),
        MetricData::Sum { points, temporality, is_monotonic: true } => {
            (points, temporality, FamilyKind::Counter, NameKind::Counter)
        }
        MetricData::Sum { points, temporality, is_monotonic: false } => {
            (points, temporality, FamilyKind::Gauge, NameKind::Other)
        }
        MetricData::Histogram { points, temporality }
        | MetricData::ExponentialHistogram { points, temporality } => {
            (points, temporality, FamilyKind::Histogram, NameKind::Other)
        }
        MetricData::Summary(points) => (points, cumulative, FamilyKind::Summary, NameKind::Other),
    })
}

fn is_identifying(attribute: &KeyValue<'_>) -> bool {
    [SERVICE_NAMESPACE, SERVICE_NAME, SERVICE_INSTANCE_ID].contains(&attribute.key)
}

/// Copies text; what is not UTF-8 is replaced, since servers refuse it.
fn text(bytes: &[u8]) -> Bytes {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(_) => Bytes::copy_from_slice(bytes),
        Cow::Owned(replaced) => replaced.into(),
    }
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).expect("a 64-bit count of nanoseconds has fewer than 2^63 milliseconds")
}

fn hex(id: &[u8]) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::with_capacity(id.len() * 2), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string takes any text");
        out
    })
}
