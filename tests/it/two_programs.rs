//! The binary twice: one ingests, one analyses, a socket between. What was sent to the first is counted
//! exactly at the second's exporter, whatever becomes of the second meanwhile.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use model::Signal;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, resource::v1::Resource,
};
use prost::Message;
use testbed::{Exposition, Trueline, Watch, eventually, free_port, get};

use crate::{
    certificates::write_certificates,
    rig::{Client, Folder},
};

const SOON: Duration = Duration::from_secs(120);
const CALLS: &str = "traces_span_metrics_calls_total";

/// Where one of the two listens.
struct Place {
    data: SocketAddr,
    page: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let [data, page, health, metrics] =
            std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
        Self { data, page, health, metrics }
    }

    /// Starts the same configuration in one of the roles.
    fn start(&self, role: &str, hop: SocketAddr, state: &Path) -> Result<Trueline> {
        self.start_with(role, hop, state, "")
    }

    /// `more` is added to the section of the hop.
    fn start_with(&self, role: &str, hop: SocketAddr, state: &Path, more: &str) -> Result<Trueline> {
        let watch = Watch { health: self.health, metrics: Some(self.metrics) };
        let yaml = self.yaml(role, hop, state, more);
        Trueline::start(&yaml, watch).with_context(|| format!("the one that runs {role}"))
    }

    fn yaml(&self, role: &str, hop: SocketAddr, state: &Path, more: &str) -> String {
        let Self { data, page, health, metrics } = self;
        format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{data}'}}}}}}}}
connectors: {{span_metrics: {{metrics_flush_interval: 1s}}}}
exporters: {{prometheus: {{endpoint: '{page}'}}}}
extensions:
  health_check: {{endpoint: '{health}'}}
  file_storage: {{directory: {state:?}}}
service:
  extensions: [health_check, file_storage]
  trueline: {{shards: 2, hop: {{role: {role}, endpoint: '{hop}'{more}}}}}
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics]}}
    metrics: {{receivers: [span_metrics], exporters: [prometheus]}}
",
            port = metrics.port(),
        )
    }

    /// Has it read a configuration in which the connector's settings are others.
    fn reload(&self, program: &mut Trueline, role: &str, hop: SocketAddr, state: &Path) -> Result<()> {
        let yaml = self
            .yaml(role, hop, state, "")
            .replace("metrics_flush_interval: 1s", "metrics_flush_interval: 2s");
        program.write_config(&yaml)?;
        program.hang_up()?;
        eventually("the configuration is in force", SOON, || {
            let applied = program.metrics()?.sum("otelcol_config_reloads", &[("result", "applied")]);
            ensure!(applied == Some(1.0), "{applied:?}:\n{}", program.log());
            Ok(())
        })
    }
}

/// Spans by service and name.
type Counts = BTreeMap<(String, String), u64>;

/// Sends eight more requests of 25 spans over two connections and adds what they hold.
fn send(ingest: &Place, seeds: std::ops::Range<u64>, sent: &mut Counts) -> Result<()> {
    let mut clients = [Client::connect(ingest.data)?, Client::connect(ingest.data)?];
    for seed in seeds {
        let request = wire::testing::trace_request(seed, 25);
        clients[(seed % 2) as usize].insist(Signal::Traces, &request)?;
        for resource in ExportTraceServiceRequest::decode(&request[..])?.resource_spans {
            let service = service_name(&resource.resource.unwrap_or_default())?;
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                *sent.entry((service.clone(), span.name)).or_default() += 1;
            }
        }
    }
    Ok(())
}

fn service_name(resource: &Resource) -> Result<String> {
    let found = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(name)) => Ok(name.clone()),
        other => anyhow::bail!("service.name is {other:?}"),
    }
}

/// What an exporter's page counts.
fn counted(page: SocketAddr) -> Result<Counts> {
    let page = Exposition::parse(&get(&format!("http://{page}/metrics"))?.success()?)?;
    let mut counts = Counts::new();
    for line in page.find(CALLS, &[]) {
        let label =
            |key: &str| line.labels.get(key).cloned().with_context(|| format!("no {key} in {line:?}"));
        *counts.entry((label("service_name")?, label("span_name")?)).or_default() += line.value as u64;
    }
    Ok(counts)
}

fn wait_until_counted(analysis: &Place, what: &str, sent: &Counts) -> Result<()> {
    eventually(what, SOON, || {
        let counted = counted(analysis.page)?;
        let (n_counted, n_sent) = (counted.values().sum::<u64>(), sent.values().sum::<u64>());
        ensure!(counted == *sent, "{n_counted} of {n_sent} spans are counted: {counted:?}, not {sent:?}");
        Ok(())
    })
}

