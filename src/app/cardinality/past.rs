//! Recorded telemetry through the pipelines of a configuration, counted where it leaves.

use std::{path::PathBuf, time::Duration};

use component::{Instrument, Telemetry};
use engine::{Offline, Outline, Plan};
use model::{Export, Signal, Timestamp};

use crate::replay::{Console, Files, on_its_own_thread};

/// What leaves pipelines is looked at so often, so that it never piles up over a gap.
const ASKED_EVERY: Duration = Duration::from_secs(60);

/// What was played.
pub(crate) struct Played {
    pub(crate) begin: Timestamp,
    pub(crate) end: Timestamp,
    /// Lines that were damaged and left out.
    pub(crate) n_damaged: u64,
    /// What components said of themselves at the end.
    pub(crate) instruments: Vec<Instrument>,
}

impl Played {
    /// *Units*: seconds, at least one.
    pub(crate) fn seconds(&self) -> f64 {
        self.end.since(self.begin).as_secs_f64().max(1.0)
    }
}

/// Plays files through a plan and hands over what leaves, with the number of its pipeline in the outline.
///
/// # Errors
/// When a file can not be read, or holds nothing.
pub(crate) fn play(
    plan: Plan,
    files: &[PathBuf],
    mut take: impl FnMut(&Outline, usize, &Export),
) -> anyhow::Result<Played> {
    let console = Console::new(Files::length(files)?);
    let source = Files::open(files, &console)?;
    let outline = plan.outline();
    let telemetry = Telemetry::default();
    let (mut plan, mut playing): (Option<Plan>, Option<(Offline, Timestamp)>) = (Some(plan), None);
    let mut hand_over = |offline: &mut Offline| {
        let told = offline.told();
        for (export, pipeline) in told.exports.iter().zip(told.pipelines) {
            take(&outline, pipeline, export);
        }
    };
    on_its_own_thread(source, |recorded| {
        if let Some(plan) = plan.take() {
            playing = Some((Offline::new(plan, &telemetry, recorded.at), recorded.at));
        }
        let Some((offline, _)) = &mut playing else { return Ok(()) };
        while offline.now() + ASKED_EVERY < recorded.at {
            offline.advance(offline.now() + ASKED_EVERY);
            hand_over(offline);
        }
        offline.advance(recorded.at);
        if let Err(problem) = offline.take(recorded.signal, recorded.bytes) {
            console.damaged(&recorded.place, &problem.to_string());
        }
        hand_over(offline);
        console.reached(recorded.at);
        Ok(())
    })?;
    console.finish();
    let Some((mut offline, begin)) = playing else { anyhow::bail!("there was nothing in the files") };
    offline.end();
    hand_over(&mut offline);
    // Gauges go with their stages.
    let instruments = telemetry.read();
    Ok(Played { begin, end: offline.now(), n_damaged: console.n_damaged(), instruments })
}

/// Whether an exporter of the outline gets what leaves a pipeline.
pub(crate) fn takers(outline: &Outline, pipeline: usize, signal: Signal) -> impl Iterator<Item = &str> {
    let ends = outline.pipelines.get(pipeline).map_or(&[][..], |line| &line.exporters);
    ends.iter().filter(move |end| end.takes.contains(signal)).map(|end| end.id.as_str())
}
