//! From episodes of series to what is told of services: where the budget of false alarms is kept.
//!
//! A million series with a tenth of a false alarm per day make a hundred thousand a day: the record of a
//! series' episode is for those who look it up, and never reason enough to call a person. So
//! 1. in each window the rows of a service that stand out make one p-value (Simes): twenty calm series
//!    need a rarer one than a single series does;
//! 2. among all services those are chosen of which at most one in twenty is calm (Benjamini and
//!    Hochberg);
//! 3. each service has a purse of incidents per day. Episodes that begin within five minutes of each
//!    other are one incident.
//!
//! What is withheld stays open and may be told later; at its end it is counted with the reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::Timestamp;
use stats::{TokenBucket, TokenRate, benjamini_hochberg, simes};

use super::tuning::MEMORY;

/// The share of calm services among those that are told.
const FALSE_DISCOVERIES: f64 = 0.05;
/// Episodes that begin this close to each other are one incident.
const INCIDENT: Duration = Duration::from_secs(5 * 60);
/// *Units*: nanoseconds.
const DAY: f64 = 86_400e9;

/// What the services may tell.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchy {
    rate: TokenRate,
    /// Services of which something was told.
    pub(crate) purses: BTreeMap<Arc<str>, Purse>,
    pub(crate) incidents: Incidents,
}

/// How many incidents there really are; forgotten gradually.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Incidents {
    /// Those that were told.
    pub(crate) told: f64,
    /// Time that services were watched. *Units*: days.
    pub(crate) service_days: f64,
}

impl Incidents {
    /// Adds a window of so many days.
    pub(crate) fn watch(&mut self, n_services: usize, days: f64) {
        let kept = (-days / MEMORY).exp();
        self.told *= kept;
        self.service_days = self.service_days * kept + n_services as f64 * days;
    }

    /// Returns the incidents per service and day, or none before a service was watched for a day.
    pub(crate) fn realised(&self) -> Option<f64> {
        (self.service_days >= 1.0).then(|| self.told / self.service_days)
    }
}

/// What a service may still tell.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Purse {
    pub(crate) bucket: TokenBucket,
    /// When an episode of the running incident was last told.
    pub(crate) told: Timestamp,
}

/// One window, by service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tick {
    services: BTreeMap<Arc<str>, Rows>,
}

/// A service's rows in one window.
#[derive(Clone, Debug, Default)]
struct Rows {
    n_scored: usize,
    /// Of those that stand out; all others count as 1.
    p_values: Vec<f64>,
}

/// Why an episode is not told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Withheld {
    /// Among so many rows and services it may be chance.
    NotSignificant,
    /// The service has told its incidents of the day.
    Budget,
}

impl Tick {
    /// Adds rows of a service that were scored.
    pub(crate) fn add(&mut self, service: &Arc<str>, n_scored: usize) {
        self.of(service).n_scored += n_scored;
    }

    /// Notes a row that stands out, one of those that were added.
    pub(crate) fn note(&mut self, service: &Arc<str>, p: f64) {
        self.of(service).p_values.push(p);
    }

    /// Services of which a row was scored.
    pub(crate) fn n_services(&self) -> usize {
        self.services.len()
    }

    /// Chooses the services in which something is wrong.
    pub(crate) fn significant(mut self) -> BTreeSet<Arc<str>> {
        let p_values: Vec<_> = self.services.values_mut().map(Rows::p_value).collect();
        if p_values.iter().all(|&p| p >= 1.0) {
            return BTreeSet::new();
        }
        let rejected = benjamini_hochberg(&mut p_values.clone(), FALSE_DISCOVERIES);
        let chosen = self.services.into_keys().zip(p_values);
        chosen.filter(|(_, p)| rejected.count > 0 && *p <= rejected.threshold).map(|(name, _)| name).collect()
    }

    fn of(&mut self, service: &Arc<str>) -> &mut Rows {
        if !self.services.contains_key(service) {
            self.services.insert(Arc::clone(service), Rows::default());
        }
        self.services.get_mut(service).expect("the service was inserted just now")
    }
}

impl Rows {
    fn p_value(&mut self) -> f64 {
        let noted = self.p_values.len();
        let Some(p) = simes(&mut self.p_values) else { return 1.0 };
        // The rows that do not stand out would come behind and make each p-value count for more rows.
        (p * self.n_scored.max(noted) as f64 / noted as f64).min(1.0)
    }
}

impl Hierarchy {
    /// *Units*: incidents per service and day.
    pub(crate) fn new(incidents: f64) -> Self {
        // Below one a day the purse still holds one.
        let capacity = incidents.max(1.0);
        let rate = TokenRate { capacity, refill_time: DAY * capacity / incidents };
        Self { rate, purses: BTreeMap::new(), incidents: Incidents::default() }
    }

    /// Whether a service that has something to tell may do so now; if so, it is told.
    pub(crate) fn spend(&mut self, service: &Arc<str>, now: Timestamp) -> bool {
        let fresh =
            || Purse { bucket: TokenBucket::full(self.rate, now.as_nanos()), told: Timestamp::default() };
        let purse = self.purses.entry(Arc::clone(service)).or_insert_with(fresh);
        let is_same_incident = purse.told > Timestamp::default() && now.since(purse.told) <= INCIDENT;
        let is_new_incident = !is_same_incident && purse.bucket.take(self.rate, now.as_nanos());
        self.incidents.told += f64::from(u8::from(is_new_incident));
        let may = is_same_incident || is_new_incident;
        if may {
            purse.told = now;
        }
        may
    }

    /// Forgets purses that must be full again.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let refill = Duration::from_nanos(self.rate.refill_time as u64);
        self.purses.retain(|_, purse| now.since(Timestamp(purse.bucket.updated)) < refill);
    }
}
