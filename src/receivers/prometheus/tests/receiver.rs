//! The whole receiver, against a server in the target's place.

use std::time::Duration;

use bytes::Bytes;
use component::Refusal;
use model::Timestamp;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{metric::Data, number_data_point},
};
use prost::Message;

use super::{
    super::receiver::Prometheus,
    scrape::lines,
    server::{Reply, Server, certified, packed},
    settings,
};
use crate::testing::{Running, busy, run};

const START: Timestamp = Timestamp::from_secs(1_000_000);
const INTERVAL: Duration = Duration::from_secs(10);

/// Scrapes one address, with further keys of the job.
fn start(server: &Server, keys: &str) -> Running {
    let address = server.address;
    with(&format!(
        "config: {{scrape_configs: [{{job_name: app, scrape_interval: 10s, static_configs: [{{targets: ['{address}']}}], {keys}}}]}}"
    ))
}

fn with(yaml: &str) -> Running {
    Running::of::<Prometheus>(&settings(yaml), START)
}

impl Running {
    /// Moves the time by an interval, in which each target is due once.
    async fn pass_interval(&self) {
        settle().await;
        let until = component::Clock::now(&self.clock) + INTERVAL;
        self.clock.advance_to(until);
    }

    /// Waits for what comes next.
    async fn pushed(&self) -> Vec<Bytes> {
        for _ in 0..10_000 {
            settle().await;
            let taken = self.intake.take();
            if !taken.is_empty() {
                return taken;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("nothing was scraped");
    }

    async fn scraped(&self) -> Vec<Bytes> {
        self.pass_interval().await;
        self.pushed().await
    }

    /// Counts failures for a reason; all of them where it is empty.
    fn failed(&self, reason: &str) -> u64 {
        let is_it = |labels: &[(String, String)]| {
            reason.is_empty() || labels.contains(&("reason".to_owned(), reason.to_owned()))
        };
        let name = "otelcol_receiver_prometheus_failed_scrapes";
        let rows = self.telemetry.read().into_iter();
        rows.filter(|row| row.name == name && is_it(&row.labels)).map(|row| row.value).sum()
    }
}

/// Lets everybody come to rest: who is asleep can be woken.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Values of gauges by name.
fn value(requests: &[Bytes], name: &str) -> Option<f64> {
    let all = requests.iter().map(|bytes| ExportMetricsServiceRequest::decode(bytes.clone()).unwrap());
    let mut metrics = all
        .flat_map(|request| request.resource_metrics)
        .flat_map(|it| it.scope_metrics)
        .flat_map(|it| it.metrics);
    let Some(Data::Gauge(gauge)) = metrics.find(|metric| metric.name == name)?.data else { return None };
    match gauge.data_points.first()?.value? {
        number_data_point::Value::AsDouble(value) => Some(value),
        number_data_point::Value::AsInt(_) => None,
    }
}

#[test]
fn a_target_is_asked_as_prometheus_asks_and_told_each_interval() {
    run(async {
        let server = Server::start(|_| Reply::ok("a 1\n")).await;
        let running = start(&server, "params: {x: [y]}, http_headers: {X-Team: {values: [shop]}}");
        let first = running.scraped().await;
        assert_eq!((value(&first, "a"), value(&first, "up")), (Some(1.0), Some(1.0)));
        assert!(server.seen.borrow()[0].starts_with("GET /metrics?x=y HTTP/1.1\r\n"));
        assert_eq!(server.header("accept-encoding").as_deref(), Some("gzip"));
        assert_eq!(server.header("x-prometheus-scrape-timeout-seconds").as_deref(), Some("10"));
        assert_eq!(server.header("x-team").as_deref(), Some("shop"));
        assert!(server.header("accept").unwrap().starts_with("application/openmetrics-text;version=1.0.0"));
        assert!(server.header("user-agent").unwrap().starts_with("trueline/"));
        let times: Vec<u64> =
            [first, running.scraped().await].iter().map(|requests| time(requests)).collect();
        assert_eq!(times[1] - times[0], 10_000_000_000, "{times:?}");
        assert_eq!(running.failed(""), 0);
        running.end().await;
    });
}

fn time(requests: &[Bytes]) -> u64 {
    let request = ExportMetricsServiceRequest::decode(requests[0].clone()).unwrap();
    let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
    let Some(Data::Gauge(gauge)) = &metric.data else { panic!("{metric:?}") };
    gauge.data_points[0].time_unix_nano
}

#[test]
fn gzip_is_unpacked_within_the_limit() {
    run(async {
        let page = "a 1\n".to_owned() + &"# x\n".repeat(100);
        let server = Server::start(move |_| Reply::gzip(page.as_bytes())).await;
        let running = start(&server, "body_size_limit: 404");
        assert_eq!(value(&running.scraped().await, "a"), Some(1.0));
        running.end().await;
        let running = start(&server, "body_size_limit: 403");
        assert_eq!(value(&running.scraped().await, "up"), Some(0.0));
        assert_eq!(running.failed("body_size_limit"), 1);
        running.end().await;
    });
}

#[test]
fn bombs_endless_bodies_and_silence_are_bounded_and_counted() {
    run(async {
        // A gibibyte of nothing in a megabyte.
        let bomb = Bytes::from(packed(&vec![b'#'; 64 << 20]).repeat(16));
        let server = Server::start(move |head| {
            let chunk = Bytes::from(format!("10000\r\n{}\r\n", "a".repeat(0x10000)));
            if head.contains("/bomb") {
                Reply::with("200 OK", "content-encoding: gzip", bomb.clone())
            } else if head.contains("/endless") {
                Reply::Endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), chunk)
            } else if head.contains("/torn") {
                Reply::Whole("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n".to_owned(), "a 1\n".into())
            } else if head.contains("/not") {
                Reply::with("200 OK", "content-encoding: gzip", "no gzip")
            } else if head.contains("/br") {
                Reply::with("200 OK", "content-encoding: br", "x")
            } else {
                Reply::with("503 Service Unavailable", "x: y", "a 1\n")
            }
        })
        .await;
        for (path, reason) in [
            ("/bomb", "body_size_limit"),
            ("/endless", "body_size_limit"),
            ("/torn", "broken_off"),
            ("/not", "malformed"),
            ("/br", "malformed"),
            ("/gone", "status"),
        ] {
            let running = start(&server, &format!("metrics_path: {path}, body_size_limit: 16MB"));
            assert_eq!(value(&running.scraped().await, "up"), Some(0.0), "{path}");
            assert_eq!((running.failed(reason), running.failed("")), (1, 1), "{path}");
            running.end().await;
        }
    });
}

