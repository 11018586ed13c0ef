//! What is remembered of a series day by day.

use stats::Conformal;

use super::{
    history::History,
    learning::{Learning, MONTH_AHEAD},
    month::Month,
    trend::{Course, Trend},
};

/// From the middle of a day to its end, in days.
const FROM_NOON: f64 = 0.5;

/// The part of a series' memory that begins with its second day.
///
/// *Cost*: constant; see the test that asserts it.
#[derive(Clone, Debug)]
pub(super) struct Days {
    pub(super) trend: Trend,
    /// The last day of the trend, since the epoch; 0 before the first.
    pub(super) last_day: u16,
    pub(super) day_ahead: Conformal,
    /// Of others than capacities, once thirty days ahead is foretold. In place, as a box of its own would cost as much
    /// again as it holds when that is little.
    pub(super) month: Month,
    /// Of capacities.
    pub(super) history: Option<Box<History>>,
}

impl Days {
    pub(super) fn new(confidence: f64) -> Self {
        Self {
            trend: Trend::default(),
            last_day: 0,
            day_ahead: Conformal::new(confidence),
            month: Month::new(confidence),
            history: None,
        }
    }

    /// Learns the mean of a whole day.
    pub(super) fn end_day(&mut self, day: u16, mean: f64, learning: &mut Learning) {
        // After the time was set back, and on the first day, a day has passed.
        let step = if self.last_day == 0 { 1 } else { day.saturating_sub(self.last_day).max(1) };
        self.trend.update(mean, f64::from(step));
        self.last_day = day;
        match &mut self.history {
            Some(history) => history.end_day(day, mean, learning),
            None => self.end_day_of_month(day, step, mean, learning),
        }
    }

    /// Judges what was foretold thirty days ago, and keeps what is foretold now.
    fn end_day_of_month(&mut self, day: u16, step: u16, mean: f64, learning: &mut Learning) {
        let course = self.trend.course(FROM_NOON).filter(|_| learning.is_month_told);
        let told = course.as_ref().map(Course::in_a_month);
        learning.tally.judge(MONTH_AHEAD, self.month.end_day(day, step, mean, told, learning.confidence));
    }

    /// Begins the adaptation of all intervals anew, for another confidence.
    pub(super) fn turn_to_confidence(&mut self, confidence: f64) {
        let of_history = self.history.as_deref_mut().map(|history| &mut history.month_ahead);
        let all = [&mut self.day_ahead, &mut self.month.errors].into_iter().chain(of_history);
        all.for_each(|errors| errors.turn_to(confidence));
    }
}
