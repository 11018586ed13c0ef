//! Whether the process holds more memory than it may: what `memory_limiter` watches.
//!
//! A thread of its own looks, so that it does so in time however busy the others are. Between two of its looks more can come
//! than there is room for: so it is also looked after so many bytes, and only so many may be on their way at a time.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::OwnedSemaphorePermit;

use component::{Counter, MemoryLimit, Stop, Telemetry};
use tracing::{error, info, warn};

use crate::room::Room;

/// What senders are told, in the collector's words.
const REFUSAL: &str = "data refused due to high memory usage";

/// Larger than what the allocator keeps for itself. It is never written to, so the system gives no memory for it.
const STIRRED: usize = 8 << 20;

/// Below this, looking would cost more than it saves. *Units*: bytes.
const LEAST_BETWEEN_LOOKS: u64 = 1 << 20;
/// A request of the usual largest size, 4 MiB, need not be alone.
const LEAST_ROOM: u64 = 8 << 20;

/// How often it is looked whether there is a limit.
const UNLIMITED_INTERVAL: Duration = Duration::from_secs(1);

/// Every limit of the plan, and which of them are passed.
pub(crate) struct Pressure {
    limits: Vec<Limit>,
    /// How often the memory is looked at: as the most impatient limit wants.
    interval: Duration,
    /// The smallest distance between a limit and what refuses below it. *Units*: bytes.
    spike: u64,
    /// What came since the last look, taken or refused. *Units*: bytes.
    came: AtomicU64,
    /// For what is on its way under a limit.
    on_its_way: Room,
}

/// This part of the spike is room for what is in flight: a request takes at most twice its bytes while it is read and folded,
/// what was freed meanwhile is given back a moment later, and connections hold what they have read ahead.
const ROOM_OF_SPIKE: u64 = 6;
/// The memory is looked at whenever this part of the spike came.
const LOOKS_OF_SPIKE: u64 = 8;

struct Limit {
    id: String,
    refuses_above: u64,
    is_passed: AtomicBool,
    refused: Counter,
}

impl Pressure {
    pub(crate) fn new(limits: &[(String, MemoryLimit)], telemetry: &Telemetry) -> Self {
        let total = if limits.is_empty() { 0 } else { usable_bytes(Path::new("/")) };
        let spike = limits.iter().map(|(_, limit)| limit.spike(total)).min().unwrap_or(u64::MAX);
        let each = limits.iter().map(|(id, limit)| {
            let refused = telemetry.with("processor", id).counter(
                "otelcol_processor_memory_limiter_refused_requests",
                "Requests refused before they were read, as the process held too much memory.",
                "{request}",
            );
            let refuses_above = limit.refuses_above(total);
            info!(processor = id, refuses_above, total, "memory is limited, in bytes");
            Limit { id: id.clone(), refuses_above, is_passed: AtomicBool::new(false), refused }
        });
        let interval = limits.iter().map(|(_, limit)| limit.check_interval).min().unwrap_or_default();
        let on_its_way = Room::new((spike / ROOM_OF_SPIKE).max(LEAST_ROOM));
        Self { limits: each.collect(), interval, spike, came: AtomicU64::new(0), on_its_way }
    }

    pub(crate) fn is_limited(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Takes a request of so many bytes under these limits. What it returns is held while the request is on its way; it is
    /// none where there is no limit.
    ///
    /// *Cost*: some 20 µs when it looks at the memory, which it does after so many bytes.
    ///
    /// # Errors
    /// Why it is refused. It is counted when that is for a limit.
    pub(crate) async fn admit(
        &self,
        limits: &[usize],
        bytes: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, &'static str> {
        if limits.is_empty() {
            return Ok(None);
        }
        if self.passed(limits).is_some() {
            // The memory may be back before the next interval.
            self.look_after(bytes, 0);
            self.check(limits)?;
        }
        let permit = self.on_its_way.claim(bytes).await?;
        // Many may have waited while there was still memory for one of them.
        self.look_after(bytes, bytes);
        self.check(limits)?;
        Ok(Some(permit))
    }

    fn passed(&self, limits: &[usize]) -> Option<&Limit> {
        let mut limits = limits.iter().filter_map(|&limit| self.limits.get(limit));
        limits.find(|limit| limit.is_passed.load(Ordering::Relaxed))
    }

    /// Counts a request that is refused if one of these limits is passed.
    fn check(&self, limits: &[usize]) -> Result<(), &'static str> {
        let Some(first) = self.passed(limits) else { return Ok(()) };
        first.refused.add(1);
        Err(REFUSAL)
    }

    /// Looks at the memory when enough came since the last look: this many bytes now, of which so many have claimed room.
    /// They alone do not make a limit passed for everybody: the spike has room for them.
    fn look_after(&self, bytes: usize, own: usize) {
        let came = self.came.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if came >= (self.spike / LOOKS_OF_SPIKE).max(LEAST_BETWEEN_LOOKS)
            && self.came.swap(0, Ordering::Relaxed) > 0
        {
            // What is on its way may have room without having been written yet.
            let others = self.on_its_way.claimed().saturating_sub(own as u64);
            self.judge(resident_bytes().unwrap_or(0) + others);
        }
    }

