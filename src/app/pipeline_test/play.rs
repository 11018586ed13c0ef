//! A test's telemetry through its pipelines, on a clock that is moved by hand.

use std::{collections::BTreeMap, path::Path};

use component::Telemetry;
use config::{ConfigUri, Environment};
use engine::{Offline, Outline};
use model::{Signal, Timestamp};
use serde_json::Value;

use super::{
    compare::{Difference, compare},
    file::{Case, Expected},
    input::Filler,
    items::items_of,
};
use crate::{
    commands::validate::render,
    registry::registry,
    replay::{Console, Files},
};

/// Where time begins when nobody says otherwise: 2026-01-01.
const START: Timestamp = Timestamp::from_secs(1_767_225_600);

/// A request and when it comes.
struct Request {
    at: Timestamp,
    signal: Signal,
    bytes: bytes::Bytes,
}

/// What left each pipeline, as items.
#[derive(Default)]
struct Left(BTreeMap<(usize, Signal), Vec<Value>>);

/// Plays a test. Returns what is not as expected.
///
/// # Errors
/// What is wrong with the configuration or with the inputs.
pub(super) fn play(
    case: &Case,
    uris: &[ConfigUri],
    environment: &dyn Environment,
    folder: &Path,
) -> Result<Vec<Difference>, String> {
    let loaded = engine::load(uris, environment, &registry());
    let Some(plan) = loaded.plan else { return Err(render(&loaded.problems, false)) };
    let outline = plan.outline();
    check_exporters(case, &outline)?;
    let (start, requests) = requests(case, folder)?;
    let mut offline = Offline::new(plan, &Telemetry::default(), start);
    let mut left = Left::default();
    for request in requests {
        offline.advance(request.at);
        left.take(&mut offline)?;
        let taken = offline.take(request.signal, request.bytes);
        taken.map_err(|problem| format!("an input is damaged: {problem}"))?;
        left.take(&mut offline)?;
    }
    offline.advance(start + case.until.get());
    if case.drain {
        offline.end();
    }
    left.take(&mut offline)?;
    Ok(case
        .expect
        .iter()
        .flat_map(|(exporter, expected)| left.differences(exporter, expected, &outline))
        .collect())
}

/// Makes every request of a test, the earliest first, and says when the pipelines begin.
fn requests(case: &Case, folder: &Path) -> Result<(Timestamp, Vec<Request>), String> {
    let paths: Vec<_> =
        case.inputs.iter().filter_map(|input| input.file.as_ref()).map(|file| folder.join(file)).collect();
    let console = Console::new(0);
    let mut requests: Vec<Request> = Vec::new();
    for recorded in Files::open(&paths, &console).map_err(|problem| format!("{problem:#}"))? {
        let recorded = recorded.map_err(|problem| format!("{problem:#}"))?;
        requests.push(Request { at: recorded.at, signal: recorded.signal, bytes: recorded.bytes });
    }
    if console.n_damaged() > 0 {
        return Err("an input is damaged; its places are named above".to_owned());
    }
    let start = case.start().or_else(|| requests.first().map(|first| first.at)).unwrap_or(START);
    let mut filler = Filler { now: start, n_ids: 0 };
    for (index, input) in case.inputs.iter().enumerate() {
        filler.now = start + input.at.get();
        let kinds =
            [(Signal::Traces, &input.traces), (Signal::Metrics, &input.metrics), (Signal::Logs, &input.logs)];
        for (signal, written) in
            kinds.into_iter().filter_map(|(signal, written)| Some((signal, written.as_ref()?)))
        {
            let bytes =
                filler.request(signal, written).map_err(|problem| format!("inputs.{index} is {problem}"))?;
            requests.push(Request { at: filler.now, signal, bytes: bytes.into() });
        }
    }
    requests.sort_by_key(|request| request.at);
    if let Some(early) = requests.first().filter(|first| first.at < start) {
        return Err(format!("an input is of {}, before the start", crate::replay::rfc3339(early.at)));
    }
    Ok((start, requests))
}

fn check_exporters(case: &Case, outline: &Outline) -> Result<(), String> {
    let known: std::collections::BTreeSet<&str> =
        outline.pipelines.iter().flat_map(|line| &line.exporters).map(|it| it.id.as_str()).collect();
    let Some(name) = case.expect.keys().find(|name| !known.contains(name.as_str())) else { return Ok(()) };
    let near = config::did_you_mean(name, known.iter().copied());
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let known: Vec<&str> = known.into_iter().collect();
    Err(format!("expect names `{name}`, which ends no pipeline; {near}these do: {}", known.join(", ")))
}

impl Left {
    /// Takes what came out since.
    fn take(&mut self, offline: &mut Offline) -> Result<(), String> {
        let told = offline.told();
        for (export, pipeline) in told.exports.iter().zip(told.pipelines) {
            let items = items_of(export.signal, &export.bytes.whole())?;
            self.0.entry((pipeline, export.signal)).or_default().extend(items);
        }
        Ok(())
    }

    /// Returns what an exporter gets of a signal: of each of its pipelines.
    fn of(&self, exporter: &str, signal: Signal, outline: &Outline) -> Vec<Value> {
        let takes = |line: &engine::PipelineOutline| {
            line.exporters.iter().any(|end| end.id == exporter && end.takes.contains(signal))
        };
        let lines = outline.pipelines.iter().enumerate().filter(|(_, line)| takes(line));
        lines.filter_map(|(index, _)| self.0.get(&(index, signal))).flatten().cloned().collect()
    }

    fn differences(&self, exporter: &str, expected: &Expected, outline: &Outline) -> Vec<Difference> {
        let kinds = [
            ("spans", Signal::Traces, &expected.spans),
            ("data_points", Signal::Metrics, &expected.data_points),
            ("log_records", Signal::Logs, &expected.log_records),
        ];
        let looked_at =
            kinds.into_iter().filter_map(|(kind, signal, wanted)| Some((kind, signal, wanted.as_ref()?)));
        looked_at
            .flat_map(|(kind, signal, wanted)| {
                compare(exporter, kind, wanted, &self.of(exporter, signal, outline), expected.allow_more)
            })
            .collect()
    }
}
