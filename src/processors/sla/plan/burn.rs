//! When a budget burns too fast.
//!
//! *Source*: Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"; the fourth pair and
//! "quick or slow" for each severity are Sloth's. Pyrra's are scaled from four weeks to the window.

use std::time::Duration;

use component::Checks;

use super::grain::Grain;
use crate::sla::{
    calendar::{Window, duration_text},
    config::{BurnAlertConfig, BurnAlerts, Urgency},
    ring::RETENTION,
};

/// An alert: true when any of its pairs is.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct BurnAlert {
    pub(in crate::sla) severity: Urgency,
    pub(in crate::sla) style: BurnStyle,
    /// How long it must be true.
    pub(in crate::sla) hold: Duration,
    pub(in crate::sla) pairs: Vec<Pair>,
}

/// By whose conventions an alert is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sla) enum BurnStyle {
    Sloth,
    Pyrra,
}

/// True when both windows burn faster than the factor.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::sla) struct Pair {
    pub(in crate::sla) long: Duration,
    pub(in crate::sla) short: Duration,
    pub(in crate::sla) factor: f64,
}

/// Where a preset's factor can not be reached, so much of the greatest burn rate takes its place.
const REACHABLE: f64 = 0.9;

/// What an alert is reckoned by.
pub(super) struct Terms<'a> {
    pub(super) target: f64,
    pub(super) window: &'a Window,
    pub(super) grain: Option<Grain>,
    pub(super) min_events: u64,
    /// Where the objective stands.
    pub(super) path: &'a str,
}

/// Makes the alerts of an objective. Those that can never fire are reported.
pub(super) fn compile(config: &BurnAlerts, terms: &Terms<'_>, checks: &mut Checks) -> Vec<BurnAlert> {
    let path = format!("{}.burn_alerts", terms.path);
    match config {
        BurnAlerts::None => Vec::new(),
        BurnAlerts::Auto => {
            let mut alerts = google(terms.window);
            leave_out_healthy(&mut alerts, terms.window, &path, checks);
            leave_out_empty(&mut alerts, terms, &path, checks);
            cap(&mut alerts, terms.target, &path, checks);
            alerts
        }
        BurnAlerts::Google => {
            let mut alerts = google(terms.window);
            leave_out_healthy(&mut alerts, terms.window, &path, checks);
            check_preset("google", &alerts, terms, &path, checks);
            alerts
        }
        BurnAlerts::Pyrra => {
            let alerts = pyrra(terms.window);
            check_preset("pyrra", &alerts, terms, &path, checks);
            alerts
        }
        BurnAlerts::Own(list) => own(list, terms, &path, checks),
    }
}

/// Severity, share of the budget in hundredths, long and short window in minutes.
const GOOGLE: [(Urgency, f64, u64, u64); 4] = [
    (Urgency::Page, 2.0, 60, 5),
    (Urgency::Page, 5.0, 6 * 60, 30),
    (Urgency::Ticket, 10.0, 24 * 60, 2 * 60),
    (Urgency::Ticket, 10.0, 72 * 60, 6 * 60),
];

fn google(window: &Window) -> Vec<BurnAlert> {
    let period = window.nominal();
    let alert = |severity: Urgency| {
        let rows = GOOGLE.iter().filter(|row| row.0 == severity);
        let pairs = rows.map(|(_, percent, long, short)| {
            let (long, short) = (Duration::from_secs(long * 60), Duration::from_secs(short * 60));
            Pair { long, short, factor: percent * period.as_secs_f64() / long.as_secs_f64() / 100.0 }
        });
        let pairs: Vec<_> = pairs.filter(|pair| pair.long <= period).collect();
        BurnAlert { severity, style: BurnStyle::Sloth, hold: Duration::ZERO, pairs }
    };
    let both = [Urgency::Page, Urgency::Ticket].map(alert);
    both.into_iter().filter(|alert| !alert.pairs.is_empty()).collect()
}

