//! What each exporter would have to carry: `validate --estimate`.

use std::{collections::BTreeMap, path::PathBuf};

use engine::Plan;
use model::Signal;
use serde::Serialize;

use super::{census::Census, past};
use crate::{ask::Table, terminal::short};

/// What an exporter is given, of recorded telemetry.
#[derive(Serialize)]
pub(crate) struct Load {
    exporter: String,
    /// Series that came at all, as Prometheus counts them.
    series: u64,
    samples_per_second: f64,
    spans_per_second: f64,
    log_records_per_second: f64,
    /// Before compression.
    bytes_per_second: f64,
}

#[derive(Default)]
struct Sum {
    census: Census,
    n_spans: u64,
    n_records: u64,
    n_bytes: u64,
}

/// Plays files through a plan and sums up what each exporter gets.
///
/// # Errors
/// When a file can not be read, or holds nothing.
pub(crate) fn estimate(plan: Plan, files: &[PathBuf]) -> anyhow::Result<Vec<Load>> {
    let ids: Vec<String> =
        plan.outline().pipelines.into_iter().flat_map(|line| line.exporters).map(|end| end.id).collect();
    let mut sums: BTreeMap<String, Sum> = ids.into_iter().map(|id| (id, Sum::default())).collect();
    let played = past::play(plan, files, |outline, pipeline, export| {
        for id in past::takers(outline, pipeline, export.signal) {
            let Some(sum) = sums.get_mut(id) else { continue };
            sum.n_bytes += export.bytes.len() as u64;
            match export.signal {
                Signal::Traces => sum.n_spans += export.items,
                Signal::Logs => sum.n_records += export.items,
                Signal::Metrics => sum.census.take(&export.bytes.whole()),
            }
        }
    })?;
    let seconds = played.seconds();
    let rate = |count: u64| count as f64 / seconds;
    let load = |(exporter, sum): (String, Sum)| Load {
        exporter,
        series: sum.census.n_series(),
        samples_per_second: rate(sum.census.n_samples),
        spans_per_second: rate(sum.n_spans),
        log_records_per_second: rate(sum.n_records),
        bytes_per_second: rate(sum.n_bytes),
    };
    Ok(sums.into_iter().map(load).collect())
}

pub(crate) fn text(loads: &[Load]) -> String {
    let mut table = Table::new(&["EXPORTER", "SERIES", "SAMPLES/S", "SPANS/S", "RECORDS/S", "BYTES/S"]);
    for load in loads {
        table.push(vec![
            load.exporter.clone(),
            load.series.to_string(),
            short(load.samples_per_second),
            short(load.spans_per_second),
            short(load.log_records_per_second),
            short(load.bytes_per_second),
        ]);
    }
    table.write()
}
