//! Which stream a point belongs to.

use wire::view::{Group, KeyValue, Metric};

use crate::aggregation::attributes::canonical;

/// The resource that was asked for last: metrics of one stand together.
#[derive(Default)]
pub(crate) struct Resource {
    body: Vec<u8>,
    key: Box<[u8]>,
}

impl Resource {
    pub(crate) fn key_of(&mut self, group: &Group<'_>) -> &[u8] {
        if self.key.is_empty() || self.body != group.resource.body {
            self.body = group.resource.body.to_vec();
            self.key = canonical(group.resource.body, |_| true);
        }
        &self.key
    }
}

/// Tells streams apart: the parts of their identity, each behind its length.
pub(crate) struct Key {
    bytes: Vec<u8>,
    /// What all points of the metric have in common.
    common: usize,
}

impl Key {
    pub(crate) fn new(kind: usize, resource: &[u8], group: &Group<'_>, metric: &Metric<'_>) -> Self {
        let mut bytes = vec![kind as u8];
        for part in [resource, group.scope.name, group.scope.version, metric.name, metric.unit] {
            put_part(&mut bytes, part);
        }
        Self { common: bytes.len(), bytes }
    }

    /// Returns the key of a point by its attributes, and by what else tells its stream apart from others of the metric.
    pub(crate) fn of_point<'a>(
        &mut self,
        other: &[u8],
        attributes: impl Iterator<Item = KeyValue<'a>>,
    ) -> &[u8] {
        self.bytes.truncate(self.common);
        self.bytes.extend_from_slice(other);
        let mut sorted: Vec<_> = attributes.map(|attribute| (attribute.key, attribute.value)).collect();
        // Stable, so that of duplicates the first stays.
        sorted.sort_by_key(|(key, _)| *key);
        sorted.dedup_by_key(|(key, _)| *key);
        for (key, value) in sorted {
            put_part(&mut self.bytes, key);
            put_part(&mut self.bytes, value);
        }
        &self.bytes
    }
}

fn put_part(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&(part.len() as u32).to_le_bytes());
    out.extend_from_slice(part);
}
