//! What concerns services as series with episodes of their own: a relation, a forest.

use std::sync::Arc;

use model::{Maturity, Series, Statistic};
use prost::Message;
use wire::{
    build::{encode_value, key_value},
    view::AnyValue,
};

use super::{
    detectors::{Bond, Detector, Evidence, Omen},
    judge::{Judgement, Row},
};

/// Returns the series that stands for a relation: of the first service, towards the second.
pub(super) fn relation_of(service: &str, peer: &str) -> Arc<Series> {
    series("trueline.relation.correlation", service, list("service.peer.name", peer), peer)
}

/// Returns the series that stands for the forest of a service.
pub(super) fn forest_of(service: &str) -> Arc<Series> {
    series("trueline.forest.score", service, Arc::default(), "")
}

fn series(metric: &str, service: &str, attributes: Arc<[u8]>, peer: &str) -> Arc<Series> {
    let fingerprint = rapidhash::v3::rapidhash_v3([metric, service, peer].join("\0").as_bytes());
    Arc::new(Series {
        resource: list("service.name", service),
        metric: metric.into(),
        unit: "1".into(),
        attributes,
        statistic: Statistic::Mean,
        service: service.into(),
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

/// A judgement, the row that it would be of, and the chance that nothing is wrong.
pub(super) struct Verdict {
    pub(super) judgement: Judgement,
    pub(super) row: Row,
    pub(super) chance: f64,
}

/// No score of a service is higher than twice the opening level: what it means is not measured.
const MOST: f64 = 2.0;
const STAYS_ABOVE: f64 = 0.8;

impl Verdict {
    pub(super) fn of_relation(bond: &Bond) -> Self {
        let row = Row {
            value: bond.now,
            support: bond.support,
            expected: bond.usual,
            lower: bond.lower,
            upper: 1.0,
            ..Row::EMPTY
        };
        // Five standard errors, one-sided.
        let chance = if bond.broken >= 1.0 { 3e-7 } else { 1.0 };
        Self::new(Detector::Relation, bond.broken, row, chance)
    }

    /// `level` is −log10 of the chance at which an episode opens.
    pub(super) fn of_forest(omen: &Omen, level: f64) -> Self {
        let row = Row {
            value: omen.score,
            support: omen.support,
            expected: omen.usual,
            lower: 0.0,
            upper: omen.usual,
            ..Row::EMPTY
        };
        Self::new(Detector::Forest, omen.improbability / level, row, 10_f64.powf(-omen.improbability))
    }

    fn new(detector: Detector, strength: f64, row: Row, chance: f64) -> Self {
        let mut evidence = Evidence::default();
        evidence.say(detector, strength.clamp(0.0, MOST), 1.0);
        let score = evidence.of(detector);
        let judgement = Judgement { evidence, score, is_active: strength >= STAYS_ABOVE, z: f64::NAN };
        let row = Row { observed: row.value, predicted: row.expected, ..row };
        Self { judgement, row, chance }
    }
}

impl Row {
    const EMPTY: Self = Self {
        value: 0.0,
        support: 0,
        expected: 0.0,
        lower: 0.0,
        upper: 0.0,
        observed: 0.0,
        predicted: 0.0,
        seasonal: 0.0,
        scale: 1.0,
        maturity: Maturity::Daily,
        is_absent: false,
    };
}
