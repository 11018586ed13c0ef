//! Counts that others kept before.

use std::{collections::BTreeMap, time::Duration};

use component::Answer;
use model::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::sla::{
    plan::Indicator,
    processor::AnalysisHalf,
    ring::{Count, RETENTION, SLOT},
};

/// Events of a time: `start` and `width` in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    start: f64,
    width: f64,
    good: f64,
    total: f64,
}

/// So many slots may come at once: ninety days of minutes.
const MAX_GIVEN: usize = 129_600;

/// Fills the ring of an objective. Nothing is filled when anything is wrong.
///
/// *Errors*: what is wrong, with the place in the list and the remedy.
pub(super) fn fill(
    half: &mut AnalysisHalf,
    place: usize,
    body: &[u8],
    now: Timestamp,
) -> Result<usize, String> {
    let given: Vec<Given> = serde_json::from_slice(body).map_err(|problem| {
        format!("the body is no list of slots ({problem}); write [{{\"start\":1700000000,\"width\":300,\"good\":99,\"total\":100}}]")
    })?;
    fill_given(half, place, &given, now)
}

/// Fills the rings of several objectives, each or not at all: `{"id": [slots]}`.
pub(super) fn fill_all(half: &mut AnalysisHalf, body: &[u8], now: Timestamp) -> Answer {
    let given: BTreeMap<String, Vec<Given>> = match serde_json::from_slice(body) {
        Ok(given) => given,
        Err(problem) => {
            return Answer::refused(
                400,
                &format!("the body is no map from ids to lists of slots ({problem})"),
            );
        }
    };
    let (mut filled, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for (id, slots) in given {
        let told = match half.plan.find(&id) {
            Some(place) => fill_given(half, place, &slots, now),
            None => Err(format!("there is no objective `{id}`")),
        };
        match told {
            Ok(n_slots) => drop(filled.insert(id, n_slots)),
            Err(problem) => drop(refused.insert(id, problem)),
        }
    }
    let is_changed = !filled.is_empty();
    let told = json!({ "filled": filled, "refused": refused }).to_string();
    if is_changed { Answer::done(200, told) } else { Answer::ok(told) }
}

fn fill_given(
    half: &mut AnalysisHalf,
    place: usize,
    given: &[Given],
    now: Timestamp,
) -> Result<usize, String> {
    let objective = std::sync::Arc::clone(&half.plan.objectives[place]);
    if let Indicator::Composite(_) = objective.indicator {
        return Err(format!(
            "{} is composite and has no counts; fill the objectives that it is made of",
            objective.id
        ));
    }
    if given.len() > MAX_GIVEN {
        return Err(format!("{} slots, send at most {MAX_GIVEN} at once", given.len()));
    }
    let record = &half.memory.records[place];
    let mut checked = Vec::with_capacity(given.len());
    for (at, slot) in given.iter().enumerate() {
        let (from, until, count) = check(slot, now).map_err(|problem| format!("slot {at}: {problem}"))?;
        let overlaps =
            |(seen_from, seen_until): &(Timestamp, Timestamp)| from < *seen_until && *seen_from < until;
        if let Some((seen_from, seen_until)) = record.coverage.spans.iter().find(|span| overlaps(span)) {
            return Err(format!(
                "slot {at}: from {} to {} events were counted already; send only what lies outside, so that nothing counts twice",
                seconds(*seen_from),
                seconds(*seen_until)
            ));
        }
        checked.push((from, until, count));
    }
    checked.sort_unstable_by_key(|(from, until, _)| (*from, *until));
    if let Some(pair) = checked.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        return Err(format!("two slots overlap at {}; each time may be given once", seconds(pair[1].0)));
    }
    for (from, until, count) in &checked {
        half.memory.records[place].backfill(&objective, *from, *until, *count);
    }
    Ok(checked.len())
}

fn check(given: &Given, now: Timestamp) -> Result<(Timestamp, Timestamp, Count), String> {
    let Given { start, width, good, total } = *given;
    let slot = SLOT.as_secs_f64();
    if !(width >= slot && width <= 86_400.0 && width % slot == 0.0) {
        return Err(format!("width is {width}, must be a multiple of 10 seconds up to a day"));
    }
    if !(start >= 0.0 && start % slot == 0.0) {
        return Err(format!("start is {start}, must be a multiple of 10 seconds since the epoch"));
    }
    if !(good >= 0.0 && good <= total && total <= 1e15) {
        return Err(format!("good is {good} and total is {total}, must be 0 <= good <= total"));
    }
    let from = Timestamp::from_secs(start as u64);
    let until = from + Duration::from_secs(width as u64);
    if until > now {
        return Err(format!("it ends at {}, which is in the future", seconds(until)));
    }
    if now.since(from) > RETENTION {
        return Err(format!(
            "it begins at {start}, counts are kept for {} days",
            RETENTION.as_secs() / 86_400
        ));
    }
    Ok((from, until, Count { good: good.round() as u64, total: total.round() as u64 }))
}

fn seconds(at: Timestamp) -> u64 {
    at.as_nanos() / 1_000_000_000
}
