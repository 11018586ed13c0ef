//! The rules that are in force, and which of them are about a series.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use model::{Series, Severity, Statistic, Timestamp};

use super::{
    AlertingConfig,
    config::DefaultsConfig,
    judge::Test,
    machine::Policy,
    matching::has_attributes,
    rule::{Aggregate, RuleConfig},
    template::Template,
};
use crate::{
    glob::fits,
    promql::{Named, Selector},
    schedule::Schedule,
};

/// A rule, ready to be evaluated.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) config: Arc<RuleConfig>,
    /// In place of the metric's name and attributes.
    pub(super) selector: Option<Selector>,
    pub(super) origin: Origin,
    pub(super) name: Arc<str>,
    /// What its alerts say of their kind.
    pub(super) kind: Arc<str>,
    pub(super) window: Duration,
    /// How often it is evaluated.
    pub(super) every: Duration,
    pub(super) statistic: Statistic,
    pub(super) aggregate: Aggregate,
    pub(super) test: Test,
    pub(super) policy: Policy,
    /// So long without data, the last state stays.
    pub(super) no_data_after: Duration,
    pub(super) severity: Severity,
    /// By the time that is left, the shortest first.
    pub(super) severities: Vec<(Duration, Severity)>,
    pub(super) labels: Vec<(String, Template)>,
    pub(super) annotations: Vec<(String, Template)>,
    pub(super) schedules: Vec<Schedule>,
    /// Its alerts, by their places.
    pub(super) alerts: Vec<u32>,
}

/// Where a rule comes from.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Origin {
    Configured,
    /// Made through the API.
    Asked {
        author: String,
        at: Timestamp,
        expires_at: Timestamp,
    },
}

impl Rule {
    /// Makes a rule of what was checked.
    pub(super) fn of(rule: &Arc<RuleConfig>, origin: Origin, config: &AlertingConfig) -> Self {
        let window = config.window_of(rule).get();
        let DefaultsConfig { r#for, keep_firing_for, cooldown, on_no_data, severity } = &config.defaults;
        let statistic = Statistic::of_name(&rule.stat).unwrap_or(Statistic::Mean);
        let severity_of = |name: &str| Severity::of_name(name).unwrap_or_default();
        let within = rule.severity_within.iter();
        Self {
            name: rule.name.as_str().into(),
            kind: rule.when.op.name().into(),
            origin,
            window,
            every: window.max(config.evaluation_interval.get()),
            statistic,
            aggregate: rule.aggregate.unwrap_or(match statistic {
                Statistic::Rate => Aggregate::Sum,
                Statistic::ErrorRatio | Statistic::Mean => Aggregate::Mean,
                // Percentiles can not be added: the worst counts.
                Statistic::P50 | Statistic::P95 | Statistic::P99 => Aggregate::Max,
            }),
            test: match (&rule.prometheus, statistic) {
                // As PromQL's `rate()` does.
                (Some(_), Statistic::Rate) => Test::of(&rule.when).counting_silence(),
                _ => Test::of(&rule.when),
            },
            policy: Policy {
                hold: rule.r#for.unwrap_or(*r#for).get(),
                keep_firing_for: rule.keep_firing_for.unwrap_or(*keep_firing_for).get(),
                cooldown: rule.cooldown.unwrap_or(*cooldown).get(),
                on_no_data: rule.on_no_data.unwrap_or(*on_no_data),
                is_undamped: !rule.hold_flapping.unwrap_or(true),
            },
            severity: severity_of(rule.severity.as_deref().unwrap_or(severity)),
            severities: within.map(|(left, name)| (left.get(), severity_of(name))).collect(),
            labels: templates(&rule.labels),
            annotations: templates(&rule.annotations),
            schedules: rule.suppress.iter().filter_map(|text| Schedule::parse(text).ok()).collect(),
            alerts: Vec::new(),
            selector: rule.prometheus.as_deref().and_then(|text| Selector::parse(text).ok()),
            no_data_after: rule.no_data_after.map_or(Duration::ZERO, config::Duration::get),
            config: Arc::clone(rule),
        }
    }

    /// Whether of several windows the worst counts: percentiles have no mean.
    pub(super) const fn takes_worst(&self) -> bool {
        matches!(self.statistic, Statistic::P50 | Statistic::P95 | Statistic::P99)
    }

    fn is_about(&self, series: &Series, named: &Named<'_>) -> bool {
        self.statistic == series.statistic
            && match &self.selector {
                Some(selector) => selector.fits(named),
                None => {
                    fits(&self.config.metric, &series.metric) && has_attributes(series, &self.config.r#match)
                }
            }
    }

    /// The service that its series must have, when that is one.
    fn service(&self) -> Option<&str> {
        let service = self.config.r#match.get("service.name")?;
        (!service.contains('*')).then_some(service)
    }
}

/// Checked texts are sound; one that is not is left out.
fn templates(texts: &BTreeMap<String, String>) -> Vec<(String, Template)> {
    texts.iter().filter_map(|(name, text)| Some((name.clone(), Template::parse(text).ok()?))).collect()
}

/// All rules by their places, which stay the same while a rule lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    places: Vec<Option<Rule>>,
    by_name: BTreeMap<Arc<str>, u32>,
    /// Changes whenever a rule comes or goes: what was found for a series then holds no more.
    pub(super) generation: u32,
    index: Index,
}

/// Which rules may be about a series, so that not every rule is asked about every series.
#[derive(Clone, Debug, Default)]
struct Index {
    by_metric: HashMap<Arc<str>, ByService>,
    /// By the name in Prometheus.
    by_name: HashMap<String, Vec<u32>>,
    /// Rules with a pattern for a metric.
    any_metric: Vec<u32>,
}

#[derive(Clone, Debug, Default)]
struct ByService {
    of: HashMap<String, Vec<u32>>,
    any: Vec<u32>,
}

impl Rules {
    /// Adds a rule whose name no other has.
    pub(super) fn insert(&mut self, rule: Rule) -> u32 {
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or(self.places.len());
        let number = u32::try_from(place).expect("rules are bounded");
        self.index.insert(&rule, number);
        self.by_name.insert(Arc::clone(&rule.name), number);
        match self.places.get_mut(place) {
            Some(empty) => *empty = Some(rule),
            None => self.places.push(Some(rule)),
        }
        self.generation = self.generation.wrapping_add(1);
        number
    }

