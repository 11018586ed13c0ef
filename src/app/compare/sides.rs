//! Two sets of series, side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    ask::Table,
    terminal::{printable, short},
};

/// A series without the labels that tell the sides apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
}

/// What one collector wrote.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// By how much each grew; 0 for what is no counter.
    pub(super) series: BTreeMap<Series, f64>,
    /// As Prometheus counts them.
    pub(super) n_series: usize,
}

#[derive(Debug, Default)]
pub(super) struct Sides {
    pub(super) a: Side,
    pub(super) b: Side,
    pub(super) selectors: [String; 2],
    pub(super) ignored: Vec<String>,
}

/// What is told of a metric.
struct Metric {
    name: String,
    n_series: [usize; 2],
    only: [usize; 2],
    /// Labels that the other side never has.
    labels_only: [Vec<String>; 2],
    increase: [f64; 2],
    /// How much one observation adds to it, at most.
    unit: f64,
    /// Series of both sides that grew by other amounts.
    n_differ: usize,
}

/// Whether what a series of this name grows by means something.
pub(super) fn is_counter(name: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket"].iter().any(|end| name.ends_with(end))
}

/// By how much increases may differ and still be the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// Of the greater of the two.
    pub(super) share: f64,
    /// Of what is counted. Five calls more are a great share of eight and say nothing.
    pub(super) units: f64,
}

impl Tolerance {
    /// Whether two increases are the same. `unit` is how much one of what is counted adds.
    fn allows(self, a: f64, b: f64, unit: f64) -> bool {
        let allowed = (self.share * a.abs().max(b.abs())).max(self.units * unit);
        a == b || (a - b).abs() <= allowed
    }

    fn words(self) -> String {
        let percent = short(self.share * 100.0);
        format!("{percent} % or {} units", short(self.units))
    }
}

impl Sides {
    pub(super) fn are_same(&self, tolerance: Tolerance) -> bool {
        let metrics = self.metrics(tolerance);
        !metrics.is_empty() && metrics.iter().all(|metric| metric.is_same(tolerance))
    }

    fn metrics(&self, tolerance: Tolerance) -> Vec<Metric> {
        let names: BTreeSet<&str> =
            self.a.series.keys().chain(self.b.series.keys()).map(|series| series.name.as_str()).collect();
        names.into_iter().map(|name| self.metric(name, tolerance)).collect()
    }

