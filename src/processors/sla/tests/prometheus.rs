//! Objectives on counters that are named as Prometheus does, and what their alerts carry.

use model::{Rollups, Series, Statistic};

use super::*;
use crate::aggregation::attributes::AttributeList;

/// A window of rates by service and status code.
fn window(second: u64, rows: &[(&str, &str, f64)]) -> Rollups {
    let mut rollups =
        Rollups { start: at(second), width: std::time::Duration::from_secs(10), ..Rollups::default() };
    let list = |key: &str, value: &str| {
        let mut list = AttributeList::default();
        list.push_str(key, value);
        list.into_bytes()
    };
    for (slot, (service, code, rate)) in rows.iter().enumerate() {
        let series = Series {
            resource: list("service.name", service).into(),
            metric: "http.server.requests".into(),
            unit: "{request}".into(),
            attributes: list("http.response.status_code", code).into(),
            statistic: Statistic::Rate,
            service: (*service).into(),
            fingerprint: 1000 + slot as u64,
        };
        rollups.push(series.into(), slot as u32, *rate, 10);
    }
    rollups
}

#[test]
fn a_selector_of_prometheus_counts_what_it_counts_there_whatever_the_service_of_the_objective() {
    let rows = [
        ("cart", "200", 90.0),
        ("cart", "404", 6.0),
        ("cart", "429", 3.0),
        ("cart", "503", 1.0),
        ("pay", "500", 50.0),
    ];
    for (part, expected) in [
        (
            "bad: {prometheus: 'http_server_requests_total{job=\"cart\",http_response_status_code=~\"5..\"}'}",
            0.01,
        ),
        (
            "bad: {prometheus: 'http_server_requests_total{job=\"cart\",http_response_status_code=~\"5..|429\"}'}",
            0.04,
        ),
        (
            "good: {prometheus: 'http_server_requests_total{job=\"cart\",http_response_status_code!~\"(4|5)..\"}'}",
            0.1,
        ),
        (
            "good: {prometheus: 'http_server_requests_total{job=\"cart\",http_response_status_code!=\"503\"}'}",
            0.01,
        ),
        (
            "bad: {prometheus: 'http_server_requests_total{job=\"cart\",http_response_status_code=~\"50\"}'}",
            0.0,
        ),
    ] {
        let mut stage = Stage::new(
            &format!(
                "
slos:
  - name: a
    service: checkout-team
    sli: {{type: success_rate, counters: {{total: {{prometheus: 'http_server_requests_total{{job=\"cart\"}}'}}, {part}}}}}
    target: 0.9
"
            ),
            1,
        );
        (0..3).for_each(|n| {
            stage.harness.judge(window(n * 10, &rows));
        });
        stage.until(30);
        let sli = stage.metric("slo:sli_error:ratio_rate5m{sloth_id=checkout-team-a,sloth_service=checkout-team,sloth_slo=a,sloth_window=5m}");
        assert!(
            sli.is_some_and(|sli| (sli - expected).abs() < 1e-9),
            "{part}: {sli:?} of {:#?}",
            stage.metrics
        );
    }
}

#[test]
fn a_series_has_a_name_or_a_selector_that_can_be_read() {
    for (series, place, part) in [
        ("{}", "slos.0.sli.counters.total.name", "selector"),
        ("{name: a, prometheus: b}", "slos.0.sli.counters.total.prometheus", "leave name"),
        ("{prometheus: b, attributes: {c: d}}", "slos.0.sli.counters.total.prometheus", "leave name"),
        ("{prometheus: 'b{'}", "slos.0.sli.counters.total.prometheus", "no PromQL"),
        ("{prometheus: 'b_bucket{le=\"1\"}'}", "slos.0.sli.counters.total.prometheus", "buckets"),
    ] {
        let yaml = format!(
            "slos: [{{name: a, service: s, target: 0.9, sli: {{type: success_rate, counters: {{total: {series}, bad: {{name: b}}}}}}}}]"
        );
        let (_, problems) = read(&yaml);
        let is_told = |it: &String| it.starts_with(&format!("{place}: ")) && it.contains(part);
        assert!(problems.iter().any(is_told), "{series}: {problems:#?}");
    }
}

#[test]
fn alerts_of_each_urgency_carry_their_own_labels_and_one_may_be_left_out() {
    let objective = |alerting: &str| {
        format!(
            "
slos:
  - name: a
    service: s
    sli: {{type: success_rate}}
    target: 0.99
    alerting: {{name: Burns, labels: {{team: shop}}, {alerting}}}
"
        )
    };
    let carried = |alerting: &str| {
        let stage = {
            let mut stage = Stage::new(&objective(alerting), 1);
            stage.until(10);
            stage
        };
        let burns = stage.conditions.iter().filter(|it| it.subject.name == "Burns");
        let told = burns.map(|it| {
            let labels = &it.subject.labels;
            let text = |label: &str| labels.get(label).cloned().unwrap_or_default();
            let runbook = it.subject.annotations.get("runbook").cloned().unwrap_or_default();
            format!("{} {} {} {runbook}", text("sloth_severity"), text("team"), text("to"))
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        carried("page: {labels: {to: pager}, annotations: {runbook: now}}, ticket: {labels: {team: desk}}"),
        ["page shop pager now", "ticket desk  "]
    );
    assert_eq!(carried("page: {enabled: false}"), ["ticket shop  "]);
    assert_eq!(carried("page: {enabled: false}, ticket: {enabled: false}"), Vec::<String>::new());
    let (_, problems) = read(&objective("page: {labels: {severity: x}}"));
    assert!(problems.iter().any(|it| it.starts_with("slos.0.alerting.page.labels: ")), "{problems:?}");
}
