//! When an objective was down.

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;

use super::{Coverage, LATENESS};
use crate::sla::{
    calendar::Period,
    ring::{Count, Ring},
};

/// A time of minutes or slices that were all bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sla) struct Outage {
    pub(in crate::sla) from: Timestamp,
    pub(in crate::sla) until: Timestamp,
    /// Whether it fell into maintenance.
    pub(in crate::sla) is_planned: bool,
}

/// The outages within the retention, ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::sla) struct Outages {
    pub(in crate::sla) all: Vec<Outage>,
    /// The first minute that is not judged.
    pub(in crate::sla) next: Timestamp,
    /// By minute, events during maintenance.
    planned: BTreeMap<Timestamp, Count>,
}

/// How the time of a period was spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::sla) struct Downtime {
    pub(in crate::sla) planned: Duration,
    pub(in crate::sla) unplanned: Duration,
    pub(in crate::sla) n_outages: u64,
    pub(in crate::sla) longest: Duration,
    /// Outages that took longer than was promised.
    pub(in crate::sla) n_over_rto: u64,
}

/// Of more the oldest are forgotten.
const MAX_OUTAGES: usize = 1000;
const MINUTE: Duration = Duration::from_secs(60);
const LONGEST_STEP: Duration = Duration::from_secs(86_400);

impl Outages {
    pub(in crate::sla) fn note_planned(&mut self, at: Timestamp, count: Count) {
        let minute = self.planned.entry(at.window_start(MINUTE)).or_default();
        *minute = minute.plus(count);
    }

    pub(in crate::sla) fn add(&mut self, outage: Outage) {
        match self.all.iter_mut().rev().find(|last| last.is_planned == outage.is_planned) {
            Some(last) if last.until == outage.from => last.until = outage.until,
            _ => self.all.push(outage),
        }
        if self.all.len() > MAX_OUTAGES {
            self.all.remove(0);
        }
    }

    /// Judges the minutes that ended.
    pub(in crate::sla) fn close_minutes(
        &mut self,
        ring: &Ring,
        least: f64,
        coverage: &Coverage,
        at: Timestamp,
    ) {
        let first = coverage.last_start().unwrap_or(at);
        let whole = (first + (MINUTE - Duration::from_nanos(1))).window_start(MINUTE);
        // A clock that jumps ahead does not make a year of minutes.
        let mut start = self.next.max(whole).max((at - LONGEST_STEP).window_start(MINUTE));
        while start + MINUTE + LATENESS <= at {
            let until = start + MINUTE;
            let planned = self.planned.remove(&start);
            let is_bad = |count: Count| count.error_ratio().is_some_and(|ratio| ratio >= least);
            if is_bad(ring.between(start, until)) {
                self.add(Outage { from: start, until, is_planned: false });
            } else if planned.is_some_and(is_bad) {
                self.add(Outage { from: start, until, is_planned: true });
            }
            start = until;
        }
        self.next = start;
        self.planned.retain(|minute, _| *minute >= start);
    }

    pub(in crate::sla) fn forget_before(&mut self, at: Timestamp) {
        if self.all.first().is_some_and(|first| first.until < at) {
            self.all.retain(|outage| outage.until >= at);
        }
    }

    /// Adds up a period.
    pub(in crate::sla) fn within(&self, period: Period, rto: Option<Duration>) -> Downtime {
        let mut sum = Downtime::default();
        for outage in &self.all {
            let length = outage.until.min(period.until).since(outage.from.max(period.from));
            if length.is_zero() {
                continue;
            }
            if outage.is_planned {
                sum.planned += length;
                continue;
            }
            let whole = outage.until.since(outage.from);
            sum.unplanned += length;
            sum.n_outages += 1;
            sum.longest = sum.longest.max(whole);
            sum.n_over_rto += u64::from(rto.is_some_and(|rto| whole > rto));
        }
        sum
    }
}
