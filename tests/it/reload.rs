//! Other configurations for a running program: nothing is lost, refused or counted twice, and a bad one changes nothing.

mod counts;

use std::{
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use component::{Clock, testing::ManualClock};
use model::{Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use serde_json::Value;
use testbed::{Exposition, Trueline, Watch, eventually, free_port, get};

use crate::rig::{Client, Folder, Rig};
use counts::{Sink, cumulative, cumulative_of, exported_spans};

const SOON: Duration = Duration::from_secs(120);
const CALLS: &str = "traces_span_metrics_calls_total";

/// Where a program listens, and what it writes.
struct Place {
    data: SocketAddr,
    page: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
    folder: Folder,
}

impl Place {
    fn new() -> Result<Self> {
        let [data, page, health, metrics] = std::array::from_fn(|_| address());
        Ok(Self { data, page, health, metrics, folder: Folder::new()? })
    }

    /// A configuration in parts: what is added to the sections.
    fn yaml(&self, parts: &Parts) -> String {
        let Self { data, page, health, metrics, folder } = self;
        let Parts { receiver, exporters, connectors, processors, extensions, pipelines, traces_to } = parts;
        let (state, spans, points) = (folder.file("state"), folder.file("spans"), folder.file("points.json"));
        let more_extensions = if extensions.is_empty() { "" } else { ", file_storage" };
        let storage = extensions.replace("STATE", &state.display().to_string());
        format!(
            "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '{data}'{receiver}}}}}}}
processors:
  attributes/same: {{actions: [{{key: kept, value: 1, action: insert}}]}}
{processors}
connectors:
  span_metrics: {{metrics_flush_interval: 1s}}
{connectors}
exporters:
  prometheus: {{endpoint: '{page}'}}
  file/spans: {{path: {spans:?}, format: proto, sending_queue: {{queue_size: 100000}}}}
  file/points: {{path: {points:?}}}
{exporters}
extensions:
  health_check: {{endpoint: '{health}'}}
{storage}
service:
  extensions: [health_check{more_extensions}]
  trueline: {{shards: 2}}
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], processors: [attributes/same{more}], exporters: [span_metrics, file/spans{traces_to}]}}
    metrics: {{receivers: [span_metrics], exporters: [prometheus, file/points]}}
{pipelines}
",
            port = metrics.port(),
            more = if processors.is_empty() { "" } else { ", attributes/other" },
        )
    }

    fn start(&self, parts: &Parts) -> Result<Trueline> {
        self.start_with(parts, &[])
    }

    fn start_with(&self, parts: &Parts, args: &[&str]) -> Result<Trueline> {
        let watch = Watch { health: self.health, metrics: Some(self.metrics) };
        Trueline::start_with(&self.yaml(parts), watch, args, &[])
    }

    /// The sum of the calls that are counted.
    fn counted(&self) -> Result<u64> {
        let page = get(&format!("http://{}/metrics", self.page))?.success()?;
        Ok(Exposition::parse(&page)?.sum(CALLS, &[]).unwrap_or_default() as u64)
    }

    fn wait_until_counted(&self, sent: u64) -> Result<()> {
        eventually("all is counted", SOON, || {
            let counted = self.counted()?;
            ensure!(counted == sent, "{counted} spans are counted, {sent} were sent");
            Ok(())
        })
    }

    fn health(&self) -> Result<Value> {
        Ok(serde_json::from_str(&get(&format!("http://{}/", self.health))?.success()?)?)
    }
}

#[derive(Clone, Copy, Default)]
struct Parts {
    receiver: &'static str,
    exporters: &'static str,
    connectors: &'static str,
    processors: &'static str,
    extensions: &'static str,
    pipelines: &'static str,
    traces_to: &'static str,
}

