//! Objectives on spans, from the request to metrics and conditions.

use super::*;

const LATENCY: &str = "
emit: {dialects: [native, sloth, pyrra]}
slos:
  - name: latency
    service: checkout
    sli: {type: latency, within: 300ms}
    target: 0.99
    labels: {team: shop}
    alerting: {name: CheckoutIsSlow}
";

const SLOTH: &str = "{sloth_id=checkout-latency,sloth_service=checkout,sloth_slo=latency,team=shop}";

/// One hundred spans a second, of which so many are slow.
fn traffic(stage: &mut Stage, seconds: std::ops::Range<u64>, slow: u64) {
    for second in seconds {
        let spans = (0..100).map(|n| ended("pay", second, if n < slow { 400 } else { 300 }));
        stage.spans("checkout", spans.collect());
        stage.until(second + 1);
    }
}

#[test]
fn one_latency_objective_is_told_by_sloths_names() {
    let mut stage = Stage::new(LATENCY, 1);
    traffic(&mut stage, 0..300, 1);
    // One in a hundred burns the budget exactly as fast as it lasts.
    let with = |name: &str| format!("{name}{SLOTH}");
    let window = |window: &str| {
        let labels = SLOTH.replace('}', &format!(",sloth_window={window}}}"));
        format!("slo:sli_error:ratio_rate{window}{labels}")
    };
    for name in ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"] {
        assert_eq!(stage.metric(&window(name)), Some(0.01), "{name}");
    }
    let near = |name: &str, expected: f64| {
        let value = stage.metric(&with(name)).unwrap();
        assert!((value - expected).abs() < 1e-9, "{name} is {value}");
    };
    near("slo:objective:ratio", 0.99);
    near("slo:error_budget:ratio", 0.01);
    near("slo:time_period:days", 30.0);
    near("slo:current_burn_rate:ratio", 1.0);
    near("slo:period_burn_rate:ratio", 1.0);
    near("slo:period_error_budget_remaining:ratio", 0.0);
    let info = stage.metrics.keys().find(|key| key.starts_with("sloth_slo_info{")).unwrap();
    for label in
        ["sloth_id=checkout-latency", "sloth_mode=", "sloth_objective=99", "sloth_spec=", "sloth_version="]
    {
        assert!(info.contains(label), "{info}");
    }
    assert_eq!(stage.metric("pyrra_objective{slo=latency,service=checkout,team=shop}"), Some(0.99));
    assert_eq!(stage.metric("pyrra_window{slo=latency,service=checkout,team=shop}"), Some(2_592_000.0));
    assert_eq!(stage.metric("pyrra_availability{slo=latency,service=checkout,team=shop}"), Some(0.99));
    assert_eq!(stage.metric("pyrra_requests:rate5m{slo=latency,service=checkout,team=shop}"), Some(100.0));
    assert_eq!(stage.metric("pyrra_errors:rate5m{slo=latency,service=checkout,team=shop}"), Some(1.0));
}

#[test]
fn a_page_is_true_when_both_windows_of_a_pair_burn_and_no_longer() {
    let mut stage = Stage::new(LATENCY, 1);
    traffic(&mut stage, 0..600, 0);
    assert_eq!(stage.truths()["CheckoutIsSlow page"], Some(false));
    // All slow: six times the budget is 6 % of the events so far, of which there are 600 seconds.
    traffic(&mut stage, 600..630, 100);
    assert_eq!(stage.truths()["CheckoutIsSlow page"], Some(false));
    traffic(&mut stage, 630..640, 100);
    assert_eq!(stage.truths()["CheckoutIsSlow page"], Some(true));
    let condition = stage
        .conditions
        .iter()
        .find(|it| it.subject.labels.get("sloth_severity").is_some_and(|it| it == "page"));
    let subject = &condition.unwrap().subject;
    assert_eq!((subject.severity, subject.hold), (model::Severity::Critical, std::time::Duration::ZERO));
    assert_eq!(subject.labels["sloth_id"], "checkout-latency");
    assert_eq!(subject.labels["team"], "shop");
    assert_eq!(condition.unwrap().exemplars, [[7; 16]]);
    assert_eq!(stage.events, ["trueline.slo.breach", "trueline.slo.burn_rate", "trueline.slo.burn_rate"]);
    traffic(&mut stage, 640..660, 0);
    assert_eq!(stage.truths()["CheckoutIsSlow page"], Some(true));
    traffic(&mut stage, 660..670, 0);
    assert_eq!(stage.truths()["CheckoutIsSlow page"], Some(false), "40 of 670 seconds are less than 6 %");
}

#[test]
fn without_enough_events_nothing_is_told_as_good_or_bad() {
    let mut stage = Stage::new(LATENCY, 1);
    stage.spans("checkout", vec![ended("pay", 0, 900); 9]);
    stage.until(30);
    assert_eq!(stage.truths()["CheckoutIsSlow page"], None);
    let labels =
        "{service.name=checkout,trueline.slo.id=checkout-latency,trueline.slo.name=latency,team=shop";
    assert_eq!(stage.metric(&format!("trueline.slo.state{labels},state=insufficient_data}}")), Some(1.0));
    assert_eq!(stage.metric(&format!("trueline.slo.state{labels},state=met}}")), Some(0.0));
    assert_eq!(stage.metric(&format!("trueline.slo.sli{labels}}}")), None);
    assert!(stage.metrics.values().all(|value| value.is_finite()));
    stage.spans("checkout", vec![ended("pay", 30, 900)]);
    stage.until(45);
    assert_eq!(stage.metric(&format!("trueline.slo.state{labels},state=breached}}")), Some(1.0));
}

#[test]
fn spans_of_other_services_change_nothing() {
    let mut stage = Stage::new(LATENCY, 1);
    stage.spans("cart", vec![ended("pay", 0, 900); 50]);
    stage.until(30);
    assert!(!stage.metrics.keys().any(|key| key.starts_with("slo:sli_error")));
}

#[test]
fn a_sampled_span_counts_as_many_as_it_stands_for() {
    let mut stage = Stage::new(LATENCY, 1);
    let sampled = Span { trace_state: "ot=th:c".to_owned(), ..ended("pay", 0, 900) };
    let mut spans = vec![ended("pay", 0, 100); 36];
    spans.push(sampled);
    stage.spans("checkout", spans);
    stage.until(30);
    let labels = SLOTH.replace('}', ",sloth_window=5m}");
    assert_eq!(stage.metric(&format!("slo:sli_error:ratio_rate5m{labels}")), Some(0.1));
}
