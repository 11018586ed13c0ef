//! TLS with peers that others wrote: mutual TLS from telemetrygen and to the Go collector, scrapes and remote write with
//! Prometheus over TLS with a name and a password.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use testbed::{
    GoCollector, Launch, Process, Prometheus, Trueline, Version, Watch, eventually, free_port, get, part,
    telemetrygen,
};

use super::SOON;
use crate::certificates::write_certificates;

/// `secret`, as `htpasswd -B` keeps it; the dollars stand double in a configuration of ours.
const KEPT: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

fn address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Starts trueline with a health check and its own metrics beside what a test writes.
fn start(components: &str, extensions: &str, pipelines: &str) -> Result<Trueline> {
    let (health, port) = (address(), free_port());
    let names = extensions.lines().filter_map(|line| line.trim().split(':').next());
    let names: String = names.map(|name| format!(", {name}")).collect();
    let yaml = format!(
        "
{components}
extensions:
  health_check: {{endpoint: '{health}'}}
  {extensions}
service:
  extensions: [health_check{names}]
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}}}}}}}}}]}}}}
  pipelines: {{{pipelines}}}
"
    );
    let watch = Watch { health: health.parse()?, metrics: Some(format!("127.0.0.1:{port}").parse()?) };
    Trueline::start(&yaml, watch).with_context(|| format!("with\n{yaml}"))
}

/// The keys of a server that asks for certificates, and of a client that shows one.
fn both_sides(folder: &Path) -> (String, String) {
    let folder = folder.display();
    let own = |name: &str| format!("cert_file: {folder}/{name}.pem, key_file: {folder}/{name}-key.pem");
    (
        format!("{{{}, client_ca_file: {folder}/ca.pem}}", own("server")),
        format!("{{{}, ca_file: {folder}/ca.pem}}", own("client")),
    )
}

#[test]
fn mutual_tls_from_telemetrygen_through_us_to_the_go_collector() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_certificates(folder.path())?;
    let (server, client) = both_sides(folder.path());
    let [go_grpc, go_http, grpc, http] = std::array::from_fn(|_| address());
    let mut go = GoCollector::start(&format!(
        "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '{go_grpc}', tls: {server}}}, http: {{endpoint: '{go_http}', tls: {server}}}}}}}
exporters: {{debug: }}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}
"
    ))?;
    let program = start(
        &format!(
            "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '{grpc}', tls: {server}}}, http: {{endpoint: '{http}', tls: {server}}}}}}}
exporters:
  otlp_grpc: {{endpoint: '{go_grpc}', tls: {client}}}
  otlp_http: {{endpoint: 'https://{go_http}', tls: {client}}}
"
        ),
        "",
        "traces: {receivers: [otlp], exporters: [otlp_grpc, otlp_http]}",
    )?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let shown = ["--mtls", "--ca-cert", &file("ca.pem")].map(str::to_owned);
    let own =
        ["--client-cert", &file("client.pem"), "--client-key", &file("client-key.pem")].map(str::to_owned);
    let send = |endpoint: &str, more: &[&str]| {
        let what =
            ["traces", "--traces", "10", "--child-spans", "1", "--rate", "0", "--otlp-endpoint", endpoint];
        let what = what.iter().chain(more).map(|argument| (*argument).to_owned());
        telemetrygen(what.chain(shown.clone()).chain(own.clone()))
    };
    send(&grpc, &[])?;
    send(&http, &["--otlp-http"])?;
    // 2 × 10 traces of two spans, over each of two ways.
    eventually("the Go collector has all", SOON, || {
        let spans = go.debug_counts()?.spans;
        ensure!(spans == 80, "{spans} of 80\n{}", program.log());
        Ok(())
    })?;
    // Who shows no certificate is turned away by both.
    let nobody = ["traces", "--traces", "1", "--otlp-endpoint", &grpc, "--ca-cert", &file("ca.pem")];
    let _failed = telemetrygen(nobody.map(str::to_owned));
    eventually("a stranger is turned away", SOON, || {
        let refused = program.metrics()?.sum("otelcol_receiver_turned_away_requests", &[("reason", "tls")]);
        ensure!(refused.unwrap_or_default() > 0.0, "nobody was");
        Ok(())
    })?;
    ensure!(go.stop(SOON)?.success());
    Ok(())
}

