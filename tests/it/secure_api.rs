//! The API of the running program is asked over https, by the commands that people use.

use std::{
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Result, ensure};
use testbed::{Trueline, Watch, eventually, free_port, get, trueline_binary};

use crate::certificates::write_certificates;

fn start(folder: &std::path::Path, api: u16) -> Result<Trueline> {
    let [health, otlp] = [free_port(), free_port()];
    let folder = folder.display();
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{otlp}'}}}}}}}}
processors: {{sla: {{slos: [{{name: up, service: shop, sli: {{type: success_rate}}, target: 0.99}}]}}, alerting: }}
exporters: {{nop: }}
extensions:
  health_check: {{endpoint: '127.0.0.1:{health}'}}
  api:
    endpoint: 127.0.0.1:{api}
    tls: {{cert_file: {folder}/server.pem, key_file: {folder}/server-key.pem}}
    tokens: [{{name: wall, token: 0123456789abcdef}}]
service:
  extensions: [health_check, api]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    telemetry: {{receivers: [otlp], processors: [sla, alerting], exporters: [nop]}}
"
    );
    Trueline::start(&yaml, Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None })
}

fn slos(arguments: &[String]) -> Result<Output> {
    let mut command = Command::new(trueline_binary()?);
    command.arg("slos").args(arguments).env("TRUELINE_TOKEN", "0123456789abcdef");
    Ok(command.env_remove("TRUELINE_API").env_remove("TRUELINE_CA_FILE").output()?)
}

#[test]
fn the_api_is_asked_over_https_by_whoever_trusts_its_authority() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_certificates(folder.path())?;
    let port = free_port();
    let _trueline = start(folder.path(), port)?;
    let api = format!("--api=https://localhost:{port}");
    let ca_file = format!("--ca-file={}", folder.path().join("ca.pem").display());

    // Objectives are told of from their first evaluation on.
    eventually("the objective", Duration::from_secs(120), || {
        let told = slos(&[api.clone(), ca_file.clone()])?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        ensure!(told.status.success() && said.contains("shop-up"), "{}: {said}", told.status);
        Ok(())
    })?;

    let told = slos(&[api])?;
    let said = String::from_utf8_lossy(&told.stderr);
    ensure!(!told.status.success() && said.contains("certificate"), "{}: {said}", told.status);

    let told = slos(&[format!("--api=http://localhost:{port}"), ca_file])?;
    let said = String::from_utf8_lossy(&told.stderr);
    ensure!(!told.status.success() && said.contains("--ca-file is for https"), "{}: {said}", told.status);
    ensure!(get(&format!("http://localhost:{port}/api/v1")).is_err(), "it answers without TLS");
    Ok(())
}
