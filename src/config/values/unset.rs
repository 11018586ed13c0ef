//! An empty string as the collector's way to say "not set".

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// The name by which the reader knows that an empty string is nothing.
pub(crate) const EMPTY_IS_UNSET: &str = "config::empty_is_unset";

/// Reads a value written as a string, and none of an empty one: the collector's zero value of a string
/// is the empty string, and configurations that were written by programs spell it out.
///
/// Give the field `#[serde(default, deserialize_with = "config::empty_is_unset")]`.
pub fn empty_is_unset<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_newtype_struct(EMPTY_IS_UNSET, UnlessEmpty(PhantomData))
}

struct UnlessEmpty<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for UnlessEmpty<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_none<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        T::deserialize(deserializer).map(Some)
    }
}
