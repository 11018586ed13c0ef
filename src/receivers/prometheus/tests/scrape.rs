//! What becomes of an answer: points, ends of series, and what a scrape tells of itself.

use std::{fmt::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use component::testing::ManualClock;
use expect_test::{Expect, expect};
use model::Timestamp;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{Exemplar, metric::Data, number_data_point},
};
use prost::Message;

use super::{
    super::{
        config::{Job, jobs},
        fetch::{Failure, Fetched},
        history::History,
        scrape::{Digest, Scrape},
        target::Target,
    },
    settings,
};

const START: Timestamp = Timestamp::from_secs(1000);

/// A target that answers as a test says.
pub(super) struct Shown {
    job: Arc<Job>,
    target: Arc<Target>,
    history: Option<History>,
    n_scrapes: u32,
}

impl Shown {
    fn new(keys: &str) -> Self {
        let yaml = format!(
            "config: {{global: {{external_labels: {{}}}}, scrape_configs: [{{job_name: app, scrape_interval: 10s, static_configs: [{{targets: ['shop:80']}}], {keys}}}]}}"
        );
        let mut all = jobs(&settings(&yaml));
        let job = Arc::new(all.remove(0));
        let target = Arc::new(job.targets[0].clone());
        Self { job, target, history: Some(History::default()), n_scrapes: 0 }
    }

    fn digest(&mut self, answer: Result<Fetched, Failure>) -> Digest {
        self.n_scrapes += 1;
        let at = START + Duration::from_secs(10) * self.n_scrapes;
        let scrape = Scrape {
            history: self.history.take().unwrap(),
            job: Arc::clone(&self.job),
            target: Arc::clone(&self.target),
            at,
            began: at,
            clock: Arc::new(ManualClock::new(at + Duration::from_millis(250))),
        };
        let mut digest = scrape.digest(answer);
        self.history = Some(std::mem::take(&mut digest.history));
        digest
    }

    fn text(&mut self, body: &str) -> Digest {
        self.digest(Ok(answer("text/plain; version=0.0.4", body.as_bytes())))
    }

    fn open(&mut self, body: &str) -> Digest {
        self.digest(Ok(answer("application/openmetrics-text; version=1.0.0", body.as_bytes())))
    }
}

fn answer(content_type: &str, body: &[u8]) -> Fetched {
    Fetched { body: Bytes::copy_from_slice(body), content_type: content_type.to_owned(), is_gzip: false }
}

pub(super) fn labels(attributes: &[KeyValue]) -> String {
    let of = |it: &KeyValue| match it.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => format!("{}={text}", it.key),
        other => format!("{}={other:?}", it.key),
    };
    attributes.iter().map(of).collect::<Vec<_>>().join(" ")
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn exemplars(all: &[Exemplar]) -> String {
    let mut out = String::new();
    for exemplar in all {
        let ids = format!("{:02x?} {:02x?}", exemplar.trace_id, exemplar.span_id);
        let rest = labels(&exemplar.filtered_attributes);
        write!(out, " e.g. {:?} at {} {ids} {{{rest}}}", exemplar.value, seconds(exemplar.time_unix_nano))
            .unwrap();
    }
    out
}

/// Requests as lines; those of a scrape itself only where a test asks for them.
pub(super) fn lines(requests: &[Bytes], with_own: bool) -> String {
    let mut out = String::new();
    let all = requests.iter().map(|bytes| ExportMetricsServiceRequest::decode(bytes.clone()).unwrap());
    for of_resource in all.flat_map(|request| request.resource_metrics) {
        let mut own = String::new();
        for of_scope in &of_resource.scope_metrics {
            let scope = of_scope.scope.clone().unwrap();
            let name = scope.name.rsplit('/').next().unwrap();
            let mut metrics = String::new();
            for metric in &of_scope.metrics {
                let is_own = metric.name == "up" || metric.name.starts_with("scrape_");
                if is_own && !with_own {
                    continue;
                }
                told(metric, &mut metrics);
            }
            if !metrics.is_empty() {
                let attributes = labels(&scope.attributes);
                writeln!(own, "scope {name} {{{attributes}}} {}\n{metrics}", of_scope.schema_url).unwrap();
            }
        }
        if !own.is_empty() {
            writeln!(out, "resource {{{}}}\n{own}", labels(&of_resource.resource.unwrap().attributes))
                .unwrap();
        }
    }
    out.lines().map(|line| format!("{}\n", line.trim_end())).filter(|line| line != "\n").collect()
}

