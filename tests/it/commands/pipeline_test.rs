//! `test`: exit codes and results, by the program.

use anyhow::{Result, ensure};

use super::text;
use crate::program::trueline;

const TESTS: &str = "config: ['yaml:{receivers: {otlp: {protocols: {grpc: }}}, exporters: {nop: }, service: {pipelines: {logs: {receivers: [otlp], exporters: [nop]}}}}']
tests:
  - name: it passes
    inputs: [{logs: {resourceLogs: [{scopeLogs: [{logRecords: [{body: one}]}]}]}}]
    expect: {nop: {log_records: [{body: one}]}}
  - name: it fails
    inputs: [{logs: {resourceLogs: [{scopeLogs: [{logRecords: [{body: one}]}]}]}}]
    expect: {nop: {log_records: [{body: two}]}}
";

#[test]
fn a_test_that_fails_ends_with_5_and_one_that_passes_with_0() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (file, junit) = (path("a.test.yaml"), path("junit.xml"));
    std::fs::write(&file, TESTS)?;
    let all = trueline(&["test", &file, "--junit", &junit])?;
    assert_eq!(all.status.code(), Some(5), "{}", text(&all.stderr));
    let told = text(&all.stdout);
    ensure!(
        told.contains("- body: \"two\"\n    + body: \"one\"") && told.ends_with("1 passed, 1 failed\n"),
        "{told}"
    );
    let xml = std::fs::read_to_string(&junit)?;
    ensure!(xml.contains("tests=\"2\" failures=\"1\" errors=\"0\""), "{xml}");
    assert_eq!(trueline(&["test", &file, "--filter", "passes"])?.status.code(), Some(0));
    assert_eq!(trueline(&["test", &file, "--filter", "nothing"])?.status.code(), Some(2));
    assert_eq!(
        trueline(&["test", &file, "--filter", "passes", "--junit", "/nowhere/x.xml"])?.status.code(),
        Some(1)
    );
    assert_eq!(trueline(&["test", "/nowhere.yaml"])?.status.code(), Some(4));
    std::fs::write(&file, TESTS.replace("nop: }", "npo: }"))?;
    assert_eq!(trueline(&["test", &file])?.status.code(), Some(4));
    Ok(())
}
