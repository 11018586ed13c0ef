//! Counts series, and which attribute makes them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use wire::view::{
    ExponentialPoint, HistogramPoint, KeyValue, Metric, MetricData, NumberPoint, SummaryPoint, groups,
};

/// More are not told apart: some 100 bytes each.
const MOST_SERIES: usize = 1_000_000;

/// All series that came.
#[derive(Default)]
pub(crate) struct Census {
    groups: BTreeMap<(String, String), Group>,
    /// Names of attributes by number.
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    n_series: usize,
    /// Points of series that found no room here.
    pub(crate) n_left_out: u64,
    /// Points in all.
    pub(crate) n_points: u64,
    /// Samples in all, as Prometheus counts: a histogram is one for each bucket, its sum and its count.
    pub(crate) n_samples: u64,
}

/// The series of one metric of one service.
#[derive(Default)]
struct Group {
    series: HashMap<u64, Series>,
    n_samples: u64,
    n_overflow_points: u64,
}

struct Series {
    /// The number of an attribute's name, and its name and value as one number.
    attributes: Vec<(u32, u64)>,
    /// How many series it is in Prometheus.
    weight: u64,
}

/// What is told of a metric of a service.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Row {
    pub(crate) service: String,
    pub(crate) metric: String,
    pub(crate) n_series: u64,
    pub(crate) n_samples: u64,
    /// Points that a full table no longer told apart.
    pub(crate) n_overflow_points: u64,
    /// Which attributes make them, the worst first.
    pub(crate) attributes: Vec<Attribute>,
}

/// What an attribute does to the number of series.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) n_values: u64,
    /// How many series there would be without it.
    pub(crate) n_series_without: u64,
}

impl Census {
    /// Counts what is in a metrics request.
    pub(crate) fn take(&mut self, request: &[u8]) {
        for group in groups(request) {
            let service = group.resource.attribute("service.name");
            let service = service.map(|value| value.to_label_string()).unwrap_or_default();
            let resource: Vec<(u32, u64)> =
                group.resource.attributes().map(|pair| self.pair(pair, " (resource)")).collect();
            for body in group.items() {
                let metric = Metric::of(body);
                let name = String::from_utf8_lossy(metric.name).into_owned();
                self.take_metric(&service, &name, &resource, &metric);
            }
        }
    }

    fn take_metric(&mut self, service: &str, name: &str, resource: &[(u32, u64)], metric: &Metric<'_>) {
        let key = (service.to_owned(), name.to_owned());
        match metric.data {
            MetricData::Empty => {}
            MetricData::Gauge(points) | MetricData::Sum { points, .. } => {
                for point in points.iter().map(NumberPoint::of) {
                    self.take_point(&key, resource, point.attributes(), 1);
                }
            }
            MetricData::Histogram { points, .. } => {
                for point in points.iter().map(HistogramPoint::of) {
                    let weight = point.bucket_counts().count() as u64 + 2;
                    self.take_point(&key, resource, point.attributes(), weight);
                }
            }
            // One native histogram.
            MetricData::ExponentialHistogram { points, .. } => {
                for point in points.iter().map(ExponentialPoint::of) {
                    self.take_point(&key, resource, point.attributes(), 1);
                }
            }
            MetricData::Summary(points) => {
                for point in points.iter().map(SummaryPoint::of) {
                    let weight = point.quantiles().count() as u64 + 2;
                    self.take_point(&key, resource, point.attributes(), weight);
                }
            }
        }
    }

