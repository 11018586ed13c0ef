//! What `make run` starts: the pipelines of the repository, and the script around one of them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use testbed::{Trueline, Watch, eventually, free_port, get, post};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

#[test]
fn the_quick_start_counts_spans_for_prometheus() -> Result<()> {
    let yaml = fs::read_to_string(root().join("pipelines/quick-start.yaml"))?;
    let state = tempfile::tempdir()?;
    let ports: [u16; 5] = std::array::from_fn(|_| free_port());
    let [grpc, http, page, health, own] = ports;
    let sets = [
        format!("--set=receivers.otlp.protocols.grpc.endpoint=127.0.0.1:{grpc}"),
        format!("--set=receivers.otlp.protocols.http.endpoint=127.0.0.1:{http}"),
        format!("--set=exporters.prometheus.endpoint=127.0.0.1:{page}"),
        format!("--set=extensions.health_check.endpoint=127.0.0.1:{health}"),
        format!(
            "--set=service.telemetry.metrics.readers=[{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {own}}}}}}}}}]"
        ),
    ];
    let watch = Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None };
    let state_path = state.path().to_str().context("the folder has a name in UTF-8")?;
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let mut trueline = Trueline::start_with(&yaml, watch, &sets, &[("TRUELINE_STATE", state_path)])?;
    let url = format!("http://127.0.0.1:{http}/v1/traces");
    post(&url, "application/x-protobuf", &[], &wire::testing::trace_request(1, 20))?.success()?;
    eventually("span metrics on the page", Duration::from_secs(120), || {
        let page = get(&format!("http://127.0.0.1:{page}/metrics"))?.success()?;
        ensure!(page.contains("traces_span_metrics_calls_total{"), "the page is\n{page}");
        Ok(())
    })?;
    ensure!(trueline.stop(Duration::from_secs(120))?.success(), "it did not end well:\n{}", trueline.log());
    Ok(())
}

/// Runs the script with programs that do as they are told in place of the real ones.
fn run_script(trueline: &str, curl: &str) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let program = |name: &str, body: &str| -> Result<()> {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    };
    program("trueline", trueline)?;
    program("curl", curl)?;
    // So that ten seconds of patience take less.
    program("sleep", "exec /bin/sleep 0.01")?;
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH")?);
    Ok(Command::new("bash")
        .arg(root().join("deploy/quick-start.sh"))
        .env("TRUELINE", folder.path().join("trueline"))
        .env("PATH", path)
        .output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_collector_that_ends_is_a_failure_also_when_another_answers_on_its_port() -> Result<()> {
    let output = run_script("echo 'address already in use' >&2; exit 3", "exit 0")?;
    let said = text(&output.stderr);
    ensure!(output.status.code() == Some(3), "{}: {said}", output.status);
    ensure!(said.contains("address already in use") && said.contains("exit code 3"), "{said}");
    ensure!(!text(&output.stdout).contains("trueline runs"), "it claims success");
    Ok(())
}

#[test]
fn a_collector_that_does_not_get_healthy_is_a_failure() -> Result<()> {
    let output = run_script("echo 'everything is ready' >&2; exec /bin/sleep 60", "exit 7")?;
    let said = text(&output.stderr);
    ensure!(output.status.code() == Some(1) && said.contains("not healthy after 10 s"), "{said}");
    Ok(())
}

#[test]
fn what_the_load_complains_of_is_shown() -> Result<()> {
    // The collector ends well when the load has been there.
    let trueline = "case $1 in
        load) echo 'nobody answers' >&2; exit 6;;
        *) echo 'everything is ready' >&2; exec /bin/sleep 1;;
    esac";
    let output = run_script(trueline, "exit 0")?;
    let said = text(&output.stderr);
    ensure!(output.status.success() && text(&output.stdout).contains("trueline runs"), "{said}");
    ensure!(said.contains("the load ended with exit code 6") && said.contains("nobody answers"), "{said}");
    Ok(())
}
