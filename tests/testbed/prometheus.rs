//! Prometheus: takes remote write and OTLP, scrapes, answers PromQL.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;

use crate::cache::part;
use crate::deadline::{eventually, since_epoch};
use crate::http::{get, post, post_form};
use crate::ports::free_port;
use crate::process::{Launch, Process};

pub type Labels = BTreeMap<String, String>;

/// Which Prometheus to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3: remote write 1.0 and 2.0, OTLP, native histograms, exemplars.
    Three,
    /// Debian 12's 2.42, the oldest that we promise: remote write 1.0.
    Debian,
}

pub struct Prometheus {
    process: Process,
    version: Version,
    url: String,
}

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Float(f64),
    Histogram(NativeHistogram),
}

#[derive(Clone, Debug, PartialEq)]
pub struct NativeHistogram {
    pub count: f64,
    pub sum: f64,
    pub buckets: Vec<Bucket>,
}

/// A bucket of a native histogram, between two bounds in the unit of the metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    pub low: f64,
    pub high: f64,
    pub count: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Labels of the series that it belongs to.
    pub series: Labels,
    /// Its own labels, such as `trace_id`.
    pub labels: Labels,
    pub value: f64,
    pub unix_seconds: f64,
}

impl Sample {
    /// *Errors*: it is a native histogram.
    pub fn float(&self) -> Result<f64> {
        match &self.value {
            Value::Float(value) => Ok(*value),
            Value::Histogram(_) => bail!("{:?} is a native histogram, not a float", self.labels),
        }
    }

    /// *Errors*: it is a float.
    pub fn histogram(&self) -> Result<&NativeHistogram> {
        match &self.value {
            Value::Histogram(histogram) => Ok(histogram),
            Value::Float(value) => bail!("{:?} is the float {value}, not a native histogram", self.labels),
        }
    }

    /// Returns a label's value, empty where there is none, as Prometheus has it.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Prometheus {
    /// Starts an empty Prometheus that takes remote write and scrapes nothing.
    pub fn start(version: Version) -> Result<Self> {
        Self::start_with(version, "")
    }

    /// Starts it with a configuration file of its own language.
    pub fn start_with(version: Version, config_yaml: &str) -> Result<Self> {
        Self::start_on(version, config_yaml, None)
    }

    /// Starts one that has known the samples of an OpenMetrics text for as long as their times say, up to 100 days.
    pub fn start_with_past(version: Version, openmetrics: &str) -> Result<Self> {
        Self::start_on(version, "", Some(openmetrics))
    }

