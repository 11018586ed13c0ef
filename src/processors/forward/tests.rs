use component::{NoConfig, testing::Harness};
use model::Payload;

use super::Forward;
use crate::testing::*;

#[test]
fn what_comes_goes_on_as_the_same_bytes() {
    let mut harness = Harness::new::<Forward>(&NoConfig::default(), 1, T0);
    let sent = request(vec![resource_spans(vec![text("k", "v")], vec![span("a", 1, 0, 1, vec![])])]);
    let (traces, items) = scanned(&sent, &harness);
    let (metrics, logs) = (Payload::Metrics(vec![1, 2].into()), Payload::Logs(vec![3].into()));
    for (payload, items) in [(traces, items), (metrics, 1), (logs, 1)] {
        let at = payload.bytes().expect("requests have bytes").as_ptr();
        let out = harness.push(0, payload, items);
        let got: Vec<_> = out.iter().filter_map(Payload::bytes).map(|bytes| bytes.as_ptr()).collect();
        assert_eq!(got, [at]);
    }
    assert_eq!(harness.bench.rejected, []);
}