/// All that can be added beside what must be kept.
const MORE: Parts = Parts {
    receiver: "",
    exporters: "  nop:",
    connectors: "  span_metrics/other: {metrics_flush_interval: 1s, namespace: other}",
    processors: "  attributes/other: {actions: [{key: other, value: 2, action: insert}]}",
    extensions: "",
    pipelines: "    metrics/other: {receivers: [span_metrics/other], exporters: [nop]}",
    traces_to: ", span_metrics/other, nop",
};
const LESS: Parts = Parts {
    receiver: "",
    exporters: "",
    connectors: "",
    processors: "",
    extensions: "",
    pipelines: "",
    traces_to: "",
};
/// A configuration that is refused for two reasons.
const BAD: Parts = Parts { exporters: "  no_such_exporter:", traces_to: ", nowhere", ..LESS };

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// How often the program has said that a reload ended so.
fn reloads(program: &Trueline, result: &str) -> Result<f64> {
    program.metrics()?.sum("otelcol_config_reloads", &[("result", result)]).context("a counter of reloads")
}

/// Has the program read another configuration and waits until it has told the result.
fn reload(program: &mut Trueline, yaml: &str, result: &str) -> Result<()> {
    let before = reloads(program, result)?;
    program.write_config(yaml)?;
    program.hang_up()?;
    eventually("the configuration is read", SOON, || {
        let now = reloads(program, result)?;
        ensure!(now == before + 1.0, "{result}: {now} after {before}:\n{}", program.log());
        Ok(())
    })
}

