//! The past that a rule looks at, in at most sixty cells however long it is.

use std::time::Duration;

use model::Timestamp;
use stats::{MAD_TO_DEVIATION, mann_kendall, median, theil_sen};

/// Cells of the past, and the open one.
const CELLS: usize = 60;
/// A line needs so many.
pub(super) const LEAST_CELLS: usize = 10;

/// Means of a value over equal parts of the past.
///
/// *Cost*: 592 bytes. A value costs a few nanoseconds, the line through sixty cells about 30 µs when a cell has
/// closed.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Past {
    cell_nanos: u64,
    /// Cells that make the past, without the open one.
    n_cells: usize,
    /// Windows that fill a cell.
    per_cell: u32,
    /// By the cell's number since the epoch; NaN for none.
    means: [f64; CELLS + 1],
    /// The newest cell.
    number: u64,
    sum: f64,
    count: u32,
    /// The line through the closed cells, until the next one closes.
    line: Option<Option<Line>>,
    /// Whether a cell without values means that nothing was counted.
    counts_silence: bool,
}

/// A robust line through the past.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Line {
    /// *Units*: value per second.
    pub(super) slope: f64,
    /// The line's value at the end of the last closed cell.
    pub(super) level: f64,
    /// Share of the variance that the line explains.
    pub(super) r2: f64,
    /// Of the hypothesis that there is no trend.
    pub(super) p_value: f64,
    /// The usual size of a value.
    pub(super) size: f64,
    /// The usual distance of a value from the line.
    deviation: f64,
    n: f64,
    /// Of the cells' times, in seconds before `level`.
    mean_time: f64,
    time_square: f64,
}

impl Line {
    /// Returns the line's value so many seconds ahead, and the standard error of a value there.
    pub(super) fn ahead(&self, seconds: f64) -> (f64, f64) {
        let distance = seconds - self.mean_time;
        let spread = 1.0 + 1.0 / self.n + distance * distance / self.time_square;
        (self.level + self.slope * seconds, self.deviation * spread.sqrt())
    }

    /// Degrees of freedom.
    pub(super) fn freedom(&self) -> f64 {
        self.n - 2.0
    }
}

impl Past {
    /// Makes room for so much past of windows that are so wide.
    pub(super) fn new(over: Duration, window: Duration) -> Self {
        let window = window.as_nanos().max(1);
        let over = over.as_nanos().max(window);
        let windows_per_cell = over.div_ceil(window * CELLS as u128);
        let cell = windows_per_cell * window;
        let n_cells = usize::try_from(over / cell).unwrap_or(CELLS).clamp(1, CELLS);
        Self {
            cell_nanos: u64::try_from(cell).unwrap_or(u64::MAX),
            n_cells,
            per_cell: u32::try_from(windows_per_cell).unwrap_or(u32::MAX),
            means: [f64::NAN; CELLS + 1],
            number: 0,
            sum: 0.0,
            count: 0,
            line: None,
            counts_silence: false,
        }
    }

    /// Takes silence for zero, also before the first value: so PromQL's `rate()` divides by its whole range.
    pub(super) fn counting_silence(mut self) -> Self {
        (self.means, self.counts_silence) = ([0.0; CELLS + 1], true);
        self
    }

    /// Adds the value of a window that ended then. What is older than the past is left out.
    pub(super) fn add(&mut self, end: Timestamp, value: f64) {
        if !value.is_finite() {
            return;
        }
        let number = end.as_nanos().saturating_sub(1) / self.cell_nanos;
        if number < self.number {
            return;
        }
        self.turn_to(number);
        self.sum += value;
        self.count += 1;
        self.means[place(number)] = self.sum / f64::from(self.count);
    }

    /// Closes the cells before one.
    fn turn_to(&mut self, number: u64) {
        let steps = number - self.number;
        if steps == 0 {
            return;
        }
        let silence = if self.counts_silence { 0.0 } else { f64::NAN };
        for step in 1..=steps.min(CELLS as u64 + 1) {
            self.means[place(number + 1 - step)] = silence;
        }
        (self.number, self.sum, self.count, self.line) = (number, 0.0, 0, None);
    }

    /// Returns the mean of all cells, the open one too. As much as the open cell is filled, the oldest is past.
    pub(super) fn mean(&self) -> f64 {
        let filled = (f64::from(self.count) / f64::from(self.per_cell)).min(1.0);
        let oldest = self.n_cells as u64;
        let closed = self.closed().map(|(age, mean)| (mean, if age == oldest { 1.0 - filled } else { 1.0 }));
        let known = closed.chain([(self.means[place(self.number)], filled)]);
        let (sum, weight) = known
            .filter(|(mean, _)| mean.is_finite())
            .fold((0.0, 0.0), |(sum, weight), (mean, share)| (sum + mean * share, weight + share));
        sum / weight
    }

    /// Returns the value at the beginning of the past; NaN when none is known.
    pub(super) fn begin(&self) -> f64 {
        let number = self.number.checked_sub(self.n_cells as u64);
        number.map_or(f64::NAN, |number| self.means[place(number)])
    }

    /// Returns the line through the closed cells, when there are enough.
    pub(super) fn line(&mut self, scratch: &mut Vec<f64>) -> Option<Line> {
        if self.line.is_none() {
            self.line = Some(self.fit(scratch));
        }
        self.line.flatten()
    }

