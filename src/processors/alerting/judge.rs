//! Whether the value of a rule's series deserves an alert.

use std::time::Duration;

use model::{AnomalyColumns, Severity, Timestamp};
use stats::student_t_quantile;

use super::{
    machine::Verdict,
    past::Past,
    rule::{Op, Slope, WhenConfig},
};

/// A trend that chance makes more often than this is none.
const SIGNIFICANCE: f64 = 0.05;
const LEAST_R2: f64 = 0.6;
const CONFIDENCE: f64 = 0.9;

/// What `when` asks, ready to be evaluated.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Test {
    op: Op,
    /// The threshold of `value`; of changes, the least size of a value that is worth a thought.
    value: Option<f64>,
    over: Option<Duration>,
    within: Duration,
    slope: Option<Slope>,
    min_r2: f64,
    pct: f64,
    score: f64,
    /// How sure a prediction must be, or an episode.
    confidence: f64,
    /// Whether a window without a value means that nothing was counted.
    counts_silence: bool,
}

/// What was measured in a window, of all series of a group.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Measured {
    pub(super) value: f64,
    /// The greatest score, NaN without any, and the episode that it belongs to, 0 without.
    pub(super) score: f64,
    pub(super) episode: u64,
    /// The greatest of an open episode, 0 without.
    pub(super) confidence: f64,
    /// Whether the last hour of a series was worse than expected.
    pub(super) is_degraded: bool,
}

impl Measured {
    pub(super) const NOTHING: Self =
        Self { value: f64::NAN, score: f64::NAN, episode: 0, confidence: 0.0, is_degraded: false };
}

/// What is remembered beside the alert's own state.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Memory {
    pub(super) past: Option<Box<Past>>,
    /// The open episode that has reached the score.
    pub(super) episode: u64,
}

/// What an evaluation found.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    /// What was compared with the threshold; NaN for none.
    pub(super) value: f64,
    /// Of predictions: until the threshold is reached.
    pub(super) left: Option<Duration>,
}

impl Finding {
    const NOTHING: Self = Self { verdict: Verdict::NoData, value: f64::NAN, left: None };

    fn of(is_true: bool, value: f64) -> Self {
        Self { verdict: if is_true { Verdict::True } else { Verdict::False }, value, left: None }
    }
}

impl Test {
    /// Makes a test of what was checked.
    pub(super) fn of(when: &WhenConfig) -> Self {
        Self {
            op: when.op,
            value: when.value,
            over: when.over.map(config::Duration::get),
            within: when.within.map_or(Duration::ZERO, config::Duration::get),
            slope: when.slope.as_deref().and_then(|slope| Slope::parse(slope).ok()),
            min_r2: when.min_r2.unwrap_or(LEAST_R2),
            pct: when.pct.unwrap_or_default(),
            score: when.score.unwrap_or(f64::from(AnomalyColumns::OPENS_AT)),
            confidence: when.confidence.unwrap_or(if when.op == Op::Anomaly { 0.0 } else { CONFIDENCE }),
            counts_silence: false,
        }
    }

    /// Returns what values are compared with: of a trend the slope per second, of a change percents.
    pub(super) fn threshold(&self) -> f64 {
        match self.op {
            Op::TrendUp => self.slope.map_or(0.0, |slope| slope.per_second),
            Op::TrendDown => -self.slope.map_or(0.0, |slope| slope.per_second),
            Op::RateOfChange => self.pct,
            Op::Anomaly => self.score,
            _ => self.value.unwrap_or(f64::NAN),
        }
    }

    /// How long a prediction holds.
    pub(super) const fn horizon(&self) -> Option<Duration> {
        if self.op.is_prediction() { Some(self.within) } else { None }
    }

    /// Notes the value of a window, for tests that look at the past.
    pub(super) fn learn(&self, end: Timestamp, window: Duration, value: f64, memory: &mut Memory) {
        if memory.past.is_none() {
            memory.past = self.fresh_past(window).map(Box::new);
        }
        if let Some(past) = &mut memory.past {
            past.add(end, value);
        }
    }

    /// Takes windows without a value for windows in which nothing was counted.
    pub(super) fn counting_silence(mut self) -> Self {
        self.counts_silence = true;
        self
    }

    pub(super) const fn counts_silence(&self) -> bool {
        self.counts_silence
    }

    /// Whether a window without a value is judged by those before it, when the last value is so old.
    pub(super) fn bridges(&self, silent: Duration) -> bool {
        self.counts_silence && self.over.is_some_and(|over| silent < over)
    }

    /// Makes a past of nothing, for tests that look at it.
    pub(super) fn fresh_past(&self, window: Duration) -> Option<Past> {
        let past = Past::new(self.over?, window);
        Some(if self.counts_silence { past.counting_silence() } else { past })
    }

