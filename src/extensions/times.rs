//! Times as Go writes them, which is what scripts for the collector read.

use std::time::Duration;

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
    use model::Timestamp;

    use super::*;

    #[test]
    fn instants_and_durations_are_written_as_go_writes_them() {
        assert_eq!(Timestamp(0).rfc3339(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(951_782_400_500_000_000).rfc3339(), "2000-02-29T00:00:00.5Z");
        assert_eq!(Timestamp(1_795_219_199_000_000_001).rfc3339(), "2026-11-20T23:59:59.000000001Z");
        assert_eq!(go_duration(Duration::from_millis(38_109_490)), "10h35m9.49s");
        assert_eq!(go_duration(Duration::from_secs(61)), "1m1s");
        assert_eq!(go_duration(Duration::ZERO), "0s");
    }
}
