use component::{Checks, Config};
use model::{Signal, SignalSet};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};

use super::*;

/// Spans of two services, each named after what is particular to it.
fn spans() -> ExportTraceServiceRequest {
    let shop = vec![
        span("checkout", 2, 0, 1, vec![text("env", "prod"), attribute("n", Value::IntValue(7))]),
        span("pay", 3, 0, 1, vec![text("env", "test"), attribute("ratio", Value::DoubleValue(0.5))]),
    ];
    let other = vec![span("list", 1, 0, 1, vec![attribute("ok", Value::BoolValue(true))])];
    let named = |service: &str, spans| resource_spans(vec![text("service.name", service)], spans);
    let mut nameless = resource_spans(vec![text("host", "h1")], vec![span("bare", 0, 0, 1, vec![])]);
    let scope = InstrumentationScope { name: "net".to_owned(), ..Default::default() };
    nameless.scope_spans[0].scope = Some(scope);
    request(vec![named("shop", shop), named("search", other), nameless])
}

/// Names the spans to which an action is applied.
fn chosen(yaml: &str) -> String {
    let mut harness = harness(&format!("{{{yaml}, actions: [{{key: seen, action: insert, value: 1}}]}}"));
    let out = push(&mut harness, 0, &spans());
    let request = ExportTraceServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
    let spans = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    let spans = spans.flat_map(|scope| &scope.spans);
    let seen = spans.filter(|span| span.attributes.iter().any(|one| one.key == "seen"));
    seen.map(|span| span.name.clone()).collect::<Vec<_>>().join(" ")
}

#[test]
fn spans_are_chosen_by_what_they_are() {
    for (yaml, expected) in [
        ("include: {match_type: strict, services: [shop]}", "checkout pay"),
        ("include: {match_type: regexp, services: ['^s']}", "checkout pay list"),
        ("include: {match_type: strict, services: [<nil-service-name>]}", "bare"),
        ("include: {match_type: strict, span_names: [pay, list, pa]}", "pay list"),
        ("include: {match_type: regexp, span_names: [a]}", "pay bare"),
        (
            "include: {match_type: strict, span_kinds: [SPAN_KIND_SERVER, SPAN_KIND_INTERNAL]}",
            "checkout list",
        ),
        ("include: {match_type: regexp, span_kinds: [CLIENT$]}", "pay"),
        ("include: {match_type: strict, attributes: [{key: env, value: prod}]}", "checkout"),
        ("include: {attributes: [{key: env}]}", "checkout pay"),
        ("include: {match_type: strict, attributes: [{key: env}, {key: n, value: 7}]}", "checkout"),
        ("include: {match_type: strict, attributes: [{key: n, value: '7'}]}", ""),
        ("include: {match_type: strict, attributes: [{key: n, value: 7.0}]}", ""),
        ("include: {match_type: strict, attributes: [{key: ok, value: true}]}", "list"),
        ("include: {match_type: regexp, attributes: [{key: n, value: ^7$}]}", "checkout"),
        ("include: {match_type: regexp, attributes: [{key: ratio, value: ^0\\.5$}]}", "pay"),
        ("include: {match_type: regexp, attributes: [{key: ok, value: true}]}", "list"),
        ("include: {match_type: strict, resources: [{key: host, value: h1}]}", "bare"),
        ("include: {match_type: strict, libraries: [{name: lib, version: '1.2'}]}", "checkout pay list"),
        ("include: {match_type: strict, libraries: [{name: net}]}", "bare"),
        ("include: {match_type: strict, libraries: [{name: net, version: ''}]}", "bare"),
        ("include: {match_type: strict, libraries: [{name: lib, version: '1'}]}", ""),
        ("include: {match_type: strict, services: [shop], span_names: [pay, list]}", "pay"),
        ("exclude: {match_type: strict, services: [shop]}", "list bare"),
        (
            "include: {match_type: strict, services: [shop]}, exclude: {match_type: strict, span_names: [pay]}",
            "checkout",
        ),
    ] {
        assert_eq!(chosen(yaml), expected, "{yaml}");
    }
}

#[test]
fn records_are_chosen_by_body_and_severity() {
    let record = |body: Value, severity: i32, name: &str| LogRecord {
        body: Some(AnyValue { value: Some(body) }),
        severity_number: severity,
        severity_text: name.to_owned(),
        ..LogRecord::default()
    };
    let sent = vec![
        record(Value::StringValue("started".to_owned()), 9, "INFO"),
        record(Value::IntValue(12), 17, "ERROR"),
        record(Value::StringValue("stopped".to_owned()), 0, ""),
    ];
    let scope_logs = vec![ScopeLogs { log_records: sent, ..ScopeLogs::default() }];
    let sent =
        ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] };
    for (yaml, expected) in [
        ("match_type: regexp, log_bodies: ['^st']", [true, false, true]),
        ("match_type: strict, log_bodies: ['12']", [false, true, false]),
        ("match_type: strict, log_severity_texts: [INFO, ERROR]", [true, true, false]),
        ("log_severity_number: {min: 9}", [true, true, false]),
        ("log_severity_number: {min: 10, match_undefined: true}", [false, true, true]),
        ("log_severity_number: {min: 9}, match_type: strict, log_bodies: [started]", [true, false, false]),
    ] {
        let mut harness =
            harness(&format!("{{include: {{{yaml}}}, actions: [{{key: seen, action: insert, value: 1}}]}}"));
        let out = harness.push(0, Payload::Logs(sent.encode_to_vec().into()), 3);
        let logs = ExportLogsServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
        let records = &logs.resource_logs[0].scope_logs[0].log_records;
        let seen: Vec<bool> = records.iter().map(|record| !record.attributes.is_empty()).collect();
        assert_eq!(seen, expected, "{yaml}");
    }
}

