use std::sync::Arc;

use component::{
    ConfigState, PipelineParts, RefusedConfig, ServiceParts, ServiceState, testing::ManualClock,
};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use model::Timestamp;
use serde_json::{Value, json};

use super::*;

/// Why the service is not ready.
struct State(&'static str);

impl ServiceState for State {
    fn is_ready(&self) -> bool {
        self.0.is_empty()
    }
    fn reason(&self) -> String {
        self.0.to_owned()
    }
    fn config(&self) -> ConfigState {
        let refused = RefusedConfig {
            at: Timestamp::from_secs(90),
            reason: "c.yaml:1:2: no such key".to_owned(),
            problems: "token: s3cret".to_owned(),
        };
        ConfigState { hash: "9c5e".to_owned(), since: Timestamp::from_secs(60), refused: Some(refused) }
    }
    fn parts(&self) -> ServiceParts {
        let texts = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let traces = PipelineParts {
            id: "traces".to_owned(),
            signals: vec!["traces"],
            receivers: texts(&["otlp/<b>"]),
            processors: texts(&["batch"]),
            exporters: texts(&["otlp_grpc", "span_metrics"]),
        };
        ServiceParts { pipelines: vec![traces], extensions: texts(&["zpages"]) }
    }
    fn up_since(&self) -> Timestamp {
        Timestamp::from_secs(60)
    }
}

fn ask(reason: &'static str, request: http::request::Builder) -> (StatusCode, String, String) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(150)));
    let pages = Pages { state: Arc::new(State(reason)), clock };
    let response = pages.answer(&request.body(()).unwrap());
    let status = response.status();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

fn json_of(reason: &'static str, path: &str) -> Value {
    let (status, kind, body) = ask(reason, Request::get(path));
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "application/json"), "{path}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn each_page_tells_what_the_collectors_does() {
    let service = json_of("", "/debug/servicez");
    assert_eq!(service["ready"], true);
    assert_eq!(service["uptime"], "1m30s");
    let config = json!({"hash": "9c5e", "since": "1970-01-01T00:01:00Z", "refused_at": "1970-01-01T00:01:30Z", "refused_because": "c.yaml:1:2: no such key"});
    assert_eq!(service["config"], config, "what is wrong with it is for those who may see it");
    let pipelines = json!({"pipelines": [{"id": "traces", "signals": ["traces"], "receivers": ["otlp/<b>"],
        "processors": ["batch"], "exporters": ["otlp_grpc", "span_metrics"]}]});
    assert_eq!(json_of("", "/debug/pipelinez"), pipelines);
    assert_eq!(json_of("", "/debug/extensionz"), json!({"extensions": ["zpages"]}));
    assert_eq!(json_of("", "/debug/featurez/"), json!({"features": []}));
    assert_eq!(json_of("", "/")["pages"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_service_that_stands_still_says_why() {
    let service = json_of("shard 1 has not moved for 10s", "/debug/servicez");
    assert_eq!(
        (&service["ready"], &service["reason"]),
        (&json!(false), &json!("shard 1 has not moved for 10s"))
    );
    assert!(service.get("uptime").is_none(), "{service}");
}

#[test]
fn a_browser_gets_a_page_in_which_no_name_is_markup() {
    let request = Request::get("/debug/pipelinez").header("accept", "text/html,application/xhtml+xml");
    let (status, kind, body) = ask("", request);
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/html; charset=utf-8"));
    assert!(body.contains("otlp/&lt;b&gt;") && !body.contains("<b>"), "{body}");
    assert!(body.contains("otlp_grpc, span_metrics"), "{body}");
}

#[test]
fn what_is_no_page_says_which_there_are_and_nothing_can_be_posted() {
    let (status, _, body) = ask("", Request::get("/debug/tracez"));
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("/debug/servicez"), "{body}");
    assert_eq!(ask("", Request::post("/debug/servicez")).0, StatusCode::METHOD_NOT_ALLOWED);
}
