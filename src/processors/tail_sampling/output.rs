//! Requests of the spans that are sampled.

use std::collections::HashMap;

use wire::build::GroupsWriter;

use super::held::{HeadId, Heads, Spans};

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
    /// Adds a trace, or a late part of one, whose heads are still held. Returns a request when there is enough for one.
    pub(super) fn add(&mut self, trace: u128, spans: Spans, heads: &mut Heads) -> Option<Request> {
        self.n_bytes += spans.pieces.iter().map(|piece| piece.fields.len()).sum::<usize>();
        self.traces.push((trace, spans));
        if self.n_bytes >= REQUEST_BYTES { self.request(heads) } else { None }
    }

    /// Writes what was added: by resource and scope, in these by trace, in these by their bytes. So the same spans make
    /// the same request however they came.
    pub(super) fn request(&mut self, heads: &mut Heads) -> Option<Request> {
        if self.traces.is_empty() {
            return None;
        }
        self.n_bytes = 0;
        let traces = std::mem::take(&mut self.traces);
        let ranks = ranks(&traces, heads);
        let mut all = Vec::new();
        for (trace, spans) in &traces {
            for piece in &spans.pieces {
                let Some(rank) = ranks.get(&piece.head) else { continue };
                all.extend(Fields(&piece.fields).map(|field| (*rank, *trace, field, piece.head)));
            }
        }
        all.sort_unstable();
        let mut writer = GroupsWriter::new();
        let mut open = None;
        for of_head in all.chunk_by(|a, b| a.0 == b.0) {
            let Some(head) = of_head.first().and_then(|(.., id)| heads.get(*id)) else { continue };
            if open != Some(head.resource_id) {
                writer.resource(head.resource);
            }
            open = Some(head.resource_id);
            writer.scope(head.scope);
            of_head.iter().for_each(|(_, _, field, _)| writer.items(field));
        }
        let request = Request { bytes: writer.take(), n_spans: all.len() as u64 };
        traces.iter().for_each(|(_, spans)| heads.release(spans));
        Some(request)
    }
}

/// Returns by head its place among those of some traces, in the order of their bytes.
fn ranks(traces: &[(u128, Spans)], heads: &Heads) -> HashMap<HeadId, usize, rapidhash::fast::RandomState> {
    let mut all: Vec<HeadId> =
        traces.iter().flat_map(|(_, spans)| &spans.pieces).map(|piece| piece.head).collect();
    all.sort_unstable();
    all.dedup();
    all.sort_by(|a, b| match (heads.get(*a), heads.get(*b)) {
        (Some(a), Some(b)) => a.compare(&b),
        _ => a.cmp(b),
    });
    all.into_iter().enumerate().map(|(rank, id)| (id, rank)).collect()
}

/// Walks fields that are messages, each with its tag and length.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut rest = self.0.get(1..)?;
        let len = usize::try_from(prost::encoding::decode_varint(&mut rest).ok()?).ok()?;
        let whole = (self.0.len() - rest.len()).checked_add(len)?;
        let (field, rest) = self.0.split_at_checked(whole)?;
        self.0 = rest;
        Some(field)
    }
}
