//! What crosses the hop is as described, though shards write it by hand.

use super::super::partial::{Head, TailPartial, TracePart};

#[test]
fn what_shards_tell_is_as_described() {
    let mut schema = schemas::Schema::compile("tail_sampling.proto");
    schema.holds::<TailPartial>("TailPartial");
    schema.holds::<Head>("Head");
    schema.holds::<TracePart>("TracePart");
    schema.finish();
}