#[test]
fn what_answers_take_together_is_bounded_and_given_back() {
    run(async {
        let server = Server::start(|head| {
            if head.contains("/large") {
                // It takes all room there is, and never ends.
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 4 << 20);
                Reply::Whole(head, "a 1\n".into())
            } else {
                Reply::Endless(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
                    Bytes::from(format!("10000\r\n{}\r\n", "a".repeat(0x10000))),
                )
            }
        })
        .await;
        let job = |name: &str, path: &str| {
            format!(
                "{{job_name: {name}, metrics_path: {path}, scrape_interval: 10s, body_size_limit: 4MB, static_configs: [{{targets: ['{}']}}]}}",
                server.address
            )
        };
        // Two that grow without end share a mebibyte: neither waits for the other for ever.
        let (one, other) = (job("one", "/endless"), job("other", "/endless"));
        let running =
            with(&format!("{{max_body_bytes: 1MiB, config: {{scrape_configs: [{one}, {other}]}}}}"));
        while running.failed("no_room") == 0 {
            running.scraped().await;
        }
        running.end().await;
        // Broken off, and its room is free again for what comes next.
        let running = with(&format!(
            "{{max_body_bytes: 1MiB, config: {{scrape_configs: [{}]}}}}",
            job("one", "/large")
        ));
        for n_failed in 1..=3 {
            running.scraped().await;
            assert_eq!(running.failed("broken_off"), n_failed);
        }
        running.end().await;
    });
}

