//! From settings to objectives: one function for `validate` and for `run`.

mod burn;
mod composite;
mod grain;
mod indicator;
mod keys;
mod objective;
mod others;
mod past;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::Checks;

#[cfg(test)]
pub(super) use self::keys::keys;
pub(super) use self::{
    burn::{BurnAlert, BurnStyle, Pair},
    indicator::{
        Agreement, Composite, Indicator, MetricIndicator, SeriesSelector, SliceVerdict, Verdict, Workflow,
        WorkflowSource,
    },
    objective::{Exclusion, Objective},
    past::{Queries, source as source_of_past},
};
use super::{
    calendar::duration_text,
    config::{Dialect, SlaConfig},
};

/// All that is promised.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Ascending by id.
    pub(super) objectives: Vec<Arc<Objective>>,
    pub(super) evaluation_interval: Duration,
    pub(super) emit_interval: Duration,
    pub(super) dialects: Vec<Dialect>,
    pub(super) has_events: bool,
    pub(super) snapshot_interval: Duration,
    pub(super) unreadable_alert_for: Duration,
    pub(super) max_open_workflows: usize,
    /// Width of the parts in which the past of three days is asked for.
    pub(super) backfill_step: Duration,
}

/// More objectives are refused: at 64 KB each they would take over 600 MB.
const MAX_OBJECTIVES: usize = 10_000;

impl Plan {
    /// Makes the plan and tells every problem of the settings. What has a problem is left out.
    pub(super) fn compile(config: &SlaConfig, checks: &mut Checks) -> Self {
        check_service(config, checks);
        past::check(&config.backfill, checks);
        config.openslo_files.report(checks);
        let everywhere = objective::exclusions(&config.maintenance, "maintenance", checks);
        let mut found = BTreeMap::<String, (String, Objective)>::new();
        for (path, settings) in config.objectives() {
            for objective in objective::compile(settings, &path, &everywhere, checks) {
                let id = objective.id.clone();
                if let Some((other, _)) = found.get(&id) {
                    let message = format!("`{id}` is also the id of {other}; give one of them another name");
                    checks.error(&format!("{path}.name"), message);
                } else {
                    found.insert(id, (path.clone(), objective));
                }
            }
        }
        if found.len() > MAX_OBJECTIVES {
            let message = format!(
                "{} objectives, at most {MAX_OBJECTIVES} are kept; spread them over instances",
                found.len()
            );
            checks.error("slos", message);
        }
        composite::resolve(&mut found, checks);
        warn_of_overlaps(&found, checks);
        Self {
            objectives: found.into_values().map(|(_, objective)| Arc::new(objective)).collect(),
            evaluation_interval: config.evaluation_interval.get(),
            emit_interval: config.emit.interval.get(),
            dialects: config.emit.dialects.clone(),
            has_events: config.emit.events,
            snapshot_interval: config.state.snapshot_interval.get(),
            unreadable_alert_for: config.state.unreadable_alert_for.get(),
            max_open_workflows: usize::try_from(config.max_open_workflows).unwrap_or(usize::MAX),
            backfill_step: config.backfill.step.get(),
        }
    }

    /// Makes the plan of settings that were validated.
    pub(super) fn of(config: &SlaConfig) -> Arc<Self> {
        Arc::new(Self::compile(config, &mut Checks::default()))
    }

    /// Whether an objective is made of windows of series.
    pub(super) fn reads_windows(&self) -> bool {
        self.objectives.iter().any(|objective| objective.indicator.reads_windows())
    }

    /// Whether an objective is made of spans.
    pub(super) fn reads_spans(&self) -> bool {
        self.objectives.iter().any(|objective| objective.indicator.reads_spans())
    }

    /// Whether log records tell of an objective's events.
    pub(super) fn reads_logs(&self) -> bool {
        self.objectives.iter().any(|objective| objective.indicator.reads_logs())
    }

    /// Returns the objective of an id, or of a name that only one has.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let by_id = self.objectives.iter().position(|objective| objective.id == name);
        by_id.or_else(|| {
            let mut named =
                self.objectives.iter().enumerate().filter(|(_, objective)| objective.name == name);
            named.next().filter(|_| named.next().is_none()).map(|(at, _)| at)
        })
    }
}

