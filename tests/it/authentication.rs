//! Two programs, of which one lets in only whom it knows, by each of the ways that operators have.

use std::{fs, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use model::Signal;
use testbed::{Trueline, Watch, eventually, free_port, get, post};

use crate::rig::Client;

const SOON: Duration = Duration::from_secs(60);

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

fn watched(config: &str, health: SocketAddr, metrics: SocketAddr) -> Result<Trueline> {
    let port = metrics.port();
    let telemetry = format!(
        "{{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}}}}}}}}}]}}}}"
    );
    let yaml = config.replace("TELEMETRY", &telemetry).replace("HEALTH", &health.to_string());
    Trueline::start(&yaml, Watch { health, metrics: Some(metrics) })
}

/// How many spans came in over a protocol.
fn accepted(program: &Trueline, transport: &str) -> Result<f64> {
    let sum = program.metrics()?.sum("otelcol_receiver_accepted_spans", &[("transport", transport)]);
    Ok(sum.unwrap_or_default())
}

#[test]
fn what_one_shows_the_other_lets_in_and_tokens_rotate_while_both_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let known = file("known", "old-token\n")?;
    let shown = file("shown", "old-token\n")?;
    let password = file("password", "secret\n")?;
    let [grpc, http, page, data] = std::array::from_fn(|_| address());
    let server = watched(
        &format!(
            "
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '{grpc}', auth: {{authenticator: basicauth/server}}}}
      http: {{endpoint: '{http}', auth: {{authenticator: bearertokenauth}}}}
exporters:
  nop:
  prometheus: {{endpoint: '{page}', auth: {{authenticator: basicauth/server}}}}
extensions:
  health_check: {{endpoint: 'HEALTH'}}
  basicauth/server: {{htpasswd: {{inline: 'agent:$$2y$$04$$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW'}}}}
  bearertokenauth: {{filename: {known}}}
service:
  extensions: [health_check, basicauth/server, bearertokenauth]
  telemetry: TELEMETRY
  pipelines:
    traces: {{receivers: [otlp], exporters: [nop]}}
    metrics: {{receivers: [otlp], exporters: [prometheus]}}
"
        ),
        address(),
        address(),
    )?;
    let client = watched(
        &format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{data}'}}}}}}}}
exporters:
  otlp_grpc: {{endpoint: '{grpc}', tls: {{insecure: true}}, auth: {{authenticator: basicauth/client}}}}
  otlp_http: {{endpoint: 'http://{http}', auth: {{authenticator: bearertokenauth}}}}
  otlp_http/stranger: {{endpoint: 'http://{http}', auth: {{authenticator: headers_setter}}}}
extensions:
  health_check: {{endpoint: 'HEALTH'}}
  basicauth/client: {{client_auth: {{username: agent, password_file: {password}}}}}
  bearertokenauth: {{filename: {shown}}}
  headers_setter: {{headers: [{{key: Authorization, value: Bearer guessed}}]}}
service:
  extensions: [health_check, basicauth/client, bearertokenauth, headers_setter]
  telemetry: TELEMETRY
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_grpc, otlp_http, otlp_http/stranger]}}
"
        ),
        address(),
        address(),
    )?;
    let mut sender = Client::connect(data)?;
    sender.insist(Signal::Traces, &wire::testing::trace_request(1, 25))?;
    eventually("both ways are let in", SOON, || {
        let (over_grpc, over_http) = (accepted(&server, "grpc")?, accepted(&server, "http")?);
        ensure!((over_grpc, over_http) == (25.0, 25.0), "{over_grpc} and {over_http}\n{}", client.log());
        Ok(())
    })?;
    eventually("the stranger is turned away", SOON, || {
        let metrics = server.metrics()?;
        let reason = [("reason", "unauthenticated"), ("transport", "http")];
        let refused = metrics.sum("otelcol_receiver_turned_away_requests", &reason).unwrap_or_default();
        let failed = [("exporter", "otlp_http/stranger")];
        let lost = client.metrics()?.sum("otelcol_exporter_send_failed_spans", &failed).unwrap_or_default();
        ensure!((refused, lost) == (1.0, 25.0), "{refused} requests, {lost} spans");
        Ok(())
    })?;

    file("known", "next-token\nold-token\n")?;
    file("shown", "next-token\n")?;
    let mut seed = 2;
    eventually("the next token is shown and let in", SOON, || {
        let before = accepted(&server, "http")?;
        sender.insist(Signal::Traces, &wire::testing::trace_request(seed, 25))?;
        seed += 1;
        file("known", "next-token\n")?;
        std::thread::sleep(Duration::from_millis(300));
        let log = client.log();
        ensure!(log.contains("a credential was exchanged"), "the client reads the old one");
        ensure!(server.log().contains("a credential was exchanged"), "the server reads the old one");
        ensure!(accepted(&server, "http")? > before, "it is refused");
        Ok(())
    })?;

    let scraped = get(&format!("http://{page}/metrics"))?;
    ensure!(scraped.status == 401, "the page shows itself to everybody: {}", scraped.status);
    let own = server.metrics()?;
    let refused = own.sum("trueline_unauthenticated_requests", &[]).context("a counter of the page")?;
    ensure!(refused == 1.0, "{refused}");
    let body = r#"{"resourceSpans":[]}"#.as_bytes();
    let url = format!("http://{http}/v1/traces");
    let by = |token: &str| post(&url, "application/json", &[("authorization", token)], body);
    ensure!(by("Bearer next-token")?.status == 200 && by("Bearer old-token")?.status == 401);
    for secret in ["next-token", "old-token", "guessed"] {
        for log in [server.log(), client.log()] {
            ensure!(!log.contains(secret), "{secret} stands in the log:\n{log}");
        }
    }
    Ok(())
}
