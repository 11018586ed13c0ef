//! `validate`: problems for programs, and warnings.

use anyhow::Result;
use serde_json::{Value, json};

use super::{root, text};
use crate::program::trueline;

/// Two warnings and nothing wrong.
const FOOLISH: &str = "receivers:
  otlp:
    protocols: {grpc: {endpoint: '0.0.0.0:4317'}}
exporters: {nop: , otlp_http: {endpoint: http://api.example.com}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [nop, otlp_http]}}}
";

#[test]
fn problems_are_written_for_programs_with_their_places() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("config.yaml").display().to_string();
    std::fs::write(&file, FOOLISH)?;
    let told = trueline(&["validate", "--format=json", "--config", &file])?;
    assert_eq!(told.status.code(), Some(0));
    let told: Value = serde_json::from_slice(&told.stdout)?;
    let first = &told[0];
    assert_eq!(told.as_array().map(Vec::len), Some(2), "{told:#}");
    assert_eq!(
        (&first["severity"], &first["lint"], &first["file"], &first["line"], &first["column"]),
        (&json!("warning"), &json!("public_endpoint"), &json!(file), &json!(3), &json!(34))
    );
    assert_eq!(first["path"], "receivers::otlp::protocols::grpc::endpoint");
    assert!(first["message"].is_string() && first["help"].is_string());
    let at = |key: &str| first["span"][key].as_u64().and_then(|at| usize::try_from(at).ok());
    assert_eq!(
        at("start").zip(at("end")).and_then(|(start, end)| FOOLISH.get(start..end)),
        Some("'0.0.0.0:4317'")
    );
    Ok(())
}

#[test]
fn a_warning_that_is_allowed_is_not_told() -> Result<()> {
    let config = format!("--config=yaml:{FOOLISH}");
    let validate =
        |allowed: &[&str]| trueline(&[&["validate", "--deny-warnings", &config][..], allowed].concat());
    let told = validate(&[])?;
    assert_eq!(told.status.code(), Some(3));
    assert!(text(&told.stdout).contains("warning[public_endpoint]: "), "{}", text(&told.stdout));
    assert_eq!(validate(&["--allow=plain_text"])?.status.code(), Some(3));
    assert_eq!(validate(&["--allow=plain_text", "--allow=public_endpoint"])?.status.code(), Some(0));
    assert_eq!(validate(&["--allow=all"])?.status.code(), Some(2));
    Ok(())
}

#[test]
fn no_pipeline_of_the_repository_is_warned_of() -> Result<()> {
    for entry in std::fs::read_dir(root().join("pipelines"))? {
        let config = format!("--config={}", entry?.path().display());
        let told = trueline(&["validate", "--deny-warnings", &config])?;
        assert_eq!(told.status.code(), Some(0), "{config}\n{}", text(&told.stdout));
    }
    Ok(())
}
