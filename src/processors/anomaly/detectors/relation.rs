//! Whether services that rise and fall together still do.

use std::collections::BTreeMap;

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

/// Pairs that are watched; of calls as many as may be named.
pub(crate) const MOST_RELATIONS: usize = 10_000;

/// Two services whose load rises and falls together.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Relation {
    pub(crate) services: (String, String),
    pub(crate) usual: EwCovariance,
    pub(crate) now: EwCovariance,
    /// Windows without a call, of a pair that calls have made known.
    pub(crate) idle: u32,
}

/// The relations that are watched, and each service's departure in this window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relations {
    /// In the order of their names when they are those of calls.
    pub(crate) pairs: Vec<Relation>,
    /// Nobody has named pairs: all are watched of which one calls the other.
    follows_calls: bool,
    /// By service that is in a pair: sum and number of departures.
    load: BTreeMap<String, (f64, u32)>,
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
    /// Pairs by name, or by the calls that [`Self::follow`] tells of when there are none.
    pub(crate) fn new(pairs: &[(String, String)]) -> Self {
        let mut relations = Self { follows_calls: pairs.is_empty(), ..Self::default() };
        relations.pairs = pairs.iter().cloned().map(Relation::new).collect();
        relations.index();
        relations
    }

    fn index(&mut self) {
        let names = self.pairs.iter().flat_map(|pair| [&pair.services.0, &pair.services.1]);
        self.load = names.map(|name| (name.clone(), (0.0, 0))).collect();
    }

    fn place(&self, client: &str, server: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|pair| (&*pair.services.0, &*pair.services.1).cmp(&(client, server)))
    }

    /// Takes note that one service calls another. Returns whether there is room for that.
    pub(crate) fn follow(&mut self, client: &str, server: &str) -> bool {
        if !self.follows_calls || client == server {
            return true;
        }
        match self.place(client, server) {
            Ok(at) => self.pairs[at].idle = 0,
            Err(_) if self.pairs.len() >= MOST_RELATIONS => return false,
            Err(at) => {
                self.pairs.insert(at, Relation::new((client.to_owned(), server.to_owned())));
                for name in [client, server] {
                    self.load.entry(name.to_owned()).or_default();
                }
            }
        }
        true
    }

    /// Takes back what was learned of a pair that is still watched, or may be.
    pub(crate) fn restore(&mut self, stored: Relation) {
        let (first, second) = &stored.services;
        self.follow(first, second);
        let place = match self.follows_calls {
            true => self.place(first, second).ok(),
            false => self.pairs.iter().position(|pair| pair.services == stored.services),
        };
        if let Some(mine) = place.and_then(|at| self.pairs.get_mut(at)) {
            *mine = stored;
        }
    }

    /// Notes the departure of one of a service's request rates.
    pub(crate) fn note(&mut self, service: &str, z: f64) {
        if let Some((sum, count)) = self.load.get_mut(service).filter(|_| z.is_finite()) {
            (*sum, *count) = (*sum + z.clamp(-LARGEST_Z, LARGEST_Z), *count + 1);
        }
    }

    /// Ends the window. Returns what can be said of each pair of which both sides were there.
    pub(crate) fn close(&mut self, width_seconds: f64) -> Vec<((String, String), Bond)> {
        let mut bonds = Vec::new();
        for pair in &mut self.pairs {
            pair.idle += u32::from(self.follows_calls);
            let load = |name: &str| self.load.get(name).filter(|(_, count)| *count > 0);
            let Some((first, second)) = load(&pair.services.0).zip(load(&pair.services.1)) else { continue };
            let (x, y) = (first.0 / f64::from(first.1), second.0 / f64::from(second.1));
            pair.now.update(x, y, decay_gain(width_seconds, NOW));
            let bond = pair.bond();
            // What is broken is learned as usual too, but not before it was told.
            let is_broken = bond.is_some_and(|bond| bond.broken >= 1.0);
            let memory = if is_broken { USUAL * RELUCTANCE } else { USUAL };
            pair.usual.update(x, y, decay_gain(width_seconds, memory));
            bonds.extend(bond.map(|bond| (pair.services.clone(), bond)));
        }
        self.load.values_mut().for_each(|load| *load = (0.0, 0));
        let before = self.pairs.len();
        self.pairs.retain(|pair| f64::from(pair.idle) * width_seconds <= USUAL);
        if self.pairs.len() < before {
            self.index();
        }
        bonds
    }
}

impl Relation {
    fn new(services: (String, String)) -> Self {
        Self { services, usual: EwCovariance::default(), now: EwCovariance::default(), idle: 0 }
    }

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
