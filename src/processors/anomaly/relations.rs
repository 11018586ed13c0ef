//! A relation between two services as a series with episodes of its own.

use std::sync::Arc;

use model::{Maturity, Series, Statistic};
use prost::Message;
use wire::{
    build::{encode_value, key_value},
    view::AnyValue,
};

use super::{
    detectors::{Bond, Detector, Evidence, Relation},
    judge::{Judgement, Row},
};

const METRIC: &str = "trueline.relation.correlation";

/// Returns the series that stands for a relation: of the first service, towards the second.
pub(super) fn series_of(relation: &Relation) -> Arc<Series> {
    let (service, peer) = &relation.services;
    let seed = [METRIC, service, "\0", peer].concat();
    // FNV-1a: the same in every process and release.
    let fingerprint = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Arc::new(Series {
        resource: list("service.name", service),
        metric: METRIC.into(),
        unit: "1".into(),
        attributes: list("service.peer.name", peer),
        statistic: Statistic::Mean,
        service: service.as_str().into(),
        fingerprint,
    })
}

/// One attribute, encoded as in a `Resource` message.
fn list(key: &str, value: &str) -> Arc<[u8]> {
    #[derive(Clone, PartialEq, Message)]
    struct Resource {
        #[prost(bytes = "vec", tag = "1")]
        attribute: Vec<u8>,
    }
    let attribute = key_value(key.as_bytes(), &encode_value(AnyValue::Str(value.as_bytes())));
    Resource { attribute }.encode_to_vec().into()
}

/// Returns what is said of a relation, and the row that it would be.
pub(super) fn judge(bond: &Bond) -> (Judgement, Row) {
    let mut evidence = Evidence::default();
    evidence.say(Detector::Relation, bond.broken.clamp(0.0, MOST), 1.0);
    let score = evidence.of(Detector::Relation);
    let judgement = Judgement { evidence, score, is_active: bond.broken >= STAYS_ABOVE, z: f64::NAN };
    let row = Row {
        value: bond.now,
        support: bond.support,
        expected: bond.usual,
        lower: bond.lower,
        upper: 1.0,
        observed: bond.now,
        predicted: bond.usual,
        seasonal: 0.0,
        scale: 1.0,
        maturity: Maturity::Daily,
        is_absent: false,
    };
    (judgement, row)
}

const MOST: f64 = 2.0;
const STAYS_ABOVE: f64 = 0.8;

/// Returns the chance of such a fall, were the relation unbroken: that of five standard errors, one-sided.
pub(super) fn chance(bond: &Bond) -> f64 {
    if bond.broken >= 1.0 { 3e-7 } else { 1.0 }
}
