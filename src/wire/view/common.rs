//! What all signals share: resources, scopes, attributes.

use model::Slice;

use crate::{
    cursor::{Fields, Raw},
    view::AnyValue,
};

/// An attribute.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct KeyValue<'a> {
    pub key: &'a [u8],
    /// The body of the value's `AnyValue` message; empty when there is none.
    pub value: &'a [u8],
}

impl<'a> KeyValue<'a> {
    /// Reads the body of a `KeyValue` message.
    pub fn of(body: &'a [u8]) -> Self {
        let mut attribute = Self { key: &[], value: &[] };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (1, Raw::Bytes(key)) => attribute.key = key,
                (2, Raw::Bytes(value)) => attribute.value = value,
                _ => {}
            }
        }
        attribute
    }

    pub fn value(&self) -> AnyValue<'a> {
        AnyValue::of(self.value)
    }
}

/// Walks the attributes of a message that keeps them in field `number`: 9 in spans, 1 in resources.
pub fn attributes(message: &[u8], number: u32) -> impl Iterator<Item = KeyValue<'_>> + Clone {
    Fields::bodies(message, number).map(KeyValue::of)
}

/// Finds the first attribute of a key.
fn find<'a>(mut attributes: impl Iterator<Item = KeyValue<'a>>, key: &str) -> Option<AnyValue<'a>> {
    attributes.find(|attribute| attribute.key == key.as_bytes()).map(|attribute| attribute.value())
}

/// A `Resource`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Resource<'a> {
    /// The message's body: equal bytes are an equal resource.
    pub body: &'a [u8],
}

impl<'a> Resource<'a> {
    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 1)
    }

    /// Finds an attribute; of duplicates the first.
    pub fn attribute(&self, key: &str) -> Option<AnyValue<'a>> {
        find(self.attributes(), key)
    }
}

/// An `InstrumentationScope`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Scope<'a> {
    pub body: &'a [u8],
    pub name: &'a [u8],
    pub version: &'a [u8],
}

impl<'a> Scope<'a> {
    pub fn of(body: &'a [u8]) -> Self {
        let mut scope = Self { body, ..Self::default() };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (1, Raw::Bytes(name)) => scope.name = name,
                (2, Raw::Bytes(version)) => scope.version = version,
                _ => {}
            }
        }
        scope
    }

    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 3)
    }

    pub fn attribute(&self, key: &str) -> Option<AnyValue<'a>> {
        find(self.attributes(), key)
    }
}

/// One scope of a request with its resource and its spans, metrics or log records: `ScopeSpans` and its
/// siblings are spelled alike.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    pub resource: Resource<'a>,
    pub resource_schema_url: &'a [u8],
    pub scope: Scope<'a>,
    pub scope_schema_url: &'a [u8],
    body: &'a [u8],
}

impl<'a> Group<'a> {
    /// Walks the bodies of the spans, metrics or log records.
    pub fn items(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        Fields::bodies(self.body, 2)
    }
}

/// Walks a request of any signal scope by scope.
pub fn groups(request: &[u8]) -> impl Iterator<Item = Group<'_>> {
    Fields::bodies(request, 1).flat_map(|resource_body| {
        let (resource, resource_schema_url) = head(resource_body);
        let resource = Resource { body: resource };
        Fields::bodies(resource_body, 2).map(move |body| {
            let (scope, scope_schema_url) = head(body);
            Group { resource, resource_schema_url, scope: Scope::of(scope), scope_schema_url, body }
        })
    })
}

/// Reads the resource or scope (field 1) and the schema URL (field 3) of a group.
fn head(body: &[u8]) -> (&[u8], &[u8]) {
    let (mut first, mut schema_url): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::new(body) {
        match (field.number, field.value) {
            (1, Raw::Bytes(message)) => first = message,
            (3, Raw::Bytes(url)) => schema_url = url,
            _ => {}
        }
    }
    (first, schema_url)
}

/// Returns the view of a resource that the span table points to.
pub fn resource_of(request: &[u8], resource: Slice) -> Resource<'_> {
    Resource { body: resource.of(request) }
}
