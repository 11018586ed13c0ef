use std::time::Duration;

use expect_test::expect;
use model::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    alerts::{Alert, Alerts},
    past::{self, Candidate},
    score::{Score, Telling},
    table,
    truth::Fault,
};
use crate::{detect::Recording, replay::Event};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

fn alert(service: &str, seconds: u64) -> Alert {
    Alert { service: service.to_owned(), at: at(seconds), onset: Some(at(seconds - 20)) }
}

fn fault(service: &str, start: u64, end: u64) -> Fault {
    Fault { service: service.to_owned(), start: at(start), end: at(end) }
}

fn event(name: &str, id: &str, state: &str) -> Event {
    let attributes: Map<String, Value> = [("id", json!(id)), ("state", json!(state)), ("start", json!(5))]
        .into_iter()
        .map(|(key, value)| (format!("{name}.{key}"), value))
        .collect();
    let text = String::new;
    Event {
        at: at(9),
        name: name.to_owned(),
        service: text(),
        severity: text(),
        body: text(),
        trace_id: None,
        attributes,
    }
}

#[test]
fn what_goes_on_under_one_id_is_one_alert_and_an_end_is_none() {
    let mut alerts = Alerts::new("trueline.");
    for (id, state) in [("a", "open"), ("a", "worsened"), ("a", "closed"), ("b", "closed"), ("c", "worsened")]
    {
        alerts.take(&event("trueline.anomaly", id, state));
    }
    alerts.take(&event("trueline.slo", "a", "open"));
    assert_eq!(alerts.list.len(), 3, "a and c, and the a of another kind");
    assert_eq!(alerts.list[0].onset, Some(Timestamp(5)));
    let mut of_one_kind = Alerts::new("trueline.slo");
    of_one_kind.take(&event("trueline.anomaly", "a", "open"));
    assert!(of_one_kind.list.is_empty());
}

/// A day with two faults: the first is found at a caller and then at itself, the second not at all, and
/// one alert is for nothing.
fn tellings() -> Vec<Telling> {
    let alerts = vec![alert("api", 1_030), alert("cart", 1_090), alert("ads", 50_000)];
    let faults = vec![fault("cart", 1_000, 1_060), fault("mail", 70_000, 70_060)];
    vec![Telling { alerts, span: Duration::from_secs(86_400), faults }]
}

#[test]
fn precision_counts_alerts_and_recall_counts_faults() {
    let grace = Duration::from_secs(60);
    let score = Score::of("a", &tellings(), Some(grace));
    let known = score.against_truth.clone().unwrap();
    assert_eq!((known.right_alerts, known.faults_found, known.faults_found_at_service), (2, 1, 1));
    assert_eq!((known.precision, known.recall), (Some(2.0 / 3.0), Some(0.5)));
    assert_eq!((known.delay_seconds_median, known.delay_seconds_max), (Some(30.0), Some(30.0)));
    assert_eq!((score.alerts_per_day, score.delay_from_onset_seconds), (Some(3.0), Some(20.0)));
    let strict = Score::of("a", &tellings(), Some(Duration::ZERO)).against_truth.unwrap();
    assert_eq!((strict.right_alerts, strict.faults_found_at_service), (1, 0));
    let silent = [Telling { alerts: Vec::new(), ..tellings().remove(0) }];
    let silent = Score::of("b", &silent, Some(grace)).against_truth.unwrap();
    assert_eq!((silent.precision, silent.recall, silent.delay_seconds_max), (None, Some(0.0), None));
}

#[test]
fn the_table_has_a_column_for_each_configuration() {
    let mut out = Vec::new();
    let grace = Some(Duration::from_secs(60));
    let scores = [Score::of("a.yaml", &tellings(), grace), Score::of("strict.yaml", &[], grace)];
    table::write(&scores, &mut out).unwrap();
    expect![[r#"
                                   a.yaml  strict.yaml
        recorded                    1d 0h         0.0s
        alerts                          3            0
        alerts per day               3.00            –
        delay from onset (median)   20.0s            –
        alerts that are right           2            0
        precision                    0.67            –
        faults found               1 of 2       0 of 0
        … at their service         1 of 2       0 of 0
        recall                       0.50            –
        delay (median)              30.0s            –
        delay (longest)             30.0s            –
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}

/// A quiet series of a week with a step up for two hours of the last day.
fn series(folder: &std::path::Path) -> Recording {
    let step = |minute: u64| if (9_000..9_120).contains(&minute) { 60.0 } else { 0.0 };
    let wobble = |minute: u64| ((minute * 7_919) % 100) as f64 / 50.0;
    let lines: String = (0..10_080)
        .step_by(5)
        .map(|minute| format!("{},{}\n", 1_700_000_000 + minute * 60, 20.0 + wobble(minute) + step(minute)))
        .collect();
    let file = folder.join("cpu.csv");
    std::fs::write(&file, lines).unwrap();
    Recording::read(&file).unwrap()
}

fn candidate(anomaly: &str) -> Candidate {
    let yaml = format!(
        "{{receivers: {{otlp: {{protocols: {{grpc: }}}}}}, processors: {{aggregation: , baseline: , anomaly: {{{anomaly}}}}}, \
         exporters: {{nop: }}, service: {{pipelines: {{telemetry: {{receivers: [otlp], \
         processors: [aggregation, baseline, anomaly], exporters: [nop]}}}}}}}}"
    );
    Candidate { name: "candidate".to_owned(), uri: config::ConfigUri::Yaml(yaml) }
}

#[test]
fn a_step_in_a_series_is_an_alert_unless_the_configuration_tells_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let recording = series(folder.path());
    let told = past::series(&recording, &candidate(""), "trueline.").unwrap();
    let begin = 1_700_000_000 + 9_000 * 60;
    let during = told.alerts.iter().find(|alert| (at(begin)..at(begin + 7_200)).contains(&alert.at));
    assert_eq!(during.expect("the step is told").service, "cpu");
    assert!(told.span >= Duration::from_secs(10_075 * 60));
    let silent = past::series(&recording, &candidate("emit_logs: false"), "trueline.").unwrap();
    assert!(silent.alerts.is_empty());
    let refused = past::series(&recording, &candidate("windw: 1m"), "trueline.").err().unwrap();
    assert!(refused.is::<past::Refused>());
    assert!(refused.to_string().contains("unknown key `windw`"), "{refused}");
}

#[test]
fn every_pipeline_of_the_repository_judges_a_series_whatever_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let recording = series(folder.path());
    let pipelines = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    for file in std::fs::read_dir(pipelines).unwrap() {
        let path = file.unwrap().path();
        let uri = format!("file:{}", path.display()).parse().unwrap();
        let candidate = Candidate { name: path.display().to_string(), uri };
        let told = past::series(&recording, &candidate, "trueline.").unwrap();
        assert!(!told.alerts.is_empty(), "{}", candidate.name);
    }
}
