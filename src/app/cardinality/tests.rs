//! Counting, by requests that are written as JSON.

use model::Signal;
use serde_json::{Value, json};

use super::{census::Census, scrape::count};

fn attributes(pairs: &[(&str, String)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": { "stringValue": value } })).collect()
}

/// Counts a request of one metric whose points have these attributes.
fn take(census: &mut Census, service: &str, metric: &Value) {
    let resource = attributes(&[("service.name", service.to_owned())]);
    let request = json!({ "resourceMetrics": [{ "resource": { "attributes": resource }, "scopeMetrics": [{ "metrics": [metric] }] }] });
    let bytes = wire::json::json_to_wire(Signal::Metrics, request.to_string().as_bytes()).unwrap();
    census.take(&bytes);
}

fn counter(points: &[Vec<(&str, String)>]) -> Value {
    let points: Vec<Value> =
        points.iter().map(|pairs| json!({ "asInt": "1", "attributes": attributes(pairs) })).collect();
    json!({ "name": "calls", "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points } })
}

#[test]
fn the_attribute_that_makes_the_series_comes_first() {
    let mut census = Census::default();
    let points: Vec<_> = (0..100)
        .map(|user| {
            vec![
                ("user", format!("u{user}")),
                ("method", if user % 2 == 0 { "GET" } else { "PUT" }.to_owned()),
            ]
        })
        .collect();
    // Twice, and in another order: the same series.
    take(&mut census, "shop", &counter(&points));
    let turned: Vec<_> = points.iter().map(|pairs| pairs.iter().rev().cloned().collect()).collect();
    take(&mut census, "shop", &counter(&turned));
    take(&mut census, "cart", &counter(&[vec![("method", "GET".to_owned())]]));
    let rows = census.rows();
    assert_eq!((rows[0].service.as_str(), rows[0].n_series, rows[0].n_samples), ("shop", 100, 200));
    let told: Vec<_> =
        rows[0].attributes.iter().map(|it| (it.name.as_str(), it.n_values, it.n_series_without)).collect();
    assert_eq!(told, [("user", 100, 2), ("method", 2, 100), ("service.name (resource)", 1, 100)]);
    assert_eq!((rows[1].service.as_str(), rows[1].n_series), ("cart", 1));
    assert_eq!(census.n_series(), 101);
}

#[test]
fn a_histogram_is_as_many_series_as_prometheus_makes_of_it() {
    let mut census = Census::default();
    let point = |key: &str| {
        json!({ "count": "3", "sum": 1.0, "explicitBounds": [1.0, 2.0], "bucketCounts": ["1", "1", "1"],
                "attributes": attributes(&[("route", key.to_owned())]) })
    };
    let metric = json!({ "name": "duration", "histogram": { "aggregationTemporality": 2, "dataPoints": [point("/a"), point("/b")] } });
    take(&mut census, "shop", &metric);
    let row = &census.rows()[0];
    assert_eq!((row.n_series, row.n_samples, row.attributes[0].n_series_without), (10, 10, 5));
}

#[test]
fn a_table_that_was_full_is_told_of() {
    let mut census = Census::default();
    let overflow = json!({ "asInt": "1", "attributes": [{ "key": "otel.metric.overflow", "value": { "boolValue": true } }] });
    take(&mut census, "shop", &json!({ "name": "calls", "gauge": { "dataPoints": [overflow] } }));
    assert_eq!(census.rows()[0].n_overflow_points, 1);
}

#[test]
fn a_page_of_a_running_instance_is_counted_by_its_instruments() {
    let page = "# HELP d x
# TYPE d histogram
d_bucket{service_name=\"shop\",route=\"/a\",le=\"1\"} 1
d_bucket{service_name=\"shop\",route=\"/a\",le=\"+Inf\"} 2 # {trace_id=\"ab\"} 0.5
d_sum{service_name=\"shop\",route=\"/a\"} 3.5
d_count{service_name=\"shop\",route=\"/a\"} 2 1700000000
d_count{service_name=\"shop\",route=\"/b \\\"}, x=\\\"\\n\"} 2
# TYPE up gauge
up 1
# EOF
";
    let mut census = Census::default();
    assert_eq!(count(page, &mut census).unwrap(), []);
    let rows = census.rows();
    assert_eq!((rows[0].service.as_str(), rows[0].metric.as_str(), rows[0].n_series), ("shop", "d", 5));
    let route = &rows[0].attributes[0];
    assert_eq!((route.name.as_str(), route.n_values, route.n_series_without), ("route", 2, 4));
    assert_eq!((rows[1].metric.as_str(), rows[1].n_series), ("up", 1));
    for wrong in ["up", "up{a=\"b\" 1", "up{a} 1", "up one", "{a=\"b\"} 1", "<html>"] {
        let problem = count(wrong, &mut Census::default()).unwrap_err();
        assert!(problem.to_string().starts_with("line 1 of the page"), "{wrong}: {problem}");
    }
}

#[test]
fn a_page_of_an_instances_own_metrics_says_which_attributes_filled_a_table() {
    let name = "otelcol_connector_spanmetrics_overflow_values";
    let page = format!(
        "# TYPE {name} gauge
{name}{{service_name=\"shop\",attribute=\"span.name\"}} 1
{name}{{service_name=\"shop\",attribute=\"user.id\"}} 412000
{name}{{service_name=\"shop\",attribute=\"calm\"}} 0
otelcol_connector_spanmetrics_series 40
"
    );
    let refused = count(&page, &mut Census::default()).unwrap();
    let told: Vec<_> = refused
        .iter()
        .map(|it| (it.service.as_str(), it.attribute.as_str(), it.component.as_str(), it.n_values))
        .collect();
    assert_eq!(told, [("shop", "user.id", "spanmetrics", 412_000), ("shop", "span.name", "spanmetrics", 1)]);
}
