use std::time::Duration;

use model::Timestamp;

use super::{Range, answer};

#[test]
fn a_range_is_cut_into_stretches_that_prometheus_takes() {
    let step = Duration::from_secs(60);
    let start = Timestamp::from_secs(1_000_000_000);
    let mut left = Range { start, end: start + step * 4_500, step };
    assert_eq!(left.n_points(), 4_501);
    let stretches: Vec<Range> = std::iter::from_fn(|| left.split_first()).collect();
    assert_eq!(stretches.iter().map(Range::n_points).collect::<Vec<_>>(), [2_000, 2_000, 501]);
    assert_eq!(stretches[1].start, stretches[0].end + step);
}

#[test]
fn answers_are_read_with_their_gaps_and_refusals_told() {
    let text = r#"{"status":"success","warnings":["slow"],"data":{"resultType":"matrix","result":[
        {"metric":{"__name__":"up"},"values":[[1.5,"1"],[2,"NaN"],[3,"+Inf"]]},
        {"metric":{},"histograms":[]}]}}"#;
    let answered = answer::read(text.as_bytes()).unwrap();
    assert_eq!(answered.warnings, ["slow"]);
    let points = &answered.series[0].points;
    assert_eq!(points[..], [(Timestamp::from_millis(1_500), 1.0), (Timestamp::from_secs(3), f64::INFINITY)]);
    assert!(answered.series[1].points.is_empty());
    let problem = |text: &str| format!("{:#}", answer::read(text.as_bytes()).unwrap_err());
    let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
    assert_eq!(problem(refused), "Prometheus refuses it: bad_data: parse error");
    let vector = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    assert_eq!(problem(vector), "the answer is a vector, expected a matrix");
    assert!(problem("<html>").starts_with("the answer is not that of a Prometheus"));
}
