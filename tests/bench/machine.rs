//! Where and on what the figures were taken.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::clock;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// The commit, with a `+` where files differ from it.
    pub(crate) commit: String,
    /// The day in UTC.
    pub(crate) date: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            // Not `available_parallelism`, which counts the one core we are pinned to.
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            // Without what its builder calls it.
            kernel: kernel.split('-').next().unwrap_or_default().trim().to_owned(),
            commit: commit(&source_folder()).unwrap_or_else(|| "unknown".to_owned()),
            date: date(),
        }
    }

    /// Says of what tree figures are, and from when: every table that stands in a file tells it.
    pub(crate) fn stamp(&self) -> String {
        format!("commit {}, {}", self.commit, self.date)
    }
}

fn date() -> String {
    let now = testbed::series::format_timestamp((clock::unix_nanos() / 1_000_000_000).cast_signed());
    now.split_once(' ').map_or(now.clone(), |(date, _)| date.to_owned())
}

/// Asks at run time: clones that share a target directory share this binary too, and the folder in which
/// it was built may be gone.
fn source_folder() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

fn commit(folder: &Path) -> Option<String> {
    let commit = git(folder, &["rev-parse", "--short=10", "HEAD"])?;
    let changed = git(folder, &["status", "--porcelain", "--untracked-files=no"])?;
    Some(commit + if changed.is_empty() { "" } else { "+" })
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).current_dir(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_names_the_commit_and_a_day_of_this_century() {
        let stamp = Machine::here().stamp();
        let day = stamp.strip_prefix("commit ").and_then(|rest| rest.split_once(", 20")).map(|(_, day)| day);
        let is_day = |day: &str| day.len() == 8 && day.bytes().filter(|byte| *byte == b'-').count() == 2;
        assert!(day.is_some_and(is_day), "{stamp}");
    }

    #[test]
    fn the_commit_is_that_of_the_folder_with_a_mark_where_files_differ() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        assert_eq!(commit(here), None, "no repository");
        let file = here.join("file");
        fs::write(&file, "one").unwrap();
        let author = ["-c", "user.name=name", "-c", "user.email=name@example.com"];
        for arguments in [&["init", "-q"][..], &["add", "file"], &["commit", "-q", "-m", "one"]] {
            git(here, &[&author[..], arguments].concat()).unwrap();
        }
        let clean = commit(here).unwrap();
        assert!(clean.len() == 10 && clean.bytes().all(|byte| byte.is_ascii_hexdigit()), "{clean}");
        fs::write(&file, "two").unwrap();
        assert_eq!(commit(here).unwrap(), clean + "+");
    }
}
