//! From scores to episodes: one per departure, from its first window to its last.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{Maturity, Series, Timestamp, TraceId};

use super::{
    calibration::confidence,
    detectors::{Detector, Evidence, OPENS_AT},
    hierarchy::Withheld,
    judge::{Judgement, Row},
    state::{Kind, Source, Traits},
};

/// What is unusual about one series, for as long as it is.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Episode {
    /// Unique and the same in every process that sees the same input.
    pub(crate) id: u64,
    pub(crate) series: Arc<Series>,
    pub(crate) traits: Traits,
    pub(crate) start: Timestamp,
    /// The end of the last window that kept it open.
    pub(crate) active: Timestamp,
    /// In the last window that was judged.
    pub(crate) score: f32,
    /// The score that was last worth an alarm: at the opening, and when it is half as high again.
    pub(crate) alarm: f32,
    pub(crate) peak: Peak,
    /// The most each detector said.
    pub(crate) evidence: Evidence,
    pub(crate) confidence: f64,
    pub(crate) severity: Severity,
    /// Which detector's false alarm it is, if it is one; none once it has company in its service.
    pub(crate) alone: Option<Detector>,
    /// Open for so long that it is no news: kept silently until its series is quiet, lest it opens again.
    pub(crate) is_expired: bool,
    /// The highest severity that was told; none before it was told at all.
    pub(crate) told: Option<Severity>,
    /// Why it was not told when it last could have been.
    pub(crate) withheld: Option<Withheld>,
    /// Traces that show it, the worst first.
    pub(crate) exemplars: Vec<TraceId>,
}

/// The window in which an episode was at its worst.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Peak {
    pub(crate) at: Timestamp,
    pub(crate) score: f32,
    pub(crate) z: f64,
    pub(crate) row: Row,
}

/// How much an episode matters: how sure it is, times how large.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Severity {
    Info,
    Warning,
    Critical,
}

/// To which side of what was expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// Why an episode is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Transition {
    Opened,
    Worsened,
    Closed,
    /// Open for so long that it is no longer news.
    Expired,
}

/// A row that opens an episode or belongs to one.
#[derive(Clone, Copy)]
pub(crate) struct Sighting<'a> {
    pub(crate) series: &'a Arc<Series>,
    pub(crate) traits: Traits,
    pub(crate) judgement: &'a Judgement,
    pub(crate) row: &'a Row,
    /// Of the window.
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) exemplars: &'a [TraceId],
}

/// Episodes that are open, by fingerprint.
#[derive(Clone, Debug, Default)]
pub(crate) struct Episodes {
    open: BTreeMap<u64, Episode>,
}

/// An episode ends after this time, whatever its series does.
const LONGEST: Duration = Duration::from_secs(48 * 3600);
/// Open at once; more are not opened, and counted.
const MOST_OPEN: usize = 50_000;
/// An open episode is worth another alarm when it is so much worse than at the last.
const GROWTH: f32 = 1.5;
/// Traces kept of an episode.
const MOST_EXEMPLARS: usize = 3;

impl Severity {
    pub(crate) const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Direction {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl Transition {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Opened => "open",
            Self::Worsened => "worsened",
            Self::Closed => "closed",
            Self::Expired => "expired",
        }
    }
}

impl Episodes {
    pub(crate) fn get(&self, fingerprint: u64) -> Option<&Episode> {
        self.open.get(&fingerprint)
    }

