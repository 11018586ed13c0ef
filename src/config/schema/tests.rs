use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::{ConfigUri, Document, MapEnvironment, PipelineSignal, render, to_json};

/// Loads `a.yaml`, `b.yaml`, … in this order, with the variable HOST set.
fn document(files: &[&str]) -> Document {
    let mut environment = MapEnvironment::default().with_variable("HOST", "10.0.0.7");
    let mut uris = Vec::new();
    for (text, letter) in files.iter().zip('a'..) {
        let name = format!("{letter}.yaml");
        environment = environment.with_file(name.as_str(), *text);
        uris.push(name.parse::<ConfigUri>().unwrap());
    }
    Document::load(&uris, &environment)
}

fn check(files: &[&str], expected: Expect) {
    expected.assert_eq(&render(&document(files).problems.sorted()));
}

const GOOD: &str = "\
receivers:
  otlp:
    protocols: {grpc: {endpoint: \"${env:HOST}:4317\"}}
processors:
  batch:
connectors:
  span_metrics:
exporters:
  debug:
  otlp_grpc/backup: {endpoint: backup:4317}
extensions:
  health_check:
service:
  extensions: [health_check]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [batch]
      exporters: [span_metrics, otlp_grpc/backup]
    metrics/shop:
      receivers: [span_metrics]
      exporters: [debug]
    telemetry:
      receivers: [otlp]
      exporters: [debug, otlp_grpc/backup]
";

#[test]
fn a_good_configuration_is_read_without_a_problem() {
    let document = document(&[GOOD]);
    assert_eq!(render(&document.problems.sorted()), "");
    let collector = document.collector;
    let names: Vec<String> = collector.exporters.iter().map(|exporter| exporter.path()).collect();
    assert_eq!(names, ["exporters::debug", "exporters::otlp_grpc/backup"]);
    let endpoint =
        collector.receivers[0].settings.get("protocols").and_then(|n| n.get("grpc")?.get("endpoint"));
    assert_eq!(endpoint.and_then(|n| n.as_str()), Some("10.0.0.7:4317"));
    let pipelines: Vec<_> =
        collector.service.pipelines.iter().map(|p| (p.id.to_string(), p.id.signal)).collect();
    assert_eq!(
        pipelines,
        [
            ("traces".to_owned(), PipelineSignal::Traces),
            ("metrics/shop".to_owned(), PipelineSignal::Metrics),
            ("telemetry".to_owned(), PipelineSignal::All),
        ]
    );
    let all: Vec<String> =
        collector.service.pipelines[2].exporters.iter().map(|r| r.id.to_string()).collect();
    assert_eq!(all, ["debug", "otlp_grpc/backup"]);
}

#[test]
fn moving_a_component_to_another_line_does_not_change_it() {
    let moved = GOOD.replace("processors:\n  batch:\n", "# A comment.\n\nprocessors:\n  batch:\n");
    assert_eq!(document(&[GOOD]).collector, document(&[&moved]).collector);
    let changed = GOOD.replace("backup:4317", "backup:4318");
    assert_ne!(document(&[GOOD]).collector, document(&[&changed]).collector);
}

#[test]
fn misspelt_sections_and_keys_are_named_with_what_was_meant() {
    check(
        &["recievers:\n  otlp:\nservice:\n  telemetri: {}\n  pipelines:\n    traces: {reciever: [otlp]}\n"],
        expect![[r#"
            error: '' has invalid keys: recievers
             --> a.yaml:1:1
              |
            1 | recievers:
              | ^^^^^^^^^
              |
              = help: did you mean `receivers`? valid keys: `receivers`, `processors`, `exporters`, `connectors`, `extensions`, `service`

            error: no receiver configuration specified in config
             --> a.yaml:1:1
              |
            1 | recievers:
              | ^

            error: no exporter configuration specified in config
             --> a.yaml:1:1
              |
            1 | recievers:
              | ^

            error: 'service' has invalid keys: telemetri
             --> a.yaml:4:3
              |
            4 |   telemetri: {}
              |   ^^^^^^^^^
              |
              = help: did you mean `telemetry`? valid keys: `extensions`, `pipelines`, `telemetry`, `trueline`

            error: service::pipelines::traces: must have at least one receiver
             --> a.yaml:6:5
              |
            6 |     traces: {reciever: [otlp]}
              |     ^^^^^^

            error: service::pipelines::traces: must have at least one exporter
             --> a.yaml:6:5
              |
            6 |     traces: {reciever: [otlp]}
              |     ^^^^^^

            error: 'service.pipelines.traces' has invalid keys: reciever
             --> a.yaml:6:14
              |
            6 |     traces: {reciever: [otlp]}
              |              ^^^^^^^^
              |
              = help: did you mean `receivers`? valid keys: `receivers`, `processors`, `exporters`"#]],
    );
}

#[test]
fn problems_of_two_merged_files_are_shown_each_in_its_own_file() {
    check(
        &[
            "receivers:\n  otlp:\nexporters:\n  debug:\nservice:\n  pipelines:\n    traces:\n      receivers: [otpl]\n      exporters: [debug, debug]\n",
            "service:\n  extensions: [health_chek]\n  pipelines:\n    logs:\n      receivers: [otlp]\n      processors: [batch]\nextensions:\n  health_check:\n",
        ],
        expect![[r#"
            error: service::pipelines::traces: references receiver "otpl" which is not configured
             --> a.yaml:8:19
              |
            8 |       receivers: [otpl]
              |                   ^^^^
              |
              = help: did you mean `otlp`?

            error: service::pipelines::traces: references exporter "debug" multiple times
             --> a.yaml:9:26
              |
            9 |       exporters: [debug, debug]
              |                          ^^^^^

            error: service::extensions: references extension "health_chek" which is not configured
             --> b.yaml:2:16
              |
            2 |   extensions: [health_chek]
              |                ^^^^^^^^^^^
              |
              = help: did you mean `health_check`?

            error: service::pipelines::logs: must have at least one exporter
             --> b.yaml:4:5
              |
            4 |     logs:
              |     ^^^^

            error: service::pipelines::logs: references processor "batch" which is not configured
             --> b.yaml:6:20
              |
            6 |       processors: [batch]
              |                    ^^^^^
              |
              = help: add `batch:` to `processors`"#]],
    );
}

#[test]
fn an_id_of_another_kind_is_said_to_be_one() {
    check(
        &[
            "receivers: {otlp: }\nexporters: {debug: }\nservice:\n  pipelines:\n    traces: {receivers: [debug], exporters: [nop]}\n",
        ],
        expect![[r#"
            error: service::pipelines::traces: references receiver "debug" which is not configured
             --> a.yaml:5:26
              |
            5 |     traces: {receivers: [debug], exporters: [nop]}
              |                          ^^^^^
              |
              = help: `debug` is configured as an exporter

            error: service::pipelines::traces: references exporter "nop" which is not configured
             --> a.yaml:5:46
              |
            5 |     traces: {receivers: [debug], exporters: [nop]}
              |                                              ^^^
              |
              = help: add `nop:` to `exporters`"#]],
    );
}

#[test]
fn a_circle_of_pipelines_is_shown_as_the_way_round() {
    check(
        &["\
receivers: {otlp: }
exporters: {debug: }
connectors: {a: , b: }
service:
  pipelines:
    traces/in: {receivers: [otlp, b], exporters: [a]}
    traces/out: {receivers: [a], exporters: [b, debug]}
"],
        expect![[r#"
            error: service::pipelines::traces/out: cycle: pipeline "traces/in" -> connector "a" -> pipeline "traces/out" -> connector "b" -> pipeline "traces/in"
             --> a.yaml:7:46
              |
            7 |     traces/out: {receivers: [a], exporters: [b, debug]}
              |                                              ^
              |
              = help: remove one of these connectors from a pipeline's receivers or exporters"#]],
    );
}

#[test]
fn a_pipeline_that_feeds_itself_is_a_circle() {
    check(
        &["\
receivers: {otlp: }
exporters: {debug: }
connectors: {a: }
service:
  pipelines:
    telemetry: {receivers: [otlp, a], exporters: [a, debug]}
"],
        expect![[r#"
            error: service::pipelines::telemetry: cycle: pipeline "telemetry" -> connector "a" -> pipeline "telemetry"
             --> a.yaml:6:51
              |
            6 |     telemetry: {receivers: [otlp, a], exporters: [a, debug]}
              |                                                   ^
              |
              = help: remove one of these connectors from a pipeline's receivers or exporters"#]],
    );
}

#[test]
fn two_ways_to_one_pipeline_are_no_circle() {
    check(
        &["\
receivers: {otlp: }
exporters: {debug: }
connectors: {a: , b: }
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [a, b]}
    metrics/1: {receivers: [a], exporters: [debug]}
    metrics/2: {receivers: [a, b], exporters: [debug]}
"],
        expect![],
    );
}

#[test]
fn a_connector_with_one_end_open_and_one_of_ambiguous_name_are_refused() {
    check(
        &["\
receivers: {otlp: }
exporters: {debug: , fan: }
connectors: {open: , fan: , unused: }
service:
  pipelines:
    traces: {receivers: [otlp, fan], exporters: [open, fan]}
"],
        expect![[r#"
            error: connectors::open: connector "open" used as exporter in pipeline "traces" but not used as receiver in any pipeline
             --> a.yaml:3:14
              |
            3 | connectors: {open: , fan: , unused: }
              |              ^^^^
              |
              = help: add `open` to the receivers of a pipeline

            error: connectors::fan: ambiguous ID: Found both "fan" exporter and "fan" connector. Change one of the components' IDs to eliminate ambiguity (e.g. rename "fan" connector to "fan/connector")
             --> a.yaml:3:22
              |
            3 | connectors: {open: , fan: , unused: }
              |                      ^^^

            error: service::pipelines::traces: cycle: pipeline "traces" -> connector "fan" -> pipeline "traces"
             --> a.yaml:6:56
              |
            6 |     traces: {receivers: [otlp, fan], exporters: [open, fan]}
              |                                                        ^^^
              |
              = help: remove one of these connectors from a pipeline's receivers or exporters"#]],
    );
}

#[test]
fn an_empty_file_and_missing_sections_are_told_in_the_collectors_words() {
    check(
        &["# nothing yet\n"],
        expect![[r#"
        error: empty configuration file
         --> a.yaml:1:1
          |
        1 | # nothing yet
          | ^"#]],
    );
    check(
        &["receivers:\nservice: {pipelines: {}}\n"],
        expect![[r#"
        error: no receiver configuration specified in config
         --> a.yaml:1:1
          |
        1 | receivers:
          | ^^^^^^^^^

        error: no exporter configuration specified in config
         --> a.yaml:1:1
          |
        1 | receivers:
          | ^

        error: service must have at least one pipeline
         --> a.yaml:2:10
          |
        2 | service: {pipelines: {}}
          |          ^"#]],
    );
}

#[test]
fn sections_of_wrong_types_are_told_beside_one_another() {
    check(
        &["\
receivers: [otlp]
exporters: {debug: , \"de bug\": , 1x: }
service:
  extensions: 7
  pipelines:
    traces: otlp
    profiles: {}
    logs: {receivers: {otlp: }, exporters: [[debug]]}
"],
        expect![[r#"
            error: receivers: expected a map of components, found a list
             --> a.yaml:1:12
              |
            1 | receivers: [otlp]
              |            ^

            error: exporters: invalid type "de bug": it has a letter, then up to 62 letters, digits or `_`
             --> a.yaml:2:22
              |
            2 | exporters: {debug: , "de bug": , 1x: }
              |                      ^^^^^^^^

            error: exporters: invalid type "1x": it has a letter, then up to 62 letters, digits or `_`
             --> a.yaml:2:34
              |
            2 | exporters: {debug: , "de bug": , 1x: }
              |                                  ^^

            error: service::extensions: expected a list of ids, found the number 7
             --> a.yaml:4:15
              |
            4 |   extensions: 7
              |               ^
              |
              = help: write `extensions: [first, second]`

            error: service::pipelines::traces: expected a map, found the string "otlp"
             --> a.yaml:6:13
              |
            6 |     traces: otlp
              |             ^^^^

            error: service::pipelines: pipelines of profiles are not supported
             --> a.yaml:7:5
              |
            7 |     profiles: {}
              |     ^^^^^^^^

            error: service::pipelines::logs::receivers: expected a list of ids, found a map
             --> a.yaml:8:23
              |
            8 |     logs: {receivers: {otlp: }, exporters: [[debug]]}
              |                       ^
              |
              = help: write `receivers: [first, second]`

            error: service::pipelines::logs::exporters: expected the id of a component, found a list
             --> a.yaml:8:45
              |
            8 |     logs: {receivers: {otlp: }, exporters: [[debug]]}
              |                                             ^"#]],
    );
}

#[test]
fn telemetry_is_typed_and_its_mistakes_are_all_told() {
    let text = format!(
        "{GOOD}  telemetry:
    logs: {{level: loud, encoding: json, sampling: {{tick: 10}}}}
    metrics:
      level: detailed
      readers:
        - pull: {{exporter: {{prometheus: {{host: 0.0.0.0, prot: 9999}}}}}}
        - periodic: {{interval: 5000, exporter: {{otlp: {{protocol: grpc, endpoint: 4317}}}}}}
    resource: {{service.name: shop, service.instance.id: }}
"
    );
    check(
        &[&text],
        expect![[r#"
            error: service::telemetry::logs::level: unknown value `loud`
              --> a.yaml:27:19
               |
            27 |     logs: {level: loud, encoding: json, sampling: {tick: 10}}
               |                   ^^^^
               |
               = help: valid values: `debug`, `info`, `warn`, `error`

            warning: service::telemetry::logs::sampling: lines are never sampled: none is written per item; remove it
              --> a.yaml:27:51
               |
            27 |     logs: {level: loud, encoding: json, sampling: {tick: 10}}
               |                                                   ^

            error: service::telemetry::logs::sampling::tick: `10` has no unit
              --> a.yaml:27:58
               |
            27 |     logs: {level: loud, encoding: json, sampling: {tick: 10}}
               |                                                          ^^
               |
               = help: write `10s` for seconds

            error: service::telemetry::metrics::readers::0::pull::exporter::prometheus: unknown key `prot`
              --> a.yaml:31:57
               |
            31 |         - pull: {exporter: {prometheus: {host: 0.0.0.0, prot: 9999}}}
               |                                                         ^^^^
               |
               = help: did you mean `port`? valid keys: `host`, `port`, `without_scope_info`, `without_units`, `without_type_suffix`, `with_resource_constant_labels`, `translation_strategy`

            error: service::telemetry::metrics::readers::1::periodic::exporter::otlp::endpoint: expected a string, found the number 4317
              --> a.yaml:32:82
               |
            32 |         - periodic: {interval: 5000, exporter: {otlp: {protocol: grpc, endpoint: 4317}}}
               |                                                                                  ^^^^
               |
               = help: write "4317" in quotes"#]],
    );
}

#[test]
fn telemetry_has_the_collectors_defaults_and_reads_both_forms_of_attributes() {
    let text = format!(
        "{GOOD}  telemetry:
    metrics:
      readers:
        - periodic:
            interval: 5000
            exporter: {{otlp: {{endpoint: http://x:4318, headers: {{Authorization: Bearer x}}}}}}
    resource:
      attributes: [{{name: service.name, value: shop}}]
"
    );
    let document = document(&[&text]);
    assert_eq!(render(&document.problems.sorted()), "");
    let telemetry = document.collector.service.telemetry;
    assert_eq!(telemetry.resource.attributes["service.name"], Some(serde_json::json!("shop")));
    assert_eq!(telemetry.logs.output_paths, ["stderr"]);
    expect![[r#"MetricsTelemetry { level: Normal, readers: [Periodic(Periodic { interval: 5000, timeout: 30000, exporter: Otlp(OtlpTelemetry { protocol: None, endpoint: Some("http://x:4318"), insecure: None, compression: None, timeout: None, headers: {"Authorization": [REDACTED]}, headers_list: None, certificate: None, client_certificate: None, client_key: None, temporality_preference: None, default_histogram_aggregation: None, encoding: None }) })], views: [] }"#]].assert_eq(&format!("{:?}", telemetry.metrics));
    let default = crate::Telemetry::default();
    expect![[r#"MetricsTelemetry { level: Normal, readers: [Pull(Pull { exporter: Prometheus(PrometheusReader { host: "localhost", port: 8888, without_scope_info: true, without_units: true, without_type_suffix: true, with_resource_constant_labels: None, translation_strategy: None }) })], views: [] }"#]].assert_eq(&format!("{:?}", default.metrics));
}

#[test]
fn a_broken_file_does_not_hide_what_is_wrong_in_the_other() {
    check(
        &["receivers:\n\totlp:\n", "recievers:\n  otlp:\n"],
        expect![[r#"
            error: tabs disallowed within this context (block indentation)
             --> a.yaml:2:2
              |
            2 |     otlp:
              |     ^
              |
              = help: indent with spaces: YAML allows no tabs there

            error: '' has invalid keys: recievers
             --> b.yaml:1:1
              |
            1 | recievers:
              | ^^^^^^^^^
              |
              = help: did you mean `receivers`? valid keys: `receivers`, `processors`, `exporters`, `connectors`, `extensions`, `service`

            error: no receiver configuration specified in config
             --> b.yaml:1:1
              |
            1 | recievers:
              | ^

            error: no exporter configuration specified in config
             --> b.yaml:1:1
              |
            1 | recievers:
              | ^

            error: service must have at least one pipeline
             --> b.yaml:1:1
              |
            1 | recievers:
              | ^"#]],
    );
}

#[test]
fn locations_that_cannot_be_read_are_all_told() {
    let uris = ["missing.yaml", "env:NOT_SET", "yaml:just text"].map(|uri| uri.parse().unwrap());
    let problems = Document::load(&uris, &MapEnvironment::default()).problems;
    expect![[r#"
        error: expected a map at the top, found the string "just text"
         --> yaml::1:1
          |
        1 | just text
          | ^^^^^^^^^

        error: cannot read missing.yaml: no such file

        error: environment variable `NOT_SET` is not set"#]]
    .assert_eq(&render(&problems.sorted()));
    let none = Document::load(&[], &MapEnvironment::default()).problems;
    expect!["error: at least one config flag must be provided"].assert_eq(&render(&none.sorted()));
}

#[test]
fn programs_get_the_same_problems_as_json() {
    let problems = document(&["receivers: {otlp: }\nexporters: {debug: }\nservice: {pipelines: {traces: {receivers: [otlp], exporters: [debgu]}}}\n"]).problems;
    expect![[r#"
        [
          {
            "severity": "error",
            "path": "service::pipelines::traces",
            "message": "references exporter \"debgu\" which is not configured",
            "help": "did you mean `debug`?",
            "file": "a.yaml",
            "line": 3,
            "column": 63,
            "span": {
              "start": 103,
              "end": 108
            }
          }
        ]"#]]
    .assert_eq(&to_json(&problems.sorted()));
}

#[test]
fn an_unset_variable_is_a_warning_at_its_place() {
    let text = GOOD.replace("backup:4317", "\"${env:BACKUP}\"");
    let document = document(&[&text]);
    assert!(!document.problems.has_errors());
    expect![[r#"
        warning: exporters::otlp_grpc/backup::endpoint: environment variable `BACKUP` is not set
          --> a.yaml:10:32
           |
        10 |   otlp_grpc/backup: {endpoint: "${env:BACKUP}"}
           |                                ^^^^^^^^^^^^^^^
           |
           = help: set it, or give a default: `${env:BACKUP:-value}`"#]]
    .assert_eq(&render(&document.problems.sorted()));
}

proptest! {
    #![proptest_config(crate::testing::cases(500))]

    /// Cuts, doubles or replaces a piece of a good file.
    #[test]
    fn a_damaged_file_is_read_or_refused_and_what_is_wrong_can_be_shown(
        at in 0..GOOD.len(),
        cut in 0..12_usize,
        piece in "[a-z :,\\[\\]{}\n\t$*&!'\"#-]{0,6}",
    ) {
        let end = (at + cut).min(GOOD.len());
        let damaged = format!("{}{piece}{}", &GOOD[..at], &GOOD[end..]);
        let document = document(&[&damaged]);
        let shown = render(&document.problems.sorted());
        prop_assert_eq!(shown.is_empty(), document.problems.is_empty());
        for pipeline in &document.collector.service.pipelines {
            let known = |id| document.collector.processors.iter().any(|processor| processor.id == id);
            let unknown = pipeline.processors.iter().any(|reference| !known(reference.id.clone()));
            prop_assert!(!unknown || document.problems.has_errors());
        }
    }
}

mod ids {
    use crate::ComponentId;

    fn read(text: &str) -> String {
        match text.parse::<ComponentId>() {
            Ok(id) => format!("{:?} {:?}", id.component_type, id.name),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn spaces_around_both_parts_are_dropped() {
        assert_eq!(read(" otlp / 2 "), "\"otlp\" Some(\"2\")");
        assert_eq!(read("otlp"), "\"otlp\" None");
        assert_eq!(read("otlp/a/b"), "\"otlp\" Some(\"a/b\")");
    }

    #[test]
    fn what_the_collector_refuses_is_refused() {
        assert_eq!(read("/x"), "in \"/x\" id: the part before / should not be empty");
        assert_eq!(read("otlp/"), "in \"otlp/\" id: the part after / should not be empty");
        assert!(read("7up").starts_with("invalid type \"7up\""));
        assert!(read(&"a".repeat(64)).starts_with("invalid type"));
        assert!(read("otlp/a b").starts_with("invalid name \"a b\""));
        assert!(read(&format!("otlp/{}", "a".repeat(1025))).starts_with("invalid name"));
        assert!(!read(&format!("otlp/{}", "a".repeat(1024))).starts_with("invalid name"));
    }
}

#[test]
fn a_missing_component_of_a_type_that_does_not_exist_gets_the_help_for_its_type() {
    let uris = ["yaml:{receivers: {otlp: }, exporters: {nop: }, service: {pipelines: {traces: {receivers: [otlp], processors: [batch, resource], exporters: [nop]}}}}".parse().unwrap()];
    let help = |kind, name: &str| (name == "batch").then(|| format!("no {kind} of ours"));
    let problems = Document::load_with(&uris, &MapEnvironment::default(), &help).problems;
    let helps: Vec<_> = problems.iter().filter_map(|problem| problem.help.as_deref()).collect();
    assert_eq!(helps, ["no processor of ours", "add `resource:` to `processors`"]);
}
