//! Verdicts between two processes: what the one finds marks the telemetry of the other.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use component::{
    BuildCx, Cx, NoConfig, Processor, ProcessorDef, ProcessorEntry, Registry, testing::ManualClock,
};
use model::{Batch, Partial, Payload, Signal, SignalSet, Timestamp};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    resource::v1::Resource,
};
use prost::Message;

use crate::{
    rig::{Client, Folder, Rig, lines},
    two_processes::Wire,
};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const MARK: &str = "busiest";
const PATIENCE: Duration = Duration::from_secs(120);

/// Finds the most requests that a shard has had in one second, and writes it into each that follows.
struct Busiest;

#[derive(Default)]
struct Ingest {
    requests: u32,
    verdict: Option<String>,
}

#[derive(Default)]
struct Analysis {
    most: u32,
}

impl ProcessorDef for Busiest {
    const KIND: &'static str = "busiest";
    type Config = NoConfig;
    fn consumes(_: &NoConfig) -> SignalSet {
        SignalSet::LOGS
    }
    fn emits(_: &NoConfig) -> SignalSet {
        SignalSet::LOGS
    }
    fn ingest(_: &NoConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(Ingest::default())
    }
    fn analysis(_: &NoConfig, _: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(Analysis::default()))
    }
}

impl Processor for Ingest {
    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        match &mut batch.payload {
            Payload::Verdicts(verdict) => self.verdict = String::from_utf8(verdict.to_vec()).ok(),
            Payload::Logs(request) => {
                self.requests += 1;
                if let Some(verdict) = &self.verdict {
                    *request = marked(request, verdict);
                }
                cx.pass(batch);
            }
            _ => {}
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let requests = std::mem::take(&mut self.requests);
        if requests > 0 {
            let bytes = Bytes::copy_from_slice(&requests.to_be_bytes());
            cx.emit(Payload::Partial(Partial { bytes, at: cx.now() }), 0);
        }
    }
}

impl Processor for Analysis {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        let Payload::Partial(Partial { bytes, .. }) = batch.payload else { return };
        let requests = bytes.as_ref().try_into().map_or(0, u32::from_be_bytes);
        if requests > self.most {
            self.most = requests;
            cx.emit(Payload::Verdicts(Bytes::from(requests.to_string())), 0);
        }
    }
}

fn marked(request: &Bytes, verdict: &str) -> Bytes {
    let mut request = ExportLogsServiceRequest::decode(request.clone()).expect("the engine has checked it");
    let value = Some(AnyValue { value: Some(Value::StringValue(verdict.to_owned())) });
    for resource in request.resource_logs.iter_mut().filter_map(|logs| logs.resource.as_mut()) {
        resource.attributes.push(KeyValue {
            key: MARK.to_owned(),
            value: value.clone(),
            ..KeyValue::default()
        });
    }
    request.encode_to_vec().into()
}

fn request() -> Vec<u8> {
    let scope_logs = vec![ScopeLogs { log_records: vec![LogRecord::default()], ..ScopeLogs::default() }];
    let logs = ResourceLogs { resource: Some(Resource::default()), scope_logs, ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec()
}

fn start(clock: &ManualClock, hop: &str, out: &Path) -> Result<Rig> {
    let yaml = format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  busiest:
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  trueline: {{shards: 2, instance_id: test, hop: {{{hop}}}}}
  pipelines:
    logs: {{receivers: [otlp], processors: [busiest], exporters: [file]}}
"
    );
    let mut registry: Registry = crate::rig::registry();
    registry.processors.push(ProcessorEntry::of::<Busiest>());
    Rig::start_with(&yaml, clock, &registry)
}

/// An analysis process and what is sent to the one that ingests, second by second.
struct Scene {
    clock: ManualClock,
    analysis: Rig,
    seconds: u64,
}

impl Scene {
    /// Sends so many requests over one connection and ends the second.
    fn send(&mut self, client: &mut Client, requests: u32) -> Result<()> {
        for _ in 0..requests {
            ensure!(client.send(Signal::Logs, &request())? == 200);
        }
        self.seconds += 1;
        self.analysis.advance_to(START + Duration::from_secs(self.seconds))
    }

    /// Sends one request a second until one is marked, and returns with what.
    fn await_mark(&mut self, client: &mut Client, out: &Path, after: Option<&str>) -> Result<String> {
        let since = Instant::now();
        loop {
            self.send(client, 1)?;
            if let Some(mark) = last_mark(out)?.filter(|mark| Some(mark.as_str()) != after) {
                return Ok(mark);
            }
            ensure!(since.elapsed() < PATIENCE, "no mark after {} seconds", self.seconds);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn ingest(&self, wire: &Wire, out: &Path) -> Result<Rig> {
        start(&self.clock, &format!("role: ingest, endpoint: '{}'", wire.address), out)
    }
}

/// The mark of the last request that was exported.
fn last_mark(out: &Path) -> Result<Option<String>> {
    if !out.exists() {
        return Ok(None);
    }
    let lines = lines(out)?;
    let Some(last) = lines.last() else { return Ok(None) };
    let attributes = last["resourceLogs"][0]["resource"]["attributes"].as_array();
    let mark = attributes.and_then(|all| all.iter().find(|attribute| attribute["key"] == MARK));
    mark.map(|mark| Ok(mark["value"]["stringValue"].as_str().context("a text")?.to_owned())).transpose()
}

#[test]
fn verdicts_of_one_process_mark_telemetry_of_another_also_after_a_lost_connection_and_a_restart() -> Result<()>
{
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let analysis = start(&clock, "role: analysis, endpoint: '127.0.0.1:0'", &folder.file("unused.json"))?;
    let wire = Wire::to(analysis.hop_address()?)?;
    let mut scene = Scene { clock, analysis, seconds: 0 };
    let out = folder.file("out.json");
    let ingest = scene.ingest(&wire, &out)?;
    let mut client = ingest.connect()?;
    scene.send(&mut client, 3)?;
    // Only what has told is waited for: the next request must not come within the same second.
    ingest.advance_to(START + Duration::from_secs(scene.seconds))?;
    assert_eq!(scene.await_mark(&mut client, &out, None)?, "3");

    // Published while nothing arrives, and never again: it comes over the next connection.
    wire.swallow_answers();
    scene.send(&mut client, 5)?;
    scene.send(&mut client, 1)?;
    wire.cut();
    assert_eq!(scene.await_mark(&mut client, &out, Some("3"))?, "5");
    drop(client);
    ingest.stop();

    // A process that has just started knows what was found before, and nothing older.
    let out = folder.file("again.json");
    let ingest = scene.ingest(&wire, &out)?;
    let mut client = ingest.connect()?;
    assert_eq!(scene.await_mark(&mut client, &out, None)?, "5");
    assert_eq!(ingest.metric("trueline_hop_dropped_verdicts"), 0);
    drop(client);
    ingest.stop();
    scene.analysis.stop();
    Ok(())
}
