//! An empty string as the collector's way to say "not set".

use serde::{Deserialize, Deserializer, de::IntoDeserializer};

/// Reads a value written as a string, and none of an empty one: the collector's zero value of a string
/// is the empty string, and configurations that were written by programs spell it out.
///
/// Give the field `#[serde(default, deserialize_with = "config::empty_is_unset")]`.
pub fn empty_is_unset<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    match Option::<String>::deserialize(deserializer)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => T::deserialize(text.into_deserializer()).map(Some),
    }
}
