//! What `make run` starts: the pipelines of the repository, and the script around one of them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Launch, Trueline, Watch, eventually, free_port, get, post, trueline_binary};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// Where the parts listen, as the ports of the repository's files may be taken.
#[derive(Clone, Copy)]
struct Ports {
    grpc: u16,
    http: u16,
    page: u16,
    health: u16,
    own: u16,
    api: u16,
    inbox: u16,
}

impl Ports {
    fn new() -> Self {
        let [grpc, http, page, health, own, api, inbox] = std::array::from_fn(|_| free_port());
        Self { grpc, http, page, health, own, api, inbox }
    }

    /// What the collector is told of them.
    fn sets(self) -> Vec<String> {
        let Self { grpc, http, page, health, own, api, .. } = self;
        vec![
            format!("--set=receivers.otlp.protocols.grpc.endpoint=127.0.0.1:{grpc}"),
            format!("--set=receivers.otlp.protocols.http.endpoint=127.0.0.1:{http}"),
            format!("--set=exporters.prometheus.endpoint=127.0.0.1:{page}"),
            format!("--set=extensions.health_check.endpoint=127.0.0.1:{health}"),
            format!("--set=extensions.api.endpoint=127.0.0.1:{api}"),
            format!(
                "--set=service.telemetry.metrics.readers=[{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {own}}}}}}}}}]"
            ),
        ]
    }