/// A burn rate of 1 spends the budget just when the period ends, so that much less is health. Sloth's slowest alert of four
/// weeks, at 0.93, is the least that is in use.
const LEAST_FACTOR: f64 = 0.9;

/// Leaves out the pairs that a service which keeps its promise would make true: those of long windows of a short period.
fn leave_out_healthy(alerts: &mut Vec<BurnAlert>, window: &Window, path: &str, checks: &mut Checks) {
    let mut left_out = Vec::new();
    for alert in alerts.iter_mut() {
        alert.pairs.retain(|pair| {
            if pair.factor < LEAST_FACTOR {
                left_out.push(format!("{} (a burn rate of {:.2})", duration_text(pair.long), pair.factor));
            }
            pair.factor >= LEAST_FACTOR
        });
    }
    alerts.retain(|alert| !alert.pairs.is_empty());
    if !left_out.is_empty() {
        let remains = if alerts.is_empty() { "no alert remains" } else { "the others remain" };
        let message = format!(
            "of a period of {} the alerts over {} are left out, as a service that keeps its promise would raise them; {remains}: write `pyrra`, whose windows grow with the period, or alerts of your own",
            duration_text(window.nominal()),
            left_out.join(" and ")
        );
        checks.warn(path, message);
    }
}

/// Of four weeks: severity, factor, long window, short window and `for`, in minutes.
const PYRRA: [(Urgency, f64, u64, u64, u64); 4] = [
    (Urgency::Page, 14.0, 60, 5, 2),
    (Urgency::Page, 7.0, 6 * 60, 30, 15),
    (Urgency::Ticket, 2.0, 24 * 60, 2 * 60, 60),
    (Urgency::Ticket, 1.0, 96 * 60, 6 * 60, 180),
];

fn pyrra(window: &Window) -> Vec<BurnAlert> {
    let scale = window.nominal().as_secs_f64() / (28.0 * 86_400.0);
    let scaled = |minutes: u64| Duration::from_secs(((minutes as f64 * scale).round().max(1.0) as u64) * 60);
    let alerts = PYRRA.iter().map(|(severity, factor, long, short, hold)| BurnAlert {
        severity: *severity,
        style: BurnStyle::Pyrra,
        hold: scaled(*hold),
        pairs: vec![Pair { long: scaled(*long), short: scaled(*short), factor: *factor }],
    });
    alerts.collect()
}

/// Alerts of one severity that wait alike are one: any of its pairs makes it true.
fn own(list: &[BurnAlertConfig], terms: &Terms<'_>, path: &str, checks: &mut Checks) -> Vec<BurnAlert> {
    let mut alerts = Vec::<BurnAlert>::new();
    for (at, config) in list.iter().enumerate() {
        let short = config.short.map_or(config.long.0, |short| short.0);
        let pair = Pair { long: config.long.0, short, factor: config.factor };
        if !check_pair(&pair, config.short.is_some(), terms, &format!("{path}.{at}"), checks) {
            continue;
        }
        let hold = config.r#for.map_or(Duration::ZERO, config::Duration::get);
        match alerts.iter_mut().find(|alert| alert.severity == config.severity && alert.hold == hold) {
            Some(alert) => alert.pairs.push(pair),
            None => {
                let (severity, style) = (config.severity, BurnStyle::Sloth);
                alerts.push(BurnAlert { severity, style, hold, pairs: vec![pair] });
            }
        }
    }
    alerts
}

