//! What follows from the rows of a window: for episodes, services and levels.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use component::Cx;
use model::{Payload, Rollups, Timestamp};

use super::{
    detectors::{Detector, Evidence, LeftOut, OPENS_AT},
    episodes::{Episode, Severity, Sighting, Transition},
    hierarchy::{Tick, Withheld},
    judge::Class,
    output::{Accounting, Measured, write_logs, write_metrics},
    processor::AnalysisHalf,
    rows::Seen,
    services::{Verdict, forest_of, relation_of},
    state::Traits,
    tuning::TUNABLE,
};

/// Episodes of one service that are open at once are no false alarms.
const COMPANY: usize = 3;
const SECONDS_OF_A_DAY: f64 = 86_400.0;

impl AnalysisHalf {
    pub(super) fn judge_window(&mut self, rollups: &mut Rollups, cx: &mut Cx<'_>) {
        let Some(baseline) = rollups.baseline.take() else { return };
        let (start, now) = (rollups.start, rollups.end());
        self.recall(&baseline.recall);
        let mut seen = Seen::default();
        let columns = self.judge_rows(rollups, &baseline, &mut seen);
        // Silent series have a table of their own, behind that of their window: it is no other window of services.
        let is_of_silence = !rollups.is_empty() && baseline.is_absent.iter().all(|is_absent| *is_absent);
        let is_excluded = baseline.is_excluded;
        rollups.baseline = Some(baseline);
        rollups.anomaly = Some(columns);
        if !is_of_silence && !is_excluded {
            self.judge_services(start, now, &mut seen);
            self.hierarchy
                .incidents
                .watch(seen.tick.n_services(), self.window.as_secs_f64() / SECONDS_OF_A_DAY);
        }
        if seen.without_room > 0 {
            cx.reject(seen.without_room, "anomaly_series_limit");
        }
        if seen.without_episode > 0 {
            cx.reject(seen.without_episode, "anomaly_episode_limit");
        }
        let mut ended = self.episodes.close(now, self.quiet);
        if is_excluded {
            // Whether it was a false alarm shows in windows that are not looked at.
            ended.iter_mut().for_each(|(_, episode)| episode.alone = None);
        }
        self.episodes.widen();
        self.account(&seen, &ended);
        let mut events = self.choose(seen.tick, now);
        self.mark_told(rollups, &ended);
        events.extend(self.end(ended));
        self.tell(events, now, cx);
        self.forget(now);
    }

    /// Judges pairs of services and services as a whole, once all rows have been seen.
    fn judge_services(&mut self, start: Timestamp, now: Timestamp, seen: &mut Seen) {
        let mut verdicts = Vec::new();
        if self.has_relations {
            let bonds = self.relations.close(self.window.as_secs_f64());
            let of_relation = |((one, other), bond): &((String, String), _)| {
                (relation_of(one, other), Verdict::of_relation(bond))
            };
            verdicts.extend(bonds.iter().map(of_relation));
        }
        if self.has_forests {
            let level = self.judge.level_of(Detector::Forest) * self.judge.improbability_of_opening;
            let (omens, LeftOut { places, services }) = self.forests.close();
            self.without_place.add(places);
            self.without_forest.add(services);
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
                seen.without_episode += 1;
            }
        }
    }

    fn opens_of_services(&self, evidence: &Evidence) -> bool {
        [Detector::Relation, Detector::Forest]
            .into_iter()
            .any(|detector| evidence.of(detector) >= OPENS_AT && self.judge.opens(detector))
    }

    /// Keeps the account of alarms and budgets, and moves the levels once a day.
    fn account(&mut self, seen: &Seen, ended: &[(Transition, Episode)]) {
        self.opened.add(seen.opened.len() as u64);
        if !seen.opened.is_empty() {
            self.episodes.join(&seen.opened.iter().cloned().collect(), COMPANY);
        }
        let days = self.window.as_secs_f64() / SECONDS_OF_A_DAY;
        for (tuning, n_scored) in self.tunings.iter_mut().zip(seen.n_scored) {
            tuning.watch(n_scored, days);
        }
        for (_, episode) in ended {
            if let Some(opener) = episode.alone {
                let class = Class::of(episode.traits.source);
                let above = self.judge.decades_above(opener, &episode.evidence, class);
                self.tunings[class as usize].count(opener, above);
            }
        }
        let mut has_changed = false;
        for (class, tuning) in Class::ALL.into_iter().zip(&mut self.tunings) {
            let follows = self.judge.follows(class);
            has_changed |= tuning.adjust(self.config.false_alarms_per_series_day, follows);
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

    /// Marks the rows whose episode was told, in this window or before.
    fn mark_told(&self, rollups: &mut Rollups, ended: &[(Transition, Episode)]) {
        let Some(columns) = &mut rollups.anomaly else { return };
        let told = ended.iter().filter(|(_, episode)| episode.told.is_some());
        let ended: BTreeSet<u64> = told.map(|(_, episode)| episode.id).collect();
        for (row, is_told) in columns.is_told.iter_mut().enumerate() {
            if columns.is_anomalous[row] {
                let open = self.episodes.get(rollups.series[row].fingerprint);
                *is_told = open.is_some_and(|episode| episode.told.is_some())
                    || ended.contains(&columns.episode[row]);
            }
        }
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
        events.sort_by(|(_, a), (_, b)| a.rank(b));
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
            let follows = self.judge.follows(class);
            let detectors = TUNABLE.into_iter().zip(tuning.decades).zip(follows);
            let decades = detectors.filter(|(_, follows)| *follows);
            let decades = decades.map(|((detector, decades), _)| (detector.name(), decades)).collect();
            Some(Accounting { class: class.name(), realised, decades })
        });
        let mut open: Vec<_> = self.episodes.iter().collect();
        open.sort_by(|a, b| a.series.cmp(&b.series));
        Measured {
            open,
            services: services.into_iter().collect(),
            budget: self.config.false_alarms_per_series_day,
            incidents: self.hierarchy.incidents.realised(),
            incident_budget: self.config.incidents_per_service_day,
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
