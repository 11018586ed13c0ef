//! The rules about trueline's own health, by the oldest and the newest Prometheus that is promised.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use testbed::part;

#[test]
fn rules_about_the_health_of_trueline_pass_their_tests() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/prometheus");
    for prometheus in ["prometheus", "prometheus-debian"] {
        let output = Command::new(part(prometheus, "promtool")?)
            .args(["test", "rules", "trueline.rules.test.yaml"])
            .current_dir(&folder)
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "{prometheus}: {}", String::from_utf8_lossy(&said));
    }
    Ok(())
}
