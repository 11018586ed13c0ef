//! Metrics as requests of OTLP.

use bytes::Bytes;
use wire::{
    build::{
        Attributes, Exemplar as OtlpExemplar, HistogramPoint, MetricHead, MetricsWriter, NumberPoint,
        ScopeHead, SummaryPoint,
    },
    view::{NO_RECORDED_VALUE, Number, Quantile, Temporality},
};

use super::{
    families::{Drops, Exemplar, Families, Family, Group, Pairs, Resource, Scope, Shape, identity},
    metadata::ucum,
};

/// The scope of what has none, under the name that dashboards of the collector know.
const SCOPE: &str = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver";
/// After so much another request begins. *Units*: bytes.
const USUAL_REQUEST: usize = 1 << 20;
/// So many points are written before it is looked how long a request has become.
const POINTS_AT_ONCE: usize = 500;

/// A request, with the number of its points.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) bytes: Bytes,
    pub(super) n_points: u64,
}

/// Writes all families; what is no whole point is counted.
pub(super) fn write(families: &Families, drops: &mut Drops) -> Vec<Request> {
    let mut out = Out::default();
    for resource in &families.resources {
        let attributes = encoded(&resource.attributes);
        out.is_new_resource = true;
        for scope in &resource.scopes {
            out.is_new_scope = true;
            for family in &scope.families {
                for groups in family.groups.chunks(POINTS_AT_ONCE) {
                    let whole: Vec<&Group> =
                        groups.iter().filter(|group| group.is_whole(family.shape)).collect();
                    drops.incomplete +=
                        groups.iter().filter(|group| group.lacks_count(family.shape)).count() as u64;
                    if !whole.is_empty() {
                        out.begin(&attributes, resource, scope);
                        out.metric(family, &whole);
                        out.cut_if_long();
                    }
                }
            }
        }
    }
    out.cut();
    out.requests
}

#[derive(Default)]
struct Out {
    writer: MetricsWriter,
    requests: Vec<Request>,
    n_points: u64,
    is_new_resource: bool,
    is_new_scope: bool,
}

impl Out {
    /// Begins the resource and the scope where they are not open.
    fn begin(&mut self, attributes: &Attributes, resource: &Resource, scope: &Scope) {
        if std::mem::take(&mut self.is_new_resource) {
            self.writer.resource(attributes);
            self.is_new_scope = true;
        }
        if !std::mem::take(&mut self.is_new_scope) {
            return;
        }
        if scope.id.is_absent() {
            return self.writer.scope(SCOPE, env!("CARGO_PKG_VERSION"));
        }
        let told = resource.scope_infos.get(&scope.id).unwrap_or(&scope.id.attributes);
        let attributes = &encoded(told);
        let (name, version, schema_url) = (&scope.id.name, &scope.id.version, &scope.id.schema_url);
        self.writer.scope_of(&ScopeHead { name, version, attributes, schema_url });
    }

    fn cut_if_long(&mut self) {
        if self.writer.len() >= USUAL_REQUEST {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let n_points = std::mem::take(&mut self.n_points);
        let bytes = self.writer.take();
        if n_points > 0 {
            self.requests.push(Request { bytes: bytes.into(), n_points });
        }
        (self.is_new_resource, self.is_new_scope) = (true, true);
    }

    fn metric(&mut self, family: &Family, groups: &[&Group]) {
        self.n_points += groups.len() as u64;
        let mut metadata = Attributes::new();
        metadata.push_str("prometheus.type", family.metadata.kind.name());
        self.writer.metadata_of_next(&metadata);
        let unit = ucum(&family.metadata.unit);
        let head = MetricHead { name: &family.name, description: &family.metadata.help, unit: &unit };
        match family.shape {
            Shape::Gauge | Shape::Counter | Shape::Sum => {
                let mut points = match family.shape {
                    Shape::Gauge => self.writer.gauge(&head),
                    shape => self.writer.sum(&head, Temporality::Cumulative, shape == Shape::Counter),
                };
                groups.iter().for_each(|group| group.number(family.shape, |point| points.point(point)));
            }
            Shape::Histogram => {
                let mut points = self.writer.histogram(&head, Temporality::Cumulative);
                groups.iter().for_each(|group| group.histogram(|point| points.point(point)));
            }
            Shape::Summary => {
                let mut points = self.writer.summary(&head);
                groups.iter().for_each(|group| group.summary(|point| points.point(point)));
            }
        }
    }
}

impl Group {
    /// Whether it has what a point needs.
    fn is_whole(&self, shape: Shape) -> bool {
        match shape {
            Shape::Gauge | Shape::Counter | Shape::Sum => self.value.is_some(),
            Shape::Histogram | Shape::Summary => self.count.is_some(),
        }
    }

    fn lacks_count(&self, shape: Shape) -> bool {
        matches!(shape, Shape::Histogram | Shape::Summary) && self.count.is_none()
    }

    fn attributes(&self, shape: Shape) -> Attributes {
        let mut attributes = Attributes::new();
        identity(shape, &self.labels).for_each(|(name, value)| attributes.push_str(name, value));
        attributes
    }

