//! A trace as a tree, whatever its spans say.

use std::ops::Range;

use super::{
    assembly::Gathered,
    span::{Kind, Span},
};

/// Spans and how they hang together.
///
/// *Shape*: all columns have as many entries as `spans`; a span is known by its place.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) id: u128,
    /// In their order.
    pub(super) spans: Vec<Span>,
    /// Who called, where that span is here.
    pub(super) callers: Vec<Option<u32>>,
    /// Who waits for the span's end; none for roots.
    pub(super) waits: Vec<Option<u32>>,
    /// By span where its children stand in `listed`: those whose end it waits for.
    children: Vec<Range<u32>>,
    listed: Vec<u32>,
    /// Every span once, callers before those that they wait for.
    pub(super) order: Vec<u32>,
    /// Spans that nobody waits for. The first is that of the whole trace.
    pub(super) roots: Vec<u32>,
    /// By span the part of it that lies within what waits for it: clocks may disagree. None for a span that lies
    /// outside altogether.
    pub(super) within: Vec<Option<(u64, u64)>>,
    /// By span whether it is a call and the other side has a span here.
    pub(super) answered: Vec<bool>,
    /// Whether no span is known to be missing.
    pub(super) is_whole: bool,
}

impl Trace {
    /// Builds the tree; none without spans. *Cost*: n log n, without recursion.
    pub(super) fn new(gathered: Gathered) -> Option<Self> {
        let Gathered { id, mut spans, is_cut, .. } = gathered;
        spans.sort_unstable();
        let mut places = places_of(&spans);
        if places.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            // Of spans with one id the first counts.
            let mut firsts = places;
            firsts.dedup_by_key(|(id, _)| *id);
            let mut place = 0;
            spans.retain(|span| {
                place += 1;
                find(&firsts, span.id) == Some(place - 1)
            });
            places = places_of(&spans);
        }
        if spans.is_empty() {
            return None;
        }
        let callers: Vec<Option<u32>> = spans.iter().map(|span| caller(span, &places)).collect();
        let mut forest = Forest::of(&spans, &callers);
        let mut is_whole = !is_cut && forest.adopt_orphans(&spans);
        is_whole &= forest.cut_circles();
        let Forest { waits, roots } = forest;
        let (children, listed) = lists(&waits);
        let order = top_down(&roots, &children, &listed);
        let within = clamp(&spans, &waits, &order);
        let answered = answered(&spans, &callers);
        Some(Self { id, spans, callers, waits, children, listed, order, roots, within, answered, is_whole })
    }

    /// The spans whose end a span waits for, in their order.
    pub(super) fn children(&self, of: u32) -> &[u32] {
        let range = self.children.get(of as usize).cloned().unwrap_or(0..0);
        self.listed.get(range.start as usize..range.end as usize).unwrap_or(&[])
    }

    pub(super) fn span(&self, at: u32) -> &Span {
        &self.spans[at as usize]
    }

    pub(super) fn id_bytes(&self) -> [u8; 16] {
        self.id.to_be_bytes()
    }

    /// By span the time in which it waits for nobody. *Units*: nanoseconds.
    pub(super) fn own_times(&self) -> Vec<u64> {
        let own = |at: usize| {
            let span = &self.spans[at];
            let (start, end) = self.within[at].unwrap_or((span.start, span.end));
            let mut busy: Vec<_> =
                self.children(at as u32).iter().filter_map(|child| self.within[*child as usize]).collect();
            busy.sort_unstable();
            let (mut covered, mut until) = (0, start);
            for (from, to) in busy {
                covered += to.saturating_sub(from.max(until));
                until = until.max(to);
            }
            (end - start).saturating_sub(covered)
        };
        (0..self.spans.len()).map(own).collect()
    }
}

/// Spans by their ids.
type Places = Vec<(u64, u32)>;

fn places_of(spans: &[Span]) -> Places {
    let mut places: Places = spans.iter().map(|span| span.id).zip(0..).collect();
    places.sort_unstable();
    places
}

fn find(places: &Places, id: u64) -> Option<u32> {
    let at = places.binary_search_by_key(&id, |(id, _)| *id).ok()?;
    Some(places[at].1)
}

fn caller(span: &Span, places: &Places) -> Option<u32> {
    if span.parent == 0 || span.parent == span.id { None } else { find(places, span.parent) }
}

fn answered(spans: &[Span], callers: &[Option<u32>]) -> Vec<bool> {
    let mut answered = vec![false; spans.len()];
    for (span, caller) in spans.iter().zip(callers) {
        if let Some(caller) =
            caller.filter(|caller| spans[*caller as usize].kind.calls() && span.kind.answers())
        {
            answered[caller as usize] = true;
        }
    }
    answered
}

