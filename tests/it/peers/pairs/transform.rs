//! `transform`: OTTL in every context.

use super::{
    ALL, LOGS, METRICS, Meant, Pair, TRACES,
    run::{FINAL, check, rename_attributes},
};

pub(super) const PAIRS: &[Pair] = &[
    Pair::new(
        "transform: set of fields and attributes of spans",
        TRACES,
        r#"
transform:
  trace_statements:
    - context: span
      statements:
        - set(name, attributes["http.route"]) where attributes["http.route"] != nil
        - set(attributes["kind"], kind.string)
        - set(attributes["old.kind"], kind.deprecated_string)
        - set(kind, SPAN_KIND_CLIENT) where kind == SPAN_KIND_UNSPECIFIED
        - set(status.code, STATUS_CODE_ERROR) where attributes["http.response.status_code"] == "404"
        - set(status.message, Concat([status.message, "!"], ""))
        - set(attributes["trace"], trace_id.string)
        - set(attributes["parent"], parent_span_id.string)
        - set(attributes["vendor"], trace_state["vendor"])
        - set(trace_state, "mine=1") where trace_state == ""
        - set(attributes["took"], end_time_unix_nano - start_time_unix_nano)
        - set(attributes["nested"]["inner"]["new"], [1, "a"]) where IsMap(attributes["nested"])
        - set(attributes["tags"][0], "first") where IsList(attributes["tags"])
        - set(attributes["made"]["of"]["nothing"], true)
        - 'set(attributes["map"], {"a": 1, "b": [true, nil]})'
        - set(dropped_attributes_count, 9)
        - set(attributes["id"], span_id.string)
        - set(attributes["none"], attributes["not.there"])"#,
    ),
    Pair::new(
        "transform: delete_key, delete_matching_keys, keep_keys and keep_matching_keys",
        ALL,
        r#"
transform:
  trace_statements:
    - delete_key(span.attributes, "user.id")
    - delete_matching_keys(span.attributes, "(?i).*PASSWORD.*")
    - delete_key(span.attributes["nested"], "n") where IsMap(span.attributes["nested"])
    - keep_keys(resource.attributes, ["service.name", "host.load", "not.there"])
  metric_statements:
    - keep_matching_keys(datapoint.attributes, "^(state|http\\..*)$")
    - delete_key(resource.attributes, "host.load")
  log_statements:
    - keep_keys(log.attributes, ["user.id", "nested"])
    - delete_matching_keys(resource.attributes, "^host\\.")"#,
    ),
    Pair::new(
        "transform: truncate_all and limit",
        ALL,
        r#"
transform:
  trace_statements:
    - truncate_all(span.attributes, 5)
    - limit(resource.attributes, 3, ["service.name", "host.load"])
  metric_statements:
    - truncate_all(datapoint.attributes, 2)
    - truncate_all(resource.attributes, 0)
  log_statements:
    - limit(log.attributes, 2, ["user.id", "not.there"])
    - truncate_all(log.attributes, 3)"#,
    ),
    Pair::new(
        "transform: replace_pattern and replace_all_patterns with groups and functions",
        ALL,
        r#"
transform:
  trace_statements:
    - replace_pattern(span.attributes["url.full"], "token=([^&]*)", "token=$${1}***")
    - replace_pattern(span.name, "/(\\d+)", "/{id:$1}")
    - replace_all_patterns(span.attributes, "value", "[\\w.]+@([\\w.]+)", "***@$$1")
    - replace_all_patterns(resource.attributes, "key", "^host\\.", "machine.")
  metric_statements:
    - replace_pattern(metric.name, "\\.", "_")
    - replace_all_patterns(datapoint.attributes, "key", "^user\\.(.*)$", "enduser.$$1")
  log_statements:
    - context: log
      statements:
        - replace_pattern(body, "ann@example.org", "somebody") where IsString(body)
        - replace_pattern(attributes["user.id"], "u-(\\d+)", "$$1", SHA256)
        - replace_match(severity_text, "IN*", "info")
        - replace_all_matches(attributes, "*4111*", "a card")"#,
    ),
    Pair::new(
        "transform: merge_maps, flatten and append",
        LOGS,
        r#"
transform:
  log_statements:
    - merge_maps(log.attributes, ParseJSON(log.body), "insert") where IsMatch(log.body, "^\\{")
    - merge_maps(log.attributes, log.body, "upsert") where IsMap(log.body)
    - 'merge_maps(log.attributes, {"user.id": "merged", "fresh": 1}, "update")'
    - flatten(log.attributes, "flat") where log.severity_text == "INFO"
    - flatten(log.attributes, depth=1) where log.severity_text == "ERROR"
    - append(log.attributes["user.id"], "more")
    - append(log.attributes["new"], values=["a", "b"])"#,
    )
    .differing(Meant {
        why: "in a list within a list the place is `4.0`, there `40`, which is also that of another",
        undo: |ours, _| rename_attributes(ours, "flat.tags.4.0", "flat.tags.40"),
    }),
    Pair::new(
        "transform: functions on text",
        TRACES,
        r#"
transform:
  trace_statements:
    - context: span
      conditions: ['name != ""']
      statements:
        - set(attributes["concat"], Concat([name, attributes["http.response.status_code"], attributes["load"], attributes["cache.hit"], attributes["nothing"], attributes["tags"], attributes["nested"], attributes["raw"]], "|"))
        - set(attributes["split"], Split(name, "/"))
        - set(attributes["second"], Split(name, " ")[1]) where IsMatch(name, " ")
        - set(attributes["lower"], ToLowerCase(attributes["größe"]))
        - set(attributes["upper"], ToUpperCase(attributes["größe"]))
        - set(attributes["converted"], ConvertCase(name, "upper"))
        - set(attributes["sub"], Substring(name, 1, 2))
        - set(attributes["trimmed"], Trim(Concat([" ", name, "  "], "")))
        - set(attributes["prefix"], TrimPrefix(name, "GET "))
        - set(attributes["suffix"], TrimSuffix(name, "42"))
        - set(attributes["has"], HasPrefix(name, "GET"))
        - set(attributes["ends"], HasSuffix(name, "z")) where HasPrefix(name, "GET") and HasSuffix(name, "z")
        - set(attributes["len"], Len(name))
        - set(attributes["index"], Index(name, "/"))
        - set(attributes["hash"], SHA256(name))
        - set(attributes["keys"], Len(Keys(attributes["nested"]))) where IsMap(attributes["nested"])
        - set(attributes["contains"], ContainsValue(attributes["tags"], "a")) where IsList(attributes["tags"])"#,
    ),
    Pair::new(
        "transform: Int, Double, Bool and String of every type",
        ALL,
        r#"
transform:
  trace_statements:
    - set(span.attributes["a"], Int(span.attributes["retries"]))
    - set(span.attributes["b"], Int(span.attributes["version"]))
    - set(span.attributes["c"], Int(span.attributes["weight"]))
    - set(span.attributes["d"], Int(span.attributes["cache.hit"]))
    - set(span.attributes["e"], Double(span.attributes["load"]))
    - set(span.attributes["f"], Double(span.attributes["retries"]))
    - set(span.attributes["g"], Double(span.attributes["http.response.status_code"]))
    - set(span.attributes["h"], String(span.attributes["big"]))
    - set(span.attributes["i"], String(span.attributes["load"]))
    - set(span.attributes["j"], String(span.attributes["lowest"]))
    - set(span.attributes["k"], String(span.attributes["nested"]))
    - set(span.attributes["l"], String(span.attributes["tags"]))
    - set(span.attributes["m"], String(span.attributes["raw"]))
    - set(span.attributes["n"], String(span.attributes["cache.hit"]))
    - set(span.attributes["o"], Bool(span.attributes["cache.hit"]))
    - set(span.attributes["p"], Bool(span.attributes["retries"]))
    - set(span.attributes["q"], Int(span.attributes["not.there"]))
    - set(span.attributes["r"], Double(span.attributes["empty"]))
  metric_statements:
    - set(datapoint.attributes["text"], String(datapoint.value_double)) where datapoint.value_double != nil
    - set(datapoint.attributes["whole"], Int(datapoint.value_double)) where datapoint.value_double != nil
  log_statements:
    - set(log.attributes["body"], String(log.body))
    - set(log.attributes["n"], Int(log.body))
    - set(log.attributes["d"], Double(log.body))"#,
    ),
    Pair::new(
        "transform: conditions with and, or, not, and comparisons of lists, maps and bytes",
        TRACES,
        r#"
transform:
  trace_statements:
    - set(span.attributes["a"], true) where span.name == "poll" or span.kind == SPAN_KIND_SERVER and not IsMatch(span.name, "^GET")
    - set(span.attributes["b"], true) where not (span.name == "poll" or span.status.code == STATUS_CODE_ERROR)
    - set(span.attributes["c"], true) where span.attributes["tags"] == ["a", 2, 0.5, true, ["deep"]]
    - set(span.attributes["d"], true) where span.attributes["raw"] == 0x0001feff
    - set(span.attributes["e"], true) where span.attributes["nothing"] == nil
    - set(span.attributes["f"], true) where span.attributes["weight"] == 3
    - set(span.attributes["g"], true) where span.attributes["user.id"] > "u-17"
    - set(span.attributes["h"], true) where span.attributes["load"] != "0.5"
    - set(span.attributes["i"], true) where IsRootSpan()
    - set(span.attributes["j"], true) where span.attributes["retries"] >= 2
    - set(span.attributes["k"], true) where span.trace_id == TraceID(0xa5a55a5a010203040000000000000000)
    - set(span.attributes["l"], true) where IsInt(span.attributes["user.id"]) or IsDouble(span.attributes["load"]) or IsBool(span.attributes["cache.hit"])
    - set(span.attributes["m"], true) where 1 + 2 * 3 == 7 and (1 + 2) * 3 == 9"#,
    ),
    Pair::new(
        "transform: resources and scopes",
        ALL,
        r#"
transform:
  trace_statements:
    - {context: resource, statements: ['set(attributes["pid"], attributes["process.pid"])', 'set(attributes["list"], ["a"])', 'set(dropped_attributes_count, 4)']}
    - {context: scope, statements: ['set(name, Concat(["trueline", name], "/"))', 'set(attributes["of"], resource.attributes["service.name"])', 'set(version, "2") where version == ""']}
  metric_statements:
    - {context: resource, statements: ['set(attributes["service.name"], "unknown") where attributes["service.name"] == nil', 'set(schema_url, "https://example.org/1")']}
    - {context: scope, statements: ['delete_key(attributes, "scope.kind")']}
  log_statements:
    - {context: scope, statements: ['set(attributes["n"], Len(name))']}
    - {context: resource, statements: ['set(attributes["host.mac"], nil)', 'delete_key(attributes, "host.mac")']}"#,
    ),
    Pair::new(
        "transform: events of spans",
        TRACES,
        r#"
transform:
  trace_statements:
    - context: spanevent
      statements:
        - set(attributes["of"], span.name)
        - set(name, "error") where name == "exception"
        - replace_pattern(attributes["exception.message"], "^\\S+@\\S+", "somebody")
        - delete_key(attributes, "user.password")
        - set(time_unix_nano, span.start_time_unix_nano) where attributes["message.id"] == 1
        - set(span.attributes["has.event"], name)"#,
    ),
    Pair::new(
        "transform: metrics",
        METRICS,
        r#"
transform:
  metric_statements:
    - context: metric
      statements:
        - set(name, Concat(["shop", name], ".")) where type != METRIC_DATA_TYPE_SUMMARY
        - set(unit, "bytes") where unit == "By"
        - set(description, "")
        - set(aggregation_temporality, AGGREGATION_TEMPORALITY_CUMULATIVE) where name == "shop.errors"
        - set(is_monotonic, true) where name == "shop.queue.length"
        - set(metadata["a"], "b")"#,
    ),
    Pair::new(
        "transform: points",
        METRICS,
        r#"
transform:
  metric_statements:
    - context: datapoint
      statements:
        - set(attributes["metric"], metric.name)
        - set(value_int, value_int * 1000) where metric.name == "memory.used" and value_int != nil
        - set(value_double, value_double / 2) where value_double != nil
        - set(attributes["count"], count) where count != nil
        - set(attributes["sum"], sum) where sum != nil
        - set(attributes["scale"], scale) where scale != nil
        - set(attributes["zeros"], zero_count) where zero_count != nil
        - set(time_unix_nano, 1790000100000000000) where metric.type == METRIC_DATA_TYPE_GAUGE
        - set(flags, 0) where flags == 1
        - set(count, 99) where metric.name == "http.duration""#,
    ),
    Pair::new(
        "transform: records",
        LOGS,
        r#"
transform:
  log_statements:
    - context: log
      statements:
        - set(severity_number, SEVERITY_NUMBER_WARN) where severity_text == "Warn"
        - set(severity_text, "unset") where severity_number == SEVERITY_NUMBER_UNSPECIFIED
        - set(attributes["body.type"], "map") where IsMap(body)
        - set(body["password"], "***") where IsMap(body)
        - set(body["user"]["tags"][0], "b") where IsMap(body)
        - set(attributes["trace"], trace_id.string)
        - set(trace_id, TraceID(0x0102030405060708090a0b0c0d0e0f10)) where trace_id.string == ""
        - set(observed_time_unix_nano, time_unix_nano)
        - set(event_name, "other") where event_name != ""
        - set(body, "was nothing") where body == nil
        - set(attributes["parsed"], ParseJSON(body)["user"]["id"]) where IsMatch(body, "^\\{")"#,
    ),
    Pair::new(
        "transform: what fails of an item is left out of it",
        ALL,
        r#"
transform:
  error_mode: ignore
  trace_statements:
    - set(span.attributes["sub"], Substring(span.name, 3, 5))
    - set(span.attributes["json"], ParseJSON(span.attributes["version"]))
    - set(span.attributes["key"], span.attributes["user.id"]["x"])
    - set(span.attributes["item"], span.attributes["tags"][9])
    - set(span.attributes["zero"], span.attributes["http.response.status_code"] / 0)
    - set(span.attributes["after"], "still")
  metric_statements:
    - set(datapoint.attributes["key"], datapoint.attributes["state"]["x"])
    - set(datapoint.attributes["after"], "still")
  log_statements:
    - set(log.attributes["key"], log.body["x"])
    - set(log.attributes["after"], "still")"#,
    ),
    Pair::new(
        "transform: error mode propagate refuses the request",
        ALL,
        r#"
transform:
  error_mode: propagate
  trace_statements: ['set(span.attributes["key"], span.attributes["user.id"]["x"])']
  metric_statements: ['set(datapoint.attributes["key"], datapoint.attributes["state"]["x"])']
  log_statements: ['set(log.attributes["key"], log.body["x"])']"#,
    )
    .letting_nothing_out()
    .differing(FINAL),
    Pair::new(
        "transform: patterns with braces that repeat nothing",
        ALL,
        r#"
transform:
  trace_statements:
    - replace_pattern(span.name, "{.*}", ":id")
    - set(span.attributes["has.braces"], IsMatch(span.name, "/{|^{}"))
    - replace_all_patterns(span.attributes, "value", "/{,3}|[{]", "-")
    - set(span.attributes["twice"], IsMatch(span.name, "(?i)[a-z]{2,3}/"))
  log_statements:
    - set(log.attributes["is.json"], true) where IsMatch(log.body, "^{")"#,
    ),
    Pair::new(
        "transform: convert_sum_to_gauge and convert_gauge_to_sum",
        METRICS,
        r#"
transform:
  metric_statements:
    - context: metric
      statements:
        - convert_sum_to_gauge() where name != ""
        - set(description, "was a gauge, too") where type == METRIC_DATA_TYPE_GAUGE
        - convert_gauge_to_sum("delta", true) where unit != "1"
    - context: datapoint
      statements:
        - set(attributes["monotonic"], metric.is_monotonic)"#,
    ),
    Pair::new(
        "transform: scale_metric and copy_metric",
        METRICS,
        r#"
transform:
  error_mode: silent
  metric_statements:
    - context: metric
      statements:
        - copy_metric(name = Concat([name, "copy"], "."), description = "a copy") where not IsMatch(name, "copy$")
        - scale_metric(2.5, Concat(["scaled", unit], " ")) where IsMatch(name, "copy$")
        - copy_metric(description = "once") where IsMatch(name, "copy$") and description != "once""#,
    ),
    Pair::new(
        "transform: extract_count_metric and extract_sum_metric",
        METRICS,
        r#"
transform:
  error_mode: silent
  metric_statements:
    - context: metric
      statements:
        - extract_count_metric(true) where not IsMatch(name, "_(count|sum)$|bytes$")
        - extract_sum_metric(false, "_sum") where not IsMatch(name, "_(count|sum)$|bytes$")"#,
    ),
    Pair::new(
        "transform: convert_summary_count_val_to_sum and convert_summary_sum_val_to_sum",
        METRICS,
        r#"
transform:
  metric_statements:
    - context: datapoint
      statements:
        - set(attributes["before"], metric.name)
        - convert_summary_count_val_to_sum("cumulative", true) where metric.type == METRIC_DATA_TYPE_SUMMARY
        - convert_summary_sum_val_to_sum("delta", false, ".total") where metric.unit != ""
        - set(attributes["after"], metric.name)"#,
    ),
    Pair::new(
        "transform: groups with conditions, one after the other, and a cache",
        ALL,
        r#"
transform:
  trace_statements:
    - context: span
      conditions: ['attributes["http.route"] != nil', 'kind == SPAN_KIND_CONSUMER']
      statements:
        - set(cache["name"], name)
        - set(name, "was seen")
        - set(attributes["before"], cache["name"])
    - context: span
      conditions: ['name == "was seen"']
      statements: ['set(attributes["again"], true)']
  log_statements:
    - 'merge_maps(log.cache, {"a": {"b": 1}}, "upsert")'
    - set(log.attributes["from.cache"], log.cache["a"]["b"])"#,
    ),
];

#[test]
fn telemetry_is_transformed_alike() {
    check(PAIRS);
}
