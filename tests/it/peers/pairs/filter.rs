//! `filter`.

use super::{
    ALL, LOGS, METRICS, Pair, TRACES,
    run::{FINAL, check},
};

pub(super) const PAIRS: &[Pair] = &[
    Pair::new(
        "filter: spans by name, pattern, kind, status and attributes",
        TRACES,
        r#"
filter:
  traces:
    span:
      - name == "poll"
      - IsMatch(name, "^GET /health")
      - kind == SPAN_KIND_PRODUCER and attributes["user.id"] == "u-18"
      - status.code == STATUS_CODE_ERROR
      - attributes["http.response.status_code"] == "404""#,
    ),
    Pair::new(
        "filter: resources of all signals, and those whose conditions can not be judged",
        ALL,
        r#"
filter:
  error_mode: ignore
  traces: {resource: ['attributes["deployment.environment.name"] == "test"', 'attributes["process.pid"]["x"] == 1']}
  metrics: {resource: ['attributes["deployment.environment.name"] == "test"', 'attributes["process.pid"]["x"] == 1']}
  logs: {resource: ['attributes["deployment.environment.name"] == "test"', 'attributes["process.pid"]["x"] == 1']}"#,
    ),
    Pair::new(
        "filter: events of spans",
        TRACES,
        r#"
filter:
  traces:
    spanevent:
      - IsMatch(name, "^retry") or attributes["message.id"] == 1
      - span.name == "POST /checkout" and attributes["exception.type"] == "ValueError""#,
    ),
    Pair::new(
        "filter: metrics by name, type, temporality and the attributes of their points",
        METRICS,
        r#"
filter:
  metrics:
    metric:
      - name == "up" or IsMatch(name, "^runtime\\.")
      - type == METRIC_DATA_TYPE_SUMMARY
      - aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA and type == METRIC_DATA_TYPE_HISTOGRAM
      - type == METRIC_DATA_TYPE_SUM and is_monotonic == false
      - HasAttrKeyOnDatapoint("tags")
      - HasAttrOnDatapoint("state", "idle") and unit == "s""#,
    ),
    Pair::new(
        "filter: points by attributes and values, and metrics without any left",
        METRICS,
        r#"
filter:
  metrics:
    datapoint:
      - attributes["state"] == "idle"
      - metric.name == "queue.length"
      - metric.type == METRIC_DATA_TYPE_GAUGE and value_int > 7
      - metric.name == "db.duration" and count > 10
      - metric.name == "rpc.latency" and sum < 5.0
      - flags == FLAG_NO_RECORDED_VALUE"#,
    ),
    Pair::new(
        "filter: records by severity, body and attributes",
        LOGS,
        r#"
filter:
  logs:
    log_record:
      - severity_number < SEVERITY_NUMBER_INFO and severity_number != SEVERITY_NUMBER_UNSPECIFIED
      - IsMatch(body, "refused")
      - body == 12
      - body["code"] == 3
      - attributes["retries"] == 2 and not IsString(attributes["retries"])
      - IsString(body) and Len(body) == 0"#,
    ),
    Pair::new(
        "filter: conditions of inferred contexts, from the outside in",
        ALL,
        r#"
filter:
  trace_conditions:
    - resource.attributes["service.name"] == "billing" and span.name == ""
    - span.attributes["http.route"] == "/checkout"
    - spanevent.name == "message"
  metric_conditions:
    - metric.name == "errors"
    - datapoint.attributes["state"] == "idle" and resource.attributes["service.name"] == "billing"
  log_conditions:
    - log.severity_text == "debug"
    - scope.name == "shop.logger" and log.body == nil"#,
    ),
    Pair::new(
        "filter: groups with contexts and error modes",
        ALL,
        r#"
filter:
  error_mode: silent
  trace_conditions:
    - {context: span, conditions: ['name == "poll"', 'end_time - start_time > Duration("1s")']}
    - {context: resource, conditions: ['attributes["service.name"] == nil']}
  metric_conditions:
    - {context: datapoint, error_mode: ignore, conditions: ['attributes["state"]["x"] == 1', 'value_double == 0.5']}
  log_conditions:
    - {conditions: ['log.attributes["user.id"] == 17'], error_mode: silent}"#,
    ),
    Pair::new(
        "filter: error mode propagate refuses the request",
        ALL,
        r#"
filter:
  error_mode: propagate
  traces: {span: ['attributes["user.id"]["x"] == 1']}
  metrics: {datapoint: ['attributes["state"]["x"] == 1']}
  logs: {log_record: ['attributes["user.id"]["x"] == 1']}"#,
    )
    .letting_nothing_out()
    .differing(FINAL),
    Pair::new(
        "filter: everything goes, and the request is taken",
        ALL,
        r#"
filter:
  traces: {span: ['true']}
  metrics: {metric: ['true']}
  logs: {log_record: ['true']}"#,
    )
    .letting_nothing_out(),
    Pair::new(
        "filter: comparisons of types that do not fit, arithmetic and times",
        TRACES,
        r#"
filter/one:
  traces: {span: ['attributes["load"] == "0.5"', 'attributes["http.response.status_code"] > 1000']}
filter/two:
  traces: {span: ['attributes["load"] < 0', 'attributes["user.id"] == 17 and attributes["load"] == 1']}
filter/three:
  traces: {span: ['start_time_unix_nano == 0', 'attributes["http.response.status_code"] * 2 + 1 == 401', 'attributes["weight"] / 2 == 1.5 and name == "x"']}
filter/four:
  traces: {span: ['end_time - start_time == Duration("4ms")', 'trace_state["vendor"] == "2"', 'attributes["tags"][1] == 3', 'attributes["nested"]["inner"]["list"][0] == 2']}"#,
    ),
];

#[test]
fn spans_points_and_records_are_filtered_alike() {
    check(PAIRS);
}