/// A Prometheus that takes remote write over TLS from who knows the password.
fn secured_prometheus(certificates: &Path) -> Result<(Process, String)> {
    let mut launch = Launch::new("prometheus", part("prometheus", "prometheus")?)?;
    let folder = certificates.display();
    let web = launch.write(
        "web.yml",
        &format!(
            "tls_server_config: {{cert_file: {folder}/server.pem, key_file: {folder}/server-key.pem}}\nbasic_auth_users: {{agent: '{KEPT}'}}\n"
        ),
    )?;
    let config: PathBuf = launch.write("prometheus.yml", "")?;
    let address = address();
    launch = launch.args([
        format!("--web.listen-address={address}"),
        format!("--web.config.file={}", web.display()),
        format!("--config.file={}", config.display()),
        "--web.enable-remote-write-receiver".to_owned(),
        "--storage.tsdb.path=data".to_owned(),
    ]);
    let process =
        launch.start_until(|process| process.log().contains("Server is ready to receive web requests"))?;
    Ok((process, format!("https://{address}")))
}

#[test]
fn prometheus_scrapes_us_and_is_written_to_over_tls_with_a_password() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_certificates(folder.path())?;
    let here = folder.path().display();
    let (written_to, url) = secured_prometheus(folder.path())?;
    let (http, page) = (address(), address());
    let kept = KEPT.replace('$', "$$");
    let program = start(
        &format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}}}}}}}
exporters:
  prometheus:
    endpoint: '{page}'
    tls: {{cert_file: {here}/server.pem, key_file: {here}/server-key.pem}}
    auth: {{authenticator: basicauth/server}}
  prometheusremotewrite:
    endpoint: {url}/api/v1/write
    tls: {{ca_file: {here}/ca.pem}}
    auth: {{authenticator: basicauth/client}}
"
        ),
        &format!(
            "basicauth/server: {{htpasswd: {{inline: 'agent:{kept}'}}}}\n  basicauth/client: {{client_auth: {{username: agent, password: secret}}}}"
        ),
        "metrics: {receivers: [otlp], exporters: [prometheus, prometheusremotewrite]}",
    )?;
    let endpoint = http.as_str();
    telemetrygen([
        "metrics",
        "--metrics",
        "5",
        "--rate",
        "0",
        "--otlp-http",
        "--otlp-insecure",
        "--otlp-endpoint",
        endpoint,
        "--otlp-metric-name",
        "generated",
    ])?;
    let scraping = Prometheus::start_with(
        Version::Three,
        &format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n  - job_name: trueline\n    scheme: https\n    tls_config: {{ca_file: {here}/ca.pem}}\n    basic_auth: {{username: agent, password: secret}}\n    static_configs: [{{targets: ['{page}']}}]\n"
        ),
    )?;
    eventually("a scrape over TLS", SOON, || {
        let up = scraping.value(r#"up{job="trueline"}"#)?;
        let series = scraping.query(r#"{__name__=~"generated.*"}"#)?.len();
        ensure!(up == 1.0 && series > 0, "up is {up}, {series} series");
        Ok(())
    })?;
    eventually("points are written over TLS", SOON, || {
        let own = program.metrics()?;
        let of = |name: &str| own.sum(name, &[("exporter", "prometheusremotewrite")]).unwrap_or_default();
        let (sent, failed) =
            (of("otelcol_exporter_sent_metric_points"), of("otelcol_exporter_send_failed_metric_points"));
        ensure!(sent >= 5.0 && failed == 0.0, "{sent} sent, {failed} failed\n{}", program.log());
        Ok(())
    })?;
    // The same path without the password is closed on both sides.
    ensure!(get(&format!("http://{page}/metrics")).is_err(), "the page is served in the clear");
    drop(written_to);
    Ok(())
}
