use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use component::{Answer, AskError, Asks, Checks, Config, Lines, Question, Telemetry};
use futures_util::future::LocalBoxFuture;
use http::{Request, header::HOST};
use http_body_util::{BodyExt, Full};

use super::{ApiConfig, answer::Answers};

/// Answers with what it was asked.
#[derive(Default)]
struct Echo(Mutex<Vec<Question>>);

impl Asks for Echo {
    fn ask(&self, question: Question) -> LocalBoxFuture<'static, Result<Answer, AskError>> {
        let answer = match question.topic() {
            "alerts" => Ok(Answer::ok(question.author.clone())),
            "slow" => Err(AskError::Busy),
            topic => Err(AskError::UnknownTopic(topic.to_owned())),
        };
        self.0.lock().unwrap().push(question);
        Box::pin(async move { answer })
    }

    fn follow(&self, question: &Question) -> Option<Result<Lines, Answer>> {
        if question.topic() != "tap" || question.rest().next().is_some() {
            return None;
        }
        self.0.lock().unwrap().push(question.clone());
        if question.parameters.contains_key("at") {
            return Some(Err(Answer::refused(404, "there is no such edge")));
        }
        let (sender, lines) = tokio::sync::mpsc::channel(2);
        sender.try_send("{}\n".into()).unwrap();
        sender.try_send("{\"tap\":{}}\n".into()).unwrap();
        Some(Ok(lines))
    }

    fn topics(&self) -> BTreeMap<&'static str, Vec<String>> {
        BTreeMap::from([("alerts", vec!["alerting".to_owned()])])
    }
}

const READER: &str = "0123456789abcdef";
const WRITER: &str = "fedcba9876543210";

fn config(yaml: &str) -> ApiConfig {
    let config: ApiConfig = serde_json::from_value(serde_json::from_str(yaml).unwrap()).unwrap();
    let mut checks = Checks::default();
    config.validate(&mut checks);
    assert!(checks.into_findings().is_empty());
    config
}

fn with_tokens() -> ApiConfig {
    config(&format!(
        r#"{{"tokens": [{{"name": "wall", "token": "{READER}"}},
            {{"name": "oncall", "token": "{WRITER}", "access": "write"}}]}}"#
    ))
}

/// Returns status, body and what reached the stages.
fn ask(config: &ApiConfig, request: Request<Full<Bytes>>) -> (u16, String, Vec<Question>) {
    let stages = Arc::new(Echo::default());
    let telemetry = Telemetry::default();
    let refused = telemetry.counter("refused", "Refused.", "1");
    let answers = Answers { access: config.access(), stages: stages.clone(), refused };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let response = answers.to(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let asked = stages.0.lock().unwrap().clone();
        assert_eq!(telemetry.read()[0].value, u64::from(matches!(status, 401 | 403)));
        (status, String::from_utf8(body.to_vec()).unwrap(), asked)
    })
}

fn request(method: &str, path: &str, token: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost:8390");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::default()).unwrap()
}

#[test]
fn who_shows_a_token_is_answered_and_known_by_name() {
    let (status, body, asked) =
        ask(&with_tokens(), request("GET", "/api/v1/alerts/a%2Fb+c?state=firing&x=%20", READER));
    assert_eq!((status, body.as_str()), (200, "wall"));
    assert_eq!(asked[0].path, ["alerts", "a/b+c"]);
    let parameters = [("state".to_owned(), "firing".to_owned()), ("x".to_owned(), " ".to_owned())];
    assert_eq!(asked[0].parameters, BTreeMap::from(parameters));
}

#[test]
fn who_shows_none_or_a_wrong_one_learns_how_and_reaches_no_stage() {
    for (method, token, expected, words) in [
        ("GET", "", 401, "Authorization: Bearer"),
        ("GET", "0123456789abcdeX", 401, "not known"),
        ("GET", "0123456789abcdef0", 401, "not known"),
        ("POST", READER, 403, "access: write"),
    ] {
        let (status, body, asked) = ask(&with_tokens(), request(method, "/api/v1/alerts", token));
        assert_eq!(status, expected, "{method} {token}");
        assert!(body.contains(words), "{body}");
        assert!(asked.is_empty());
    }
    assert_eq!(ask(&with_tokens(), request("POST", "/api/v1/alerts", WRITER)).0, 200);
}

