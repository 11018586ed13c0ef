//! Configurations that neither runs.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{Launch, free_port, part, trueline_binary};

/// Within which a program has refused its configuration; one that runs it goes on for ever.
const REFUSES_WITHIN: Duration = Duration::from_secs(30);

/// What is wrong, and the configuration: whole, or the processors of one that is right beside them.
pub(super) const REFUSED: &[(&str, Wrong)] = &[
    ("an unknown key", Wrong::Processors("batch: {timeout: 1s, send_batch_sice: 3}")),
    ("a word where a number is wanted", Wrong::Processors("probabilistic_sampler: {sampling_percentage: lots}")),
    ("a list where a map is wanted", Wrong::Processors("batch: [1, 2]")),
    ("a duration without a unit that there is", Wrong::Processors("batch: {timeout: 3 parsecs}")),
    ("an action that there is not", Wrong::Processors("attributes: {actions: [{key: a, action: insrt, value: 1}]}")),
    ("an action without a key", Wrong::Processors("attributes: {actions: [{action: insert, value: 1}]}")),
    ("an action without a value", Wrong::Processors("attributes: {actions: [{key: a, action: insert}]}")),
    ("no actions", Wrong::Processors("attributes: {actions: []}")),
    ("a type to convert to that there is not", Wrong::Processors("attributes: {actions: [{key: a, action: convert, converted_type: date}]}")),
    ("a pattern that is no regular expression", Wrong::Processors("attributes: {actions: [{pattern: '(', action: delete}]}")),
    ("a pattern without names to extract", Wrong::Processors("attributes: {actions: [{key: a, action: extract, pattern: '(\\d+)'}]}")),
    ("a choice of items without match_type", Wrong::Processors("attributes: {include: {services: [a]}, actions: [{key: a, action: delete}]}")),
    ("a choice by what spans have not", Wrong::Processors("attributes: {include: {match_type: strict, log_bodies: [a]}, actions: [{key: a, action: delete}]}")),
    ("a choice of spans by nothing", Wrong::Processors("attributes: {include: {match_type: strict}, actions: [{key: a, action: delete}]}")),
    ("no attributes of a resource", Wrong::Processors("resource: {}")),
    ("a condition that is no OTTL", Wrong::Processors("filter: {traces: {span: ['name = \"x\"']}}")),
    ("a function that there is not", Wrong::Processors("filter: {traces: {span: ['IsMach(name, \"x\")']}}")),
    ("a path that there is not", Wrong::Processors("filter: {traces: {span: ['nam == \"x\"']}}")),
    ("a pattern in a condition that is no regular expression", Wrong::Processors("filter: {traces: {span: ['IsMatch(name, \"(\")']}}")),
    ("a repetition of a repetition in a pattern", Wrong::Processors("filter: {traces: {span: ['IsMatch(name, \"x++\")']}}")),
    ("a pattern with a flag that there is not", Wrong::Processors("filter: {traces: {span: ['IsMatch(name, \"(?x)a b\")']}}")),
    ("a range of letters the wrong way round", Wrong::Processors("redaction: {allow_all_keys: true, blocked_values: ['[a--b]']}")),
    ("more than a thousand repetitions", Wrong::Processors("attributes: {actions: [{pattern: '(a{100}){11}', action: delete}]}")),
    ("an error mode that there is not", Wrong::Processors("filter: {error_mode: shout, traces: {span: ['true']}}")),
    ("both ways to write conditions of one signal", Wrong::Processors("filter: {traces: {span: ['true']}, trace_conditions: ['span.name == \"\"']}")),
    ("an editor that there is not", Wrong::Processors("transform: {trace_statements: ['sett(span.name, \"x\")']}")),
    ("a condition where a value is wanted", Wrong::Processors("transform: {trace_statements: ['set(span.attributes[\"a\"], HasPrefix(span.name, \"a\") and HasSuffix(span.name, \"z\"))']}")),
    ("too few arguments", Wrong::Processors("transform: {trace_statements: ['set(span.name)']}")),
    ("a function where an editor is wanted", Wrong::Processors("transform: {trace_statements: ['Concat([\"a\"], \"\")']}")),
    ("a context that traces have not", Wrong::Processors("transform: {trace_statements: [{context: datapoint, statements: ['set(attributes[\"a\"], 1)']}]}")),
    ("a negative percentage", Wrong::Processors("probabilistic_sampler: {sampling_percentage: -1}")),
    ("a mode of a sampler that there is not", Wrong::Processors("probabilistic_sampler: {sampling_percentage: 5, mode: guess}")),
    ("more digits than a threshold has", Wrong::Processors("probabilistic_sampler: {sampling_percentage: 5, sampling_precision: 15}")),
    ("a policy that there is not", Wrong::Processors("tail_sampling: {policies: [{name: a, type: luck}]}")),
    ("a status that there is not", Wrong::Processors("tail_sampling: {policies: [{name: a, type: status_code, status_code: {status_codes: [BAD]}}]}")),
    ("two policies of one name", Wrong::Processors("tail_sampling: {policies: [{name: a, type: always_sample}, {name: a, type: always_sample}]}")),
    ("a limiter without an interval", Wrong::Processors("memory_limiter: {limit_mib: 100}")),
    ("a limiter without a limit", Wrong::Processors("memory_limiter: {check_interval: 1s}")),
    ("a spike above the limit", Wrong::Processors("memory_limiter: {check_interval: 1s, limit_mib: 100, spike_limit_mib: 200}")),
    ("a spike above the share that is the limit", Wrong::Processors("memory_limiter: {check_interval: 1s, limit_mib: 100, limit_percentage: 50, spike_limit_percentage: 60}")),
    ("a negative timeout", Wrong::Processors("batch: {timeout: -1s}")),
    ("a largest batch below the usual one", Wrong::Processors("batch: {send_batch_size: 100, send_batch_max_size: 10}")),
    ("a hash with a key that is too short", Wrong::Processors("redaction: {allow_all_keys: true, hash_function: hmac-sha256, hmac_key: short}")),
    ("a hash with a key that has none", Wrong::Processors("redaction: {allow_all_keys: true, hash_function: hmac-sha512}")),
    ("a blocked value that is no regular expression", Wrong::Processors("redaction: {allow_all_keys: true, blocked_values: ['(']}")),
    ("a type of component that there is not", Wrong::Processors("bach: {}")),
    ("metrics without match_type", Wrong::Metrics("cumulativetodelta: {include: {metrics: [a]}}")),
    ("a type of metrics that there is not", Wrong::Metrics("cumulativetodelta: {include: {metric_types: [gauge]}}")),
    ("a first point that is neither sent nor dropped", Wrong::Metrics("cumulativetodelta: {initial_value: maybe}")),
    ("a processor of a pipeline that is nowhere configured", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp], processors: [batch], exporters: [nop]}}}")),
    ("a pipeline without receivers", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {nop: {}}
service: {pipelines: {traces: {exporters: [nop]}}}")),
    ("a pipeline without exporters", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp]}}}")),
    ("no pipelines", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {nop: {}}
service: {}")),
    ("a key that stands twice", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters:
  nop: {}
  nop: {}
service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}")),
    ("a processor that stands twice in a pipeline", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
processors: {batch: {}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp], processors: [batch, batch], exporters: [nop]}}}")),
    ("a receiver without protocols", Wrong::Whole("
receivers: {otlp: {}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}")),
    ("an address without a port", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1'}}}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}")),
    ("a file without a path", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {file: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [file]}}}")),
    ("OTLP over HTTP without an endpoint", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {otlp_http: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp_http]}}}")),
    ("a compression that there is not", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {otlp_http: {endpoint: 'http://127.0.0.1:1', compression: rar}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp_http]}}}")),
    ("an extension that is nowhere configured", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {nop: {}}
service: {extensions: [health_check], pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}")),
    ("a connector that nothing receives from", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
connectors: {spanmetrics: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [spanmetrics]}}}")),
    ("dimensions of a connector that stand twice", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
connectors: {spanmetrics: {dimensions: [{name: a}, {name: a}]}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [spanmetrics]}, metrics: {receivers: [spanmetrics], exporters: [nop]}}}")),
    ("histograms of both kinds", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
connectors: {spanmetrics: {histogram: {explicit: {buckets: [1ms]}, exponential: {max_size: 10}}}}
exporters: {nop: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [spanmetrics]}, metrics: {receivers: [spanmetrics], exporters: [nop]}}}")),
    ("no YAML", Wrong::Whole("receivers: {otlp: [")),
    ("an unknown section", Wrong::Whole("
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {nop: {}}
pipelines: {}
service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}")),
];