#[test]
fn points_are_chosen_by_their_metric_and_resource() {
    let mut sent = metric_request(&[text("x", "1")]);
    for (index, metric) in sent.resource_metrics[0].scope_metrics[0].metrics.iter_mut().enumerate() {
        metric.name = format!("m{index}");
    }
    for (yaml, expected) in [
        ("match_type: strict, metric_names: [m0, m3]", "{x=1,seen=1} {x=1} {x=1} {x=1,seen=1} {x=1}"),
        ("match_type: regexp, metric_names: ['m[12]']", "{x=1} {x=1,seen=1} {x=1,seen=1} {x=1} {x=1}"),
        ("match_type: strict, resources: [{key: a, value: b}]", "{x=1} {x=1} {x=1} {x=1} {x=1}"),
        // As in the collector what metrics do not have is not asked of them.
        (
            "match_type: strict, metric_names: [m4], services: [a], attributes: [{key: no}]",
            "{x=1} {x=1} {x=1} {x=1} {x=1,seen=1}",
        ),
    ] {
        let mut harness =
            harness(&format!("{{include: {{{yaml}}}, actions: [{{key: seen, action: insert, value: 1}}]}}"));
        let out = harness.push(0, Payload::Metrics(sent.encode_to_vec().into()), 5);
        let metrics = ExportMetricsServiceRequest::decode(out[0].bytes().unwrap().clone()).unwrap();
        assert_eq!(of_points(&metrics).join(" "), expected, "{yaml}");
    }
}

#[test]
fn what_is_asked_says_in_which_pipelines_it_may_stand() {
    let signals = |yaml: &str| {
        let yaml =
            format!("{{include: {{match_type: strict, {yaml}}}, actions: [{{key: a, action: delete}}]}}");
        let set = settings::<AttributesConfig>(&yaml).signals();
        Signal::ALL.into_iter().filter(|signal| set.contains(*signal)).map(Signal::name).collect::<Vec<_>>()
    };
    assert_eq!(signals("services: [a]"), ["traces", "metrics"]);
    assert_eq!(signals("log_bodies: [a]"), ["metrics", "logs"]);
    assert_eq!(signals("metric_names: [a]"), ["metrics"]);
    assert_eq!(signals("resources: [{key: a}]"), ["traces", "metrics", "logs"]);
    let of_all = settings::<AttributesConfig>("actions: [{key: a, action: delete}]");
    assert_eq!(of_all.signals(), SignalSet::ALL);
}

#[test]
fn every_mistake_in_what_is_asked_is_reported() {
    let told = |yaml: &str| {
        let yaml = format!("{{include: {{{yaml}}}, actions: [{{key: a, action: delete}}]}}");
        let mut checks = Checks::default();
        settings::<AttributesConfig>(&yaml).validate(&mut checks);
        let found = checks.into_findings();
        found.iter().map(|it| format!("{}: {}", it.path, it.message)).collect::<Vec<_>>().join("\n")
    };
    let all = [
        "",
        "match_type: strict",
        "services: [a]",
        "libraries: [{name: a}]",
        "attributes: [{key: a, value: 1}]",
        "match_type: regex, services: [a]",
        "match_type: regexp, services: [a, 'b('], log_bodies: ['[']",
        "match_type: regexp, attributes: [{key: a, value: 1}, {value: x}], resources: [{key: b, value: '+'}]",
        "match_type: regexp, libraries: [{name: '(', version: ')'}]",
        "match_type: strict, span_kinds: [SERVER]",
    ];
    expect![[r#"
        include: include asks for nothing, set at least one of services, span_names, span_kinds, log_bodies, log_severity_texts, log_severity_number, metric_names, attributes, resources, libraries
        include: include asks for nothing, set at least one of services, span_names, span_kinds, log_bodies, log_severity_texts, log_severity_number, metric_names, attributes, resources, libraries
        include.match_type: match_type is missing, use strict or regexp
        include.match_type: match_type is missing, use strict or regexp
        include.match_type: match_type is missing, use strict or regexp
        include.match_type: "regex" is no match type, did you mean "regexp"? write one of strict, regexp
        include.services.1: the pattern "b(" is no regular expression: unclosed group
        include.log_bodies.0: the pattern "[" is no regular expression: unclosed character class
        include.attributes.0.value: the value is no string, and with match_type regexp it is a pattern
        include.attributes.1.key: key is missing, name the attribute
        include.resources.0.value: the pattern "+" is no regular expression: repetition operator missing expression
        include.libraries.0.name: the pattern "(" is no regular expression: unclosed group
        include.libraries.0.version: the pattern ")" is no regular expression: unopened group
        include.span_kinds.0: "SERVER" is no kind of span, write one of SPAN_KIND_CLIENT, SPAN_KIND_CONSUMER, SPAN_KIND_INTERNAL, SPAN_KIND_PRODUCER, SPAN_KIND_SERVER"#]].assert_eq(&all.map(told).join("\n"));
}