    /// A program that is trueline, at these ports.
    fn wrapper(self) -> Result<String> {
        let Self { grpc, inbox, .. } = self;
        let sets: Vec<String> = self.sets().iter().map(|set| format!("'{set}'")).collect();
        let program = trueline_binary()?;
        Ok(format!(
            "#!/bin/bash
            args=()
            for arg; do
                arg=${{arg/localhost:4317/127.0.0.1:{grpc}}}
                args+=(\"${{arg/localhost:8391/127.0.0.1:{inbox}}}\")
            done
            [[ $1 != --config=* ]] || args+=({})
            exec '{}' \"${{args[@]}}\"\n",
            sets.join(" "),
            program.display(),
        ))
    }
}

#[test]
fn the_quick_start_counts_spans_for_prometheus() -> Result<()> {
    let yaml = fs::read_to_string(root().join("pipelines/quick-start.yaml"))?;
    let state = tempfile::tempdir()?;
    let ports = Ports::new();
    let Ports { http, page, health, .. } = ports;
    let sets = ports.sets();
    let watch = Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None };
    let state_path = state.path().to_str().context("the folder has a name in UTF-8")?;
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let env = [("TRUELINE_STATE", state_path), ("ALERT_QUEUE", state_path)];
    let mut trueline = Trueline::start_with(&yaml, watch, &sets, &env)?;
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

/// Within two minutes the alert is in the terminal, at the webhook and in the service, and its incident names who is
/// behind it; then it ends.
#[test]
fn a_fresh_start_shows_a_breach_with_its_cause_and_its_end() -> Result<()> {
    let ports = Ports::new();
    let launch = Launch::new("quick-start", "bash")?;
    let trueline = launch.dir().join("trueline");
    program(&trueline, &ports.wrapper()?)?;
    // The port of the health check is another one; that it is ready is read of the log.
    program(&launch.dir().join("curl"), "#!/bin/sh\n")?;
    let path = format!("{}:{}", launch.dir().display(), std::env::var("PATH")?);
    let launch = launch.args([root().join("deploy/quick-start.sh")]).env("PATH", path);
    let launch =
        launch.env("TRUELINE", &trueline).env("ALERTS_URL", format!("http://127.0.0.1:{}", ports.inbox));
    let mut script = launch.start()?;
    script.wait_until("showing the breach", Duration::from_secs(120), |script| {
        script.log().contains("FIRING OrdersBurnRate (critical)")
    })?;
    let said = script.log();
    for part in
        ["\n  what     frontend orders: the error budget burns too fast", "\n  since    20", "\n  how bad  "]
    {
        ensure!(said.contains(part), "{part:?} is not in\n{said}");
    }
    // The page tells where to look, and what it names answers.
    let named = |what: &str| {
        let found = said.split(&format!("  {what:<9}trueline ")).nth(1).and_then(|rest| rest.lines().next());
        found.with_context(|| format!("it says not where to look:\n{said}"))
    };
    let (asked, incident) = (named("ask")?, named("incident")?);
    let api = format!("--api=http://127.0.0.1:{}", ports.api);
    eventually("the explanation with what became of the notification", Duration::from_secs(120), || {
        let told = Command::new(&trueline).args(asked.split(' ')).arg(&api).output()?;
        let said = text(&told.stdout);
        ensure!(said.contains("then firing"), "{said}{}", text(&told.stderr));
        let delivered = said.lines().find(|line| line.contains(" inbox ") && line.contains(" delivered "));
        ensure!(delivered.is_some(), "{said}");
        Ok(())
    })?;
    eventually("the cause", Duration::from_secs(120), || {
        let told = Command::new(&trueline).args(incident.split(' ')).arg(&api).output()?;
        let said = text(&told.stdout);
        ensure!(said.starts_with("payment fails"), "{said}{}", text(&told.stderr));
        Ok(())
    })?;
    let incidents = text(&Command::new(&trueline).args(["incidents", &api]).output()?.stdout);
    ensure!(incidents.lines().any(|line| line.contains("payment (")), "{incidents}");
    let alerts = text(&Command::new(&trueline).args(["alerts", &api]).output()?.stdout);
    ensure!(alerts.lines().any(|line| line.contains("OrdersBurnRate")), "{alerts}");
    script.wait_until("showing the end of the breach", Duration::from_secs(240), |script| {
        script.log().contains("RESOLVED OrdersBurnRate (critical)")
    })?;
    let said = script.log();
    ensure!(said.matches("\nFIRING ").count() == 1 && said.matches("\nRESOLVED ").count() == 1, "{said}");
    // Whoever was told before the cause was known is told of it while the alert fires.
    let fires = said.split("\nRESOLVED ").next().unwrap_or_default();
    ensure!(fires.contains("\n           payment fails"), "the cause is not told in\n{said}");
    let shown = Command::new(&trueline).args(incident.split(' ')).arg(&api).output()?;
    ensure!(text(&shown.stdout).starts_with("payment fails"), "{}", text(&shown.stdout));
    script.terminate()?;
    script.wait(Duration::from_secs(120))?;
    Ok(())
}

/// What is told of ten minutes of the shop's customers, with other faults than the script's.
fn events_of(faults: &[&str]) -> Result<Vec<Value>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("shop.jsonl.zst");
    let run = |command: &mut Command| -> Result<Vec<u8>> {
        let output = command.current_dir(folder.path()).output()?;
        ensure!(output.status.success(), "{}", text(&output.stderr));
        Ok(output.stdout)
    };
    let mut load = Command::new(trueline_binary()?);
    let load = load.args(["load", "--rate", "500", "--duration", "10m", "--start", "1767225603", "--output"]);
    run(load.arg(&file).args(faults))?;
    let mut replay = Command::new(trueline_binary()?);
    let replay = replay.args(["replay", "--format", "jsonl", "--config"]);
    let found = run(replay.arg(root().join("pipelines/quick-start.yaml")).arg(&file))?;
    Ok(text(&found).lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

#[test]
fn a_healthy_shop_pages_nobody_and_has_no_incident() -> Result<()> {
    let events = events_of(&[])?;
    let fires = |event: &&Value| event["name"] == "trueline.alert.firing";
    let rule = |event: &Value| event["attributes"]["trueline.alert.rule.name"].as_str().map(str::to_owned);
    let mut fired: Vec<String> = events.iter().filter(fires).filter_map(rule).collect();
    fired.dedup();
    assert_eq!(fired, ["Watchdog"]);
    let opened: Vec<&Value> =
        events.iter().filter(|event| event["name"] == "trueline.incident.opened").collect();
    assert!(opened.is_empty(), "{opened:?}");
    Ok(())
}

/// Runs the script with programs that do as they are told in place of the real ones.
fn run_script(trueline: &str, curl: &str) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let program =
        |name: &str, body: &str| program(&folder.path().join(name), &format!("#!/bin/sh\n{body}\n"));
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

/// Writes a program.
fn program(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
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
        inbox) exec /bin/sleep 60;;
        *) echo 'everything is ready' >&2; exec /bin/sleep 1;;
    esac";
    let output = run_script(trueline, "exit 0")?;
    let said = text(&output.stderr);
    ensure!(output.status.success() && text(&output.stdout).contains("trueline runs"), "{said}");
    ensure!(said.contains("the load ended with exit code 6") && said.contains("nobody answers"), "{said}");
    Ok(())
}
