//! A rule as an operator writes it, in the configuration or through the API.

use std::{collections::BTreeMap, time::Duration as StdDuration};

use component::Checks;
use config::Duration;
use model::{AnomalyColumns, Columns, Severity, Statistic};
use serde::{Deserialize, Serialize};

use super::{machine::OnNoData, template::Template};
use crate::{promql::Selector, schedule::Schedule};

/// A rule: which series, when they deserve an alert, and how it is treated.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub(crate) struct RuleConfig {
    /// The label `alertname`; no other rule has it.
    pub(crate) name: String,
    /// The metric's name; `*` stands for any text.
    #[serde(default)]
    pub(crate) metric: String,
    /// In place of `metric` and `match`: a selector as Prometheus has it. Labels have their names in Prometheus then.
    #[serde(default)]
    pub(crate) prometheus: Option<Box<str>>,
    /// `rate`, `error_ratio`, `p50`, `p95`, `p99` or `mean`.
    pub(crate) stat: String,
    /// Attributes that the series must have; `*` stands for any text.
    #[serde(default)]
    pub(crate) r#match: BTreeMap<String, String>,
    /// One alert for each combination of these attributes; absent means one for each series.
    #[serde(default)]
    pub(crate) group_by: Option<Vec<String>>,
    /// What is made of several series of a group; absent means what suits the statistic.
    #[serde(default)]
    pub(crate) aggregate: Option<Aggregate>,
    /// Width of the windows that are judged; absent means that of the processor.
    #[serde(default)]
    pub(crate) window: Option<Duration>,
    pub(crate) when: WhenConfig,
    #[serde(default)]
    pub(crate) r#for: Option<Duration>,
    #[serde(default)]
    pub(crate) keep_firing_for: Option<Duration>,
    #[serde(default)]
    pub(crate) cooldown: Option<Duration>,
    #[serde(default)]
    pub(crate) on_no_data: Option<OnNoData>,
    /// So long without data, the last state stays; only then `on_no_data` counts.
    #[serde(default)]
    pub(crate) no_data_after: Option<Duration>,
    /// Whether an alert that comes and goes is held until it is quiet; Prometheus holds none.
    #[serde(default)]
    pub(crate) hold_flapping: Option<bool>,
    /// `info`, `warning`, `critical` or `emergency`.
    #[serde(default)]
    pub(crate) severity: Option<Box<str>>,
    /// Of predictions: the severity when less time than this is left; the shortest that fits counts.
    #[serde(default)]
    pub(crate) severity_within: BTreeMap<Duration, String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Schedules at which nobody is told.
    #[serde(default)]
    pub(crate) suppress: Vec<String>,
}

/// When a value deserves an alert.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
pub(crate) struct WhenConfig {
    pub(crate) op: Op,
    /// The threshold, in the unit of the series.
    #[serde(default)]
    pub(crate) value: Option<f64>,
    /// How much of the past is looked at.
    #[serde(default)]
    pub(crate) over: Option<Duration>,
    /// How far ahead.
    #[serde(default)]
    pub(crate) within: Option<Duration>,
    /// The least slope: `5%/m`, `0.2/h`.
    #[serde(default)]
    pub(crate) slope: Option<String>,
    /// The least share of the variance that the line explains.
    #[serde(default)]
    pub(crate) min_r2: Option<f64>,
    /// The least change in percent; below zero a fall.
    #[serde(default)]
    pub(crate) pct: Option<f64>,
    /// The least score of `anomaly`.
    #[serde(default)]
    pub(crate) score: Option<f64>,
    /// How sure a prediction must be, or an episode of `anomaly`.
    #[serde(default)]
    pub(crate) confidence: Option<f64>,
}

/// What `when` compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    Gt,
    Gte,
    Lt,
    Lte,
    Eq,
    Ne,
    TrendUp,
    TrendDown,
    RateOfChange,
    Anomaly,
    Degraded,
    PredictGt,
    PredictLt,
}

/// What is made of several series of a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aggregate {
    Sum,
    /// Weighed by the observations behind each value.
    Mean,
    Max,
    Min,
}

