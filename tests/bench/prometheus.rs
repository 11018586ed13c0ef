//! A Prometheus as a process whose work on rules is measured.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{eventually, free_port, get, get_json};

use crate::analysis::CORE;
use crate::clock;
use crate::process::Process;

const IDLE: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(200);

/// A Prometheus on the measuring core, ended when dropped.
pub(crate) struct Server {
    process: Process,
    url: String,
}

/// A moment's counts.
pub(crate) struct Sample {
    at_nanos: u64,
    cpu_nanos: u64,
    pub(crate) evaluations: u64,
}

impl Sample {
    /// *Units*: seconds of user and system time.
    pub(crate) fn cpu_since(&self, before: &Self) -> f64 {
        (self.cpu_nanos - before.cpu_nanos) as f64 / 1e9
    }

    pub(crate) fn seconds_since(&self, before: &Self) -> f64 {
        (self.at_nanos - before.at_nanos) as f64 / 1e9
    }
}

impl Server {
    /// Starts it on the data in a folder.
    pub(crate) fn start(program: &Path, folder: &Path, config: &str) -> Result<Self> {
        let file = folder.join("prometheus.yml");
        fs::write(&file, config)?;
        let address = format!("127.0.0.1:{}", free_port());
        let arguments = [
            format!("--web.listen-address={address}"),
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            // Blocks stay as they are: no compaction falls into what is measured.
            "--storage.tsdb.min-block-duration=2h".to_owned(),
            "--storage.tsdb.max-block-duration=2h".to_owned(),
            // Longer than any past that is written.
            "--storage.tsdb.retention.time=90d".to_owned(),
        ];
        let log = folder.join("log");
        let environment = [("GOMAXPROCS", "1".to_owned())];
        let process = Process::start(program, &arguments, &environment, &CORE.to_string(), &log)?;
        let url = format!("http://{address}");
        let server = Self { process, url };
        eventually("Prometheus is ready", Duration::from_secs(60), || {
            let answer = get(&format!("{}/-/ready", server.url))?;
            ensure!(answer.status == 200, "status {}: {}", answer.status, end_of(&log));
            Ok(())
        })?;
        Ok(server)
    }

    /// Waits until so many rules were evaluated.
    pub(crate) fn wait_for(&self, evaluations: u64, limit: Duration) -> Result<()> {
        let begin = clock::now();
        while self.evaluations()? < evaluations {
            ensure!(
                begin.elapsed() < limit,
                "fewer than {evaluations} rules were evaluated within {limit:?}"
            );
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    pub(crate) fn sample(&self) -> Result<Sample> {
        let cpu = self.process.cpu_times()?;
        Ok(Sample {
            at_nanos: clock::unix_nanos(),
            cpu_nanos: cpu.user_nanos + cpu.system_nanos,
            evaluations: self.evaluations()?,
        })
    }

    pub(crate) fn evaluations(&self) -> Result<u64> {
        let page = get(&format!("{}/metrics", self.url))?.success()?;
        Ok(counter(&page, "prometheus_rule_evaluations_total"))
    }

    /// Fails when an evaluation of a rule failed.
    pub(crate) fn check_rules(&self) -> Result<()> {
        let page = get(&format!("{}/metrics", self.url))?.success()?;
        let failed = counter(&page, "prometheus_rule_evaluation_failures_total");
        ensure!(failed == 0, "{failed} evaluations of rules failed");
        Ok(())
    }

    /// Returns how many series a query finds.
    pub(crate) fn count(&self, query: &str) -> Result<u64> {
        let answer = get_json(&format!("{}/api/v1/query?query=count({query})", self.url))?;
        Ok(answer["data"]["result"][0]["value"][1].as_str().unwrap_or("0").parse()?)
    }

    /// Returns the largest resident set so far.
    pub(crate) fn peak_rss_bytes(&self) -> Result<u64> {
        self.process.peak_rss_bytes()
    }
}

/// Returns the share of a core that it takes on the data in a folder without rules.
pub(crate) fn idle_cores(program: &Path, folder: &Path) -> Result<f64> {
    let server = Server::start(program, folder, "")?;
    // Reading its blocks is over by then.
    std::thread::sleep(Duration::from_secs(2));
    let from = server.sample()?;
    let begin = clock::now();
    while begin.elapsed() < IDLE {
        std::thread::sleep(POLL);
        server.evaluations()?;
    }
    let until = server.sample()?;
    Ok(until.cpu_since(&from) / until.seconds_since(&from))
}

/// Makes blocks of so many seconds of samples in OpenMetrics' text, and removes the text.
pub(crate) fn import(promtool: &Path, input: &Path, data: &Path, block_seconds: u64) -> Result<()> {
    let status = Command::new(promtool)
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
        .arg(format!("--max-block-duration={block_seconds}s"))
        .args([input, data])
        .stdout(Stdio::null())
        .status()
        .context("starting promtool")?;
    ensure!(status.success(), "promtool ended with {status}");
    fs::remove_file(input).context("removing the text")
}

/// Sums the samples of a counter over its labels.
fn counter(page: &str, name: &str) -> u64 {
    let samples =
        page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
    let values = samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    values.sum::<f64>() as u64
}

fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::counter;

    #[test]
    fn a_counter_is_summed_over_its_labels_and_not_mistaken_for_another() {
        let page = "# TYPE a_total counter\na_total{rule_group=\"x y;bands\"} 12\na_total{rule_group=\"z\"} 3\n\
                    a_total_more{rule_group=\"z\"} 100\n";
        assert_eq!(counter(page, "a_total"), 15);
        assert_eq!(counter("", "a_total"), 0);
    }
}
