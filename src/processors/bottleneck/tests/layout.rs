//! What crosses the hop is as described.

use super::super::{
    partial::{BottleneckPartial, BottleneckVerdicts, SpanRow},
    snapshot::{
        BottleneckSnapshot, SavedAddress, SavedEpisode, SavedError, SavedRecent, SavedSighting, SavedSubject,
        SavedUsual,
    },
};

#[test]
fn what_halves_tell_and_store_is_as_described() {
    let mut schema = schemas::Schema::compile("bottleneck.proto");
    schema.holds::<BottleneckPartial>("BottleneckPartial");
    schema.holds::<SpanRow>("SpanRow");
    schema.holds::<BottleneckVerdicts>("BottleneckVerdicts");
    schema.holds::<BottleneckSnapshot>("BottleneckSnapshot");
    schema.holds::<SavedAddress>("SavedAddress");
    schema.holds::<SavedError>("SavedError");
    schema.holds::<SavedSubject>("SavedSubject");
    schema.holds::<SavedUsual>("SavedUsual");
    schema.holds::<SavedRecent>("SavedRecent");
    schema.holds::<SavedEpisode>("SavedEpisode");
    schema.holds::<SavedSighting>("SavedSighting");
    schema.finish();
}
