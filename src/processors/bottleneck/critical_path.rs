//! What a trace's duration is made of: the time that would have to shrink for it to be shorter.
//!
//! *Source*: the last child to finish is on the path, then the last that had finished when it began, and so on,
//! in each child as well: Zhang et al., "CRISP: Critical Path Analysis of Large-Scale Microservice
//! Architectures" (USENIX ATC 2022), and the trace page of Jaeger, whose cases are in the tests.

use super::trace::Trace;

/// A time in which one span, and nothing that it waited for, was what took time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Section {
    pub(super) span: u32,
    /// *Units*: nanoseconds since the epoch.
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Section {
    pub(super) const fn nanos(self) -> u64 {
        self.end - self.start
    }
}

/// Returns the critical path of one root, the latest section first. The sections do not overlap and leave no gap:
/// their sum is the root's duration.
///
/// A child that ended in the nanosecond in which the next began counts as before it. *Cost*: n log n in the
/// spans below the root, without recursion.
pub(super) fn critical_path(trace: &Trace, root: u32) -> Vec<Section> {
    let Some((_, end)) = trace.within[root as usize] else { return Vec::new() };
    let mut sections = Vec::new();
    let mut stack = vec![Frame::new(trace, root, end)];
    while let Some(frame) = stack.last_mut() {
        let span = frame.span;
        let Some((from, _)) = trace.within[span as usize] else {
            stack.pop();
            continue;
        };
        match frame.next_child(trace) {
            Some((child, start, end)) => {
                push(&mut sections, span, end, frame.until);
                frame.until = start;
                stack.push(Frame::new(trace, child, end));
            }
            None => {
                push(&mut sections, span, from, frame.until);
                stack.pop();
            }
        }
    }
    sections
}

fn push(sections: &mut Vec<Section>, span: u32, start: u64, end: u64) {
    if start < end {
        sections.push(Section { span, start, end });
    }
}

/// A span on the way back through time.
struct Frame {
    span: u32,
    /// What is later has been told.
    until: u64,
    /// Children that may still be on the path: start, end and place, the one that ended last at the end.
    children: Vec<(u64, u64, u32)>,
}

impl Frame {
    fn new(trace: &Trace, span: u32, until: u64) -> Self {
        let child = |&at: &u32| trace.within[at as usize].map(|(start, end)| (start, end, at));
        let mut children: Vec<_> = trace.children(span).iter().filter_map(child).collect();
        // Of those that ended together the first comes last, to be taken first.
        children.sort_unstable_by_key(|&(start, end, at)| (end, std::cmp::Reverse((start, at))));
        Self { span, until, children }
    }

    /// Takes the last child that had finished by then.
    fn next_child(&mut self, trace: &Trace) -> Option<(u32, u64, u64)> {
        debug_assert!(trace.within[self.span as usize].is_some());
        while let Some((start, end, at)) = self.children.pop() {
            if end <= self.until {
                return Some((at, start, end));
            }
        }
        None
    }
}
