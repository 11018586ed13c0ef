//! Log records and metrics as others read them.

use bytes::Bytes;
use expect_test::expect;
use model::{Payload, Statistic, TraceId};
use wire::view::{LogRecord, groups};

use super::{
    detectors::only,
    rows::{Bench, Subject, noise, window},
};
use crate::{
    anomaly::{AnomalyConfig, config::DetectorName},
    testing::lines,
};

const DAY: u64 = 24 * 60;

const WORST: TraceId = [0xab; 16];

/// Runs a fault of ten minutes and returns all that was emitted.
fn fault(config: &AnomalyConfig) -> Vec<Payload> {
    let subject = Subject::p95("checkout");
    let mut bench = Bench::new(config);
    let mut emitted = Vec::new();
    for minute in 1..130 {
        let is_slow = (100..110).contains(&minute);
        let value = 100.0 * if is_slow { 4.0 } else { (0.05 * noise(minute, 1)).exp() };
        let mut rollups = window(minute, &[(&subject, value, 1000)]);
        if is_slow {
            rollups.exemplars.insert(0, vec![WORST]);
        }
        emitted.extend(bench.judge(rollups));
    }
    emitted
}

fn logs(payloads: &[Payload]) -> Vec<&Bytes> {
    let logs = payloads.iter().filter_map(|payload| match payload {
        Payload::Logs(bytes) => Some(bytes),
        _ => None,
    });
    logs.collect()
}

