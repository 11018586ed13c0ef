//! Samples of what passes the running program, as people take them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{
    Deadline, Launch, Trueline, Watch, eventually, free_port, post, telemetrygen, trueline_binary,
};

const SOON: Duration = Duration::from_secs(60);
const READER: &str = "reads-0123456789";
const MASKED: &str = "masked-0123456789";
const FULL: &str = "full-0123456789ab";

struct Service {
    program: Trueline,
    api: String,
    otlp: SocketAddr,
    grpc: SocketAddr,
    yaml: String,
}

fn start() -> Result<Service> {
    let [health, api, http, grpc, metrics] = [(); 5].map(|()| free_port());
    let yaml = format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{http}'}}, grpc: {{endpoint: '127.0.0.1:{grpc}'}}}}}}
processors:
  attributes: {{actions: [{{key: shop.tier, value: gold, action: insert}}]}}
  batch:
  redaction: {{allow_all_keys: true, blocked_key_patterns: ['^internal[.]']}}
exporters: {{nop: }}
extensions:
  health_check: {{endpoint: '127.0.0.1:{health}'}}
  api:
    endpoint: 127.0.0.1:{api}
    tokens:
      - {{name: wall, token: {READER}}}
      - {{name: dev, token: {MASKED}, tap: masked}}
      - {{name: sre, token: {FULL}, tap: full}}
service:
  extensions: [health_check, api]
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics}}}}}}}}}]}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [attributes, batch, redaction], exporters: [nop]}}
    metrics: {{receivers: [otlp], exporters: [nop]}}
    logs: {{receivers: [otlp], exporters: [nop]}}
"
    );
    let watch = Watch {
        health: SocketAddr::from(([127, 0, 0, 1], health)),
        metrics: Some(SocketAddr::from(([127, 0, 0, 1], metrics))),
    };
    Ok(Service {
        program: Trueline::start(&yaml, watch)?,
        api: format!("--api=http://127.0.0.1:{api}"),
        otlp: SocketAddr::from(([127, 0, 0, 1], http)),
        grpc: SocketAddr::from(([127, 0, 0, 1], grpc)),
        yaml,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Service {
    /// Takes a sample while something is sent again and again.
    fn tap(&self, token: &str, args: &[&str], send: impl Fn(&Self) -> Result<()>) -> Result<Output> {
        let mut command = Command::new(trueline_binary()?);
        command.args(["tap", "--for=50s", &self.api]).args(args).env("TRUELINE_TOKEN", token);
        let mut tap = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let deadline = Deadline::after(SOON);
        while tap.try_wait()?.is_none() {
            ensure!(!deadline.has_passed(), "the tap does not end");
            send(self)?;
            deadline.pause();
        }
        Ok(tap.wait_with_output()?)
    }

    /// Takes a sample that must come, as JSON.
    fn lines(&self, token: &str, args: &[&str], send: impl Fn(&Self) -> Result<()>) -> Result<Vec<Value>> {
        let output = self.tap(token, &[args, &["--format=json"]].concat(), send)?;
        ensure!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
        text(&output.stdout).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Sends a span of each of two services.
    fn send_spans(&self) -> Result<()> {
        let of = |service: &str| {
            let attributes = [
                ("http.request.header.authorization", "Bearer hunter2-hunter2"),
                ("url.full", "https://ann:hunter2@shop/pay?api_key=hunter2&page=3"),
                ("internal.note", "hunter2"),
                ("user.id", "ann"),
            ];
            let attributes =
                attributes.map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}));
            let span = json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331",
                "name": "pay", "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000012000000",
                "attributes": attributes});
            let resource =
                json!({"attributes": [{"key": "service.name", "value": {"stringValue": service}}]});
            json!({"resource": resource, "scopeSpans": [{"spans": [span]}]})
        };
        self.send("traces", &json!({"resourceSpans": [of("cart"), of("payment")]}))
    }

    fn send(&self, signal: &str, request: &Value) -> Result<()> {
        let url = format!("http://{}/v1/{signal}", self.otlp);
        let answer = post(&url, "application/json", &[], request.to_string().as_bytes())?;
        ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
        Ok(())
    }

    /// Sends a request to the API and returns the connection, from which nothing has been read.
    fn ask(&self, token: &str, path: &str) -> Result<TcpStream> {
        let address = self.api.strip_prefix("--api=http://").context("it is http")?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SOON))?;
        let token =
            if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{token}connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        Ok(stream)
    }
}

