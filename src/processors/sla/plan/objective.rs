//! One objective, or one for each percentile.

use std::{collections::BTreeMap, time::Duration};

use component::Checks;
use model::Timestamp;

use super::{
    burn::{self, BurnAlert, Terms},
    grain::Grain,
    indicator::{self, Indicator, SliceRule, SpanIndicator, Verdict},
    past::{self, Queries},
};
use crate::{
    aggregation::hashing::mix_bytes,
    schedule::{Schedule, zone_of},
    sla::{
        calendar::{Period, Unit, When, Window, duration_text, instant},
        config::{MaintenanceConfig, ObjectiveAlerts, ObjectiveConfig, SliConfig, SliType, Urgency},
        ring::RETENTION,
    },
};

/// A promise, ready to be judged.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct Objective {
    /// `service-name`, as Sloth makes it.
    pub(in crate::sla) id: String,
    pub(in crate::sla) name: String,
    pub(in crate::sla) service: String,
    pub(in crate::sla) description: String,
    /// A hash of the id, the same in every process and release.
    pub(in crate::sla) fingerprint: u64,
    pub(in crate::sla) sli_type: SliType,
    pub(in crate::sla) target: f64,
    pub(in crate::sla) window: Window,
    pub(in crate::sla) indicator: Indicator,
    pub(in crate::sla) slices: Option<SliceRule>,
    pub(in crate::sla) percentile: Option<Percentile>,
    pub(in crate::sla) burn: Vec<BurnAlert>,
    /// Windows that composites read, beside its own.
    pub(in crate::sla) also_read: Vec<Duration>,
    pub(in crate::sla) min_events: u64,
    /// Ascending.
    pub(in crate::sla) escalation: Vec<Budget>,
    pub(in crate::sla) cost: Option<Cost>,
    pub(in crate::sla) exclusions: Vec<Exclusion>,
    pub(in crate::sla) rto: Option<Duration>,
    pub(in crate::sla) downtime_error_ratio: f64,
    pub(in crate::sla) labels: BTreeMap<String, String>,
    pub(in crate::sla) alerting: ObjectiveAlerts,
    /// What was counted before, where it can be asked for.
    pub(in crate::sla) past: Option<Queries>,
}

/// A percentile that is promised as a share.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct Percentile {
    /// `p99`.
    pub(in crate::sla) name: String,
    pub(in crate::sla) share: f64,
    pub(in crate::sla) most: Duration,
}

/// A share of the budget at which somebody is told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::sla) struct Budget {
    pub(in crate::sla) consumed: f64,
    pub(in crate::sla) severity: Urgency,
}

#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct Cost {
    pub(in crate::sla) per_bad_event: f64,
    pub(in crate::sla) per_down_minute: f64,
    /// Ascending by share.
    pub(in crate::sla) credits: Vec<Credit>,
    pub(in crate::sla) currency: String,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::sla) struct Credit {
    pub(in crate::sla) below: f64,
    pub(in crate::sla) amount: f64,
}

/// A time that does not count.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct Exclusion {
    pub(in crate::sla) name: String,
    pub(in crate::sla) when: When,
}

impl Objective {
    /// Returns the share of events that may be bad.
    pub(in crate::sla) fn budget(&self) -> f64 {
        1.0 - self.target
    }

    /// Names what is counted. Counts under another name can not be added to these.
    pub(in crate::sla) fn counted(&self) -> String {
        let kind = self.sli_type.name();
        match (&self.slices, &self.indicator) {
            (Some(rule), _) => format!("{kind} in slices of {}", duration_text(rule.width)),
            (None, Indicator::Metric(metric)) => {
                format!("{kind} in windows of {}", duration_text(metric.series.window))
            }
            (None, _) => kind.to_owned(),
        }
    }

    /// Returns why an instant does not count.
    pub(in crate::sla) fn exclusion_at(&self, at: Timestamp) -> Option<&Exclusion> {
        self.exclusions.iter().find(|exclusion| exclusion.when.contains(at))
    }

    /// Whether it is made of other objectives, and so has neither events nor downtime of its own.
    pub(in crate::sla) fn is_composite(&self) -> bool {
        matches!(self.indicator, Indicator::Composite(_))
    }

    /// Whether every span that `other` counts is counted here too.
    pub(super) fn selects_all_of(&self, other: &Self) -> bool {
        let (Indicator::Spans(mine), Indicator::Spans(theirs)) = (&self.indicator, &other.indicator) else {
            return false;
        };
        let within = |it: &SpanIndicator| matches!(it.verdict, Verdict::Within(_));
        if within(mine) && mine.verdict != theirs.verdict {
            // Two thresholds on one latency are two promises.
            return false;
        }
        mine.selects.iter().all(|condition| theirs.selects.contains(condition))
            && mine.excludes.iter().all(|condition| theirs.excludes.contains(condition))
    }
}

