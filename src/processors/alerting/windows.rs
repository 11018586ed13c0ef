//! From rows of closed windows to evaluations of rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{Rollups, Series, Slots, Timestamp};
use wire::view::attributes;

use super::{
    alert::{Alert, Owner, fingerprint},
    history::What,
    judge::{Finding, Measured, severity_of},
    labels::Labels,
    machine::{OnNoData, Policy, Verdict},
    matching::{MOST_LABEL_BYTES, attribute_of},
    processor::AnalysisHalf,
    rule::PREDICTED,
    rules::{Origin, Rule},
    template::Filling,
};
use crate::promql;
use crate::text::cut;

/// A series that is so much older than the last window means that the time was set back.
const SET_BACK: Duration = Duration::from_secs(3600);
/// Windows that did not come are evaluated as empty, the last so many.
const MOST_MISSING: u32 = 60;
/// An alert that fires and whose series has been gone for so long is resolved, whatever `on_no_data` says.
const GONE_AFTER: Duration = Duration::from_secs(24 * 3600);
/// What tells series of one metric apart beside the attributes of their points, as `job` and `instance` do.
const IDENTITY: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];
const MOST_EXEMPLARS: usize = 3;

/// The time of the windows of one width.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) window: Duration,
    /// End of the window whose rows come.
    open: Option<Timestamp>,
    /// End of the last window that was closed; 0 before the first.
    closed: Timestamp,
    /// Whether a window has come since the start: those before were not missed, nobody waited for them.
    has_come: bool,
    /// The first tick.
    since: Timestamp,
    targets: Slots<Targets>,
    swept_at: Timestamp,
}

/// The alerts that a series is about.
#[derive(Clone, Debug, Default)]
struct Targets {
    /// Of the rules when they were found, one more; 0 for never.
    generation: u64,
    /// How many alerts had been removed when there was no room for one of them; none when there was.
    vacated: Option<u64>,
    all: Box<[Target]>,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    rule: u32,
    alert: u32,
    fingerprint: u64,
}

impl Clock {
    fn new(window: Duration) -> Self {
        let (targets, start) = (Slots::default(), Timestamp::default());
        Self { window, open: None, closed: start, has_come: false, since: start, targets, swept_at: start }
    }
}

impl AnalysisHalf {
    /// Makes clocks for the windows of all rules.
    pub(super) fn set_clocks(&mut self) {
        let wanted: BTreeSet<Duration> = self.rules.iter().map(|(_, rule)| rule.window).collect();
        self.clocks.retain(|clock| wanted.contains(&clock.window));
        for window in wanted {
            if !self.clocks.iter().any(|clock| clock.window == window) {
                self.clocks.push(Clock::new(window));
            }
        }
        self.clocks.sort_by_key(|clock| clock.window);
    }

    /// Takes the rows of a closed window; it may come in several tables.
    pub(super) fn take_window(&mut self, rollups: &Rollups, now: Timestamp) {
        let end = rollups.end();
        let Some(index) = self.clocks.iter().position(|clock| clock.window == rollups.width) else { return };
        let closed = self.clocks[index].closed;
        if end <= closed {
            if closed.since(end) < SET_BACK {
                let is_late = closed.since(end) <= self.config.lateness.get();
                if is_late { &self.meters.late } else { &self.meters.too_late }.add(1);
                return;
            }
            self.clocks[index] = Clock::new(rollups.width);
        }
        if let Some(open) = self.clocks[index].open.filter(|open| *open != end) {
            if end < open {
                self.meters.late.add(1);
                return;
            }
            self.close(index, open, now);
        }
        self.clocks[index].open = Some(end);
        let mut targets = std::mem::take(&mut self.clocks[index].targets);
        for row in 0..rollups.len() {
            let series = &rollups.series[row];
            let known = targets.get_or_insert_with(rollups.slots[row], series.fingerprint, Targets::default);
            self.take_row(rollups, row, known);
        }
        self.clocks[index].targets = targets;
    }

