//! Traces that are left out but for the spans that failed: which of these failed by themselves.
//!
//! Between the spans that are here others are missing, so that the tree alone does not tell who waited for whom. What failed
//! within the time of another is taken for what that failed by.

use super::{span::Span, trace::Trace};

/// By span whether it failed without another that failed below it.
///
/// *Cost*: the spans that begin within each span, until one of them ends within it too.
pub(super) fn failed_by_themselves(trace: &Trace) -> Vec<bool> {
    let spans = &trace.spans;
    let is_alone = |at: usize| {
        // Spans are in the order of their starts.
        let later = spans[at + 1..].iter().take_while(|other| other.start <= spans[at].end);
        let same = spans[..at].iter().rev().take_while(|other| other.start == spans[at].start);
        let has_time = !later.chain(same).any(|other| is_below(other, &spans[at]));
        has_time && trace.children(at as u32).iter().all(|child| !trace.span(*child).failed)
    };
    (0..spans.len()).map(is_alone).collect()
}

/// Whether a span may be what another one waited for. Of two that took the same time that is the later by its order.
fn is_below(span: &Span, other: &Span) -> bool {
    let are_siblings = span.parent != 0 && span.parent == other.parent;
    let is_within = span.start >= other.start && span.end <= other.end;
    let is_same_time = span.start == other.start && span.end == other.end;
    is_within
        && !are_siblings
        && !span.begins_anew()
        && other.parent != span.id
        && (!is_same_time || span.parent == other.id || span > other)
}
