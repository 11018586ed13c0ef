//! The rows of one window in a loop.

use std::sync::Arc;

use model::{AnomalyColumns, BaselineColumns, Rollups};

use super::{
    config::AnomalyConfig,
    detectors::OPENS_AT,
    episodes::Sighting,
    hierarchy::Tick,
    judge::{Class, JUST_BELOW, Judgement, Moment, Row},
    processor::AnalysisHalf,
    state::{Kind, SeriesState, Source, Traits},
};

/// Rows with this score stand out, though they may not open an episode.
const STANDS_OUT: f32 = 2.0;

/// What the loop leaves for after it.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) tick: Tick,
    pub(super) n_scored: [usize; Class::COUNT],
    /// The service of each episode that was opened.
    pub(super) opened: Vec<Arc<str>>,
    /// Rows of series beyond `max_series`.
    pub(super) without_room: u64,
    /// Rows that would have opened an episode beyond those that may be open at once.
    pub(super) without_episode: u64,
}

/// Scored rows of one service that stand together, so that one look-up serves all.
#[derive(Default)]
struct Run<'a>(Option<(&'a Arc<str>, usize)>);

impl<'a> Run<'a> {
    #[inline]
    fn count(&mut self, service: &'a Arc<str>, tick: &mut Tick) {
        match &mut self.0 {
            Some((of, count)) if Arc::ptr_eq(of, service) => *count += 1,
            _ => {
                self.end(tick);
                self.0 = Some((service, 1));
            }
        }
    }

    fn end(&mut self, tick: &mut Tick) {
        if let Some((service, count)) = self.0.take() {
            tick.add(service, count);
        }
    }
}

/// A row that was judged.
struct Judged {
    row: Row,
    traits: Traits,
    judgement: Judgement,
    /// Whether the series had an episode, which may have ended since.
    was_open: bool,
}

impl AnalysisHalf {
    pub(super) fn judge_rows(
        &mut self,
        rollups: &Rollups,
        baseline: &BaselineColumns,
        seen: &mut Seen,
    ) -> AnomalyColumns {
        let mut columns = AnomalyColumns {
            score: vec![f32::NAN; rollups.len()],
            is_anomalous: vec![false; rollups.len()],
            is_told: vec![false; rollups.len()],
            episode: vec![0; rollups.len()],
            confidence: vec![0.0; rollups.len()],
        };
        let mut run = Run::default();
        for at in 0..rollups.len() {
            if !self.has_room_for(rollups, at) {
                seen.without_room += 1;
                continue;
            }
            let Some(judged) = self.judge_row(rollups, baseline, at) else { continue };
            let Judged { traits, judgement, was_open, .. } = &judged;
            let series = &rollups.series[at];
            let class = Class::of(traits.source);
            columns.score[at] = judgement.score;
            seen.n_scored[class as usize] += 1;
            run.count(&series.service, &mut seen.tick);
            if self.has_relations && traits.kind == Kind::Rate && traits.source == Source::Requests {
                self.relations.note(&series.service, judgement.z);
            }
            if self.has_forests && judgement.z.is_finite() {
                self.forests.note(&series.service, series.fingerprint, judgement.z);
            }
            if judgement.score >= STANDS_OUT {
                let improbability = self.judge.improbability(judgement, class);
                seen.tick.note(&series.service, 10_f64.powf(-improbability));
            }
            if judgement.score >= OPENS_AT || *was_open {
                self.add_to_episode(rollups, at, &judged, &mut columns, seen);
            }
        }
        run.end(&mut seen.tick);
        columns
    }

    fn has_room_for(&self, rollups: &Rollups, at: usize) -> bool {
        let has_room = self.series.len() < self.max_series;
        has_room || self.series.get(rollups.slots[at], rollups.series[at].fingerprint).is_some()
    }

    #[inline]
    fn judge_row(&mut self, rollups: &Rollups, baseline: &BaselineColumns, at: usize) -> Option<Judged> {
        let series = &rollups.series[at];
        let state =
            self.series.get_or_insert_with(rollups.slots[at], series.fingerprint, SeriesState::default);
        let gap = state.advance(rollups.end(), self.window, baseline.is_absent[at]);
        let traits = match state.traits {
            Some(traits) => traits,
            None => *state.traits.insert(Traits::of(series, marks_of(&self.config, series))),
        };
        if baseline.is_excluded {
            state.forget_the_window_before();
            return None;
        }
        let row = Row::of(rollups, baseline, at);
        let is_restarted =
            !rollups.restarts.is_empty() && rollups.restarts.binary_search(&series.resource).is_ok();
        let moment = Moment { gap, is_restarted };
        let judgement = self.judge.judge(&row, moment, traits, state)?;
        Some(Judged { row, traits, judgement, was_open: state.is_open })
    }

    /// Opens an episode, or adds the row to the open one if there still is one.
    fn add_to_episode(
        &mut self,
        rollups: &Rollups,
        at: usize,
        judged: &Judged,
        columns: &mut AnomalyColumns,
        seen: &mut Seen,
    ) {
        let Judged { row, traits, judgement, .. } = judged;
        let series = &rollups.series[at];
        let is_open = self.episodes.get(series.fingerprint).is_some();
        let state =
            self.series.get_or_insert_with(rollups.slots[at], series.fingerprint, SeriesState::default);
        state.is_open = is_open;
        if !is_open && judgement.score < OPENS_AT {
            return;
        }
        let sighting = Sighting {
            series,
            traits: *traits,
            judgement,
            row,
            start: rollups.start,
            end: rollups.end(),
            exemplars: rollups.exemplars.get(&(at as u32)).map_or(&[], Vec::as_slice),
        };
        let Some((episode, is_alarm)) = self.episodes.add(&sighting) else {
            seen.without_episode += 1;
            return;
        };
        state.is_open = true;
        let class = Class::of(traits.source);
        if class == Class::Metrics && !is_alarm {
            // Of a metric the score speaks once, lest who counts high scores counts an episode twice.
            columns.score[at] = judgement.score.min(JUST_BELOW);
        }
        if !episode.is_expired {
            columns.is_anomalous[at] = true;
            columns.episode[at] = episode.id;
            columns.confidence[at] = episode.confidence as f32;
        }
        if !is_open {
            seen.opened.push(Arc::clone(&series.service));
        }
    }
}

/// How often the configuration calls a series noise.
fn marks_of(config: &AnomalyConfig, series: &model::Series) -> u8 {
    let marks = config.noise.iter().filter(|noise| noise.covers(series)).map(|noise| noise.count);
    marks.fold(0, u8::saturating_add)
}