/// Sends over connections that stay open, until told to stop; each request must be taken at once.
fn send_until(data: SocketAddr, stop: &AtomicBool, spans: usize, pause: Duration) -> Result<u64> {
    let mut client = Client::connect(data)?;
    let requests: Vec<_> = (0..20).map(|seed| wire::testing::trace_request(seed, spans)).collect();
    let (mut sent, mut due) = (0, Instant::now());
    for request in requests.iter().cycle() {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let status = client.send(Signal::Traces, request)?;
        ensure!(status == 200, "a request is answered with {status}");
        sent += spans as u64;
        due += pause;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(sent)
}

/// Reloads so often while spans come, every third time a bad configuration, and checks that each span has been counted
/// and exported once and that no counter began anew. At least so many spans must come a second.
fn reload_under_load(n_reloads: usize, spans: usize, pause: Duration, least_pace: f64) -> Result<()> {
    let place = Place::new()?;
    let mut program = place.start(&LESS)?;
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let sent = std::thread::scope(|scope| {
        let senders: Vec<_> =
            (0..4).map(|_| scope.spawn(|| send_until(place.data, &stop, spans, pause))).collect();
        let mut reloaded = Ok(());
        for number in 0..n_reloads {
            reloaded = match number % 3 {
                0 => reload(&mut program, &place.yaml(&MORE), "applied"),
                1 => reload(&mut program, &place.yaml(&BAD), "refused"),
                _ => reload(&mut program, &place.yaml(&LESS), "applied"),
            };
            if reloaded.is_err() || senders.iter().any(|sender| sender.is_finished()) {
                break;
            }
        }
        stop.store(true, Ordering::Release);
        let mut sent = 0;
        for sender in senders {
            sent += sender.join().expect("a sender does not panic")?;
        }
        reloaded.map(|()| sent)
    });
    let sent = sent.with_context(|| program.log())?;
    let pace = sent as f64 / begun.elapsed().as_secs_f64();
    ensure!(pace >= least_pace, "{pace:.0} spans came a second, {least_pace} were wanted");
    place.wait_until_counted(sent)?;
    let metrics = program.metrics()?;
    ensure!(metrics.sum("otelcol_receiver_accepted_spans", &[]) == Some(sent as f64), "accepted");
    ensure!(metrics.sum("otelcol_receiver_refused_spans", &[]) == Some(0.0), "refused");
    ensure!(metrics.find("otelcol_config_info", &[]).count() == 1, "one configuration is in force");
    ensure!(program.stop(SOON)?.success(), "it did not end well:\n{}", program.log());
    let exported = exported_spans(&place.folder.file("spans"))?;
    ensure!(exported == sent, "{exported} spans were exported, {sent} were sent");
    let counted = cumulative(&place.folder.file("points.json"), "traces.span.metrics.calls")?;
    ensure!(counted == sent, "the counters end at {counted}, {sent} were sent");
    Ok(())
}

#[test]
fn every_span_is_taken_and_counted_once_whatever_is_reloaded_meanwhile() -> Result<()> {
    reload_under_load(6, 25, Duration::from_millis(40), 0.0)
}

/// The whole promise, in some five minutes; the README says how.
#[test]
#[ignore = "takes minutes and both cores"]
fn two_hundred_reloads_at_50_000_spans_a_second_lose_nothing() -> Result<()> {
    reload_under_load(200, 500, Duration::from_millis(40), 45_000.0)
}

#[test]
fn a_bad_configuration_changes_nothing_and_is_told_everywhere() -> Result<()> {
    let place = Place::new()?;
    let mut program = place.start(&LESS)?;
    let before = place.health()?;
    reload(&mut program, &place.yaml(&BAD), "refused")?;
    let log = program.log();
    ensure!(log.contains("no_such_exporter") && log.contains("nowhere"), "not every problem is told:\n{log}");
    let after = place.health()?;
    ensure!(after["config"]["hash"] == before["config"]["hash"], "{after}");
    ensure!(after["config"]["refusedAt"].is_string(), "{after}");
    ensure!(after["degraded"].as_str().is_some_and(|text| text.contains("refused (")), "{after}");
    let reason = after["config"]["refusedBecause"].as_str().context("the first problem")?;
    ensure!(reason.contains(".yaml:") && !reason.contains('\n'), "{after}");
    // Each problem has a line of its own, which begins with its place.
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(".yaml:")).collect();
    ensure!(lines.len() >= 2 && lines.iter().any(|line| line.contains(reason)), "{log}");
    ensure!(!log.lines().any(|line| line.contains("is refused") && line.contains("\\n")), "{log}");
    let failed = |program: &Trueline| {
        program.metrics()?.sum("otelcol_config_last_reload_successful", &[]).context("a gauge")
    };
    ensure!(failed(&program)? == 0.0);
    // A setting that only a start can change is refused as a whole too.
    reload(&mut program, &place.yaml(&LESS).replace("shards: 2", "shards: 1"), "refused")?;
    ensure!(program.log().contains("service::trueline::shards can not be changed while the service runs"));
    // An address that somebody else has.
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let second = format!("  prometheus/second: {{endpoint: '{}'}}", taken.local_addr()?);
    let yaml = place.yaml(&LESS).replace("  file/points:", &format!("{second}\n  file/points:"));
    let yaml = yaml.replace("[prometheus, file/points]", "[prometheus, prometheus/second, file/points]");
    reload(&mut program, &yaml, "refused")?;
    ensure!(program.log().contains("prometheus/second: can not listen on"), "{}", program.log());
    let mut client = Client::connect(place.data)?;
    ensure!(client.send(Signal::Traces, &wire::testing::trace_request(1, 5))? == 200);
    drop(taken);
    reload(&mut program, &yaml, "applied")?;
    ensure!(
        client.send(Signal::Traces, &wire::testing::trace_request(2, 5))? == 200,
        "over the same connection"
    );
    place.wait_until_counted(10)?;
    let healthy = place.health()?;
    ensure!(
        healthy["config"]["hash"] != before["config"]["hash"] && healthy["degraded"].is_null(),
        "{healthy}"
    );
    ensure!(failed(&program)? == 1.0);
    reload(&mut program, &yaml, "unchanged")?;
    ensure!(program.stop(SOON)?.success());
    Ok(())
}

