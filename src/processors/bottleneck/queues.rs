//! Which queues grow: messages wait longer from minute to minute, or more and more of them do.

use std::{collections::BTreeMap, sync::Arc};

use model::{Rollups, Statistic, Timestamp};

use super::{
    config::BottleneckConfig,
    judge::Sighting,
    minute::Minute,
    subject::{Operation, Subject, Type},
    usual::{MINUTE, Usual},
};
use crate::glob::fits;

/// Minutes one after the other in which a queue must have grown: by chance one of 24 that only waver does.
const RISES: usize = 3;

/// Part of the rise that each of these minutes must have: one step that lasts is no growth.
const LEAST_STEP: f64 = 0.1;

/// What a minute tells of a queue.
pub(super) struct Reading {
    pub(super) subject: Subject,
    /// Milliseconds that messages waited in the median, or what was in the queue.
    pub(super) value: f64,
    pub(super) n: u64,
    roots: Vec<(Operation, f64)>,
}

/// Adds what is in queues in a window, of each service and metric the sum. Returns what found no room.
pub(super) fn tell(rollups: &Rollups, metrics: &[String], minute: &mut Minute) -> u64 {
    let mut depths: BTreeMap<Subject, f64> = BTreeMap::new();
    for (series, value) in rollups.series.iter().zip(&rollups.values) {
        let is_depth = series.statistic == Statistic::Mean && value.is_finite() && *value >= 0.0;
        if is_depth && metrics.iter().any(|pattern| fits(pattern, &series.metric)) {
            let (service, operation) = (Arc::clone(&series.service), Arc::clone(&series.metric));
            *depths.entry(Subject { kind: Type::Backlog, service, operation }).or_default() += value;
        }
    }
    depths.into_iter().map(|(subject, depth)| u64::from(!minute.add_depth(subject, depth))).sum()
}

/// Returns what a minute tells of all queues, in the order of their subjects.
pub(super) fn readings(minute: &Minute, config: &BottleneckConfig) -> Vec<Reading> {
    let waits = minute.tallies.iter().filter(|(subject, tally)| {
        subject.kind == Type::QueueWait && tally.n >= config.min_calls_of_minute()
    });
    let waits = waits.map(|(subject, tally)| Reading {
        subject: Subject { kind: Type::QueueGrowth, ..subject.clone() },
        value: tally.values.quantile(0.5),
        n: tally.n,
        roots: minute.shares(subject),
    });
    let depths = minute.depths.iter().map(|(subject, depth)| Reading {
        subject: subject.clone(),
        value: depth.mean(),
        n: depth.n,
        roots: Vec::new(),
    });
    waits.chain(depths).collect()
}

/// Whether a queue has grown in each of the last minutes, to several times what it was and by as much as is worth
/// telling. Its memory has this minute already.
pub(super) fn growth(
    usual: &Usual,
    reading: &Reading,
    start: Timestamp,
    config: &BottleneckConfig,
) -> Option<Sighting> {
    let first = usual.calm.len().checked_sub(RISES + 1)?;
    // This minute is not among them yet.
    let before = usual.recent.len().checked_sub(RISES).and_then(|at| usual.recent.get(at));
    let has_no_gap = before.is_some_and(|before| before.start + MINUTE * RISES as u32 == start);
    let last: Vec<f64> = usual.calm.iter().skip(first).map(|value| f64::from(*value)).collect();
    let (before, now) = (last[0], last[RISES]);
    let is_rising = last.windows(2).all(|pair| pair[1] - pair[0] > LEAST_STEP * (now - before));
    let least = match reading.subject.kind {
        Type::QueueGrowth => config.patterns.queue_wait.get().as_secs_f64() * 1e3,
        _ => config.patterns.queue_depth as f64,
    };
    let is_much = now >= config.slow_factor * before && now - before >= least;
    if !(has_no_gap && now > before && is_rising && is_much) {
        return None;
    }
    let doublings = (now / before.max(f64::MIN_POSITIVE)).log2();
    Some(Sighting {
        n: reading.n,
        current: now,
        usual: before,
        share: reading.roots.first().map_or(f64::NAN, |(_, share)| *share),
        roots: reading.roots.iter().map(|(root, _)| root.clone()).collect(),
        score: 100.0 * (doublings / 3.0).clamp(0.0, 1.0),
        confidence: reading.subject.kind.certainty(),
        saving: f64::NAN,
        is_typical: true,
        ..Sighting::default()
    })
}