/// What is being compiled, and where it stands.
pub(super) struct Settings<'a> {
    pub(super) config: &'a ObjectiveConfig,
    pub(super) path: &'a str,
    /// Problems may be told through a shared reference, so that functions need not return them.
    has_failed: std::cell::Cell<bool>,
}

impl<'a> Settings<'a> {
    pub(super) fn sli(&self) -> &'a SliConfig {
        &self.config.sli
    }

    pub(super) fn error(&self, checks: &mut Checks, key: &str, message: impl Into<String>) {
        self.has_failed.set(true);
        checks.error(&format!("{}.{key}", self.path), message);
    }

    pub(super) fn check_share(&self, key: &str, share: f64, checks: &mut Checks) {
        if !(share > 0.0 && share <= 1.0) {
            let name = key.rsplit('.').next().unwrap_or(key);
            self.error(checks, key, format!("{name} is {share}, must be above 0 and at most 1"));
        }
    }
}

/// So many percentiles of one latency may be promised.
const MAX_PERCENTILES: usize = 8;

/// Compiles one objective: several when it promises several percentiles, none when it has a problem.
pub(super) fn compile(
    config: &ObjectiveConfig,
    path: &str,
    everywhere: &[Exclusion],
    checks: &mut Checks,
) -> Vec<Objective> {
    let settings = Settings { config, path, has_failed: std::cell::Cell::new(false) };
    check_names(&settings, checks);
    let window = window(&settings, checks);
    let compiled = indicator::compile(&settings, checks);
    let past = compiled.as_ref().and_then(|(indicator, _)| past::compile(&settings, indicator, checks));
    let promises = promises(&settings, checks);
    let escalation = escalation(&settings, checks);
    let cost = cost(&settings, checks);
    settings.check_share("downtime_error_ratio", config.downtime_error_ratio, checks);
    let own = exclusions(&config.maintenance, &format!("{path}.maintenance"), checks);
    let exclusions: Vec<_> = everywhere.iter().cloned().chain(own).collect();
    let (Some(window), Some((indicator, slices)), false) = (window, compiled, settings.has_failed.get())
    else {
        return Vec::new();
    };
    let grain = Grain::of(&indicator, slices);
    if let Some(problem) = grain.and_then(|it| it.problem_of_events(config.min_events, window.nominal())) {
        settings.error(checks, "min_events", problem);
        return Vec::new();
    }
    let many = promises.len() > 1;
    let terms = Terms { target: 0.0, window: &window, grain, min_events: config.min_events, path };
    let objective = |promise: Promise| {
        let name = match &promise.percentile {
            Some(percentile) if many => format!("{}-{}", config.name, percentile.name),
            _ => config.name.clone(),
        };
        let id = format!("{}-{name}", config.service);
        Objective {
            fingerprint: fingerprint(&id),
            id,
            name,
            service: config.service.clone(),
            description: config.description.clone(),
            sli_type: config.sli.r#type,
            target: promise.target,
            burn: burn(config, &Terms { target: promise.target, ..terms }, checks),
            also_read: Vec::new(),
            window: window.clone(),
            indicator: with_threshold(&indicator, promise.most),
            slices,
            percentile: promise.percentile,
            min_events: config.min_events,
            escalation: escalation.clone(),
            cost: cost.clone(),
            exclusions: exclusions.clone(),
            rto: config.rto.map(config::Duration::get),
            downtime_error_ratio: config.downtime_error_ratio,
            labels: config.labels.clone(),
            alerting: config.alerting.clone(),
            // Slices are judged by events that come together, which sums do not tell.
            past: past.clone().filter(|_| slices.is_none()),
        }
    };
    promises.into_iter().map(objective).collect()
}

/// Makes the alerts of burn rates, of the urgencies that are wanted.
fn burn(config: &ObjectiveConfig, terms: &Terms<'_>, checks: &mut Checks) -> Vec<BurnAlert> {
    let mut alerts = burn::compile(&config.burn_alerts, terms, checks);
    alerts.retain(|alert| config.alerting.of(alert.severity).enabled);
    alerts
}

/// State is kept under this number over restarts and releases, so neither the seed nor the function may change.
fn fingerprint(id: &str) -> u64 {
    const SEED: u64 = 0x736c_6f5f_6964_5f31;
    mix_bytes(SEED, id.as_bytes())
}