fn told(metric: &opentelemetry_proto::tonic::metrics::v1::Metric, out: &mut String) {
    let head =
        format!("  {} [{}] {:?} {}", metric.name, metric.unit, metric.description, labels(&metric.metadata));
    let flag = |flags: u32| if flags == 1 { " ENDED" } else { "" };
    match metric.data.as_ref().unwrap() {
        Data::Gauge(it) => numbers(&format!("{head} gauge"), &it.data_points, out),
        Data::Sum(it) => {
            let shape = if it.is_monotonic { "counter" } else { "sum" };
            assert_eq!(it.aggregation_temporality, 2);
            numbers(&format!("{head} {shape}"), &it.data_points, out);
        }
        Data::Histogram(it) => {
            assert_eq!(it.aggregation_temporality, 2);
            writeln!(out, "{head} histogram").unwrap();
            for point in &it.data_points {
                writeln!(
                    out,
                    "    {{{}}} {}..{} count {} sum {:?} {:?} {:?}{}{}",
                    labels(&point.attributes),
                    seconds(point.start_time_unix_nano),
                    seconds(point.time_unix_nano),
                    point.count,
                    point.sum,
                    point.explicit_bounds,
                    point.bucket_counts,
                    exemplars(&point.exemplars),
                    flag(point.flags)
                )
                .unwrap();
            }
        }
        Data::Summary(it) => {
            writeln!(out, "{head} summary").unwrap();
            for point in &it.data_points {
                let quantiles: Vec<_> =
                    point.quantile_values.iter().map(|it| (it.quantile, it.value)).collect();
                let (start, time) = (seconds(point.start_time_unix_nano), seconds(point.time_unix_nano));
                let (count, sum, flag) = (point.count, point.sum, flag(point.flags));
                let of = labels(&point.attributes);
                writeln!(out, "    {{{of}}} {start}..{time} count {count} sum {sum} {quantiles:?}{flag}")
                    .unwrap();
            }
        }
        other => panic!("{other:?}"),
    }
}

fn numbers(
    head: &str,
    points: &[opentelemetry_proto::tonic::metrics::v1::NumberDataPoint],
    out: &mut String,
) {
    writeln!(out, "{head}").unwrap();
    for point in points {
        let value = match point.value {
            Some(number_data_point::Value::AsDouble(value)) => value.to_string(),
            None => "ENDED".to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(point.flags == 1, point.value.is_none());
        let (start, time) = (seconds(point.start_time_unix_nano), seconds(point.time_unix_nano));
        let (of, examples) = (labels(&point.attributes), exemplars(&point.exemplars));
        writeln!(out, "    {{{of}}} {start}..{time} {value}{examples}").unwrap();
    }
}

fn bytes(digest: &Digest) -> Vec<Bytes> {
    digest.requests.iter().map(|request| request.bytes.clone()).collect()
}

fn check(digest: &Digest, expected: &Expect) {
    expected.assert_eq(&lines(&bytes(digest), false));
}

fn own(digest: &Digest) -> Vec<String> {
    let text = lines(&bytes(digest), true);
    let (mut own, mut name) = (Vec::new(), String::new());
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) {
            head.split(' ').next().unwrap_or_default().clone_into(&mut name);
        } else if name == "up" || name.starts_with("scrape_") {
            own.push(format!("{name} {}", line.rsplit(' ').next().unwrap()));
        }
    }
    own
}

