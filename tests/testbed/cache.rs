//! Where the built parts lie.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// Names and versions of the parts; `build.sh` reads the same file.
const VERSIONS: &str = include_str!("versions");

/// Returns the folder that keeps built parts and clients: `TRUELINE_TESTBED`, or
/// `.cache/trueline-testbed` in the home folder.
pub fn cache_dir() -> Result<PathBuf> {
    if let Some(place) = std::env::var_os("TRUELINE_TESTBED") {
        return Ok(place.into());
    }
    let home = std::env::var_os("HOME").context("neither TRUELINE_TESTBED nor HOME is set, set one")?;
    Ok(PathBuf::from(home).join(".cache/trueline-testbed"))
}

/// Returns the path of a command of a part, such as `promtool` of `prometheus`.
///
/// *Errors*: the part is not built; the message names the command that builds it.
pub fn part(name: &str, command: &str) -> Result<PathBuf> {
    let path = cache_dir()?.join(format!("{name}-{}", version_of(name)?)).join(command);
    if !path.is_file() {
        bail!("{} is missing, build it with `tests/testbed/build.sh {name}`", path.display());
    }
    Ok(path)
}

fn version_of(name: &str) -> Result<&'static str> {
    VERSIONS
        .lines()
        .filter_map(|line| line.split_once('='))
        .find_map(|(part, version)| (part == name).then_some(version))
        .with_context(|| format!("no part is named {name}, see tests/testbed/versions"))
}
