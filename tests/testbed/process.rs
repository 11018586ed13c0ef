//! A program that runs as long as its value lives.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::deadline::Deadline;

/// How long a part may take until it serves; the slowest takes 2 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a part may take to end by itself when its value is dropped.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// How much of a log an error quotes.
const TAIL_LINES: usize = 40;

/// A program that is about to start, with a folder of its own.
pub struct Launch {
    name: String,
    command: Command,
    dir: TempDir,
}

impl Launch {
    /// Prepares a program; `name` stands in messages.
    pub fn new(name: &str, program: impl AsRef<Path>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix(&format!("trueline-{name}-")).tempdir()?;
        let mut command = Command::new(program.as_ref());
        command.current_dir(dir.path()).stdin(Stdio::null());
        Ok(Self { name: name.to_owned(), command, dir })
    }

    /// Returns the program's folder, which is removed with it.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into the program's folder and returns its path.
    pub fn write(&self, file: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(file);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts the program with its output going to a log file, and returns at once.
    pub fn start(mut self) -> Result<Process> {
        let log = self.dir.path().join("log");
        let out = File::create(&log)?;
        let err = out.try_clone()?;
        let program = PathBuf::from(self.command.get_program());
        let child = self.command.stdout(out).stderr(err).spawn();
        let child = child.with_context(|| format!("starting {} from {}", self.name, program.display()))?;
        Ok(Process { name: self.name, child, log, dir: self.dir })
    }

    /// Starts the program and waits until `is_ready` holds.
    ///
    /// *Errors*: it ended, or is not ready within 30 s; the message quotes the end of its log.
    pub fn start_until(self, is_ready: impl FnMut(&Process) -> bool) -> Result<Process> {
        let mut process = self.start()?;
        process.wait_until("ready", START_LIMIT, is_ready)?;
        Ok(process)
    }
}

/// A running program: told to end when dropped, killed when it does not, its folder removed after.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    dir: TempDir,
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns what the program wrote to standard output and error so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until a condition holds.
    ///
    /// *Errors*: the program ended or `limit` passed before; the message quotes the end of its log.
    pub fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let deadline = Deadline::after(limit);
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} before it was {what}; its log ends:\n{}",
                    self.name,
                    self.tail()
                );
            }
            if holds(self) {
                return Ok(());
            }
            if deadline.has_passed() {
                bail!("{} was not {what} within {limit:?}; its log ends:\n{}", self.name, self.tail());
            }
            deadline.pause();
        }
    }

    /// Says that the program should end, and returns at once.
    pub fn terminate(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        }
        Ok(())
    }

    /// Sends SIGHUP, on which programs read their configuration again.
    pub fn hang_up(&mut self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// Interrupts the program, as Ctrl-C does, and returns at once.
    pub fn interrupt(&mut self) -> Result<()> {
        self.signal(Signal::INT)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        Ok(())
    }

    /// Waits for the program's end.
    ///
    /// *Errors*: it still runs after `limit`; it goes on running until this value is dropped.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Deadline::after(limit);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if deadline.has_passed() {
                bail!("{} still runs after {limit:?}; its log ends:\n{}", self.name, self.tail());
            }
            deadline.pause();
        }
    }

    /// Ends the program at once, as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Returns the last lines of the log.
    pub fn tail(&self) -> String {
        last_lines(&self.log(), TAIL_LINES)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.terminate().and_then(|()| self.wait(STOP_GRACE));
        if ended.is_err() {
            // An error means that it is gone already, which is what we want.
            self.kill().ok();
        }
    }
}

/// Returns the last `n_lines` lines of a text.
pub(crate) fn last_lines(text: &str, n_lines: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(n_lines)..].join("\n")
}
