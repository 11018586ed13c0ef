//! Sections whose presence alone means something.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// An optional part of a component: absent means off, `grpc:` with nothing after it means on with
/// defaults, and `enabled: false` inside means off.
///
/// Give the field `#[serde(default)]`; the owner's `Default` may make it present. A `T` need not have
/// the key `enabled`, and never sees it. A section that is off is not checked further.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section<T>(Option<T>);

/// The name by which the reader knows that a section is wanted.
pub(crate) const SECTION: &str = "config::Section";

/// The key that turns a section off.
pub(super) const ENABLED: &str = "enabled";

impl<T> Section<T> {
    pub const fn on(value: T) -> Self {
        Self(Some(value))
    }

    pub const fn off() -> Self {
        Self(None)
    }

    /// Returns the settings if the section is on.
    pub const fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    pub const fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }

    pub fn into_inner(self) -> Option<T> {
        self.0
    }

    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Self::off()
    }
}

impl<T: Serialize> Serialize for Section<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Section<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(SECTION, SectionVisitor(PhantomData))
    }
}

struct SectionVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for SectionVisitor<T> {
    type Value = Section<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Section<T>, D::Error> {
        T::deserialize(deserializer).map(Section::on)
    }

    fn visit_none<E: Error>(self) -> Result<Section<T>, E> {
        Ok(Section::off())
    }
}