impl Plan {
    /// Returns the objectives of the percentiles that are promised under one name, or service and name.
    pub(super) fn family(&self, name: &str) -> Vec<usize> {
        let is_of = |objective: &Objective| {
            let Some(percentile) = &objective.percentile else { return false };
            let before = |text: &str| {
                let rest = text.strip_suffix(percentile.name.as_str())?.strip_suffix('-')?;
                (rest == name).then_some(())
            };
            before(&objective.name).or_else(|| before(&objective.id)).is_some()
        };
        let all = self.objectives.iter().enumerate();
        all.filter(|(_, objective)| is_of(objective)).map(|(at, _)| at).collect()
    }
}

fn check_service(config: &SlaConfig, checks: &mut Checks) {
    let intervals = [
        ("evaluation_interval", config.evaluation_interval),
        ("emit.interval", config.emit.interval),
        ("state.snapshot_interval", config.state.snapshot_interval),
    ];
    for (path, interval) in intervals {
        let seconds = interval.get();
        if seconds < Duration::from_secs(1)
            || seconds > Duration::from_secs(3600)
            || seconds.subsec_nanos() != 0
        {
            let message = format!("{path} is {interval}, must be whole seconds from 1s to 1h");
            checks.error(path, message);
        }
    }
    if config.max_open_workflows == 0 || config.max_open_workflows > 10_000_000 {
        let message =
            format!("max_open_workflows is {}, must be from 1 to 10000000", config.max_open_workflows);
        checks.error("max_open_workflows", message);
    }
    if config.slos.is_empty() && config.openslo_files.is_empty() {
        checks.warn("", "there are no objectives in slos or openslo_files: nothing is judged");
    }
}

/// Objectives of one service and kind that are compared pair by pair.
const MOST_COMPARED: usize = 100;

/// Tells of objectives of one kind that count the same events.
fn warn_of_overlaps(found: &BTreeMap<String, (String, Objective)>, checks: &mut Checks) {
    let mut by_kind = BTreeMap::<(&str, &str), Vec<(&str, &Objective)>>::new();
    for (path, objective) in found.values().filter(|(_, it)| it.indicator.reads_spans()) {
        let key = (objective.service.as_str(), objective.sli_type.name());
        by_kind.entry(key).or_default().push((path, objective));
    }
    for ((service, kind), same) in by_kind {
        if same.len() > MOST_COMPARED {
            let message = format!(
                "service {service} has {} objectives of type {kind}: whether some count the same events was not looked at",
                same.len()
            );
            checks.warn("slos", message);
            continue;
        }
        for (at, (path, objective)) in same.iter().enumerate() {
            let covers = |other: &&&(&str, &Objective)| other.0 != *path && other.1.selects_all_of(objective);
            if let Some((other, _)) = same.iter().take(at).find(|other| covers(&other)) {
                let message = format!(
                    "{} counts only events that {other} counts too: one failure burns two budgets; narrow `match` of one if that is not meant",
                    objective.id
                );
                checks.warn(&format!("{path}.match"), message);
            }
        }
    }
}

/// The windows whose error ratio Sloth records, beside the period.
pub(super) const SLOTH_WINDOWS: [Duration; 7] = [
    Duration::from_secs(300),
    Duration::from_secs(1800),
    Duration::from_secs(3600),
    Duration::from_secs(7200),
    Duration::from_secs(6 * 3600),
    Duration::from_secs(86_400),
    Duration::from_secs(3 * 86_400),
];

impl Objective {
    /// Returns the windows that are read at every evaluation, ascending.
    pub(super) fn windows(&self) -> Vec<Duration> {
        let pairs = self.burn.iter().flat_map(|alert| &alert.pairs);
        let mut all: Vec<_> = pairs.flat_map(|pair| [pair.long, pair.short]).chain(SLOTH_WINDOWS).collect();
        all.extend(&self.also_read);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Writes the window of a pair for people.
    pub(super) fn pair_text(pair: &Pair) -> String {
        if pair.short == pair.long {
            return duration_text(pair.long);
        }
        format!("{} and {}", duration_text(pair.long), duration_text(pair.short))
    }
}
