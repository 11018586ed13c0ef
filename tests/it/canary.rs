//! A secret stands in every place of a configuration that takes one, and in nothing that the program shows.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use model::Signal;
use testbed::{Trueline, Watch, eventually, free_port, get, trueline_binary};

use crate::{certificates::write_certificates, rig::Client};

const SOON: Duration = Duration::from_secs(60);
/// Every secret begins so, and no other text does.
const CANARY: &str = "cAnArY";

/// Keys of webhooks are base64.
const SIGNING: &str = "whsec_Y0FuQXJZc2lnbmluZ2NBbkFyWXNpZ25pbmc=";

/// Makes a secret that is like no other.
fn secret(place: &str) -> String {
    format!("{CANARY}-{place}-0123456789")
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// Answers every request with 401 and what it was sent.
fn refuses_all() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut read = [0; 16 << 10];
            let _head = stream.read(&mut read);
            let body = r#"{"error":"invalid_client"}"#;
            let head = format!(
                "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _gone = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    Ok(address)
}

struct Places {
    data: SocketAddr,
    api: SocketAddr,
    page: SocketAddr,
    health: SocketAddr,
    metrics: SocketAddr,
    refuses: SocketAddr,
}

impl Places {
    fn refusing_at(refuses: SocketAddr) -> Self {
        Self {
            data: address(),
            api: address(),
            page: address(),
            health: address(),
            metrics: address(),
            refuses,
        }
    }
}

/// A configuration with secrets, which runs though nothing that it sends arrives.
fn configuration(places: &Places, folder: &Path) -> Result<String> {
    let Places { data, api, page, health, metrics, refuses } = places;
    let write = |name: &str| -> Result<String> {
        let path = folder.join(name);
        fs::write(&path, secret(name))?;
        Ok(path.display().to_string())
    };
    let (password_file, token_file, signing_file) =
        (write("password_file")?, write("token_file")?, write("signing_file")?);
    fs::write(&signing_file, SIGNING)?;
    let pem = |name: &str| -> Result<String> {
        Ok(fs::read_to_string(folder.join(name))?.replace('\n', "\n        "))
    };
    let (certificate, key) = (pem("server.pem")?, pem("server-key.pem")?);
    let (closed, metrics_port) = (address(), metrics.port());
    Ok(format!(
        "
receivers:
  otlp:
    protocols:
      http: {{endpoint: '{data}', response_headers: {{x-a: {response}}}}}
exporters:
  otlp_grpc:
    endpoint: {closed}
    headers: {{x-api-key: {grpc}}}
    tls: {{insecure: true}}
    auth: {{authenticator: basicauth/client}}
    retry_on_failure: {{max_elapsed_time: 2s, initial_interval: 100ms}}
  otlp_http:
    endpoint: http://{refuses}
    headers: {{Authorization: Bearer {http}}}
    auth: {{authenticator: oauth2client}}
    retry_on_failure: {{max_elapsed_time: 2s, initial_interval: 100ms}}
  otlp_http/token:
    endpoint: http://{refuses}
    auth: {{authenticator: bearertokenauth}}
  otlp_http/setter:
    endpoint: http://{refuses}
    traces_endpoint: http://{refuses}/v1/traces?tenant=a&token={url_token}
    auth: {{authenticator: headers_setter}}
  otlp_http/badtls:
    endpoint: https://{refuses}
    tls:
      cert_pem: |
        {certificate}
      key_pem: |
        {key}
    retry_on_failure: {{enabled: false}}
  prometheusremotewrite: {{endpoint: 'http://{refuses}/write?api_key={url_key}', headers: {{X-Key: {remote_write}}}}}
  prometheus: {{endpoint: '{page}', auth: {{authenticator: basicauth/server}}}}
  alert_webhook:
    destinations:
      - {{name: hook, format: alertmanager_webhook_v4, url: 'http://{refuses}/{hook}', allow_private: [127.0.0.0/8], headers: {{X-Key: {hook_header}}}, signing: {{secret_file: {signing_file}}}}}
    heartbeat: {{url: 'http://{refuses}/{heartbeat}', interval: 10s, allow_private: [127.0.0.0/8]}}
extensions:
  health_check: {{endpoint: '{health}'}}
  api: {{endpoint: '{api}', tokens: [{{name: wall, token: {api_token}}}]}}
  basicauth/server: {{htpasswd: {{inline: 'me:{htpasswd}'}}}}
  basicauth/client: {{client_auth: {{username: {username}, password_file: {password_file}}}}}
  bearertokenauth: {{filename: {token_file}}}
  oauth2client: {{client_id: {client_id}, client_secret: {client_secret}, token_url: 'http://{refuses}/token', endpoint_params: {{resource: [{parameter}], client_assertion: {assertion}}}}}
  headers_setter: {{headers: [{{key: X-Key, value: {setter}}}]}}
service:
  extensions: [health_check, api, basicauth/server, basicauth/client, bearertokenauth, oauth2client, headers_setter]
  telemetry:
    logs: {{level: debug}}
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics_port}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_grpc, otlp_http, otlp_http/token, otlp_http/setter, otlp_http/badtls]}}
    metrics: {{receivers: [otlp], exporters: [prometheusremotewrite, prometheus]}}
    logs: {{receivers: [otlp], exporters: [alert_webhook]}}
