//! Changes of feature flags: another variant than before, or another part of the evaluations that get one.
//!
//! *Inputs*: how often services were told which variant, from spans and log records alike. *Outputs*: changes, once a window for
//! variants and once a minute for parts, so that within a window the order of arrival changes nothing.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::Timestamp;

use super::{
    changes::change_of,
    events::Event,
    ingest::{FLAG, FlagRow},
};
use crate::aggregation::deployments::{Deployments, VersionRow};

/// What is known of the flags of all services.
#[derive(Debug)]
pub(super) struct Flags {
    width: Duration,
    most: usize,
    /// Evaluations of the window that is open, by service, flag and variant.
    open: BTreeMap<(String, String, String), u64>,
    /// Until when evaluations have been looked at, and parts of them.
    settled: Timestamp,
    judged: Timestamp,
    variants: Deployments,
    /// By service and flag.
    courses: BTreeMap<(String, String), Course>,
    /// Variants without room since this was last counted.
    pub(super) left_out: u64,
}

/// How one flag is evaluated.
#[derive(Debug, Default)]
struct Course {
    /// Evaluations since then, by variant.
    lately: BTreeMap<String, u64>,
    since: Timestamp,
    last: Timestamp,
    /// What part of them usually gets a variant.
    usual: BTreeMap<String, f64>,
    /// Whether another variant was told of lately: that is the change, and its part is none beside it.
    is_told: bool,
    /// Whether there are too many variants for parts to tell anything.
    is_many: bool,
}

/// Evaluations that tell a part.
const LEAST_EVALUATIONS: u64 = 50;
/// A change of the part of a variant by so much is one.
const LEAST_CHANGE: f64 = 0.2;
/// And by so many deviations of what chance makes of it.
const LEAST_DEVIATIONS: f64 = 4.0;
/// How much of what is usual a minute makes.
const PART_OF_MINUTE: f64 = 0.2;
/// Variants of a flag whose parts are followed.
const VARIANTS: usize = 8;
const MINUTE: Duration = Duration::from_secs(60);
/// Parts of a flag that nobody asked for so long are learned anew.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

impl Flags {
    /// Follows so many flags of services.
    pub(super) fn new(width: Duration, most: usize, now: Timestamp) -> Self {
        Self {
            width,
            most,
            open: BTreeMap::new(),
            settled: now.window_start(width),
            judged: now.window_start(MINUTE),
            variants: Deployments::new(most),
            courses: BTreeMap::new(),
            left_out: 0,
        }
    }

    /// Takes what a shard has counted.
    pub(super) fn take(&mut self, row: FlagRow) {
        let key = (row.service, row.flag, row.variant);
        if self.open.len() >= self.most && !self.open.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let n = self.open.entry(key).or_default();
        *n = n.saturating_add(row.evaluations);
    }

    /// Returns what has changed, when a window has ended.
    pub(super) fn settle(&mut self, now: Timestamp) -> Vec<Event> {
        let window = now.window_start(self.width);
        if window <= self.settled {
            return Vec::new();
        }
        self.settled = window;
        let at = window - self.width;
        let mut changes = Vec::new();
        for ((service, flag, variant), n) in std::mem::take(&mut self.open) {
            let row = VersionRow {
                service: service.clone(),
                what: flag.clone(),
                version: variant.clone(),
                seen: at.as_nanos(),
                last_seen: 0,
            };
            let came_up = self.variants.take(row);
            self.count((service, flag), variant, n, came_up.is_some(), at);
            changes.extend(came_up.map(|variant| change_of(&variant)));
        }
        self.left_out += std::mem::take(&mut self.variants.left_out);
        let minute = window.window_start(MINUTE);
        if minute > self.judged {
            self.judged = minute;
            self.courses.retain(|_, course| course.last + FORGOTTEN_AFTER >= window);
            let judged = self.courses.iter_mut().filter_map(|(key, course)| course.judge(key));
            changes.extend(judged);
        }
        changes
    }

