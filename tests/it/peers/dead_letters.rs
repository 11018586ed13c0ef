//! `trueline deliveries`: what no destination took is shown, and sent again.

use std::{os::unix::fs::PermissionsExt, process::Command};

use anyhow::{Context, Result, ensure};
use testbed::{eventually, trueline_binary};

use super::{
    SOON,
    alertmanager::{Transition, tell},
    destination::{Destination, Mood},
    gateway::{Gateway, Recipe},
};
use crate::rig::Folder;

fn components(folder: &Folder, hook: &Destination) -> String {
    format!(
        "exporters:
  alert_webhook:
    queue: {{directory: '{}'}}
    destinations: [{{name: hook, format: cloudevents, url: '{}'}}]
  nop:",
        folder.file("queue").display(),
        hook.url()
    )
}

/// Runs the command and returns how it ended and what it printed.
fn deliveries(folder: &Folder, args: &[&str]) -> Result<(i32, String)> {
    let output = Command::new(trueline_binary()?)
        .arg("deliveries")
        .args(args)
        .arg(folder.file("queue"))
        .args(["--destination", "hook"])
        .output()?;
    let code = output.status.code().context("it was killed")?;
    Ok((code, String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?))
}

#[test]
fn dead_letters_are_listed_and_sent_again_and_who_is_refused_again_stays() -> Result<()> {
    let (folder, refusing, taking) =
        (Folder::new()?, Destination::start(|| Mood::Refuses)?, Destination::good()?);
    let mut gateway = Gateway::start(&Recipe {
        components: &components(&folder, &refusing),
        pipelines: "
logs: {receivers: [otlp], exporters: [alert_webhook]}
traces: {receivers: [otlp], exporters: [nop]}
metrics: {receivers: [otlp], exporters: [nop]}",
        ..Recipe::default()
    })?;
    for service in ["shop", "\u{1b}[31mcart"] {
        tell(&gateway.http, &Transition { state: "firing", service, sequence: 1 })?;
    }
    let file = folder.file("queue").join("dead_letters.jsonl");
    eventually("two dead letters", SOON, || {
        let n_letters = std::fs::read_to_string(&file)?.lines().count();
        ensure!(n_letters == 2, "there are {n_letters}");
        Ok(())
    })?;
    ensure!(gateway.trueline.stop(SOON)?.success());
    let (code, told) = deliveries(&folder, &["list"])?;
    ensure!(code == 0 && told.matches("HighErrors firing").count() == 2, "{code}: {told}");
    ensure!(told.contains("404 Not Found") && !told.contains('\u{1b}'), "{told:?}");
    let replay = |hook: &Destination| {
        let path = folder.file("config.yaml");
        std::fs::write(&path, components(&folder, hook))?;
        deliveries(&folder, &["replay", "--config", &path.display().to_string()])
    };
    let (code, told) = replay(&refusing)?;
    ensure!(code == 6 && told.contains("0 delivered, 2 not"), "{code}: {told}");
    let (code, told) = replay(&taking)?;
    ensure!(code == 0 && told.contains("2 delivered, 0 not"), "{code}: {told}");
    let ids = |hook: &Destination| {
        hook.look(|seen| seen.iter().map(|seen| seen.body["id"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(ids(&taking), ids(&refusing)[2..], "as they were told at first, in their order");
    let kept = std::fs::metadata(&file)?;
    assert_eq!((kept.len(), kept.permissions().mode() & 0o777), (0, 0o600));
    Ok(())
}