    fn take_row(&mut self, rollups: &Rollups, row: usize, targets: &mut Targets) {
        let generation = u64::from(self.rules.generation) + 1;
        let is_stale = targets.generation != generation
            || targets.vacated.is_some_and(|vacated| vacated != self.vacated)
            || targets.all.iter().any(|target| {
                self.alerts.get(target.alert).is_none_or(|alert| alert.fingerprint != target.fingerprint)
            });
        if is_stale {
            *targets = self.targets_of(&rollups.series[row], rollups.width);
            targets.generation = generation;
        }
        let usual = rollups.baseline.as_ref();
        let is_absent = usual.is_some_and(|usual| usual.is_absent[row]);
        let is_degraded = usual.is_some_and(|usual| usual.is_degraded[row]);
        for target in &targets.all {
            let Some(rule) = self.rules.get(target.rule) else { continue };
            let Some(alert) = self.alerts.get_mut(target.alert) else { continue };
            if let Some(anomaly) = &rollups.anomaly {
                let (score, confidence) = (anomaly.score[row], anomaly.confidence[row]);
                alert.tally.add_score(score.into(), anomaly.episode[row], confidence.into());
            }
            alert.tally.add_degraded(is_degraded);
            // A row that stands for silence has no value of its own.
            if !is_absent {
                alert.tally.add(rule.aggregate, rollups.values[row], rollups.support[row]);
            }
            if let Some(exemplars) = rollups.exemplars.get(&(row as u32)) {
                alert.exemplars.clear();
                alert.exemplars.extend(exemplars.iter().take(MOST_EXEMPLARS));
            }
        }
    }

    /// Finds the alerts of a series, and makes those that are not there yet.
    fn targets_of(&mut self, series: &Series, window: Duration) -> Targets {
        let mut targets = Targets::default();
        let mut all = Vec::new();
        for number in self.rules.about(series, window) {
            let Some(rule) = self.rules.get(number) else { continue };
            let labels = group_of(rule, series, &self.config.labels);
            match self.alert_of(number, labels) {
                Some(target) => all.push(target),
                None => targets.vacated = Some(self.vacated),
            }
        }
        targets.all = all.into();
        targets
    }

    fn alert_of(&mut self, number: u32, labels: Labels) -> Option<Target> {
        let rule = self.rules.get_mut(number)?;
        let fingerprint = fingerprint(&rule.name, &labels);
        let target = |alert| Some(Target { rule: number, alert, fingerprint });
        if let Some(place) = self.alerts.place_of(fingerprint) {
            let alert = self.alerts.get_mut(place)?;
            match alert.owner {
                Owner::Rule(owner) if owner == number => {}
                Owner::Nobody => {
                    alert.owner = Owner::Rule(number);
                    rule.alerts.push(place);
                }
                _ => {
                    self.meters.conflicts.add(1);
                    return None;
                }
            }
            return target(place);
        }
        if self.alerts.len() as u64 >= self.config.max_alerts {
            self.meters.overflowed.add(1);
            return None;
        }
        let mut alert = Alert::new(Owner::Rule(number), Arc::clone(&rule.name), labels);
        alert.rule_type = Arc::clone(&rule.kind);
        alert.threshold = rule.test.threshold();
        alert.will_be(rule.severity);
        let place = self.alerts.insert(alert);
        rule.alerts.push(place);
        target(place)
    }

    /// Closes what has come, and what did not come in time.
    pub(super) fn close_windows(&mut self, now: Timestamp) {
        let patience = self.config.lateness.get();
        for index in 0..self.clocks.len() {
            if let Some(open) = self.clocks[index].open {
                self.close(index, open, now);
            }
            let window = self.clocks[index].window;
            // What is known to have come, or can not come any more.
            let reached = (now - patience).window_start(window);
            let closed = self.clocks[index].closed;
            let clock = &mut self.clocks[index];
            if clock.since.as_nanos() == 0 {
                clock.since = now;
            }
            if !clock.has_come && now.since(clock.since) <= patience + window {
                clock.closed = closed.max(reached);
                continue;
            }
            if reached.since(closed) > window * MOST_MISSING {
                // Nothing was known for long; every evaluation of that time would say so.
                self.clocks[index].closed = reached - window;
            }
            while self.clocks[index].closed < reached {
                let next = self.clocks[index].closed + window;
                self.close(index, next, now);
            }
        }
    }

    /// Ends a window: rules learn its values, and are evaluated when it is time.
    fn close(&mut self, index: usize, end: Timestamp, now: Timestamp) {
        let clock = &mut self.clocks[index];
        // Windows before this one did not come: rules that look at each must see that they were empty.
        let missing = end.since(clock.closed + clock.window).min(clock.window * MOST_MISSING);
        let first = if clock.has_come { end - missing } else { end };
        clock.has_come |= clock.open.is_some();
        (clock.open, clock.closed) = (None, end);
        let (window, step) = (clock.window, clock.window.as_nanos() as u64);
        let mut at = first;
        while at < end {
            self.evaluate(window, at, now, false);
            at = Timestamp(at.as_nanos() + step);
        }
        self.evaluate(window, end, now, true);
        self.sweep(index, end);
    }

