//! What is remembered of a target from one scrape to the next.

use std::{collections::HashMap, sync::Arc};

use super::{
    config::{Job, Limits},
    exposition::{Dialect, Entry, Malformed, Parser, RawExemplar, labels_of},
    labels::{Labels, NAME, is_classic_label, is_classic_metric},
    metadata::Catalogue,
    relabel,
    target::Target,
};

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct History {
    generation: u64,
    /// By the text of a series, as it stood there.
    series: HashMap<Box<str>, Known>,
    /// Series that have values, with the scrape that brought the last.
    live: HashMap<Arc<Labels>, u64>,
    pub(super) catalogue: Catalogue,
    /// How much was remembered after the last scrape that succeeded.
    usual_size: usize,
}

#[derive(Debug)]
struct Known {
    /// None of a series that rules drop.
    labels: Option<Arc<Labels>>,
    seen: u64,
}

/// A series as a scrape meets it.
struct Met {
    labels: Arc<Labels>,
    sight: Sight,
}

/// Whether a series was seen before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// It is not known.
    New,
    /// Scrapes before have brought it.
    Known,
    /// This scrape has brought it already.
    Again,
}

/// A value of a series, with its final labels.
#[derive(Debug)]
pub(super) struct Value<'a> {
    pub(super) labels: &'a Arc<Labels>,
    /// *Units*: milliseconds since the epoch.
    pub(super) time: i64,
    pub(super) value: f64,
    pub(super) exemplar: Option<RawExemplar<'a>>,
}

/// What a scrape brought.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Counts {
    pub(super) scraped: u64,
    pub(super) kept: u64,
    pub(super) added: u64,
    /// Samples of a series that had one already.
    pub(super) duplicates: u64,
}

/// Why the samples of a scrape are not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Rejection {
    Malformed(Malformed),
    /// The final labels of a series are not right.
    Series(String),
    Samples(u64),
    Labels(String),
}

impl Rejection {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Series(_) => "malformed",
            Self::Samples(_) => "sample_limit",
            Self::Labels(_) => "label_limit",
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(malformed) => write!(f, "what it shows is not right: {malformed}"),
            Self::Series(problem) | Self::Labels(problem) => f.write_str(problem),
            Self::Samples(limit) => {
                write!(f, "it shows more than {limit} samples; raise sample_limit or drop some")
            }
        }
    }
}

/// How values are taken: whether a value was put anywhere.
pub(super) type Take<'t> = dyn FnMut(&Catalogue, &Value<'_>) -> bool + 't;

impl History {
    /// Reads what a target shows. `take` gets each value that is kept.
    ///
    /// # Errors
    /// When something is not right: what was taken is void.
    pub(super) fn read(
        &mut self,
        (bytes, dialect): (&[u8], Dialect),
        (job, target): (&Job, &Target),
        at: i64,
        counts: &mut Counts,
        take: &mut Take<'_>,
    ) -> Result<(), Rejection> {
        self.generation += 1;
        let mut brought: Vec<Arc<Labels>> = Vec::new();
        let parser = Parser::new(bytes, dialect).map_err(Rejection::Malformed)?;
        for entry in parser {
            match entry.map_err(Rejection::Malformed)? {
                Entry::Type(name, kind) => {
                    self.catalogue.learn(&name, self.generation, |metadata| metadata.kind = kind);
                }
                Entry::Help(name, help) => {
                    self.catalogue
                        .learn(&name, self.generation, |metadata| replace(&mut metadata.help, &help));
                }
                Entry::Unit(name, unit) => {
                    self.catalogue
                        .learn(&name, self.generation, |metadata| replace(&mut metadata.unit, unit));
                }
                Entry::Sample(sample) => {
                    counts.scraped += 1;
                    let Some(met) = self.meet(sample.series, job, target)? else { continue };
                    let Met { labels, sight } = met;
                    counts.kept += 1;
                    let honored = sample.timestamp.filter(|_| job.scrape.honor_timestamps);
                    if sight == Sight::Again && honored.is_none() {
                        counts.duplicates += 1;
                        continue;
                    }
                    // What is beyond the limit is counted and not remembered.
                    if counts.kept - counts.duplicates > job.limits.samples {
                        continue;
                    }
                    if sight == Sight::New {
                        counts.added += 1;
                        let known = Known { labels: Some(Arc::clone(&labels)), seen: self.generation };
                        self.series.insert(sample.series.into(), known);
                    }
                    let (value, exemplar) = (sample.value, sample.exemplar);
                    let value = Value { labels: &labels, time: honored.unwrap_or(at), value, exemplar };
                    let is_taken = take(&self.catalogue, &value);
                    if is_taken && (honored.is_none() || job.scrape.track_timestamps_staleness) {
                        brought.push(labels);
                    }
                }
            }
        }
        if counts.kept - counts.duplicates > job.limits.samples {
            return Err(Rejection::Samples(job.limits.samples));
        }
        for labels in brought {
            self.live.insert(labels, self.generation);
        }
        // A page that is empty once is no reason to learn all anew.
        if !bytes.is_empty() {
            self.forget();
        }
        Ok(())
    }

