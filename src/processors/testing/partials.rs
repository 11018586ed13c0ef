//! What counting stages tell over the hop and store is as described, over all that share the description.

use schemas::Schema;

use crate::{
    aggregation::{
        hold_rollups,
        partial::{
            ExemplarRow, RefusedRow, ResourceRow, Row, SavedSeries, SpanMetricsPartial, SpanMetricsSnapshot,
        },
    },
    service_graph::hold_halves,
};

#[test]
fn what_counting_stages_tell_and_store_is_as_described() {
    let mut schema = Schema::compile("partials.proto");
    schema.holds::<SpanMetricsPartial>("SpanMetricsPartial");
    schema.holds::<RefusedRow>("Refused");
    schema.holds::<ResourceRow>("Resource");
    schema.holds::<Row>("Row");
    schema.holds::<ExemplarRow>("Exemplar");
    schema.holds::<SpanMetricsSnapshot>("SpanMetricsSnapshot");
    schema.holds::<SavedSeries>("SavedSeries");
    hold_halves(&mut schema);
    hold_rollups(&mut schema);
    schema.finish();
}