/// Which of the two accepts what the other refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    Ours,
    Theirs,
}

/// What one accepts and the other refuses, and why that is meant.
pub(super) const ACCEPTED_BY_ONE: &[(&str, Wrong, Only, &str)] = &[
    (
        "a pipeline whose name is no signal",
        Wrong::Whole(
            "
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {nop: {}}
service: {pipelines: {telemetry: {receivers: [otlp], exporters: [nop]}}}",
        ),
        Only::Ours,
        "here it takes all signals",
    ),
    (
        "remote write without an endpoint",
        Wrong::Whole(
            "
receivers: {otlp: {protocols: {http: {endpoint: '127.0.0.1:PORT'}}}}
exporters: {prometheus_remote_write: {}}
service: {pipelines: {metrics: {receivers: [otlp], exporters: [prometheus_remote_write]}}}",
        ),
        Only::Theirs,
        "there each write fails later",
    ),
    (
        "an entry of a tracestate that is set",
        Wrong::Processors("transform: {trace_statements: ['set(span.trace_state[\"mine\"], \"1\")']}"),
        Only::Theirs,
        "a tracestate is set as a whole",
    ),
    (
        "a format of times that has no year",
        Wrong::Processors(
            "transform: {log_statements: ['set(log.time, Time(log.body, \"%b %d %H:%M:%S\"))']}",
        ),
        Only::Theirs,
        "there the year of the clock is taken",
    ),
    (
        "a function as an argument in a context that is inferred",
        Wrong::Processors(
            "transform: {trace_statements: ['replace_pattern(span.name, \"a\", \"b\", SHA256)']}",
        ),
        Only::Ours,
        "there the context must be written",
    ),
    (
        "a function of the collector that is not here",
        Wrong::Processors("transform: {trace_statements: ['stringify_all(span.attributes)']}"),
        Only::Theirs,
        "the message says so, and `migrate` lists it",
    ),
    (
        "a number in no bounds to sample by",
        Wrong::Processors(
            "tail_sampling: {policies: [{name: a, type: numeric_attribute, numeric_attribute: {key: k, min_value: 0, max_value: 0}}]}",
        ),
        Only::Theirs,
        "there 0 counts as not set, and the collector breaks off at the first decision",
    ),
    (
        "a date as the value of an attribute",
        Wrong::Processors("attributes: {actions: [{key: a, action: insert, value: 2024-01-01}]}"),
        Only::Ours,
        "here it is the text as it is written",
    ),
    (
        "an attribute that is made an id",
        Wrong::Processors("transform: {trace_statements: ['set(span.attributes[\"id\"], span.span_id)']}"),
        Only::Theirs,
        "there it fails for each span; `span_id.string` is what is meant",
    ),
];

