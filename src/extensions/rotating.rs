//! Secrets in files that somebody exchanges while we run.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use component::{Checks, Clock, Stop};
use config::Secret;
use transport::warn_of_open_secret;

/// How often files are read again.
const PERIOD: Duration = Duration::from_secs(1);

/// No credential is longer. *Units*: bytes.
const LONGEST: u64 = 64 << 10;

/// What a file holds, read again each second; the last good text outlives a bad one.
pub(crate) struct Rotating {
    file: PathBuf,
    text: ArcSwap<Secret>,
    is_good: fn(&str) -> bool,
    /// Whether the last reading failed, so that the log is told once.
    is_failing: AtomicBool,
}

impl std::fmt::Debug for Rotating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rotating").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Rotating {
    /// Reads a file for the first time and reports what is wrong with it; `is_good` judges the trimmed text.
    pub(crate) fn first(
        file: &Path,
        is_good: fn(&str) -> bool,
        path: &str,
        checks: &mut Checks,
    ) -> Option<Arc<Self>> {
        warn_of_open_secret(path, file, checks);
        let shown = file.display();
        let text = match read(file) {
            Ok(text) if is_good(text.expose()) => text,
            Ok(_) => {
                checks.error(path, format!("{shown} holds no credential that can be used"));
                return None;
            }
            Err(problem) => {
                checks.error(path, format!("{shown} can not be read: {problem}; make it readable"));
                return None;
            }
        };
        let (file, is_failing) = (file.to_owned(), AtomicBool::new(false));
        Some(Arc::new(Self { file, text: ArcSwap::from_pointee(text), is_good, is_failing }))
    }

    pub(crate) fn current(&self) -> Arc<Secret> {
        self.text.load_full()
    }

    /// Reads the file again.
    fn refresh(&self) {
        let problem = match read(&self.file) {
            Ok(text) if (self.is_good)(text.expose()) => {
                self.is_failing.store(false, Ordering::Relaxed);
                if **self.text.load() != text {
                    self.text.store(Arc::new(text));
                    tracing::info!(file = %self.file.display(), "a credential was exchanged");
                }
                return;
            }
            Ok(_) => io::Error::other("it holds no credential that can be used"),
            Err(problem) => problem,
        };
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            let file = self.file.display();
            tracing::warn!(%file, error = %problem, "a credential can not be read again, the last one stays in use");
        }
    }
}

/// Keeps files current until told to stop.
pub(crate) async fn keep_current(files: Vec<Arc<Rotating>>, clock: &dyn Clock, stop: &Stop) {
    if files.is_empty() {
        return stop.cancelled().await;
    }
    loop {
        tokio::select! {
            () = clock.sleep_until(clock.now() + PERIOD) => {}
            () = stop.cancelled() => return,
        }
        let files = files.clone();
        // A reading that panics is tried again.
        let _read = tokio::task::spawn_blocking(move || files.iter().for_each(|file| file.refresh())).await;
    }
}

fn read(file: &Path) -> io::Result<Secret> {
    let mut text = String::new();
    File::open(file)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    Ok(Secret::new(text.trim()))
}

#[cfg(test)]
mod tests {
    use component::testing::ManualClock;
    use model::Timestamp;

    use super::*;

    #[test]
    fn what_is_exchanged_is_used_and_a_bad_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "first\n").unwrap();
        let mut checks = Checks::default();
        let held = Rotating::first(&file, |text| !text.is_empty(), "filename", &mut checks).unwrap();
        assert_eq!(held.current().expose(), "first");
        std::fs::write(&file, "second").unwrap();
        held.refresh();
        assert_eq!(held.current().expose(), "second");
        std::fs::write(&file, " \n").unwrap();
        held.refresh();
        std::fs::write(&file, "x".repeat(70_000)).unwrap();
        held.refresh();
        std::fs::remove_file(&file).unwrap();
        held.refresh();
        assert_eq!(held.current().expose(), "second");
        assert!(Rotating::first(&file, |_| true, "filename", &mut checks).is_none());
        let findings = checks.into_findings();
        let errors: Vec<_> = findings.iter().filter(|found| !found.is_warning).collect();
        assert!(errors.len() == 1 && errors[0].message.contains("can not be read"), "{findings:?}");
    }

    #[test]
    fn files_are_read_each_second_until_the_stop() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "first").unwrap();
        let held = Rotating::first(&file, |_| true, "filename", &mut Checks::default()).unwrap();
        let clock = ManualClock::new(Timestamp::from_secs(100));
        let stop = Stop::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let keeping = keep_current(vec![Arc::clone(&held)], &clock, &stop);
            let change = async {
                tokio::task::yield_now().await;
                std::fs::write(&file, "second").unwrap();
                clock.advance_to(Timestamp::from_secs(101));
                while held.current().expose() == "first" {
                    tokio::task::yield_now().await;
                }
                stop.cancel();
            };
            tokio::join!(keeping, change);
        });
        assert_eq!(held.current().expose(), "second");
    }
}
