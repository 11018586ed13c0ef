//! One window: its rows in a loop, then what follows for episodes, services and levels.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::Cx;
use model::{AnomalyColumns, BaselineColumns, Payload, Rollups, Series, Timestamp};

use super::{
    config::AnomalyConfig,
    detectors::{Detector, Evidence, OPENS_AT},
    episodes::{Episode, Severity, Sighting, Transition},
    hierarchy::{Tick, Withheld},
    judge::{Class, JUST_BELOW, Row},
    output::{Accounting, Measured, write_logs, write_metrics},
    processor::AnalysisHalf,
    services::{Verdict, forest_of},
    state::{Kind, SeriesState, Source, Traits},
};

/// Rows with this score stand out, though they may not open an episode.
const STANDS_OUT: f32 = 2.0;
/// Episodes of one service that are open at once are no false alarms.
const COMPANY: usize = 3;

/// What a loop over rows leaves for after it.
#[derive(Default)]
struct Seen {
    tick: Tick,
    n_scored: [usize; Class::COUNT],
    /// Service and class of each episode that was opened.
    opened: Vec<(Arc<str>, Class)>,
    without_room: u64,
}

impl AnalysisHalf {
    pub(super) fn judge_window(&mut self, rollups: &mut Rollups, cx: &mut Cx<'_>) {
        let Some(baseline) = rollups.baseline.take() else { return };
        let (start, now) = (rollups.start, rollups.end());
        let mut seen = Seen::default();
        let columns = self.judge_rows(rollups, &baseline, &mut seen);
        rollups.baseline = Some(baseline);
        rollups.anomaly = Some(columns);
        self.judge_services(start, now, &mut seen);
        if seen.without_room > 0 {
            cx.reject(seen.without_room, "anomaly_series_limit");
        }
        let ended = self.episodes.close(now, self.quiet);
        self.episodes.widen();
        self.account(&seen);
        let mut events = self.choose(seen.tick, now);
        events.extend(self.end(ended));
        self.tell(events, now, cx);
        self.forget(now);
    }

    fn judge_rows(
        &mut self,
        rollups: &Rollups,
        baseline: &BaselineColumns,
        seen: &mut Seen,
    ) -> AnomalyColumns {
        let mut columns = AnomalyColumns {
            score: vec![f32::NAN; rollups.len()],
            is_anomalous: vec![false; rollups.len()],
            episode: vec![0; rollups.len()],
        };
        let now = rollups.end();
        // Rows of a service mostly stand together, so that one look-up serves many.
        let mut run: Option<(&Arc<str>, usize)> = None;
        for at in 0..rollups.len() {
            let series = &rollups.series[at];
            let slot = rollups.slots[at];
            if self.series.len() >= self.max_series && self.series.get(slot, series.fingerprint).is_none() {
                seen.without_room += 1;
                continue;
            }
            let state = self.series.get_or_insert_with(slot, series.fingerprint, SeriesState::default);
            let gap = state.advance(now, self.window);
            let traits = match state.traits {
                Some(traits) => traits,
                None => *state.traits.insert(traits_of(&self.config, series)),
            };
            let row = Row::of(rollups, baseline, at);
            let Some(judgement) = self.judge.judge(&row, gap, traits, state) else { continue };
            columns.score[at] = judgement.score;
            let class = Class::of(traits.source);
            seen.n_scored[class as usize] += 1;
            run = match run {
                Some((service, count)) if Arc::ptr_eq(service, &series.service) => Some((service, count + 1)),
                other => {
                    if let Some((service, count)) = other {
                        seen.tick.add(service, count);
                    }
                    Some((&series.service, 1))
                }
            };
            if self.has_relations && traits.kind == Kind::Rate && traits.source == Source::Requests {
                self.relations.note(&series.service, judgement.z);
            }
            if self.has_forests && judgement.z.is_finite() {
                self.forests.note(&series.service, series.fingerprint, judgement.z);
            }
            if judgement.score >= STANDS_OUT {
                let improbability = self.judge.improbability(&judgement, class);
                seen.tick.note(&series.service, 10_f64.powf(-improbability));
            }
            state.is_open = state.is_open && self.episodes.get(series.fingerprint).is_some();
            if judgement.score < OPENS_AT && !state.is_open {
                continue;
            }
            let exemplars = rollups.exemplars.get(&(at as u32)).map_or(&[][..], Vec::as_slice);
            let sighting = Sighting {
                series,
                traits,
                judgement: &judgement,
                row: &row,
                start: rollups.start,
                end: now,
                exemplars,
            };
            let Some((episode, is_alarm)) = self.episodes.add(&sighting) else {
                seen.without_room += 1;
                continue;
            };
            if class == Class::Metrics && !is_alarm {
                // Of a metric the score speaks once, lest who counts high scores counts an episode twice.
                columns.score[at] = judgement.score.min(JUST_BELOW);
            }
            columns.is_anomalous[at] = !episode.is_expired;
            columns.episode[at] = if episode.is_expired { 0 } else { episode.id };
            if !state.is_open {
                seen.opened.push((Arc::clone(&series.service), class));
            }
            state.is_open = true;
        }
        if let Some((service, count)) = run {
            seen.tick.add(service, count);
        }
        columns
    }

