//! What crosses the hop is as described.

use super::super::partial::{BottleneckPartial, BottleneckVerdicts, SpanRow};

#[test]
fn what_halves_tell_and_store_is_as_described() {
    let mut schema = schemas::Schema::compile("bottleneck.proto");
    schema.holds::<BottleneckPartial>("BottleneckPartial");
    schema.holds::<SpanRow>("SpanRow");
    schema.holds::<BottleneckVerdicts>("BottleneckVerdicts");
    schema.finish();
}
