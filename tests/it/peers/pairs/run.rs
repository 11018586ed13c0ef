//! Runs pairs: one configuration, two collectors, the same requests, and what came out of both.

use std::error::Error;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use serde::Serialize;
use serde_json::Value;
use testbed::{GoCollector, Trueline, Watch, eventually, free_port, post};

use super::{
    Meant, Pair,
    canon::{canonical, count, differences, lines},
    zoo::Telemetry,
};
use crate::peers::SOON;

/// The number of the signal that asks a process to end.
const SIGTERM: i32 = 15;

const SIGNALS: [&str; 3] = ["traces", "metrics", "logs"];

/// One of the two, fed and read alike.
pub(super) enum Collector {
    Ours(Trueline),
    Theirs(GoCollector),
}

impl Collector {
    /// Starts it on a configuration whose health check listens at `health`.
    pub(super) fn start(is_ours: bool, yaml: &str, health: &str) -> Result<Self> {
        let started = if is_ours {
            Trueline::start(yaml, Watch { health: health.parse()?, metrics: None }).map(Self::Ours)
        } else {
            GoCollector::start(yaml).map(Self::Theirs)
        };
        started.with_context(|| format!("with\n{yaml}"))
    }

    pub(super) fn dir(&self) -> &Path {
        match self {
            Self::Ours(trueline) => trueline.dir(),
            Self::Theirs(collector) => collector.dir(),
        }
    }

    /// Ends it and waits until all is written.
    ///
    /// *Errors*: `EndedEarly` of the Go collector, see there.
    pub(super) fn stop(&mut self) -> Result<()> {
        let status = match self {
            Self::Ours(trueline) => trueline.stop(SOON),
            Self::Theirs(collector) => {
                let status = collector.stop(SOON)?;
                if status.signal() == Some(SIGTERM) {
                    return Err(EndedEarly.into());
                }
                Ok(status)
            }
        }?;
        ensure!(status.success(), "ended with {status}");
        Ok(())
    }
}

/// The Go collector listens to signals only after it has said that it is ready: one that comes between ends it with
/// what it has not written yet.
#[derive(Debug)]
struct EndedEarly;

impl fmt::Display for EndedEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Go collector was ended before it listened to signals")
    }
}

impl Error for EndedEarly {}

/// Repeats what the Go collector ended too early for.
pub(super) fn unless_ended_early<T>(mut run: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match run() {
            Err(problem) if problem.is::<EndedEarly>() => {}
            result => return result,
        }
    }
}

/// A collector with the address of each pair's receiver.
struct Side {
    collector: Collector,
    addresses: Vec<String>,
}

/// What one side answered and let out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Output {
    /// Of each request, the status that it was answered with.
    pub(super) answers: Vec<u16>,
    /// Requests in their comparable form.
    pub(super) requests: Vec<Value>,
}

pub(super) fn address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// The configuration of both: a receiver, the stages and files for each pair.
fn config(pairs: &[Pair], addresses: &[String], health: &str) -> String {
    let (mut receivers, mut processors, mut connectors) = (String::new(), String::new(), String::new());
    let (mut exporters, mut pipelines) = (String::new(), String::new());
    for (index, (pair, address)) in pairs.iter().zip(addresses).enumerate() {
        let suffix = format!("p{index}");
        receivers += &format!("  otlp/{suffix}: {{protocols: {{http: {{endpoint: '{address}'}}}}}}\n");
        let (own, stages) = named(pair.processors, &suffix);
        processors += &own;
        let (own, connected) = named(pair.connectors, &suffix);
        connectors += &own;
        for signal in SIGNALS {
            exporters += &format!("  file/{suffix}_{signal}: {{path: {suffix}.{signal}, format: proto}}\n");
        }
        let stages = stages.join(", ");
        for signal in pair.signals {
            let to =
                if connected.is_empty() { format!("file/{suffix}_{signal}") } else { connected.join(", ") };
            pipelines += &format!(
                "    {signal}/{suffix}: {{receivers: [otlp/{suffix}], processors: [{stages}], exporters: [{to}]}}\n"
            );
        }
        for (branch, own) in pair.branches.iter().enumerate() {
            let (own, stages) = named(own, &format!("{suffix}b{branch}"));
            processors += &own;
            for signal in pair.signals {
                pipelines += &format!(
                    "    {signal}/{suffix}b{branch}: {{receivers: [{}], processors: [{}], exporters: [file/{suffix}_{signal}]}}\n",
                    connected.join(", "),
                    stages.join(", "),
                );
            }
        }
    }
    let section =
        |name: &str, body: &str| if body.is_empty() { String::new() } else { format!("{name}:\n{body}") };
    format!(
        "extensions: {{health_check: {{endpoint: '{health}'}}}}\n{}{}{}{}service:\n  extensions: [health_check]\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{pipelines}",
        section("receivers", &receivers),
        section("processors", &processors),
        section("connectors", &connectors),
        section("exporters", &exporters),
    )
}

