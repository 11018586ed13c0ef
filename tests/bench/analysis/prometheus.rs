//! What a user would take instead: Prometheus 3 that evaluates adaptive bands as recording rules.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{eventually, free_port, get, get_json};

use super::{child::CORE, history};
use crate::clock;
use crate::process::Process;

/// The mean of an hour and its deviation, the mean of 26 h of the deviations that are large enough, and the
/// band: 2 of these around the mean, and at least half of it. What Grafana publishes takes the band at the
/// same time of yesterday and of last week as well, which is left out here.
const RULES: &str = "groups:
- name: bands
  interval: 6s
  rules:
  - record: band:avg_1h
    expr: avg_over_time(requests[1h])
  - record: band:stddev_1h
    expr: stddev_over_time(requests[1h])
  - record: band:stddev_1h:filtered
    expr: band:stddev_1h > 0.5 * band:avg_1h
  - record: band:stddev_26h
    expr: avg_over_time(band:stddev_1h:filtered[26h])
  - record: band:upper
    expr: (band:avg_1h + 2 * band:stddev_26h) > 1.5 * band:avg_1h or 1.5 * band:avg_1h
  - record: band:lower
    expr: clamp_min((band:avg_1h - 2 * band:stddev_26h) < 0.5 * band:avg_1h or 0.5 * band:avg_1h, 0)
";
const N_RULES: u64 = 6;
/// The first evaluation, which finds nothing in memory, does not count.
const EVALUATIONS: u64 = 4;
const LIMIT: Duration = Duration::from_secs(150);
const IDLE: Duration = Duration::from_secs(8);
const POLL: Duration = Duration::from_millis(200);

/// What its rules cost.
pub(super) struct Figures {
    pub(super) n_series: u32,
    pub(super) evaluations: f64,
    /// User and system time of the process, less what it takes without rules.
    pub(super) nanos_per_series: f64,
    /// The share of a core that it takes without rules.
    pub(super) idle_cores: f64,
}

/// Fills a Prometheus with 26 hours of as many series and lets it evaluate the rules.
pub(super) fn measure(program: &Path, promtool: &Path, n_series: u32) -> Result<Figures> {
    let folder = tempfile::tempdir().context("making a folder for Prometheus")?;
    eprintln!("Prometheus: writing 26 h of {n_series} series");
    history::write(promtool, &folder.path().join("data"), n_series)?;
    eprintln!("Prometheus: {} evaluations of {N_RULES} rules", EVALUATIONS + 1);
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, RULES)?;
    let server = Server::start(program, folder.path(), &format!("rule_files: [{rules:?}]\n"))?;
    server.wait_for(N_RULES)?;
    let before = server.sample()?;
    server.wait_for(N_RULES * (1 + EVALUATIONS))?;
    let after = server.sample()?;
    server.check(n_series)?;
    drop(server);

    let server = Server::start(program, folder.path(), "")?;
    // Reading its blocks is over by then.
    std::thread::sleep(Duration::from_secs(2));
    let idle_from = server.sample()?;
    let begin = clock::now();
    while begin.elapsed() < IDLE {
        std::thread::sleep(POLL);
        server.evaluations()?;
    }
    let idle_until = server.sample()?;
    let idle_cores = idle_until.cpu_since(&idle_from) / idle_until.seconds_since(&idle_from);

    let evaluations = (after.evaluations - before.evaluations) as f64 / N_RULES as f64;
    let seconds = after.cpu_since(&before) - idle_cores * after.seconds_since(&before);
    let nanos_per_series = seconds * 1e9 / evaluations / f64::from(n_series);
    Ok(Figures { n_series, evaluations, nanos_per_series, idle_cores })
}

struct Server {
    process: Process,
    url: String,
}

/// A moment's counts.
struct Sample {
    at_nanos: u64,
    cpu_nanos: u64,
    evaluations: u64,
}

impl Sample {
    fn cpu_since(&self, before: &Self) -> f64 {
        (self.cpu_nanos - before.cpu_nanos) as f64 / 1e9
    }

    fn seconds_since(&self, before: &Self) -> f64 {
        (self.at_nanos - before.at_nanos) as f64 / 1e9
    }
}

impl Server {
    fn start(program: &Path, folder: &Path, config: &str) -> Result<Self> {
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
    fn wait_for(&self, evaluations: u64) -> Result<()> {
        let begin = clock::now();
        while self.evaluations()? < evaluations {
            ensure!(
                begin.elapsed() < LIMIT,
                "fewer than {evaluations} rules were evaluated within {LIMIT:?}"
            );
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn sample(&self) -> Result<Sample> {
        let cpu = self.process.cpu_times()?;
        Ok(Sample {
            at_nanos: clock::unix_nanos(),
            cpu_nanos: cpu.user_nanos + cpu.system_nanos,
            evaluations: self.evaluations()?,
        })
    }

    fn evaluations(&self) -> Result<u64> {
        let page = get(&format!("{}/metrics", self.url))?.success()?;
        Ok(counter(&page, "prometheus_rule_evaluations_total"))
    }

    /// Checks that every series has its band, and no rule failed.
    fn check(&self, n_series: u32) -> Result<()> {
        let page = get(&format!("{}/metrics", self.url))?.success()?;
        let failed = counter(&page, "prometheus_rule_evaluation_failures_total");
        ensure!(failed == 0, "{failed} evaluations of rules failed");
        for band in ["band:upper", "band:lower"] {
            let answer = get_json(&format!("{}/api/v1/query?query=count({band})", self.url))?;
            let count = answer["data"]["result"][0]["value"][1].as_str().unwrap_or("0");
            ensure!(count == n_series.to_string(), "{count} series have {band}, must be {n_series}");
        }
        Ok(())
    }
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
