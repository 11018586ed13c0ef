//! Shapes of traces that cost time: what a span's calls look like beside each other.

use std::collections::BTreeMap;

use super::{
    config::BottleneckConfig,
    minute::Minute,
    observe::Observed,
    span::{Cache, Kind, Peer},
    subject::Type,
};

/// A call of a span.
#[derive(Clone, Copy)]
struct Call<'a> {
    at: u32,
    start: u64,
    end: u64,
    failed: bool,
    name: &'a str,
}

impl Call<'_> {
    const fn nanos(&self) -> u64 {
        self.end - self.start
    }
}

/// Looks at what a span called. Returns what found no room.
pub(super) fn tell_siblings(
    seen: &Observed<'_>,
    minute: &mut Minute,
    of: u32,
    config: &BottleneckConfig,
) -> u64 {
    let mut calls = Vec::new();
    let mut waits = Vec::new();
    let mut until = seen.trace.within[of as usize].map_or(0, |(start, _)| start);
    // Children are in the order of their starts, but for what clamping changed.
    for child in seen.trace.children(of) {
        let Some((start, end)) = seen.trace.within[*child as usize] else { continue };
        let span = seen.trace.span(*child);
        if span.kind == Kind::Client {
            waits.push((*child, start.saturating_sub(until), seen.before(of, start)));
            calls.push(Call { at: *child, start, end, failed: span.failed, name: &span.name });
        }
        until = until.max(end);
    }
    let mut without_room = 0;
    for (at, waited, on_path) in waits {
        without_room += seen.add(minute, at, seen.subject(Type::CallWait, at), waited, on_path.min(waited));
    }
    calls.sort_by_key(|call| (call.start, call.end, call.at));
    without_room += tell_misses(seen, minute, &calls);
    if calls.len() > 1 {
        without_room += tell_groups(seen, minute, &calls, config);
        without_room += tell_straggler(seen, minute, &calls, config);
    }
    without_room
}

/// Reads of caches, each with the query that comes next once it has ended: what was looked for was not there.
fn tell_misses(seen: &Observed<'_>, minute: &mut Minute, calls: &[Call<'_>]) -> u64 {
    let mut without_room = 0;
    for (place, read) in calls.iter().enumerate() {
        if seen.trace.span(read.at).cache != Cache::Read {
            continue;
        }
        let next = calls[place + 1..].iter().find(|call| call.start >= read.end);
        let is_query = |call: &&Call<'_>| {
            let span = seen.trace.span(call.at);
            span.cache == Cache::None && matches!(span.peer, Some(Peer::Database(_)))
        };
        let query = next.filter(is_query);
        let nanos = query.map_or(0, |query| query.nanos().max(1));
        let on_path = query.map_or(0, |query| seen.below(query.at));
        without_room += seen.add(minute, read.at, seen.subject(Type::CacheMisses, read.at), nanos, on_path);
    }
    without_room
}

/// Calls that come one after the other: of one operation, again after a failure, or of several.
fn tell_groups(
    seen: &Observed<'_>,
    minute: &mut Minute,
    calls: &[Call<'_>],
    config: &BottleneckConfig,
) -> u64 {
    let patterns = &config.patterns;
    let mut groups: BTreeMap<&str, Vec<Call<'_>>> = BTreeMap::new();
    calls.iter().for_each(|call| groups.entry(call.name).or_default().push(*call));
    let mut without_room = 0;
    let mut single = Vec::new();
    for group in groups.values() {
        let attempts = longest_retry(group);
        if attempts.len() as u64 >= patterns.retries {
            // All but the last were in vain.
            without_room += tell(seen, minute, Type::RetryStorm, &attempts[..attempts.len() - 1], 1.0);
        } else if group.len() as u64 >= patterns.repeated_calls && is_sequential(group) {
            let saved = 1.0 - 1.0 / group.len() as f64;
            without_room += tell(seen, minute, Type::RepeatedCalls, group, saved);
        } else if let [call] = group[..] {
            single.push(call);
        }
    }
    single.sort_by_key(|call| (call.start, call.end, call.at));
    if single.len() as u64 >= patterns.sequential_calls && is_sequential(&single) {
        let longest = single.iter().max_by_key(|call| (call.nanos(), std::cmp::Reverse(call.at)));
        let longest = longest.map_or(u32::MAX, |call| call.at);
        // Told of the operation that calls, as no call is to blame alone.
        let saved: u64 =
            single.iter().filter(|call| call.at != longest).map(|call| seen.below(call.at)).sum();
        if let Some(parent) = seen.trace.waits[single[0].at as usize] {
            let subject = seen.subject(Type::SequentialCalls, parent);
            without_room += seen.add(minute, parent, subject, saved, saved);
        }
    }
    without_room
}

/// Tells of calls how much of the critical path would be saved, which is a share of what they take there.
fn tell(seen: &Observed<'_>, minute: &mut Minute, kind: Type, calls: &[Call<'_>], saved: f64) -> u64 {
    let Some(first) = calls.first() else { return 0 };
    let on_path: u64 = calls.iter().map(|call| seen.below(call.at)).sum();
    let nanos = (on_path as f64 * saved) as u64;
    seen.add(minute, first.at, seen.subject(kind, first.at), nanos, nanos)
}

/// Whether nearly every call begins when the one before has ended.
fn is_sequential(calls: &[Call<'_>]) -> bool {
    let overlaps = calls.windows(2).filter(|pair| pair[1].start < pair[0].end).count();
    overlaps * 10 <= calls.len()
}

/// Returns the longest run of attempts, each after a failed one.
fn longest_retry<'a, 'b>(calls: &'b [Call<'a>]) -> &'b [Call<'a>] {
    let (mut best, mut from) = (0..0, 0);
    for at in 0..calls.len() {
        let follows = at > 0 && calls[at - 1].failed && calls[at - 1].end <= calls[at].start;
        if !follows {
            from = at;
        }
        if at + 1 - from > best.len() {
            best = from..at + 1;
        }
    }
    &calls[best]
}

/// Of calls at the same time one takes much longer than the others, and the caller waits for it alone.
fn tell_straggler(
    seen: &Observed<'_>,
    minute: &mut Minute,
    calls: &[Call<'_>],
    config: &BottleneckConfig,
) -> u64 {
    let Some(last) = calls.iter().max_by_key(|call| (call.end, std::cmp::Reverse(call.at))) else { return 0 };
    let overlap = |call: &&Call<'_>| call.at != last.at && call.start < last.end && call.end > last.start;
    let mut others: Vec<_> = calls.iter().filter(overlap).collect();
    if (others.len() as u64 + 1) < config.patterns.parallel_calls {
        return 0;
    }
    others.sort_by_key(|call| (call.nanos(), call.at));
    let median = others[others.len() / 2].nanos();
    let Some(second) = others.iter().map(|call| call.end).max() else { return 0 };
    let alone = last.end.saturating_sub(second);
    let is_much = last.nanos() as f64 >= config.slow_factor * median as f64;
    if !is_much || alone < config.min_abs.get().as_nanos() as u64 || seen.below(last.at) == 0 {
        return 0;
    }
    let saved = alone.min(seen.below(last.at));
    seen.add(minute, last.at, seen.subject(Type::Straggler, last.at), saved, saved)
}
