//! Requests of the spans that are sampled.

use std::collections::HashMap;

use wire::build::GroupsWriter;

use super::{
    heads::{HeadId, Heads},
    held::{Held, Spans},
};

/// Requests are closed when they are so large: a trace stays in one, and what exporters batch stays small.
const REQUEST_BYTES: usize = 512 << 10;

/// Sampled spans on their way out.
#[derive(Default)]
pub(super) struct Output {
    traces: Vec<(u128, Spans)>,
    n_bytes: usize,
}

/// An encoded request of traces.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) n_spans: u64,
}

impl Output {
    /// Adds a trace, or a late part of one, that is still held. Returns a request when there is enough for one.
    pub(super) fn add(&mut self, trace: u128, spans: Spans, held: &mut Held) -> Option<Request> {
        self.n_bytes += spans.n_bytes();
        self.traces.push((trace, spans));
        if self.n_bytes >= REQUEST_BYTES { self.request(held) } else { None }
    }

    /// Writes what was added: by resource and scope, in these by trace, in these by their bytes. So the same spans make
    /// the same request however they came.
    pub(super) fn request(&mut self, held: &mut Held) -> Option<Request> {
        if self.traces.is_empty() {
            return None;
        }
        let n_bytes = std::mem::take(&mut self.n_bytes);
        let traces = std::mem::take(&mut self.traces);
        let ranks = ranks(&traces, &held.heads);
        let n_spans = traces.iter().map(|(_, spans)| spans.all.len()).sum();
        let mut all = Vec::with_capacity(n_spans);
        for (trace, spans) in &traces {
            for span in &spans.all {
                let Some(rank) = ranks.get(&span.head) else { continue };
                all.push((*rank, *trace, held.field(span), span.head));
            }
        }
        all.sort_unstable();
        let mut writer = GroupsWriter::new();
        let of_heads = ranks.keys().filter_map(|id| held.heads.get(*id)).map(|head| head.n_bytes());
        writer.reserve(n_bytes + of_heads.sum::<usize>());
        let mut open = None;
        for of_head in all.chunk_by(|a, b| a.0 == b.0) {
            let Some(head) = of_head.first().and_then(|(.., id)| held.heads.get(*id)) else { continue };
            if open != Some(head.resource_id) {
                writer.resource(head.resource);
            }
            open = Some(head.resource_id);
            writer.scope(head.scope);
            of_head.iter().for_each(|(_, _, field, _)| writer.items(field));
        }
        let request = Request { bytes: writer.take(), n_spans: all.len() as u64 };
        traces.iter().for_each(|(_, spans)| held.release(spans));
        Some(request)
    }
}

/// Returns by head its place among those of some traces, in the order of their bytes.
fn ranks(traces: &[(u128, Spans)], heads: &Heads) -> HashMap<HeadId, usize, rapidhash::fast::RandomState> {
    let mut all: Vec<HeadId> =
        traces.iter().flat_map(|(_, spans)| &spans.all).map(|span| span.head).collect();
    all.sort_unstable();
    all.dedup();
    all.sort_by(|a, b| match (heads.get(*a), heads.get(*b)) {
        (Some(a), Some(b)) => a.compare(&b),
        _ => a.cmp(b),
    });
    all.into_iter().enumerate().map(|(rank, id)| (id, rank)).collect()
}