    /// With those that are open no longer and wait for their series to be quiet.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Episode> {
        self.open.values()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Episode> {
        self.open.values().filter(|episode| !episode.is_expired)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Episode> {
        self.open.values_mut().filter(|episode| !episode.is_expired)
    }

    pub(crate) fn insert(&mut self, episode: Episode) {
        self.open.insert(episode.series.fingerprint, episode);
    }

    /// Opens an episode, or adds a window to an open one. Returns it, and whether the window is worth an
    /// alarm; none when there is no room for another.
    pub(crate) fn add(&mut self, sighting: &Sighting<'_>) -> Option<(&Episode, bool)> {
        let Sighting { series, traits, judgement, row, start, end, exemplars } = *sighting;
        if !self.open.contains_key(&series.fingerprint) && self.open.len() >= MOST_OPEN {
            return None;
        }
        let peak = Peak { at: end, score: judgement.score, z: judgement.z, row: *row };
        let episode = self.open.entry(series.fingerprint).or_insert_with(|| Episode {
            id: id_of(series.fingerprint, start),
            series: Arc::clone(series),
            traits,
            start,
            active: end,
            score: judgement.score,
            alarm: 0.0,
            peak,
            evidence: Evidence::default(),
            confidence: 0.0,
            severity: Severity::Info,
            alone: Some(judgement.opener()),
            is_expired: false,
            told: None,
            withheld: None,
            exemplars: Vec::new(),
        });
        episode.score = judgement.score;
        let is_alarm = judgement.score >= OPENS_AT.max(GROWTH * episode.alarm);
        if is_alarm {
            episode.alarm = judgement.score;
        }
        if judgement.is_active || judgement.score >= OPENS_AT {
            episode.active = end;
        }
        if judgement.score >= episode.peak.score {
            episode.peak = peak;
            episode.keep(exemplars);
        }
        episode.evidence.merge(&judgement.evidence);
        episode.assess();
        Some((episode, is_alarm))
    }

    /// Ends the episodes that have been quiet for a time, and silences those open for too long. Returns
    /// both.
    pub(crate) fn close(&mut self, now: Timestamp, quiet: Duration) -> Vec<(Transition, Episode)> {
        let mut ended = Vec::new();
        for episode in self.open.values_mut() {
            if !episode.is_expired && now.since(episode.start) >= LONGEST {
                episode.is_expired = true;
                ended.push((Transition::Expired, episode.clone()));
            }
        }
        let quiet = self.open.extract_if(.., |_, episode| now.since(episode.active) >= quiet);
        let closed = quiet.map(|(_, episode)| episode).filter(|episode| !episode.is_expired);
        ended.extend(closed.map(|episode| (Transition::Closed, episode)));
        ended
    }

    /// Takes the episodes of each of some services for a fault that shows in several series, once there are so many.
    pub(crate) fn join(&mut self, services: &BTreeSet<Arc<str>>, enough: usize) {
        let mut counts: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for episode in self.iter().filter(|episode| services.contains(&episode.series.service)) {
            *counts.entry(Arc::clone(&episode.series.service)).or_default() += 1;
        }
        let has_company = |episode: &&mut Episode| {
            counts.get(&episode.series.service).is_some_and(|&count| count >= enough)
        };
        self.iter_mut().filter(has_company).for_each(|episode| episode.alone = None);
    }

    /// Raises the severity of what requests are concerned by, when so many services are at once.
    pub(crate) fn widen(&mut self) {
        let services: BTreeSet<_> =
            self.of_spans().map(|episode| Arc::clone(&episode.series.service)).collect();
        if services.len() < WIDESPREAD {
            return;
        }
        for episode in self.open.values_mut() {
            let is_known = episode.peak.row.maturity > Maturity::Gross;
            if episode.is_of_spans() && episode.severity == Severity::Warning && is_known {
                episode.severity = Severity::Critical;
            }
        }
    }

    fn of_spans(&self) -> impl Iterator<Item = &Episode> {
        self.iter().filter(|episode| episode.is_of_spans() && episode.severity > Severity::Info)
    }
}

/// So many services at once are a fault that someone notices, wherever it is.
const WIDESPREAD: usize = 3;

/// Mixes what makes an episode unique; never 0, which means none.
fn id_of(fingerprint: u64, start: Timestamp) -> u64 {
    let mut id = fingerprint ^ start.as_nanos().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    id = (id ^ id >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (id ^ id >> 32).max(1)
}

impl Episode {
    /// Whether it is of spans, and counts among services that fail together. Silence where a window without requests is
    /// nothing unusual does not: operations of one rare path fall silent together.
    fn is_of_spans(&self) -> bool {
        self.traits.source != Source::Metric && !self.is_rare_silence()
    }

    const fn is_rare_silence(&self) -> bool {
        self.peak.row.is_absent && self.peak.row.lower <= 0.0
    }

    pub(crate) fn direction(&self) -> Direction {
        if self.peak.row.is_absent || self.peak.row.observed < self.peak.row.predicted {
            Direction::Down
        } else {
            Direction::Up
        }
    }

    /// Returns the detector that said the most of those that may open: nobody else says as much as the score.
    pub(crate) fn opener(&self) -> Detector {
        self.evidence.first_of(self.peak.score)
    }

    /// Returns what to rank by after severity.
    pub(crate) fn weight(&self) -> f64 {
        self.confidence * f64::from(self.peak.score)
    }

    /// Puts the most important first.
    pub(crate) fn rank(&self, other: &Self) -> Ordering {
        let by_weight = || other.weight().total_cmp(&self.weight());
        other.severity.cmp(&self.severity).then_with(by_weight).then_with(|| self.series.cmp(&other.series))
    }

    /// Returns its traces as people and links spell them.
    pub(crate) fn exemplars_in_hex(&self) -> impl Iterator<Item = String> {
        self.exemplars.iter().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn keep(&mut self, exemplars: &[TraceId]) {
        for trace in exemplars.iter().rev() {
            self.exemplars.retain(|kept| kept != trace);
            self.exemplars.insert(0, *trace);
        }
        self.exemplars.truncate(MOST_EXEMPLARS);
    }

    fn assess(&mut self) {
        let row = &self.peak.row;
        self.confidence = self.confidence.max(confidence(&self.evidence, row.maturity, row.support));
        self.severity = self.severity.max(self.severity_alone());
    }

    fn severity_alone(&self) -> Severity {
        let weight = self.confidence * self.impact();
        let is_breach = self.traits.source == Source::Requests && self.peak.row.maturity > Maturity::Gross;
        match weight {
            weight if weight >= CRITICAL_WEIGHT && is_breach => Severity::Critical,
            weight if weight >= WARNING_WEIGHT => Severity::Warning,
            _ => Severity::Info,
        }
    }

    /// Returns how large the departure is, from 0 to 1.
    fn impact(&self) -> f64 {
        let row = &self.peak.row;
        let ratio = if row.expected > 0.0 { row.value / row.expected } else { f64::INFINITY };
        let impact = match self.traits.kind {
            _ if row.is_absent => 1.0,
            Kind::ErrorRatio => (row.value - row.expected) / SEVERE_ERRORS,
            Kind::Latency => ratio - 1.0,
            Kind::Rate => (1.0 - ratio).max((ratio - 1.0) / 2.0),
            Kind::Gauge => IMPACT_OF_GAUGES,
        };
        impact.clamp(0.0, 1.0)
    }
}

/// Surely a fault and with half of the greatest impact.
const CRITICAL_WEIGHT: f64 = 0.5;
const WARNING_WEIGHT: f64 = 0.2;
/// A difference of error ratios that has the greatest impact. A quarter of it burns a month's budget of
/// 99.9 % in less than a day.
const SEVERE_ERRORS: f64 = 0.2;
/// What a gauge means is not known: it warns when it is surely unusual.
const IMPACT_OF_GAUGES: f64 = 0.4;