    fn evaluate(&mut self, window: Duration, end: Timestamp, now: Timestamp, has_rows: bool) {
        for number in 0..self.rules.n_places() {
            let Some(rule) = self.rules.get(number).filter(|rule| rule.window == window) else { continue };
            let is_due = end.window_start(rule.every) == end;
            let stands_for_itself = rule.config.group_by.as_ref().is_some_and(Vec::is_empty)
                && rule.policy.on_no_data == OnNoData::Alert;
            if stands_for_itself && rule.alerts.is_empty() {
                let labels = labels_of(rule, BTreeMap::new(), &self.config.labels);
                self.alert_of(number, labels);
            }
            let Some(rule) = self.rules.get(number) else { continue };
            for position in 0..rule.alerts.len() {
                let Some(rule) = self.rules.get(number) else { break };
                let place = rule.alerts[position];
                let Some(alert) = self.alerts.get_mut(place) else { continue };
                if has_rows || rule.test.counts_silence() {
                    learn(rule, alert, end);
                }
                if !is_due {
                    continue;
                }
                let measured =
                    if has_rows { alert.tally.take(rule.takes_worst()) } else { Measured::NOTHING };
                let every = rule.every;
                let is_changed = judge(rule, alert, &measured, end, &mut self.scratch, &mut self.changes);
                if !alert.has_data {
                    self.meters.no_data.add(1);
                }
                if is_changed {
                    self.after_step(place, end, now);
                }
                self.note_evaluation(place, end, every);
            }
        }
    }

    /// Forgets, once a minute, alerts of series that are gone.
    fn sweep(&mut self, index: usize, end: Timestamp) {
        let clock = &mut self.clocks[index];
        if end.since(clock.swept_at) < Duration::from_secs(60) {
            return;
        }
        clock.swept_at = end;
        let window = clock.window;
        let retention = self.config.series_retention.get();
        let numbers: Vec<u32> =
            self.rules.iter().filter(|(_, rule)| rule.window == window).map(|(number, _)| number).collect();
        for number in numbers {
            let Some(rule) = self.rules.get(number) else { continue };
            for place in rule.alerts.clone() {
                let Some(alert) = self.alerts.get_mut(place) else { continue };
                if alert.seen_at.as_nanos() == 0 {
                    alert.seen_at = end;
                }
                let silent = end.since(alert.seen_at);
                if silent > GONE_AFTER && alert.end(end, "its series has gone", &mut self.changes) {
                    self.after_step(place, end, end);
                }
                self.forget_if_over(place, end, silent > retention);
            }
        }
    }

    /// Forgets an alert of which nothing is left to tell.
    pub(super) fn forget_if_over(&mut self, place: u32, now: Timestamp, is_gone: bool) {
        let resolved_for = self.config.resend_resolved_for.get();
        let Some(alert) = self.alerts.get(place) else { return };
        if !is_gone || alert.is_active(resolved_for, now) {
            return;
        }
        if let Owner::Rule(number) = alert.owner
            && let Some(rule) = self.rules.get_mut(number)
        {
            rule.alerts.retain(|other| *other != place);
        }
        if let Some(alert) = self.alerts.remove(place) {
            self.vacated += 1;
            self.keep_on_shelf(alert);
        }
    }
}

/// Learns the value of a window.
fn learn(rule: &Rule, alert: &mut Alert, end: Timestamp) {
    let value = alert.tally.close_window(rule.aggregate, rule.takes_worst());
    if value.is_finite() {
        alert.seen_at = end;
        rule.test.learn(end, rule.window, value, &mut alert.memory);
    } else if alert.tally.has_score() {
        alert.seen_at = end;
    } else if rule.test.counts_silence() {
        rule.test.learn(end, rule.window, 0.0, &mut alert.memory);
    }
}

