//! What targets say of their metrics.

use std::collections::HashMap;

use super::exposition::Kind;

/// What is known of a metric.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Metadata {
    /// The name of which it was said.
    pub(super) family: Box<str>,
    pub(super) kind: Kind,
    pub(super) help: Box<str>,
    pub(super) unit: Box<str>,
}

/// What is known of all metrics of a target, kept for a while after they are gone.
#[derive(Debug, Default)]
pub(super) struct Catalogue(HashMap<Box<str>, (Metadata, u64)>);

/// For so many scrapes it is remembered what a metric was that is not shown any more.
const KEPT_SCRAPES: u64 = 10;

const SUFFIXES: [&str; 6] = ["_bucket", "_count", "_sum", "_total", "_info", "_created"];
pub(super) const TOTAL: &str = "_total";
pub(super) const CREATED: &str = "_created";

/// Takes off what says which part of a metric a series is.
pub(super) fn normalized(name: &str) -> &str {
    let found = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix).filter(|rest| !rest.is_empty()));
    found.unwrap_or(name)
}

impl Catalogue {
    pub(super) fn get(&self, name: &str) -> Option<&Metadata> {
        self.0.get(name).map(|(metadata, _)| metadata)
    }

    /// Changes what is known of a metric, in this scrape.
    pub(super) fn learn(&mut self, name: &str, generation: u64, learn: impl FnOnce(&mut Metadata)) {
        if let Some((metadata, seen)) = self.0.get_mut(name) {
            *seen = generation;
            return learn(metadata);
        }
        let mut metadata =
            Metadata { family: name.into(), kind: Kind::Unknown, help: Box::default(), unit: Box::default() };
        learn(&mut metadata);
        self.0.insert(name.into(), (metadata, generation));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn forget(&mut self, generation: u64) {
        self.0.retain(|_, (_, seen)| generation - *seen <= KEPT_SCRAPES);
    }

    /// Returns what a series belongs to: the name of the metric in OpenTelemetry, and what is known of it.
    pub(super) fn of_series(&self, series: &str) -> (String, Metadata) {
        if let Some(own) = own(series) {
            return (series.to_owned(), own);
        }
        if let Some(metadata) = self.get(series) {
            return (series.to_owned(), metadata.clone());
        }
        let family = normalized(series);
        match self.get(family) {
            Some(metadata) if metadata.kind == Kind::Counter && series.ends_with(CREATED) => {
                (format!("{family}{TOTAL}"), metadata.clone())
            }
            Some(metadata) if metadata.kind == Kind::Counter => (series.to_owned(), metadata.clone()),
            Some(metadata) => (family.to_owned(), metadata.clone()),
            None => (series.to_owned(), metadata(series, Kind::Unknown, "", "")),
        }
    }
}

fn metadata(family: &str, kind: Kind, help: &str, unit: &str) -> Metadata {
    Metadata { family: family.into(), kind, help: help.into(), unit: unit.into() }
}

/// What is known of the series that tell of a scrape.
fn own(series: &str) -> Option<Metadata> {
    let (help, unit) = match series {
        "up" => ("The scraping was successful", ""),
        "scrape_duration_seconds" => ("Duration of the scrape", "seconds"),
        "scrape_samples_scraped" => ("The number of samples the target exposed", ""),
        "scrape_series_added" => ("The approximate number of new series in this scrape", ""),
        "scrape_samples_post_metric_relabeling" => {
            ("The number of samples remaining after metric relabeling was applied", "")
        }
        _ => return None,
    };
    Some(metadata(series, Kind::Gauge, help, unit))
}

/// Translates a unit, which OpenMetrics spells out, to UCUM: `meters_per_second` is `m/s`.
pub(super) fn ucum(unit: &str) -> String {
    let (word, per) = unit.split_once("_per_").unwrap_or((unit, ""));
    let word = match word {
        "days" => "d",
        "hours" => "h",
        "minutes" => "min",
        "seconds" => "s",
        "milliseconds" => "ms",
        "microseconds" => "us",
        "nanoseconds" => "ns",
        "bytes" => "By",
        "kibibytes" => "KiBy",
        "mebibytes" => "MiBy",
        "gibibytes" => "GiBy",
        "tibibytes" => "TiBy",
        "kilobytes" => "KBy",
        "megabytes" => "MBy",
        "gigabytes" => "GBy",
        "terabytes" => "TBy",
        "meters" => "m",
        "volts" => "V",
        "amperes" => "A",
        "joules" => "J",
        "watts" => "W",
        "grams" => "g",
        "celsius" => "Cel",
        "hertz" => "Hz",
        "ratio" => "1",
        "percent" => "%",
        other => other,
    };
    let per = match per {
        "" => return word.to_owned(),
        "second" => "s",
        "minute" => "m",
        "hour" => "h",
        "day" => "d",
        "week" => "w",
        "month" => "mo",
        "year" => "y",
        other => other,
    };
    format!("{word}/{per}")
}