    /// Adds the first rules, when no place has been left yet.
    pub(super) fn extend(&mut self, rules: impl ExactSizeIterator<Item = Rule>) {
        self.places.reserve_exact(rules.len());
        for rule in rules {
            let number = u32::try_from(self.places.len()).expect("rules are bounded");
            self.index.insert(&rule, number);
            self.by_name.insert(Arc::clone(&rule.name), number);
            self.places.push(Some(rule));
        }
        self.generation = self.generation.wrapping_add(1);
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Rule> {
        let rule = self.places.get_mut(number as usize)?.take()?;
        self.by_name.remove(&rule.name);
        self.index = Index::default();
        for (number, rule) in self.places.iter().enumerate() {
            if let Some(rule) = rule {
                self.index.insert(rule, number as u32);
            }
        }
        self.generation = self.generation.wrapping_add(1);
        Some(rule)
    }

    pub(super) fn get(&self, number: u32) -> Option<&Rule> {
        self.places.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Rule> {
        self.places.get_mut(number as usize)?.as_mut()
    }

    pub(super) fn number_of(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// All rules with their places, in the order of these.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Rule)> {
        self.places.iter().enumerate().filter_map(|(number, rule)| Some((number as u32, rule.as_ref()?)))
    }

    /// All rules, in the order of their names.
    pub(super) fn by_name(&self) -> impl Iterator<Item = &Rule> {
        self.by_name.values().filter_map(|number| self.get(*number))
    }

    pub(super) fn n_places(&self) -> u32 {
        self.places.len() as u32
    }

    pub(super) fn n_asked(&self) -> u64 {
        self.iter().filter(|(_, rule)| rule.origin != Origin::Configured).count() as u64
    }

    /// Returns the rules about a series whose windows are so wide.
    pub(super) fn about(&self, series: &Series, window: Duration) -> Vec<u32> {
        let named = Named::new(series);
        let mut found: Vec<u32> = self.index.candidates(series, &named).collect();
        found.retain(|number| {
            self.get(*number).is_some_and(|rule| rule.window == window && rule.is_about(series, &named))
        });
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Index {
    fn insert(&mut self, rule: &Rule, number: u32) {
        if let Some(selector) = &rule.selector {
            match selector.metric() {
                Some(name) => self.by_name.entry(name.to_owned()).or_default().push(number),
                None => self.any_metric.push(number),
            }
            return;
        }
        if rule.config.metric.contains('*') {
            self.any_metric.push(number);
            return;
        }
        let of_metric = self.by_metric.entry(rule.config.metric.as_str().into()).or_default();
        match rule.service() {
            Some(service) => of_metric.of.entry(service.to_owned()).or_default().push(number),
            None => of_metric.any.push(number),
        }
    }

    fn candidates(&self, series: &Series, named: &Named<'_>) -> impl Iterator<Item = u32> {
        let of_metric = self.by_metric.get(&series.metric);
        let of_service = of_metric.and_then(|of_metric| of_metric.of.get(&*series.service));
        let any = of_metric.map(|of_metric| &of_metric.any);
        // Without rules of this kind the names are not made.
        let names = if self.by_name.is_empty() { &[] } else { named.names() };
        let by_name = names.iter().filter_map(|name| self.by_name.get(name));
        of_service.into_iter().chain(any).chain([&self.any_metric]).chain(by_name).flatten().copied()
    }
}