    fn count(&mut self, key: (String, String), variant: String, n: u64, is_told: bool, at: Timestamp) {
        if self.courses.len() >= self.most && !self.courses.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let course = self.courses.entry(key).or_default();
        if course.lately.is_empty() {
            course.since = at;
        }
        course.last = at;
        course.is_told |= is_told;
        course.is_many |= course.lately.len() >= VARIANTS && !course.lately.contains_key(&variant);
        if !course.is_many {
            *course.lately.entry(variant).or_default() += n;
        }
    }

    /// Spells the variants that are known, for a snapshot. Parts are learned anew.
    pub(super) fn save(&self) -> Vec<VersionRow> {
        self.variants.save()
    }

    /// Takes back a variant that was known before a restart.
    pub(super) fn restore(&mut self, row: VersionRow) {
        let _known = self.variants.take(row);
    }
}

impl Course {
    /// Compares what is lately with what is usual, and learns from it. Returns what has changed.
    fn judge(&mut self, key: &(String, String)) -> Option<Event> {
        let n: u64 = self.lately.values().sum();
        if self.is_many || n < LEAST_EVALUATIONS {
            return None;
        }
        let lately = std::mem::take(&mut self.lately);
        let now: BTreeMap<String, f64> =
            lately.into_iter().map(|(variant, hits)| (variant, hits as f64 / n as f64)).collect();
        let is_told = std::mem::take(&mut self.is_told);
        let has_changed = {
            let variants = self.usual.keys().chain(now.keys());
            let part = |parts: &BTreeMap<String, f64>, variant| parts.get(variant).copied().unwrap_or(0.0);
            !self.usual.is_empty()
                && variants
                    .into_iter()
                    .any(|variant| is_far(part(&self.usual, variant), part(&now, variant), n))
        };
        if self.usual.is_empty() || has_changed {
            let before = std::mem::replace(&mut self.usual, now);
            return (has_changed && !is_told).then(|| self.change(key, &before)).flatten();
        }
        self.usual.values_mut().for_each(|part| *part *= 1.0 - PART_OF_MINUTE);
        for (variant, part) in now {
            *self.usual.entry(variant).or_default() += PART_OF_MINUTE * part;
        }
        // What was not told for long has no part.
        self.usual.retain(|_, part| *part >= 1e-3);
        None
    }

    /// Tells of the variant that more get than before, of several the one that most more get.
    fn change(&self, (service, flag): &(String, String), before: &BTreeMap<String, f64>) -> Option<Event> {
        let more = self.usual.iter().map(|(variant, part)| {
            let before = before.get(variant).copied().unwrap_or(0.0);
            (part - before, variant, before, *part)
        });
        let (_, variant, before, part) =
            more.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))?;
        let name = flag.strip_prefix(FLAG).unwrap_or(flag);
        let percent = |part: f64| (100.0 * part).round();
        let id = format!("{service}/{flag}/part of {variant}/{}", self.since.as_nanos());
        let title = format!(
            "feature flag {name} of {service} is {variant} in {} % of evaluations, {} % before",
            percent(part),
            percent(before)
        );
        Some(Event::change(Arc::from(service.as_str()), id, title, self.since))
    }
}

