//! How coarse the counts of an objective are: a window of an alert that is hardly longer than what is counted at
//! once holds nothing most of the time, and its alert never fires.

use std::time::Duration;

use super::indicator::{Indicator, SliceRule};
use crate::sla::{calendar::duration_text, state::LATENESS};

/// How counts come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sla) struct Grain {
    /// What is counted at once, dated at its start.
    width: Duration,
    /// Whether it is one event, as a slice of time is.
    is_one: bool,
}

impl Grain {
    /// Returns how the counts of an indicator come; none where each event is dated by itself.
    pub(super) fn of(indicator: &Indicator, slices: Option<SliceRule>) -> Option<Self> {
        if let Some(rule) = slices {
            return Some(Self { width: rule.width, is_one: true });
        }
        let width = match indicator {
            Indicator::Counters(counters) => counters.total.window,
            Indicator::Metric(metric) => metric.series.window,
            Indicator::Spans(_) | Indicator::Workflow(_) | Indicator::Composite(_) => return None,
        };
        Some(Self { width, is_one: false })
    }

    /// Names what is counted at once.
    fn text(self) -> String {
        let what = if self.is_one { "slices" } else { "windows" };
        format!("{what} of {}", duration_text(self.width))
    }

    /// The shortest window that holds one at any time: while one is being filled, the one before must be within.
    fn least(self) -> Duration {
        self.width * 2 + LATENESS
    }

    /// Returns what is wrong with a window that is too short.
    pub(super) fn problem_of(self, window: Duration) -> Option<String> {
        (window < self.least()).then(|| {
            let minutes = self.least().as_secs().div_ceil(60);
            format!(
                "{} is too short a window for {}, which count at their start and are known {} after their end: it is empty whenever an alert is asked for; write at least {minutes}m, or shorter {}",
                duration_text(window),
                self.text(),
                duration_text(LATENESS),
                if self.is_one { "slices" } else { "windows" },
            )
        })
    }

    /// Returns how many events a window can hold, where that is known.
    pub(super) fn most_within(self, window: Duration) -> Option<u64> {
        let known = window.saturating_sub(LATENESS).as_secs();
        self.is_one.then(|| known / self.width.as_secs().max(1))
    }

    /// Returns what is wrong with asking for so many events in a window.
    pub(super) fn problem_of_events(self, min_events: u64, window: Duration) -> Option<String> {
        let most = self.most_within(window).filter(|most| min_events.max(1) > *most)?;
        let fewer = if most > 0 { format!("{most} or less, or ") } else { String::new() };
        Some(format!(
            "min_events is {min_events}, but of {} a window of {} holds {most} at most, so nothing would ever be judged; write {fewer}shorter slices",
            self.text(),
            duration_text(window)
        ))
    }
}
