//! What the kernel says of this process.

use engine::resident_bytes;
use opentelemetry::metrics::Meter;

/// Registers what the collector says of its process.
#[expect(clippy::disallowed_methods, reason = "uptime is the process's, not the pipelines'")]
pub(super) fn observe(meter: &Meter) {
    let started = std::time::Instant::now();
    meter
        .f64_observable_counter("otelcol_process_uptime")
        .with_description("Uptime of the process.")
        .with_unit("s")
        .with_callback(move |observer| observer.observe(started.elapsed().as_secs_f64(), &[]))
        .build();
    meter
        .f64_observable_counter("otelcol_process_cpu_seconds")
        .with_description("Total CPU user and system time.")
        .with_unit("s")
        .with_callback(|observer| {
            if let Some(seconds) = cpu_seconds() {
                observer.observe(seconds, &[]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("otelcol_process_memory_rss")
        .with_description("Total physical memory (resident set size).")
        .with_unit("By")
        .with_callback(|observer| {
            if let Some(bytes) = resident_bytes() {
                observer.observe(bytes, &[]);
            }
        })
        .build();
}

/// The kernel counts in ticks of 10 ms on every Linux that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

fn cpu_seconds() -> Option<f64> {
    cpu_seconds_of(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// Reads `utime` and `stime`, the 14th and 15th field of `proc(5)`.
fn cpu_seconds_of(stat: &str) -> Option<f64> {
    // The name in brackets may hold spaces; what is counted begins behind it.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut ticks = fields.split(' ').skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some hundred pages for each processor at most.
    const COUNTED_LATE_BYTES: u64 = 16 << 20;

    /// At least what is held, and never above the peak that the kernel tells elsewhere: virtual size, or
    /// pages read as bytes, would be outside. Nothing here rests on what other threads hold meanwhile, but
    /// the kernel adds up both from counts that its processors keep for themselves for a while.
    #[test]
    fn memory_is_that_of_this_process() {
        let held = vec![7_u8; 64 << 20];
        let resident = resident_bytes().unwrap();
        assert_eq!(held.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 7 * (64 << 20));
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        let peak = (peak.unwrap().trim().parse::<u64>().unwrap() << 10) + COUNTED_LATE_BYTES;
        assert!((64 << 20..=peak).contains(&resident), "{resident} of at most {peak}");
    }

    /// Works until the kernel has counted half a second, and compares with the clock: a wrong tick, a
    /// wrong field or a count of another process would be off by far more than what others take away.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel's time of this process is compared with the wall's"
    )]
    fn processor_time_is_counted_in_seconds_of_work() {
        let (before, since) = (cpu_seconds().unwrap(), std::time::Instant::now());
        let mut work = 0_u64;
        while cpu_seconds().unwrap() - before < 0.5 {
            assert!(since.elapsed().as_secs() < 60, "half a second of work was not counted in a minute");
            work = (0..200_000).fold(work, |sum, step| std::hint::black_box(sum ^ step));
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let (counted, passed) = (cpu_seconds().unwrap() - before, since.elapsed().as_secs_f64());
        assert!(counted <= passed * threads + 0.05, "{counted} s of work were counted in {passed} s");
    }

    #[test]
    fn processor_time_is_user_and_system_time_whatever_the_name_of_the_program_holds() {
        let stat = "7 (a ) b) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_seconds_of(stat), Some(3.0));
        assert_eq!(cpu_seconds_of("7 (short) R 1 2"), None);
    }
}
