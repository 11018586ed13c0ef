//! Whether services that rise and fall together still do.

use stats::{EwCovariance, correlation_change, decay_gain, fisher_z};

/// What is usual is learned over a day, what is now over an hour.
///
/// *Units*: seconds.
const USUAL: f64 = 86_400.0;
const NOW: f64 = 3_600.0;
/// By which learning is slower while the relation is broken.
const RELUCTANCE: f64 = 10.0;
/// Standard errors of Fisher's z by which a correlation must fall.
const LEVEL: f64 = 5.0;
/// A weaker correlation was none.
const LEAST_USUAL: f64 = 0.5;
/// Departures are cut to this: one outlier makes no correlation.
const LARGEST_Z: f64 = 8.0;
/// Windows in which a correlation may be called usual.
const LEAST_COUNT: f64 = 240.0;

/// Two services whose load rises and falls together.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Relation {
    pub(crate) services: (String, String),
    pub(crate) usual: EwCovariance,
    pub(crate) now: EwCovariance,
}

/// The relations that are watched, and each service's departure in this window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relations {
    pub(crate) pairs: Vec<Relation>,
    /// By pair and side: sum and number of departures.
    load: Vec<[(f64, u32); 2]>,
}

/// A relation in one window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Bond {
    pub(crate) usual: f64,
    pub(crate) now: f64,
    /// The least correlation of now that is not yet broken.
    pub(crate) lower: f64,
    /// Fall of the correlation in opening levels.
    pub(crate) broken: f64,
    pub(crate) support: u64,
}

impl Relations {
    pub(crate) fn new(pairs: &[(String, String)]) -> Self {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|services| Relation {
                services: services.clone(),
                usual: EwCovariance::default(),
                now: EwCovariance::default(),
            })
            .collect();
        let load = vec![[(0.0, 0); 2]; pairs.len()];
        Self { pairs, load }
    }

    /// Notes the departure of one of a service's request rates.
    pub(crate) fn note(&mut self, service: &str, z: f64) {
        let z = z.clamp(-LARGEST_Z, LARGEST_Z);
        for (pair, load) in self.pairs.iter().zip(&mut self.load) {
            for (name, (sum, count)) in [&pair.services.0, &pair.services.1].into_iter().zip(load) {
                if name == service {
                    (*sum, *count) = (*sum + z, *count + 1);
                }
            }
        }
    }

    /// Ends the window. Returns what can be said of each pair of which both sides were there.
    pub(crate) fn close(&mut self, width_seconds: f64) -> Vec<(usize, Bond)> {
        let mut bonds = Vec::new();
        for (at, (pair, load)) in self.pairs.iter_mut().zip(&mut self.load).enumerate() {
            let [first, second] = std::mem::take(load);
            if first.1 == 0 || second.1 == 0 {
                continue;
            }
            let (x, y) = (first.0 / f64::from(first.1), second.0 / f64::from(second.1));
            pair.now.update(x, y, decay_gain(width_seconds, NOW));
            let bond = pair.bond();
            // What is broken is learned as usual too, but not before it was told.
            let is_broken = bond.is_some_and(|bond| bond.broken >= 1.0);
            let memory = if is_broken { USUAL * RELUCTANCE } else { USUAL };
            pair.usual.update(x, y, decay_gain(width_seconds, memory));
            bonds.extend(bond.map(|bond| (at, bond)));
        }
        bonds
    }
}

impl Relation {
    fn bond(&self) -> Option<Bond> {
        let (usual, now) = (self.usual.correlation()?, self.now.correlation()?);
        let count = self.usual.effective_count();
        if count < LEAST_COUNT || usual < LEAST_USUAL {
            return None;
        }
        let fall = correlation_change(usual, count, now, self.now.effective_count())?;
        let of_now = self.now.effective_count();
        let error = (1.0 / (of_now - 3.0) + 1.0 / (count - 3.0)).sqrt();
        let lower = (fisher_z(usual) - LEVEL * error).tanh();
        Some(Bond { usual, now, lower, broken: fall / LEVEL, support: of_now as u64 })
    }
}
