//! What `deploy/` has for those who run it: the unit of systemd is one, and as closed as can be.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// Settings that the unit must have, as `key=value`.
const CLOSED: [&str; 24] = [
    "DynamicUser=yes",
    "StateDirectory=trueline",
    "UMask=0077",
    "LimitCORE=0",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
];

/// What `systemd-analyze security` may say at most, in tenths of its scale from 0 to 10.
const MOST_EXPOSURE: &str = "15";

#[test]
fn the_unit_of_systemd_is_closed_and_is_one() -> Result<()> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd/trueline.service");
    let text = fs::read_to_string(&unit)?;
    for setting in CLOSED {
        ensure!(text.lines().any(|line| line == setting), "{setting} is missing");
    }
    ensure!(text.lines().any(|line| line.starts_with("MemoryMax=")), "memory has no bound");
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else { return Ok(()) };
    ensure!(version.status.success(), "systemd-analyze does not run");

    // Its programs are where a package would put them; here something else that can be run stands for them.
    let folder = tempfile::tempdir()?;
    let here = folder.path().join("trueline.service");
    fs::write(&here, text.replace("/usr/bin/trueline", "/bin/true"))?;
    let analyze = |arguments: &[&str]| -> Result<String> {
        let told = Command::new("systemd-analyze").args(arguments).arg(&here).output()?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        ensure!(told.status.success(), "{arguments:?}: {said}");
        Ok(said)
    };
    let said = analyze(&["verify"])?;
    ensure!(said.trim().is_empty(), "{said}");
    let threshold = format!("--threshold={MOST_EXPOSURE}");
    let said = analyze(&["security", "--offline=true", &threshold])?;
    said.lines().find(|line| line.contains("Overall exposure")).context("no verdict")?;
    Ok(())
}