fn check_names(settings: &Settings<'_>, checks: &mut Checks) {
    let config = settings.config;
    for (key, text) in [("name", &config.name), ("service", &config.service)] {
        if text.trim().is_empty() || text.len() > 200 {
            settings.error(checks, key, format!("{key} has {} characters, must have 1 to 200", text.len()));
        }
    }
    if config.name.contains('/') {
        settings.error(
            checks,
            "name",
            format!("`{}` has a slash, which an address can not hold", config.name),
        );
    }
    let alerting = &config.alerting;
    for (at, labels) in [
        ("labels", &config.labels),
        ("alerting.labels", &alerting.labels),
        ("alerting.page.labels", &alerting.page.labels),
        ("alerting.ticket.labels", &alerting.ticket.labels),
    ] {
        for name in labels.keys() {
            let is_label = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty()
                || !name.chars().all(is_label)
                || name.starts_with(|c: char| c.is_ascii_digit())
            {
                let message = format!("`{name}` is no label; write letters, digits and underscores");
                settings.error(checks, at, message);
            } else if name.starts_with("sloth_") || name == "alertname" || name == "severity" {
                settings.error(checks, at, format!("`{name}` is set by this component; write another name"));
            }
        }
    }
}

fn window(settings: &Settings<'_>, checks: &mut Checks) -> Option<Window> {
    let config = &settings.config.window;
    let name = config.timezone.as_deref().unwrap_or("UTC");
    let zone = match zone_of(name) {
        Ok(zone) => zone,
        Err(problem) => {
            settings.error(checks, "window.timezone", problem);
            return None;
        }
    };
    match (&config.rolling, &config.calendar) {
        (Some(_), Some(_)) => {
            settings.error(checks, "window", "write one of rolling and calendar");
            None
        }
        (None, Some(text)) => match Unit::of_name(text) {
            Some(unit) => Some(Window::Calendar(unit, zone)),
            None => {
                let message = format!("`{text}` is no period of the calendar; write 1d, 1w, 1M, 1Q or 1y");
                settings.error(checks, "window.calendar", message);
                None
            }
        },
        (rolling, None) => {
            let width = rolling.map_or(Duration::from_secs(30 * 86_400), |days| days.0);
            if width < Duration::from_secs(3600) || width > RETENTION {
                let message = format!(
                    "rolling is {}, must be from 1h to {}, for which counts are kept",
                    duration_text(width),
                    duration_text(RETENTION)
                );
                settings.error(checks, "window.rolling", message);
            }
            if config.timezone.is_some() {
                checks.warn(
                    &format!("{}.window.timezone", settings.path),
                    "a rolling window needs no timezone",
                );
            }
            Some(Window::Rolling(width))
        }
    }
}

/// A share, and what it is a share of.
struct Promise {
    target: f64,
    most: Option<Duration>,
    percentile: Option<Percentile>,
}

fn promises(settings: &Settings<'_>, checks: &mut Checks) -> Vec<Promise> {
    let (config, sli) = (settings.config, settings.sli());
    let within = sli.within.map(config::Duration::get);
    if !sli.targets.is_empty() {
        return percentiles(settings, checks);
    }
    let target = check_target(settings, checks);
    let percentile = |target: f64, most| {
        let name = format!("p{}", short(target * 100.0));
        Percentile { name, share: target, most }
    };
    match (config.sli.r#type, within) {
        (SliType::Latency, None) => {
            settings.error(
                checks,
                "sli.targets",
                "latency needs targets such as {p99: 800ms}, or within and target",
            );
            Vec::new()
        }
        (SliType::Latency, Some(most)) => {
            let promise =
                |target| Promise { target, most: Some(most), percentile: Some(percentile(target, most)) };
            target.map(promise).into_iter().collect()
        }
        _ => target.map(|target| Promise { target, most: None, percentile: None }).into_iter().collect(),
    }
}

fn check_target(settings: &Settings<'_>, checks: &mut Checks) -> Option<f64> {
    let Some(target) = settings.config.target else {
        settings.error(checks, "target", "target is missing; write the share of good events, such as 0.999");
        return None;
    };
    if target > 0.0 && target < 1.0 {
        return Some(target);
    }
    let remedy = match target {
        1.0 => "which leaves no budget; write less, such as 0.9999".to_owned(),
        _ if target > 1.0 && target < 100.0 => {
            format!("a share, not percent; write {}", short(target / 100.0))
        }
        _ => "must be above 0 and below 1".to_owned(),
    };
    settings.error(checks, "target", format!("target is {target}, {remedy}"));
    None
}