#[test]
fn what_the_collector_tells_of_itself_holds_up_no_reload() -> Result<()> {
    let place = Place::new()?;
    let mut program = place.start(&LESS)?;
    let mut client = Client::connect(place.data)?;
    ensure!(client.send(Signal::Traces, &wire::testing::trace_request(1, 5))? == 200);
    let told = |program: &Trueline| program.log().matches("the configuration has been replaced").count();
    // The level, a reader that needs a start, and a component, in one file.
    let moved = format!("port: {}", free_port());
    let changed = place.yaml(&MORE).replace(&format!("port: {}", place.metrics.port()), &moved);
    let warns = changed.replace("  telemetry:\n", "  telemetry:\n    logs: {level: warn}\n");
    reload(&mut program, &warns, "applied")?;
    let log = program.log();
    ensure!(log.contains("service::telemetry::metrics::readers"), "{log}");
    ensure!(!log.contains("service::telemetry::logs::level"), "it is in force:\n{log}");
    let n_told = told(&program);
    // At this level nothing is told of a reload that went well.
    reload(&mut program, &warns.replace("value: 2", "value: 3"), "applied")?;
    ensure!(told(&program) == n_told, "{}", program.log());
    let named = |program: &Trueline| program.log().matches("service::telemetry::metrics::readers").count();
    ensure!(named(&program) == 2, "it waits for a start still");
    reload(&mut program, &place.yaml(&MORE), "applied")?;
    reload(&mut program, &place.yaml(&LESS), "applied")?;
    ensure!(named(&program) == 2, "what is written is in force again:\n{}", program.log());
    ensure!(told(&program) > n_told, "the level is as before");
    ensure!(client.send(Signal::Traces, &wire::testing::trace_request(2, 5))? == 200);
    place.wait_until_counted(10)?;
    ensure!(program.stop(SOON)?.success());
    Ok(())
}

#[test]
fn a_receiver_that_a_reload_brings_and_that_ends_takes_nothing_with_it() -> Result<()> {
    let place = Place::new()?;
    let mut program = place.start(&LESS)?;
    let mut client = Client::connect(place.data)?;
    let yaml =
        place.yaml(&LESS).replacen("receivers:\n", "receivers:\n  otlp_file: {include: [/nowhere/*]}\n", 1);
    reload(&mut program, &yaml.replace("[otlp]", "[otlp, otlp_file]"), "applied")?;
    eventually("its end is told", SOON, || {
        let health = place.health()?;
        ensure!(
            health["degraded"].as_str().is_some_and(|text| text.contains("receiver otlp_file ended")),
            "{health}"
        );
        Ok(())
    })?;
    ensure!(client.send(Signal::Traces, &wire::testing::trace_request(1, 5))? == 200);
    reload(&mut program, &place.yaml(&LESS), "applied")?;
    let health = place.health()?;
    ensure!(health["degraded"].is_null(), "{health}");
    ensure!(client.send(Signal::Traces, &wire::testing::trace_request(2, 5))? == 200);
    place.wait_until_counted(10)?;
    ensure!(program.stop(SOON)?.success());
    Ok(())
}

#[test]
fn no_connection_is_refused_while_the_receiver_itself_is_replaced() -> Result<()> {
    let place = Place::new()?;
    let mut program = place.start(&LESS)?;
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| -> Result<()> {
        let sender = scope.spawn(|| -> Result<()> {
            while !stop.load(Ordering::Acquire) {
                let mut client = Client::connect(place.data)?;
                let status = client.send(Signal::Traces, &wire::testing::trace_request(7, 5))?;
                ensure!(status == 200, "{status}");
                sent.fetch_add(5, Ordering::AcqRel);
            }
            Ok(())
        });
        let mut reloaded = Ok(());
        for receiver in [", max_request_body_size: 1000000", "", ", max_request_body_size: 2000000"] {
            reloaded = reloaded
                .and_then(|()| reload(&mut program, &place.yaml(&Parts { receiver, ..LESS }), "applied"));
        }
        // The same address for a receiver of another name.
        let renamed =
            place.yaml(&LESS).replace("  otlp: ", "  otlp/renamed: ").replace("[otlp]", "[otlp/renamed]");
        reloaded = reloaded.and_then(|()| reload(&mut program, &renamed, "applied"));
        stop.store(true, Ordering::Release);
        sender.join().expect("the sender does not panic")?;
        // The same port on all addresses.
        let all = renamed.replace(&place.data.to_string(), &format!("0.0.0.0:{}", place.data.port()));
        reloaded.and_then(|()| reload(&mut program, &all, "applied"))
    })
    .with_context(|| program.log())?;
    let status = Client::connect(place.data)?.send(Signal::Traces, &wire::testing::trace_request(7, 5))?;
    ensure!(status == 200, "{status}");
    place.wait_until_counted(sent.load(Ordering::Acquire) + 5)?;
    ensure!(program.stop(SOON)?.success());
    Ok(())
}