/// Who waits for whom, while it is not a forest yet.
struct Forest {
    /// By span the one that waits for it.
    waits: Vec<Option<u32>>,
    roots: Vec<u32>,
}

impl Forest {
    fn of(spans: &[Span], callers: &[Option<u32>]) -> Self {
        let waits = spans.iter().zip(callers).map(|(span, caller)| caller.filter(|_| !span.begins_anew()));
        let mut roots: Vec<u32> =
            (0..).zip(spans).filter(|(_, it)| it.parent == 0).map(|(at, _)| at).collect();
        let anew = |at: &u32| spans[*at as usize].begins_anew() && spans[*at as usize].parent != 0;
        roots.extend((0..spans.len() as u32).filter(anew));
        Self { waits: waits.collect(), roots }
    }

    /// Hangs spans whose parent is not here below the root. Returns whether none is known to be missing: one
    /// span that answers somebody who tells nothing is the root.
    fn adopt_orphans(&mut self, spans: &[Span]) -> bool {
        let is_orphan = |at: &u32| {
            let span = &spans[*at as usize];
            self.waits[*at as usize].is_none() && span.parent != 0 && !span.begins_anew()
        };
        let orphans: Vec<u32> = (0..spans.len() as u32).filter(is_orphan).collect();
        if orphans.is_empty() {
            return true;
        }
        let has_root = self.roots.first().is_some_and(|root| spans[*root as usize].parent == 0);
        if has_root {
            let root = self.roots[0];
            orphans.iter().for_each(|orphan| self.waits[*orphan as usize] = Some(root));
            return false;
        }
        let longest = |at: &&u32| (spans[**at as usize].duration(), std::cmp::Reverse(**at));
        let Some(root) = orphans.iter().max_by_key(longest).copied() else { return true };
        self.roots.insert(0, root);
        let others = orphans.iter().filter(|orphan| **orphan != root);
        others.for_each(|orphan| self.waits[*orphan as usize] = Some(root));
        orphans.len() == 1 && spans[root as usize].kind == Kind::Server
    }

    /// Cuts circles of parents at the span that began first. Returns whether there were none.
    fn cut_circles(&mut self) -> bool {
        let n = self.waits.len();
        let mut state = vec![Visit::Not; n];
        let mut is_sound = true;
        for from in 0..n as u32 {
            let (mut at, mut path) = (from, Vec::new());
            while state[at as usize] == Visit::Not {
                state[at as usize] = Visit::Now;
                path.push(at);
                match self.waits[at as usize] {
                    Some(next) => at = next,
                    None => break,
                }
            }
            let is_circle = state[at as usize] == Visit::Now && self.waits[at as usize].is_some();
            if is_circle && let Some(begin) = path.iter().position(|it| *it == at) {
                // Spans are in the order of their starts.
                let first = path[begin..].iter().copied().min().unwrap_or(at);
                self.waits[first as usize] = self.roots.first().copied();
                if self.roots.is_empty() {
                    self.roots.push(first);
                }
                is_sound = false;
            }
            path.into_iter().for_each(|it| state[it as usize] = Visit::Done);
        }
        is_sound
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    Now,
    Done,
}

/// Lists children by the span that waits for them.
fn lists(waits: &[Option<u32>]) -> (Vec<Range<u32>>, Vec<u32>) {
    let mut ends = vec![0_u32; waits.len()];
    waits.iter().flatten().for_each(|parent| ends[*parent as usize] += 1);
    let mut sum = 0;
    let mut ranges: Vec<Range<u32>> = Vec::with_capacity(waits.len());
    for count in ends {
        ranges.push(sum..sum);
        sum += count;
    }
    let mut listed = vec![0; sum as usize];
    for (child, parent) in (0..).zip(waits) {
        let Some(parent) = parent else { continue };
        let range = &mut ranges[*parent as usize];
        listed[range.end as usize] = child;
        range.end += 1;
    }
    (ranges, listed)
}

fn top_down(roots: &[u32], children: &[Range<u32>], listed: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = roots.to_vec();
    let mut next = 0;
    while let Some(at) = order.get(next).copied() {
        let range = &children[at as usize];
        order.extend(&listed[range.start as usize..range.end as usize]);
        next += 1;
    }
    order
}

/// Cuts every span to what waits for it, from the roots down.
fn clamp(spans: &[Span], waits: &[Option<u32>], order: &[u32]) -> Vec<Option<(u64, u64)>> {
    let mut within = vec![None; spans.len()];
    for at in order {
        let span = &spans[*at as usize];
        within[*at as usize] = match waits[*at as usize] {
            None => Some((span.start, span.end)),
            Some(parent) => within[parent as usize].and_then(|(from, to)| {
                let is_outside = span.start >= to || (span.start < from && span.end <= from);
                (!is_outside).then(|| (span.start.max(from), span.end.min(to)))
            }),
        };
    }
    within
}
