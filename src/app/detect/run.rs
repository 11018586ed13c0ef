//! Feeds files through the stages.

use std::{collections::BTreeMap, io::Write, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use component::{Registry, Telemetry};
use config::{ConfigUri, Document, SystemEnvironment};
use engine::Offline;
use model::{Columns, Rollups, Series, Statistic};

use super::{
    DetectArgs,
    output::{JsonLines, Judged, Table, Writer},
    read::Recording,
};
use crate::{
    commands::validate,
    detect::args::Format,
    exit::{self, fail},
    registry::registry,
};

/// What judges when no configuration is given.
const DEFAULT_CONFIG: &str = "yaml:{receivers: {otlp: {protocols: {grpc: }}}, \
    processors: {aggregation: , baseline: , anomaly: }, exporters: {nop: }, \
    service: {pipelines: {telemetry: {receivers: [otlp], \
    processors: [aggregation, baseline, anomaly], exporters: [nop]}}}}";

pub(crate) fn run(args: &DetectArgs) -> ExitCode {
    let uris = match uris(args) {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let stdout = std::io::stdout().lock();
    let result = match args.format {
        Format::Jsonl => detect(args, &uris, &mut JsonLines::new(stdout)),
        Format::Table => detect(args, &uris, &mut Table::new(stdout)),
    };
    match result {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(problems)) => {
            // What is wrong with a configuration is told as `validate` tells it.
            let told = writeln!(std::io::stderr(), "{problems}");
            ExitCode::from(if told.is_ok() { exit::CONFIG } else { exit::RUNTIME })
        }
        Err(problem) => fail(exit::RUNTIME, &format!("{problem:#}")),
    }
}

fn uris(args: &DetectArgs) -> Result<Vec<ConfigUri>, String> {
    if args.config.is_empty() {
        return Ok(vec![DEFAULT_CONFIG.parse().map_err(|problem: config::UriError| problem.to_string())?]);
    }
    args.config.uris()
}

/// Judges every file. Returns what is wrong with the configuration, if anything.
fn detect(args: &DetectArgs, uris: &[ConfigUri], writer: &mut dyn Writer) -> anyhow::Result<Option<String>> {
    let registry = registry();
    for path in &args.files {
        let recording = Recording::read(path)?;
        if let Some(warning) = &recording.warning {
            // Nobody is there to be told when standard error is closed.
            drop(writeln!(std::io::stderr(), "warning: {warning}"));
        }
        let uris = with_step(uris, recording.step, &registry)?;
        let loaded = validate::check_for_given_windows(&uris);
        let Some(plan) = loaded.plan else {
            return Ok(Some(validate::render(&loaded.problems, false)));
        };
        judge(plan, &recording, writer)?;
    }
    writer.end()?;
    Ok(None)
}

/// Sets the window of every stage that says what is normal or what is not to the step of the recording.
pub(crate) fn with_step(
    uris: &[ConfigUri],
    step: Duration,
    registry: &Registry,
) -> anyhow::Result<Vec<ConfigUri>> {
    let collector = Document::load(uris, &SystemEnvironment).collector;
    let judges = |kind: &str| {
        let row = registry.processors.iter().find(|row| row.answers_to(kind));
        row.is_some_and(|row| row.adds.meets(Columns::BASELINE.union(Columns::ANOMALY)))
    };
    let mut settings: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for processor in collector.processors.iter().filter(|it| judges(it.id.component_type.as_str())) {
        let window = format!("{}ms", step.as_millis().max(1));
        settings.insert(processor.id.to_string(), BTreeMap::from([("window", window)]));
    }
    let over = serde_json::to_string(&BTreeMap::from([("processors", settings)]))?;
    let over = format!("yaml:{over}").parse().context("the window could not be set")?;
    Ok(uris.iter().cloned().chain([over]).collect())
}

fn judge(plan: engine::Plan, recording: &Recording, writer: &mut dyn Writer) -> anyhow::Result<()> {
    let Some(first) = recording.points.first() else { bail!("{} has no points", recording.name) };
    let mut offline = Offline::new(plan, &Telemetry::default(), first.at);
    let series = Arc::new(series_of(&recording.name));
    for point in &recording.points {
        let mut table = Rollups { start: point.at, width: recording.step, ..Rollups::default() };
        table.push(Arc::clone(&series), 0, point.value, 1);
        offline.judge(table)?;
        let told = offline.told();
        let judged = told.rollups.iter().find_map(|table| Judged::of(table, &series));
        writer.point(&recording.name, point, &judged.unwrap_or_default())?;
    }
    Ok(())
}

pub(crate) fn series_of(name: &str) -> Series {
    Series {
        resource: Arc::default(),
        metric: name.into(),
        unit: Arc::from(""),
        attributes: Arc::default(),
        statistic: Statistic::Mean,
        service: name.into(),
        // One series in each run of the stages.
        fingerprint: 1,
    }
}