fn check_pair(pair: &Pair, has_short: bool, terms: &Terms<'_>, path: &str, checks: &mut Checks) -> bool {
    let Pair { long, short, factor } = *pair;
    let (long_text, short_text) = (duration_text(long), duration_text(short));
    let mut problems = Vec::new();
    let least = Duration::from_secs(60);
    if !has_short && long < least {
        problems.push(("long", format!("long is {long_text}, must be at least 1m")));
    } else if has_short && (short < least || short >= long) {
        let message = format!("short is {short_text}, must be at least 1m and below long ({long_text})");
        problems.push(("short", message));
    }
    if long > RETENTION {
        let message = format!("long is {long_text}, counts are kept for {}", duration_text(RETENTION));
        problems.push(("long", message));
    }
    if !(factor > 0.0 && factor.is_finite()) {
        problems.push(("factor", format!("factor is {factor}, must be above 0")));
    } else if !is_reachable(factor, terms.target) {
        problems.push(("factor", unreachable(factor, terms.target)));
    }
    if let Some(problem) = terms.problem_of(pair).filter(|_| problems.is_empty()) {
        problems.push((if has_short { "short" } else { "long" }, problem));
    }
    let is_sound = problems.is_empty();
    for (key, message) in problems {
        checks.error(&format!("{path}.{key}"), message);
    }
    is_sound
}

impl Terms<'_> {
    /// Returns why the windows of a pair hold too little for it ever to be true.
    fn problem_of(&self, pair: &Pair) -> Option<String> {
        let grain = self.grain?;
        grain.problem_of(pair.short).or_else(|| grain.problem_of_events(self.min_events, pair.long))
    }
}

fn check_preset(name: &str, alerts: &[BurnAlert], terms: &Terms<'_>, path: &str, checks: &mut Checks) {
    let pairs = || alerts.iter().flat_map(|alert| &alert.pairs);
    let target = terms.target;
    if let Some(pair) = pairs().filter(|pair| !is_reachable(pair.factor, target)).max_by(by_factor) {
        let problem = unreachable(pair.factor, target);
        checks.error(path, format!("of `{name}`, {problem}; or `auto`, which lowers factors"));
    }
    if let Some(problem) = pairs().find_map(|pair| terms.problem_of(pair)) {
        checks.error(path, format!("of `{name}`, {problem}; or `auto`, which leaves such alerts out"));
    }
}

/// Leaves out the pairs whose windows are too short for what is counted.
fn leave_out_empty(alerts: &mut Vec<BurnAlert>, terms: &Terms<'_>, path: &str, checks: &mut Checks) {
    for alert in alerts.iter_mut() {
        alert.pairs.retain(|pair| {
            let problem = terms.problem_of(pair);
            if let Some(problem) = &problem {
                let (long, short) = (duration_text(pair.long), duration_text(pair.short));
                checks.warn(path, format!("the alert over {long} and {short} is left out: {problem}"));
            }
            problem.is_none()
        });
    }
    alerts.retain(|alert| !alert.pairs.is_empty());
}

fn by_factor(a: &&Pair, b: &&Pair) -> std::cmp::Ordering {
    a.factor.total_cmp(&b.factor)
}

/// Whether all events of a window being bad is enough.
fn is_reachable(factor: f64, target: f64) -> bool {
    factor * (1.0 - target) < 1.0
}

fn unreachable(factor: f64, target: f64) -> String {
    let highest = REACHABLE / (1.0 - target);
    format!(
        "a burn rate of {factor} can never be reached with a target of {target}, as even without one good event it is {:.3}; write a factor of at most {highest:.2}",
        1.0 / (1.0 - target)
    )
}

fn cap(alerts: &mut [BurnAlert], target: f64, path: &str, checks: &mut Checks) {
    let highest = REACHABLE / (1.0 - target);
    let mut capped = Vec::new();
    for pair in alerts.iter_mut().flat_map(|alert| &mut alert.pairs) {
        if !is_reachable(pair.factor, target) {
            capped.push(format!("{:.2}", pair.factor));
            pair.factor = highest;
        }
    }
    if !capped.is_empty() {
        let message = format!(
            "with a target of {target} a burn rate of {} can never be reached; {highest:.2} takes its place",
            capped.join(" or ")
        );
        checks.warn(path, message);
    }
}