    /// Looks once; it then knows which limits are passed. Returns whether the memory could be read.
    pub(crate) fn look(&self) -> bool {
        let resident = if self.is_limited() { resident_bytes() } else { Some(0) };
        self.came.store(0, Ordering::Relaxed);
        self.judge(resident.unwrap_or(0) + self.on_its_way.claimed());
        if self.limits.iter().any(|limit| limit.is_passed.load(Ordering::Relaxed)) {
            stir_the_allocator();
        }
        resident.is_some()
    }

    fn judge(&self, resident: u64) {
        for limit in &self.limits {
            let (id, refuses_above) = (&limit.id, limit.refuses_above);
            let passes = resident > refuses_above;
            match (limit.is_passed.swap(passes, Ordering::Relaxed), passes) {
                (false, true) => {
                    warn!(
                        processor = id,
                        resident, refuses_above, "Memory usage is above soft limit. Refusing data."
                    );
                }
                (true, false) => {
                    info!(
                        processor = id,
                        resident,
                        refuses_above,
                        "Memory usage back within limits. Resuming normal operation."
                    );
                }
                _ => {}
            }
        }
    }
}

/// Frees a large block. The allocator gives the system what was freed a while ago when it frees the next such block, and while
/// everything is refused nobody else frees one: it would be refused for ever.
fn stir_the_allocator() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(STIRRED)));
}

/// Looks at the limits in force again and again until the stop.
pub(crate) fn watch(limits: impl Fn() -> Arc<Pressure>, stop: &Stop) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without threads needs nothing that can be missing");
    let mut was_read = true;
    runtime.block_on(stop.run_until_cancelled(async {
        loop {
            let pressure = limits();
            let is_read = pressure.look();
            if was_read && !is_read {
                error!("the memory of this process can not be read from /proc/self/status; no limit holds");
            }
            was_read = is_read;
            // Without a limit it is looked whether a later configuration has one.
            let interval = if pressure.is_limited() { pressure.interval } else { UNLIMITED_INTERVAL };
            tokio::time::sleep(interval).await;
        }
    }));
}

/// Returns the resident set of this process. It is read where the kernel tells it in bytes, as pages are larger on
/// some machines than on others.
///
/// *Units*: bytes; none where the kernel does not tell.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| kib_of(line, "VmRSS:"))
}

/// Returns how much memory the process may use: the smallest limit of the control groups that it is in, of either
/// version, else what the machine has.
fn usable_bytes(root: &Path) -> u64 {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let machine = read("proc/meminfo").lines().find_map(|line| kib_of(line, "MemTotal:")).unwrap_or(u64::MAX);
    let groups = read("proc/self/cgroup");
    let limits =
        groups.lines().filter_map(limit_files).flatten().filter_map(|file| read(&file).trim().parse().ok());
    limits.fold(machine, u64::min)
}

/// Reads a line like `MemTotal:  1000 kB`. *Units*: bytes.
fn kib_of(line: &str, name: &str) -> Option<u64> {
    let kib = line.strip_prefix(name)?.trim().strip_suffix(" kB")?;
    kib.parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns the files that may limit the group of a line of `/proc/self/cgroup`, and the groups around it.
fn limit_files(line: &str) -> Option<Vec<String>> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let (folder, file) = match controllers {
        "" if number == "0" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return None,
    };
    let groups = Path::new(group).ancestors().filter_map(|group| group.to_str()?.strip_prefix('/'));
    Some(groups.map(|group| format!("{folder}/{group}/{file}")).collect())
}

#[cfg(test)]
mod tests {
    use component::MemorySize;

    use super::*;

    /// Files as the kernel has them, below a folder.
    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    /// A limit that is looked at by what comes, and not by time. *Units*: bytes.
    fn limit(limit: u64, spike: u64) -> MemoryLimit {
        MemoryLimit {
            check_interval: Duration::from_hours(1),
            limit: MemorySize::Bytes(limit),
            spike: Some(MemorySize::Bytes(spike)),
        }
    }

