//! How many spans a sampled span stands for.
//!
//! *Source*: OpenTelemetry, "TraceState: Probability Sampling", sub-key `th` of the vendor `ot`: the
//! rejection threshold *T* as up to 14 hexadecimal digits, trailing zeros left out; a span with
//! threshold *T* stands for 2^56 / (2^56 − T) spans.

use model::SpanRec;

use super::hashing;

const FULL: u64 = 1 << 56;

/// One span stands for at most so many: a sampling rate below one in four billion is damage, and sums of
/// what it would stand for must not overflow.
pub(crate) const MAX_WEIGHT: u64 = 1 << 32;

/// Returns how many spans a span of a request stands for, or none when its tracestate does not say.
#[inline(always)]
pub(crate) fn weight_of(span: &SpanRec, request: &[u8]) -> Option<u64> {
    if span.trace_state.is_absent() {
        return None;
    }
    weight_drawn_by(span, request, span.span_id(request).map_or(&[][..], |id| id))
}

/// Like [`weight_of`], with another span id deciding how fractions are rounded. Spans that are given the
/// same id are rounded alike: of two in one trace the one that was sampled more rarely never weighs less.
pub(crate) fn weight_drawn_by(span: &SpanRec, request: &[u8], span_id: &[u8]) -> Option<u64> {
    if span.trace_state.is_absent() {
        return None;
    }
    let trace_id = span.trace_id(request).unwrap_or(&[0; 16]);
    adjusted_count(span.trace_state.of(request), trace_id, span_id)
}

/// Fractions are rounded up or down by the rank of the span's ids, so that the expectation is kept and
/// every process rounds alike. The Go collector rounds by chance.
fn adjusted_count(trace_state: &[u8], trace_id: &[u8; 16], span_id: &[u8]) -> Option<u64> {
    let kept = FULL - threshold(trace_state)?;
    let (whole, rest) = (FULL / kept, FULL % kept);
    // A ratio in 0..kept, drawn from the ids.
    let draw = ((u128::from(hashing::rank(trace_id, span_id)) * u128::from(kept)) >> 64) as u64;
    Some((whole + u64::from(draw < rest)).min(MAX_WEIGHT))
}

/// Reads the threshold; none when it is missing or malformed.
fn threshold(trace_state: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(trace_state).ok()?;
    let ours = text.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    let digits = ours.split(';').find_map(|field| field.strip_prefix("th:"))?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    if !is_hex || !(1..=14).contains(&digits.len()) {
        return None;
    }
    let value = u64::from_str_radix(digits, 16).ok()?;
    Some(value << (4 * (14 - digits.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_as_specified() {
        let read = |state: &str| threshold(state.as_bytes());
        assert_eq!(read("ot=th:8"), Some(FULL / 2));
        assert_eq!(read("vendor=1, ot=rv:00112233445566;th:c"), Some(FULL / 4 * 3));
        assert_eq!(read("ot=th:0"), Some(0));
        assert_eq!(read("ot=th:ffffffffffffff"), Some(FULL - 1));
        for bad in ["", "ot=th:", "ot=th:G", "ot=th:F", "ot=th:012345678901234", "other=th:8", "ot=rv:1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn fractions_are_kept_on_average() {
        // Threshold 1/3 of the range: every span stands for 1.5.
        let state = b"ot=th:55555555555555";
        let total: u64 = (0..10_000_u128)
            .map(|n| adjusted_count(state, &(n * 0x9e37_79b9_7f4a_7c15).to_be_bytes(), &[1; 8]).unwrap())
            .sum();
        assert!((14_700..15_300).contains(&total), "{total}");
        assert_eq!(adjusted_count(b"ot=th:8", &[1; 16], &[]), Some(2));
        assert_eq!(adjusted_count(b"ot=th:0", &[1; 16], &[]), Some(1));
        assert_eq!(adjusted_count(b"ot=th:ffffffffffffff", &[1; 16], &[]), Some(MAX_WEIGHT));
    }

    #[test]
    fn of_two_spans_rounded_by_one_id_the_rarer_never_weighs_less() {
        let weights = |trace: u128| {
            let states =
                ["0", "1", "4", "55555555555555", "6", "8", "9", "c", "f"].map(|th| format!("ot=th:{th}"));
            states.map(|state| adjusted_count(state.as_bytes(), &trace.to_be_bytes(), &[1; 8]).unwrap())
        };
        for n in 0..1000_u128 {
            assert!(weights(n * 0x9e37_79b9_7f4a_7c15).is_sorted(), "trace {n}");
        }
    }
}
