//! Published detectors as rows: `peers/peers.py` in a virtual environment of its own.
//!
//! The environment and every result lie in the testbed's cache. A result is known by the script, the
//! versions and the bytes of the series, so a second run computes what has changed and nothing else, and a
//! run that was stopped goes on with the next file.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::corpus::Corpus;

/// One line of the script's output; as it stands also what is kept in the cache.
#[derive(Deserialize)]
struct Line {
    file: PathBuf,
    scores: Vec<f64>,
    cpu_seconds: f64,
}

/// Returns the scores for each series and point and the CPU seconds that they took when they were computed.
///
/// *Errors*: Python or a package cannot be had, or the script fails, which it says on stderr.
pub(super) fn score(row: &str, corpus: &Corpus) -> Result<(Vec<Vec<f64>>, f64)> {
    let cache = testbed::cache_dir()?.join("detection");
    let results = cache.join(format!("{row}-{:016x}", hash_of_files(&[script(), requirements()])?));
    fs::create_dir_all(&results).with_context(|| format!("making {}", results.display()))?;
    let mut kept = Vec::new();
    for series in &corpus.series {
        kept.push(results.join(format!("{:016x}.json", hash_of_files(std::slice::from_ref(&series.path))?)));
    }
    let missing: Vec<_> = corpus.series.iter().zip(&kept).filter(|(_, kept)| !kept.is_file()).collect();
    if !missing.is_empty() {
        let files = missing.iter().map(|(series, kept)| (series.path.as_path(), kept.as_path()));
        compute(row, &environment(&cache)?, &files.collect::<Vec<_>>())?;
    }
    let (mut scores, mut cpu_seconds) = (Vec::new(), 0.0);
    for kept in kept {
        let text = fs::read_to_string(&kept).with_context(|| format!("reading {}", kept.display()))?;
        let line: Line = serde_json::from_str(&text)
            .with_context(|| format!("{} is damaged, remove it", kept.display()))?;
        cpu_seconds += line.cpu_seconds;
        scores.push(line.scores);
    }
    Ok((scores, cpu_seconds))
}

/// Runs the script over series and keeps each result as it comes.
fn compute(row: &str, python: &Path, files: &[(&Path, &Path)]) -> Result<()> {
    let mut command = Command::new("nice");
    command.args(["-n", "15"]).arg(python).arg(script()).arg(row);
    command.args(files.iter().map(|(file, _)| file));
    // One thread: CPU time is compared, and others use this machine.
    for library in ["OMP", "OPENBLAS", "MKL", "NUMBA"] {
        command.env(format!("{library}_NUM_THREADS"), "1");
    }
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = Stopping(child.with_context(|| format!("starting {}", python.display()))?);
    let output = child.0.stdout.take().context("the child has no output")?;
    let mut n_kept = 0;
    for text in BufReader::new(output).lines() {
        let text = text.context("reading the output of peers.py")?;
        let line: Line = serde_json::from_str(&text).context("peers.py printed what is not a result")?;
        let place = files.iter().find(|(file, _)| *file == line.file);
        let (_, kept) = place.with_context(|| format!("peers.py scored {}", line.file.display()))?;
        // Renamed when whole: a run that is stopped leaves no half of a result.
        let half = kept.with_extension("half");
        fs::write(&half, &text).and_then(|()| fs::rename(&half, kept)).context("keeping a result")?;
        n_kept += 1;
    }
    let status = child.0.wait().context("waiting for peers.py")?;
    ensure!(status.success(), "peers.py {row} ended with {status}");
    ensure!(n_kept == files.len(), "peers.py {row} scored {n_kept} of {} files", files.len());
    Ok(())
}

/// A child that does not outlive a failure of ours.
struct Stopping(Child);

impl Drop for Stopping {
    fn drop(&mut self) {
        // Where it has ended already, both say so, which is all that is wanted.
        if self.0.kill().is_ok() {
            self.0.wait().ok();
        }
    }
}

/// Returns the Python of an environment with exactly the packages that are asked for, made when it is missing.
fn environment(cache: &Path) -> Result<PathBuf> {
    let place = cache.join(format!("python-{:016x}", hash_of_files(&[requirements()])?));
    let lock = File::create(cache.join(".python.lock")).context("making the lock of the environment")?;
    lock.lock().context("waiting for the lock of the environment")?;
    if !place.is_dir() {
        eprintln!("installing the peers into {}", place.display());
        let half = tempfile::Builder::new().prefix(".python-").tempdir_in(cache)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(half.path()))?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        run(Command::new(half.path().join("bin/python")).args(install).arg(requirements()))?;
        fs::rename(half.path(), &place).context("moving the environment to its place")?;
    }
    Ok(place.join("bin/python"))
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.with_context(|| format!("starting {program}"))?;
    ensure!(status.success(), "{program} ended with {status}");
    Ok(())
}

fn hash_of_files(files: &[PathBuf]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file).with_context(|| format!("reading {}", file.display()))?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("detection/peers/peers.py")
}

fn requirements() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("detection/peers/requirements.txt")
}