    fn metric(&self, name: &str, tolerance: Tolerance) -> Metric {
        let of = |side: &'_ Side| -> BTreeMap<Series, f64> {
            side.series
                .iter()
                .filter(|(series, _)| series.name == name)
                .map(|(series, by)| (series.clone(), *by))
                .collect()
        };
        let (a, b) = (of(&self.a), of(&self.b));
        let only = |one: &BTreeMap<Series, f64>, other: &BTreeMap<Series, f64>| {
            one.keys().filter(|series| !other.contains_key(*series)).count()
        };
        let labels = |side: &BTreeMap<Series, f64>| -> BTreeSet<String> {
            side.keys().flat_map(|series| series.labels.keys().cloned()).collect()
        };
        let (labels_a, labels_b) = (labels(&a), labels(&b));
        let differ = a.iter().filter(|(series, by)| {
            let unit = self.unit(series);
            b.get(*series).is_some_and(|other| !tolerance.allows(**by, *other, unit))
        });
        Metric {
            name: name.to_owned(),
            n_series: [a.len(), b.len()],
            only: [only(&a, &b), only(&b, &a)],
            labels_only: [
                labels_a.difference(&labels_b).cloned().collect(),
                labels_b.difference(&labels_a).cloned().collect(),
            ],
            increase: [a.values().sum(), b.values().sum()],
            unit: a.keys().map(|series| self.unit(series)).fold(0.0, f64::max),
            n_differ: differ.count(),
        }
    }

    /// How much one observation adds to a series: to a sum what it is on average, to others one.
    fn unit(&self, series: &Series) -> f64 {
        let Some(base) = series.name.strip_suffix("_sum") else { return 1.0 };
        let count = Series { name: format!("{base}_count"), labels: series.labels.clone() };
        let mean = |side: &Side| -> Option<f64> {
            let (sum, count) = (side.series.get(series)?, side.series.get(&count)?);
            (*count > 0.0).then(|| sum.abs() / count)
        };
        let means = [mean(&self.a), mean(&self.b)];
        means.into_iter().flatten().reduce(f64::max).unwrap_or(0.0)
    }

    pub(super) fn text(&self, tolerance: Tolerance) -> String {
        let [a, b] = &self.selectors;
        let mut text = format!("A {a}: {} series\nB {b}: {} series\n", self.a.n_series, self.b.n_series);
        if !self.ignored.is_empty() {
            text += &format!("labels that are not compared: {}\n", self.ignored.join(", "));
        }
        let metrics = self.metrics(tolerance);
        if metrics.is_empty() {
            return text + "\nneither has series in this window\n";
        }
        let head = ["METRIC", "SERIES A", "B", "ONLY A", "ONLY B", "GREW A", "B", "DIFFER", ""];
        let mut table = Table::new(&head);
        for metric in &metrics {
            table.push(metric.row(tolerance));
        }
        text.push('\n');
        text += &table.write();
        for metric in &metrics {
            for (side, labels) in ["A", "B"].iter().zip(&metric.labels_only) {
                if !labels.is_empty() && metric.n_series.iter().all(|n| *n > 0) {
                    text += &format!("{} has only in {side} the labels {}\n", metric.name, labels.join(", "));
                }
            }
        }
        let n_other = metrics.iter().filter(|metric| !metric.is_same(tolerance)).count();
        text += &match n_other {
            0 => format!("\nall {} metrics are the same within {}\n", metrics.len(), tolerance.words()),
            _ => format!(
                "\n{n_other} of {} metrics differ by more than {}, or in their series\n",
                metrics.len(),
                tolerance.words()
            ),
        };
        text
    }

    pub(super) fn json(&self, tolerance: Tolerance) -> Value {
        let metric = |it: &Metric| {
            json!({
                "name": it.name,
                "same": it.is_same(tolerance),
                "series": it.n_series,
                "only": it.only,
                "labels_only": it.labels_only,
                "increase": it.increase,
                "series_that_differ": it.n_differ,
            })
        };
        json!({
            "a": { "selector": self.selectors[0], "series": self.a.n_series },
            "b": { "selector": self.selectors[1], "series": self.b.n_series },
            "ignored_labels": self.ignored,
            "tolerance": { "share": tolerance.share, "units": tolerance.units },
            "same": self.are_same(tolerance),
            "metrics": self.metrics(tolerance).iter().map(metric).collect::<Vec<_>>(),
        })
    }
}

impl Metric {
    /// Sums may be the same where single series are not. The other way round, a few units less in each of many series are
    /// a loss and no chance.
    fn is_same(&self, tolerance: Tolerance) -> bool {
        let [a, b] = self.increase;
        self.only == [0, 0] && self.n_differ == 0 && tolerance.allows(a, b, self.unit)
    }

    fn row(&self, tolerance: Tolerance) -> Vec<String> {
        let numbers = |pair: [usize; 2]| pair.map(|number| number.to_string());
        let [series_a, series_b] = numbers(self.n_series);
        let [only_a, only_b] = numbers(self.only);
        let grew = self.increase.map(|by| if is_counter(&self.name) { short(by) } else { String::new() });
        let [grew_a, grew_b] = grew;
        let verdict = if self.is_same(tolerance) { "" } else { "differs" };
        let name = printable(&self.name);
        vec![
            name,
            series_a,
            series_b,
            only_a,
            only_b,
            grew_a,
            grew_b,
            self.n_differ.to_string(),
            verdict.to_owned(),
        ]
    }
}
