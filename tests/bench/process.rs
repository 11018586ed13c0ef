//! The system under test as a process: started on its core, read through `/proc`, ended by id.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

use crate::clock;

/// Ticks per second of the times in `/proc/PID/stat`: 100 on every Linux architecture we run on,
/// whatever the kernel's own tick is.
const TICKS_PER_SECOND: u64 = 100;

/// How long a collector may take to end, and to write its profile where it is built to take one.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running collector, ended when dropped.
pub(crate) struct Process {
    child: Child,
}

/// Processor time of all threads of a process.
///
/// *Units*: nanoseconds, in steps of ten milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTimes {
    pub(crate) user_nanos: u64,
    pub(crate) system_nanos: u64,
}

impl CpuTimes {
    /// Returns the times of all these processes so far.
    pub(crate) fn sum(processes: &[Process]) -> Result<Self> {
        processes.iter().try_fold(Self { user_nanos: 0, system_nanos: 0 }, |sum, process| {
            let times = process.cpu_times()?;
            Ok(Self {
                user_nanos: sum.user_nanos + times.user_nanos,
                system_nanos: sum.system_nanos + times.system_nanos,
            })
        })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user_nanos: self.user_nanos - before.user_nanos,
            system_nanos: self.system_nanos - before.system_nanos,
        }
    }
}

/// The field `utime` of `/proc/PID/stat`, the 14th of the line, counted from the bracket after the name; `stime` follows.
const UTIME: usize = 11;
/// The field `cutime`, the 16th: of children that have ended and were waited for; `cstime` follows.
const CUTIME: usize = 13;

/// Returns the processor time of all children of this process that have ended.
pub(crate) fn children_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("reading /proc/self/stat")?;
    let times = times_in(&stat, CUTIME)?;
    Ok(Duration::from_nanos(times.user_nanos + times.system_nanos))
}

/// Reads two neighbouring times of a line of `/proc/PID/stat`.
fn times_in(stat: &str, field: usize) -> Result<CpuTimes> {
    // The command's name may hold anything, so fields are counted after its closing bracket.
    let (_, fields) = stat.rsplit_once(')').context("/proc/PID/stat without a name")?;
    let mut times = fields.split_ascii_whitespace().skip(field).map(str::parse::<u64>);
    let user = times.next().context("/proc/PID/stat without user time")??;
    let system = times.next().context("/proc/PID/stat without system time")??;
    let nanos = |ticks| ticks * (1_000_000_000 / TICKS_PER_SECOND);
    Ok(CpuTimes { user_nanos: nanos(user), system_nanos: nanos(system) })
}

impl Process {
    /// Starts `program` on `cores` (a `taskset` list), its output in the file `log`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(&str, String)],
        cores: &str,
        log: &Path,
    ) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let child = Command::new("taskset")
            .args(["-c", cores])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {} by taskset", program.display()))?;
        Ok(Self { child })
    }

    /// Tells whether the process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns user and system time so far.
    pub(crate) fn cpu_times(&self) -> Result<CpuTimes> {
        times_in(&self.read("stat")?, UTIME)
    }

    /// Returns the resident set now.
    pub(crate) fn rss_bytes(&self) -> Result<u64> {
        self.status_bytes("VmRSS:")
    }

    /// Returns the largest resident set so far.
    pub(crate) fn peak_rss_bytes(&self) -> Result<u64> {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, field: &str) -> Result<u64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next());
        let kib: u64 = kib.with_context(|| format!("/proc/PID/status without {field}"))?.parse()?;
        Ok(kib * 1024)
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which the run has noticed.
        let asked = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM).is_ok();
        let begin = clock::now();
        while asked && self.is_alive() && begin.elapsed() < STOP_LIMIT {
            thread::sleep(Duration::from_millis(20));
        }
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}
