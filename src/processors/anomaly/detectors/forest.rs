//! Whether a service's departures form a rare combination.

use std::{collections::BTreeMap, sync::Arc};

use rcf3::Forest as Trees;
use stats::Tail;

/// Series of a service that make a point; more are left out, and counted. One that is silent for an epoch gives way to
/// another that waits, at the end of an epoch: each time the forest begins anew.
const PLACES: usize = 16;
/// Services that have a forest, the first ones; more are left out, and counted. One whose series are all silent for an
/// epoch gives way to another.
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
    /// Of the open window.
    left_out: LeftOut,
}

/// Rows that no forest looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LeftOut {
    /// As their service has as many other series as make a point.
    pub(crate) places: u64,
    /// As as many other services have a forest as may.
    pub(crate) services: u64,
}

/// The forest of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forest {
    /// The series that make a point, in its order.
    pub(crate) places: Vec<Place>,
    /// The last points, one after the other.
    pub(crate) points: Vec<f32>,
    /// How often the trees were grown anew.
    pub(crate) epoch: u64,
    /// Of the scores.
    pub(crate) tail: Tail,
    trees: Option<Trees>,
    /// This window's departures; 0 for a series that has no row.
    point: Vec<f32>,
    /// Whether a series had a row in this window and no place.
    is_wanted: bool,
}

/// A series that is a part of points.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) fingerprint: u64,
    /// Windows since the last in which it had a row, and that one.
    pub(crate) idle: u32,
}

impl Place {
    fn is_alive(&self) -> bool {
        self.idle as usize <= EPOCH
    }
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
    pub(crate) fn restored(places: Vec<Place>, points: Vec<f32>, epoch: u64, tail: Tail) -> Option<Self> {
        let dimensions = places.len();
        let fits = (1..=PLACES).contains(&dimensions)
            && points.len().is_multiple_of(dimensions)
            && points.len() <= 2 * EPOCH * dimensions
            && points.iter().all(|value| value.is_finite());
        let point = vec![0.0; dimensions];
        fits.then_some(Self { places, points, epoch, tail, trees: None, point, is_wanted: false })
    }

    /// Returns the windows since any of the series that make a point had a row.
    pub(crate) fn idle(&self) -> u32 {
        self.places.iter().map(|place| place.idle).min().unwrap_or(0)
    }

    /// Takes a departure. False when the series has no place.
    fn note(&mut self, fingerprint: u64, z: f64) -> bool {
        let known = self.places.iter().position(|place| place.fingerprint == fingerprint);
        if known.is_none() && self.places.len() >= PLACES {
            self.is_wanted = true;
            return false;
        }
        let at = known.unwrap_or_else(|| self.add(fingerprint));
        self.places[at].idle = 0;
        self.point[at] = z.clamp(-LARGEST_Z, LARGEST_Z) as f32;
        true
    }

    fn add(&mut self, fingerprint: u64) -> usize {
        self.begin_anew();
        self.places.push(Place { fingerprint, idle: 0 });
        self.point.push(0.0);
        self.places.len() - 1
    }

    /// Forgets the points: those of other series need other trees.
    fn begin_anew(&mut self) {
        self.points.clear();
        (self.trees, self.tail) = (None, Tail::default());
    }

    /// Ends the window. None while there are too few points.
    fn close(&mut self, service: &str) -> Option<Omen> {
        let omen = self.judge(service);
        for place in &mut self.places {
            place.idle = place.idle.saturating_add(1);
        }
        if std::mem::take(&mut self.is_wanted) {
            self.give_up_idle();
        }
        omen
    }

    /// Gives up the places of silent series, at the end of an epoch: where series come and go all the time, a forest
    /// that began anew with each would never say anything.
    fn give_up_idle(&mut self) {
        if self.points.len() < 2 * EPOCH * self.places.len() || self.places.iter().all(Place::is_alive) {
            return;
        }
        self.places.retain(Place::is_alive);
        self.point = vec![0.0; self.places.len()];
        self.begin_anew();
    }

    fn judge(&mut self, service: &str) -> Option<Omen> {
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
        let has_room = self.of.len() < MOST_FORESTS;
        let has_place = match self.of.get_mut(service) {
            Some(forest) => forest.note(fingerprint, z),
            None if has_room => self.of.entry(Arc::clone(service)).or_default().note(fingerprint, z),
            None => {
                self.left_out.services += 1;
                return;
            }
        };
        self.left_out.places += u64::from(!has_place);
    }

    /// Ends the window. Returns what can be said of each service that has a forest, and what had no room.
    pub(crate) fn close(&mut self) -> (Vec<(Arc<str>, Omen)>, LeftOut) {
        let omens = self.of.iter_mut().filter_map(|(service, forest)| {
            let omen = forest.close(service)?;
            Some((Arc::clone(service), omen))
        });
        let omens = omens.collect();
        self.of.retain(|_, forest| forest.places.iter().any(Place::is_alive));
        (omens, std::mem::take(&mut self.left_out))
    }

    /// Takes what was stored of each service.
    pub(crate) fn remember(&mut self, forests: Vec<(Arc<str>, Forest)>) {
        self.of = forests.into_iter().take(MOST_FORESTS).collect();
    }
}