",
        response = secret("response"),
        grpc = secret("grpc"),
        http = secret("http"),
        remote_write = secret("remote_write"),
        hook = secret("hook"),
        hook_header = secret("hook_header"),
        heartbeat = secret("heartbeat"),
        api_token = secret("api_token"),
        htpasswd = secret("htpasswd"),
        username = secret("username"),
        client_id = secret("client_id"),
        client_secret = secret("client_secret"),
        parameter = secret("parameter"),
        assertion = secret("assertion"),
        url_token = secret("url_token"),
        url_key = secret("url_key"),
        setter = secret("setter"),
    ))
}

/// Fails where a text shows a secret, or the middle of the key.
fn shows_none(what: &str, shown: &str, key: &str) -> Result<()> {
    for (line, text) in shown.lines().enumerate() {
        ensure!(!text.contains(CANARY), "{what} shows a secret in line {}: {text}", line + 1);
        let has_key = text.contains(key) || text.contains(SIGNING.trim_start_matches("whsec_"));
        ensure!(!has_key, "{what} shows a key in line {}: {text}", line + 1);
    }
    Ok(())
}

#[test]
fn no_secret_is_in_the_log_the_pages_the_answers_or_what_validate_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_certificates(folder.path())?;
    let key = fs::read_to_string(folder.path().join("server-key.pem"))?;
    let key = key.lines().nth(1).unwrap_or_default().to_owned();
    ensure!(key.len() > 40, "no key was written");
    let places = Places::refusing_at(refuses_all()?);
    let yaml = configuration(&places, folder.path())?;
    let watch = Watch { health: places.health, metrics: Some(places.metrics) };
    let mut program = Trueline::start(&yaml, watch)?;

    let mut sender = Client::connect(places.data)?;
    sender.insist(Signal::Traces, &wire::testing::trace_request(1, 25))?;
    let failed = |exporter: &str| -> Result<f64> {
        let metrics = program.metrics()?;
        Ok(metrics.sum("otelcol_exporter_send_failed_spans", &[("exporter", exporter)]).unwrap_or_default())
    };
    eventually("every export fails", SOON, || {
        let exporters = ["otlp_grpc", "otlp_http", "otlp_http/token", "otlp_http/setter", "otlp_http/badtls"];
        for exporter in exporters {
            ensure!(failed(exporter)? == 25.0, "{exporter}: {}", program.log());
        }
        Ok(())
    })?;
    let log = program.log();
    for told in ["401", "no token was issued", "received corrupt message", "can not connect"] {
        ensure!(log.contains(told), "nothing was provoked, {told} is missing:\n{log}");
    }
    shows_none("the page of metrics", &program.metrics_page()?, &key)?;
    for url in [
        format!("http://{}/", places.health),
        format!("http://{}/metrics", places.page),
        format!("http://{}/api/v1", places.api),
        format!("http://{}/api/v1/alerts", places.api),
    ] {
        shows_none(&url, &get(&url)?.body, &key)?;
    }
    ensure!(program.stop(SOON)?.success(), "it did not end well");
    shows_none("the log", &program.log(), &key)
}

#[test]
fn validate_shows_what_is_wrong_without_the_secrets_beside_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_certificates(folder.path())?;
    let places = Places::refusing_at(address());
    let yaml = configuration(&places, folder.path())?;
    // A key that nobody knows on every line with a secret, and values of the wrong kind.
    let user = secret("user");
    let wrong = yaml
        .replace("{x-a: ", "{wrong: [1], x-a: ")
        .replace("{X-Key: ", "{wrong: 5, X-Key: ")
        .replace("{htpasswd: ", "{wrong: 5, htpasswd: ")
        .replace("{client_auth: ", "{wrong: 5, client_auth: ")
        .replace("{client_id: ", "{wrong: 5, client_id: ")
        .replace("{key: X-Key, ", "{wrong: 5, key: X-Key, ")
        .replace("{name: wall, ", "{wrong: 5, name: wall, ")
        .replace("http://127.0.0.1", &format!("http://me:{user}@127.0.0.1"));
    ensure!(wrong.matches("wrong:").count() >= 8, "nothing was spoilt");
    let path = folder.path().join("wrong.yaml");
    fs::write(&path, wrong)?;
    for format in ["text", "json"] {
        let mut command = Command::new(trueline_binary()?);
        command.arg("validate").arg(format!("--config={}", path.display())).arg(format!("--format={format}"));
        let output = command.output()?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(!output.status.success() && said.matches("wrong").count() >= 8, "{said}");
        shows_none(format, &said, "-----BEGIN PRIVATE")?;
    }
    Ok(())
}

#[test]
fn commands_that_show_a_configuration_show_no_secrets_of_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_certificates(folder.path())?;
    let places = Places::refusing_at(address());
    let yaml = configuration(&places, folder.path())?;
    let write = |name: &str, text: &str| -> Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let config = write("config.yaml", &yaml)?;
    // Every secret is another one.
    let other = write("other.yaml", &yaml.replace("-0123456789", "-9876543210"))?;
    let from = format!("--config={config}");
    // What differs ends with 5, as the page says.
    for (code, arguments) in [
        (0, vec!["config", "print", &from]),
        (0, vec!["config", "print", &from, "--format=json"]),
        (5, vec!["config", "diff", &config, &other]),
        (5, vec!["config", "diff", &config, &other, "--format=json"]),
        (0, vec!["migrate", &config]),
        (0, vec!["graph", &from]),
    ] {
        let output = Command::new(trueline_binary()?).args(&arguments).output()?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.code() == Some(code) && said.len() > 100, "{arguments:?}: {said}");
        shows_none(&arguments.join(" "), &said, "-----BEGIN PRIVATE")?;
    }
    Ok(())
}
