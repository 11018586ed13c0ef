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
    /// Series of both sides that grew by other amounts.
    n_differ: usize,
}

/// Whether what a series of this name grows by means something.
pub(super) fn is_counter(name: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket"].iter().any(|end| name.ends_with(end))
}

/// Whether two increases are the same within a share of the greater.
fn is_near(a: f64, b: f64, tolerance: f64) -> bool {
    a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs())
}

impl Sides {
    pub(super) fn are_same(&self, tolerance: f64) -> bool {
        let metrics = self.metrics(tolerance);
        !metrics.is_empty() && metrics.iter().all(|metric| metric.is_same(tolerance))
    }

    fn metrics(&self, tolerance: f64) -> Vec<Metric> {
        let names: BTreeSet<&str> =
            self.a.series.keys().chain(self.b.series.keys()).map(|series| series.name.as_str()).collect();
        names.into_iter().map(|name| self.metric(name, tolerance)).collect()
    }

    fn metric(&self, name: &str, tolerance: f64) -> Metric {
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
        let differ = a
            .iter()
            .filter(|(series, by)| b.get(*series).is_some_and(|other| !is_near(**by, *other, tolerance)));
        Metric {
            name: name.to_owned(),
            n_series: [a.len(), b.len()],
            only: [only(&a, &b), only(&b, &a)],
            labels_only: [
                labels_a.difference(&labels_b).cloned().collect(),
                labels_b.difference(&labels_a).cloned().collect(),
            ],
            increase: [a.values().sum(), b.values().sum()],
            n_differ: differ.count(),
        }
    }

    pub(super) fn text(&self, tolerance: f64) -> String {
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
            0 => format!(
                "\nall {} metrics are the same within {} %\n",
                metrics.len(),
                short(tolerance * 100.0)
            ),
            _ => format!(
                "\n{n_other} of {} metrics differ by more than {} %\n",
                metrics.len(),
                short(tolerance * 100.0)
            ),
        };
        text
    }

    pub(super) fn json(&self, tolerance: f64) -> Value {
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
            "same": self.are_same(tolerance),
            "metrics": self.metrics(tolerance).iter().map(metric).collect::<Vec<_>>(),
        })
    }
}

impl Metric {
    /// Sums may be the same where single series are not, and the other way round by chance.
    fn is_same(&self, tolerance: f64) -> bool {
        self.only == [0, 0] && self.n_differ == 0 && is_near(self.increase[0], self.increase[1], tolerance)
    }

    fn row(&self, tolerance: f64) -> Vec<String> {
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
