//! What really happened.

use std::path::Path;

use anyhow::{Context, ensure};
use model::Timestamp;
use serde::Deserialize;

/// A fault, as `trueline load --truth` states it; for a series, `service` is the file's name without its ending.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Fault {
    pub(super) service: String,
    #[serde(rename = "start_unix_nano", deserialize_with = "nanos")]
    pub(super) start: Timestamp,
    #[serde(rename = "end_unix_nano", deserialize_with = "nanos")]
    pub(super) end: Timestamp,
}

fn nanos<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    u64::deserialize(deserializer).map(Timestamp)
}

/// Reads a file of faults, one JSON object a line.
///
/// # Errors
/// With the line that is none.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Fault>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the truth {} can not be read", path.display()))?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Vec<Fault>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let fault = |(index, line): (usize, &str)| {
        let fault: Fault = serde_json::from_str(line).with_context(|| format!("line {}", index + 1))?;
        ensure!(fault.start < fault.end, "line {}: the fault does not end after its start", index + 1);
        Ok(fault)
    };
    lines.map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_of_a_load_is_read_and_a_bad_line_is_named() {
        let line = r#"{"service":"cart","kind":"dead","factor":1.0,"start_unix_nano":5,"end_unix_nano":9}"#;
        let fault = Fault { service: "cart".to_owned(), start: Timestamp(5), end: Timestamp(9) };
        assert_eq!(parse(&format!("{line}\n\n{line}\n")).unwrap(), [fault.clone(), fault]);
        let problem = |text: &str| format!("{:#}", parse(text).unwrap_err());
        assert!(problem(&format!("{line}\n{{\"service\":1}}")).starts_with("line 2: invalid type"));
        let backwards = r#"{"service":"cart","start_unix_nano":9,"end_unix_nano":9}"#;
        assert_eq!(problem(backwards), "line 1: the fault does not end after its start");
    }
}