    /// Returns the series that have ended, in the order of their labels; they are told once.
    pub(super) fn ended(&mut self, is_failed: bool) -> Vec<Arc<Labels>> {
        if is_failed {
            // As Prometheus does where a target shows ever new series and then fails.
            let size = self.series.len() + self.catalogue.len();
            if size > self.usual_size * 2 + 1000 {
                self.forget();
            }
        }
        let generation = self.generation;
        let is_over = |seen: u64| is_failed || seen != generation;
        let ended = self.live.extract_if(|_, seen| is_over(*seen));
        let mut ended: Vec<_> = ended.map(|(labels, _)| labels).collect();
        ended.sort();
        ended
    }

    /// Drops what the scrape did not bring again.
    fn forget(&mut self) {
        let generation = self.generation;
        self.series.retain(|_, known| known.seen == generation);
        self.catalogue.forget(generation);
        self.usual_size = self.series.len() + self.catalogue.len();
    }

    /// Returns a series with its final labels; none where rules drop it.
    fn meet(&mut self, text: &str, job: &Job, target: &Target) -> Result<Option<Met>, Rejection> {
        if let Some(known) = self.series.get_mut(text) {
            let sight = if known.seen == self.generation { Sight::Again } else { Sight::Known };
            known.seen = self.generation;
            return Ok(known.labels.as_ref().map(|labels| Met { labels: Arc::clone(labels), sight }));
        }
        let labels = final_labels(text, job, target)?;
        if labels.is_none() {
            self.series.insert(text.into(), Known { labels: None, seen: self.generation });
        }
        Ok(labels.map(|labels| Met { labels: Arc::new(labels), sight: Sight::New }))
    }
}

fn replace(text: &mut Box<str>, by: &str) {
    if **text != *by {
        *text = by.into();
    }
}

/// Reads the labels of a series, adds those of its target, and applies rules. None where these drop it.
fn final_labels(text: &str, job: &Job, target: &Target) -> Result<Option<Labels>, Rejection> {
    let (mut labels, mut has_twice) = (Labels::default(), false);
    let read = labels_of(text, |name, value| {
        has_twice |= !labels.get(name).is_empty();
        labels.set(name, value);
    });
    read.map_err(|fault| Rejection::Series(format!("a series is not right: {fault}")))?;
    if has_twice {
        return Err(Rejection::Series("a label of a series stands twice".to_owned()));
    }
    add_target(&mut labels, &target.public, job.scrape.honor_labels);
    if !relabel::apply(&job.metric_rules, &mut labels) || labels.is_empty() {
        return Ok(None);
    }
    let name = labels.get(NAME);
    if name.is_empty() {
        return Err(Rejection::Series("a series has no name after relabelling".to_owned()));
    }
    if job.is_classic
        && (!is_classic_metric(name) || !labels.iter().all(|(label, _)| is_classic_label(label)))
    {
        return Err(Rejection::Series("a name is not as it was before UTF-8".to_owned()));
    }
    check_limits(&labels, &job.limits)?;
    job.external_labels.iter().for_each(|(name, value)| labels.set(name, value));
    Ok(Some(labels))
}

/// Adds the labels of a target; what the series says of the same is renamed, or wins where it is honored.
pub(super) fn add_target(labels: &mut Labels, target: &Labels, is_honored: bool) {
    if is_honored {
        for (name, value) in target.iter().filter(|(name, _)| labels.get(name).is_empty()).collect::<Vec<_>>()
        {
            labels.set(name, value);
        }
        return;
    }
    let mut conflicts: Vec<(String, String)> = Vec::new();
    for (name, value) in target.iter() {
        let said = labels.get(name);
        if !said.is_empty() {
            conflicts.push((name.to_owned(), said.to_owned()));
        }
        labels.set(name, value);
    }
    conflicts.sort_by_key(|(name, _)| name.len());
    for (mut name, value) in conflicts {
        loop {
            name.insert_str(0, "exported_");
            if labels.get(&name).is_empty() {
                break labels.set(&name, &value);
            }
        }
    }
}

fn check_limits(labels: &Labels, limits: &Limits) -> Result<(), Rejection> {
    let is_above = |value: usize, limit: u64| limit > 0 && value as u64 > limit;
    if is_above(labels.len(), limits.labels) {
        let (n_labels, limit) = (labels.len(), limits.labels);
        return Err(Rejection::Labels(format!("a series has {n_labels} labels, label_limit is {limit}")));
    }
    for (name, value) in labels.iter() {
        if is_above(name.len(), limits.label_name) {
            return Err(Rejection::Labels(
                "the name of a label is longer than label_name_length_limit".to_owned(),
            ));
        }
        if is_above(value.len(), limits.label_value) {
            return Err(Rejection::Labels(
                "the value of a label is longer than label_value_length_limit".to_owned(),
            ));
        }
    }
    Ok(())
}
