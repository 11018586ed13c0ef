use std::{cell::RefCell, rc::Rc, time::Duration};

use bytes::Bytes;
use component::{Checks, ClientAuth, Config, testing::ManualClock};
use http::{HeaderMap, Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use model::Timestamp;
use tokio::{net::TcpListener, task::LocalSet};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// What the server was asked: `Authorization`, and the form.
type Seen = Rc<RefCell<Vec<(String, String)>>>;

/// An authorization server, an extension that asks it, and a clock that stands still.
struct Bed {
    clock: ManualClock,
    telemetry: Telemetry,
    client: Arc<dyn ClientAuth>,
    seen: Seen,
}

impl Bed {
    /// `answer` makes status and body of the request's number, from 0.
    async fn new(
        more: serde_json::Value,
        answer: impl Fn(usize, &(String, String)) -> (u16, String) + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (seen, answer) = (Seen::default(), Rc::new(answer));
        let mut json = serde_json::json!({
            "client_id": "us", "client_secret": "HIDDEN", "scopes": ["a", "b"],
            "token_url": format!("http://{}/token?x=y", listener.local_addr().unwrap()),
        });
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let all = Rc::clone(&seen);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (Rc::clone(&all), Rc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (seen, answer) = (Rc::clone(&seen), Rc::clone(&answer));
                    async move {
                        assert_eq!((request.uri().path(), request.uri().query()), ("/token", Some("x=y")));
                        let shown = request.headers().get(AUTHORIZATION);
                        let shown = shown.map_or("", |value| value.to_str().unwrap()).to_owned();
                        let form = request.into_body().collect().await?.to_bytes();
                        let told = (shown, String::from_utf8(form.to_vec()).unwrap());
                        let n = seen.borrow().len();
                        seen.borrow_mut().push(told.clone());
                        let (status, body) = answer(n, &told);
                        let response = Response::builder().status(status);
                        Ok::<_, hyper::Error>(response.body(Full::new(Bytes::from(body))).unwrap())
                    }
                });
                tokio::task::spawn_local(
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        let config: OAuth2ClientConfig = serde_json::from_value(json).unwrap();
        let mut checks = Checks::default();
        config.validate(&mut checks);
        assert!(checks.into_findings().iter().all(|found| found.is_warning));
        let (clock, telemetry) = (ManualClock::new(NOW), Telemetry::default());
        let source = config.source().unwrap();
        let client = OAuth2Client::authenticator(&config).unwrap().client.unwrap();
        let extension = OAuth2Client {
            source: Some(source),
            clock: Arc::new(clock.clone()),
            telemetry: telemetry.clone(),
        };
        tokio::task::spawn_local(Box::new(extension).run(Stop::new()));
        Self { clock, telemetry, client, seen }
    }

    async fn shown(&self) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        let shown = self.client.authenticate(&mut headers, self.clock.now()).await;
        shown.map_err(|problem| problem.to_string())?;
        assert!(headers[AUTHORIZATION].is_sensitive());
        Ok(headers[AUTHORIZATION].to_str().unwrap().to_owned())
    }

    fn n_asked(&self) -> usize {
        self.seen.borrow().len()
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it never happened; asked {}", self.n_asked());
    }

    fn count(&self, name: &str) -> u64 {
        self.telemetry.read().into_iter().filter(|row| row.name == name).map(|row| row.value).sum()
    }
}

fn on_a_shard<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

