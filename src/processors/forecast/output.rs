//! What is told, as metrics and log records.

use model::{Series, Timestamp};
use wire::{
    build::{Attributes, LogRecord, LogsWriter, MetricHead, MetricsWriter, NumberPoint},
    view::{AnyValue, Number},
};

use super::{
    ForecastConfig,
    capacity::{Assessment, Verdict},
    outlook::Outlook,
    trend::{Course, Crossing, Target},
};
use crate::text::significant;

const SCOPE: &str = "forecast";
const EVENT: &str = "trueline.capacity";
pub(super) const HORIZONS: [&str; 3] = ["1h", "24h", "30d"];
/// A request is sent on once it has so many bytes, and one more such part: receivers refuse 4 MiB.
const PART_BYTES: usize = 512 << 10;
/// Data points of a series without thresholds, at most, and what each has beside the attributes of its series.
const POINTS: usize = 24;
const POINT_BYTES: usize = 96;
const POINTS_PER_THRESHOLD: usize = 3;
/// Log records of a request.
const PART_RECORDS: usize = 500;

/// What is told of a row.
pub(super) struct Told<'r> {
    pub(super) series: &'r Series,
    pub(super) slot: u32,
    pub(super) outlook: Outlook,
}

/// A capacity of which something else is said than before.
pub(super) struct Event<'r> {
    pub(super) series: &'r Series,
    /// Of the configuration's `capacity`.
    pub(super) index: usize,
    pub(super) assessment: Assessment,
    pub(super) before: Verdict,
    pub(super) verdict: Verdict,
}

/// Writes what is told of series, which are sorted, and gives away requests with their data points.
///
/// *Shape*: per resource and metric the gauge `.forecast`; per resource the gauges of `trueline.`, whose points name
/// the metric. A resource of many series, and what follows it, is in several requests: none has more than about a
/// megabyte.
pub(super) struct Metrics {
    writer: MetricsWriter,
    at: Timestamp,
    n_points: u64,
}

/// Cuts the series of a resource where what they say would be too long.
struct Parts<'t, 'r>(&'t [Told<'r>]);

impl<'t, 'r> Iterator for Parts<'t, 'r> {
    type Item = &'t [Told<'r>];

    fn next(&mut self) -> Option<Self::Item> {
        let mut n_bytes = 0;
        let fitting = self.0.iter().take_while(|told| {
            let n_points = POINTS + POINTS_PER_THRESHOLD * told.outlook.crossings.len();
            n_bytes += n_points * (POINT_BYTES + told.series.attributes.len() + told.series.metric.len());
            n_bytes <= PART_BYTES
        });
        let n_fitting = fitting.count().max(1).min(self.0.len());
        let (part, rest) = self.0.split_at(n_fitting);
        self.0 = rest;
        (!part.is_empty()).then_some(part)
    }
}

impl Metrics {
    pub(super) fn new(at: Timestamp) -> Self {
        Self { writer: MetricsWriter::new(), at, n_points: 0 }
    }

