use std::sync::Arc;

use component::{ServiceState, testing::ManualClock};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use model::Timestamp;

use super::*;

/// Why the service is not ready, and what it has lost.
struct State(&'static str, &'static str);

impl ServiceState for State {
    fn is_ready(&self) -> bool {
        self.0.is_empty()
    }
    fn reason(&self) -> String {
        self.0.to_owned()
    }
    fn degraded(&self) -> String {
        self.1.to_owned()
    }
    fn up_since(&self) -> Timestamp {
        Timestamp::from_secs(60)
    }
}

fn ask(reason: &'static str, config: HealthCheckConfig, path: &str) -> (StatusCode, String) {
    ask_of(State(reason, ""), config, path)
}

fn ask_of(state: State, config: HealthCheckConfig, path: &str) -> (StatusCode, String) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(150_250)));
    let answers = Answers::new(&config, Arc::new(state), clock);
    let response = answers.to(&Request::get(path).body(()).unwrap());
    let status = response.status();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn a_ready_service_says_so_in_the_collectors_words() {
    let (status, body) = ask("", HealthCheckConfig::default(), "/");
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, r#"{"status":"Server available","upSince":"1970-01-01T00:01:00Z","uptime":"1m30.25s"}"#);
}

#[test]
fn a_service_that_stands_still_says_why() {
    let (status, body) = ask("shard 1 has not \"moved\"", HealthCheckConfig::default(), "/");
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        body,
        r#"{"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":"","reason":"shard 1 has not \"moved\""}"#
    );
}

#[test]
fn a_service_that_has_lost_something_is_ready_and_says_what() {
    let state = State("", "connector/a started without its state: \"x\" is damaged");
    let (status, body) = ask_of(state, HealthCheckConfig::default(), "/");
    assert_eq!(status, StatusCode::OK);
    let degraded =
        r#","uptime":"1m30.25s","degraded":"connector/a started without its state: \"x\" is damaged"}"#;
    assert!(body.ends_with(degraded), "{body}");
}

#[test]
fn path_and_bodies_can_be_chosen() {
    let bodies = Bodies { healthy: "fine".to_owned(), unhealthy: "ill".to_owned() };
    let config =
        HealthCheckConfig { path: "/health".to_owned(), response_body: Some(bodies), ..Default::default() };
    assert_eq!(ask("", config.clone(), "/health"), (StatusCode::OK, "fine".to_owned()));
    assert_eq!(ask("no", config.clone(), "/health").1, "ill");
    assert_eq!(ask("", config, "/").0, StatusCode::NOT_FOUND);
}

fn routed(config: &HealthCheckConfig, path: &str) -> (u16, String) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(150_250)));
    let answers = Answers::new(config, Arc::new(State("", "")), clock);
    let response = answers.to(&Request::get(path).body(()).unwrap());
    let location = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
    (response.status().as_u16(), location.unwrap_or_default())
}

#[test]
fn a_path_answers_for_what_it_does_in_go() {
    let at = |path: &str, asked: &str| {
        let config = HealthCheckConfig { path: path.to_owned(), ..Default::default() };
        let (status, location) = routed(&config, asked);
        format!("{status} {location}").trim_end().to_owned()
    };
    for (path, asked, told) in [
        ("/", "/", "200"),
        ("/", "/healthz", "200"),
        ("/", "/health/status?full", "200"),
        ("/", "//healthz", "301 /healthz"),
        ("/", "/a/../healthz/?x=1", "301 /healthz/?x=1"),
        ("/health", "/health", "200"),
        ("/health", "/health/", "404"),
        ("/health", "/healthz", "404"),
        ("/health", "/./health", "301 /health"),
        ("/health", "/", "404"),
        ("/health/", "/health/", "200"),
        ("/health/", "/health/status", "200"),
        ("/health/", "/health?x=1", "301 /health/?x=1"),
        ("/health/", "/healthz", "404"),
    ] {
        assert_eq!(at(path, asked), told, "{asked} of {path}");
    }
}

#[test]
fn headers_of_the_operator_are_in_every_answer() {
    let config = HealthCheckConfig {
        path: "/health".to_owned(),
        response_headers: [("X-Served-By".to_owned(), "trueline".into())].into(),
        ..Default::default()
    };
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(150_250)));
    let answers = Answers::new(&config, Arc::new(State("", "")), clock);
    for path in ["/health", "/none"] {
        let response = answers.to(&Request::get(path).body(()).unwrap());
        assert_eq!(response.headers()["x-served-by"], "trueline", "{path}");
    }
}

#[test]
fn what_no_longer_does_anything_is_told_and_what_is_no_header_is_refused() {
    let told = |yaml: &str| {
        let node = config::parse(&config::Source::new("test.yaml", yaml)).unwrap();
        let config: HealthCheckConfig =
            config::decode(&node, "health_check", &mut config::Problems::default()).unwrap();
        let mut checks = Checks::default();
        config.validate(&mut checks);
        let findings = checks.into_findings();
        findings.into_iter().map(|finding| (finding.path, finding.is_warning)).collect::<Vec<_>>()
    };
    let old = "check_collector_pipeline: {enabled: true, interval: 5m, exporter_failure_threshold: 5}\n";
    assert_eq!(told(old), [("check_collector_pipeline".to_owned(), true)]);
    assert_eq!(told("response_headers: {'a b': c}\n"), [("response_headers".to_owned(), false)]);
    assert_eq!(told("path: '/{$}'\n"), [("path".to_owned(), false)]);
    assert_eq!(told("response_headers: {a: b}\n"), []);
}