    /// Judges pairs of services and services as a whole, once all rows have been seen.
    fn judge_services(&mut self, start: Timestamp, now: Timestamp, seen: &mut Seen) {
        let mut verdicts = Vec::new();
        if self.has_relations {
            let bonds = self.relations.close(self.window.as_secs_f64());
            let of_relation =
                |(at, bond): &(usize, _)| (Arc::clone(&self.related[*at]), Verdict::of_relation(bond));
            verdicts.extend(bonds.iter().map(of_relation));
        }
        if self.has_forests {
            let level = self.judge.level_of(Detector::Forest) * self.judge.improbability_of_opening;
            let omens = self.forests.close();
            let of_forest =
                |(service, omen): &(Arc<str>, _)| (forest_of(service), Verdict::of_forest(omen, level));
            verdicts.extend(omens.iter().map(of_forest));
        }
        for (series, verdict) in verdicts {
            let Verdict { judgement, row, chance } = &verdict;
            let opens = judgement.score >= OPENS_AT && self.opens_of_services(&judgement.evidence);
            if !opens && self.episodes.get(series.fingerprint).is_none() {
                continue;
            }
            let traits = Traits::of(&series, 0);
            seen.tick.add(&series.service, 1);
            seen.tick.note(&series.service, *chance);
            let sighting =
                Sighting { series: &series, traits, judgement, row, start, end: now, exemplars: &[] };
            if self.episodes.add(&sighting).is_none() {
                seen.without_room += 1;
            }
        }
    }

    fn opens_of_services(&self, evidence: &Evidence) -> bool {
        [Detector::Relation, Detector::Forest]
            .into_iter()
            .any(|detector| evidence.of(detector) >= OPENS_AT && self.judge.opens(detector))
    }

    /// Keeps the account of alarms and budgets, and moves the levels once a day.
    fn account(&mut self, seen: &Seen) {
        self.opened.add(seen.opened.len() as u64);
        let days = self.window.as_secs_f64() / 86_400.0;
        for (tuning, n_scored) in self.tunings.iter_mut().zip(seen.n_scored) {
            tuning.watch(n_scored, days);
        }
        for (service, class) in &seen.opened {
            let company = self.episodes.iter().filter(|episode| episode.series.service == *service).count();
            if company < COMPANY {
                self.tunings[*class as usize].alarms += 1.0;
            }
        }
        let mut has_changed = false;
        for tuning in &mut self.tunings {
            has_changed |= tuning.adjust(self.config.false_alarms_per_series_day);
        }
        if has_changed {
            self.judge.tune(&self.tunings);
        }
    }