    fn pressure(bytes: u64, spike: u64) -> Pressure {
        Pressure::new(&[("memory_limiter".to_owned(), limit(bytes, spike))], &Telemetry::default())
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        1000 kB\nMemFree:  10 kB\n");

    #[test]
    fn a_process_may_use_what_the_closest_limit_around_it_allows() {
        let alone = machine(&[MEMINFO]);
        assert_eq!(usable_bytes(alone.path()), 1_024_000);
        let grouped = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/pods/a\n"),
            ("sys/fs/cgroup/pods/a/memory.max", "max\n"),
            ("sys/fs/cgroup/pods/memory.max", "500000\n"),
        ]);
        assert_eq!(usable_bytes(grouped.path()), 500_000);
        let contained =
            machine(&[MEMINFO, ("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "400000\n")]);
        assert_eq!(usable_bytes(contained.path()), 400_000);
        let first_version = machine(&[
            MEMINFO,
            ("proc/self/cgroup", "3:cpu,cpuacct:/a\n2:memory:/a\n"),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "300000\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(usable_bytes(first_version.path()), 300_000);
        assert_eq!(usable_bytes(Path::new("/nowhere")), u64::MAX);
    }

    #[tokio::test]
    async fn requests_are_refused_while_memory_is_above_the_limit_and_counted() {
        let telemetry = Telemetry::default();
        let limits = [
            ("memory_limiter".to_owned(), limit(100, 0)),
            ("memory_limiter/large".to_owned(), limit(200, 0)),
        ];
        let pressure = Pressure::new(&limits, &telemetry);
        let refuses = async |limits: &[usize]| pressure.admit(limits, 1).await.is_err();
        pressure.judge(150);
        assert!(refuses(&[0]).await && refuses(&[1, 0]).await);
        assert!(!refuses(&[1]).await && !refuses(&[]).await);
        pressure.judge(201);
        assert!(refuses(&[1]).await);
        pressure.judge(100);
        assert!(!refuses(&[0, 1]).await, "at the limit is not above it");
        let counted: Vec<_> = telemetry.read().iter().map(|row| row.value).collect();
        assert_eq!(counted, [2, 1]);
    }

    #[tokio::test]
    async fn after_a_part_of_the_spike_it_is_looked_without_waiting_for_the_interval() {
        let pressure = pressure(65 << 20, 64 << 20);
        assert!(pressure.admit(&[0], (8 << 20) - 1).await.is_ok(), "nobody has looked yet");
        let refused = pressure.admit(&[0], 1).await;
        assert_eq!(refused.err(), Some(REFUSAL), "this process holds more than 1 MiB");
        let _all = pressure.on_its_way.claim(usize::MAX).await;
        assert_eq!(pressure.on_its_way.claimed() >> 10, (64 << 10) / 6);
        assert!(pressure.admit(&[], 1).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_on_its_way_counts_as_if_it_were_there() {
        let resident = resident_bytes().expect("this system tells");
        let room = 1 << 30;
        let looks_and_asks = async |pressure: Pressure| {
            let _on_its_way = pressure.on_its_way.claim(usize::MAX).await.unwrap();
            assert!(pressure.look());
            pressure.admit(&[0], 1).await.err()
        };
        let half_of_what_is_left = looks_and_asks(pressure(resident + 8 * room, 6 * room)).await;
        assert_eq!(half_of_what_is_left, Some("too many bytes are in flight"));
        let more_than_is_left = looks_and_asks(pressure(resident + 6 * room + room / 2, 6 * room)).await;
        assert_eq!(more_than_is_left, Some(REFUSAL));
    }

    #[tokio::test]
    async fn while_all_is_refused_it_is_looked_as_often() {
        let pressure = pressure(1 << 40, 64 << 20);
        pressure.judge(1 << 41);
        assert_eq!(pressure.admit(&[0], (8 << 20) - 1).await.err(), Some(REFUSAL));
        assert!(pressure.admit(&[0], 1).await.is_ok(), "this process holds less than a terabyte");
    }

    /// The memory is enough for the resident and half of the room.
    #[tokio::test(start_paused = true)]
    async fn it_is_looked_when_a_request_has_got_its_room_and_without_it() {
        let resident = resident_bytes().expect("this system tells");
        let room = 1 << 30;
        let pressure = pressure(resident + 6 * room + room / 2, 6 * room);
        let all = pressure.on_its_way.claim(usize::MAX).await.unwrap();
        let (waits, ()) = tokio::join!(pressure.admit(&[0], room as usize * 3 / 4), async { drop(all) });
        assert!(waits.is_ok(), "{waits:?}");
        let next = pressure.admit(&[0], room as usize * 3 / 4).await.err();
        assert_eq!(next, Some("too many bytes are in flight"));
        assert!(pressure.look());
        assert_eq!(pressure.admit(&[0], 1).await.err(), Some(REFUSAL));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_until_the_memory_was_gone_is_refused() {
        let pressure = pressure(1 << 40, 1 << 30);
        let room = pressure.on_its_way.claim(usize::MAX).await.unwrap();
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            pressure.judge(1 << 40);
            drop(room);
        };
        let (answer, ()) = tokio::join!(pressure.admit(&[0], 1), meanwhile);
        assert_eq!(answer.err(), Some(REFUSAL));
        assert_eq!(pressure.on_its_way.claimed(), 0);
    }

    /// The limit is below what a process has at its start.
    #[test]
    fn the_memory_of_this_process_is_looked_at_until_the_stop() {
        let limit = MemoryLimit {
            check_interval: Duration::from_millis(1),
            limit: MemorySize::Bytes(1),
            spike: Some(MemorySize::Bytes(0)),
        };
        let limits = [("memory_limiter".to_owned(), limit)];
        let pressure = Arc::new(Pressure::new(&limits, &Telemetry::default()));
        let stop = Stop::new();
        std::thread::scope(|scope| {
            scope.spawn(|| watch(|| Arc::clone(&pressure), &stop));
            let mut looks = 0;
            while pressure.check(&[0]).is_ok() {
                std::thread::sleep(Duration::from_millis(5));
                looks += 1;
                assert!(looks < 2000, "the memory is not looked at");
            }
            stop.cancel();
        });
    }
}
