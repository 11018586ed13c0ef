//! What fuzz targets reach.

use super::exposition::{Dialect, Entry, Parser, labels_of};

/// Reads bytes as a target's answer. Returns how many samples were read before the end or the first fault, and whether
/// there was none.
pub fn exposition(bytes: &[u8], is_open_metrics: bool) -> (usize, bool) {
    let dialect = if is_open_metrics { Dialect::OpenMetrics } else { Dialect::Text };
    let Ok(parser) = Parser::new(bytes, dialect) else { return (0, false) };
    let mut n_samples = 0;
    for entry in parser {
        let Ok(entry) = entry else { return (n_samples, false) };
        let Entry::Sample(sample) = entry else { continue };
        n_samples += 1;
        let mut length = 0;
        let read = labels_of(sample.series, |name, value| length += name.len() + value.len());
        assert!(read.is_err() || length <= sample.series.len() + 8, "labels are longer than their text");
        if let Some(exemplar) = &sample.exemplar {
            let _read = labels_of(exemplar.labels, |_, _| ());
        }
    }
    (n_samples, true)
}