#[test]
fn who_says_nothing_is_given_up_at_the_timeout() {
    run(async {
        let server = Server::start(|_| Reply::Silence).await;
        let running = start(&server, "scrape_timeout: 3s");
        running.pass_interval().await;
        while server.seen.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        settle().await;
        running.clock.advance_to(component::Clock::now(&running.clock) + Duration::from_secs(3));
        let told = running.pushed().await;
        assert_eq!((value(&told, "up"), value(&told, "scrape_duration_seconds")), (Some(0.0), Some(3.0)));
        assert_eq!(running.failed("timeout"), 1);
        running.end().await;
    });
}

#[test]
fn series_of_a_target_that_is_gone_end() {
    run(async {
        let server = Server::start(|_| Reply::ok("a 1\nb{c=\"d\"} 2\n")).await;
        let running = start(&server, "");
        running.scraped().await;
        drop(server);
        let told = running.scraped().await;
        assert_eq!(value(&told, "up"), Some(0.0));
        assert_eq!(lines(&told, false).matches("ENDED").count(), 2);
        assert_eq!(running.failed("unreachable"), 1);
        let again = running.scraped().await;
        assert_eq!(lines(&again, false).matches("ENDED").count(), 0);
        running.end().await;
    });
}

#[test]
fn targets_see_credentials_of_each_kind_and_others_do_not() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "from a file\n").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let file = file.display();
        let server = Server::start(|_| Reply::ok("a 1\n")).await;
        for (keys, expected) in [
            ("basic_auth: {username: agent, password: secret}".to_owned(), Some("Basic YWdlbnQ6c2VjcmV0")),
            (
                format!("basic_auth: {{username: agent, password_file: '{file}'}}"),
                Some("Basic YWdlbnQ6ZnJvbSBhIGZpbGU="),
            ),
            ("authorization: {credentials: t}".to_owned(), Some("Bearer t")),
            (
                format!("authorization: {{type: Token, credentials_file: '{file}'}}"),
                Some("Token from a file"),
            ),
            ("bearer_token: t".to_owned(), Some("Bearer t")),
            (format!("bearer_token_file: '{file}'"), Some("Bearer from a file")),
            (String::new(), None),
        ] {
            let running = start(&server, &keys);
            assert_eq!(value(&running.scraped().await, "up"), Some(1.0), "{keys}");
            assert_eq!(server.header("authorization").as_deref(), expected, "{keys}");
            running.end().await;
        }
        let running = start(&server, "bearer_token_file: /nowhere/at/all");
        assert_eq!(value(&running.scraped().await, "up"), Some(0.0));
        running.end().await;
    });
}

#[test]
fn redirects_are_followed_and_strangers_see_no_credential() {
    run(async {
        let other = Server::start(|_| Reply::ok("a 1\n")).await;
        let to = other.address;
        let server = Server::start(move |head| {
            if head.starts_with("GET /metrics ") {
                Reply::with("302 Found", "location: /here", "")
            } else if head.starts_with("GET /here ") {
                Reply::with("307 Temporary Redirect", &format!("location: http://{to}/there"), "")
            } else {
                Reply::with("302 Found", "location: ftp://x/", "")
            }
        })
        .await;
        let keys = "bearer_token: t, http_headers: {X-Key: {secrets: [s]}}";
        let running = start(&server, keys);
        assert_eq!(value(&running.scraped().await, "up"), Some(1.0));
        assert_eq!(server.header("authorization").as_deref(), Some("Bearer t"));
        assert_eq!((other.header("authorization"), other.header("x-key")), (None, None));
        assert!(other.seen.borrow()[0].starts_with("GET /there "));
        running.end().await;
        for keys in ["follow_redirects: false", "metrics_path: /loop"] {
            let running = start(&server, keys);
            assert_eq!(value(&running.scraped().await, "up"), Some(0.0), "{keys}");
            assert_eq!(running.failed("status"), 1);
            running.end().await;
        }
        let round = Server::start(|_| Reply::with("301 Moved Permanently", "location: again", "")).await;
        let running = start(&round, "");
        assert_eq!(value(&running.scraped().await, "up"), Some(0.0));
        assert_eq!(round.seen.borrow().len(), 11);
        running.end().await;
    });
}

