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
    let answers = Answers { config, state: Arc::new(state), clock };
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
    assert_eq!(body, r#"{"status":"Server not available","reason":"shard 1 has not \"moved\""}"#);
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