/// A configuration that can not run.
#[derive(Clone, Copy)]
pub(super) enum Wrong {
    /// One processor of traces, all else is right.
    Processors(&'static str),
    /// One processor of metrics.
    Metrics(&'static str),
    Whole(&'static str),
}

impl Wrong {
    fn yaml(self) -> String {
        let around = |processor: &str, signal: &str| {
            let (id, _) = processor.split_once(':').expect("a processor has a name");
            format!(
                "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:PORT'}}}}}}}}
processors: {{{processor}}}
exporters: {{nop: {{}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{{signal}: {{receivers: [otlp], processors: [{id}], exporters: [nop]}}}}
"
            )
        };
        let yaml = match self {
            Self::Processors(processor) => around(processor, "traces"),
            Self::Metrics(processor) => around(processor, "metrics"),
            Self::Whole(yaml) => yaml.to_owned(),
        };
        yaml.replace("PORT", &free_port().to_string())
    }
}

/// Runs a program until it ends by itself, which it must do with a complaint.
fn check_refusal(name: &str, program: &Path, yaml: &str) -> Result<()> {
    let launch = Launch::new(name, program)?;
    let config = launch.write("config.yaml", yaml)?;
    let mut process = launch.args([format!("--config={}", config.display())]).start()?;
    let status = process.wait(REFUSES_WITHIN).with_context(|| format!("{name} runs it"))?;
    ensure!(status.code().is_some_and(|code| code != 0), "{name} ends with {status}");
    let log = process.log();
    ensure!(log.to_lowercase().contains("error"), "{name} does not say what is wrong: {log}");
    ensure!(!log.contains("panic"), "{name} breaks: {log}");
    Ok(())
}

#[test]
fn what_the_one_refuses_the_other_refuses_too() {
    let programs = [("ours", trueline_binary().unwrap()), ("theirs", part("otelcol", "otelcol").unwrap())];
    let mut accepted = Vec::new();
    for (what, wrong) in REFUSED {
        let yaml = wrong.yaml();
        for (name, program) in &programs {
            if let Err(problem) = check_refusal(name, program, &yaml) {
                accepted.push(format!("{what}: {problem:#}\n{yaml}"));
            }
        }
    }
    assert!(accepted.is_empty(), "{}", accepted.join("\n\n"));
}

#[test]
fn what_only_one_refuses_is_known() {
    let programs =
        [(Only::Ours, trueline_binary().unwrap()), (Only::Theirs, part("otelcol", "otelcol").unwrap())];
    for (what, wrong, only, _) in ACCEPTED_BY_ONE {
        let yaml = wrong.yaml();
        for (side, program) in &programs {
            let mut launch = Launch::new("validate", program).unwrap();
            let config = launch.write("config.yaml", &yaml).unwrap();
            launch = launch.args(["validate".to_owned(), format!("--config={}", config.display())]);
            let mut process = launch.start().unwrap();
            let status = process.wait(REFUSES_WITHIN).unwrap();
            assert_eq!(status.success(), side == only, "{what}, {side:?}: {}", process.log());
        }
    }
}
