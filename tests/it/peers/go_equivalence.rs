//! The Go collector's span metrics beside ours: the same spans, the same settings, the same series.
//!
//! Differences that are meant, all of them asserted below:
//!
//! | the Go collector | here | why |
//! |---|---|---|
//! | every series carries `collector.instance.id`, new at each start | only when asked for | a new id is a new series: `rate()` breaks at each restart |
//! | exponential histograms begin at scale 20 | at scale 3, and are the same where theirs are coarser | a bucket per 9 % is narrow enough, and series of one width merge without loss |
//! | with `resource_metrics_key_attributes`, the resource shows all attributes of the first that came | it shows the chosen attributes | what comes first is chance |
//! | spans of a resource without `service.name` are left out | counted under `unknown_service` | a count that leaves spans out is wrong |

use std::path::PathBuf;

use anyhow::{Result, ensure};
use testbed::{GoCollector, eventually, free_port};

use super::{
    SOON,
    gateway::{Gateway, Recipe, send},
    series::Series,
    spans::{
        Attribute::{Double, Flag, Int, Text, Texts},
        ExportTraceServiceRequest, MICROSECOND, MILLISECOND, SpanKind, StatusCode, request, resource,
        service, span,
    },
};

const CALLS: &str = "traces.span.metrics.calls";
const EVENTS: &str = "traces.span.metrics.events";

/// The two connectors with the same settings; what they say lies in files of one trueline.
struct Pair {
    ours: Gateway,
    _theirs: GoCollector,
    theirs_http: String,
}

impl Pair {
    fn start(settings: &str) -> Result<Self> {
        Self::start_as("spanmetrics", settings)
    }

    /// Starts both with the connector under one of its names.
    fn start_as(name: &str, settings: &str) -> Result<Self> {
        let capture = format!("127.0.0.1:{}", free_port());
        let ours = Gateway::start(&Recipe {
            receivers: &format!("  otlp/capture: {{protocols: {{http: {{endpoint: '{capture}'}}}}}}"),
            components: &format!(
                "connectors:
  {name}: {settings}
exporters:
  otlp_file/ours: {{path: ours, format: proto, flush_interval: 0s}}
  otlp_file/theirs: {{path: theirs, format: proto, flush_interval: 0s}}"
            ),
            pipelines: &format!(
                "
traces: {{receivers: [otlp], exporters: [{name}]}}
metrics/ours: {{receivers: [{name}], exporters: [otlp_file/ours]}}
metrics/theirs: {{receivers: [otlp/capture], exporters: [otlp_file/theirs]}}"
            ),
            ..Recipe::default()
        })?;
        let theirs_http = format!("127.0.0.1:{}", free_port());
        let theirs = GoCollector::start(&format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{theirs_http}'}}}}}}}}
connectors:
  {name}: {settings}
exporters: {{otlphttp: {{endpoint: 'http://{capture}', compression: none}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [{name}]}}
    metrics: {{receivers: [{name}], exporters: [otlphttp]}}
"
        ))?;
        Ok(Self { ours, _theirs: theirs, theirs_http })
    }

    fn send(&self, request: &ExportTraceServiceRequest) -> Result<()> {
        self.ours.send(request)?;
        send(&self.theirs_http, request)
    }

    /// Waits until both have told `n_calls` and returns what ours and theirs say.
    fn series(&self, metric: &str, n_ours: f64, n_theirs: f64) -> Result<(Series, Series)> {
        let file = |name: &str| -> PathBuf { self.ours.trueline.dir().join(name) };
        eventually(metric, SOON, || {
            let (ours, theirs) = (Series::read(&file("ours"))?, Series::read(&file("theirs"))?);
            let found = (ours.total(metric), theirs.total(metric));
            ensure!(
                found == (n_ours, n_theirs),
                "ours and theirs are {found:?}, want {:?}",
                (n_ours, n_theirs)
            );
            Ok((ours, theirs))
        })
    }
}

