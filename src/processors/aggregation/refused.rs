//! What found no room: about how many values each attribute had, by service. It tells which attribute makes the series,
//! when their table can no longer tell them apart.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap, btree_map::Entry},
    time::Duration,
};

use component::{Gauge, Telemetry};
use model::Timestamp;
use stats::Distinct;
use wire::view::AnyValue;

use super::{
    attributes::entries,
    hashing::mix_bytes,
    key::Key,
    partial::RefusedRow,
    resources::{Identity, Resources},
    spec::{SeriesSpec, service_of},
};

/// Attributes of services that are looked at, 1 kB each; of more nothing is said.
const MOST: usize = 1024;
/// Of these so many are told, those with the most values.
const MOST_TOLD: usize = 100;
/// Letters of a name that are told.
const MOST_LETTERS: usize = 200;
/// After so long values begin anew; told are those since the time before.
const TURN: Duration = Duration::from_secs(15 * 60);

/// Refused spans of one shard since the last flush.
#[derive(Default)]
pub(crate) struct Refused {
    services: HashMap<u32, OfService>,
    n_attributes: usize,
    /// Whose resource was looked at last: that of the next span is often the same.
    last: Option<u32>,
}

#[derive(Default)]
struct OfService {
    /// By part of the key.
    parts: BTreeMap<usize, Distinct>,
    /// By attribute of the resource.
    resource: BTreeMap<Box<[u8]>, Distinct>,
}

impl Refused {
    /// Takes note of a key that found no room.
    ///
    /// *Cost*: some ten nanoseconds for each part, and for each attribute of a resource that is not that of the key before.
    pub(crate) fn note(&mut self, key: &Key<'_>, n_parts: usize, identity: &Identity) {
        if self.n_attributes >= MOST && !self.services.contains_key(&identity.service_identity) {
            return;
        }
        let of_service = self.services.entry(identity.service_identity).or_default();
        let room = &mut self.n_attributes;
        for (part, value) in key.parts(n_parts).into_iter().enumerate() {
            let Some(value) = value else { continue };
            // The name of the span and those of its scope are texts, dimensions are values.
            let hash = if part < SeriesSpec::N_TEXTS { of_text(value) } else { of_value(value) };
            add(&mut of_service.parts, &part, || part, hash, room);
        }
        if self.last.replace(key.identity()) != Some(key.identity()) {
            for entry in entries(&identity.attributes) {
                add(&mut of_service.resource, entry.key, || entry.key.into(), of_value(entry.value), room);
            }
        }
    }

    /// Spells what was noted, and begins anew.
    pub(crate) fn take(&mut self, spec: &SeriesSpec, resources: &Resources) -> Vec<RefusedRow> {
        (self.last, self.n_attributes) = (None, 0);
        let row = |service: u32, attribute: &[u8], values: &Distinct| RefusedRow {
            service: resources.identity(service).attributes.to_vec(),
            attribute: attribute.to_vec(),
            registers: values.registers().to_vec(),
        };
        let mut rows = Vec::new();
        for (service, OfService { parts, resource }) in std::mem::take(&mut self.services) {
            rows.extend(parts.iter().map(|(part, values)| row(service, spec.part(*part).as_bytes(), values)));
            rows.extend(resource.iter().map(|(key, values)| row(service, key, values)));
        }
        rows.sort_by(|a, b| (&a.service, &a.attribute).cmp(&(&b.service, &b.attribute)));
        rows
    }
}

/// Attributes by service, as an encoded list, and by key.
type Values = BTreeMap<(Box<[u8]>, Box<[u8]>), Distinct>;

/// What found no room on any shard or in the output.
pub(crate) struct Demand {
    telemetry: Telemetry,
    name: String,
    since: Timestamp,
    values: Values,
    before: Values,
    told: BTreeMap<(String, String), Gauge>,
}

impl Demand {
    pub(crate) fn new(telemetry: &Telemetry, name: String, now: Timestamp) -> Self {
        let (values, before, told) = (Values::new(), Values::new(), BTreeMap::new());
        Self { telemetry: telemetry.clone(), name, since: now, values, before, told }
    }

    /// Adds what a shard noted. Returns whether it can be that.
    pub(crate) fn merge(&mut self, row: &RefusedRow) -> bool {
        let Some(values) = Distinct::of_registers(&row.registers) else { return false };
        let is_sound = wire::is_attribute_list(&row.service);
        if is_sound && let Some(known) = self.of(&row.service, &row.attribute) {
            known.merge(&values);
        }
        is_sound
    }

    /// Takes note of a series that found no room in the output.
    pub(crate) fn note(&mut self, service: &[u8], resource: &[u8], attributes: &[u8]) {
        for entry in entries(resource).chain(entries(attributes)) {
            if let Some(values) = self.of(service, entry.key) {
                values.add(of_value(entry.value));
            }
        }
    }

    fn of(&mut self, service: &[u8], attribute: &[u8]) -> Option<&mut Distinct> {
        let has_room = self.values.len() < MOST;
        match self.values.entry((service.into(), attribute.into())) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => has_room.then(|| place.insert(Distinct::default())),
        }
    }

    /// Tells the attributes with the most values.
    pub(crate) fn tell(&mut self, now: Timestamp) {
        let mut all: BTreeMap<(String, String), Distinct> = BTreeMap::new();
        for ((service, attribute), values) in self.before.iter().chain(&self.values) {
            let name = (short(&service_of(service)), short(&String::from_utf8_lossy(attribute)));
            all.entry(name).or_default().merge(values);
        }
        let mut ranked: Vec<_> =
            all.into_iter().map(|(name, values)| (name, values.estimate().round() as u64)).collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        ranked.truncate(MOST_TOLD);
        let mut known = std::mem::take(&mut self.told);
        for (name, n_values) in ranked {
            let gauge = known.remove(&name).unwrap_or_else(|| self.gauge(&name));
            gauge.set(n_values);
            self.told.insert(name, gauge);
        }
        if now.since(self.since) >= TURN {
            self.before = std::mem::take(&mut self.values);
            self.since = now;
        }
    }

    fn gauge(&self, (service, attribute): &(String, String)) -> Gauge {
        let labelled = self.telemetry.with("service_name", service).with("attribute", attribute);
        labelled.gauge(
            &self.name,
            "About how many values of an attribute found no room in the last quarter of an hour",
            "{value}",
        )
    }
}

/// Adds a value to those of an attribute, while there is room for it.
fn add<K: Ord + Borrow<Q>, Q: Ord + ?Sized>(
    all: &mut BTreeMap<K, Distinct>,
    attribute: &Q,
    owned: impl FnOnce() -> K,
    hash: u64,
    n_attributes: &mut usize,
) {
    match all.get_mut(attribute) {
        Some(values) => values.add(hash),
        None if *n_attributes < MOST => {
            *n_attributes += 1;
            all.entry(owned()).or_default().add(hash);
        }
        None => {}
    }
}

fn short(text: &str) -> String {
    text.chars().take(MOST_LETTERS).collect()
}

/// The same in every process: what shards noted is merged.
const SEED: u64 = 0x5851_f42d_4c95_7f2d;

fn of_text(text: &[u8]) -> u64 {
    mix_bytes(SEED, text)
}

/// Hashes the body of an `AnyValue`; a text as such.
fn of_value(value: &[u8]) -> u64 {
    match AnyValue::of(value) {
        AnyValue::Str(text) => of_text(text),
        _ => mix_bytes(!SEED, value),
    }
}
