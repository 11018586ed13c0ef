//! Metrics as Prometheus knows them: names, label sets, points and series. Shared by the exporters that
//! push to Prometheus and are scraped by it.
//!
//! # Layout
//! * [`strategy`](TranslationStrategy), `names`: names, translated as `model::prometheus` does; [`namer`](Namer)
//!   remembers them.
//! * [`labels`](Labels): sorted label sets.
//! * [`translate`](Translator): a request to [points](Point), with every label.
//! * [`merge()`]: points to series, each label set and each time of it once.
//!
//! *Source*: OpenTelemetry's "Prometheus and OpenMetrics Compatibility"; metrics are named as Prometheus' own
//! OTLP receiver names them.

mod labels;
mod merge;
mod namer;
mod names;
mod point;
mod settings;
mod strategy;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod translate;
mod values;

pub(crate) use labels::{Label, Labels, list_series};
pub(crate) use merge::{Merged, Series, add, combine, merge};
pub(crate) use namer::{MetricNames, Namer};
pub(crate) use names::label_name;
pub(crate) use point::{
    Dense, Exemplar, Explicit, Exponential, Family, FamilyKind, Point, STALE_NAN, Sample, Summary, Value,
};
pub(crate) use settings::{Dropped, ResourceLabelsConfig, Settings};
pub(crate) use strategy::TranslationStrategy;
pub(crate) use translate::Translator;
