use component::{Delivered, ExporterDef, NoConfig, testing::ManualClock};
use model::{Export, Signal};

use super::Nop;
use crate::http::testing::{NOW, exporter_cx, on_a_shard};

#[test]
fn everything_is_taken_at_once_without_queue_or_retry() {
    let delivery = Nop::delivery(&NoConfig {});
    assert!(!delivery.queue.enabled && !delivery.retry.enabled && delivery.timeout.is_zero());
    let exporter = Nop::build(&NoConfig {}, &exporter_cx(&ManualClock::new(NOW)));
    on_a_shard(async {
        for signal in Signal::ALL {
            let export = Export { signal, bytes: b"whatever"[..].into(), items: 3 };
            assert_eq!(exporter.export(export).await.unwrap(), Delivered::default());
        }
    });
}
