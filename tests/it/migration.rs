//! The page of migration, done: its commands, its tee and its comparison, with a real Go collector and a real Prometheus.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use testbed::{Launch, Process, Prometheus, Version, eventually, free_port, get, part, trueline_binary};

use crate::program::trueline_succeeds;

const PAGE: &str = include_str!("../../deploy/migration/README.md");
const SOON: Duration = Duration::from_secs(60);

/// The blocks of the page that are fenced as this.
fn blocks(fence: &str) -> Vec<String> {
    let (mut blocks, mut open) = (Vec::new(), None::<String>);
    for line in PAGE.lines() {
        match (&mut open, line) {
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => *block += &format!("{line}\n"),
            (None, line) if line.strip_prefix("```") == Some(fence) => open = Some(String::new()),
            (None, _) => {}
        }
    }
    blocks
}

/// What stands behind `$` on the page, without remarks.
fn commands() -> Vec<String> {
    let lines = blocks("console").concat();
    let commands = lines.lines().filter_map(|line| line.strip_prefix("$ "));
    commands.map(|line| line.split(" #").next().unwrap_or_default().trim().to_owned()).collect()
}

/// The command of the page that contains these words, and no other does.
fn command(words: &str) -> Result<String> {
    let found: Vec<String> = commands().into_iter().filter(|line| line.contains(words)).collect();
    let [one] = found.as_slice() else { bail!("{words:?} is in {found:?}") };
    Ok(one.clone())
}

/// Ports of both collectors, and the folder that stands for `/etc`.
struct Site {
    folder: tempfile::TempDir,
    prometheus: Prometheus,
    /// What takes spans of the Go collector, and of trueline.
    grpc: [u16; 2],
    /// What tells the health of each.
    health: [u16; 2],
}

impl Site {
    fn new() -> Result<Self> {
        let site = Self {
            folder: tempfile::tempdir()?,
            prometheus: Prometheus::start(Version::Three)?,
            grpc: [free_port(), free_port()],
            health: [free_port(), free_port()],
        };
        let path = |name: &str| site.path(name);
        for folder in ["otelcol", "trueline", "bin"] {
            fs::create_dir(path(folder))?;
        }
        fs::write(path("collector.yaml"), site.of_today())?;
        fs::write(path("otelcol/config.yaml"), site.of_today())?;
        let tee = blocks("text").first().context("the page has a tee")?.clone();
        fs::write(path("tee.yaml"), tee.replace("trueline:4317", &format!("127.0.0.1:{}", site.grpc[1])))?;
        let labelled = blocks("yaml").first().context("the page says whose a copy is")?.clone();
        let labelled =
            labelled.replace("http://prometheus:9090/api/v1/write", &site.prometheus.remote_write_url());
        // Traces go to `nop`, as the page says; ports are this machine's.
        let beside = format!(
            "{labelled}  nop:
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 'localhost:{}'}}}}}}}}
extensions: {{health_check: {{endpoint: 'localhost:{}'}}}}
service: {{pipelines: {{traces: {{exporters: [nop]}}}}}}
",
            site.grpc[1], site.health[1]
        );
        fs::write(path("trueline/analysis.yaml"), beside)?;
        std::os::unix::fs::symlink(trueline_binary()?, path("bin/trueline"))?;
        Ok(site)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// What the Go collector runs before anything is done.
    fn of_today(&self) -> String {
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 'localhost:{}'}}}}}}}}
processors: {{memory_limiter: {{check_interval: 1s, limit_mib: 2000}}, batch: }}
connectors: {{span_metrics: {{metrics_flush_interval: 1s}}}}
exporters:
  otlp: {{endpoint: 'localhost:{}', tls: {{insecure: true}}}}
  prometheus_remote_write: {{endpoint: '{}'}}
extensions: {{health_check: {{endpoint: 'localhost:{}'}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp]}}
    traces/metrics: {{receivers: [otlp], processors: [memory_limiter], exporters: [span_metrics]}}
    metrics: {{receivers: [span_metrics], exporters: [prometheus_remote_write]}}
