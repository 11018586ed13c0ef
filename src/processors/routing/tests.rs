use component::{Checks, Config, Shown, testing::Harness};
use expect_test::{Expect, expect};
use model::{Ack, Batch, Outcome, Payload, SpanTable};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data},
    resource::v1::Resource,
};
use proptest::prelude::*;
use prost::Message;

use super::{Routing, RoutingConfig};
use crate::testing::*;

fn harness(yaml: &str) -> Harness {
    let config: RoutingConfig = settings(yaml);
    let mut checks = Checks::default();
    config.validate(&mut checks);
    assert_eq!(checks.into_findings(), [], "{yaml}");
    Harness::new::<Routing>(&config, 1, T0)
}

fn resource(service: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![text("service.name", service), text("secret", "x")],
        ..Resource::default()
    })
}

/// Two services with a fast span and a slow one that fails.
fn traces() -> ExportTraceServiceRequest {
    let spans =
        || vec![span("fast", 2, 1, 10, vec![]), span("slow", 2, 2, 90_000, vec![text("tier", "gold")])];
    let mut sent = request(vec![resource_spans(vec![], spans()), resource_spans(vec![], spans())]);
    sent.resource_spans[0].resource = resource("cart");
    sent.resource_spans[1].resource = resource("payment");
    sent
}

