//! Configurations as people run them with the Go collector, written after public examples: which of them run here
//! unchanged, and what the others lack. The table is `wild/README.md`. What runs is started: addresses are this machine's,
//! everything else is as it stands there.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use config::{ConfigUri, MapEnvironment, Node, Severity};
use expect_test::expect_file;
use testbed::{Trueline, Watch, free_port, post};

use crate::rig::registry;

/// A configuration and what keeps it from running.
struct Wild {
    name: String,
    text: String,
    after: String,
    /// Components that are not here, `receivers: jaeger`, and keys that are not.
    missing: Vec<String>,
}

fn all() -> Result<Vec<Wild>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wild");
    let mut files: Vec<_> = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Wild> {
    let text = fs::read_to_string(file)?;
    let first = text.lines().next().unwrap_or_default();
    let after =
        first.strip_prefix("# After: ").with_context(|| format!("{} says not whence", file.display()))?;
    let loaded = engine::load(&[ConfigUri::Yaml(text.clone())], &MapEnvironment::default(), &registry());
    let problems = loaded.problems.sorted();
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let mut missing: Vec<String> = errors.map(missing).collect();
    missing.dedup();
    ensure!(missing.is_empty() == loaded.plan.is_some(), "{}", file.display());
    let name = file.file_stem().context("a name")?.to_string_lossy().into_owned();
    Ok(Wild { name, after: after.to_owned(), missing, text })
}

/// What is named by an error: a component, or the key where it stands.
fn missing(problem: &config::Problem) -> String {
    let kind = problem.message.split('"').nth(1).filter(|_| problem.message.starts_with("unknown type: "));
    let key = || format!("{}: {}", problem.path, problem.message.split(": ").next().unwrap_or_default());
    kind.map_or_else(key, |kind| format!("{} `{kind}`", problem.path.trim_end_matches('s')))
}

fn table(all: &[Wild]) -> String {
    let n_run = all.iter().filter(|wild| wild.missing.is_empty()).count();
    let mut out = format!(
        "# Configurations from the wild

{} configurations as people run them with the Go collector, written after what the column names, in its own spelling.
{n_run} run here unchanged; of the others the table has what `trueline validate` names. The test `wild` keeps it true.

| configuration | after | runs |
|---|---|---|
",
        all.len()
    );
    for Wild { name, after, missing, .. } in all {
        let verdict =
            if missing.is_empty() { "yes".to_owned() } else { format!("no: {}", missing.join("; ")) };
        out += &format!("| [`{name}`]({name}.yaml) | {after} | {verdict} |\n");
    }
    let mut wanted = BTreeMap::<&str, usize>::new();
    all.iter().flat_map(|wild| &wild.missing).for_each(|missing| *wanted.entry(missing).or_default() += 1);
    let mut wanted: Vec<_> = wanted.into_iter().collect();
    wanted.sort_by_key(|(missing, n)| (std::cmp::Reverse(*n), *missing));
    out += "\n## Most wanted\n\n| missing | configurations |\n|---|---:|\n";
    for (missing, n) in wanted {
        out += &format!("| {missing} | {n} |\n");
    }
    out
}

#[test]
fn the_table_of_wild_configurations_is_true_and_most_of_them_run() -> Result<()> {
    let all = all()?;
    expect_file!["wild/README.md"].assert_eq(&table(&all));
    let n_run = all.iter().filter(|wild| wild.missing.is_empty()).count();
    ensure!(all.len() >= 40 && n_run >= 28, "{n_run} of {} run", all.len());
    Ok(())
}

/// How long one may take from its start to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is laid over a configuration so that it finds everything on this machine.
struct Overlay {
    yaml: String,
    health: u16,
    /// Where each signal may be sent.
    senders: Vec<(&'static str, u16)>,
}

fn names<'n>(tree: &'n Node, section: &str) -> Vec<&'n str> {
    let map = tree.get(section).and_then(Node::as_map);
    map.map_or(Vec::new(), |map| map.entries.iter().map(|entry| entry.key.name.as_str()).collect())
}

fn kind(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}