#[test]
fn two_programs_count_exactly_also_when_the_one_that_analyses_ends_and_comes_back() -> Result<()> {
    let folder = Folder::new()?;
    let (ingest_state, state) = (folder.file("ingest"), folder.file("analysis"));
    let hop = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (ingest_place, analysis_place) = (Place::new(), Place::new());
    let start_analysis = || analysis_place.start("analysis", hop, &state);
    let mut analysis = start_analysis()?;
    let mut ingest = ingest_place.start("ingest", hop, &ingest_state)?;
    let mut sent = Counts::new();
    send(&ingest_place, 0..8, &mut sent)?;
    wait_until_counted(&analysis_place, "all is counted", &sent)?;
    ensure!(ingest.id() != analysis.id(), "one process");

    ensure!(analysis.stop(SOON)?.success(), "it did not end well:\n{}", analysis.log());
    send(&ingest_place, 8..16, &mut sent)?;
    analysis = start_analysis()?;
    send(&ingest_place, 16..24, &mut sent)?;
    wait_until_counted(&analysis_place, "all is counted after a restart", &sent)?;

    send(&ingest_place, 24..32, &mut sent)?;
    analysis.kill()?;
    send(&ingest_place, 32..40, &mut sent)?;
    analysis = start_analysis()?;
    wait_until_counted(&analysis_place, "all is counted after a crash", &sent)?;

    let dropped =
        ingest.metrics()?.sum("trueline_hop_dropped_messages", &[]).context("a counter of the hop")?;
    ensure!(dropped == 0.0, "{dropped} messages were dropped");
    send(&ingest_place, 40..48, &mut sent)?;
    // The end of the one that ingests tells what it has, and waits until that is taken.
    ensure!(ingest.stop(SOON)?.success(), "it did not end well:\n{}", ingest.log());
    // Another in its place moves the time on, in which what the end told is counted.
    ingest = ingest_place.start("ingest", hop, &ingest_state)?;
    send(&ingest_place, 48..56, &mut sent)?;
    wait_until_counted(&analysis_place, "what the end told is counted", &sent)?;
    ensure!(ingest.stop(SOON)?.success(), "it did not end well:\n{}", ingest.log());
    ensure!(analysis.stop(SOON)?.success(), "it did not end well:\n{}", analysis.log());
    Ok(())
}

#[test]
fn partials_cross_the_hop_over_mutual_tls_and_a_stranger_tells_nothing() -> Result<()> {
    let (folder, certificates, strange) = (Folder::new()?, tempfile::tempdir()?, tempfile::tempdir()?);
    write_certificates(certificates.path())?;
    write_certificates(strange.path())?;
    let tls = |folder: &Path, own: &str, ca: &str| {
        let folder = folder.display();
        format!(
            ", tls: {{cert_file: {folder}/{own}.pem, key_file: {folder}/{own}-key.pem, {ca}: {folder}/ca.pem}}"
        )
    };
    let hop = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (analysis_place, ingest_place, stranger_place) = (Place::new(), Place::new(), Place::new());
    let served = tls(certificates.path(), "server", "client_ca_file");
    let analysis = analysis_place.start_with("analysis", hop, &folder.file("analysis"), &served)?;

    // Trusts the server, and shows a certificate of somebody else.
    let own = certificates.path().display();
    let foreign = tls(strange.path(), "client", "client_ca_file").replace(
        &format!("client_ca_file: {}/ca.pem", strange.path().display()),
        &format!("ca_file: {own}/ca.pem"),
    );
    let stranger = stranger_place.start_with("ingest", hop, &folder.file("stranger"), &foreign)?;
    eventually("a refusal", SOON, || {
        let failed = analysis.metrics()?.sum("trueline_hop_failed_handshakes", &[]).unwrap_or_default();
        ensure!(failed > 0.0, "nobody was turned away");
        Ok(())
    })?;

    let known = tls(certificates.path(), "client", "ca_file");
    let ingest = ingest_place.start_with("ingest", hop, &folder.file("ingest"), &known)?;
    let mut sent = Counts::new();
    send(&stranger_place, 100..108, &mut Counts::new())?;
    send(&ingest_place, 0..8, &mut sent)?;
    wait_until_counted(&analysis_place, "all is counted over TLS", &sent)?;
    drop((stranger, ingest));
    Ok(())
}

#[test]
fn two_programs_take_another_configuration_and_count_on() -> Result<()> {
    let folder = Folder::new()?;
    let (ingest_state, state) = (folder.file("ingest"), folder.file("analysis"));
    let hop = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (ingest_place, analysis_place) = (Place::new(), Place::new());
    let mut analysis = analysis_place.start("analysis", hop, &state)?;
    let mut ingest = ingest_place.start("ingest", hop, &ingest_state)?;
    let mut sent = Counts::new();
    send(&ingest_place, 0..8, &mut sent)?;
    ingest_place.reload(&mut ingest, "ingest", hop, &ingest_state)?;
    send(&ingest_place, 8..16, &mut sent)?;
    analysis_place.reload(&mut analysis, "analysis", hop, &state)?;
    send(&ingest_place, 16..24, &mut sent)?;
    wait_until_counted(&analysis_place, "all is counted after a reload of both", &sent)?;
    for program in [&mut ingest, &mut analysis] {
        ensure!(program.stop(SOON)?.success(), "it did not end well:\n{}", program.log());
    }
    Ok(())
}