    /// Evaluates. What is learned of this evaluation has been learned before.
    pub(super) fn evaluate(
        &self,
        measured: &Measured,
        memory: &mut Memory,
        scratch: &mut Vec<f64>,
    ) -> Finding {
        if self.op == Op::Anomaly {
            return self.score(measured, memory);
        }
        if !measured.value.is_finite() {
            return Finding::NOTHING;
        }
        match self.op {
            Op::Gt | Op::Gte | Op::Lt | Op::Lte | Op::Eq | Op::Ne => self.compare(measured.value, memory),
            Op::TrendUp | Op::TrendDown => self.trend(memory, scratch),
            Op::RateOfChange => self.change(measured.value, memory),
            Op::PredictGt | Op::PredictLt => self.predict(measured.value, memory, scratch),
            Op::Degraded => Finding::of(measured.is_degraded, measured.value),
            Op::Anomaly => Finding::NOTHING,
        }
    }

    fn compare(&self, value: f64, memory: &Memory) -> Finding {
        let value = memory.past.as_ref().map_or(value, |past| past.mean());
        let threshold = self.threshold();
        // Sums of doubles are seldom equal to the last bit.
        let is_equal = (value - threshold).abs() <= 1e-9 * threshold.abs().max(1.0);
        let is_true = match self.op {
            Op::Gt => value > threshold,
            Op::Gte => value > threshold || is_equal,
            Op::Lt => value < threshold,
            Op::Lte => value < threshold || is_equal,
            Op::Ne => !is_equal,
            _ => is_equal,
        };
        Finding::of(is_true, value)
    }

    fn trend(&self, memory: &mut Memory, scratch: &mut Vec<f64>) -> Finding {
        let Some(line) = memory.past.as_mut().and_then(|past| past.line(scratch)) else {
            return Finding::of(false, f64::NAN);
        };
        let is_ratio = self.slope.is_some_and(|slope| slope.is_ratio);
        // Of a series about zero no share can be told.
        let slope = if is_ratio && line.size > 0.0 { line.slope / line.size } else { line.slope };
        let threshold = self.threshold();
        let is_steep = match self.op {
            Op::TrendUp => slope > 0.0 && slope >= threshold,
            _ => slope < 0.0 && slope <= threshold,
        };
        Finding::of(is_steep && line.r2 >= self.min_r2 && line.p_value < SIGNIFICANCE, slope)
    }

    fn change(&self, value: f64, memory: &Memory) -> Finding {
        let before = memory.past.as_ref().map_or(f64::NAN, |past| past.begin());
        if !before.is_finite() {
            return Finding::of(false, f64::NAN);
        }
        let pct = if value == before { 0.0 } else { 100.0 * (value - before) / before.abs() };
        let is_great = if self.pct > 0.0 { pct >= self.pct } else { pct <= self.pct };
        let is_worth_it = self.value.is_none_or(|least| value.abs().max(before.abs()) >= least);
        Finding::of(is_great && is_worth_it, pct)
    }

    /// Of spans the score stays high while the departure lasts; of metrics it speaks once, and the episode lasts. It may
    /// become sure enough only later.
    fn score(&self, measured: &Measured, memory: &mut Memory) -> Finding {
        if measured.score.is_nan() && measured.episode == 0 {
            return Finding::NOTHING;
        }
        let is_high = measured.score >= self.score;
        if is_high || measured.episode != memory.episode {
            memory.episode = if is_high { measured.episode } else { 0 };
        }
        let is_sure = measured.confidence >= self.confidence;
        Finding::of(is_sure && (is_high || memory.episode != 0), measured.score)
    }

    fn predict(&self, value: f64, memory: &mut Memory, scratch: &mut Vec<f64>) -> Finding {
        let threshold = self.threshold();
        let side = if self.op == Op::PredictGt { 1.0 } else { -1.0 };
        // It has come true: that is no prediction any more.
        if side * (value - threshold) > 0.0 {
            return Finding::of(false, value);
        }
        let Some(line) = memory.past.as_mut().and_then(|past| past.line(scratch)) else {
            return Finding::of(false, f64::NAN);
        };
        let (ahead, error) = line.ahead(self.within.as_secs_f64());
        // Most series are far away: the quantile is looked up for those alone that could reach it.
        let is_true = side * line.slope > 0.0
            && line.p_value < SIGNIFICANCE
            && side * (ahead - threshold) > 0.0
            && side * (ahead - threshold) > student_t_quantile(self.confidence, line.freedom()) * error;
        let seconds = ((threshold - line.level) / line.slope).clamp(0.0, self.within.as_secs_f64());
        let left = is_true.then(|| Duration::try_from_secs_f64(seconds).unwrap_or(self.within));
        Finding { left, ..Finding::of(is_true, ahead) }
    }
}

/// Returns the severity when so much time is left: of the entries that are at least that long, the shortest.
pub(super) fn severity_of(
    usual: Severity,
    within: &[(Duration, Severity)],
    left: Option<Duration>,
) -> Severity {
    let Some(left) = left else { return usual };
    within.iter().find(|(at_most, _)| left <= *at_most).map_or(usual, |(_, severity)| *severity)
}
