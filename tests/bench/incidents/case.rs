//! Faults to find the cause of, each behind a time without one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::telemetry::{SECOND, Telemetry};

/// What comes after a fault, so that its last windows close: lateness and the way through the stages are in it.
const AFTER: u64 = 180 * SECOND;
/// Of copies of what came before, the first that stands behind a fault; each copy has traces of its own.
const FIRST_COPY_AFTER: u8 = 128;
/// The copy of a fault's end.
const AGAIN: u8 = 127;
/// Copies that may stand before a fault.
pub(super) const MAX_COPIES: u64 = 126;

/// Faults of one system, with what it is without one.
pub(super) struct Corpus {
    /// What the tables are headed with.
    pub(super) title: String,
    /// Without a fault.
    pub(super) baseline: Telemetry,
    /// Where the baseline begins and ends. *Units*: nanoseconds since the epoch, as all times here.
    pub(super) begin: u64,
    pub(super) end: u64,
    /// How often the baseline comes before a fault: as it is right before it, and drawn anew before that.
    pub(super) copies: u64,
    /// Calls that no trace tells of, from the first to the second.
    pub(super) calls: Vec<(String, String)>,
    /// What a second of the replay stands for.
    pub(super) time_factor: u64,
    /// When the recording without a fault is long enough, instants from which on it is judged as if there were one.
    pub(super) splits: Vec<u64>,
    pub(super) cases: Vec<Case>,
}

/// A fault, whose telemetry begins at the end of the baseline.
pub(super) struct Case {
    pub(super) name: String,
    /// Which kind of fault it is.
    pub(super) kind: String,
    /// The service at fault.
    pub(super) cause: String,
    pub(super) telemetry: Telemetry,
    /// When the fault began.
    pub(super) begin: u64,
    /// When its telemetry ends.
    pub(super) end: u64,
    /// How much of its end comes once more, where it ends before the fault does: then the windows of its end close as
    /// they would have.
    pub(super) again: u64,
    /// Until when what is told counts as told while the fault lasted.
    pub(super) judged_at: u64,
}

/// What a fault was when its windows have closed is told so long after them.
pub(super) const TOLD_AFTER: u64 = 30 * SECOND;

impl Corpus {
    /// Writes what comes before every fault.
    pub(super) fn write_baseline(&self, folder: &Path) -> Result<PathBuf> {
        let length = (self.end - self.begin) as i64;
        let mut before = self.baseline.clone();
        for copy in 1..self.copies.min(MAX_COPIES) {
            let drawn = self.baseline.resampled(&mut Pcg64::seed_from_u64(copy));
            before.append(drawn.moved(-length * copy as i64, copy as u8));
        }
        let path = folder.join("baseline.jsonl");
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        before.write(&path)?;
        Ok(path)
    }

    /// Writes a fault and what comes after it.
    pub(super) fn write_case(&self, case: &Case, folder: &Path) -> Result<PathBuf> {
        let mut telemetry = case.telemetry.clone();
        let mut again = case.telemetry.within(case.end - case.again, case.end);
        // Points come by the minute and have been: windows of spans and records are what is to be closed.
        again.points.clear();
        telemetry.append(again.moved(case.again as i64, AGAIN));
        telemetry.append(self.after(case.end + case.again));
        let path = folder.join("fault.jsonl");
        telemetry.write(&path)?;
        Ok(path)
    }

    /// Returns the end of the baseline, as often as it takes, from an instant on.
    fn after(&self, from: u64) -> Telemetry {
        let length = AFTER.min(self.end - self.begin);
        let last = self.baseline.within(self.end - length, self.end);
        let mut after = Telemetry::default();
        for copy in 0..AFTER.div_ceil(length.max(1)) {
            let to = from + copy * length;
            let by = to as i64 - (self.end - length) as i64;
            after.append(last.moved(by, FIRST_COPY_AFTER + copy as u8));
        }
        after
    }

    /// Returns the names of all services that may be the cause.
    pub(super) fn services(&self) -> Vec<&str> {
        let of_cases = self.cases.iter().flat_map(|case| case.telemetry.services());
        let called = self.calls.iter().flat_map(|(caller, callee)| [&**caller, callee]);
        let mut all: Vec<_> = self.baseline.services().chain(of_cases).chain(called).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
