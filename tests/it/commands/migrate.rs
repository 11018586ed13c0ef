//! `migrate` on configurations of the Go collector, by the program.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::text;
use crate::program::trueline;

#[test]
fn it_ends_with_0_when_all_runs_and_with_4_when_something_does_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str, yaml: &str| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, yaml)?;
        Ok(path.display().to_string())
    };
    let base = file(
        "base.yaml",
        "receivers: {otlp: {protocols: {grpc: }}}
exporters: {otlphttp: {endpoint: 'http://localhost:1'}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlphttp]}}}
",
    )?;
    let over = file("over.yaml", "receivers: {kubeletstats: {}, frobnicate: {}}\n")?;
    let good = trueline(&["migrate", &base])?;
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stdout));
    let bad = trueline(&["migrate", &base, &over, "--format=json"])?;
    assert_eq!(bad.status.code(), Some(4));
    let told: Value = serde_json::from_slice(&bad.stdout)?;
    let missing = told["missing"].as_array().cloned().unwrap_or_default();
    ensure!(missing.len() == 2, "{told:#}");
    assert_eq!(missing[0]["place"], format!("{over}:1:13"));
    ensure!(
        missing[0]["message"].as_str().is_some_and(|it| it.contains("the Go collector's receiver")),
        "{told:#}"
    );
    ensure!(missing[1]["message"].as_str().is_some_and(|it| it.contains("neither here nor")), "{told:#}");
    assert_eq!(trueline(&["migrate", "/nowhere.yaml"])?.status.code(), Some(4));
    assert_eq!(trueline(&["migrate"])?.status.code(), Some(2));
    Ok(())
}