    fn start_on(version: Version, config_yaml: &str, past: Option<&str>) -> Result<Self> {
        let (name, features): (_, &[&str]) = match version {
            Version::Three => ("prometheus", &["--web.enable-otlp-receiver"]),
            Version::Debian => ("prometheus-debian", &[]),
        };
        let mut launch = Launch::new(name, part(name, "prometheus")?)?;
        if let Some(openmetrics) = past {
            let samples = launch.write("past.om", openmetrics)?;
            let made = Command::new(part(name, "promtool")?)
                .args(["tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=7d"])
                .args([&samples, &launch.dir().join("data")])
                .output()?;
            let said = [made.stdout, made.stderr].concat();
            ensure!(made.status.success(), "promtool: {}", String::from_utf8_lossy(&said));
            launch = launch.args(["--storage.tsdb.retention.time=100d"]);
        }
        let config = launch.write("prometheus.yml", config_yaml)?;
        let address = format!("127.0.0.1:{}", free_port());
        let url = format!("http://{address}");
        let launch = launch.args(features).args([
            format!("--web.listen-address={address}"),
            "--web.enable-remote-write-receiver".to_owned(),
            "--web.enable-lifecycle".to_owned(),
            "--enable-feature=exemplar-storage,native-histograms".to_owned(),
            "--storage.tsdb.path=data".to_owned(),
            format!("--config.file={}", config.display()),
        ]);
        let ready = format!("{url}/-/ready");
        let process = launch.start_until(|_| get(&ready).is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { process, version, url })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns where remote write goes.
    pub fn remote_write_url(&self) -> String {
        format!("{}/api/v1/write", self.url)
    }

    /// Returns where OTLP metrics go, an exporter's `metrics_endpoint`; `Version::Three` only.
    pub fn otlp_metrics_url(&self) -> String {
        format!("{}/api/v1/otlp/v1/metrics", self.url)
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Replaces the configuration while it runs.
    pub fn reload(&self, config_yaml: &str) -> Result<()> {
        std::fs::write(self.process.dir().join("prometheus.yml"), config_yaml)?;
        post(&format!("{}/-/reload", self.url), "text/plain", &[], b"")?.success().context("reloading")?;
        Ok(())
    }

    /// Scrapes `HOST:PORT` targets at `/metrics` from now on, and nothing else.
    ///
    /// Labels of the target win over those of its samples only where `honor_labels` would not.
    pub fn scrape(&self, job: &str, targets: &[&str], interval: Duration) -> Result<()> {
        self.reload(&format!(
            "scrape_configs:\n  - job_name: {job:?}\n    scrape_interval: {millis}ms\n    \
             scrape_timeout: {millis}ms\n    static_configs: [{{targets: {targets:?}}}]\n",
            millis = interval.as_millis(),
        ))
    }

    /// Evaluates an expression now and returns `data` of the answer.
    pub fn query_json(&self, promql: &str) -> Result<Json> {
        self.api("query", &[("query", promql)])
    }

    /// Evaluates an expression now; a scalar is a sample without labels.
    pub fn query(&self, promql: &str) -> Result<Vec<Sample>> {
        samples(&self.query_json(promql)?).with_context(|| format!("query {promql}"))
    }

    /// Evaluates an expression at an instant.
    pub fn query_at(&self, promql: &str, unix_seconds: f64) -> Result<Vec<Sample>> {
        let time = unix_seconds.to_string();
        samples(&self.api("query", &[("query", promql), ("time", &time)])?)
            .with_context(|| format!("query {promql} at {time}"))
    }

    /// Evaluates an expression that must give exactly one float.
    pub fn value(&self, promql: &str) -> Result<f64> {
        let found = self.query(promql)?;
        match found.as_slice() {
            [only] => only.float(),
            _ => bail!("{promql} gives {} samples, must give one: {found:?}", found.len()),
        }
    }

    /// Repeats a query until its samples pass, and returns them.
    ///
    /// *Errors*: they do not within `limit`; the message shows the last answer.
    pub fn query_until(
        &self,
        promql: &str,
        limit: Duration,
        mut pass: impl FnMut(&[Sample]) -> bool,
    ) -> Result<Vec<Sample>> {
        eventually(promql, limit, || {
            let found = self.query(promql)?;
            ensure!(pass(&found), "got {found:?}");
            Ok(found)
        })
    }

    /// Evaluates an expression over a range and returns `data` of the answer.
    pub fn query_range_json(&self, promql: &str, start: f64, end: f64, step: Duration) -> Result<Json> {
        let (start, end, step) = (start.to_string(), end.to_string(), step.as_secs_f64().to_string());
        self.api("query_range", &[("query", promql), ("start", &start), ("end", &end), ("step", &step)])
    }

    /// Returns the exemplars of the last two hours of the series that an expression selects.
    pub fn query_exemplars(&self, promql: &str) -> Result<Vec<Exemplar>> {
        let now = since_epoch().as_secs_f64();
        let (start, end) = ((now - 7200.0).to_string(), (now + 60.0).to_string());
        let data = self.api("query_exemplars", &[("query", promql), ("start", &start), ("end", &end)])?;
        let mut exemplars = Vec::new();
        for series in array(&data)? {
            for exemplar in array(&series["exemplars"])? {
                exemplars.push(Exemplar {
                    series: labels(&series["seriesLabels"])?,
                    labels: labels(&exemplar["labels"])?,
                    value: number(&exemplar["value"])?,
                    unix_seconds: number(&exemplar["timestamp"])?,
                });
            }
        }
        Ok(exemplars)
    }

    /// Returns the label sets of the series that a selector matches.
    pub fn series(&self, selector: &str) -> Result<Vec<Labels>> {
        array(&self.api("series", &[("match[]", selector)])?)?.iter().map(labels).collect()
    }

    fn api(&self, path: &str, form: &[(&str, &str)]) -> Result<Json> {
        let answer = post_form(&format!("{}/api/v1/{path}", self.url), form)?;
        let mut body = answer.json().with_context(|| format!("{path} {form:?}"))?;
        Ok(body["data"].take())
    }
}

fn samples(data: &Json) -> Result<Vec<Sample>> {
    let result = &data["result"];
    match data["resultType"].as_str() {
        Some("scalar") => {
            Ok(vec![Sample { labels: Labels::new(), value: Value::Float(number(&result[1])?) }])
        }
        Some("vector") => array(result)?.iter().map(sample).collect(),
        other => bail!("result is {other:?}, must be a vector or a scalar"),
    }
}

fn sample(element: &Json) -> Result<Sample> {
    let value = match element.get("histogram") {
        Some(histogram) => Value::Histogram(native_histogram(&histogram[1])?),
        None => Value::Float(number(&element["value"][1])?),
    };
    Ok(Sample { labels: labels(&element["metric"])?, value })
}

fn native_histogram(json: &Json) -> Result<NativeHistogram> {
    let mut buckets = Vec::new();
    // A histogram without observations has no buckets; each is [boundary rule, low, high, count].
    for bucket in json["buckets"].as_array().into_iter().flatten() {
        buckets.push(Bucket {
            low: number(&bucket[1])?,
            high: number(&bucket[2])?,
            count: number(&bucket[3])?,
        });
    }
    Ok(NativeHistogram { count: number(&json["count"])?, sum: number(&json["sum"])?, buckets })
}

fn labels(json: &Json) -> Result<Labels> {
    let object = json.as_object().with_context(|| format!("labels are {json}, must be an object"))?;
    object
        .iter()
        .map(|(name, value)| {
            let value =
                value.as_str().with_context(|| format!("label {name} is {value}, must be a string"))?;
            Ok((name.clone(), value.to_owned()))
        })
        .collect()
}

fn array(json: &Json) -> Result<&Vec<Json>> {
    json.as_array().with_context(|| format!("got {json}, must be an array"))
}

/// Reads a number that Prometheus wrote as one, or as a string so that `NaN` and `+Inf` fit.
fn number(json: &Json) -> Result<f64> {
    let number = json.as_str().map_or_else(|| json.as_f64(), |text| text.parse().ok());
    number.with_context(|| format!("got {json}, must be a number"))
}