    fn fit(&self, scratch: &mut Vec<f64>) -> Option<Line> {
        let seconds = self.cell_nanos as f64 / 1e9;
        // From the end of the last closed cell to the middle of each.
        let points: Vec<(f64, f64)> = self
            .closed()
            .filter(|(_, mean)| mean.is_finite())
            .map(|(age, mean)| (-(age as f64 - 0.5) * seconds, mean))
            .collect();
        // Half of the cells must be known, or the line would be that of another time.
        if points.len() < LEAST_CELLS.max(self.n_cells / 2) {
            return None;
        }
        let line = theil_sen(&points, scratch)?;
        let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let trend = mann_kendall(&values)?;
        let n = points.len() as f64;
        let mean_time = points.iter().map(|(time, _)| time).sum::<f64>() / n;
        let mean = values.iter().sum::<f64>() / n;
        let square = |it: f64| it * it;
        let residual = |(time, value): &(f64, f64)| value - line.intercept - line.slope * time;
        let total: f64 = values.iter().map(|value| square(value - mean)).sum();
        let left: f64 = points.iter().map(|point| square(residual(point))).sum();
        scratch.clear();
        scratch.extend(points.iter().map(|point| residual(point).abs()));
        let deviation = median(scratch)? * MAD_TO_DEVIATION;
        scratch.clear();
        scratch.extend(values.iter().map(|value| value.abs()));
        Some(Line {
            slope: line.slope,
            level: line.intercept,
            r2: if total > 0.0 { (1.0 - left / total).max(0.0) } else { 0.0 },
            p_value: trend.p_value,
            size: median(scratch)?,
            deviation,
            n,
            mean_time,
            time_square: points.iter().map(|(time, _)| square(time - mean_time)).sum(),
        })
    }

    /// Closed cells with their ages, the oldest first; the last closed one has age 1.
    fn closed(&self) -> impl Iterator<Item = (u64, f64)> {
        let ages = (1..=self.n_cells as u64).rev();
        ages.filter_map(|age| Some((age, self.means[place(self.number.checked_sub(age)?)])))
    }

    /// Returns what a snapshot keeps.
    pub(super) fn record(&self) -> (u64, &[f64], f64, u32) {
        (self.number, &self.means, self.sum, self.count)
    }

    /// Takes back what a snapshot kept of a past of the same shape.
    pub(super) fn restore(&mut self, number: u64, means: &[f64], sum: f64, count: u32) {
        if let Ok(means) = <[f64; CELLS + 1]>::try_from(means) {
            (self.number, self.means, self.sum, self.count) = (number, means, sum, count);
            self.line = None;
        }
    }

    /// Tells pasts apart whose cells mean different times.
    pub(super) const fn shape(&self) -> (u64, usize) {
        (self.cell_nanos, self.n_cells)
    }
}

const fn place(number: u64) -> usize {
    (number % (CELLS as u64 + 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_040 + seconds)
    }

    fn filled(over: u64, until: u64, value: impl Fn(u64) -> f64) -> Past {
        let mut past = Past::new(Duration::from_secs(over), Duration::from_secs(10));
        for second in (10..=until).step_by(10) {
            past.add(at(second), value(second));
        }
        past
    }

    #[test]
    fn a_straight_line_is_found_with_its_slope_and_level() {
        let mut past = filled(1800, 3600, |second| 5.0 + 0.1 * second as f64);
        let line = past.line(&mut Vec::new()).expect("there are enough cells");
        assert!((line.slope - 0.1).abs() < 1e-9, "{line:?}");
        assert!(line.r2 > 0.999 && line.p_value < 1e-6, "{line:?}");
        let (value, error) = line.ahead(600.0);
        assert!((value - (5.0 + 0.1 * 4200.0)).abs() < 5.0 && error < 1e-6, "{value} ± {error}");
    }

    #[test]
    fn a_third_of_wild_values_bends_no_line_much() {
        let wild = |second: u64| if second.is_multiple_of(70) { 1e4 } else { 0.1 * second as f64 };
        let mut past = filled(600, 3600, wild);
        let line = past.line(&mut Vec::new()).expect("there are enough cells");
        assert!((line.slope - 0.1).abs() < 0.05, "{line:?}");
    }

    #[test]
    fn too_little_past_makes_no_line() {
        assert_eq!(filled(1800, 60, |_| 1.0).line(&mut Vec::new()), None);
        let mut gap = filled(600, 600, |second| second as f64);
        gap.add(at(5000), 1.0);
        assert_eq!(gap.line(&mut Vec::new()), None, "all that is known is too old");
        assert!(gap.begin().is_nan());
    }

    #[test]
    fn the_mean_and_the_beginning_are_those_of_the_past() {
        let past = filled(300, 900, |second| second as f64);
        assert!((past.begin() - 600.0).abs() < 10.1, "{}", past.begin());
        assert!((past.mean() - 750.0).abs() < 10.1, "{}", past.mean());
    }

    #[test]
    fn what_comes_late_changes_nothing() {
        let mut past = filled(300, 900, |_| 1.0);
        let before = past.clone();
        past.add(at(600), 100.0);
        past.add(at(910), f64::NAN);
        assert_eq!(past, before);
    }

    #[test]
    fn the_longest_past_has_sixty_cells() {
        let past = Past::new(Duration::from_secs(86_400), Duration::from_secs(10));
        assert_eq!(past.shape(), (1_440_000_000_000, 60));
        assert_eq!(
            Past::new(Duration::from_secs(300), Duration::from_secs(10)).shape(),
            (10_000_000_000, 30)
        );
        assert_eq!(Past::new(Duration::from_secs(1), Duration::from_secs(10)).shape(), (10_000_000_000, 1));
    }
}
