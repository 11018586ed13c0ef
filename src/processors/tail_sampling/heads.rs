//! What spans that wait have in common: resources and scopes.

use std::{cmp::Ordering, collections::HashMap};

use bytes::Bytes;

use super::{partial::Head, slab::Slab};

/// What a head takes beside its bytes.
pub(super) const HEAD_BYTES: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct HeadId(u32);

/// Tags and lengths of a resource and a scope, at most.
const FRAMES: usize = 22;

/// What spans have in common, each kept once while a span that waits has it.
#[derive(Default)]
pub(super) struct Heads {
    resources: Shared<Bytes>,
    /// By place of the resource and bytes of the scope.
    scopes: Shared<(u32, Bytes)>,
    n_bytes: usize,
}

/// What a span belongs to.
#[derive(Clone, Copy)]
pub(super) struct HeadRef<'a> {
    /// The same for two spans of one resource.
    pub(super) resource_id: u32,
    pub(super) resource: &'a Bytes,
    pub(super) scope: &'a Bytes,
}

/// Values that are kept once while somebody uses them.
struct Shared<T> {
    places: HashMap<T, u32>,
    /// With how many use each.
    all: Slab<(T, usize)>,
}

/// The heads of a message and what each adds to a request at most, held until all of it was taken. Heads that name no
/// resource of the message have none.
pub(super) struct Resolved(Vec<Option<(HeadId, u64)>>);

impl Heads {
    /// Takes what a message has in common.
    pub(super) fn resolve(&mut self, heads: &[Head], resources: &[Bytes]) -> Resolved {
        let place = |head: &Head| {
            let id = self.place(resources.get(head.resource as usize)?, &head.scope);
            Some((id, self.get(id)?.n_bytes() as u64))
        };
        Resolved(heads.iter().map(place).collect())
    }

    pub(super) fn let_go(&mut self, resolved: Resolved) {
        resolved.0.into_iter().flatten().for_each(|(id, _)| self.release(id));
    }

    /// Returns the head at a place of the message, held for a span that has it, and what it adds to a request at most.
    pub(super) fn hold(&mut self, known: &Resolved, place: u32) -> Option<(HeadId, u64)> {
        let (id, at_most) = (*known.0.get(place as usize)?)?;
        self.scopes.hold(id.0);
        Some((id, at_most))
    }

    fn place(&mut self, resource: &Bytes, scope: &Bytes) -> HeadId {
        // Copies, as the bytes are parts of a message.
        let own = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let (of_resource, is_new) = match self.resources.find(resource) {
            Some(place) => (place, false),
            None => (self.resources.insert(own(resource)), true),
        };
        if is_new {
            self.n_bytes += resource.len() + HEAD_BYTES;
        }
        let key = (of_resource, scope.clone());
        if let Some(place) = self.scopes.find(&key) {
            // The scope holds its resource already.
            self.scopes.hold(place);
            return HeadId(place);
        }
        self.resources.hold(of_resource);
        self.n_bytes += scope.len() + HEAD_BYTES;
        let place = self.scopes.insert((of_resource, own(scope)));
        self.scopes.hold(place);
        HeadId(place)
    }

    pub(super) fn get(&self, id: HeadId) -> Option<HeadRef<'_>> {
        let (resource_id, scope) = self.scopes.get(id.0)?;
        Some(HeadRef { resource_id: *resource_id, resource: self.resources.get(*resource_id)?, scope })
    }

    /// Lets go of the head of a span that leaves.
    pub(super) fn release(&mut self, id: HeadId) {
        if let Some((resource, scope)) = self.scopes.let_go(id.0) {
            self.n_bytes -= scope.len() + HEAD_BYTES;
            if let Some(resource) = self.resources.let_go(resource) {
                self.n_bytes -= resource.len() + HEAD_BYTES;
            }
        }
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { places: HashMap::new(), all: Slab::default() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Shared<T> {
    fn find(&self, value: &T) -> Option<u32> {
        self.places.get(value).copied()
    }

    /// Keeps a value that is not known, and that nobody holds yet.
    fn insert(&mut self, value: T) -> u32 {
        let place = self.all.insert((value.clone(), 0));
        self.places.insert(value, place);
        place
    }

    fn hold(&mut self, place: u32) {
        if let Some((_, by)) = self.all.get_mut(place) {
            *by += 1;
        }
    }

    /// Returns the value if nobody holds it any more.
    fn let_go(&mut self, place: u32) -> Option<T> {
        let (_, by) = self.all.get_mut(place)?;
        *by = by.saturating_sub(1);
        if *by > 0 {
            return None;
        }
        let (value, _) = self.all.remove(place)?;
        self.places.remove(&value);
        Some(value)
    }

    fn get(&self, place: u32) -> Option<&T> {
        self.all.get(place).map(|(value, _)| value)
    }
}

impl HeadRef<'_> {
    /// What it adds to a request at most.
    pub(super) fn n_bytes(&self) -> usize {
        FRAMES + self.resource.len() + self.scope.len()
    }

    /// In the order of their bytes; those of one resource are not compared by it.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let of_resource = match self.resource_id == other.resource_id {
            true => Ordering::Equal,
            false => self.resource.cmp(other.resource),
        };
        of_resource.then_with(|| self.scope.cmp(other.scope))
    }
}