/// The attributes of the only span of a line.
fn attributes(line: &Value) -> String {
    let span = &line["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(span.as_array().map(Vec::len), Some(1), "{line}");
    span[0]["attributes"].to_string()
}

fn service_name(line: &Value) -> &str {
    let resource = &line["resourceSpans"][0]["resource"]["attributes"][0]["value"];
    resource["stringValue"].as_str().unwrap_or_default()
}

#[test]
fn a_sample_before_and_after_a_processor_differs_by_what_it_does() -> Result<()> {
    let service = start()?;
    for (args, has_tier) in [
        (&["--limit=2"][..], false),
        (&["--limit=2", "--at=traces"], false),
        (&["--limit=2", "--at=traces/otlp"], false),
        (&["--limit=2", "--at=traces/attributes", "--before"], false),
        (&["--limit=2", "--at=traces/attributes"], true),
        (&["--limit=2", "--at=traces/batch"], true),
        (&["--limit=2", "--at=traces/nop"], true),
    ] {
        let lines = service.lines(MASKED, args, Service::send_spans)?;
        assert_eq!(lines.len(), 2, "{args:?}");
        for line in &lines {
            assert_eq!(attributes(line).contains("shop.tier"), has_tier, "{args:?}: {line}");
            assert!(attributes(line).contains("ann"), "{line}");
        }
        assert_eq!(lines.iter().map(service_name).collect::<Vec<_>>(), ["cart", "payment"]);
    }
    let log = service.program.log();
    for words in ["a tap was opened", "a tap has ended", "dev", "traces/attributes"] {
        ensure!(log.contains(words), "{words} is not in the log: {log}");
    }
    Ok(())
}

#[test]
fn secrets_are_hidden_unless_one_who_may_asks_for_them() -> Result<()> {
    let service = start()?;
    let args = ["--at=traces/otlp", "--limit=2"];
    for line in service.lines(MASKED, &args, Service::send_spans)? {
        let shown = line.to_string();
        ensure!(!shown.contains("hunter2"), "a secret is shown: {shown}");
        ensure!(shown.contains("https://****@shop/pay?api_key=****&page=3"), "{shown}");
        ensure!(shown.contains("0af7651916cd43dd8448eb211c80319c"), "{shown}");
    }
    for line in service.lines(FULL, &args, Service::send_spans)? {
        ensure!(!line.to_string().contains("hunter2"), "nobody asked for it: {line}");
    }
    let args = [&args[..], &["--show-secrets"]].concat();
    for line in service.lines(FULL, &args, Service::send_spans)? {
        ensure!(line.to_string().matches("hunter2").count() == 5, "{line}");
    }
    let refused = service.tap(MASKED, &args, |_| Ok(()))?;
    let said = text(&refused.stderr);
    ensure!(refused.status.code() == Some(1) && said.contains("tap: full"), "{}: {said}", refused.status);
    Ok(())
}

#[test]
fn a_condition_chooses_and_people_read_lines() -> Result<()> {
    let service = start()?;
    let condition = "--where=service.name == \"payment\" and user.id == \"ann\"";
    let lines = service.lines(MASKED, &[condition, "--limit=3"], Service::send_spans)?;
    assert_eq!(lines.iter().map(service_name).collect::<Vec<_>>(), ["payment"; 3]);
    let output = service.tap(MASKED, &[condition, "--limit=1"], Service::send_spans)?;
    let (line, said) = (text(&output.stdout), text(&output.stderr));
    ensure!(line.lines().count() == 1, "{line}");
    for words in ["22:13:20.012 payment span pay", "12ms", "user.id=ann", "authorization=****"] {
        ensure!(line.contains(words), "{words}: {line}");
    }
    ensure!(said.contains("1 shown") && said.contains("values hidden"), "{said}");
    let wrong = service.tap(MASKED, &["--where=service.name = 1"], |_| Ok(()))?;
    let said = text(&wrong.stderr);
    ensure!(wrong.status.code() == Some(1) && said.contains("where: at character"), "{said}");
    Ok(())
}

#[test]
fn what_telemetrygen_sends_is_seen_of_every_signal() -> Result<()> {
    let service = start()?;
    let endpoint = service.grpc.to_string();
    for (signal, amount, words) in [
        ("traces", "--traces=1", "telemetrygen span"),
        ("metrics", "--metrics=1", "telemetrygen "),
        ("logs", "--logs=1", "telemetrygen log"),
    ] {
        let send = |_: &Service| {
            telemetrygen([signal, "--otlp-endpoint", &endpoint, "--otlp-insecure", amount]).map(drop)
        };
        let only = format!("--signal={signal}");
        let output = service.tap(MASKED, &[&only, "--limit=1"], send)?;
        let line = text(&output.stdout);
        ensure!(output.status.success() && line.contains(words), "{signal}: {line}{}", text(&output.stderr));
    }
    Ok(())
}

#[test]
fn who_may_not_see_telemetry_is_refused() -> Result<()> {
    let service = start()?;
    for (token, path, expected) in [
        ("", "/api/v1/tap", "HTTP/1.1 401"),
        ("wrong-0123456789", "/api/v1/tap", "HTTP/1.1 401"),
        (READER, "/api/v1/tap", "HTTP/1.1 403"),
        (MASKED, "/api/v1/tap?secrets=show", "HTTP/1.1 403"),
        (MASKED, "/api/v1/tap?limit=x", "HTTP/1.1 400"),
        (MASKED, "/api/v1/tap?at=traces/atributes", "HTTP/1.1 404"),
        (READER, "/api/v1/tap/edges", "HTTP/1.1 200"),
    ] {
        let mut answer = String::new();
        service.ask(token, path)?.read_to_string(&mut answer)?;
        ensure!(answer.starts_with(expected), "{path}: {answer}");
    }
    let unknown = service.tap(MASKED, &["--at=traces/atributes"], |_| Ok(()))?;
    let said = text(&unknown.stderr);
    ensure!(unknown.status.code() == Some(1), "{said}");
    for words in ["did you mean \"traces/attributes\"", "traces/redaction", "metrics/nop"] {
        ensure!(said.contains(words), "{words}: {said}");
    }
    let listed = service.tap(READER, &["--list"], |_| Ok(()))?;
    assert_eq!(
        text(&listed.stdout).lines().collect::<Vec<_>>(),
        [
            "traces",
            "traces/otlp",
            "traces/attributes",
            "traces/batch",
            "traces/redaction",
            "traces/nop",
            "metrics",
            "metrics/otlp",
            "metrics/nop",
            "logs",
            "logs/otlp",
            "logs/nop"
        ]
    );
    let refused = service.tap("", &[], |_| Ok(()))?;
    ensure!(refused.status.code() == Some(1) && text(&refused.stderr).contains("needs a token"));
    Ok(())
}

#[test]
fn a_reader_that_does_not_read_slows_nobody_and_is_told_what_it_missed() -> Result<()> {
    let service = start()?;
    let mut stream = service.ask(MASKED, "/api/v1/tap?rate=1000&limit=150&for=55s&signal=logs")?;
    let record = json!({"body": {"stringValue": "x".repeat(200_000)}});
    let request = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record, record]}]}]});
    let counted = |name: &str| -> Result<u64> {
        let page = service.program.metrics_page()?;
        let line =
            page.lines().find(|line| line.starts_with(name)).with_context(|| format!("{name}: {page}"))?;
        Ok(line.rsplit(' ').next().context("a value")?.parse()?)
    };
    // It is sent until sockets and the tap hold no more for who does not read.
    let mut n_sent = 0;
    eventually("a line that finds no room", SOON, || {
        service.send("logs", &request)?;
        n_sent += 3;
        let missed = counted("trueline_tap_missed_items{reason=\"slow_reader\"")?;
        ensure!(missed > 0, "all {n_sent} found room");
        Ok(())
    })?;
    assert_eq!(counted("otelcol_receiver_accepted_log_records")?, n_sent);
    let reading = std::thread::spawn(move || {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| text(&answer))
    });
    let deadline = Deadline::after(SOON);
    while !reading.is_finished() && !deadline.has_passed() {
        service.send("logs", &request)?;
        deadline.pause();
    }
    let answer = reading.join().map_err(|_| anyhow::anyhow!("reading failed"))??;
    let end =
        answer.lines().find(|line| line.starts_with(r#"{"tap":"#)).context("it does not say its end")?;
    let end: Value = serde_json::from_str(end)?;
    let number = |name: &str| end["tap"][name].as_u64().unwrap_or(0);
    ensure!(end["tap"]["missed"]["slow_reader"].as_u64() > Some(0), "{end}");
    let shown = answer.lines().filter(|line| line.starts_with(r#"{"resourceLogs":"#)).count() as u64;
    ensure!(shown > 0 && shown == number("shown") && number("passed") >= shown, "{shown}: {end}");
    Ok(())
}

#[test]
fn another_configuration_ends_a_tap() -> Result<()> {
    let mut service = start()?;
    let changed = service.yaml.replace("value: gold", "value: silver");
    let mut command = Command::new(trueline_binary()?);
    command.args(["tap", "--for=50s", &service.api]).env("TRUELINE_TOKEN", MASKED);
    let tap = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    eventually("the tap", SOON, || {
        ensure!(service.program.log().contains("a tap was opened"), "not yet");
        Ok(())
    })?;
    service.program.write_config(&changed)?;
    service.program.hang_up()?;
    let output = tap.wait_with_output()?;
    let said = text(&output.stderr);
    ensure!(output.status.success() && said.contains("another configuration"), "{}: {said}", output.status);
    Ok(())
}

#[test]
fn it_ends_with_the_codes_of_every_command() -> Result<()> {
    let service = start()?;
    for args in
        [["--for=soon"], ["--for=2h"], ["--limit=0"], ["--rate=100000"], ["--before"], ["--frobnicate"]]
    {
        let output = Command::new(trueline_binary()?).args(["tap", &service.api]).args(args).output()?;
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
    }
    let nobody = format!("--api=http://127.0.0.1:{}", free_port());
    let unreached = Command::new(trueline_binary()?).args(["tap", &nobody]).output()?;
    assert_eq!(unreached.status.code(), Some(6), "{}", text(&unreached.stderr));
    let args = ["tap", "--for=50s", &service.api];
    let mut tap = Launch::new("tap", trueline_binary()?)?.args(args).env("TRUELINE_TOKEN", MASKED).start()?;
    eventually("the tap", SOON, || {
        ensure!(service.program.log().contains("a tap was opened"), "not yet");
        Ok(())
    })?;
    tap.interrupt()?;
    assert_eq!(tap.wait(SOON)?.code(), Some(130));
    eventually("the end of the tap", SOON, || {
        ensure!(service.program.log().contains("reader_left"), "it looks on: {}", service.program.log());
        Ok(())
    })
}