impl Op {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gt => "gt",
            Self::Gte => "gte",
            Self::Lt => "lt",
            Self::Lte => "lte",
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::TrendUp => "trend_up",
            Self::TrendDown => "trend_down",
            Self::RateOfChange => "rate_of_change",
            Self::Anomaly => "anomaly",
            Self::Degraded => "degraded",
            Self::PredictGt => "predict_gt",
            Self::PredictLt => "predict_lt",
        }
    }

    pub(super) const fn is_prediction(self) -> bool {
        matches!(self, Self::PredictGt | Self::PredictLt)
    }

    /// What it reads of windows beside their values.
    pub(super) const fn columns(self) -> Columns {
        match self {
            Self::Anomaly => Columns::ANOMALY,
            Self::Degraded => Columns::BASELINE,
            _ => Columns::NONE,
        }
    }

    /// Whether it reads what stages before add, which judge windows of a minute by default.
    pub(super) const fn is_judged_before(self) -> bool {
        matches!(self, Self::Anomaly | Self::Degraded)
    }

    /// The keys of `when` that it must have, and those that it may have.
    const fn keys(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Gt | Self::Gte | Self::Lt | Self::Lte | Self::Eq | Self::Ne => (&["value"], &["over"]),
            Self::TrendUp | Self::TrendDown => (&["over"], &["slope", "min_r2"]),
            Self::RateOfChange => (&["over", "pct"], &["value"]),
            Self::Anomaly => (&[], &["score", "confidence"]),
            Self::Degraded => (&[], &[]),
            Self::PredictGt | Self::PredictLt => (&["value", "within", "over"], &["confidence"]),
        }
    }
}

/// A name, a label's name and the number of each are bounded.
const MOST_NAME_BYTES: usize = 256;
const MOST_LABELS: usize = 32;
const MOST_GROUP_BY: usize = 16;
const MOST_TEXT_BYTES: usize = 2048;
const MOST_SCHEDULES: usize = 32;
const MOST_TIME: Duration = Duration::from_secs(31 * 24 * 3600);
/// Past that is looked at; more than this is the business of `forecast`.
const MOST_OVER: Duration = Duration::from_secs(24 * 3600);

impl RuleConfig {
    /// Reports everything that is wrong with the rule, which stands at `path`, where windows are so wide when it does
    /// not say.
    pub(super) fn check(&self, path: &str, window: StdDuration, checks: &mut Checks) {
        let mut on = On { path, checks };
        if self.name.is_empty() || self.name.len() > MOST_NAME_BYTES {
            on.error("name", format!("name is {:?}, must have 1 to {MOST_NAME_BYTES} bytes", self.name));
        }
        self.check_selector(&mut on);
        let has_selector = self.prometheus.is_some();
        if !has_selector && (self.metric.is_empty() || self.metric.len() > MOST_NAME_BYTES) {
            on.error(
                "metric",
                format!("metric is {:?}, name the metric; `*` stands for any text", self.metric),
            );
        }
        if Statistic::of_name(&self.stat).is_none() {
            on.unknown("stat", "statistic", &self.stat, &Statistic::ALL.map(Statistic::name));
        }
        self.check_groups(&mut on);
        self.check_times(&mut on);
        self.check_severities(&mut on);
        self.check_texts(&mut on);
        let width = self.window.map_or(window, Duration::get);
        self.when.check(&mut on, width);
    }

