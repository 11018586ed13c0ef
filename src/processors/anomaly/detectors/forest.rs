//! Whether a service's departures form a rare combination.

use std::{collections::BTreeMap, sync::Arc};

use rcf3::Forest as Trees;
use stats::Tail;

/// Series of a service that make a point; more are left out.
const PLACES: usize = 16;
/// Services that have a forest, the first ones; one that is silent for an epoch gives way to another.
const MOST_FORESTS: usize = 64;
/// The library's own capacity of a tree, and as many trees as AWS's implementation has by default.
const TREES: usize = 30;
const CAPACITY: usize = 256;
/// Points after which the trees are grown anew from the last as many, and before which nothing is said.
const EPOCH: usize = 256;
/// Departures are cut to this, so that one outlier does not stretch all cuts.
const LARGEST_Z: f64 = 8.0;
/// Scores differ by less than this by chance of the cuts.
const LEAST_DIFFERENCE: f32 = 0.1;

/// A random cut forest for each service, over the departures of its series.
///
/// The trees follow from the points of two epochs, which alone are stored: the same points grow the same
/// trees. An online isolation forest was tried: it takes a fifth of the time, but says no more of a point
/// far outside than of one at the edge.
///
/// *Cost*: 50 to 100 µs per service and window; about 2 MB per service.
/// *Source*: S. Guha et al., "Robust random cut forest based anomaly detection on streams", 2016.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forests {
    pub(crate) of: BTreeMap<Arc<str>, Forest>,
}

/// The forest of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forest {
    /// Fingerprints of the series that make a point, in its order.
    pub(crate) places: Vec<u64>,
    /// The last points, one after the other.
    pub(crate) points: Vec<f32>,
    /// How often the trees were grown anew.
    pub(crate) epoch: u64,
    /// Of the scores.
    pub(crate) tail: Tail,
    /// Windows in which none of the service's series had a row, in a row.
    pub(crate) idle: u32,
    trees: Option<Trees>,
    /// This window's departures; 0 for a series that has no row.
    point: Vec<f32>,
}

/// What a forest says of a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Omen {
    /// How much the point stands apart: 1 for the usual one.
    pub(crate) score: f64,
    /// What 98 % of scores lay below.
    pub(crate) usual: f64,
    /// −log10 of the chance of such a score.
    pub(crate) improbability: f64,
    /// Series that made the point.
    pub(crate) support: u64,
}

impl Forest {
    /// Puts together what was stored; none when it does not fit together.
    pub(crate) fn restored(
        places: Vec<u64>,
        points: Vec<f32>,
        epoch: u64,
        tail: Tail,
        idle: u32,
    ) -> Option<Self> {
        let dimensions = places.len();
        let fits = (1..=PLACES).contains(&dimensions)
            && points.len().is_multiple_of(dimensions)
            && points.len() <= 2 * EPOCH * dimensions
            && points.iter().all(|value| value.is_finite());
        let point = vec![0.0; dimensions];
        fits.then_some(Self { places, points, epoch, tail, idle, trees: None, point })
    }

    fn note(&mut self, fingerprint: u64, z: f64) {
        self.idle = 0;
        let known = self.places.iter().position(|place| *place == fingerprint);
        if known.is_none() && self.places.len() >= PLACES {
            return;
        }
        let place = known.unwrap_or_else(|| self.add(fingerprint));
        self.point[place] = z.clamp(-LARGEST_Z, LARGEST_Z) as f32;
    }

    /// Begins anew with one more series: points of another length need other trees.
    fn add(&mut self, fingerprint: u64) -> usize {
        self.points.clear();
        (self.trees, self.tail) = (None, Tail::default());
        self.places.push(fingerprint);
        self.point.push(0.0);
        self.places.len() - 1
    }

    /// Ends the window. None while there are too few points.
    fn close(&mut self, service: &str) -> Option<Omen> {
        self.idle = self.idle.saturating_add(1);
        let dimensions = self.places.len();
        let point = std::mem::replace(&mut self.point, vec![0.0; dimensions]);
        if self.points.len() >= 2 * EPOCH * dimensions {
            self.points.drain(..EPOCH * dimensions);
            self.epoch += 1;
            self.trees = None;
        }
        if self.trees.is_none() {
            self.trees = grow(service, self.epoch, dimensions, &self.points);
        }
        let is_known = self.points.len() >= EPOCH * dimensions;
        let trees = self.trees.as_mut()?;
        let score = if is_known { trees.score(&point).ok() } else { None };
        trees.update(&point).ok()?;
        self.points.extend(point);
        let (score, usual) = (score?, f64::from(self.tail.threshold));
        let improbability = f64::from(self.tail.update(score as f32, LEAST_DIFFERENCE));
        Some(Omen { score, usual, improbability, support: dimensions as u64 })
    }
}

/// Grows trees from points. None when there are no dimensions to cut.
fn grow(service: &str, epoch: u64, dimensions: usize, points: &[f32]) -> Option<Trees> {
    let seed = rapidhash::v3::rapidhash_v3(service.as_bytes()).wrapping_add(epoch);
    let builder = Trees::builder(dimensions).num_trees(TREES).capacity(CAPACITY).seed(seed);
    let mut trees = builder.build().ok()?;
    for point in points.chunks_exact(dimensions) {
        trees.update(point).ok()?;
    }
    Some(trees)
}

impl Forests {
    /// Notes the departure of one of a service's series.
    pub(crate) fn note(&mut self, service: &Arc<str>, fingerprint: u64, z: f64) {
        if let Some(forest) = self.of.get_mut(service) {
            forest.note(fingerprint, z);
        } else if self.of.len() < MOST_FORESTS {
            self.of.entry(Arc::clone(service)).or_default().note(fingerprint, z);
        }
    }

    /// Ends the window. Returns what can be said of each service that has a forest.
    pub(crate) fn close(&mut self) -> Vec<(Arc<str>, Omen)> {
        self.of.retain(|_, forest| forest.idle as usize <= EPOCH);
        let omens = self.of.iter_mut().filter_map(|(service, forest)| {
            let omen = forest.close(service)?;
            Some((Arc::clone(service), omen))
        });
        omens.collect()
    }
}
