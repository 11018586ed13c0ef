//! Objectives on metrics: read from closed windows of series.

use std::collections::BTreeMap;

use model::{Rollups, Series, Slots};

use super::{
    expression::{Condition, Field, Seen},
    plan::{Indicator, MetricIndicator, Plan, SeriesSelector, WorkflowSource},
};
use crate::{aggregation::attributes, glob::fits, promql::Named};

/// All selectors of series, and which series fit which.
pub(super) struct SeriesReader {
    selectors: Vec<Asked>,
    /// By series, the selectors that it fits.
    fitting: Slots<Box<[u32]>>,
}

struct Asked {
    objective: u32,
    service: String,
    selector: SeriesSelector,
    role: Role,
}

/// What a series is for its objective.
#[derive(Clone, Debug)]
enum Role {
    Total,
    Part,
    Level(MetricIndicator),
    Started,
    Completed,
}

/// What one window says of one objective.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Measured {
    /// Of counters: all events, and the good or the bad.
    pub(super) total: f64,
    pub(super) part: f64,
    /// Of levels: series, and those that agree.
    pub(super) n_levels: u64,
    pub(super) n_good: u64,
    /// The value that is the farthest from what was promised, as it is.
    pub(super) worst: Option<f64>,
    pub(super) started: f64,
    pub(super) completed: f64,
}

impl SeriesReader {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut selectors = Vec::new();
        for (at, objective) in plan.objectives.iter().enumerate() {
            let mut ask = |selector: &SeriesSelector, role| {
                let (service, selector) = (objective.service.clone(), selector.clone());
                selectors.push(Asked { objective: at as u32, service, selector, role });
            };
            match &objective.indicator {
                Indicator::Counters(counters) => {
                    ask(&counters.total, Role::Total);
                    ask(&counters.part, Role::Part);
                }
                Indicator::Metric(metric) => ask(&metric.series, Role::Level(metric.clone())),
                Indicator::Workflow(workflow) => {
                    if let WorkflowSource::Counters { started, completed } = &workflow.source {
                        ask(started, Role::Started);
                        ask(completed, Role::Completed);
                    }
                }
                Indicator::Spans(_) | Indicator::Composite(_) => {}
            }
        }
        Self { selectors, fitting: Slots::default() }
    }

    /// Reads a window, by objective.
    ///
    /// *Cost*: an index and a compare per row; a look at every selector when a series is first seen.
    pub(super) fn read(&mut self, rollups: &Rollups) -> BTreeMap<u32, Measured> {
        let mut told = BTreeMap::<u32, Measured>::new();
        let seconds = rollups.width.as_secs_f64();
        if !self.selectors.iter().any(|asked| asked.selector.window == rollups.width) {
            return told;
        }
        for (row, series) in rollups.series.iter().enumerate() {
            let selectors = &self.selectors;
            let fitting = self
                .fitting
                .get_or_insert_with(rollups.slots[row], series.fingerprint, || which(selectors, series));
            let value = rollups.values[row];
            for asked in fitting.iter().map(|at| &self.selectors[*at as usize]) {
                if asked.selector.window == rollups.width && value.is_finite() {
                    told.entry(asked.objective).or_default().add(&asked.role, value, seconds);
                }
            }
        }
        told
    }
}

impl Measured {
    fn add(&mut self, role: &Role, value: f64, seconds: f64) {
        match role {
            Role::Total => self.total += value * seconds,
            Role::Part => self.part += value * seconds,
            Role::Started => self.started += value * seconds,
            Role::Completed => self.completed += value * seconds,
            Role::Level(metric) => {
                let is_good = metric.agreement.is_met(value);
                self.n_levels += 1;
                self.n_good += u64::from(is_good);
                if !is_good {
                    let is_worse = |known: f64| value.abs() > known.abs();
                    self.worst = self.worst.filter(|known| !is_worse(*known)).or(Some(value));
                }
            }
        }
    }
}

fn which(selectors: &[Asked], series: &Series) -> Box<[u32]> {
    let named = Named::new(series);
    let fit = selectors.iter().enumerate().filter(|(_, asked)| is_fitting(asked, series, &named));
    fit.map(|(at, _)| at as u32).collect()
}

fn is_fitting(asked: &Asked, series: &Series, named: &Named<'_>) -> bool {
    let SeriesSelector { metric, prometheus, statistic, selects, .. } = &asked.selector;
    let is_meant = || match prometheus {
        Some(selector) => selector.fits(named),
        None => fits(metric, &series.metric) && fits(&asked.service, &series.service),
    };
    *statistic == series.statistic && is_meant() && selects.iter().all(|condition| holds(condition, series))
}

/// A series has no span, so its fields are looked for among its attributes, by the names that series of spans
/// have.
fn holds(condition: &Condition, series: &Series) -> bool {
    let name = match &condition.field {
        Field::Attribute(name) => name.as_str(),
        Field::Kind => "span.kind",
        Field::Name => "span.name",
        Field::Status => "status.code",
        Field::Duration | Field::IsRoot => return false,
    };
    let lists = [&series.attributes, &series.resource];
    let found = lists.into_iter().find_map(|list| attributes::find(list, name));
    let Some(found) = found else { return condition.test.holds(None) };
    let lowered = match (&condition.field, Seen::of_value(found.value)) {
        (Field::Kind | Field::Status, Some(Seen::Text(text))) => lowered(text),
        (_, seen) => return condition.test.holds(seen),
    };
    condition.test.holds(Some(Seen::Text(&lowered)))
}

/// `SPAN_KIND_SERVER` is `server` in conditions.
fn lowered(text: &[u8]) -> Vec<u8> {
    let rest = text.strip_prefix(b"SPAN_KIND_").or_else(|| text.strip_prefix(b"STATUS_CODE_"));
    rest.unwrap_or(text).to_ascii_lowercase()
}
