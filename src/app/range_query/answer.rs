//! What `query_range` answers.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use anyhow::{Context, bail};
use model::Timestamp;
use serde::{Deserialize, Deserializer, de::Error};

/// A good answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) series: Vec<Found>,
    pub(crate) warnings: Vec<String>,
}

/// A series as Prometheus knows it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) labels: BTreeMap<String, String>,
    /// Without those that are no number.
    pub(crate) points: Vec<(Timestamp, f64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status: String,
    data: Option<Matrix>,
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Matrix {
    result_type: String,
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    /// Absent where all points are native histograms.
    #[serde(default)]
    values: Vec<Sample>,
}

/// Seconds since the epoch, and a number as text.
#[derive(Deserialize)]
struct Sample(f64, #[serde(deserialize_with = "number")] f64);

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format_args!("`{text}` is no number")))
}

/// Prometheus says what is wrong with the query.
#[derive(Debug)]
pub(crate) struct Refused {
    kind: String,
    message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prometheus refuses it: {}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Refused {}

/// Reads an answer.
///
/// # Errors
/// What Prometheus says is wrong, or that it is no Prometheus.
pub(super) fn read(body: &[u8]) -> anyhow::Result<Answered> {
    let answer: Answer = serde_json::from_slice(body).context("the answer is not that of a Prometheus")?;
    let Some(matrix) = answer.data.filter(|_| answer.status == "success") else {
        bail!(Refused { kind: answer.error_type, message: answer.error });
    };
    if matrix.result_type != "matrix" {
        bail!("the answer is a {}, expected a matrix", matrix.result_type);
    }
    let found = |series: Series| Found { labels: series.metric, points: points(&series.values) };
    Ok(Answered { series: matrix.result.into_iter().map(found).collect(), warnings: answer.warnings })
}

fn points(samples: &[Sample]) -> Vec<(Timestamp, f64)> {
    // Times of a range are whole milliseconds; a double can not tell nanoseconds.
    let at = |seconds: f64| Timestamp::from_millis((seconds * 1e3).round() as u64);
    let known = samples.iter().filter(|Sample(at, value)| *at >= 0.0 && !value.is_nan());
    known.map(|Sample(seconds, value)| (at(*seconds), *value)).collect()
}