#[test]
fn an_episode_is_a_log_record_that_says_all_about_it() {
    let emitted = fault(&AnomalyConfig::default());
    let group = groups(logs(&emitted)[0]).next().expect("there is a group");
    let record = LogRecord::of(group.items().next().expect("there is a record"));
    assert_eq!(record.event_name, b"trueline.anomaly");
    assert_eq!(record.trace_id, WORST);
    let service = group.resource.attribute("service.name").expect("the resource has a name");
    let mut said = vec![
        format!("resource service.name={}", service.to_label_string()),
        format!("severity {} {}", record.severity_number, String::from_utf8_lossy(record.severity_text)),
        format!("body {}", record.body.to_label_string()),
    ];
    said.extend(record.attributes().map(|attribute| {
        format!("{}={}", String::from_utf8_lossy(attribute.key), attribute.value().to_label_string())
    }));
    expect![[r#"
        resource service.name=checkout
        severity 17 ERROR
        body p95 of span.duration of checkout (GET /) is 400.0, expected 99.85 to 100.2 (open)
        span.kind=SPAN_KIND_SERVER
        span.name=GET /
        trueline.anomaly.id=c01e4db630b0410d
        trueline.anomaly.series=c68996d3c0380c59
        trueline.anomaly.state=open
        trueline.anomaly.severity=critical
        trueline.anomaly.direction=up
        trueline.anomaly.metric=span.duration
        trueline.anomaly.unit=ms
        trueline.anomaly.stat=p95
        trueline.anomaly.score=19.565216064453125
        trueline.anomaly.confidence=0.6387225548902196
        trueline.anomaly.value=400
        trueline.anomaly.expected=100
        trueline.anomaly.lower=99.85
        trueline.anomaly.upper=100.15
        trueline.anomaly.z=27.725887222397798
        trueline.anomaly.maturity=0.75
        trueline.anomaly.evidence.novelty=19.565216064453125
        trueline.anomaly.evidence.seasonal=3.46187162399292
        trueline.anomaly.evidence.rate_of_change=3.3322839736938477
        trueline.anomaly.support=1000
        trueline.anomaly.start=1767577140000000000
        trueline.anomaly.peak=1767577200000000000
        trueline.anomaly.duration=60000000000
        trueline.anomaly.detectors=["novelty","seasonal","rate_of_change"]
        trueline.anomaly.exemplars=["abababababababababababababababab"]"#]]
    .assert_eq(&said.join("\n"));
}

/// Runs a calm day and a minute of a value, and returns what was told of it.
fn body(config: &AnomalyConfig, subject: &Subject, value: f64) -> String {
    let mut bench = Bench::new(config);
    bench.run(1..DAY, &[subject], |minute, _| subject.expected + noise(minute, 1));
    bench.judge(window(DAY, &[(subject, value, 1000)]));
    let line = bench.told.lines().find(|line| line.starts_with("1440: ")).expect("it is told");
    line["1440: ".len()..line.find(" (open)").expect("it was opened")].to_owned()
}

#[test]
fn a_sentence_says_what_the_series_does() {
    let all = AnomalyConfig::default();
    let wide = Subject { lower: 0.0, upper: 500.0, ..Subject::gauge("db") };
    let rate = Subject::new("cart", "span.duration", Statistic::Rate, 50.0, 0.05);
    let seasonal = only(DetectorName::Seasonal);
    expect![[r#"
        mean of memory of db is 160.0, expected 97.00 to 103.0
        mean of memory of db is 160.0, as it has not been lately
        rate of span.duration of cart (GET /) is 90.00, expected 49.85 to 50.15
        mean of memory of db is 160.0 and stays above what is expected, 100.0"#]]
    .assert_eq(
        &[
            body(&all, &Subject::gauge("db"), 160.0),
            body(&all, &wide, 160.0),
            body(&seasonal, &rate, 90.0),
            body(&seasonal, &wide, 160.0),
        ]
        .join("\n"),
    );
}

#[test]
fn logs_can_be_turned_off() {
    let emitted = fault(&AnomalyConfig { emit_logs: false, ..AnomalyConfig::default() });
    assert_eq!(logs(&emitted).len(), 0);
}

#[test]
fn open_episodes_are_measured_until_there_are_none() {
    let emitted = fault(&AnomalyConfig::default());
    let metrics = emitted.into_iter().filter(|payload| matches!(payload, Payload::Metrics(_)));
    let metrics: Vec<_> = metrics.map(|payload| lines(&[payload])).collect();
    expect![[r#"
        resource {service.name=checkout} scope anomaly
          trueline.anomaly.score unit="1" gauge
            {span.kind=SPAN_KIND_SERVER,span.name=GET /,metric=span.duration,stat=p95} -1700000040..67577160 = 19.565216064453125
        resource {service.name=checkout} scope anomaly
          trueline.anomalies.open unit="{episode}" gauge
            {severity=info} -1700000040..67577160 = 0
            {severity=warning} -1700000040..67577160 = 0
            {severity=critical} -1700000040..67577160 = 1

        ---
        resource {service.name=checkout} scope anomaly
          trueline.anomalies.open unit="{episode}" gauge
            {severity=info} -1700000040..67578300 = 0
            {severity=warning} -1700000040..67578300 = 0
            {severity=critical} -1700000040..67578300 = 0
    "#]].assert_eq(&format!(
        "{}\n---\n{}",
        metrics[0],
        metrics.last().expect("there are metrics")
    ));
}

/// Runs two days with four faults of one series and one silence of another, and returns the last metrics.
fn days_with_faults(config: &AnomalyConfig) -> String {
    let subjects = [Subject::p95("checkout"), Subject::gauge("payment")];
    let mut bench = Bench::new(config);
    let mut last = None;
    for minute in 1..2 * DAY {
        let is_slow = (100..110).contains(&(minute % 900));
        let slow = 100.0 * if is_slow { 4.0 } else { (0.05 * noise(minute, 1)).exp() };
        let steady = if (500..504).contains(&minute) { f64::NAN } else { 100.0 + noise(minute, 2) };
        let out = bench.judge(window(minute, &[(&subjects[0], slow, 1000), (&subjects[1], steady, 1000)]));
        last = out.into_iter().find(|payload| matches!(payload, Payload::Metrics(_))).or(last);
    }
    lines(&[last.expect("there are metrics")])
}

#[test]
fn what_alarms_and_incidents_there_really_are_is_told_beside_their_budgets() {
    expect![[r#"
        resource {} scope anomaly
          trueline.anomaly.false_alarms_per_series_day unit="1" gauge
            {series=metrics,kind=realised} -1700000040..67743900 = 0.4545981722243861
            {series=metrics,kind=budget} -1700000040..67743900 = 0.1
            {series=spans,kind=realised} -1700000040..67743900 = 0.0
            {series=spans,kind=budget} -1700000040..67743900 = 0.1
          trueline.anomaly.level_raised unit="1" gauge
            {series=metrics,detector=novelty} -1700000040..67743900 = 0.0
            {series=spans,detector=seasonal} -1700000040..67743900 = 0.0
            {series=spans,detector=novelty} -1700000040..67743900 = 0.0
        resource {} scope anomaly
          trueline.anomaly.incidents_per_service_day unit="1" gauge
            {kind=realised} -1700000040..67743900 = 1.230209979689039
            {kind=budget} -1700000040..67743900 = 2.0
    "#]]
    .assert_eq(&days_with_faults(&AnomalyConfig::default()));
}

#[test]
fn what_a_service_may_not_tell_is_no_incident() {
    let config = AnomalyConfig { incidents_per_service_day: 0.4, ..AnomalyConfig::default() };
    let told = days_with_faults(&config);
    let incidents = told.split("incidents_per_service_day").nth(1).expect("the metric is there");
    let realised = incidents.lines().find(|line| line.contains("kind=realised")).expect("it is told");
    let realised: f64 = realised.rsplit(' ').next().unwrap().parse().expect("it is a number");
    // One of each service, in twice two days.
    assert!((0.4..0.6).contains(&realised), "{incidents}");
}