    fn take_point<'a>(
        &mut self,
        key: &(String, String),
        resource: &[(u32, u64)],
        attributes: impl Iterator<Item = KeyValue<'a>>,
        weight: u64,
    ) {
        let mut is_overflow = false;
        let mut all = resource.to_vec();
        for pair in attributes {
            is_overflow |= pair.key == b"otel.metric.overflow";
            all.push(self.pair(pair, ""));
        }
        self.n_points += 1;
        self.n_samples += weight;
        let has_room = self.n_series < MOST_SERIES;
        let group = self.groups.entry(key.clone()).or_default();
        group.n_samples += weight;
        group.n_overflow_points += u64::from(is_overflow);
        let identity = identity(&all);
        match group.series.get_mut(&identity) {
            Some(series) => series.weight = series.weight.max(weight),
            None if has_room => {
                group.series.insert(identity, Series { attributes: all, weight });
                self.n_series += 1;
            }
            None => self.n_left_out += 1,
        }
    }

    /// Counts one sample of Prometheus: those with the same labels of one metric, such as the buckets of a histogram,
    /// are told together.
    pub(crate) fn take_sample(&mut self, service: &str, metric: &str, labels: &[(&[u8], &[u8])]) {
        let all: Vec<(u32, u64)> = labels.iter().map(|(key, value)| self.named(key, value, "")).collect();
        let is_overflow = labels.iter().any(|(key, _)| *key == b"otel_metric_overflow");
        self.n_points += 1;
        self.n_samples += 1;
        let has_room = self.n_series < MOST_SERIES;
        let group = self.groups.entry((service.to_owned(), metric.to_owned())).or_default();
        group.n_samples += 1;
        group.n_overflow_points += u64::from(is_overflow);
        match group.series.get_mut(&identity(&all)) {
            Some(series) => series.weight += 1,
            None if has_room => {
                group.series.insert(identity(&all), Series { attributes: all, weight: 1 });
                self.n_series += 1;
            }
            None => self.n_left_out += 1,
        }
    }

    fn pair(&mut self, pair: KeyValue<'_>, suffix: &str) -> (u32, u64) {
        self.named(pair.key, pair.value, suffix)
    }

    fn named(&mut self, key: &[u8], value: &[u8], suffix: &str) -> (u32, u64) {
        let name = String::from_utf8_lossy(key).into_owned() + suffix;
        let number = match self.numbers.get(&name) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
                self.numbers.insert(name.clone(), number);
                self.names.push(name);
                number
            }
        };
        let mut hasher = DefaultHasher::new();
        (number, value).hash(&mut hasher);
        (number, hasher.finish())
    }

    /// Series in all, as Prometheus counts them.
    pub(crate) fn n_series(&self) -> u64 {
        self.groups.values().flat_map(|group| group.series.values()).map(|series| series.weight).sum()
    }

    /// Returns all metrics of all services, those with the most series first.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.groups.iter().map(|((service, metric), group)| self.row(service, metric, group)).collect();
        rows.sort_by(|a, b| {
            (b.n_series.cmp(&a.n_series)).then_with(|| (&a.service, &a.metric).cmp(&(&b.service, &b.metric)))
        });
        rows
    }

    fn row(&self, service: &str, metric: &str, group: &Group) -> Row {
        let mut keys: Vec<u32> =
            group.series.values().flat_map(|series| series.attributes.iter().map(|(key, _)| *key)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut attributes: Vec<Attribute> = keys.into_iter().map(|key| self.attribute(group, key)).collect();
        attributes.sort_by(|a, b| {
            a.n_series_without
                .cmp(&b.n_series_without)
                .then(b.n_values.cmp(&a.n_values))
                .then_with(|| a.name.cmp(&b.name))
        });
        Row {
            service: service.to_owned(),
            metric: metric.to_owned(),
            n_series: group.series.values().map(|series| series.weight).sum(),
            n_samples: group.n_samples,
            n_overflow_points: group.n_overflow_points,
            attributes,
        }
    }

    /// Says what there would be without an attribute.
    fn attribute(&self, group: &Group, key: u32) -> Attribute {
        let mut values = HashSet::new();
        let mut without: HashMap<u64, u64> = HashMap::new();
        for (whole, series) in &group.series {
            let of_key = series.attributes.iter().filter(|(number, _)| *number == key);
            let rest = of_key.fold(*whole, |rest, (_, pair)| {
                values.insert(*pair);
                rest.wrapping_sub(*pair)
            });
            let weight = without.entry(rest).or_default();
            *weight = (*weight).max(series.weight);
        }
        Attribute {
            name: self.names.get(key as usize).cloned().unwrap_or_default(),
            n_values: values.len() as u64,
            n_series_without: without.values().sum(),
        }
    }
}

/// Attributes in any order are the same series, so their numbers are added; one can be taken out again.
fn identity(attributes: &[(u32, u64)]) -> u64 {
    attributes.iter().fold(0, |sum, (_, pair)| sum.wrapping_add(*pair))
}
