//! The last value of every series, in a bounded table.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use bytes::Bytes;
use model::Timestamp;

use crate::prometheus_names::{
    Dropped, Family, FamilyKind, Labels, Merged, Point, Sample, Value, add, combine,
};

/// Series by name and labels, so that every scrape has the same order.
pub(super) struct Table {
    families: BTreeMap<Bytes, Series>,
    /// Values held: series, times the sources that share their labels.
    len: usize,
    capacity: usize,
    expiration: Duration,
}

struct Series {
    family: Rc<Family>,
    by_labels: BTreeMap<Labels, BTreeMap<u64, Source>>,
}

/// One sender's value. Where several senders' series have the same labels, each is kept under the hash of
/// where it comes from, and they are added when asked for.
struct Source {
    seen_at: Timestamp,
    sample: Sample,
}

impl Table {
    pub(super) fn new(capacity: usize, expiration: Duration) -> Self {
        Self { families: BTreeMap::new(), len: 0, capacity, expiration }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Takes points in.
    pub(super) fn update(&mut self, points: Vec<Point>, now: Timestamp, dropped: &mut Dropped) {
        self.expire(now);
        for point in points {
            if let Err(reason) = self.take(point, now) {
                dropped.add(reason, 1);
            }
        }
    }

    /// Forgets what has not been updated for long.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let expiration = self.expiration;
        self.retain(|source| now.since(source.seen_at) <= expiration);
    }

    /// Visits every series in order: its metric, its labels, and its value.
    pub(super) fn visit(&self, mut visit: impl FnMut(&Family, &Labels, &Sample)) {
        for Series { family, by_labels } in self.families.values() {
            for (labels, sources) in by_labels {
                if let Some((_, only)) = sources.first_key_value()
                    && sources.len() == 1
                {
                    visit(family, labels, &only.sample);
                    continue;
                }
                let samples = sources.values().map(|source| source.sample.clone()).collect();
                visit(family, labels, &combine(family.kind, samples, &mut Merged::default()));
            }
        }
    }

    fn retain(&mut self, keep: impl Fn(&Source) -> bool) {
        let mut len = 0;
        self.families.retain(|_, series| {
            series.by_labels.retain(|_, sources| {
                sources.retain(|_, source| keep(source));
                len += sources.len();
                !sources.is_empty()
            });
            !series.by_labels.is_empty()
        });
        self.len = len;
    }

    fn take(&mut self, point: Point, now: Timestamp) -> Result<(), &'static str> {
        let name = &point.family.names.name;
        if !self.families.contains_key(name) {
            if self.is_name_taken(&point.family) {
                return Err("conflicting");
            }
            if self.len >= self.capacity {
                return Err("series_limit");
            }
            let series = Series { family: Rc::clone(&point.family), by_labels: BTreeMap::new() };
            self.families.insert(name.clone(), series);
        }
        let series = self.families.get_mut(name).expect("the metric was just added");
        if series.family.kind != point.family.kind {
            return Err("conflicting");
        }
        if !Rc::ptr_eq(&series.family, &point.family) {
            series.family = Rc::clone(&point.family);
        }
        let sources = series.by_labels.entry(point.labels).or_default();
        if point.sample.is_stale {
            self.len -= usize::from(sources.remove(&point.origin).is_some());
            return Ok(());
        }
        if let Some(source) = sources.get_mut(&point.origin) {
            source.seen_at = now;
            return source.sample.update(point.sample, point.is_delta);
        }
        if self.len >= self.capacity {
            return Err("series_limit");
        }
        sources.insert(point.origin, Source { seen_at: now, sample: point.sample });
        self.len += 1;
        Ok(())
    }

    /// Whether another metric's series go by the names that this one would use.
    fn is_name_taken(&self, family: &Family) -> bool {
        let spreads = |kind| matches!(kind, FamilyKind::Histogram | FamilyKind::Summary);
        if spreads(family.kind) {
            let names = &family.names;
            return [&names.bucket, &names.sum, &names.count]
                .iter()
                .any(|name| self.families.contains_key(*name));
        }
        let name = &family.names.name;
        ["_bucket", "_sum", "_count"].iter().any(|suffix| {
            let base = name.strip_suffix(suffix.as_bytes());
            base.and_then(|base| self.families.get(base)).is_some_and(|other| spreads(other.family.kind))
        })
    }
}

trait Update {
    fn update(&mut self, next: Sample, is_delta: bool) -> Result<(), &'static str>;
}

impl Update for Sample {
    /// Moves on to the next value of the same source.
    fn update(&mut self, mut next: Sample, is_delta: bool) -> Result<(), &'static str> {
        if next.at_ms < self.at_ms {
            return Err("out_of_order");
        }
        if is_delta {
            // An interval that begins before the last one ended has been counted already.
            if next.start_ms != 0 && next.start_ms < self.at_ms {
                return Err("out_of_order");
            }
            if same_shape(&self.value, &next.value) && add(&mut self.value, next.value.clone()) {
                std::mem::swap(&mut next.value, &mut self.value);
                next.start_ms = self.start_ms;
            }
        }
        if next.exemplars.is_empty() {
            next.exemplars = std::mem::take(&mut self.exemplars);
        }
        *self = next;
        Ok(())
    }
}

fn same_shape(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}