/// Gives components names of their own, and returns them in order.
pub(super) fn named(section: &str, suffix: &str) -> (String, Vec<String>) {
    let (mut yaml, mut ids) = (String::new(), Vec::new());
    for line in section.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_once(':').filter(|_| !line.starts_with(' ')) {
            Some((kind, rest)) => {
                let id = format!("{}{}{suffix}", kind, if kind.contains('/') { "_" } else { "/" });
                yaml += &format!("  {id}:{rest}\n");
                ids.push(id);
            }
            None => yaml += &format!("  {line}\n"),
        }
    }
    (yaml, ids)
}

fn start(pairs: &[Pair], is_ours: bool) -> Result<Side> {
    let addresses: Vec<String> = pairs.iter().map(|_| address()).collect();
    let health = address();
    let yaml = config(pairs, &addresses, &health);
    Ok(Side { collector: Collector::start(is_ours, &yaml, &health)?, addresses })
}

/// The answer to a request that is taken.
pub(super) const TAKEN: u16 = 200;

/// Sends a request and returns the status of the answer.
pub(super) fn send(address: &str, signal: &str, request: &impl Message) -> Result<u16> {
    let url = format!("http://{address}/v1/{signal}");
    Ok(post(&url, "application/x-protobuf", &[], &request.encode_to_vec())?.status)
}

pub(super) fn send_all(address: &str, pair: &Pair, telemetry: &Telemetry) -> Result<Vec<u16>> {
    let mut answers = Vec::new();
    let is_sent = |signal: &str| pair.signals.contains(&signal);
    for request in telemetry.traces.iter().filter(|_| is_sent("traces")) {
        answers.push(send(address, "traces", request)?);
    }
    for request in telemetry.metrics.iter().filter(|_| is_sent("metrics")) {
        answers.push(send(address, "metrics", request)?);
    }
    for request in telemetry.logs.iter().filter(|_| is_sent("logs")) {
        answers.push(send(address, "logs", request)?);
    }
    Ok(answers)
}

/// Reads what a side has written for a pair so far.
pub(super) fn read(dir: &Path, index: usize) -> Result<Vec<Value>> {
    let file = |signal: &str| dir.join(format!("p{index}.{signal}"));
    let mut requests = read_file::<ExportTraceServiceRequest>(&file("traces"))?;
    requests.extend(read_file::<ExportMetricsServiceRequest>(&file("metrics"))?);
    requests.extend(read_file::<ExportLogsServiceRequest>(&file("logs"))?);
    Ok(requests)
}

/// Reads messages with their lengths before them; the last may still be on its way.
fn read_file<M: Message + Default + Serialize>(path: &PathBuf) -> Result<Vec<Value>> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let (mut requests, mut rest) = (Vec::new(), &bytes[..]);
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*head))?;
        let Some(message) = after.get(..length) else { break };
        let request = M::decode(message).with_context(|| format!("reading {}", path.display()))?;
        requests.push(canonical(serde_json::to_value(&request)?));
        rest = &after[length..];
    }
    Ok(requests)
}