/// Whether a part of so many evaluations is no chance and worth telling.
fn is_far(usual: f64, now: f64, n: u64) -> bool {
    let chance = (usual * (1.0 - usual) / n as f64).sqrt();
    let change = (now - usual).abs();
    change >= LEAST_CHANGE && change >= LEAST_DEVIATIONS * chance
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_704_110_400 + seconds)
    }

    fn row(variant: &str, evaluations: u64) -> FlagRow {
        let text = str::to_owned;
        FlagRow {
            service: text("cart"),
            flag: text("feature_flag/fast"),
            variant: text(variant),
            evaluations,
        }
    }

    /// Plays windows of ten seconds with so many evaluations of each variant. Returns what was told, with the second.
    fn told(windows: &[&[(&str, u64)]]) -> Vec<(u64, String)> {
        let mut flags = Flags::new(Duration::from_secs(10), 10, at(0));
        let mut told = Vec::new();
        for (n, window) in (1..).zip(windows) {
            window.iter().for_each(|(variant, evaluations)| flags.take(row(variant, *evaluations)));
            let changes = flags.settle(at(10 * n)).into_iter();
            told.extend(changes.map(|change| (change.start.since(at(0)).as_secs(), change.title)));
        }
        told
    }

    #[test]
    fn a_variant_that_comes_up_is_told_once_and_its_part_is_no_second_change() {
        let mut windows: Vec<&[(&str, u64)]> = vec![&[("off", 100)]; 12];
        windows.extend(vec![&[("off", 50), ("on", 50)][..]; 12]);
        assert_eq!(told(&windows), [(120, "feature flag fast of cart is on".to_owned())]);
    }

    #[test]
    fn a_part_that_grows_is_a_change_and_so_is_its_way_back() {
        let few: &[(&str, u64)] = &[("off", 90), ("on", 10)];
        let half: &[(&str, u64)] = &[("off", 50), ("on", 50)];
        // The second variant of the first window is as old as the first, for all that is known.
        let windows = [vec![few; 18], vec![half; 12], vec![few; 12]].concat();
        let shares: Vec<_> = told(&windows).into_iter().filter(|(second, _)| *second > 0).collect();
        assert_eq!(
            shares,
            [
                (180, "feature flag fast of cart is on in 50 % of evaluations, 10 % before".to_owned()),
                (300, "feature flag fast of cart is off in 90 % of evaluations, 50 % before".to_owned()),
            ]
        );
    }

    #[test]
    fn chance_and_slow_drift_are_no_changes() {
        let wobble: [&[(&str, u64)]; 3] =
            [&[("off", 9), ("on", 1)], &[("off", 7), ("on", 3)], &[("off", 8), ("on", 2)]];
        let windows: Vec<_> = (0..120).map(|n| wobble[n % 3]).collect();
        let told = told(&windows);
        assert!(told.iter().all(|(second, _)| *second == 0), "{told:?}");
    }

    #[test]
    fn in_which_order_and_second_of_a_window_rows_come_changes_nothing() {
        let rows = [row("on", 30), row("off", 30), row("on", 5)];
        let play = |order: [usize; 3], seconds: [u64; 3]| {
            let mut flags = Flags::new(Duration::from_secs(10), 10, at(0));
            let mut told = Vec::new();
            for (place, second) in order.into_iter().zip(seconds) {
                flags.take(rows[place].clone());
                told.extend(flags.settle(at(second)));
            }
            told.extend(flags.settle(at(10)));
            (told, flags.save())
        };
        let usual = play([0, 1, 2], [1, 2, 3]);
        assert_eq!(play([2, 1, 0], [1, 1, 9]), usual);
        assert_eq!(play([1, 0, 2], [8, 8, 9]), usual);
    }

    #[test]
    fn flags_with_a_variant_for_each_user_are_bounded_and_have_no_parts() {
        let mut flags = Flags::new(Duration::from_secs(10), 10, at(0));
        for user in 0..100 {
            flags.take(row(&format!("u{user}"), 1000));
        }
        assert_eq!(flags.left_out, 90);
        flags.settle(at(10));
        assert_eq!(
            flags.courses[&("cart".to_owned(), "feature_flag/fast".to_owned())].lately.len(),
            VARIANTS
        );
        for service in 0..100 {
            flags.take(FlagRow { service: format!("s{service}"), ..row("on", 1) });
            flags.settle(at(20 + 10 * service));
        }
        assert_eq!((flags.courses.len(), flags.left_out), (10, 90 + 2 * 91));
    }
}
