//! What assembling traces adds to the way of a span.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use model::{KeySet, SpanTable, Timestamp, Traces};
use wire::Matcher;

use super::{stage::Stage, traffic::Traffic};
use crate::analysis::thread_cpu_time;

/// *Units*: nanoseconds per span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) spans_per_second: u32,
    /// The walk and `aggregation`, without what comes here.
    pub(super) hot_path: f64,
    /// What the walk takes longer for the attributes that are read.
    pub(super) walking: f64,
    /// Choosing and keeping spans, and telling them.
    pub(super) keeping: f64,
    /// Assembling traces, counting calls, and judging.
    pub(super) assembling: f64,
}

impl Figures {
    pub(super) fn on_top(&self) -> f64 {
        self.walking + self.keeping + self.assembling
    }
}

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
/// Rates are known, and as many traces wait as ever will.
const WARM_UP: u64 = 40;
const COUNTED: u64 = 40;

/// A walk with its attributes.
struct Walk {
    matcher: Matcher,
    table: Box<SpanTable>,
    spent: Duration,
}

impl Walk {
    fn new(keys: &KeySet) -> Self {
        Self { matcher: Matcher::new(keys), table: Box::default(), spent: Duration::ZERO }
    }

    fn read(&mut self, request: &Bytes) -> Result<Traces> {
        let mut table = std::mem::take(&mut self.table);
        table.clear();
        let begin = thread_cpu_time();
        wire::scan_traces(request, &self.matcher, &mut table).context("a request is malformed")?;
        self.spent += thread_cpu_time() - begin;
        Ok(Traces { bytes: request.clone(), table })
    }
}

pub(super) fn measure(spans_per_second: u32) -> Result<Figures> {
    let mut keys = KeySet::default();
    let mut aggregation = Stage::new("aggregation", "{metrics: false}", &mut keys, START)?;
    let mut plain = Walk::new(&keys);
    let mut bottleneck = Stage::new("bottleneck", "{}", &mut keys, START)?;
    let mut with_attributes = Walk::new(&keys);
    let mut traffic = Traffic::new();
    let mut n_spans = 0;
    for second in 0..WARM_UP + COUNTED {
        if second == WARM_UP {
            n_spans = 0;
            for stage in [&mut aggregation, &mut bottleneck] {
                (stage.ingesting, stage.analysing) = (Duration::ZERO, Duration::ZERO);
            }
            (plain.spent, with_attributes.spent) = (Duration::ZERO, Duration::ZERO);
        }
        let begin = START + Duration::from_secs(second);
        let (requests, n) = traffic.second(begin, spans_per_second);
        n_spans += n;
        for (at, request) in requests.iter().enumerate() {
            // The second walk finds the bytes in the caches: each is the second as often.
            let traces = if at % 2 == 0 {
                plain.table = plain.read(request)?.table;
                with_attributes.read(request)?
            } else {
                let traces = with_attributes.read(request)?;
                plain.table = plain.read(request)?.table;
                traces
            };
            let traces = aggregation.pass(traces, begin)?;
            with_attributes.table = bottleneck.pass(traces, begin)?.table;
        }
        let now = begin + Duration::from_secs(1);
        for stage in [&mut aggregation, &mut bottleneck] {
            stage.tell(now);
            stage.tick(now);
        }
    }
    let lost = bottleneck.rejected();
    ensure!(lost.iter().all(|(_, reason)| *reason == "traces_without_window"), "{lost:?}");
    let each = |spent: Duration| spent.as_nanos() as f64 / n_spans as f64;
    Ok(Figures {
        spans_per_second,
        hot_path: each(plain.spent + aggregation.ingesting),
        walking: each(with_attributes.spent) - each(plain.spent),
        keeping: each(bottleneck.ingesting),
        assembling: each(bottleneck.analysing),
    })
}