    /// Adds whole resources.
    pub(super) fn add(
        &mut self,
        told: &[Told<'_>],
        config: &ForecastConfig,
        mut give: impl FnMut(Vec<u8>, u64),
    ) {
        let of_resources = told.chunk_by(|a, b| a.series.resource == b.series.resource);
        for part in of_resources.flat_map(Parts) {
            self.part(part, config);
            if self.writer.len() >= PART_BYTES {
                give(self.writer.take(), std::mem::take(&mut self.n_points));
            }
        }
    }

    pub(super) fn end(mut self, mut give: impl FnMut(Vec<u8>, u64)) {
        if self.n_points > 0 {
            give(self.writer.take(), self.n_points);
        }
    }

    /// Writes series of one resource.
    fn part(&mut self, told: &[Told<'_>], config: &ForecastConfig) {
        self.writer.resource(&Attributes::of_list(&told[0].series.resource));
        self.writer.scope(SCOPE, "");
        let is_same = |a: &Told<'_>, b: &Told<'_>| {
            (&a.series.metric, &a.series.unit) == (&b.series.metric, &b.series.unit)
        };
        for of_metric in told.chunk_by(is_same) {
            self.forecasts(of_metric);
        }
        self.coverage(told);
        self.thresholds(told, config);
        self.trends(told);
        self.capacities(told, config);
    }

    fn forecasts(&mut self, told: &[Told<'_>]) {
        let series = told[0].series;
        let name = format!("{}.forecast", series.metric);
        let mut points = Vec::new();
        for Told { series, outlook, .. } in told {
            for (horizon, forecasted) in HORIZONS.iter().zip(&outlook.horizons) {
                let Some(forecasted) = forecasted else { continue };
                let mut add = |bound: &str, value: f64| {
                    let mut attributes = Attributes::of_list(&series.attributes);
                    attributes.push_str("stat", series.statistic.name());
                    attributes.push_str("horizon", horizon);
                    attributes.push_str("bound", bound);
                    points.push((attributes, value));
                };
                add("value", forecasted.value);
                if let Some((lower, upper)) = forecasted.interval {
                    add("lower", lower);
                    add("upper", upper);
                }
            }
        }
        self.gauge(&MetricHead { name: &name, description: "", unit: &series.unit }, points);
    }

    fn coverage(&mut self, told: &[Told<'_>]) {
        let mut points = Vec::new();
        for Told { series, outlook, .. } in told {
            for (horizon, forecasted) in HORIZONS.iter().zip(&outlook.horizons) {
                if let Some(coverage) = forecasted.and_then(|forecasted| forecasted.coverage) {
                    points.push((with(series, &[("horizon", horizon)]), coverage));
                }
            }
        }
        let head = MetricHead {
            name: "trueline.forecast.coverage_ratio",
            description: "Share of values that lay within the interval that was foretold for them",
            unit: "1",
        };
        self.gauge(&head, points);
    }

    fn thresholds(&mut self, told: &[Told<'_>], config: &ForecastConfig) {
        let mut points = Vec::new();
        for Told { series, outlook, .. } in told {
            for (index, crossing) in &outlook.crossings {
                let threshold = match config.thresholds[*index].target() {
                    Some(Target::Above(value)) => ("above", value.to_string()),
                    Some(Target::Below(value)) => ("below", value.to_string()),
                    None => continue,
                };
                let own = [(threshold.0, threshold.1.as_str())];
                add_crossing(&mut points, series, &own, crossing);
            }
        }
        let head = MetricHead {
            name: "trueline.forecast.time_to_threshold",
            description: "Time until the threshold is reached if the trend goes on",
            unit: "s",
        };
        self.gauge(&head, points);
    }

    fn trends(&mut self, told: &[Told<'_>]) {
        let course = |it: fn(&Course) -> f64| move |outlook: &Outlook| outlook.course.as_ref().map(it);
        self.trend(told, "slope", "Change per day, in the unit of the metric", course(|it| it.line.slope));
        self.trend(told, "r2", "Share of the days' variance that the line explains", course(|it| it.line.r2));
        self.trend(told, "direction", "-1 falls, 1 rises, 0 has no trend", course(Course::direction));
        self.trend(told, "strength", "Correlation of days with time, 0 to 1", course(Course::strength));
        let description = "Mean change from an hour to the next, as a share of the mean";
        self.trend(told, "volatility", description, |outlook| outlook.volatility);
        let description = "Share of the variance within days that repeats from day to day";
        self.trend(told, "seasonality", description, |outlook| outlook.seasonality);
    }

    fn trend(
        &mut self,
        told: &[Told<'_>],
        suffix: &str,
        description: &str,
        value: impl Fn(&Outlook) -> Option<f64>,
    ) {
        let points = told.iter().filter_map(|told| Some((with(told.series, &[]), value(&told.outlook)?)));
        let name = format!("trueline.trend.{suffix}");
        // Slopes of several metrics are in several units.
        let unit = if suffix == "slope" { "" } else { "1" };
        self.gauge(&MetricHead { name: &name, description, unit }, points.collect());
    }

    fn capacities(&mut self, told: &[Told<'_>], config: &ForecastConfig) {
        let description = "Peaks of the last day as a share of the capacity";
        self.capacity(told, config, "used_ratio", description, "1", Assessment::used_ratio);
        let description = "What peaks in thirty days will not exceed with a confidence of 80 %";
        self.capacity(told, config, "required", description, "", Assessment::required);
        let description = "1.2 times the peaks in thirty days";
        self.capacity(told, config, "recommended", description, "", Assessment::recommended);
        let mut points = Vec::new();
        for Told { series, outlook, .. } in told {
            if let Some((index, assessment)) = &outlook.capacity
                && let Some(crossing) = &assessment.crossing
            {
                add_crossing(&mut points, series, &[("name", &config.capacity[*index].name)], crossing);
            }
        }
        let head = MetricHead {
            name: "trueline.capacity.time_to_exhaustion",
            description: "Time until peaks reach the capacity if the trend goes on",
            unit: "s",
        };
        self.gauge(&head, points);
    }

    fn capacity(
        &mut self,
        told: &[Told<'_>],
        config: &ForecastConfig,
        suffix: &str,
        description: &str,
        unit: &str,
        value: impl Fn(&Assessment) -> Option<f64>,
    ) {
        let points = told.iter().filter_map(|told| {
            let (index, assessment) = told.outlook.capacity.as_ref()?;
            Some((with(told.series, &[("name", &config.capacity[*index].name)]), value(assessment)?))
        });
        let name = format!("trueline.capacity.{suffix}");
        self.gauge(&MetricHead { name: &name, description, unit }, points.collect());
    }

    /// Writes a gauge, without values that are none.
    fn gauge(&mut self, head: &MetricHead<'_>, mut points: Vec<(Attributes, f64)>) {
        points.retain(|(_, value)| value.is_finite());
        if points.is_empty() {
            return;
        }
        let mut gauge = self.writer.gauge(head);
        for (attributes, value) in &points {
            let value = Some(Number::Double(*value));
            gauge.point(&NumberPoint::of_gauge(attributes, self.at.as_nanos(), value));
        }
        self.n_points += points.len() as u64;
    }
}

fn add_crossing(
    points: &mut Vec<(Attributes, f64)>,
    series: &Series,
    own: &[(&str, &str)],
    crossing: &Crossing,
) {
    let bounds =
        [("early", Some(crossing.early)), ("median", Some(crossing.median)), ("late", crossing.late)];
    for (bound, value) in bounds {
        if let Some(value) = value {
            let mut attributes = with(series, own);
            attributes.push_str("bound", bound);
            points.push((attributes, value));
        }
    }
}

/// Returns the attributes of a series with what tells its metric and statistic, and more.
fn with(series: &Series, more: &[(&str, &str)]) -> Attributes {
    let mut attributes = Attributes::of_list(&series.attributes);
    attributes.push_str("metric", &series.metric);
    attributes.push_str("stat", series.statistic.name());
    for (key, value) in more {
        attributes.push_str(key, value);
    }
    attributes
}

/// Writes events in the order of their series, and gives away requests with their records.
pub(super) fn write_logs(
    events: &[Event<'_>],
    config: &ForecastConfig,
    at: Timestamp,
    mut give: impl FnMut(Vec<u8>, u64),
) {
    for part in events.chunks(PART_RECORDS) {
        give(write_records(part, config, at), part.len() as u64);
    }
}

fn write_records(events: &[Event<'_>], config: &ForecastConfig, at: Timestamp) -> Vec<u8> {
    let mut writer = LogsWriter::new();
    for of_resource in events.chunk_by(|a, b| a.series.resource == b.series.resource) {
        writer.resource(&Attributes::of_list(&of_resource[0].series.resource));
        writer.scope(SCOPE, "");
        for event in of_resource {
            let name = &config.capacity[event.index].name;
            let (severity_number, severity_text) = log_severity(event.verdict);
            writer.record(&LogRecord {
                time: at.as_nanos(),
                observed_time: at.as_nanos(),
                severity_number,
                severity_text,
                body: AnyValue::Str(sentence(event, name).as_bytes()),
                attributes: &describe(event, name),
                flags: 0,
                trace_id: None,
                span_id: None,
                event_name: EVENT,
            });
        }
    }
    writer.take()
}

/// OTLP's number and text.
const fn log_severity(verdict: Verdict) -> (u8, &'static str) {
    match verdict {
        Verdict::Enough | Verdict::Oversized | Verdict::Low => (9, "INFO"),
        Verdict::Medium | Verdict::High => (13, "WARN"),
        Verdict::Critical => (17, "ERROR"),
    }
}

fn describe(event: &Event<'_>, name: &str) -> Attributes {
    let mut out = Attributes::of_list(&event.series.attributes);
    let assessment = &event.assessment;
    let texts = [
        ("name", name),
        ("urgency", event.verdict.name()),
        ("previous_urgency", event.before.name()),
        ("metric", &event.series.metric),
        ("unit", &event.series.unit),
        ("stat", event.series.statistic.name()),
    ];
    for (key, text) in texts {
        out.push_str(&format!("{EVENT}.{key}"), text);
    }
    let crossing = assessment.crossing;
    let numbers = [
        ("capacity", Some(assessment.capacity)),
        ("used_ratio", assessment.used_ratio()),
        ("required", assessment.required()),
        ("recommended", assessment.recommended()),
        ("time_to_exhaustion.early", crossing.map(|crossing| crossing.early)),
        ("time_to_exhaustion.median", crossing.map(|crossing| crossing.median)),
        ("time_to_exhaustion.late", crossing.and_then(|crossing| crossing.late)),
    ];
    for (key, value) in numbers {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            out.push(format!("{EVENT}.{key}"), AnyValue::Double(value));
        }
    }
    out
}

fn sentence(event: &Event<'_>, name: &str) -> String {
    let Assessment { capacity, .. } = event.assessment;
    let recommended = event.assessment.recommended().map_or(String::new(), |recommended| {
        format!(", recommended {} {}", short(recommended), event.series.unit)
    });
    let unit = &event.series.unit;
    match event.verdict {
        Verdict::Enough => format!("{name}: {} {unit} is enough again", short(capacity)),
        Verdict::Oversized => {
            format!("{name}: {} {unit} is far more than needed{recommended}", short(capacity))
        }
        urgency => {
            format!("{name}: {} {unit} will not be enough ({}){recommended}", short(capacity), urgency.name())
        }
    }
}

/// Four digits are enough to read.
fn short(value: f64) -> String {
    significant(value, 4, 12)
}