const ALL_TYPES: &str = "\
# HELP http_requests_total Requests.
# TYPE http_requests_total counter
http_requests_total{code=\"200\"} 5
http_requests_total{code=\"500\"} 1 1009000
# TYPE temperature gauge
temperature 20.5
untyped_thing 7
# HELP rpc_seconds How long.
# TYPE rpc_seconds histogram
rpc_seconds_bucket{m=\"a\",le=\"0.1\"} 1
rpc_seconds_bucket{m=\"a\",le=\"+Inf\"} 6
rpc_seconds_bucket{m=\"a\",le=\"1\"} 4
rpc_seconds_sum{m=\"a\"} 7.5
rpc_seconds_count{m=\"a\"} 6
rpc_seconds_bucket{m=\"lacks a count\",le=\"+Inf\"} 6
# TYPE gc summary
gc{quantile=\"0.9\"} 3
gc{quantile=\"0.5\"} 2
gc_sum 10
gc_count 4
# TYPE http_requests_created gauge
http_requests_created{code=\"200\"} 900
";

#[test]
fn each_type_becomes_what_the_specification_says() {
    let mut shown = Shown::new("");
    let digest = shown.text(ALL_TYPES);
    assert_eq!((digest.drops.incomplete, digest.failure.as_ref()), (1, None));
    check(
        &digest,
        &expect![[r#"
        resource {service.name=app server.address=shop service.instance.id=shop:80 server.port=80 url.scheme=http}
        scope prometheusreceiver {}
          http_requests_total [] "Requests." prometheus.type=counter counter
            {code=200} 0..1010 5
            {code=500} 0..1009 1
          temperature [] "" prometheus.type=gauge gauge
            {} 0..1010 20.5
          untyped_thing [] "" prometheus.type=unknown gauge
            {} 0..1010 7
          rpc_seconds [] "How long." prometheus.type=histogram histogram
            {m=a} 0..1010 count 6 sum Some(7.5) [0.1, 1.0] [1, 3, 2]
          gc [] "" prometheus.type=summary summary
            {} 0..1010 count 4 sum 10 [(0.5, 2.0), (0.9, 3.0)]
          http_requests_created [] "" prometheus.type=gauge gauge
            {code=200} 0..1010 900
    "#]],
    );
    assert_eq!(
        own(&digest),
        [
            "up 1",
            "scrape_duration_seconds 0.25",
            "scrape_samples_scraped 15",
            "scrape_samples_post_metric_relabeling 15",
            "scrape_series_added 15",
        ]
    );
}

const OPEN: &str = "\
# TYPE http_requests counter
# UNIT http_requests requests
http_requests_total{code=\"200\"} 5 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\",span_id=\"b7ad6b7169203331\",user=\"x\"} 1 1009.5
http_requests_created{code=\"200\"} 900.25
# TYPE rpc_seconds histogram
# UNIT rpc_seconds seconds
rpc_seconds_bucket{le=\"1.0\"} 4 # {trace_id=\"zz\"} 0.5
rpc_seconds_bucket{le=\"+Inf\"} 6
rpc_seconds_count 6
rpc_seconds_sum 7.5
rpc_seconds_created 900
# TYPE build info
build_info{version=\"1.2\"} 1
# TYPE state stateset
state{state=\"on\"} 1
# TYPE pool gaugehistogram
pool_bucket{le=\"1\"} 2
pool_gcount 2
# TYPE target info
target_info{host_name=\"h1\",service_version=\"3\"} 1
# TYPE scoped counter
scoped_total{otel_scope_name=\"lib\",otel_scope_version=\"2\",otel_scope_color=\"red\",a=\"b\"} 3
# EOF
";

#[test]
fn openmetrics_brings_start_times_units_exemplars_resources_and_scopes() {
    let mut shown = Shown::new("");
    check(
        &shown.open(OPEN),
        &expect![[r#"
        resource {service.name=app server.address=shop service.instance.id=shop:80 server.port=80 url.scheme=http host_name=h1 service_version=3}
        scope prometheusreceiver {}
          http_requests_total [requests] "" prometheus.type=counter counter
            {code=200} 900.25..1010 5 e.g. Some(AsDouble(1.0)) at 1009.5 [0a, f7, 65, 19, 16, cd, 43, dd, 84, 48, eb, 21, 1c, 80, 31, 9c] [b7, ad, 6b, 71, 69, 20, 33, 31] {user=x}
          rpc_seconds [s] "" prometheus.type=histogram histogram
            {} 900..1010 count 6 sum Some(7.5) [1.0] [4, 2] e.g. Some(AsDouble(0.5)) at 1010 [] [] {trace_id=zz}
          build [] "" prometheus.type=info sum
            {version=1.2} 0..1010 1
          state [] "" prometheus.type=stateset sum
            {state=on} 0..1010 1
          pool [] "" prometheus.type=gaugehistogram gauge
            {le=1} 0..1010 2
          pool_gcount [] "" prometheus.type=unknown gauge
            {} 0..1010 2
        scope lib {color=red}
          scoped_total [] "" prometheus.type=counter counter
            {a=b} 0..1010 3
    "#]],
    );
}

#[test]
fn a_series_that_vanishes_is_told_once_and_so_is_the_end_of_all() {
    let mut shown = Shown::new("");
    shown.text(ALL_TYPES);
    let without: String = ALL_TYPES
        .lines()
        .filter(|line| !line.contains("m=\"a\"") && !line.contains("temp"))
        .fold(String::new(), |all, line| all + line + "\n");
    check(
        &shown.text(&without),
        &expect![[r#"
        resource {service.name=app server.address=shop service.instance.id=shop:80 server.port=80 url.scheme=http}
        scope prometheusreceiver {}
          http_requests_total [] "Requests." prometheus.type=counter counter
            {code=200} 0..1020 5
            {code=500} 0..1009 1
          untyped_thing [] "" prometheus.type=unknown gauge
            {} 0..1020 7
          rpc_seconds [] "How long." prometheus.type=histogram histogram
            {m=a} 0..1020 count 0 sum None [0.1, 1.0] [0, 0, 0] ENDED
          gc [] "" prometheus.type=summary summary
            {} 0..1020 count 4 sum 10 [(0.5, 2.0), (0.9, 3.0)]
          http_requests_created [] "" prometheus.type=gauge gauge
            {code=200} 0..1020 900
          temperature [] "" prometheus.type=gauge gauge
            {} 0..1020 ENDED
    "#]],
    );
    let ended = |digest: &Digest| lines(&bytes(digest), false).matches("ENDED").count();
    assert_eq!(ended(&shown.text(&without)), 0);
    let failed = shown.digest(Err(Failure::new("unreachable", "no")));
    // Those with an own time have no end; the histogram without a count was never told.
    check(
        &failed,
        &expect![[r#"
        resource {service.name=app server.address=shop service.instance.id=shop:80 server.port=80 url.scheme=http}
        scope prometheusreceiver {}
          gc [] "" prometheus.type=summary summary
            {} 0..1040 count 0 sum 0 [(0.5, 0.0), (0.9, 0.0)] ENDED
          http_requests_created [] "" prometheus.type=gauge gauge
            {code=200} 0..1040 ENDED
          http_requests_total [] "Requests." prometheus.type=counter counter
            {code=200} 0..1040 ENDED
          untyped_thing [] "" prometheus.type=unknown gauge
            {} 0..1040 ENDED
    "#]],
    );
    assert_eq!(own(&failed)[0], "up 0");
    assert_eq!(ended(&shown.digest(Err(Failure::new("unreachable", "no")))), 0);
    assert_eq!(own(&shown.text(ALL_TYPES))[0], "up 1");
}

#[test]
fn what_is_wrong_in_the_middle_voids_all_of_it_and_ends_what_was() {
    let mut shown = Shown::new("");
    shown.text("a 1\nb 2\n");
    let digest = shown.text("a 1\nc 3\nd one\n");
    assert_eq!(
        digest.failure.as_ref().unwrap().message,
        "what it shows is not right: line 3: a value is no number"
    );
    assert_eq!(digest.failure.as_ref().unwrap().reason, "malformed");
    assert_eq!(own(&digest)[0], "up 0");
    check(
        &digest,
        &expect![[r#"
        resource {service.name=app server.address=shop service.instance.id=shop:80 server.port=80 url.scheme=http}
        scope prometheusreceiver {}
          a [] "" prometheus.type=unknown gauge
            {} 0..1020 ENDED
          b [] "" prometheus.type=unknown gauge
            {} 0..1020 ENDED
    "#]],
    );
    // c was never told, so it does not end.
    assert_eq!(lines(&bytes(&shown.digest(Err(Failure::new("timeout", "late")))), false), "");
}

#[test]
fn limits_fail_the_scrape_and_say_so() {
    let reason = |keys: &str, page: &str| Shown::new(keys).text(page).failure.map(|failure| failure.reason);
    assert_eq!(reason("sample_limit: 2", "a 1\nb 2\n"), None);
    assert_eq!(reason("sample_limit: 2", "a 1\nb 2\nc 3\n"), Some("sample_limit"));
    assert_eq!(
        reason(
            "sample_limit: 2, metric_relabel_configs: [{source_labels: [__name__], regex: c, action: drop}]",
            "a 1\nb 2\nc 3\n"
        ),
        None
    );
    assert_eq!(reason("label_limit: 3", "a 1\n"), None);
    assert_eq!(reason("label_limit: 3", "a{b=\"c\"} 1\n"), Some("label_limit"));
    assert_eq!(reason("label_name_length_limit: 8", "a{b12345678=\"c\"} 1\n"), Some("label_limit"));
    assert_eq!(reason("label_value_length_limit: 8", "a{b=\"123456789\"} 1\n"), Some("label_limit"));
    assert_eq!(reason("body_size_limit: 4", "a 1\n"), None);
    assert_eq!(reason("body_size_limit: 3", "a 1\n"), Some("body_size_limit"));
    assert_eq!(reason("metric_name_validation_scheme: legacy", "{\"a.b\"} 1\n"), Some("malformed"));
    assert_eq!(reason("", "{\"a.b\"} 1\n"), None);
    assert_eq!(reason("", "a{b=\"c\",b=\"d\"} 1\n"), Some("malformed"));
}

#[test]
fn series_by_series_by_the_million_is_bounded() {
    let mut page = String::new();
    for n in 0..1_000_001 {
        writeln!(page, "a{n} 1").unwrap();
    }
    let mut shown = Shown::new("");
    let digest = shown.text(&page);
    assert_eq!(digest.failure.as_ref().map(|failure| failure.reason), Some("sample_limit"));
    assert!(
        digest.requests.iter().map(|request| request.n_points).sum::<u64>() < 10,
        "what was taken is void"
    );
    assert_eq!(own(&digest)[..3], ["up 0", "scrape_duration_seconds 0.25", "scrape_samples_scraped 1000001"]);
}

#[test]
fn requests_are_cut_and_nothing_is_lost() {
    let mut page = String::from("# TYPE a counter\n");
    for n in 0..30_000 {
        writeln!(page, "a{{number=\"{n}\",text=\"{}\"}} {n}", "x".repeat(50)).unwrap();
    }
    let digest = Shown::new("").text(&page);
    assert!(digest.requests.len() > 2, "{}", digest.requests.len());
    assert!(digest.requests.iter().all(|request| request.bytes.len() < 2 << 20));
    let n_points: u64 = digest.requests.iter().map(|request| request.n_points).sum();
    assert_eq!(n_points, 30_005);
    let text = lines(&bytes(&digest), false);
    let numbers = text.lines().filter_map(|line| line.trim().strip_prefix("{number=")?.split(' ').next());
    let numbers: std::collections::BTreeSet<u32> = numbers.map(|number| number.parse().unwrap()).collect();
    assert!(numbers.into_iter().eq(0..30_000));
    assert!(text.matches("resource {service.name=app").count() > 2);
}

#[test]
fn labels_of_the_target_win_unless_the_page_is_honored() {
    let page = "a{job=\"mine\",instance=\"i\",env=\"x\",exported_job=\"y\"} 1\n";
    let of = |keys: &str| {
        let digest = Shown::new(keys).text(page);
        let text = lines(&bytes(&digest), false);
        text.lines()
            .filter(|line| line.starts_with("resource") || line.starts_with("    "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(""),
        [
            "resource {service.name=app server.address=shop service.instance.id=shop:80 server.port=80 url.scheme=http}",
            "    {env=x exported_exported_job=mine exported_instance=i exported_job=y} 0..1010 1",
        ]
    );
    assert_eq!(
        of("honor_labels: true"),
        [
            "resource {service.name=mine server.address=i service.instance.id=i server.port= url.scheme=http}",
            "    {env=x exported_job=y} 0..1010 1",
        ]
    );
}

#[test]
fn times_of_the_page_hold_unless_they_are_not_honored() {
    let page = "a 1 5000\nb 2\n";
    let times = |keys: &str| {
        let mut shown = Shown::new(keys);
        let first = lines(&bytes(&shown.text(page)), false);
        let ends = lines(&bytes(&shown.text("")), false).matches("ENDED").count();
        (first.contains("..5 1"), ends)
    };
    assert_eq!(times(""), (true, 1));
    assert_eq!(times("honor_timestamps: false"), (false, 2));
    assert_eq!(times("track_timestamps_staleness: true"), (true, 2));
}

#[test]
fn a_series_that_stands_twice_counts_once() {
    let digest = Shown::new("").text("a{b=\"c\"} 1\na{b=\"c\"} 2\na{ b=\"d\" } 3\n");
    assert_eq!(digest.counts.duplicates, 1);
    check(
        &digest,
        &expect![[r#"
        resource {service.name=app server.address=shop service.instance.id=shop:80 server.port=80 url.scheme=http}
        scope prometheusreceiver {}
          a [] "" prometheus.type=unknown gauge
            {b=c} 0..1010 1
            {b=d} 0..1010 3
    "#]],
    );
}

#[test]
fn extra_series_tell_of_limits() {
    let digest = Shown::new("extra_scrape_metrics: true, sample_limit: 7").text("a 1\n");
    assert_eq!(
        own(&digest)[5..],
        ["scrape_timeout_seconds 10", "scrape_sample_limit 7", "scrape_body_size_bytes 4"]
    );
    let digest = Shown::new("extra_scrape_metrics: true, body_size_limit: 3").text("a 1\n");
    assert_eq!(
        own(&digest)[5..],
        ["scrape_timeout_seconds 10", "scrape_sample_limit 0", "scrape_body_size_bytes -1"]
    );
}

#[test]
fn a_format_that_is_not_named_is_the_fallback() {
    let failed = |keys: &str, content_type: &str, page: &str| {
        Shown::new(keys).digest(Ok(answer(content_type, page.as_bytes()))).failure.is_some()
    };
    assert!(!failed("", "", "a 1\n"));
    assert!(!failed("", "text/html", "a 1\n"));
    assert!(failed("fallback_scrape_protocol: OpenMetricsText1.0.0", "", "a 1\n"));
    assert!(!failed("fallback_scrape_protocol: OpenMetricsText1.0.0", "", "a 1\n# EOF\n"));
    assert!(!failed("", "application/openmetrics-text", ""));
}

#[test]
fn what_is_remembered_does_not_grow_with_series_that_come_and_go() {
    let mut shown = Shown::new("");
    for round in 0..50 {
        let page: String = (0..200)
            .fold(String::new(), |all, n| all + &format!("# TYPE a{round}_{n} gauge\na{round}_{n} 1\n"));
        assert_eq!(shown.text(&page).failure, None);
    }
    let text = format!("{:?}", shown.history);
    assert!(text.matches("Known").count() <= 200, "series");
    assert!(text.matches("Metadata").count() <= 200 * 12, "{}", text.matches("Metadata").count());
    for round in 0..50 {
        let page: String = (0..200).fold(String::new(), |all, n| all + &format!("b{round}_{n} 1\n"));
        assert!(shown.text(&(page + "nonsense\n")).failure.is_some());
    }
    assert!(format!("{:?}", shown.history).matches("Known").count() <= 6000, "series of scrapes that failed");
}