/// Spans of every kind and status, with durations from below nothing to beyond the last bucket.
fn spans() -> ExportTraceServiceRequest {
    const KINDS: [SpanKind; 6] = [
        SpanKind::Server,
        SpanKind::Client,
        SpanKind::Internal,
        SpanKind::Producer,
        SpanKind::Consumer,
        SpanKind::Unspecified,
    ];
    const STATUSES: [StatusCode; 3] = [StatusCode::Unset, StatusCode::Ok, StatusCode::Error];
    let mixed = (0..N_MIXED).map(|i| {
        let at = usize::try_from(i).expect("an index");
        let name = ["GET /orders", "POST /checkout", "ünïcode \"quoted\""][at % 3];
        let draft = span(name, i / 4, i + 1, i * i * 331 * MICROSECOND + i)
            .kind(KINDS[at % KINDS.len()])
            .status(STATUSES[at / 2 % STATUSES.len()])
            .attributes(&[("http.response.status_code", Int(200 + i64::from(i % 4 == 3)))]);
        match i % 4 {
            0 => draft.attributes(&[("http.route", Text("/orders/{id}")), ("cache.hit", Flag(true))]),
            1 => draft.attributes(&[("http.route", Text("")), ("load", Double(0.25))]),
            2 => draft.attributes(&[("deployment.environment", Text("canary"))]),
            _ => draft.event("exception", &[("exception.type", Text("TimeoutError"))]),
        }
    });
    let odd = [
        span("no time", 900, 900, 0),
        span("backwards", 901, 901, 5 * MILLISECOND).backwards(),
        // On a bound of the default buckets, which belongs to the bucket below it.
        span("on a bound", 902, 902, 10 * MILLISECOND),
        span("beyond", 903, 903, 40_000 * MILLISECOND),
        span("twice", 904, 904, MILLISECOND)
            .event("exception", &[("exception.type", Text("TimeoutError"))])
            .event("exception", &[("exception.type", Text("ValueError"))])
            .event("message", &[]),
        span("tags", 905, 905, MILLISECOND).attributes(&[("tags", Texts(&["a", "b"]))]),
    ];
    let shop = [
        ("service.name", Text("shop")),
        ("service.version", Text("1.2")),
        ("deployment.environment", Text("prod")),
    ];
    request([resource(&shop, mixed), service("odd", odd)])
}

const N_MIXED: u64 = 96;
const N_SPANS: f64 = 96.0 + 6.0;

/// Sends the spans twice with a flush between, and compares what both say of them.
fn check(settings: &str) {
    check_as("spanmetrics", settings);
}

fn check_as(name: &str, settings: &str) {
    let pair = Pair::start_as(name, settings).unwrap();
    let spans = spans();
    pair.send(&spans).unwrap();
    pair.series(CALLS, N_SPANS, N_SPANS).unwrap();
    pair.send(&spans).unwrap();
    let (ours, theirs) = pair.series(CALLS, 2.0 * N_SPANS, 2.0 * N_SPANS).unwrap();
    assert_eq!(ours.differences(&without_instance_id(theirs)).join("\n"), "", "with {settings}");
}

/// Takes `collector.instance.id` out of every series, and complains where there is none.
fn without_instance_id(series: Series) -> Series {
    series.map(|key| {
        let (before, rest) =
            key.split_once("collector.instance.id=\"").expect("the Go collector names itself");
        let (_, after) = rest.split_once("\", ").expect("other attributes follow");
        Some(format!("{before}{after}"))
    })
}

#[test]
fn the_default_settings_give_the_series_of_the_go_collector() {
    check("{metrics_flush_interval: 1s}");
}

#[test]
fn the_new_name_of_the_connector_gives_the_series_of_the_go_collector() {
    check_as("span_metrics", "{metrics_flush_interval: 1s}");
}

#[test]
fn own_buckets_and_seconds_give_the_series_of_the_go_collector() {
    check("{metrics_flush_interval: 1s, histogram: {unit: s, explicit: {buckets: [500us, 10ms, 1s]}}}");
}

#[test]
fn exponential_histograms_are_those_of_the_go_collector() {
    check("{metrics_flush_interval: 1s, histogram: {exponential: {}}}");
}

#[test]
fn exponential_histograms_that_are_full_give_up_the_same_resolution() {
    check("{metrics_flush_interval: 1s, histogram: {unit: s, exponential: {max_size: 10}}}");
}

