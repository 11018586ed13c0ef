//! Our own program: `trueline replay FILE… --config FILE --format jsonl`, and the incidents that it tells of.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::series::parse_timestamp;

use super::telemetry::SECOND;

/// Everything that was told of an incident, in the order in which it was told; at least once.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Incident {
    pub(super) id: String,
    pub(super) told: Vec<Told>,
}

/// What a line tells of an incident.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Told {
    /// *Units*: nanoseconds since the epoch.
    pub(super) at: u64,
    /// Services named as the cause, the most likely first. Equal scores keep the order of the line.
    pub(super) causes: Vec<Cause>,
    /// Services that it concerns.
    pub(super) services: Vec<String>,
    /// How likely the first is the cause, by its own word.
    pub(super) confidence: f64,
    /// Alerts, episodes and other events that are one incident.
    pub(super) n_events: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Cause {
    pub(super) service: String,
    pub(super) score: f64,
}

impl Incident {
    pub(super) fn first_told(&self) -> u64 {
        self.told.first().map_or(u64::MAX, |told| told.at)
    }

    /// Returns the last line until an instant.
    pub(super) fn until(&self, instant: u64) -> Option<&Told> {
        self.told.iter().rev().find(|told| told.at <= instant)
    }
}

/// How the program is run.
pub(super) struct Subject {
    pub(super) binary: PathBuf,
    pub(super) config: PathBuf,
}

impl Subject {
    /// Replays files and returns the incidents in the order in which they were told first.
    ///
    /// *Errors*: the program fails, which it says on stderr, or a line can not be read.
    pub(super) fn replay(&self, files: &[&Path], calls: &[(String, String)]) -> Result<Vec<Incident>> {
        let mut command = Command::new("nice");
        command.args(["-n", "15"]).arg(&self.binary).arg("replay").args(files);
        command.arg("--config").arg(&self.config);
        if !calls.is_empty() {
            command.arg("--config").arg(format!("yaml:{}", known_calls(calls)));
        }
        let mut child = command
            .args(["--format", "jsonl"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        let output = child.stdout.take().context("the child has no output")?;
        let problems = child.stderr.take().context("the child has no stderr")?;
        let (told, problems) = std::thread::scope(|scope| {
            let problems = scope.spawn(|| std::io::read_to_string(problems).unwrap_or_default());
            (incidents(BufReader::new(output)), problems.join().unwrap_or_default())
        });
        let status = child.wait().context("waiting for trueline replay")?;
        // A line that cannot be read comes first: the program then ended because nobody read on.
        let told = told?;
        ensure!(status.success(), "trueline replay ended with {status}: {}", problems.trim_end());
        Ok(told)
    }
}

/// Writes calls as configuration. JSON is YAML.
fn known_calls(calls: &[(String, String)]) -> String {
    let edges: Vec<_> = calls
        .iter()
        .map(|(client, server)| serde_json::json!({"client": client, "server": server}))
        .collect();
    serde_json::json!({"processors": {"correlation": {"graph": {"static_edges": edges}}}}).to_string()
}

/// Reads lines; those that have no `causes` are about something else.
pub(super) fn incidents(lines: impl BufRead) -> Result<Vec<Incident>> {
    let mut incidents: Vec<Incident> = Vec::new();
    for (text, number) in lines.lines().zip(1..) {
        let text = text.context("reading the output of trueline replay")?;
        let line: Value = serde_json::from_str(&text).with_context(|| format!("line {number} is {text}"))?;
        let facts = line.get("incident").unwrap_or(&line);
        if facts.get("causes").is_none() {
            continue;
        }
        let told = told(&line, facts).with_context(|| format!("line {number} is {text}"))?;
        let id = facts
            .get("id")
            .and_then(Value::as_str)
            .with_context(|| format!("line {number} has no id: {text}"))?;
        match incidents.iter_mut().find(|known| known.id == id) {
            Some(known) => known.told.push(told),
            None => incidents.push(Incident { id: id.to_owned(), told: vec![told] }),
        }
    }
    Ok(incidents)
}

fn told(line: &Value, facts: &Value) -> Result<Told> {
    let list = |key: &str| facts.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let time = line.get("time").and_then(Value::as_str).context("it has no time")?;
    let seconds =
        u64::try_from(parse_timestamp(time.trim_end_matches('Z'))?).context("its time is before 1970")?;
    let causes = list("causes").iter().map(|cause| {
        let service = cause.get("service").and_then(Value::as_str).context("a cause has no service")?;
        let score = cause.get("score").and_then(Value::as_f64).unwrap_or_default();
        Ok(Cause { service: service.to_owned(), score })
    });
    let mut causes = causes.collect::<Result<Vec<_>>>()?;
    causes.sort_by(|one, other| other.score.total_cmp(&one.score));
    let services = list("services").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let confidence = facts.get("confidence").and_then(Value::as_f64).unwrap_or_default();
    Ok(Told { at: seconds * SECOND, causes, services, confidence, n_events: list("events").len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: &str = r#"{"time":"2026-01-01T00:01:10.5Z","name":"trueline.incident.opened","id":"A","causes":[{"service":"web","score":1.0}],"services":["web"],"events":[{}]}"#;

    #[test]
    fn what_is_told_of_an_incident_is_kept_in_its_order() {
        let updated = r#"{"time":"2026-01-01T00:02:00Z","incident":{"id":"A","causes":[{"service":"web","score":1.0},{"service":"cart","score":2.5}],"services":["web","cart"],"events":[{},{}]}}"#;
        let other = r#"{"time":"2026-01-01T00:02:00Z","name":"trueline.anomaly","body":"odd"}"#;
        let lines = [OPENED, other, updated].join("\n");
        let told = incidents(lines.as_bytes()).expect("they can be read");
        let [incident] = &told[..] else { panic!("one incident") };
        let [first, last] = &incident.told[..] else { panic!("told twice") };
        let causes: Vec<_> = last.causes.iter().map(|cause| &*cause.service).collect();
        assert_eq!((causes, last.n_events), (vec!["cart", "web"], 2));
        assert_eq!((last.at - first.at, incident.first_told()), (50 * SECOND, first.at));
        assert_eq!(incident.until(last.at - 1), Some(first));
    }

    #[test]
    fn a_line_that_names_no_incident_is_refused_by_its_number() {
        let nameless = OPENED.replace(r#""id":"A","#, "");
        let lines = [OPENED, &nameless].join("\n");
        let problem = incidents(lines.as_bytes()).expect_err("it has no id");
        assert!(format!("{problem:#}").starts_with("line 2 has no id"), "{problem:#}");
    }

    #[test]
    fn calls_become_edges_of_the_configuration() {
        let calls = [("a: b".to_owned(), "c".to_owned())];
        let edges =
            r#"{"processors":{"correlation":{"graph":{"static_edges":[{"client":"a: b","server":"c"}]}}}}"#;
        assert_eq!(known_calls(&calls), edges);
    }
}
