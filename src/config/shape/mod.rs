//! Which keys and values a type takes, learned from its own `Deserialize`.
//!
//! A type that is read by [`crate::decode`] tells the reader what it wants: this field, of that struct, as a string. Here
//! it tells a reader that has nothing to give and writes it all down. So a schema can not differ from what is read.

#[cfg(test)]
mod tests;
mod tracer;

use serde::de::DeserializeOwned;

use self::tracer::Site;

/// What may be written for a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Whatever is written.
    Any,
    Bool,
    Integer {
        is_signed: bool,
    },
    Number,
    String,
    /// A string that is never shown.
    Secret,
    /// One of several kinds: a size is a number or a text.
    OneOf(Vec<Shape>),
    List(Box<Shape>),
    /// Keys of the operator's own.
    Map(Box<Shape>),
    /// A map whose keys are known.
    Struct(Vec<Field>),
    /// The same, switched on and off by `enabled` as well.
    Section(Box<Shape>),
    /// A name, or for those with content a map with that one key.
    Enum(Vec<Variant>),
    /// What a struct so many structs up is: settings within settings of the same kind.
    Again {
        structs_up: usize,
    },
}

/// A key of a struct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
}

/// A value of an enum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variant {
    pub name: &'static str,
    /// None for a name alone.
    pub content: Option<Shape>,
}

/// Returns what a type takes.
///
/// *Cost*: one reading for each key, of the keys before it; microseconds for a component.
pub fn shape<T: DeserializeOwned>() -> Shape {
    let root = Site::default();
    // Each reading settles one value. No type has as many keys: a type that would go on for ever is cut off.
    const MOST_READINGS: usize = 20_000;
    for _ in 0..MOST_READINGS {
        if root.is_settled() {
            break;
        }
        root.trace::<T>();
    }
    root.shape()
}