    fn check_selector(&self, on: &mut On<'_>) {
        let Some(text) = &self.prometheus else { return };
        if !self.metric.is_empty() || !self.r#match.is_empty() {
            on.error("prometheus", "a selector says which series are meant; leave metric and match out");
        }
        if !matches!(Statistic::of_name(&self.stat), Some(Statistic::Rate | Statistic::Mean)) {
            on.error(
                "stat",
                format!("stat is {:?}, of a selector of Prometheus write rate or mean", self.stat),
            );
        }
        if let Err(problem) = Selector::parse(text) {
            on.error("prometheus", problem);
        }
    }

    fn check_groups(&self, on: &mut On<'_>) {
        if self.r#match.len() > MOST_LABELS {
            on.error(
                "match",
                format!("match has {} attributes, at most {MOST_LABELS} are taken", self.r#match.len()),
            );
        }
        for (index, key) in self.group_by.iter().flatten().enumerate() {
            if key.is_empty() || key.len() > MOST_NAME_BYTES {
                on.error(&format!("group_by.{index}"), format!("{key:?} is no attribute's name"));
            }
        }
        let count = self.group_by.as_ref().map_or(0, Vec::len);
        if count > MOST_GROUP_BY {
            on.error(
                "group_by",
                format!("group_by has {count} attributes, at most {MOST_GROUP_BY} are taken"),
            );
        }
    }

    fn check_times(&self, on: &mut On<'_>) {
        let all = [
            ("for", self.r#for),
            ("keep_firing_for", self.keep_firing_for),
            ("cooldown", self.cooldown),
            ("no_data_after", self.no_data_after),
        ];
        for (key, time) in all {
            if let Some(time) = time.filter(|time| *time > MOST_TIME) {
                on.error(key, format!("{key} is {time}, must be at most {MOST_TIME}"));
            }
        }
        if let Some(window) = self.window.filter(|window| !is_window(window.get())) {
            on.error("window", format!("window is {window}, must be whole seconds between 1s and 1h"));
        }
        if self.suppress.len() > MOST_SCHEDULES {
            on.error(
                "suppress",
                format!("suppress has {} schedules, at most {MOST_SCHEDULES}", self.suppress.len()),
            );
        }
        for (index, schedule) in self.suppress.iter().enumerate() {
            if let Err(problem) = Schedule::parse(schedule) {
                on.error(&format!("suppress.{index}"), problem);
            }
        }
    }

    fn check_severities(&self, on: &mut On<'_>) {
        if let Some(name) = &self.severity {
            check_severity("severity", name, on);
        }
        if !self.severity_within.is_empty() && !self.when.op.is_prediction() {
            on.error(
                "severity_within",
                "severity_within is for predict_gt and predict_lt, remove it".to_owned(),
            );
        }
        if self.severity_within.len() > Severity::ALL.len() {
            on.error(
                "severity_within",
                "severity_within has more entries than there are severities".to_owned(),
            );
        }
        for (left, name) in &self.severity_within {
            check_severity(&format!("severity_within.{left}"), name, on);
        }
    }

    fn check_texts(&self, on: &mut On<'_>) {
        for (key, texts) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if texts.len() > MOST_LABELS {
                on.error(key, format!("{key} has {} entries, at most {MOST_LABELS} are taken", texts.len()));
            }
            for (name, text) in texts {
                let path = format!("{key}.{name}");
                if name.is_empty() || name.len() > MOST_NAME_BYTES || text.len() > MOST_TEXT_BYTES {
                    let message = format!(
                        "{name:?} has {} bytes of text, at most {MOST_TEXT_BYTES}, and a name of at most \
                         {MOST_NAME_BYTES}, are taken",
                        text.len()
                    );
                    on.error(&path, message);
                    continue;
                }
                match Template::parse(text) {
                    Err(problem) => on.error(&path, problem),
                    Ok(template) if key == "labels" && template.is_measured() => on.error(
                        &path,
                        "labels are the alert's identity and must not change: put `value`, `threshold` and \
                         `severity` into annotations"
                            .to_owned(),
                    ),
                    Ok(_) => {}
                }
            }
        }
        for name in [super::ALERTNAME, super::ALERTSTATE, "severity", PREDICTED] {
            if self.labels.contains_key(name) {
                on.error(
                    &format!("labels.{name}"),
                    format!("the label {name} is set by the processor, remove it"),
                );
            }
        }
    }
}

/// The label that tells a prediction from what it foretells.
pub(super) const PREDICTED: &str = "predicted";

impl WhenConfig {
    fn check(&self, on: &mut On<'_>, width: StdDuration) {
        let (must, may) = self.op.keys();
        for (key, is_there) in self.present() {
            let op = self.op.name();
            if must.contains(&key) && !is_there {
                on.error(&format!("when.{key}"), format!("op {op} needs `{key}`"));
            } else if is_there && !must.contains(&key) && !may.contains(&key) {
                on.error(&format!("when.{key}"), format!("`{key}` means nothing to op {op}, remove it"));
            }
        }
        self.check_numbers(on);
        self.check_past(on, width);
        if let Some(Err(problem)) = self.slope.as_deref().map(Slope::parse) {
            on.error("when.slope", problem);
        }
    }

