//! What the person is told on standard error: how far it is, and what was left out.

use std::{
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use model::Timestamp;

use super::output::rfc3339_seconds;
use crate::terminal::shows_progress;

/// How many damaged lines are named; the rest is only counted.
const MOST_NAMED: u64 = 20;
/// The bar is painted at most so often, whatever comes.
const TOLD_EVERY: Duration = Duration::from_millis(100);

/// Standard error, shared by the thread that reads and the one that judges.
pub(crate) struct Console {
    bar: ProgressBar,
    n_damaged: AtomicU64,
    told_at: Mutex<Duration>,
}

impl Console {
    /// `length` is what there is to read, in any unit.
    pub(crate) fn new(length: u64) -> Self {
        let bar = if shows_progress() { ProgressBar::new(length) } else { ProgressBar::hidden() };
        bar.set_length(length);
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} % {elapsed} (left: {eta}) {msg}");
        bar.set_style(style.expect("the template is well-formed"));
        Self { bar, n_damaged: AtomicU64::new(0), told_at: Mutex::default() }
    }

    /// Counts what is read through it.
    pub(super) fn measure<R: io::Read>(&self, content: R) -> impl io::Read + use<R> {
        self.bar.wrap_read(content)
    }

    pub(super) fn set_position(&self, position: u64) {
        self.bar.set_position(position);
    }

    /// Tells how far the virtual time is, where somebody watches.
    pub(crate) fn reached(&self, at: Timestamp) {
        if self.bar.is_hidden() {
            return;
        }
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bar.elapsed() >= *told_at + TOLD_EVERY {
            *told_at = self.bar.elapsed();
            self.bar.set_message(rfc3339_seconds(at));
        }
    }

    /// Names something that was left out, and counts it.
    pub(crate) fn damaged(&self, place: &str, problem: &str) {
        let number = self.n_damaged.fetch_add(1, Ordering::Relaxed) + 1;
        if number <= MOST_NAMED {
            self.say(&format!("warning: {place}: {problem}; it is left out"));
        }
        if number == MOST_NAMED {
            self.say("warning: whatever else is damaged is only counted");
        }
    }

    pub(crate) fn n_damaged(&self) -> u64 {
        self.n_damaged.load(Ordering::Relaxed)
    }

    /// Says a line, above the bar where there is one.
    pub(crate) fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            // Nobody is there to be told when standard error is closed.
            drop(writeln!(io::stderr(), "{line}"));
        } else {
            self.bar.println(line);
        }
    }

    /// Prints data on standard output, which may be the same terminal as the bar.
    pub(crate) fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Takes the bar away and returns how long it was there.
    pub(crate) fn finish(&self) -> Duration {
        let elapsed = self.bar.elapsed();
        self.bar.finish_and_clear();
        elapsed
    }
}