/// Two services with a gauge of two points.
fn metrics() -> ExportMetricsServiceRequest {
    let point =
        |state: &str| NumberDataPoint { attributes: vec![text("state", state)], ..Default::default() };
    let of = |service: &str, name: &str| ResourceMetrics {
        resource: resource(service),
        scope_metrics: vec![ScopeMetrics {
            metrics: vec![Metric {
                name: name.to_owned(),
                data: Some(Data::Gauge(Gauge { data_points: vec![point("idle"), point("used")] })),
                ..Metric::default()
            }],
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest { resource_metrics: vec![of("cart", "a"), of("payment", "b")] }
}

/// Two services with a record of each of two severities.
fn logs() -> ExportLogsServiceRequest {
    let record = |severity_number: i32| LogRecord { severity_number, ..LogRecord::default() };
    let of = |service: &str| ResourceLogs {
        resource: resource(service),
        scope_logs: vec![ScopeLogs { log_records: vec![record(9), record(17)], ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest { resource_logs: vec![of("cart"), of("payment")] }
}

fn payloads(harness: &Harness) -> [(Payload, u64); 3] {
    [
        scanned(&traces(), harness),
        (Payload::Metrics(metrics().encode_to_vec().into()), 4),
        (Payload::Logs(logs().encode_to_vec().into()), 4),
    ]
}

/// What is in a request, as `service/item`.
fn told(payload: &Payload, harness: &Harness) -> Vec<String> {
    let of = |resource: Option<Resource>| value_text(&resource.unwrap().attributes[0]);
    match payload {
        Payload::Traces(traces) => {
            if !traces.is_unread() {
                let mut fresh = SpanTable::default();
                wire::scan_traces(&traces.bytes, &wire::Matcher::new(&harness.keys), &mut fresh).unwrap();
                assert_eq!(
                    format!("{fresh:?}"),
                    format!("{:?}", *traces.table),
                    "the table describes the bytes"
                );
            }
            let request = ExportTraceServiceRequest::decode(traces.bytes.clone()).unwrap();
            let groups = request.resource_spans.into_iter();
            groups
                .flat_map(|group| {
                    let service = of(group.resource);
                    let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
                    spans.map(|span| format!("{service}/{}", span.name)).collect::<Vec<_>>()
                })
                .collect()
        }
        Payload::Metrics(bytes) => {
            let request = ExportMetricsServiceRequest::decode(bytes.clone()).unwrap();
            let groups = request.resource_metrics.into_iter();
            groups
                .flat_map(|group| {
                    let service = of(group.resource);
                    let metrics = group.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                    let points = metrics.flat_map(|metric| match metric.data {
                        Some(Data::Gauge(gauge)) => gauge.data_points,
                        _ => Vec::new(),
                    });
                    points
                        .map(|point| format!("{service}/{}", value_text(&point.attributes[0])))
                        .collect::<Vec<_>>()
                })
                .collect()
        }
        Payload::Logs(bytes) => {
            let request = ExportLogsServiceRequest::decode(bytes.clone()).unwrap();
            let groups = request.resource_logs.into_iter();
            groups
                .flat_map(|group| {
                    let service = of(group.resource);
                    let records = group.scope_logs.into_iter().flat_map(|scope| scope.log_records);
                    records.map(|record| format!("{service}/{}", record.severity_number)).collect::<Vec<_>>()
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Routes a request of each signal and tells where its parts went.
fn check(yaml: &str, expected: Expect) {
    let mut harness = harness(yaml);
    let mut lines = Vec::new();
    for (payload, items) in payloads(&harness) {
        let signal = payload.signal().expect("requests have signals");
        assert_eq!(harness.push(0, payload, items).len(), 0, "everything goes by a route");
        for (route, batch) in std::mem::take(&mut harness.bench.routed) {
            let told = told(&batch.payload, &harness);
            assert_eq!(batch.items, told.len() as u64, "{told:?}");
            lines.push(format!("{signal} -> {route}: {}", told.join(" ")));
        }
        for (items, reason) in std::mem::take(&mut harness.bench.rejected) {
            lines.push(format!("{signal} dropped {items}: {reason}"));
        }
    }
    expected.assert_eq(&lines.join("\n"));
}

/// Where a request goes that came with these headers, by the place of the route.
fn ways(yaml: &str, shown: Shown, headers: &[(&str, &str)]) -> Vec<usize> {
    let mut harness = harness(yaml);
    harness.come_with::<Routing>(&settings(yaml), headers, shown);
    let (payload, items) = scanned(&traces(), &harness);
    harness.push(0, payload, items);
    std::mem::take(&mut harness.bench.routed).into_iter().map(|(route, _)| route).collect()
}

const OVER_HTTP: Shown = Shown { as_client: true, as_grpc: false };
const OVER_GRPC: Shown = Shown { as_client: false, as_grpc: true };

#[test]
fn requests_go_by_what_their_heads_say() {
    let yaml = r#"
default_pipelines: [other]
table:
- {context: request, condition: 'request["X-Tenant"] == "acme"', pipelines: [acme]}
- {context: request, action: copy, condition: 'request["x-tenant"] != "ecorp"', pipelines: [strange]}
- {condition: 'otelcol.client.metadata["X-Env"] == nil and otelcol.grpc.metadata["x-env"][1] != nil', pipelines: [twice]}
- {statement: 'route() where IsMatch(otelcol.client.metadata["x-env"][0], "^te") or not (otelcol.grpc.metadata["x-env"] != "test")', pipelines: [test]}
"#;
    for (shown, headers, expected) in [
        (OVER_HTTP, &[("x-tenant", "acme")][..], vec![0]),
        (OVER_GRPC, &[("x-tenant", "ecorp"), ("x-tenant", "acme")], vec![0]),
        // Without the header there is no value that differs.
        (OVER_HTTP, &[], vec![4]),
        (OVER_HTTP, &[("x-tenant", "ecorp")], vec![4]),
        (OVER_HTTP, &[("x-tenant", "other"), ("x-env", "test")], vec![1, 3]),
        (OVER_GRPC, &[("x-env", "prod"), ("x-env", "prod")], vec![2]),
        (OVER_GRPC, &[("x-env", "test")], vec![3]),
        (OVER_GRPC, &[("x-env", "prod")], vec![4]),
        // A receiver that shows nothing.
        (Shown::default(), &[("x-tenant", "acme"), ("x-env", "test")], vec![4]),
    ] {
        assert_eq!(ways(yaml, shown, headers), expected, "{shown:?} {headers:?}");
    }
}

#[test]
fn resources_go_by_the_first_route_that_takes_them() {
    let yaml = "
default_pipelines: [other]
table:
- {condition: 'attributes[\"service.name\"] == \"cart\"', pipelines: [cart]}
- {statement: 'route() where IsMatch(resource.attributes[\"service.name\"], \"^c|^x\")', pipelines: [late]}
";
    check(
        yaml,
        expect![[r#"
        traces -> 0: cart/fast cart/slow
        traces -> 2: payment/fast payment/slow
        metrics -> 0: cart/idle cart/used
        metrics -> 2: payment/idle payment/used
        logs -> 0: cart/9 cart/17
        logs -> 2: payment/9 payment/17"#]],
    );
}

#[test]
fn spans_points_and_records_are_told_apart_and_what_no_route_takes_is_counted() {
    let yaml = "
table:
- {context: span, condition: 'status.code == STATUS_CODE_ERROR', pipelines: [a]}
- {condition: 'datapoint.attributes[\"state\"] == \"idle\" and resource.attributes[\"service.name\"] == \"cart\"', pipelines: [b]}
- {context: log, statement: 'route() where severity_number >= SEVERITY_NUMBER_ERROR', pipelines: [c]}
- {condition: 'metric.name == \"b\"', pipelines: [d]}
";
    check(
        yaml,
        expect![[r#"
        traces -> 0: cart/slow payment/slow
        traces dropped 2: no_route
        metrics -> 1: cart/idle
        metrics -> 3: payment/idle payment/used
        metrics dropped 1: no_route
        logs -> 2: cart/17 payment/17
        logs dropped 2: no_route"#]],
    );
}

#[test]
fn a_copy_leaves_what_it_takes_to_the_routes_behind_it() {
    let yaml = "
default_pipelines: [all]
table:
- {action: copy, condition: 'span.attributes[\"tier\"] == \"gold\"', pipelines: [gold]}
- {action: copy, statement: 'route()', pipelines: [everything]}
- {action: move, condition: 'resource.attributes[\"service.name\"] == \"cart\"', pipelines: [cart]}
";
    check(
        yaml,
        expect![[r#"
        traces -> 0: cart/slow payment/slow
        traces -> 1: cart/fast cart/slow payment/fast payment/slow
        traces -> 2: cart/fast cart/slow
        traces -> 3: payment/fast payment/slow
        metrics -> 1: cart/idle cart/used payment/idle payment/used
        metrics -> 2: cart/idle cart/used
        metrics -> 3: payment/idle payment/used
        logs -> 1: cart/9 cart/17 payment/9 payment/17
        logs -> 2: cart/9 cart/17
        logs -> 3: payment/9 payment/17"#]],
    );
}

#[test]
fn a_request_that_goes_one_way_is_not_copied() {
    for condition in ["resource.attributes[\"service.name\"] != nil", "attributes[\"none\"] != nil"] {
        let yaml = format!("default_pipelines: [d]\ntable: [{{condition: '{condition}', pipelines: [a]}}]");
        let mut harness = harness(&yaml);
        for (payload, items) in payloads(&harness) {
            let bytes = payload.bytes().expect("requests have bytes").clone();
            harness.push(0, payload, items);
            let routed = std::mem::take(&mut harness.bench.routed);
            let got: Vec<_> = routed.iter().filter_map(|(_, batch)| batch.payload.bytes()).collect();
            assert_eq!(
                got.iter().map(|bytes| (bytes.as_ptr(), bytes.len())).collect::<Vec<_>>(),
                [(bytes.as_ptr(), bytes.len())]
            );
        }
    }
}

#[test]
fn a_statement_may_delete_what_led_the_way() {
    let yaml = "
default_pipelines: [d]
table:
- {statement: 'delete_key(resource.attributes, \"secret\") where resource.attributes[\"service.name\"] == \"cart\"', pipelines: [a]}
";
    let mut harness = harness(yaml);
    for (payload, items) in payloads(&harness) {
        harness.push(0, payload, items);
        let has_secret = |batch: &Batch| {
            let bytes = batch.payload.bytes().expect("requests have bytes");
            bytes.windows(6).any(|window| window == b"secret")
        };
        let routed: Vec<_> =
            harness.bench.routed.drain(..).map(|(route, batch)| (route, has_secret(&batch))).collect();
        assert_eq!(routed, [(0, false), (1, true)]);
    }
}

#[test]
fn a_condition_that_fails_takes_nothing_or_ends_the_request() {
    let failing = "table: [{condition: 'span.attributes[\"tier\"] > 5 and Int(span.attributes[\"tier\"]) > 1', pipelines: [a]}, \
                   {condition: 'ParseJSON(span.name)[\"a\"] == 1', pipelines: [a]}]\ndefault_pipelines: [d]\n";
    let mut ignoring = harness(failing);
    let (payload, items) = scanned(&traces(), &ignoring);
    ignoring.push(0, payload, items);
    assert_eq!(
        ignoring.bench.routed.iter().map(|(route, batch)| (*route, batch.items)).collect::<Vec<_>>(),
        [(2, 4)]
    );
    let failures = ignoring.telemetry.read();
    let failures = failures.iter().find(|row| row.name == "otelcol_connector_routing_condition_failures");
    assert_eq!(failures.map(|row| row.value), Some(4));

    let config: RoutingConfig = settings(&format!("{failing}error_mode: propagate"));
    let mut ending = Harness::new::<Routing>(&config, 1, T0);
    let (payload, items) = scanned(&traces(), &ending);
    ending.push(0, payload, items);
    assert_eq!(ending.bench.routed.len(), 0);
    assert_eq!(ending.bench.rejected, [(4, "condition_failed")]);
}

#[test]
fn the_parts_of_a_request_share_its_fate() {
    let mut harness =
        harness("default_pipelines: [d]\ntable: [{condition: 'span.name == \"slow\"', pipelines: [a]}]");
    let (payload, items) = scanned(&traces(), &harness);
    let (ack, answer) = Ack::new();
    harness.push(0, payload.clone(), items);
    harness.bench.routed.clear();
    let config: RoutingConfig =
        settings("default_pipelines: [d]\ntable: [{condition: 'span.name == \"slow\"', pipelines: [a]}]");
    let telemetry = component::Telemetry::default();
    let cx = component::BuildCx {
        id: "r",
        telemetry: &telemetry,
        instance_id: "i",
        started_at: T0,
        is_watched: false,
    };
    let mut router = <Routing as component::ProcessorDef>::ingest(&config, &cx);
    let mut bench = component::Workbench::default();
    router.process(Batch { payload, items, ack }, &mut component::Cx::new(T0, &mut bench));
    let [(_, first), (_, second)] = &bench.routed[..] else { panic!("two parts") };
    first.ack.report(Outcome::Permanent("no".to_owned()));
    assert!(!answer.is_done());
    let _still = second.ack.clone();
    drop(bench);
    assert!(!answer.is_done(), "a part is on its way");
}

#[test]
fn what_is_wrong_with_a_table_is_told_at_once() {
    let told = problems_of::<Routing>(
        "
error_mode: ignroe
match_once: true
table:
- {pipelines: [a]}
- {condition: 'true'}
- {condition: 'true', statement: 'route()', pipelines: [a]}
- {context: spam, condition: 'true', pipelines: [a]}
- {context: request, condition: 'request[\"X-Tenant\"] > \"acme\"', pipelines: [a]}
- {condition: 'otelcol.client.addr == \"acme\"', pipelines: [a]}
- {condition: 'span.nam == \"x\"', pipelines: [a]}
- {context: resource, condition: 'span.name == \"x\"', pipelines: [a]}
- {statement: 'set(span.name, \"x\")', pipelines: [a]}
- {condition: 'spanevent.name == \"x\"', pipelines: [a]}
- {condition: 'span.name == \"x\" and log.body == \"x\"', pipelines: [a]}
- {condition: 'request[\"X-Tenant\"] == \"acme\"', pipelines: [a]}
- {context: request, condition: 'resource.attributes[\"a\"] == \"b\"', pipelines: [a]}
- {context: request, condition: 'request == \"b\"', pipelines: [a]}
- {condition: 'otelcol.client.metadata[\"a\"] == \"b\" or span.name == \"c\"', pipelines: [a]}
- {condition: 'otelcol.grpc.metadata[\"a\"][-1] == \"b\"', pipelines: [a]}
- {condition: 'otelcol.grpc.metadata[\"a\"] != 5', pipelines: [a]}
- {condition: 'IsMatch(otelcol.grpc.metadata[\"a\"], \"(\")', pipelines: [a]}
- {statement: 'delete_key(resource.attributes, \"a\") where otelcol.grpc.metadata[\"a\"] == nil', pipelines: [a]}
",
    );
    expect![[r#"
        error at : key `match_once` of the collector is not supported: the collector has removed it
        error at table.1: invalid route: no pipelines defined
        error at error_mode: "ignroe" is no error mode, did you mean "ignore"? write one of ignore, silent, propagate
        error at table.0: invalid route: no condition or statement provided
        error at table.2: invalid route: both condition and statement provided
        error at table.3.context: "spam" is no context of a route, did you mean "span"? write one of resource, scope, span, metric, datapoint, log, request, otelcol
        error at table.4.condition: at character 1 (request["X-Tenant"] > "acme"): a header is compared by == or != with a text or nil, or by IsMatch with a pattern
        error at table.5.condition: at character 1 (otelcol.client.addr == "acme"): of a request can be asked request["name"] in the context request, otelcol.client.metadata["name"] and otelcol.grpc.metadata["name"]
        error at table.6.condition: at character 6 (nam == "x"): nam is no field of span, did you mean name? write one of attributes, dropped_attributes_count, dropped_events_count, dropped_links_count, end_time, end_time_unix_nano, flags, kind, name, parent_span_id, span_id, start_time, start_time_unix_nano, status, trace_id, trace_state
        error at table.7.condition: at character 1 (span.name == "x"): span can not be reached from the context resource
        error at table.8.statement: at character 1 (set(span.name, "x")): set is no editor of a route, write one of route, delete_key, delete_matching_keys
        error at table.9.condition: events of spans can not be routed apart from their spans
        error at table.10.condition: at character 22 (log.body == "x"): log is nothing of traces
        error at table.11.condition: at character 1 (request["X-Tenant"] == "acme"): the head of a request is nothing that an item has; a route asks it in the context request or otelcol
        error at table.12.condition: at character 1 (resource.attributes["a"] == "b…): of a request can be asked request["name"] in the context request, otelcol.client.metadata["name"] and otelcol.grpc.metadata["name"]
        error at table.13.condition: at character 1 (request == "b"): of a request can be asked request["name"] in the context request, otelcol.client.metadata["name"] and otelcol.grpc.metadata["name"]
        error at table.14.condition: at character 40 (span.name == "c"): of a request can be asked request["name"] in the context request, otelcol.client.metadata["name"] and otelcol.grpc.metadata["name"]
        error at table.15.condition: at character 28 (-1] == "b"): a key is a string in double quotes or a number; computed keys are not supported
        error at table.16.condition: at character 31 (5): a header is compared by == or != with a text or nil, or by IsMatch with a pattern
        error at table.17.condition: at character 37 ("(")): the pattern "(" is no regular expression: unclosed group
        error at table.18.statement: at character 1 (delete_key(resource.attributes…): of a request nothing but route() can be asked for
    "#]].assert_eq(&told);
    expect![[r#"
        error at table: invalid routing table: the routing table is empty
    "#]]
    .assert_eq(&problems_of::<Routing>("table: []"));
    expect![[r#"
        warning at table.1: its condition is that of route 0, so that it is left out
    "#]]
    .assert_eq(&problems_of::<Routing>(
        "table: [{condition: 'true', pipelines: [a]}, {condition: 'true', pipelines: [b]}]",
    ));
}

proptest! {
    /// Every span, point and record goes one way, as a reading of it says, whatever it stands in.
    #[test]
    fn each_item_goes_where_a_plain_reading_of_it_says(
        resources in proptest::collection::vec((0_usize..3, proptest::collection::vec(0_u8..4, 0..6)), 0..5),
        action in prop_oneof![Just("move"), Just("copy")],
    ) {
        let service = |place: usize| ["cart", "payment", "orders"][place];
        let yaml = format!(
            "
default_pipelines: [rest]
table:
- {{action: {action}, condition: 'span.name == \"1\"', pipelines: [a]}}
- {{action: {action}, condition: 'datapoint.attributes[\"state\"] == \"1\"', pipelines: [a]}}
- {{action: {action}, condition: 'log.severity_number == 1', pipelines: [a]}}
- {{condition: 'resource.attributes[\"service.name\"] == \"cart\"', pipelines: [b]}}
"
        );
        let mut harness = harness(&yaml);
        let mut traces = request(Vec::new());
        let (mut metrics, mut logs) = (ExportMetricsServiceRequest::default(), ExportLogsServiceRequest::default());
        let mut all: Vec<(String, u8)> = Vec::new();
        for (place, items) in &resources {
            let of = resource(service(*place));
            all.extend(items.iter().map(|item| (service(*place).to_owned(), *item)));
            let spans = items.iter().map(|item| span(&item.to_string(), 2, 0, 1, vec![])).collect();
            let mut group = resource_spans(vec![], spans);
            group.resource = of.clone();
            traces.resource_spans.push(group);
            // Each point in a metric of its own or together with the one before it.
            let points: Vec<_> = items
                .iter()
                .map(|item| NumberDataPoint { attributes: vec![text("state", &item.to_string())], ..Default::default() })
                .collect();
            let metric = |points: &[NumberDataPoint]| Metric {
                data: Some(Data::Gauge(Gauge { data_points: points.to_vec() })),
                ..Metric::default()
            };
            let scope_metrics = vec![ScopeMetrics { metrics: points.chunks(2).map(metric).collect(), ..Default::default() }];
            metrics.resource_metrics.push(ResourceMetrics { resource: of.clone(), scope_metrics, ..Default::default() });
            let record = |item: &u8| LogRecord { severity_number: i32::from(*item), ..LogRecord::default() };
            let scope_logs = vec![ScopeLogs { log_records: items.iter().map(record).collect(), ..Default::default() }];
            logs.resource_logs.push(ResourceLogs { resource: of, scope_logs, ..Default::default() });
        }
        let expected = |route: usize| -> Vec<String> {
            let goes = |(service, item): &&(String, u8)| {
                let (is_first, is_cart, is_copied) = (*item == 1, service == "cart", action == "copy");
                match route {
                    0 => is_first,
                    3 => is_cart && (!is_first || is_copied),
                    _ => !is_cart && (!is_first || is_copied),
                }
            };
            all.iter().filter(goes).map(|(service, item)| format!("{service}/{item}")).collect()
        };
        let sent = [
            scanned(&traces, &harness),
            (Payload::Metrics(metrics.encode_to_vec().into()), all.len() as u64),
            (Payload::Logs(logs.encode_to_vec().into()), all.len() as u64),
        ];
        for (signal, (payload, items)) in sent.into_iter().enumerate() {
            harness.push(0, payload, items);
            let mut got = [const { Vec::new() }; 5];
            for (route, batch) in std::mem::take(&mut harness.bench.routed) {
                let told = told(&batch.payload, &harness);
                prop_assert_eq!(batch.items, told.len() as u64);
                got[route].extend(told);
            }
            for (route, wanted) in [(signal, expected(0)), (3, expected(3)), (4, expected(4))] {
                prop_assert_eq!(&got[route], &wanted, "route {} of signal {}", route, signal);
            }
        }
        prop_assert!(harness.bench.rejected.is_empty());
    }
}
