//! Times as Go writes them, which is what scripts for the collector read.

use std::{fmt::Write, time::Duration};

use model::{Civil, Timestamp};

/// Writes an instant as Go's `time.Time` marshals itself, in UTC.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second, nanosecond } = Civil::of(at);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if nanosecond > 0 {
        let fraction = format!("{nanosecond:09}");
        write!(text, ".{}", fraction.trim_end_matches('0')).expect("a string takes all");
    }
    text.push('Z');
    text
}

/// Writes a duration as Go does: `10h35m9.49s`.
pub(crate) fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fraction = format!("{:09}", duration.subsec_nanos());
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, second) => format!("{second}{point}s"),
        (0, minute, second) => format!("{minute}m{second}{point}s"),
        (hour, minute, second) => format!("{hour}h{minute}m{second}{point}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_durations_are_written_as_go_writes_them() {
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Timestamp(951_782_400_500_000_000)), "2000-02-29T00:00:00.5Z");
        assert_eq!(rfc3339(Timestamp(1_795_219_199_000_000_001)), "2026-11-20T23:59:59.000000001Z");
        assert_eq!(go_duration(Duration::from_millis(38_109_490)), "10h35m9.49s");
        assert_eq!(go_duration(Duration::from_secs(61)), "1m1s");
        assert_eq!(go_duration(Duration::ZERO), "0s");
    }
}
