//! From answers of a Prometheus to whole events.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, anyhow};
use model::Timestamp;
use processors::promql::with_window;
use serde::{Deserialize, Serialize};

use crate::range_query::{Answered, Client, Range, Refused};

/// An objective with times that were not observed.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(super) struct Wanted {
    pub(super) id: String,
    /// Queries with `[{{.window}}]`.
    pub(super) total: String,
    pub(super) part: String,
    pub(super) part_is_good: bool,
    pub(super) runs: Vec<Run>,
}

/// Parts of equal width, one after the other. *Units*: seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Run {
    start: u64,
    width: u64,
    count: u64,
}

/// Events of a time, as stages take them.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Slot {
    pub(super) start: u64,
    pub(super) width: u64,
    pub(super) good: u64,
    pub(super) total: u64,
}

/// Why there are no counts.
#[derive(Debug)]
pub(super) enum Failed {
    /// The query is wrong, and will be.
    Wrong(anyhow::Error),
    /// It may be answered another time.
    Later(anyhow::Error),
}

/// Asks for all times of an objective. Times of which Prometheus knows nothing are left out.
///
/// # Errors
/// What is wrong with the query, the answer or the way there.
pub(super) fn ask(client: &Client, wanted: &Wanted) -> Result<Vec<Slot>, Failed> {
    let mut slots = Vec::new();
    let (mut total, mut part) = (Whole::default(), Whole::default());
    for Run { start, width, count } in &wanted.runs {
        let totals = points(client, &wanted.total, *start, *width, *count)?;
        let parts = points(client, &wanted.part, *start, *width, *count)?;
        for (end, all) in totals {
            // A series that is not there has counted nothing.
            let some = parts.get(&end).copied().unwrap_or(0.0).clamp(0.0, all);
            let n_total = total.add(all);
            let n_part = part.add_at_most(some, n_total);
            let good = if wanted.part_is_good { n_part } else { n_total - n_part };
            slots.push(Slot { start: end - width, width: *width, good, total: n_total });
        }
    }
    Ok(slots)
}

/// Asks for one value at the end of each part.
fn points(
    client: &Client,
    query: &str,
    start: u64,
    width: u64,
    count: u64,
) -> Result<BTreeMap<u64, f64>, Failed> {
    let query =
        with_window(query, &format!("{width}s")).map_err(|problem| Failed::Wrong(anyhow!(problem)))?;
    let at = |seconds| Timestamp::from_secs(seconds);
    let mut left =
        Range { start: at(start + width), end: at(start + width * count), step: Duration::from_secs(width) };
    let mut points = BTreeMap::new();
    while let Some(stretch) = left.split_first() {
        let Answered { series, .. } = client.query_range(&query, stretch).map_err(|problem| {
            if problem.is::<Refused>() { Failed::Wrong(problem) } else { Failed::Later(problem) }
        })?;
        if series.len() > 1 {
            let problem = anyhow!("`{query}` gives {} series, must be one sum", series.len());
            return Err(Failed::Wrong(problem));
        }
        let found = series.into_iter().flat_map(|found| found.points);
        for (at, value) in found.filter(|(_, value)| value.is_finite() && *value >= 0.0) {
            points.insert(at.as_nanos() / 1_000_000_000, value);
        }
    }
    Ok(points)
}

/// Makes whole numbers of fractions, so that their sums stay what they were: `increase()` tells fractions of events, and
/// those of a month of quiet hours must not be lost.
#[derive(Default)]
struct Whole {
    left: f64,
}

impl Whole {
    fn add(&mut self, value: f64) -> u64 {
        self.add_at_most(value, u64::MAX)
    }

    fn add_at_most(&mut self, value: f64, most: u64) -> u64 {
        self.left += value;
        // A hair below a whole number is that number, as sums of doubles go.
        let whole = ((self.left + 1e-9).floor().max(0.0) as u64).min(most);
        self.left -= whole as f64;
        whole
    }
}

/// Reads what a stage names.
///
/// # Errors
/// When it is something else.
pub(super) fn read(body: &[u8]) -> anyhow::Result<(bool, Vec<Wanted>)> {
    #[derive(Deserialize)]
    struct All {
        is_dated: bool,
        objectives: Vec<Wanted>,
    }
    let All { is_dated, objectives } = serde_json::from_slice(body).context("the stage names no times")?;
    Ok((is_dated, objectives))
}
