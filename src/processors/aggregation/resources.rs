//! The resources of the spans that are being counted.

use hashbrown::{HashTable, hash_table::Entry};
use model::SpanTable;

use super::{
    attributes,
    hashing::mix_bytes,
    spec::{self, SeriesSpec},
};

/// A resource as it tells series apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    /// Encoded attributes.
    pub(crate) attributes: Box<[u8]>,
    /// The name of the service.
    pub(crate) service: Box<str>,
    /// The identity of the service alone, which overflow keeps.
    pub(crate) service_identity: u32,
}

/// A resource as it was sent.
struct Known {
    bytes: Box<[u8]>,
    identity: u32,
    /// For each dimension, what counts when a span does not have it: the resource's value or the default.
    fallbacks: Vec<Option<Box<[u8]>>>,
}

/// Resources as they were sent, and what they stand for.
///
/// *Cost*: one hash of the resource's bytes and one comparison per `ResourceSpans`.
pub(crate) struct Resources {
    seed: u64,
    known: Vec<Known>,
    by_bytes: HashTable<u32>,
    identities: Vec<Option<Identity>>,
    free: Vec<u32>,
    by_attributes: HashTable<u32>,
    limit: usize,
    /// For each resource of the present request, its place among the known ones.
    of_request: Vec<u32>,
}

/// The identity of what has no room even for its service: no attributes at all.
pub(crate) const OTHER: u32 = 0;

/// Resources as sent that are remembered between two flushes; more of them are looked up the long way.
const KNOWN_LIMIT: usize = 8192;

impl Resources {
    pub(crate) fn new(seed: u64, limit: usize) -> Self {
        let other = Identity { attributes: Box::default(), service: "".into(), service_identity: OTHER };
        Self {
            seed,
            known: Vec::new(),
            by_bytes: HashTable::new(),
            identities: vec![Some(other)],
            free: Vec::new(),
            by_attributes: HashTable::new(),
            limit,
            of_request: Vec::new(),
        }
    }

    /// Looks up the resources of a request.
    pub(crate) fn resolve(&mut self, request: &[u8], table: &SpanTable, series: &SeriesSpec) {
        if self.known.len() + table.resources.len() > KNOWN_LIMIT {
            self.forget_known();
        }
        self.of_request.clear();
        for resource in &table.resources {
            let bytes = resource.resource.of(request);
            let hash = mix_bytes(self.seed, bytes);
            let found = self.by_bytes.find(hash, |&at| *self.known[at as usize].bytes == *bytes).copied();
            let at = match found {
                Some(at) => at,
                None => self.learn(hash, bytes, series),
            };
            self.of_request.push(at);
        }
    }

    /// Returns the identity of a resource of the present request.
    #[inline(always)]
    pub(crate) fn identity_of(&self, resource: u32) -> u32 {
        self.known_at(resource).map_or(OTHER, |known| known.identity)
    }

    #[inline(always)]
    pub(crate) fn fallback(&self, resource: u32, dimension: usize) -> Option<&[u8]> {
        self.known_at(resource)?.fallbacks.get(dimension)?.as_deref()
    }

    #[inline(always)]
    fn known_at(&self, resource: u32) -> Option<&Known> {
        self.known.get(*self.of_request.get(resource as usize)? as usize)
    }

    pub(crate) fn identity(&self, id: u32) -> &Identity {
        let identity = self.identities.get(id as usize).and_then(Option::as_ref);
        identity.expect("identities are kept while a series or the present request refers to them")
    }

    /// Forgets what was sent, and the identities that `is_used` does not name. Called between requests.
    pub(crate) fn prune(&mut self, is_used: impl Fn(u32) -> bool) {
        self.forget_known();
        let keep: Vec<bool> =
            (0..self.identities.len() as u32).map(|id| id == OTHER || is_used(id)).collect();
        let mut keep_services = keep.clone();
        for (id, identity) in self.identities.iter().enumerate() {
            if let Some(identity) = identity.as_ref().filter(|_| keep[id]) {
                keep_services[identity.service_identity as usize] = true;
            }
        }
        self.by_attributes.retain(|id| keep_services[*id as usize]);
        for (identity, kept) in self.identities.iter_mut().zip(&keep_services) {
            if !kept {
                *identity = None;
            }
        }
        self.free =
            (0..self.identities.len() as u32).filter(|&id| self.identities[id as usize].is_none()).collect();
    }

    fn forget_known(&mut self) {
        self.known.clear();
        self.by_bytes.clear();
    }

    #[cold]
    fn learn(&mut self, hash: u64, bytes: &[u8], series: &SeriesSpec) -> u32 {
        let identity = self.intern_resource(bytes, series);
        let of_dimension = |dimension: &spec::Dimension| {
            let sent = attributes::find(bytes, &dimension.key).map(|entry| entry.value.into());
            sent.or_else(|| dimension.default_value())
        };
        let fallbacks = series.dimensions.iter().map(of_dimension).collect();
        let at = self.known.len() as u32;
        self.known.push(Known { bytes: bytes.into(), identity, fallbacks });
        let (seed, known) = (self.seed, &self.known);
        self.by_bytes.insert_unique(hash, at, |&at| mix_bytes(seed, &known[at as usize].bytes));
        at
    }

    fn intern_resource(&mut self, bytes: &[u8], series: &SeriesSpec) -> u32 {
        let service: Box<str> = spec::service_of(bytes).into();
        let service_attributes = spec::service_identity(bytes);
        let Some(service_identity) = self.intern(service_attributes, &service, None, 2 * self.limit) else {
            return OTHER;
        };
        let attributes = series.resource.identity(bytes);
        self.intern(attributes, &service, Some(service_identity), self.limit).unwrap_or(service_identity)
    }

    /// Returns the id of an identity; none when it is new and there is no room.
    fn intern(
        &mut self,
        attributes: Box<[u8]>,
        service: &str,
        of_service: Option<u32>,
        limit: usize,
    ) -> Option<u32> {
        let seed = self.seed;
        let bytes_of = |identities: &[Option<Identity>], id: u32| -> u64 {
            let identity = identities[id as usize].as_ref().expect("an indexed identity is kept");
            mix_bytes(mix_bytes(seed, &identity.attributes), identity.service.as_bytes())
        };
        let hash = mix_bytes(mix_bytes(seed, &attributes), service.as_bytes());
        let identities = &self.identities;
        let same = |&id: &u32| {
            identities[id as usize]
                .as_ref()
                .is_some_and(|known| known.attributes == attributes && *known.service == *service)
        };
        let entry = self.by_attributes.entry(hash, same, |&id| bytes_of(identities, id));
        let vacant = match entry {
            Entry::Occupied(known) => return Some(*known.get()),
            Entry::Vacant(vacant) => vacant,
        };
        if identities.len() - self.free.len() > limit {
            return None;
        }
        let id = self.free.pop().unwrap_or(identities.len() as u32);
        vacant.insert(id);
        let identity =
            Identity { attributes, service: service.into(), service_identity: of_service.unwrap_or(id) };
        match self.identities.get_mut(id as usize) {
            Some(place) => *place = Some(identity),
            None => self.identities.push(Some(identity)),
        }
        Some(id)
    }
}