    fn check_past(&self, on: &mut On<'_>, width: StdDuration) {
        let least = width * if self.op.looks_along() { super::past::LEAST_CELLS as u32 } else { 1 };
        if let Some(over) = self.over
            && (over.get() < least || over > MOST_OVER)
        {
            let least = Duration::new(least);
            on.error("when.over", format!("over is {over}, must be between {least} and {MOST_OVER}"));
        }
        if let Some(within) = self.within
            && (within.get().is_zero() || within > MOST_TIME)
        {
            on.error("when.within", format!("within is {within}, must be above 0s and at most {MOST_TIME}"));
        }
        if let (Some(within), Some(over)) = (self.within, self.over)
            && within.get() > over.get() * 4
        {
            let message =
                format!("within is {within}, must be at most four times over ({over}): too little is known");
            on.error("when.within", message);
        }
    }

    fn check_numbers(&self, on: &mut On<'_>) {
        let mut check = |key: &str, value: Option<f64>, is_right: fn(f64) -> bool, right: &str| {
            if let Some(value) = value.filter(|value| !is_right(*value)) {
                on.error(&format!("when.{key}"), format!("{key} is {value}, must be {right}"));
            }
        };
        check("value", self.value, f64::is_finite, "a finite number, in the unit of the series");
        check("min_r2", self.min_r2, |it| (0.0..=1.0).contains(&it), "between 0 and 1");
        check("pct", self.pct, |it| it.is_finite() && it != 0.0, "a change in percent other than 0");
        check("score", self.score, |it| it > 0.0 && it <= 1e6, "above 0; 3 is what opens an episode");
        if self.op == Op::Anomaly {
            let is_reached = |it| it > 0.0 && it <= f64::from(AnomalyColumns::SUREST) - 0.01;
            check("confidence", self.confidence, is_reached, "above 0 and at most 0.9: no episode is surer");
        } else {
            check("confidence", self.confidence, |it| (0.5..=0.999).contains(&it), "between 0.5 and 0.999");
        }
    }

    fn present(&self) -> [(&'static str, bool); 8] {
        [
            ("value", self.value.is_some()),
            ("over", self.over.is_some()),
            ("within", self.within.is_some()),
            ("slope", self.slope.is_some()),
            ("min_r2", self.min_r2.is_some()),
            ("pct", self.pct.is_some()),
            ("score", self.score.is_some()),
            ("confidence", self.confidence.is_some()),
        ]
    }
}

impl Op {
    /// Whether it needs a line through the past.
    pub(super) const fn looks_along(self) -> bool {
        matches!(self, Self::TrendUp | Self::TrendDown | Self::PredictGt | Self::PredictLt)
    }
}

/// A change per time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Slope {
    /// Above zero.
    pub(super) per_second: f64,
    /// Of the usual value, as a share; else in the unit of the series.
    pub(super) is_ratio: bool,
}

impl Slope {
    /// Reads `5%/m`, `0.2/h`.
    ///
    /// *Errors*: what to write.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("slope is {text:?}, write a number above 0 per s, m, h or d: \"5%/m\", \"0.2/h\"");
        let (amount, unit) = text.split_once('/').ok_or_else(wrong)?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        let amount = amount.trim();
        let (number, scale) = amount.strip_suffix('%').map_or((amount, 1.0), |number| (number, 0.01));
        let number: f64 = number.trim().parse().map_err(|_| wrong())?;
        if !(number.is_finite() && number > 0.0) {
            return Err(wrong());
        }
        Ok(Self { per_second: number * scale / seconds, is_ratio: amount.ends_with('%') })
    }
}

/// Whether windows may be so wide.
pub(super) fn is_window(width: StdDuration) -> bool {
    width.subsec_nanos() == 0 && (1..=3600).contains(&width.as_secs())
}

/// Reports a severity that there is not.
pub(super) fn check_severity(key: &str, name: &str, on: &mut On<'_>) {
    if Severity::of_name(name).is_none() {
        on.unknown(key, "severity", name, &Severity::ALL.map(Severity::name));
    }
}

/// Reports about a part of the configuration.
pub(super) struct On<'a> {
    pub(super) path: &'a str,
    pub(super) checks: &'a mut Checks,
}

impl On<'_> {
    pub(super) fn error(&mut self, key: &str, message: impl Into<String>) {
        self.checks.error(&self.path_of(key), message);
    }

    fn unknown(&mut self, key: &str, what: &str, name: &str, known: &[&str]) {
        self.checks.unknown(&self.path_of(key), what, name, known);
    }

    fn path_of(&self, key: &str) -> String {
        match (self.path, key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }
}
