//! Every code of `src/app/commands/README.md`, from commands that can end so.

use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use testbed::{Launch, free_port, trueline_binary};

use super::{GOOD, text};
use crate::program::trueline;

/// Legal, with a warning.
const WARNED: &str = "--config=yaml:{receivers: {otlp: {protocols: {grpc: }}}, exporters: {nop: }, \
    service: {telemetry: {logs: {development: true}}, \
    pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}}";
const REFUSED: &str = "--config=yaml:{receivers: {otlp: {protocols: {grpc: {endpint: x}}}}, exporters: {nop: }, \
    service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}}";

fn code(args: &[&str]) -> Result<i32> {
    let output = trueline(args)?;
    output.status.code().with_context(|| format!("{args:?} was killed: {}", text(&output.stderr)))
}

#[test]
fn a_command_that_did_what_it_was_asked_ends_with_0() -> Result<()> {
    for args in [
        &["validate", GOOD][..],
        &["validate", WARNED],
        &["validate", "--deny-warnings", GOOD],
        &["validate", "--format=json", GOOD],
        &["components"],
        &["--help"],
        &["--version"],
        &["-v"],
        &["completion", "bash"],
        &["featuregate"],
        &["validate", GOOD, "--feature-gates=service.profilesSupport,-b,+c,"],
        &["--feature-gates", "-a", GOOD, "validate"],
    ] {
        assert_eq!(code(args)?, 0, "{args:?}");
    }
    Ok(())
}

#[test]
fn what_the_go_collectors_command_line_has_and_means_nothing_here_is_said() -> Result<()> {
    let told = trueline(&["validate", GOOD, "--feature-gates=service.profilesSupport,-b,"])?;
    let told = text(&told.stderr);
    assert_eq!(told.matches("warning: --feature-gates=").count(), 2, "{told}");
    assert!(told.contains("--feature-gates=service.profilesSupport:") && told.contains("=-b:"), "{told}");
    let told = text(&trueline(&["--config=https://example.com/collector.yaml"])?.stderr);
    assert!(told.contains("curl -fsS URL | trueline --config=/dev/stdin"), "{told}");
    Ok(())
}