#[test]
fn without_tokens_this_machine_reads_and_nobody_writes() {
    let open = config("{}");
    assert_eq!(ask(&open, request("GET", "/api/v1/alerts", "")).0, 200);
    let (status, body, _) = ask(&open, request("DELETE", "/api/v1/alerts", ""));
    assert_eq!(status, 401);
    assert!(body.contains("set `tokens`"), "{body}");
    for (host, expected) in
        [("127.0.0.1:8390", 200), ("[::1]:8390", 200), ("[::1]", 200), ("evil.example:8390", 403), ("", 403)]
    {
        let mut led = request("GET", "/api/v1/alerts", "");
        led.headers_mut().insert(HOST, host.parse().unwrap());
        assert_eq!(ask(&open, led).0, expected, "{host}");
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let open = config("{}");
    assert_eq!(ask(&open, request("GET", "/api/v1", "")).1, r#"{"topics":{"alerts":["alerting"]}}"#);
    for (method, path, expected) in [
        ("GET", "/", 404),
        ("GET", "/api/v10/alerts", 404),
        ("GET", "/api/v1/%ff", 404),
        ("GET", "/api/v1/weather", 404),
        ("GET", "/api/v1/slow", 503),
    ] {
        let (status, body, _) = ask(&open, request(method, path, ""));
        assert_eq!(status, expected, "{path}");
        assert!(body.starts_with(r#"{"error":""#), "{body}");
    }
}

#[test]
fn a_body_over_the_limit_and_an_unknown_method_are_refused() {
    let config = with_tokens();
    let (mut large, mut odd) =
        (request("POST", "/api/v1/alerts", WRITER), request("GET", "/api/v1/alerts", WRITER));
    *large.body_mut() = Full::new(vec![0; (1 << 20) + 1].into());
    assert_eq!(ask(&config, large).0, 413);
    *odd.method_mut() = http::Method::TRACE;
    assert_eq!(ask(&config, odd).0, 405);
}

#[test]
fn settings_that_open_the_door_are_refused() {
    for (json, path, words) in [
        (r#"{"endpoint": "8390"}"#, "endpoint", "host:port"),
        (r#"{"endpoint": "0.0.0.0:8390"}"#, "endpoint", "set `tokens`"),
        (r#"{"tokens": [{"name": "a", "token": "short"}]}"#, "tokens.0.token", "guessed"),
        (r#"{"tokens": [{"name": "a"}]}"#, "tokens.0", "either"),
        (r#"{"tokens": [{"token": "0123456789abcdef"}]}"#, "tokens.0.name", "who asked"),
        (r#"{"tokens": [{"name": "a", "token_file": "/nowhere/t"}]}"#, "tokens.0.token_file", "/nowhere/t"),
        (
            r#"{"tokens": [{"name": "a", "token": "0123456789abcdef"}, {"name": "a", "token": "0123456789abcdeg"}]}"#,
            "tokens.1.name",
            "another token",
        ),
    ] {
        let config: ApiConfig = serde_json::from_str(json).unwrap();
        let mut checks = Checks::default();
        config.validate(&mut checks);
        let findings = checks.into_findings();
        assert_eq!(findings.len(), 1, "{json}");
        assert_eq!(findings[0].path, path);
        assert!(findings[0].message.contains(words), "{}", findings[0].message);
    }
}

const TAPPER: &str = "tapper-0123456789";
const SEER: &str = "seer-0123456789ab";

fn with_taps() -> ApiConfig {
    config(&format!(
        r#"{{"tokens": [{{"name": "oncall", "token": "{WRITER}", "access": "write"}},
            {{"name": "dev", "token": "{TAPPER}", "tap": "masked"}},
            {{"name": "sre", "token": "{SEER}", "tap": "full"}}]}}"#
    ))
}

#[test]
fn telemetry_is_shown_to_those_alone_who_may_see_it() {
    for (token, path, expected, words) in [
        ("", "/api/v1/tap", 401, "needs a token"),
        (WRITER, "/api/v1/tap", 403, "tap: masked"),
        (TAPPER, "/api/v1/tap?secrets=show", 403, "tap: full"),
        (TAPPER, "/api/v1/tap?secrets=", 403, "tap: full"),
        (TAPPER, "/api/v1/%74ap?%73ecrets=show", 403, "tap: full"),
        (TAPPER, "/api/v1/tap", 200, "{}\n{\"tap\":{}}\n"),
        (SEER, "/api/v1/tap?secrets=show", 200, "{}\n{\"tap\":{}}\n"),
        (SEER, "/api/v1/tap?at=nowhere", 404, "no such edge"),
        (WRITER, "/api/v1/tap/edges", 404, "tap"),
    ] {
        let (status, body, asked) = ask(&with_taps(), request("GET", path, token));
        assert_eq!(status, expected, "{path} {token}: {body}");
        assert!(body.contains(words), "{body}");
        assert_eq!(asked.is_empty(), matches!(status, 401 | 403), "{path}");
    }
    let (status, body, asked) = ask(&config("{}"), request("GET", "/api/v1/tap", ""));
    assert!(status == 401 && body.contains("tap: masked") && asked.is_empty(), "{status} {body}");
}