    /// Chooses what is told: worse than it was told, or significant and within the service's budget.
    fn choose(&mut self, tick: Tick, now: Timestamp) -> Vec<(Transition, Episode)> {
        let significant = tick.significant();
        let mut may_tell: BTreeMap<Arc<str>, bool> = BTreeMap::new();
        let mut events = Vec::new();
        for episode in self.episodes.iter_mut() {
            let transition = match episode.told {
                Some(told) if told >= episode.severity => continue,
                Some(_) => Transition::Worsened,
                None => {
                    let service = &episode.series.service;
                    if !significant.contains(service) {
                        episode.withheld = episode.withheld.or(Some(Withheld::NotSignificant));
                        continue;
                    }
                    if !may_tell.contains_key(service) {
                        may_tell.insert(Arc::clone(service), self.hierarchy.spend(service, now));
                    }
                    if !may_tell[service] {
                        episode.withheld = Some(Withheld::Budget);
                        continue;
                    }
                    Transition::Opened
                }
            };
            episode.told = Some(episode.severity);
            events.push((transition, episode.clone()));
        }
        events
    }

    /// Counts what ended, and returns what was told of it.
    fn end(&self, ended: Vec<(Transition, Episode)>) -> Vec<(Transition, Episode)> {
        let (told, withheld): (Vec<_>, Vec<_>) = ended.into_iter().partition(|(_, one)| one.told.is_some());
        for (_, episode) in withheld {
            match episode.withheld {
                Some(Withheld::Budget) => self.over_budget.add(1),
                Some(Withheld::NotSignificant) | None => self.not_significant.add(1),
            }
        }
        told
    }

    /// Emits events, the most important first, and measurements.
    fn tell(&mut self, mut events: Vec<(Transition, Episode)>, now: Timestamp, cx: &mut Cx<'_>) {
        events.sort_by(|(_, a), (_, b)| {
            let by_weight = || b.weight().total_cmp(&a.weight());
            b.severity.cmp(&a.severity).then_with(by_weight).then_with(|| a.series.cmp(&b.series))
        });
        self.told.add(events.len() as u64);
        if self.config.emit_logs && !events.is_empty() {
            let (bytes, records) = write_logs(&events, now);
            cx.emit(Payload::Logs(bytes.into()), records);
        }
        let (bytes, points) = write_metrics(&self.measure(), now);
        if points > 0 {
            cx.emit(Payload::Metrics(bytes.into()), points);
        }
        self.n_open.set(self.episodes.iter().count() as u64);
        self.n_series.set(self.series.len() as u64);
    }

    fn measure(&mut self) -> Measured<'_> {
        let mut services: BTreeMap<Arc<str>, [u64; Severity::ALL.len()]> =
            self.reported.drain(..).map(|service| (service, Default::default())).collect();
        for episode in self.episodes.iter() {
            let counts = services.entry(Arc::clone(&episode.series.service)).or_default();
            counts[episode.severity as usize] += 1;
        }
        let has_open = services.iter().filter(|(_, counts)| counts.iter().any(|&count| count > 0));
        self.reported = has_open.map(|(service, _)| Arc::clone(service)).collect();
        let accounting = Class::ALL.into_iter().zip(&self.tunings).filter_map(|(class, tuning)| {
            let realised = tuning.realised()?;
            Some(Accounting { class: class.name(), realised, decades: tuning.decades })
        });
        let mut open: Vec<_> = self.episodes.iter().collect();
        open.sort_by(|a, b| a.series.cmp(&b.series));
        Measured {
            open,
            services: services.into_iter().collect(),
            budget: self.config.false_alarms_per_series_day,
            accounting: accounting.collect(),
        }
    }

    /// Once an hour forgets series and purses that are long silent.
    fn forget(&mut self, now: Timestamp) {
        if now.window_start(FORGETS_EACH) == (now - self.window).window_start(FORGETS_EACH) {
            return;
        }
        let kept = (REMEMBERED.as_nanos() / self.window.as_nanos().max(1)) as u32;
        let window = (now.as_nanos() / self.window.as_nanos().max(1) as u64) as u32;
        self.series.retain(|state| window.saturating_sub(state.last_window) <= kept);
        self.hierarchy.forget(now);
    }
}

const FORGETS_EACH: Duration = Duration::from_secs(3600);
/// A week, so that what happens on one weekday only is not forgotten.
const REMEMBERED: Duration = Duration::from_secs(8 * 86_400);

fn traits_of(config: &AnomalyConfig, series: &Series) -> Traits {
    let marks = config.noise.iter().filter(|noise| noise.covers(series)).map(|noise| noise.count);
    Traits::of(series, marks.fold(0, u8::saturating_add))
}