#[test]
fn a_configuration_can_be_piped_in() -> Result<()> {
    let (_, yaml) = GOOD.split_once("yaml:").context("the text of the configuration")?;
    let mut reading = Command::new(trueline_binary()?)
        .args(["validate", "--config=/dev/stdin"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    reading.stdin.take().context("its input")?.write_all(yaml.as_bytes())?;
    assert_eq!(reading.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn what_fails_though_the_configuration_is_good_ends_with_1() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let config = format!(
        "--config=yaml:{{receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '{}'}}}}}}}}, exporters: {{nop: }}, \
         service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}}}}}",
        taken.local_addr()?
    );
    assert_eq!(code(&["run", &config])?, 1);
    assert_eq!(code(&[&config])?, 1, "without a command too");
    for args in [
        &["detect", "/nowhere.csv"][..],
        &["replay", "/nowhere.jsonl", GOOD],
        &["backtest", "/nowhere.jsonl", GOOD],
        &["slo", "import", "/nowhere.yaml"],
        &["rules", "import", "/nowhere.yaml"],
        &["deliveries", "list", "/nowhere"],
        &["inbox", "--listen", "nowhere.invalid:1"],
        &["slos", "--token-file", "/nowhere"],
    ] {
        assert_eq!(code(args)?, 1, "{args:?}");
    }
    Ok(())
}

#[test]
fn a_command_line_that_can_not_be_understood_ends_with_2() -> Result<()> {
    for args in [
        &[][..],
        &["run"],
        &["--config=ftp:x"],
        &["--config=http://localhost/collector.yaml"],
        &["featuregate", "service.profilesSupport"],
        &["--frobnicate"],
        &["frobnicate"],
        &["validate"],
        &["validate", "--format=xml", GOOD],
        &[GOOD, "components"],
        &["replay", "x.jsonl"],
        &["load", "--rate", "many"],
        &["silences", "add"],
    ] {
        assert_eq!(code(args)?, 2, "{args:?}");
    }
    Ok(())
}

#[test]
fn warnings_that_are_denied_end_with_3_and_errors_with_4_all_the_same() -> Result<()> {
    assert_eq!(code(&["validate", "--deny-warnings", WARNED])?, 3);
    assert_eq!(code(&["validate", "--deny-warnings", "--format=json", WARNED])?, 3);
    assert_eq!(code(&["validate", "--deny-warnings", REFUSED])?, 4);
    Ok(())
}

#[test]
fn a_configuration_that_is_refused_ends_with_4() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let series = folder.path().join("series.csv");
    std::fs::write(&series, "timestamp,value\n1,1\n2,2\n")?;
    let series = series.display().to_string();
    for args in [
        &["validate", REFUSED][..],
        &["validate", "--config=/nowhere.yaml"],
        &["run", REFUSED],
        &[REFUSED],
        &["replay", &series, REFUSED],
        &["backtest", &series, REFUSED],
        &["detect", &series, REFUSED],
        &["deliveries", "replay", "/nowhere", GOOD],
    ] {
        assert_eq!(code(args)?, 4, "{args:?}");
    }
    Ok(())
}

#[test]
fn who_can_not_be_reached_ends_with_6() -> Result<()> {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    for command in ["alerts", "incidents", "changes", "silences", "slos"] {
        assert_eq!(code(&[command, "--api", &nobody])?, 6, "{command}");
    }
    assert_eq!(code(&["explain", "shop-up", "--api", &nobody])?, 6);
    let load = ["load", "--endpoint", &nobody, "--rate", "10", "--duration", "1s"];
    assert_eq!(code(&load)?, 6);
    Ok(())
}

#[test]
fn a_command_that_is_interrupted_ends_as_a_shell_calls_130_and_a_service_is_stopped_in_order() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let pipe = folder.path().join("pipe.jsonl");
    ensure!(Command::new("mkfifo").arg(&pipe).status()?.success());
    // Nobody writes into the pipe, so the replay waits. Whoever runs tests in the background has interrupts ignored.
    let mut replay = Launch::new("replay", "env")?
        .args(["--default-signal=INT", &trueline_binary()?.display().to_string()])
        .args(["replay", &pipe.display().to_string(), GOOD])
        .start()?;
    let writer = std::fs::OpenOptions::new().write(true).open(&pipe)?;
    replay.interrupt()?;
    let status = replay.wait(Duration::from_secs(60))?;
    drop(writer);
    assert_eq!(status.signal(), Some(2), "{status}: a shell shows 128 and the signal");

    let config = format!(
        "--config=yaml:{{receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{}'}}}}}}}}, exporters: {{nop: }}, \
         service: {{telemetry: {{metrics: {{level: none}}}}, pipelines: {{traces: {{receivers: [otlp], exporters: [nop]}}}}}}}}",
        free_port()
    );
    let mut service = Launch::new("trueline", trueline_binary()?)?
        .args([config])
        .start_until(|it| it.log().contains("everything is ready"))?;
    service.interrupt()?;
    assert_eq!(service.wait(Duration::from_secs(60))?.code(), Some(0), "{}", service.log());
    Ok(())
}

#[test]
fn what_was_asked_for_is_on_standard_output_and_diagnostics_on_standard_error() -> Result<()> {
    let good = trueline(&["validate", GOOD])?;
    assert_eq!(
        (text(&good.stdout), text(&good.stderr)),
        (String::new(), "the configuration is good\n".into())
    );
    let refused = trueline(&["validate", REFUSED])?;
    assert!(text(&refused.stdout).contains("unknown key `endpint`") && refused.stderr.is_empty());
    let run = trueline(&["run", REFUSED])?;
    assert!(text(&run.stderr).contains("unknown key `endpint`") && run.stdout.is_empty());
    Ok(())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() -> Result<()> {
    let mut child = Command::new(trueline_binary()?).arg("components").stdout(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    assert!(child.wait()?.success());
    Ok(())
}

/// Runs the program with standard error on a terminal, and returns what it wrote there, and its code.
fn on_a_terminal(args: &[&str], no_color: &str) -> Result<(String, Option<i32>)> {
    let args: Vec<_> = args.iter().map(|arg| format!("'{}'", arg.replace('\'', ""))).collect();
    let command = format!("'{}' {}", trueline_binary()?.display(), args.join(" "));
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("NO_COLOR", no_color)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("script, of util-linux")?;
    let mut told = Vec::new();
    script.stdout.take().context("it is piped")?.read_to_end(&mut told)?;
    let code = script.wait()?.code();
    Ok((text(&told), code))
}

#[test]
fn a_terminal_gets_colours_unless_it_is_not_to() -> Result<()> {
    for (args, no_color, is_colored) in [
        (&["run", REFUSED][..], "", true),
        (&["run", REFUSED], "1", false),
        (&["run", REFUSED, "--color=never"], "", false),
        (&["--color", "always", "run", REFUSED], "1", true),
    ] {
        let (told, code) = on_a_terminal(args, no_color)?;
        assert_eq!(code, Some(4), "{told}");
        assert!(told.contains("endpint"), "{told:?}");
        assert_eq!(told.contains("\u{1b}["), is_colored, "{args:?} {no_color:?}: {told:?}");
    }
    let piped = |args: &[&str]| anyhow::Ok(text(&trueline(args)?.stdout));
    assert!(!piped(&["validate", REFUSED])?.contains('\u{1b}'));
    assert!(piped(&["validate", REFUSED, "--color=always"])?.contains("\u{1b}["));
    Ok(())
}

#[test]
fn progress_is_shown_on_a_terminal_unless_it_is_to_be_quiet() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let recorded = folder.path().join("recorded.jsonl");
    std::fs::write(&recorded, "{\"resourceSpans\":[]}\n")?;
    let recorded = recorded.display().to_string();
    let replay = ["replay", &recorded, GOOD];
    let (shown, _) = on_a_terminal(&replay, "")?;
    assert!(shown.contains("left: "), "{shown:?}");
    let (shown, _) = on_a_terminal(&[&replay[..], &["--quiet"]].concat(), "")?;
    assert!(!shown.contains("left: "), "{shown:?}");
    Ok(())
}