fn percentiles(settings: &Settings<'_>, checks: &mut Checks) -> Vec<Promise> {
    let sli = settings.sli();
    if settings.config.target.is_some() || sli.within.is_some() {
        settings.error(
            checks,
            "sli.targets",
            "the percentiles in targets are the targets; leave target and within out",
        );
    }
    if sli.targets.len() > MAX_PERCENTILES {
        settings.error(
            checks,
            "sli.targets",
            format!("more than {MAX_PERCENTILES} percentiles, write fewer"),
        );
    }
    let mut promises = Vec::new();
    for (name, most) in &sli.targets {
        let number = name.strip_prefix('p').and_then(|number| number.parse::<f64>().ok());
        let Some(number) = number.filter(|number| *number > 0.0 && *number < 100.0) else {
            let message = format!("`{name}` is no percentile below 100; write it as p50, p95, p99 or p99.9");
            settings.error(checks, &format!("sli.targets.{name}"), message);
            continue;
        };
        // 99.9 / 100 is not the double that 0.999 is.
        let target: f64 = format!("{number}e-2").parse().expect("a number with an exponent is a number");
        let percentile = Percentile { name: name.clone(), share: target, most: most.get() };
        promises.push(Promise { target, most: Some(most.get()), percentile: Some(percentile) });
    }
    promises
}

/// Writes a number without the noise of doubles.
fn short(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

fn with_threshold(indicator: &Indicator, most: Option<Duration>) -> Indicator {
    let mut indicator = indicator.clone();
    if let (Indicator::Spans(spans), Some(most)) = (&mut indicator, most) {
        spans.verdict = Verdict::Within(u64::try_from(most.as_nanos()).unwrap_or(u64::MAX));
    }
    indicator
}

fn escalation(settings: &Settings<'_>, checks: &mut Checks) -> Vec<Budget> {
    let mut budgets = Vec::new();
    for (at, entry) in settings.config.escalation.iter().enumerate() {
        if !(entry.budget_consumed > 0.0 && entry.budget_consumed <= 100.0) {
            let message =
                format!("budget_consumed is {}, must be above 0; 1 is all of it", entry.budget_consumed);
            settings.error(checks, &format!("escalation.{at}.budget_consumed"), message);
        }
        budgets.push(Budget { consumed: entry.budget_consumed, severity: entry.severity });
    }
    budgets.sort_by(|a, b| a.consumed.total_cmp(&b.consumed));
    if budgets.windows(2).any(|pair| pair[0].consumed == pair[1].consumed) {
        settings.error(checks, "escalation", "two entries have the same budget_consumed, leave one out");
    }
    budgets
}

fn cost(settings: &Settings<'_>, checks: &mut Checks) -> Option<Cost> {
    let config = settings.config.cost.as_ref()?;
    let rates = [("per_bad_event", config.per_bad_event), ("per_down_minute", config.per_down_minute)];
    for (key, rate) in rates {
        if !(rate >= 0.0 && rate.is_finite()) {
            settings.error(checks, &format!("cost.{key}"), format!("{key} is {rate}, must not be below 0"));
        }
    }
    let mut credits = Vec::new();
    for (at, credit) in config.credits.iter().enumerate() {
        settings.check_share(&format!("cost.credits.{at}.below"), credit.below, checks);
        credits.push(Credit { below: credit.below, amount: credit.amount });
    }
    credits.sort_by(|a, b| a.below.total_cmp(&b.below));
    let (per_bad_event, per_down_minute) = (config.per_bad_event, config.per_down_minute);
    Some(Cost { per_bad_event, per_down_minute, credits, currency: config.currency.clone() })
}

/// Compiles times that do not count.
pub(super) fn exclusions(list: &[MaintenanceConfig], path: &str, checks: &mut Checks) -> Vec<Exclusion> {
    let mut compiled = Vec::new();
    for (at, config) in list.iter().enumerate() {
        match when(config) {
            Ok(when) => compiled.push(Exclusion { name: config.name.clone(), when }),
            Err((key, problem)) => checks.error(&format!("{path}.{at}.{key}"), problem),
        }
    }
    compiled
}

fn when(config: &MaintenanceConfig) -> Result<When, (&'static str, String)> {
    match (&config.schedule, &config.start, &config.end) {
        (Some(schedule), None, None) => {
            Schedule::parse(schedule).map(When::Weekly).map_err(|problem| ("schedule", problem))
        }
        (None, Some(start), Some(end)) => {
            let read = |key, text: &String| {
                let problem = || (key, format!("`{text}` is no time; write it as `2026-11-21T02:00:00Z`"));
                instant(text, &jiff::tz::TimeZone::UTC).ok_or_else(problem)
            };
            let (from, until) = (read("start", start)?, read("end", end)?);
            if until <= from {
                return Err(("end", format!("end is {end}, must be after start ({start})")));
            }
            Ok(When::Once(Period { from, until }))
        }
        _ => Err(("name", "write start and end, or schedule".to_owned())),
    }
}