#[test]
fn over_tls_only_who_is_trusted_is_asked() {
    run(async {
        let (authority, tls) = certified();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, authority).unwrap();
        let server = Server::with_tls(tls, |_| Reply::ok("a 1\n")).await;
        for (keys, is_up) in [
            (format!("scheme: https, tls_config: {{ca_file: '{}'}}", file.display()), 1.0),
            ("scheme: https, tls_config: {insecure_skip_verify: true}".to_owned(), 1.0),
            (
                format!("scheme: https, tls_config: {{ca_file: '{}', server_name: other}}", file.display()),
                0.0,
            ),
        ] {
            let running = start(&server, &keys);
            assert_eq!(value(&running.scraped().await, "up"), Some(is_up), "{keys}");
            assert_eq!(running.failed("unreachable"), 1 - is_up as u64, "{keys}");
            running.end().await;
        }
    });
}

#[test]
fn what_is_not_taken_is_offered_again_and_dropped_when_the_next_is_due() {
    run(async {
        let server = Server::start(|_| Reply::ok("a 1\n")).await;
        let running = start(&server, "");
        running.intake.answer_next(Err(busy()));
        running.pass_interval().await;
        while running.intake.is_to_answer() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        settle().await;
        running.clock.advance_to(component::Clock::now(&running.clock) + Duration::from_millis(1500));
        assert_eq!(value(&running.pushed().await, "a"), Some(1.0));
        let dropped = || running.counted("otelcol_receiver_prometheus_dropped_metric_points");
        assert_eq!(dropped(), 0);
        running.intake.answer_next(Err(Refusal::Permanent("no".to_owned())));
        running.pass_interval().await;
        while dropped() == 0 {
            settle().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(dropped(), 6);
        running.end().await;
    });
}

#[test]
fn targets_are_asked_once_more_at_the_end_if_that_is_wanted() {
    run(async {
        let server = Server::start(|_| Reply::ok("a 1\n")).await;
        let address = server.address;
        for (wanted, n_asked) in [("true", 1), ("false", 0)] {
            let yaml = format!(
                "scrape_on_shutdown: {wanted}\nconfig: {{scrape_configs: [{{job_name: app, static_configs: [{{targets: ['{address}']}}]}}]}}"
            );
            server.seen.borrow_mut().clear();
            let running = with(&yaml);
            settle().await;
            running.end().await;
            assert_eq!(server.seen.borrow().len(), n_asked);
        }
    });
}

#[test]
fn many_targets_are_spread_over_their_interval_and_none_waits_for_another() {
    run(async {
        let server =
            Server::start(|head| if head.contains("/slow") { Reply::Silence } else { Reply::ok("a 1\n") })
                .await;
        let address = server.address;
        let jobs: Vec<String> = (0..20)
            .map(|n| {
                let path = if n % 2 == 0 { "slow" } else { "fast" };
                format!("{{job_name: job{n}, scrape_interval: 10s, metrics_path: /{path}, static_configs: [{{targets: ['{address}']}}]}}")
            })
            .collect();
        let running = with(&format!("config: {{scrape_configs: [{}]}}", jobs.join(", ")));
        let mut seconds = std::collections::BTreeSet::new();
        let mut n_told = 0;
        for step in 0..100 {
            settle().await;
            running.clock.advance_to(START + Duration::from_millis(100) * (step + 1));
            for _ in 0..20 {
                settle().await;
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            let told = running.intake.take();
            let n_up = told.iter().filter(|bytes| value(std::slice::from_ref(*bytes), "a").is_some()).count();
            n_told += n_up;
            if n_up > 0 {
                seconds.insert(step / 10);
            }
        }
        assert_eq!(n_told, 10, "every target that answers is told once in an interval");
        assert!(seconds.len() >= 4, "{seconds:?}");
        running.end().await;
    });
}
