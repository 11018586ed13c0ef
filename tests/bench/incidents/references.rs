//! What a cause has to be found better than: chance, and the largest deviation of any metric.

use std::collections::{BTreeMap, HashMap};

use super::telemetry::{SECOND, Telemetry};

/// Spans and log records are counted by so much.
const WINDOW: u64 = 10 * SECOND;
/// A series is taken to deviate by this part of its mean at least: of one point, or of a constant, nothing is known.
const LEAST_DEVIATION: f64 = 0.05;

/// Returns the chance that a cause is among the first, when all orders of the services are alike.
pub(super) fn chance(n_services: usize, first: usize) -> f64 {
    (first as f64 / n_services.max(1) as f64).min(1.0)
}

/// Ranks services by how far the mean of any series of theirs is from what it was, in its standard deviations.
///
/// Series are the metrics that a service sends, and by ten seconds its spans, their mean duration and its log records.
pub(super) fn max_z<'a>(baseline: &'a Telemetry, fault: &'a Telemetry) -> Vec<(&'a str, f64)> {
    let (before, after) = (series(baseline), series(fault));
    let mut scores: BTreeMap<&str, f64> = BTreeMap::new();
    for (key, after) in &after {
        let Some(before) = before.get(key) else { continue };
        let score = scores.entry(key.0).or_default();
        *score = score.max(z(before, after));
    }
    let mut ranked: Vec<_> = scores.into_iter().collect();
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1));
    ranked
}

fn z(before: &[f64], after: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let usual = mean(before);
    let squares = before.iter().map(|value| (value - usual).powi(2)).collect::<Vec<_>>();
    let deviation = mean(&squares).sqrt().max(LEAST_DEVIATION * usual.abs());
    let distance = (mean(after) - usual).abs();
    if distance > 0.0 { distance / deviation.max(f64::MIN_POSITIVE) } else { 0.0 }
}

/// The values of each series, by service and name.
fn series(telemetry: &Telemetry) -> HashMap<(&str, &str), Vec<f64>> {
    let mut all: HashMap<(&str, &str), Vec<f64>> = HashMap::new();
    for point in &telemetry.points {
        all.entry((&point.origin.service, point.metric.name)).or_default().push(point.value);
    }
    let mut spans: BTreeMap<(&str, u64), (f64, f64)> = BTreeMap::new();
    for span in &telemetry.spans {
        let (count, sum) = spans.entry((&span.origin.service, span.end / WINDOW)).or_default();
        *count += 1.0;
        *sum += span.end.saturating_sub(span.start) as f64;
    }
    for ((service, _), (count, sum)) in spans {
        all.entry((service, " spans")).or_default().push(count);
        all.entry((service, " mean duration")).or_default().push(sum / count);
    }
    let mut records: BTreeMap<(&str, u64), f64> = BTreeMap::new();
    for record in &telemetry.records {
        *records.entry((&record.origin.service, record.time / WINDOW)).or_default() += 1.0;
    }
    for ((service, _), count) in records {
        all.entry((service, " log records")).or_default().push(count);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::telemetry::{Metric, Origin, Point};
    use super::*;

    static LOAD: Metric = Metric { name: "load", unit: "1", is_count: false };

    fn points(service: &str, values: &[f64]) -> Telemetry {
        let origin = Rc::new(Origin { service: service.to_owned(), instance: String::new() });
        let point = |value: &f64| Point { origin: Rc::clone(&origin), metric: &LOAD, time: 0, value: *value };
        Telemetry { points: values.iter().map(point).collect(), ..Telemetry::default() }
    }

    #[test]
    fn the_service_whose_metric_is_furthest_from_its_past_is_first() {
        let mut before = points("calm", &[10.0, 12.0, 8.0]);
        before.append(points("odd", &[10.0, 10.1, 9.9]));
        let mut after = points("calm", &[13.0]);
        after.append(points("odd", &[13.0]));
        let ranked = max_z(&before, &after);
        assert_eq!(ranked.iter().map(|(service, _)| *service).collect::<Vec<_>>(), ["odd", "calm"]);
        // A tenth of what is usual is far less than a twentieth of it, which counts instead: 3 / 0.5.
        assert!((ranked[0].1 - 6.0).abs() < 1e-9, "{ranked:?}");
    }

    #[test]
    fn chance_is_the_part_of_the_services_that_are_named() {
        assert!((chance(40, 5) - 0.125).abs() < 1e-12);
        assert!((chance(3, 5) - 1.0).abs() < 1e-12);
    }
}
