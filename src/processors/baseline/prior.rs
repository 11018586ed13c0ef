//! What a new operation takes over from those that its service has had for long.

use std::{collections::BTreeMap, sync::Arc};

use model::{Series, Statistic};

use super::{
    calendar::Moment,
    rhythm::{half, unit, value},
    state::{INHERITED, SEASON_ON, SeriesState},
};

/// Services, metrics and statistics of which a donor is kept.
const MAX_PRIORS: usize = 10_000;
/// An operation this much greater or smaller than the donor is no likeness of it.
const MOST_UNLIKE: f64 = 100.0;

/// The longest known series for each service, metric and statistic.
///
/// *Cost*: one state for each, at most [`MAX_PRIORS`].
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Priors {
    pub(super) known: BTreeMap<u64, SeriesState>,
    /// Of the open window, by key, with the fingerprint; takes effect when the window is complete, so that the
    /// order of rows does not matter.
    pub(super) candidates: BTreeMap<u64, (u64, SeriesState)>,
    /// Those that found no room since this was last counted.
    pub(super) n_left_out: u64,
}

impl Priors {
    /// Offers a series as donor.
    pub(super) fn offer(&mut self, series: &Series, state: &SeriesState) {
        if !state.is(SEASON_ON) || state.is(INHERITED) || series.statistic == Statistic::Mean {
            return;
        }
        let rank = |fingerprint: u64, state: &SeriesState| (state.covered_seconds, fingerprint);
        let place = self.candidates.entry(key(series)).or_insert((series.fingerprint, *state));
        if rank(series.fingerprint, state) > rank(place.0, &place.1) {
            *place = (series.fingerprint, *state);
        }
        if self.candidates.len() > MAX_PRIORS {
            self.candidates.pop_last();
            self.n_left_out += 1;
        }
    }

    /// Lets what the open window offered take effect.
    pub(super) fn settle(&mut self) {
        for (key, (_, state)) in std::mem::take(&mut self.candidates) {
            self.known.insert(key, state);
        }
        while self.known.len() > MAX_PRIORS {
            self.known.pop_last();
            self.n_left_out += 1;
        }
    }

    pub(super) fn of(&self, series: &Arc<Series>) -> Option<&SeriesState> {
        self.known.get(&key(series))
    }
}

/// Returns a hash that is the same in every process.
fn key(series: &Series) -> u64 {
    let parts = [series.service.as_bytes(), series.metric.as_bytes(), series.statistic.name().as_bytes()];
    rapidhash::v3::rapidhash_v3(&parts.join(&0))
}

impl SeriesState {
    /// Takes over a donor's daily profile and the course of its scale, with no weight: the first own visit of a
    /// bin replaces what stands there.
    pub(super) fn inherit(&mut self, donor: &Self, statistic: Statistic, moment: &Moment) {
        let likeness = match statistic {
            Statistic::Rate | Statistic::ErrorRatio => self.level / donor.level,
            _ => 1.0,
        };
        if !(1.0 / MOST_UNLIKE..MOST_UNLIKE).contains(&likeness) {
            return;
        }
        self.day.values = donor.day.values.map(|of_bin| half(value(of_bin) * likeness));
        self.unit_exponent = donor.unit_exponent;
        self.hours = donor.hours;
        let here = self.day.at(&moment.of_day) * unit(self.unit_exponent);
        // The samples so far were taken at this time of the day.
        self.level -= here;
        self.fast += here as f32;
        self.set(INHERITED, true);
    }
}
