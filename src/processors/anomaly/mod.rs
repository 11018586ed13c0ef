//! Which of what differs from the baseline deserves a person's attention?
//!
//! *Reads*: windows of series and their baselines. *Adds*: the score of each row, whether an episode is open,
//! and its number. *Emits*: episodes as log records, open episodes and the account of false alarms as
//! metrics.
//!
//! # Method
//! 1. [`detectors`](self::detectors) look at each row, each with its own state and its own kind of
//!    departure, and speak on one scale: 3 opens an episode.
//! 2. [`levels`](self::levels) say at which strength that is: from the budget of false alarms, from what a
//!    person called noise, and from how many alarms there were, which [`tuning`](self::tuning) counts.
//! 3. [`episodes`](self::episodes) join windows: one per departure, with its peak, confidence and
//!    severity. [`calibration`](self::calibration) has the tables behind confidences, and
//!    [`silence`](self::silence) says when no rows at all are a departure.
//! 4. [`hierarchy`](self::hierarchy) decides what is told, service by service.
//!    [`sentence`](self::sentence) says it.
//! 5. `rows` and `window` do all this for one window, `services` for what concerns no single series.
//!
//! *Source*: the seasonal score was chosen on labelled series of web services (WSD), novelty on those of the
//! Numenta Anomaly Benchmark; each constant names where it comes from.
//!
//! *Cost*: measured in `README.md`; 64 bytes per series, 448 more with `novelty`, 56 with `pattern`.

mod answer;
mod calibration;
mod config;
mod detectors;
mod episodes;
mod hierarchy;
mod judge;
mod levels;
mod output;
mod processor;
mod recall;
mod record;
mod rows;
mod sentence;
mod services;
mod silence;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod tuning;
mod window;

pub use config::AnomalyConfig;
pub use processor::{AnalysisHalf, Anomaly};