/// Runs pairs in one process of each collector and returns what both let out.
pub(super) fn outputs(pairs: &[Pair]) -> Result<Vec<[Output; 2]>> {
    let mut sides = [start(pairs, true)?, start(pairs, false)?];
    let mut outputs: Vec<[Output; 2]> = pairs.iter().map(|_| Default::default()).collect();
    for (index, pair) in pairs.iter().enumerate() {
        let telemetry = (pair.telemetry)();
        for (side, output) in sides.iter().zip(&mut outputs[index]) {
            output.answers = send_all(&side.addresses[index], pair, &telemetry).context(pair.name)?;
        }
    }
    for (index, pair) in pairs.iter().enumerate().filter(|(_, pair)| pair.waits_for > 0) {
        for side in &sides {
            eventually(pair.name, SOON, || {
                let n = count(&read(side.collector.dir(), index)?);
                ensure!(n >= pair.waits_for, "{n} items of {} have come", pair.waits_for);
                Ok(())
            })?;
        }
    }
    for (at, side) in sides.iter_mut().enumerate() {
        side.collector.stop()?;
        for (index, output) in outputs.iter_mut().enumerate() {
            output[at].requests = read(side.collector.dir(), index)?;
        }
    }
    Ok(outputs)
}

/// Compares what came out of a pair and returns what is wrong with it.
fn judge(pair: &Pair, [ours, theirs]: &[Output; 2]) -> Result<(), String> {
    let told = |ours: &Output, theirs: &Output| {
        let mut told = differences(&lines(&ours.requests, pair.order), &lines(&theirs.requests, pair.order));
        if ours.answers != theirs.answers {
            told.push(format!("answers: ours {:?}, theirs {:?}", ours.answers, theirs.answers));
        }
        told
    };
    let as_they_came = told(ours, theirs);
    let fail = |what: &str, lines: &[String]| {
        Err(format!(
            "{} ({}): {what}\n{}\n\n{}",
            pair.name,
            pair.processors,
            lines.join("\n"),
            pair.connectors
        ))
    };
    if theirs.requests.is_empty()
        && theirs.answers.iter().all(|answer| *answer == TAKEN)
        && !pair.lets_nothing_out
    {
        return fail("nothing came out, so nothing was compared", &[]);
    }
    match &pair.meant {
        None if as_they_came.is_empty() => Ok(()),
        None => fail("what comes out differs", &as_they_came),
        Some(_) if as_they_came.is_empty() => fail("the difference that is meant is gone", &[]),
        Some(meant) => {
            let (mut ours, mut theirs) = (ours.clone(), theirs.clone());
            (meant.undo)(&mut ours, &mut theirs);
            let left = told(&ours, &theirs);
            if left.is_empty() { Ok(()) } else { fail("more differs than is meant", &left) }
        }
    }
}

/// What is answered where a statement fails and its failure is to end the request.
pub(super) const FINAL: Meant = Meant {
    why: "the answer is 500, which is final, as the statement would fail again; there 503, so that it is sent again and again",
    undo: |ours, theirs| {
        let is = |output: &Output, status| output.answers.iter().all(|answer| *answer == status);
        if is(ours, 500) && is(theirs, 503) {
            ours.answers.clone_from(&theirs.answers);
        }
    },
};

/// Takes a text out of what came out wherever it stands.
pub(super) fn remove_text(output: &mut Output, text: &str) {
    let all = serde_json::to_string(&output.requests).expect("what was JSON is JSON");
    output.requests = serde_json::from_str(&all.replace(text, "")).expect("an entry with its comma is gone");
}

/// Renames an attribute wherever it stands in what came out.
pub(super) fn rename_attributes(output: &mut Output, from: &str, to: &str) {
    let text = serde_json::to_string(&output.requests).expect("what was JSON is JSON");
    let renamed = text.replace(&format!("{{\"key\":{from:?},"), &format!("{{\"key\":{to:?},"));
    let requests: Vec<Value> = serde_json::from_str(&renamed).expect("only a key changed");
    output.requests = requests.into_iter().map(canonical).collect();
}

/// How many pairs stand in one configuration: a collector takes seconds to read hundreds of statements.
const AT_ONCE: usize = 8;

/// Runs pairs and fails with all that differ.
pub(super) fn check(pairs: &[Pair]) {
    let mut wrong = Vec::new();
    for some in pairs.chunks(AT_ONCE) {
        let outputs = unless_ended_early(|| outputs(some)).unwrap();
        wrong.extend(some.iter().zip(&outputs).filter_map(|(pair, output)| judge(pair, output).err()));
    }
    assert!(wrong.is_empty(), "{} of {} pairs:\n\n{}", wrong.len(), pairs.len(), wrong.join("\n\n"));
}