/// Of each destination nobody listens at first. One exporter is kept until its destination is there, the other gets
/// another destination: both have what was accepted before.
#[test]
fn what_waits_for_a_dead_destination_is_kept_and_goes_where_the_exporter_leads() -> Result<()> {
    let place = Place::new()?;
    let (kept, wrong, right) = (address(), address(), address());
    let yaml = |moved: SocketAddr, parts: &Parts| {
        let exporter = |name: &str, address: SocketAddr| {
            format!(
                "  otlp_http/{name}: {{endpoint: 'http://{address}', compression: none, retry_on_failure: {{initial_interval: 100ms, max_interval: 1s}}}}\n"
            )
        };
        let both = exporter("kept", kept) + &exporter("moved", moved) + "  file/points:";
        let yaml = place.yaml(parts).replace("  file/points:", &both);
        yaml.replace("file/spans", "file/spans, otlp_http/kept, otlp_http/moved")
            .replace("  file/spans, otlp_http/kept, otlp_http/moved:", "  file/spans:")
    };
    let watch = Watch { health: place.health, metrics: Some(place.metrics) };
    let mut program = Trueline::start(&yaml(wrong, &LESS), watch)?;
    let mut client = Client::connect(place.data)?;
    for seed in 0..30 {
        ensure!(client.send(Signal::Traces, &wire::testing::trace_request(seed, 5))? == 200);
    }
    let sink = Sink::listen(right)?;
    reload(&mut program, &yaml(right, &MORE), "applied")?;
    sink.wait_for("what was accepted for the wrong destination", 150).with_context(|| program.log())?;
    ensure!(client.send(Signal::Traces, &wire::testing::trace_request(1, 5))? == 200);
    sink.wait_for("what came after", 155)?;
    let late = Sink::listen(kept)?;
    late.wait_for("what waited over the reload", 155).with_context(|| program.log())?;
    let metrics = program.metrics()?;
    let failed = metrics.sum("otelcol_exporter_send_failed_spans", &[]);
    ensure!(failed == Some(0.0), "{failed:?} spans were given up");
    ensure!(program.stop(SOON)?.success());
    Ok(())
}

#[test]
fn a_crash_right_after_a_reload_sets_no_counter_back() -> Result<()> {
    let place = Place::new()?;
    let storage = "  file_storage: {directory: STATE}";
    let with = |parts: Parts| Parts { extensions: storage, ..parts };
    let mut program = place.start(&with(LESS))?;
    let send = |seed| -> Result<()> {
        let status =
            Client::connect(place.data)?.send(Signal::Traces, &wire::testing::trace_request(seed, 5))?;
        ensure!(status == 200, "{status}");
        Ok(())
    };
    (0..10).try_for_each(send)?;
    place.wait_until_counted(50)?;
    reload(&mut program, &place.yaml(&with(MORE)), "applied")?;
    program.kill()?;
    let mut program = place.start(&with(MORE))?;
    (10..20).try_for_each(send)?;
    place.wait_until_counted(100)?;
    // The same of a stage whose own settings change: it goes on from where the one before was.
    let yaml = place.yaml(&with(MORE)).replace("span_metrics: {", "span_metrics: {histogram: {unit: s}, ");
    reload(&mut program, &yaml, "applied")?;
    (20..30).try_for_each(send)?;
    place.wait_until_counted(150)?;
    ensure!(program.stop(SOON)?.success());
    Ok(())
}

