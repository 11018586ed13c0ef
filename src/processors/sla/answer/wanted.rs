//! Which times were not observed, and what a Prometheus is asked about them.

use std::{sync::Arc, time::Duration};

use model::Timestamp;
use serde_json::{Value, json};

use crate::sla::{
    plan::{Objective, Queries},
    processor::AnalysisHalf,
    ring::{RETENTION, SLOT},
    state::Record,
};

/// Back to here, parts are as wide as was set; older ones are as wide as the slots that keep them.
const FINE: Duration = Duration::from_secs(3 * 86_400);
const COARSE: Duration = Duration::from_secs(3600);
/// So short a gap is not worth a question.
const LEAST_GAP: Duration = Duration::from_secs(60);

/// Lists objectives with times that can be asked for. They are dated by the first evaluation.
pub(super) fn list(half: &AnalysisHalf, now: Timestamp) -> Value {
    let all = half.plan.objectives.iter().zip(&half.memory.records);
    let wanted = |(objective, record): (&Arc<Objective>, &Record)| {
        let Queries { total, part, part_is_good } = objective.past.as_ref()?;
        let runs: Vec<Value> = gaps(objective, record, now)
            .iter()
            .flat_map(|(from, until)| runs(*from, *until, now, half.plan.backfill_step))
            .map(|Run { start, width, count }| json!({ "start": start, "width": width, "count": count }))
            .collect();
        let is_wanted = !runs.is_empty();
        is_wanted.then(|| {
            json!({ "id": objective.id, "total": total, "part": part, "part_is_good": part_is_good, "runs": runs })
        })
    };
    let objectives: Vec<Value> = all.filter_map(wanted).collect();
    json!({ "is_dated": !half.reports.is_empty(), "objectives": objectives })
}

/// Returns the times of the present period before the last evaluation that nobody observed, in whole slots.
fn gaps(objective: &Objective, record: &Record, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let oldest = (now - RETENTION) + COARSE;
    let mut from = objective.window.at(now).from.max(oldest);
    let mut found = Vec::new();
    for (seen_from, seen_until) in &record.coverage.spans {
        // The slots at both ends are in part observed.
        let (start, end) = (up_to_slot(from), seen_from.window_start(SLOT));
        if end > start && end.since(start) >= LEAST_GAP {
            found.push((start, end));
        }
        from = from.max(*seen_until);
    }
    found
}

fn up_to_slot(at: Timestamp) -> Timestamp {
    let start = at.window_start(SLOT);
    if start == at { at } else { start + SLOT }
}

/// Parts of equal width, one after the other. *Units*: seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Run {
    start: u64,
    width: u64,
    count: u64,
}

/// Cuts a gap into parts whose borders are multiples of their width, but for its ends: those parts may be from half to one
/// and a half as wide, as growth in a time with few samples can not be told.
fn runs(from: Timestamp, until: Timestamp, now: Timestamp, step: Duration) -> Vec<Run> {
    let seconds = |at: Timestamp| at.as_nanos() / 1_000_000_000;
    let (from, until) = (seconds(from), seconds(until));
    let fine_from = seconds((now - FINE).window_start(COARSE)).clamp(from, until);
    let mut borders = vec![from];
    cut(&mut borders, fine_from, COARSE.as_secs());
    cut(&mut borders, until, step.as_secs());
    let mut runs = Vec::<Run>::new();
    for pair in borders.windows(2) {
        let (start, width) = (pair[0], pair[1] - pair[0]);
        match runs.last_mut() {
            Some(last) if last.width == width => last.count += 1,
            _ => runs.push(Run { start, width, count: 1 }),
        }
    }
    runs
}

/// Adds borders after the last one, up to an end.
fn cut(borders: &mut Vec<u64>, end: u64, width: u64) {
    let mut last = borders.last().copied().unwrap_or(end);
    let mut border = (last / width + 1) * width;
    while border < end {
        if border - last >= width / 2 && end - border >= width / 2 {
            borders.push(border);
            last = border;
        }
        border += width;
    }
    if end > last {
        borders.push(end);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn a_gap_is_cut_at_hours_and_then_at_steps() {
        let now = 1_700_000_000;
        let minute = |n: u64| now - n * 60;
        let found = runs(at(minute(26 * 24 * 60)), at(now), at(now), Duration::from_secs(300));
        let text: Vec<_> = found.iter().map(|run| format!("{}x{}", run.count, run.width)).collect();
        // 1,700,000,000 is 13 minutes and 20 seconds past an hour, and three days before the fine parts begin.
        assert_eq!(text, ["1x2800", "551x3600", "866x300", "1x200"], "{found:?}");
    }

    proptest! {
        #[test]
        fn parts_cover_a_gap_without_overlap_in_whole_slots(
            start in 0_u64..8_000_000, width in 6_u64..800_000, step in proptest::sample::select(vec![60_u64, 300, 600, 3600]),
        ) {
            let (from, until) = (1_600_000_000 + start, 1_600_000_000 + start + width * 10);
            let from = from / 10 * 10;
            let until = until / 10 * 10;
            let found = runs(at(from), at(until), at(until + 5), Duration::from_secs(step));
            let mut next = from;
            for run in &found {
                prop_assert_eq!(run.start, next);
                prop_assert!(run.width % 10 == 0 && run.width > 0 && run.width <= 5400 + 3600, "{:?}", run);
                next += run.width * run.count;
            }
            prop_assert_eq!(next, until);
            prop_assert!(found.len() <= 8, "{:?}", found);
        }
    }
}
