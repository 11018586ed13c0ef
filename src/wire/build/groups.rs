//! Requests put together from parts that are encoded already.

use super::nest::Nest;

/// Writes a request of any signal from heads ([`crate::edit::head_of`]) and items.
#[derive(Clone, Default, Debug)]
pub struct GroupsWriter {
    nest: Nest,
}

impl GroupsWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for so many bytes at once, where the size of the request is known.
    pub fn reserve(&mut self, n_bytes: usize) {
        self.nest.out().reserve(n_bytes);
    }

    /// Begins a `ResourceSpans` or a sibling.
    pub fn resource(&mut self, head: &[u8]) {
        self.nest.close_to(0);
        self.nest.begin(1);
        self.nest.out().extend_from_slice(head);
    }

    /// Begins a `ScopeSpans` or a sibling within the resource.
    pub fn scope(&mut self, head: &[u8]) {
        self.nest.close_to(1);
        self.nest.begin(2);
        self.nest.out().extend_from_slice(head);
    }

    /// Adds items to the scope, each with its tag and length as it stood in another scope.
    pub fn items(&mut self, fields: &[u8]) {
        self.nest.out().extend_from_slice(fields);
    }

    /// Ends everything and takes the request.
    pub fn take(&mut self) -> Vec<u8> {
        self.nest.take()
    }
}