    /// Returns buckets or quantiles in their order; of what has ended all, so that each of their series ends, and
    /// otherwise those that have not.
    fn parts(&self) -> Vec<(f64, f64)> {
        let known = self.parts.iter().filter_map(|(bound, value)| {
            if self.is_stale { Some((*bound, 0.0)) } else { value.map(|value| (*bound, value)) }
        });
        let mut parts: Vec<_> = known.collect();
        parts.sort_by(|a, b| a.0.total_cmp(&b.0));
        parts
    }

    fn flags(&self) -> u32 {
        if self.is_stale { NO_RECORDED_VALUE } else { 0 }
    }

    fn number(&self, shape: Shape, write: impl FnOnce(&NumberPoint<'_>)) {
        let attributes = &self.attributes(shape);
        let start = if shape == Shape::Gauge { 0 } else { nanos_of_seconds(self.created) };
        let value = self.value.filter(|_| !self.is_stale).map(Number::Double);
        with_exemplars(&self.exemplars, |exemplars| {
            let (time, flags) = (nanos_of_millis(self.time), self.flags());
            write(&NumberPoint { attributes, start, time, value, exemplars, flags });
        });
    }

    fn histogram(&self, write: impl FnOnce(&HistogramPoint<'_>)) {
        let attributes = &self.attributes(Shape::Histogram);
        let mut parts = self.parts();
        if parts.last().is_some_and(|(bound, _)| *bound == f64::INFINITY) {
            parts.pop();
        }
        let bounds: Vec<f64> = parts.iter().map(|(bound, _)| *bound).collect();
        let (mut counts, mut before) = (Vec::with_capacity(parts.len() + 1), 0.0);
        for cumulative in parts.iter().map(|(_, count)| *count).chain(self.count) {
            counts.push(if self.is_stale { 0 } else { (cumulative - before) as u64 });
            before = cumulative;
        }
        with_exemplars(&self.exemplars, |exemplars| {
            write(&HistogramPoint {
                attributes,
                start: nanos_of_seconds(self.created),
                time: nanos_of_millis(self.time),
                count: self.count.filter(|_| !self.is_stale).unwrap_or(0.0) as u64,
                sum: self.sum.filter(|_| !self.is_stale),
                min: None,
                max: None,
                bucket_counts: &counts,
                explicit_bounds: &bounds,
                exemplars,
                flags: self.flags(),
            });
        });
    }

    fn summary(&self, write: impl FnOnce(&SummaryPoint<'_>)) {
        let attributes = &self.attributes(Shape::Summary);
        let told = |value: Option<f64>| value.filter(|_| !self.is_stale).unwrap_or(0.0);
        let parts = self.parts().into_iter();
        let quantiles: Vec<Quantile> = parts.map(|(quantile, value)| Quantile { quantile, value }).collect();
        write(&SummaryPoint {
            attributes,
            start: nanos_of_seconds(self.created),
            time: nanos_of_millis(self.time),
            count: told(self.count) as u64,
            sum: told(self.sum),
            quantiles: &quantiles,
            flags: self.flags(),
        });
    }
}

fn encoded(pairs: &Pairs) -> Attributes {
    let mut attributes = Attributes::new();
    pairs.iter().for_each(|(name, value)| attributes.push_str(name, value));
    attributes
}

fn nanos_of_millis(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).saturating_mul(1_000_000)
}

/// Keeps what a double holds of a fraction, as the collector does.
fn nanos_of_seconds(seconds: f64) -> u64 {
    let whole = seconds.trunc();
    let nanos = ((seconds - whole) * 1e9) as u64;
    (whole as u64).saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// Hands over exemplars, those named `trace_id` and `span_id` as ids.
fn with_exemplars(all: &[Exemplar], write: impl FnOnce(&[OtlpExemplar<'_>])) {
    let attributes: Vec<Attributes> = all.iter().map(|exemplar| encoded(&exemplar.others())).collect();
    let exemplars: Vec<_> = all
        .iter()
        .zip(&attributes)
        .map(|(exemplar, filtered_attributes)| OtlpExemplar {
            time: nanos_of_millis(exemplar.time),
            value: Number::Double(exemplar.value),
            trace_id: exemplar.id("trace_id"),
            span_id: exemplar.id("span_id"),
            filtered_attributes,
        })
        .collect();
    write(&exemplars);
}

impl Exemplar {
    fn id<const N: usize>(&self, key: &str) -> Option<[u8; N]> {
        let (_, text) = self.labels.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?;
        id(text)
    }

    /// Labels that are no ids.
    fn others(&self) -> Pairs {
        let is_id = |(name, value): &&(String, String)| {
            (name.eq_ignore_ascii_case("trace_id") && id::<16>(value).is_some())
                || (name.eq_ignore_ascii_case("span_id") && id::<8>(value).is_some())
        };
        self.labels.iter().filter(|label| !is_id(label)).cloned().collect()
    }
}

/// Reads an id in hexadecimal: of a longer one the beginning, a shorter one with zeros before it, as the collector does.
fn id<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes().get(..2 * N).unwrap_or(text.as_bytes());
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits).ok()?;
    let mut id = [0; N];
    id.get_mut(N - bytes.len()..)?.copy_from_slice(&bytes);
    Some(id)
}
