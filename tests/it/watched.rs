//! What a running program takes while something is done to it, and what others notice of it.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use testbed::get;

/// Ticks of `/proc/PID/stat`, whatever those of the kernel are.
const TICKS_PER_SECOND: f64 = 100.0;

fn status_mib(pid: u32, field: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: u64 = line.and_then(|rest| rest.trim().split(' ').next()).context("memory is told")?.parse()?;
    Ok(kib.div_ceil(1024))
}

/// Returns the resident memory of a process. *Units*: MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<u64> {
    status_mib(pid, "VmRSS:")
}

/// Returns the most that its resident memory has ever been. *Units*: MiB.
pub(crate) fn peak_resident_mib(pid: u32) -> Result<u64> {
    status_mib(pid, "VmHWM:")
}

/// Returns the time that a process has worked. *Units*: seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| -> Result<u64> { Ok(fields.get(place).context("a tick")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) as f64 / TICKS_PER_SECOND)
}

/// The value below which such a share of all lies.
pub(crate) fn percentile(values: &[Duration], share: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    let place = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(place - 1).copied().unwrap_or_default()
}

/// Looks at a process until told to stop: how it answers for its health, and how much memory it holds.
pub(crate) struct Observer {
    is_over: Arc<AtomicBool>,
    peak_mib: Arc<AtomicU64>,
    health: JoinHandle<Result<Vec<Duration>>>,
    memory: JoinHandle<Result<()>>,
}

/// What was seen.
pub(crate) struct Observed {
    /// How long each answer for its health took.
    pub(crate) health: Vec<Duration>,
    pub(crate) peak_mib: u64,
}

impl Observer {
    pub(crate) fn start(pid: u32, health: SocketAddr) -> Self {
        let (is_over, peak_mib) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let until = Arc::clone(&is_over);
        let health = std::thread::spawn(move || {
            let mut taken = Vec::new();
            // At least some, however short it is.
            while !until.load(Ordering::Acquire) || taken.len() < 5 {
                let begun = Instant::now();
                let answer = get(&format!("http://{health}/"))?;
                taken.push(begun.elapsed());
                ensure!(answer.status == 200, "health is {}: {}", answer.status, answer.body);
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(taken)
        });
        let (until, peak) = (Arc::clone(&is_over), Arc::clone(&peak_mib));
        let memory = std::thread::spawn(move || {
            while !until.load(Ordering::Acquire) {
                peak.fetch_max(resident_mib(pid)?, Ordering::AcqRel);
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        });
        Self { is_over, peak_mib, health, memory }
    }

    pub(crate) fn finish(self) -> Result<Observed> {
        self.is_over.store(true, Ordering::Release);
        let panicked = |_| anyhow::anyhow!("an observer panicked");
        self.memory.join().map_err(panicked)??;
        let health = self.health.join().map_err(panicked)??;
        Ok(Observed { health, peak_mib: self.peak_mib.load(Ordering::Acquire) })
    }
}

/// Writes a table into a page, between the lines that mark its place.
pub(crate) fn write_between_marks(page: &Path, mark: &str, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let [begin, end] = ["begin", "end"].map(|which| format!("<!-- {mark}:{which} -->\n"));
    let (before, rest) = text.split_once(&begin).context("the page has a mark at which it begins")?;
    let (_, after) = rest.split_once(&end).context("the page has a mark at which it ends")?;
    Ok(std::fs::write(page, format!("{before}{begin}{table}{end}{after}"))?)
}