fn issue(n: usize, life: &str) -> (u16, String) {
    (200, format!(r#"{{"access_token": "token-{n}", "token_type": "bearer", "expires_in": {life}}}"#))
}

#[test]
fn many_who_want_a_token_ask_once_and_it_is_renewed_before_it_ends() {
    on_a_shard(async {
        let more = serde_json::json!({"endpoint_params": {"audience": ["them"]}, "expiry_buffer": "1m"});
        let bed = Bed::new(more, |n, _| issue(n, "3600")).await;
        assert_eq!(bed.n_asked(), 0, "nobody wanted one");
        let all = futures_util::future::join_all((0..100).map(|_| bed.shown())).await;
        assert!(all.iter().all(|shown| shown.as_deref() == Ok("Bearer token-0")), "{all:?}");
        assert_eq!(bed.n_asked(), 1);
        let (shown, form) = bed.seen.borrow()[0].clone();
        assert_eq!(shown, "Basic dXM6SElEREVO");
        assert_eq!(form, "grant_type=client_credentials&scope=a+b&audience=them");

        bed.clock.advance_to(NOW + Duration::from_secs(3539));
        assert_eq!(bed.shown().await.unwrap(), "Bearer token-0");
        bed.clock.advance_to(NOW + Duration::from_secs(3540));
        bed.until(|bed| bed.n_asked() == 2).await;
        bed.until(|bed| bed.count("trueline_oauth2_token_requests") == 2).await;
        while bed.shown().await.unwrap() != "Bearer token-1" {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_server_that_fails_is_asked_again_after_a_pause_that_grows_and_nobody_waits_meanwhile() {
    on_a_shard(async {
        let answer = |n: usize, _: &_| match n {
            0 => (503, "<html>HIDDEN</html>".to_owned()),
            1 => (200, r#"{"error": "HIDDEN"}"#.to_owned()),
            n => issue(n, r#""3600""#),
        };
        let bed = Bed::new(serde_json::json!({}), answer).await;
        let told = bed.shown().await.unwrap_err();
        assert_eq!(told, "no token was issued: the server of tokens answered 503");
        for _ in 0..50 {
            assert!(bed.shown().await.is_err());
        }
        assert_eq!(bed.n_asked(), 1);
        bed.clock.advance_to(NOW + Duration::from_secs(1));
        // The pause is over when its sleeper has run.
        let told = loop {
            let told = bed.shown().await.unwrap_err();
            if !told.ends_with("503") {
                break told;
            }
            tokio::task::yield_now().await;
        };
        assert!(told.ends_with("but not with a token in JSON"), "{told}");
        bed.clock.advance_to(NOW + Duration::from_secs(2));
        assert!(bed.shown().await.is_err(), "the second pause is twice as long");
        bed.clock.advance_to(NOW + Duration::from_secs(3));
        while bed.shown().await.as_deref() != Ok("Bearer token-2") {
            tokio::task::yield_now().await;
        }
        assert_eq!((bed.n_asked(), bed.count("trueline_oauth2_token_failures")), (3, 2));
    });
}

#[test]
fn a_token_lasts_while_its_renewal_fails() {
    on_a_shard(async {
        let answer = |n: usize, _: &_| if n == 0 { issue(0, "600") } else { (500, String::new()) };
        let bed = Bed::new(serde_json::json!({}), answer).await;
        assert_eq!(bed.shown().await.unwrap(), "Bearer token-0");
        bed.clock.advance_to(NOW + Duration::from_secs(300));
        bed.until(|bed| bed.count("trueline_oauth2_token_failures") == 1).await;
        assert_eq!(bed.shown().await.unwrap(), "Bearer token-0");
        bed.clock.advance_to(NOW + Duration::from_secs(599));
        assert_eq!(bed.shown().await.unwrap(), "Bearer token-0");
    });
}

#[test]
fn a_server_that_takes_no_header_gets_the_secret_in_the_form_from_then_on() {
    on_a_shard(async {
        let answer = |n: usize, told: &(String, String)| match told.0.as_str() {
            "" => issue(n, "2"),
            _ => (401, r#"{"error": "invalid_client", "error_description": "HIDDEN"}"#.to_owned()),
        };
        let bed = Bed::new(serde_json::json!({}), answer).await;
        assert_eq!(bed.shown().await.unwrap(), "Bearer token-1");
        assert!(bed.seen.borrow()[1].1.ends_with("&client_id=us&client_secret=HIDDEN"));
        bed.clock.advance_to(NOW + Duration::from_secs(1));
        bed.until(|bed| bed.n_asked() == 3).await;
        assert_eq!(bed.seen.borrow()[2].0, "");
    });
}

#[test]
fn a_refusal_is_told_by_its_name_alone() {
    on_a_shard(async {
        let answer =
            |_, _: &_| (401, r#"{"error": "invalid_client", "error_description": "HIDDEN"}"#.to_owned());
        let bed = Bed::new(serde_json::json!({}), answer).await;
        let told = bed.shown().await.unwrap_err();
        assert_eq!(told, "no token was issued: the server of tokens answered 401: invalid_client");
    });
}

#[test]
fn answers_that_are_odd_are_refused() {
    for (body, words) in [
        (r#"{"access_token": ""}"#, "can not carry"),
        (r#"{"access_token": "a\nb"}"#, "can not carry"),
        (r#"{"access_token": "HIDDEN", "token_type": "mac"}"#, "only bearer"),
        (r#"{"access_token": 5}"#, "not with a token"),
        ("[", "not with a token"),
    ] {
        let told = answer::read(200, body.as_bytes()).unwrap_err();
        assert!(told.contains(words) && !told.contains("HIDDEN"), "{body}: {told}");
    }
    for (life, expected) in [
        ("null", None),
        ("0", None),
        ("-5", None),
        ("\"x\"", None),
        ("90", Some(90)),
        ("\"90\"", Some(90)),
        ("1e300", Some(366 * 86_400)),
    ] {
        let body = format!(r#"{{"access_token": "a", "expires_in": {life}}}"#);
        let token = answer::read(200, body.as_bytes()).unwrap();
        assert_eq!(token.expires_in.map(|life| life.as_secs()), expected, "{life}");
    }
}

#[test]
fn what_can_not_be_used_is_told_without_a_secret() {
    let whole = serde_json::json!({"client_id": "us", "client_secret": "HIDDEN", "token_url": "https://a/t"});
    for (key, value, path, words) in [
        ("client_id", "", "client_id", "is missing"),
        ("client_secret", "", "client_secret", "is missing"),
        ("token_url", "", "token_url", "is missing"),
        ("token_url", "https://me:HIDDEN@a/t", "token_url", "without a user name"),
        ("token_url", "a/t", "token_url", "must be a URL"),
        ("timeout", "0s", "timeout", "above 0s"),
        ("client_secret_file", "/nowhere/s", "client_secret_file", "can not be read"),
    ] {
        let mut json = whole.clone();
        json[key] = value.into();
        let config: OAuth2ClientConfig = serde_json::from_value(json).unwrap();
        let mut checks = Checks::default();
        config.validate(&mut checks);
        let findings = checks.into_findings();
        assert_eq!((findings.len(), findings[0].path.as_str()), (1, path), "{findings:?}");
        assert!(findings[0].message.contains(words), "{findings:?}");
        assert!(!format!("{config:?}{findings:?}").replace(value, "").contains("HIDDEN"));
    }
}