",
            self.grpc[0],
            free_port(),
            self.prometheus.remote_write_url(),
            self.health[0],
        )
    }

    /// Prepares a command of the page: its folders and its Prometheus are this site's.
    fn launch(&self, command: &str) -> Result<Launch> {
        let here = self.folder.path().display().to_string();
        let command = command
            .replace("/etc/", &format!("{here}/"))
            .replace("http://prometheus:9090", self.prometheus.url());
        let path = format!("{here}/bin:{}", std::env::var("PATH")?);
        let command = format!("cd '{here}' && exec {command}");
        Ok(Launch::new("page", "bash")?.args(["-c", &command]).env("PATH", path))
    }

    /// Starts a collector by a command of the page.
    fn start(&self, command: &str, health: u16) -> Result<Process> {
        let url = format!("http://127.0.0.1:{health}/");
        self.launch(command)?.start_until(|_| get(&url).is_ok_and(|answer| answer.status == 200))
    }

    /// Runs a command of the page to its end.
    fn run(&self, command: &str) -> Result<Output> {
        let here = self.folder.path().display().to_string();
        let command = command.replace("http://prometheus:9090", self.prometheus.url());
        let path = format!("{here}/bin:{}", std::env::var("PATH")?);
        Ok(Command::new("bash").args(["-c", &command]).current_dir(&here).env("PATH", path).output()?)
    }

    /// Waits until both have told Prometheus of the same number of calls, at least so many.
    fn both_told(&self, at_least: f64) -> Result<f64> {
        eventually("both tell of the same calls", SOON, || {
            let total = |of: &str| {
                self.prometheus.value(&format!("sum(traces_span_metrics_calls_total{{collector=\"{of}\"}})"))
            };
            let [a, b] = [total("")?, total("trueline")?];
            ensure!(a == b && a >= at_least, "{a} and {b}");
            Ok(a)
        })
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_is_read_before_anything_is_changed_can_be_read() -> Result<()> {
    let site = Site::new()?;
    let file = site.path("day.jsonl.zst");
    let file = file.to_str().context("a path in UTF-8")?;
    trueline_succeeds(&["load", "--output", file, "--rate=50", "--spans=500", "--signals=traces"])?;
    for words in ["trueline migrate", "--config=collector.yaml", "--estimate day.jsonl.zst"] {
        let found: Vec<String> = commands().into_iter().filter(|line| line.contains(words)).collect();
        ensure!(!found.is_empty(), "the page has no {words:?}");
        for line in found {
            let output = site.run(&line)?;
            ensure!(output.status.success(), "{line}: {}", said(&output));
        }
    }
    Ok(())
}

#[test]
fn the_copy_of_a_real_collector_is_compared_by_the_words_of_the_page() -> Result<()> {
    let site = Site::new()?;
    let otelcol = part("otelcol", "otelcol")?;
    let go =
        format!("{} --config=/etc/otelcol/config.yaml --config=/etc/tee.yaml", Path::new(&otelcol).display());
    let both = command("--config=/etc/trueline/analysis.yaml")?;
    let mut copy = site.start(&both, site.health[1])?;
    let mut today = site.start(&go, site.health[0])?;

    // The same traffic twice: once so that each series is there, and once within the window.
    let endpoint = format!("localhost:{}", site.grpc[0]);
    let shop = ["load", "--endpoint", &endpoint, "--rate=0", "--spans=3000", "--signals=traces", "--seed=7"];
    trueline_succeeds(&shop)?;
    let before = site.both_told(3000.0)?;
    let since = Instant::now();
    std::thread::sleep(Duration::from_secs(3));
    trueline_succeeds(&shop)?;
    site.both_told(before * 2.0)?;

    let day = command("trueline compare")?;
    let window = format!("--window {}s", since.elapsed().as_secs());
    let line = day.replace("--window 24h", &window);
    ensure!(line != day, "{day} has another window");
    let output = site.run(&line)?;
    ensure!(output.status.code() == Some(0), "{line}: {}", said(&output));
    ensure!(said(&output).contains("traces_span_metrics_calls_total"), "{}", said(&output));
    // Without the id that the collector draws at each start no series has a partner.
    let alone = line.replace("--ignore collector_instance_id", "");
    ensure!(alone != line && site.run(&alone)?.status.code() == Some(5), "{alone}");

    today.terminate()?;
    copy.terminate()?;
    ensure!(copy.wait(SOON)?.success(), "{}", copy.log());
    Ok(())
}

#[test]
fn the_program_takes_the_place_by_the_words_of_the_page() -> Result<()> {
    let site = Site::new()?;
    let alone: Vec<String> = commands()
        .into_iter()
        .filter(|line| line.starts_with("trueline --config=") && !line.contains("analysis"))
        .collect();
    ensure!(!alone.is_empty(), "the page starts nothing");
    for line in alone {
        let mut running = site.start(&line, site.health[0])?;
        running.terminate()?;
        ensure!(running.wait(SOON)?.success(), "{line}: {}", running.log());
    }
    Ok(())
}