#[test]
fn a_file_that_a_symlink_leads_to_is_watched() -> Result<()> {
    let place = Place::new()?;
    let path = |name: &str| place.folder.file(name);
    for (version, value) in [("..1", "1"), ("..2", "2")] {
        std::fs::create_dir(path(version))?;
        let yaml = format!(
            "processors: {{attributes/same: {{actions: [{{key: kept, value: {value}, action: insert}}]}}}}"
        );
        std::fs::write(path(version).join("more.yaml"), yaml)?;
    }
    std::os::unix::fs::symlink("..1", path("..data"))?;
    std::os::unix::fs::symlink("..data/more.yaml", path("more.yaml"))?;
    let more = format!("--config={}", path("more.yaml").display());
    let mut program = place.start_with(&LESS, &[&more, "--watch"])?;
    let before = place.health()?["config"]["hash"].clone();
    std::os::unix::fs::symlink("..2", path("..data_tmp"))?;
    std::fs::rename(path("..data_tmp"), path("..data"))?;
    eventually("the new file is in force", SOON, || {
        let health = place.health()?;
        ensure!(health["config"]["hash"] != before, "{health}");
        Ok(())
    })?;
    ensure!(reloads(&program, "applied")? == 1.0);
    ensure!(program.log().contains("a file has changed"), "{}", program.log());
    ensure!(program.stop(SOON)?.success());
    Ok(())
}

/// Server spans of one service that begin at a time.
fn spans_at(at: Timestamp, n_spans: u8) -> Vec<u8> {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue("frontend".to_owned())) });
    let name = KeyValue { key: "service.name".to_owned(), value, ..KeyValue::default() };
    let span = |number: u8| Span {
        trace_id: vec![number + 1; 16],
        span_id: vec![number + 1; 8],
        name: "GET /".to_owned(),
        kind: 2,
        start_time_unix_nano: at.as_nanos(),
        end_time_unix_nano: at.as_nanos() + 1_000_000,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: (0..n_spans).map(span).collect(), ..ScopeSpans::default() }];
    let resource = Some(Resource { attributes: vec![name], ..Resource::default() });
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

#[test]
fn an_objective_that_is_changed_leaves_the_budgets_of_the_others_as_they_are() -> Result<()> {
    const START: Timestamp = Timestamp::from_secs(1_800_000_000);
    let folder = Folder::new()?;
    let out = folder.file("out.json");
    let yaml = |target: &str| {
        format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors:
  sla:
    emit: {{interval: 10s}}
    state: {{snapshot_interval: 10s}}
    slos:
      - {{name: first, service: frontend, sli: {{type: success_rate}}, target: 0.9, window: {{rolling: 1h}}, burn_alerts: none}}
      - {{name: second, service: frontend, sli: {{type: success_rate}}, target: {target}, window: {{rolling: 1h}}, burn_alerts: none}}
exporters: {{file: {{path: {out:?}, sending_queue: {{num_consumers: 1}}}}}}
service:
  trueline: {{shards: 2}}
  pipelines:
    telemetry: {{receivers: [otlp], processors: [sla], exporters: [file]}}
"
        )
    };
    let clock = ManualClock::new(START);
    let rig = Rig::start(&yaml("0.9"), &clock)?;
    let mut client = rig.connect()?;
    let mut send = || client.send(Signal::Traces, &spans_at(clock.now(), 20));
    assert_eq!(send()?, 200);
    let seconds = |n: u64| (0..n).try_for_each(|_| rig.advance_to(clock.now() + Duration::from_secs(1)));
    seconds(60)?;
    let difference = rig.reload(&yaml("0.95"))?.difference;
    assert_eq!(difference.changed, ["pipeline/telemetry/sla"]);
    assert_eq!(difference.kept, ["receiver otlp", "exporter file"]);
    assert_eq!(send()?, 200, "over the same connection");
    seconds(60)?;
    rig.stop();
    for name in ["first", "second"] {
        assert_eq!(cumulative_of(&out, "trueline.slo.events", name)?, 40, "{name}");
    }
    Ok(())
}
