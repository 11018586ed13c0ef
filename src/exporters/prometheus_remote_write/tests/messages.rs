use super::super::messages::{Histogram, Span, v1, v2};

#[test]
fn messages_of_version_1_are_as_described() {
    let mut schema = schemas::Schema::compile("remote_write_v1.proto");
    schema.holds::<v1::WriteRequest>("WriteRequest");
    schema.holds::<v1::TimeSeries>("TimeSeries");
    schema.holds::<v1::Label>("Label");
    schema.holds::<v1::Sample>("Sample");
    schema.holds::<v1::Exemplar>("Exemplar");
    schema.holds::<v1::MetricMetadata>("MetricMetadata");
    // Readers of this version skip the field.
    schema.holds_and::<Histogram>("Histogram", &["start_timestamp"]);
    schema.holds::<Span>("BucketSpan");
    schema.finish();
}

#[test]
fn messages_of_version_2_are_as_described() {
    let mut schema = schemas::Schema::compile("remote_write_v2.proto");
    schema.holds::<v2::Request>("Request");
    schema.holds::<v2::TimeSeries>("TimeSeries");
    schema.holds::<v2::Sample>("Sample");
    schema.holds::<v2::Exemplar>("Exemplar");
    schema.holds::<v2::Metadata>("Metadata");
    schema.holds::<Histogram>("Histogram");
    schema.holds::<Span>("BucketSpan");
    schema.finish();
}
