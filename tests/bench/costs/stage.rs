//! A stage whose halves are timed.

use std::time::Duration;

use anyhow::{Context, Result};
use component::{BuildCx, Cx, Processor, Telemetry, Workbench};
use model::{Ack, Batch, KeySet, Payload, Rollups, Timestamp, Traces};

use crate::analysis::{configured, thread_cpu_time};

/// Both halves of a processor, with the CPU time that each has taken.
pub(super) struct Stage {
    ingest: Box<dyn Processor>,
    analysis: Box<dyn Processor>,
    bench: Workbench,
    pub(super) ingesting: Duration,
    pub(super) analysing: Duration,
}

impl Stage {
    /// Builds a processor as the service does, and asks for the attributes that it reads.
    pub(super) fn new(
        kind: &'static str,
        settings: &str,
        keys: &mut KeySet,
        start: Timestamp,
    ) -> Result<Self> {
        let telemetry = Telemetry::default();
        let part = configured(kind, settings.to_owned())?;
        let cx = BuildCx {
            id: kind,
            telemetry: &telemetry,
            instance_id: "bench",
            started_at: start,
            is_watched: true,
        };
        let mut ingest = part.ingest(&cx);
        ingest.want(keys);
        let analysis = part.analysis(&cx).with_context(|| format!("{kind} has an analysis half"))?;
        let (ingesting, analysing) = (Duration::ZERO, Duration::ZERO);
        Ok(Self { ingest, analysis, bench: Workbench::default(), ingesting, analysing })
    }

    /// Leads spans through the ingest half and returns them.
    pub(super) fn pass(&mut self, traces: Traces, now: Timestamp) -> Result<Traces> {
        let items = traces.table.spans.len() as u64;
        let batch = Batch { payload: Payload::Traces(traces), items, ack: Ack::none() };
        let begin = thread_cpu_time();
        self.ingest.process(batch, &mut Cx::new(now, &mut self.bench));
        self.ingesting += thread_cpu_time() - begin;
        let mut passed = None;
        for batch in std::mem::take(&mut self.bench.out) {
            match batch.payload {
                Payload::Traces(traces) => passed = Some(traces),
                _ => self.merge(batch, now),
            }
        }
        passed.context("spans pass through")
    }

    /// Gives log records to the ingest half, whose partials come to the other.
    pub(super) fn hear(&mut self, records: Vec<u8>, now: Timestamp) {
        let batch = Batch { payload: Payload::Logs(records.into()), items: 1, ack: Ack::none() };
        self.ingest.process(batch, &mut Cx::new(now, &mut self.bench));
        for batch in std::mem::take(&mut self.bench.out) {
            if matches!(batch.payload, Payload::Partial(_)) {
                self.merge(batch, now);
            }
        }
    }

    fn merge(&mut self, batch: Batch, now: Timestamp) {
        let begin = thread_cpu_time();
        self.analysis.process(batch, &mut Cx::new(now, &mut self.bench));
        self.analysing += thread_cpu_time() - begin;
    }

    /// Lets the ingest half tell what it has.
    pub(super) fn tell(&mut self, now: Timestamp) {
        let begin = thread_cpu_time();
        self.ingest.tick(&mut Cx::new(now, &mut self.bench));
        self.ingesting += thread_cpu_time() - begin;
        for batch in std::mem::take(&mut self.bench.out) {
            self.merge(batch, now);
        }
    }

    /// Gives a closed window to the analysis half and returns it.
    pub(super) fn judge(&mut self, window: Box<Rollups>, now: Timestamp) -> Result<Box<Rollups>> {
        let items = window.len() as u64;
        let batch = Batch { payload: Payload::Rollups(window), items, ack: Ack::none() };
        self.merge(batch, now);
        let passed = std::mem::take(&mut self.bench.out).into_iter().find_map(|batch| match batch.payload {
            Payload::Rollups(window) => Some(window),
            _ => None,
        });
        passed.context("windows pass through")
    }

    /// Ends a second. Verdicts come back to the ingest half; returns log records that were told.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Vec<u8>> {
        let begin = thread_cpu_time();
        self.analysis.tick(&mut Cx::new(now, &mut self.bench));
        self.analysing += thread_cpu_time() - begin;
        let mut told = Vec::new();
        for batch in std::mem::take(&mut self.bench.out) {
            match &batch.payload {
                Payload::Verdicts(_) => self.ingest.process(batch, &mut Cx::new(now, &mut self.bench)),
                Payload::Logs(records) => told.push(records.to_vec()),
                _ => {}
            }
        }
        told
    }

    /// What was dropped, with reasons, since it was last asked.
    pub(super) fn rejected(&mut self) -> Vec<(u64, &'static str)> {
        std::mem::take(&mut self.bench.rejected)
    }
}