#[test]
fn dimensions_of_span_resource_and_default_are_those_of_the_go_collector() {
    check(
        "
    metrics_flush_interval: 1s
    dimensions:
      - name: http.route
      - name: http.response.status_code
      - name: deployment.environment
        default: nowhere
      - name: service.version
      - name: region
        default: eu
      - name: cache.hit
      - name: load
      - name: tags
      - name: nothing.has.this",
    );
}

#[test]
fn dimensions_of_calls_and_of_durations_alone_are_those_of_the_go_collector() {
    check(
        "
    metrics_flush_interval: 1s
    dimensions: [{name: http.route}]
    calls_dimensions: [{name: http.response.status_code}]
    exclude_dimensions: [span.kind]
    histogram:
      dimensions: [{name: deployment.environment, default: nowhere}]",
    );
}

#[test]
fn without_a_histogram_only_calls_are_told() {
    check("{metrics_flush_interval: 1s, histogram: {disable: true}, namespace: traces.span.metrics}");
}

#[test]
fn resources_are_told_apart_by_the_chosen_attributes() {
    let pair =
        Pair::start("{metrics_flush_interval: 1s, resource_metrics_key_attributes: [service.name]}").unwrap();
    pair.send(&spans()).unwrap();
    let (ours, theirs) = pair.series(CALLS, N_SPANS, N_SPANS).unwrap();
    let others = "{deployment.environment=\"prod\", service.name=\"shop\", service.version=\"1.2\"}";
    let theirs = without_instance_id(theirs).map(|key| Some(key.replace(others, "{service.name=\"shop\"}")));
    assert_eq!(ours.differences(&theirs).join("\n"), "");
}

#[test]
fn delta_series_add_up_to_those_of_the_go_collector() {
    check("{metrics_flush_interval: 1s, aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA}");
}

#[test]
fn events_are_counted_as_by_the_go_collector() {
    let settings =
        "{metrics_flush_interval: 1s, events: {enabled: true, dimensions: [{name: exception.type}]}}";
    let pair = Pair::start(settings).unwrap();
    pair.send(&spans()).unwrap();
    pair.series(CALLS, N_SPANS, N_SPANS).unwrap();
    // A quarter of the mixed spans has one, the odd ones three.
    let n_events = 96.0 / 4.0 + 3.0;
    let (ours, theirs) = pair.series(EVENTS, n_events, n_events).unwrap();
    assert_eq!(ours.differences(&without_instance_id(theirs)).join("\n"), "");
}

#[test]
fn sampled_spans_weigh_as_much_as_in_the_go_collector() {
    let pair = Pair::start("{metrics_flush_interval: 1s}").unwrap();
    let sampled = |id, state: &str| span("GET /", id, id, MILLISECOND).trace_state(state);
    // Thresholds of one half, three quarters and fifteen sixteenths: 2, 4 and 16 spans.
    let spans =
        [sampled(1, "ot=th:8"), sampled(2, "ot=th:c"), sampled(3, "vendor=1,ot=rv:abcdef01234567;th:f")];
    let plain = span("GET /", 4, 4, MILLISECOND);
    pair.send(&request([service("shop", spans.into_iter().chain([plain]))])).unwrap();
    let (ours, theirs) = pair.series(CALLS, 23.0, 23.0).unwrap();
    assert_eq!(ours.differences(&without_instance_id(theirs)).join("\n"), "");
}

#[test]
fn a_resource_without_a_name_is_counted_here_and_left_out_there() {
    let pair = Pair::start("{metrics_flush_interval: 1s}").unwrap();
    let nameless = resource(&[("host.name", Text("a"))], [span("GET /", 1, 1, MILLISECOND)]);
    let named = service("shop", [span("GET /", 2, 2, MILLISECOND)]);
    pair.send(&request([nameless, named])).unwrap();
    let (ours, theirs) = pair.series(CALLS, 2.0, 1.0).unwrap();
    let named_only =
        ours.map(|key| (!key.contains("service.name=\"unknown_service\"")).then(|| key.to_owned()));
    assert_eq!(named_only.differences(&without_instance_id(theirs)).join("\n"), "");
}
