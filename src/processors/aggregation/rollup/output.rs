//! From windows that have ended to a metrics request.

use std::time::Duration;

use wire::{
    build::{Attributes, MetricHead, MetricsWriter, NumberPoint},
    view::Number,
};

use super::{read::SUFFIX, state::Closed};

/// Writes windows, which are sorted by series. Returns the request and its data points.
///
/// *Shape*: one gauge per metric; one point per series, window and statistic, told apart by the attributes
/// `stat` and `window`.
pub(super) fn write(closed: &[&Closed]) -> (Vec<u8>, u64) {
    let mut writer = MetricsWriter::new();
    let mut n_points = 0;
    for of_resource in closed.chunk_by(|a, b| a.series.resource == b.series.resource) {
        writer.resource(&Attributes::of_list(&of_resource[0].series.resource));
        writer.scope("aggregation", "");
        let same_metric =
            |a: &&Closed, b: &&Closed| (&a.series.name, &a.series.unit) == (&b.series.name, &b.series.unit);
        for of_metric in of_resource.chunk_by(same_metric) {
            let series = &of_metric[0].series;
            let name = format!("{}{SUFFIX}", series.name);
            let mut points = writer.gauge(&MetricHead { name: &name, description: "", unit: &series.unit });
            for window in of_metric {
                let width = width_text(window.width);
                for (stat, value) in window.cell.statistics() {
                    let mut attributes = Attributes::of_list(&window.series.attributes);
                    attributes.push_str("window", &width);
                    attributes.push_str("stat", stat);
                    points.point(&NumberPoint {
                        attributes: &attributes,
                        start: window.start.as_nanos(),
                        time: (window.start + window.width).as_nanos(),
                        value: Some(Number::Double(value)),
                        exemplars: &[],
                        flags: 0,
                    });
                    n_points += 1;
                }
            }
        }
    }
    (writer.take(), n_points)
}

/// Writes a width in its greatest whole unit: `10s`, `1m`, `1h`.
fn width_text(width: Duration) -> String {
    let millis = width.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let whole = units.iter().find(|(unit, _)| millis.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{millis}ms"), |(unit, name)| format!("{}{name}", millis / unit))
}