impl Overlay {
    fn of(text: &str, sink: [u16; 2]) -> Result<Self> {
        let tree = config::parse(&config::Source::new("wild", text))
            .map_err(|problem| anyhow::anyhow!("{}", problem.message))?;
        let health = free_port();
        let mut yaml = String::from("receivers:\n  otlp/unused: {protocols: {grpc: }}\n");
        let mut http = BTreeMap::new();
        for id in names(&tree, "receivers").into_iter().filter(|id| kind(id) == "otlp") {
            let has_grpc =
                tree.get("receivers").and_then(|it| it.get(id)?.get("protocols")?.get("grpc")).is_some();
            let port = free_port();
            http.insert(id, port);
            yaml += &format!("  {id}: {{protocols: {{http: {{endpoint: 'localhost:{port}'}}");
            if has_grpc {
                yaml += &format!(", grpc: {{endpoint: 'localhost:{}'}}", free_port());
            }
            yaml += "}}\n";
        }
        for id in names(&tree, "receivers").into_iter().filter(|id| kind(id) == "hostmetrics") {
            yaml += &format!("  {id}: {{root_path: /}}\n");
        }
        yaml += "exporters:\n  nop/unused: \n";
        for id in names(&tree, "exporters") {
            let [grpc, web] = sink;
            let url = format!("http://localhost:{web}");
            yaml += &match kind(id) {
                "otlp" | "otlp_grpc" => {
                    format!("  {id}: {{endpoint: 'localhost:{grpc}', tls: {{insecure: true}}}}\n")
                }
                "otlphttp" | "otlp_http" => format!(
                    "  {id}: {{endpoint: '{url}', traces_endpoint: '{url}/v1/traces', \
                     metrics_endpoint: '{url}/v1/metrics', logs_endpoint: '{url}/v1/logs'}}\n"
                ),
                "prometheusremotewrite" | "prometheus_remote_write" => {
                    format!("  {id}: {{endpoint: '{url}/api/v1/write'}}\n")
                }
                "prometheus" => format!("  {id}: {{endpoint: 'localhost:{}'}}\n", free_port()),
                "file" | "otlp_file" => format!("  {id}: {{path: {}.out}}\n", id.replace('/', "-")),
                _ => String::new(),
            };
        }
        yaml += &format!("extensions:\n  health_check/wild: {{endpoint: 'localhost:{health}'}}\n");
        let service = tree.get("service").context("a service")?;
        let started = service.get("extensions").and_then(Node::as_seq).unwrap_or_default();
        let mut started: Vec<&str> = started.iter().filter_map(Node::as_str).collect();
        for id in &started {
            yaml += &match kind(id) {
                "health_check" | "zpages" | "pprof" => {
                    format!("  {id}: {{endpoint: 'localhost:{}'}}\n", free_port())
                }
                "file_storage" => format!("  {id}: {{directory: state}}\n"),
                _ => String::new(),
            };
        }
        started.push("health_check/wild");
        yaml += &format!(
            "service:\n  extensions: [{}]\n  telemetry: {{metrics: {{level: none}}}}\n  trueline: {{shutdown_timeout: 1s}}\n",
            started.join(", ")
        );
        let mut senders = Vec::new();
        for name in names(service, "pipelines") {
            let pipeline = service.get("pipelines").and_then(|it| it.get(name)).context("a pipeline")?;
            let receivers = pipeline.get("receivers").and_then(Node::as_seq).unwrap_or_default();
            let signal = ["traces", "metrics", "logs"].into_iter().find(|signal| kind(name) == *signal);
            let ports = receivers.iter().filter_map(|id| http.get(id.as_str()?).copied());
            senders.extend(ports.filter_map(|port| Some((signal?, port))));
        }
        Ok(Self { yaml, health, senders })
    }
}

/// One item of a signal.
fn item(signal: &str) -> &'static str {
    match signal {
        "traces" => {
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET /","kind":2,"startTimeUnixNano":"1790000000000000000","endTimeUnixNano":"1790000000100000000"}]}]}]}"#
        }
        "metrics" => {
            r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"requests","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"asInt":"1","startTimeUnixNano":"1790000000000000000","timeUnixNano":"1790000001000000000"}]}}]}]}]}"#
        }
        _ => {
            r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1790000000000000000","body":{"stringValue":"hello"}}]}]}]}"#
        }
    }
}

/// Starts it, sends one of each signal that a receiver `otlp` takes, and stops it.
fn start_and_stop(wild: &Wild, sink: [u16; 2]) -> Result<usize> {
    let overlay = Overlay::of(&wild.text, sink)?;
    let config = format!("--config=yaml:{}", overlay.yaml);
    let watch = Watch { health: format!("127.0.0.1:{}", overlay.health).parse()?, metrics: None };
    let mut trueline = Trueline::start_with(&wild.text, watch, &[&config], &[])
        .with_context(|| format!("under {}", overlay.yaml))?;
    for (signal, port) in &overlay.senders {
        let url = format!("http://127.0.0.1:{port}/v1/{signal}");
        let answer = post(&url, "application/json", &[], item(signal).as_bytes())?;
        // Who asks for credentials is right to refuse.
        ensure!(matches!(answer.status, 200 | 401), "{signal}: {} {}", answer.status, answer.body);
    }
    let status = trueline.stop(PATIENCE)?;
    ensure!(status.success(), "it ended with {status}:\n{}", trueline.log());
    Ok(overlay.senders.len())
}

#[test]
fn each_wild_configuration_that_runs_is_started_takes_telemetry_and_is_stopped() -> Result<()> {
    let all: Vec<Wild> = all()?.into_iter().filter(|wild| wild.missing.is_empty()).collect();
    let (ports, health) = ([free_port(), free_port()], free_port());
    let watch = Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None };
    let _sink = Trueline::start(
        &format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 'localhost:{}'}}, http: {{endpoint: 'localhost:{}'}}}}}}}}
exporters: {{nop: }}
extensions: {{health_check: {{endpoint: 'localhost:{health}'}}}}
service: {{extensions: [health_check], telemetry: {{metrics: {{level: none}}}}, pipelines: {{all: {{receivers: [otlp], exporters: [nop]}}}}}}
",
            ports[0], ports[1]
        ),
        watch,
    )?;
    let (next, n_sent, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(wild) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match start_and_stop(wild, ports) {
                        Ok(sent) => _ = n_sent.fetch_add(sent, Ordering::Relaxed),
                        Err(problem) => {
                            failed
                                .lock()
                                .expect("no thread panics")
                                .push(format!("{}: {problem:#}", wild.name));
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics");
    ensure!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), all.len(), failed.join("\n\n"));
    ensure!(n_sent.into_inner() >= 30, "receivers took too little");
    Ok(())
}