/// Evaluates a rule for one of its groups. Returns whether its state changed.
fn judge(
    rule: &Rule,
    alert: &mut Alert,
    measured: &Measured,
    at: Timestamp,
    scratch: &mut Vec<f64>,
    changes: &mut Vec<super::machine::Change>,
) -> bool {
    let is_silent = !measured.value.is_finite() && rule.test.bridges(at.since(alert.seen_at));
    let measured = if is_silent { &Measured { value: 0.0, ..Measured::NOTHING } } else { measured };
    let Finding { verdict, value, left } = rule.test.evaluate(measured, &mut alert.memory, scratch);
    if verdict != Verdict::NoData {
        alert.value = value;
    }
    alert.is_true = verdict == Verdict::True;
    alert.compare_with(at, rule.test.threshold());
    let severity = severity_of(rule.severity, &rule.severities, left);
    let has_expired = rule
        .test
        .horizon()
        .is_some_and(|horizon| alert.machine.is_firing() && at.since(alert.machine.starts_at) >= horizon);
    let is_changed = if has_expired {
        // What was foretold did not come: that is over at once.
        let policy = Policy { keep_firing_for: Duration::ZERO, ..rule.policy };
        alert.step(at, Verdict::False, severity, &policy, changes)
    } else if verdict == Verdict::NoData && at.since(alert.seen_at) < rule.no_data_after {
        let policy = Policy { on_no_data: OnNoData::Keep, ..rule.policy };
        alert.step(at, verdict, severity, &policy, changes)
    } else {
        alert.step(at, verdict, severity, &rule.policy, changes)
    };
    if alert.alert_state().is_some() {
        annotate(rule, alert);
    }
    is_changed
}

fn annotate(rule: &Rule, alert: &mut Alert) {
    let with = Filling {
        name: &rule.name,
        severity: alert.severity().name(),
        value: alert.value,
        threshold: alert.threshold,
        labels: &alert.labels,
    };
    alert.annotations =
        rule.annotations.iter().map(|(key, template)| (key.clone(), template.fill(&with))).collect();
}

/// Returns the labels of the group of a rule that a series belongs to.
fn group_of(rule: &Rule, series: &Series, common: &BTreeMap<String, String>) -> Labels {
    let mut labels = BTreeMap::new();
    match &rule.config.group_by {
        keys if rule.selector.is_some() => {
            labels = promql::labels(series);
            labels.retain(|label, _| keys.as_ref().is_none_or(|keys| keys.contains(label)));
        }
        Some(keys) => {
            labels.extend(keys.iter().filter_map(|key| Some((key.clone(), attribute_of(series, key)?))));
        }
        None => {
            let identity =
                IDENTITY.iter().filter_map(|key| Some(((*key).to_owned(), attribute_of(series, key)?)));
            labels.extend(identity);
            for attribute in attributes(&series.attributes, 1) {
                let value = cut(attribute.value().to_label_string(), MOST_LABEL_BYTES);
                labels.insert(String::from_utf8_lossy(attribute.key).into_owned(), value);
            }
        }
    }
    if rule.config.metric.contains('*') {
        labels.insert("metric".to_owned(), series.metric.to_string());
    }
    labels_of(rule, labels, common)
}

/// Adds the labels of the rule and of the configuration.
fn labels_of(rule: &Rule, mut labels: BTreeMap<String, String>, common: &BTreeMap<String, String>) -> Labels {
    labels.retain(|key, value| !value.is_empty() && key != super::ALERTNAME && key != super::ALERTSTATE);
    if !rule.labels.is_empty() {
        let known = Labels::from(&labels);
        let with =
            Filling { name: &rule.name, severity: "", value: f64::NAN, threshold: f64::NAN, labels: &known };
        labels.extend(rule.labels.iter().map(|(key, template)| (key.clone(), template.fill(&with))));
    }
    if rule.config.when.op.is_prediction() {
        labels.insert(PREDICTED.to_owned(), "true".to_owned());
    }
    Labels::with(&labels, common)
}

impl AnalysisHalf {
    /// Removes a rule and ends its alerts.
    pub(super) fn remove_rule(&mut self, number: u32, now: Timestamp, why: &str) -> bool {
        let Some(rule) = self.rules.remove(number) else { return false };
        self.shelf.disown(number);
        for place in rule.alerts {
            let Some(alert) = self.alerts.get_mut(place) else { continue };
            alert.owner = Owner::Nobody;
            alert.remember(now, What::NoData, why.to_owned());
            if alert.end(now, why, &mut self.changes) {
                self.after_step(place, now, now);
            }
        }
        self.set_clocks();
        true
    }

    /// Ends what people asked for when its time is over.
    pub(super) fn expire_rules(&mut self, now: Timestamp) {
        let is_over =
            |rule: &Rule| matches!(&rule.origin, Origin::Asked { expires_at, .. } if *expires_at <= now);
        let over: Vec<u32> =
            self.rules.iter().filter(|(_, rule)| is_over(rule)).map(|(number, _)| number).collect();
        for number in over {
            self.remove_rule(number, now, "its rule has expired");
        }
    }
}
