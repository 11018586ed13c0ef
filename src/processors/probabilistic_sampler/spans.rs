//! Spans: what they say of their sampling stands in the tracestate.

use model::{Slice, SpanRec, Traces};
use wire::{
    edit::{Fate, Rewritten, put_field, rewrite_items},
    view::AnyValue,
};

use super::{
    decide::{Carrier, Item, Mode, Verdict, hashed},
    processor::{Policy, Tally},
};
use crate::consistent::{ALWAYS, KEPT_BY_ALL, NEVER, TraceState, randomness_of};

/// OpenTracing's attribute, by which a sender wants a span kept or dropped.
pub(super) const PRIORITY: &str = "sampling.priority";

/// The field of a span that holds the tracestate.
const TRACE_STATE: u32 = 3;

/// Returns what is left of the request, or none when all of it is.
pub(super) fn sample(
    traces: &Traces,
    mode: Mode,
    fail_closed: bool,
    priority_slot: usize,
    tally: &mut Tally,
) -> Option<Rewritten> {
    let request = &traces.bytes[..];
    let mut spans = traces.table.spans.iter().enumerate();
    rewrite_items(request, |body, out| {
        // The table has the spans in the order of the request.
        let Some((index, span)) = spans.next() else { return Fate::Keep };
        let priority = traces.table.values_of(index).get(priority_slot).copied().unwrap_or(Slice::ABSENT);
        let priority = if priority.is_absent() { None } else { threshold_of_priority(priority.of(request)) };
        let (mut state, item, policy) = read(span, request, mode, priority);
        let verdict = mode.decide(item, fail_closed);
        tally.count(if priority.is_some() { Policy::Priority } else { policy }, verdict != Verdict::Dropped);
        match verdict {
            Verdict::Dropped => return Fate::Drop,
            Verdict::Kept => return Fate::Keep,
            Verdict::Marked(None) => {}
            Verdict::Marked(Some(threshold)) => state.set_threshold(threshold),
        }
        let written = state.write();
        if written == span.trace_state.of(request) {
            return Fate::Keep;
        }
        put_field(body, TRACE_STATE, &written, out);
        Fate::Replace
    })
}

fn read<'a>(
    span: &SpanRec,
    request: &'a [u8],
    mode: Mode,
    priority: Option<u64>,
) -> (TraceState<'a>, Item, Policy) {
    let trace = span.trace_id(request).filter(|id| **id != [0; 16]);
    let (mut state, is_sound) = TraceState::read(span.trace_state.of(request));
    let mut item = Item { randomness: None, carrier: None, has_failed: !is_sound, priority };
    let policy;
    match mode {
        Mode::Never => {
            (item.randomness, policy) = (Some(KEPT_BY_ALL), Policy::Priority);
            item.carrier = Some(Carrier { threshold: state.threshold() });
        }
        Mode::Hash { seed, .. } => {
            item.randomness = trace.map(|id| hashed(id, seed));
            policy = if trace.is_some() { Policy::TraceIdHash } else { Policy::Missing };
            // Whoever samples consistently before should not hash here.
            item.has_failed |= state.randomness().is_some() || state.threshold().is_some();
            if !item.has_failed {
                state.set_randomness(item.randomness.unwrap_or(KEPT_BY_ALL));
                item.carrier = Some(Carrier::default());
            }
        }
        Mode::Equalizing { .. } | Mode::Proportional { .. } => {
            if !is_sound {
                policy = Policy::Missing;
            } else if let Some(sent) = state.randomness() {
                (item.randomness, policy) = (Some(sent), Policy::SentRandomness);
            } else {
                item.randomness = trace.map(randomness_of);
                policy = if trace.is_some() { Policy::TraceId } else { Policy::Missing };
            }
            if is_sound {
                item.carrier = Some(Carrier { threshold: state.threshold() });
            }
        }
    }
    (state, item, policy)
}

/// Reads a priority, which may be a number of any kind or spell one: 0 drops, more keeps, less says nothing.
fn threshold_of_priority(value: &[u8]) -> Option<u64> {
    let priority = match AnyValue::of(value) {
        AnyValue::Int(number) => number as f64,
        AnyValue::Double(number) => number,
        AnyValue::Str(text) => {
            let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
            // Digits without end are no number, the word is.
            let is_too_large = number.is_infinite() && text.iter().any(u8::is_ascii_digit);
            if is_too_large { return None } else { number }
        }
        _ => return None,
    };
    match priority {
        0.0 => Some(NEVER),
        _ if priority > 0.0 => Some(ALWAYS),
        _ => None,
    }
}
