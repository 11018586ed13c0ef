//! Values with values in them.

use crate::{build::key_value, encode};

/// A value to write, of any depth: for lists and maps that a view has nowhere to borrow from.
#[derive(Clone, PartialEq, Debug)]
pub enum Tree {
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A list of texts.
    pub fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::List(texts.into_iter().map(Self::text).collect())
    }

    /// A map; an entry without a value is left out.
    pub fn map(entries: impl IntoIterator<Item = (&'static str, Option<Tree>)>) -> Self {
        let known = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Self::Map(known.collect())
    }

    /// Returns the body of an `AnyValue` message. *Cost*: each level copies what is below it.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Text(text) => encode::put_bytes(&mut out, 1, text.as_bytes()),
            Self::Bool(flag) => encode::put_uint(&mut out, 2, u64::from(*flag)),
            Self::Int(number) => encode::put_uint(&mut out, 3, *number as u64),
            Self::Double(number) => encode::put_double(&mut out, 4, *number),
            Self::List(values) => {
                let mut body = Vec::new();
                values.iter().for_each(|value| encode::put_bytes(&mut body, 1, &value.encode()));
                encode::put_bytes(&mut out, 5, &body);
            }
            Self::Map(entries) => {
                let mut body = Vec::new();
                for (key, value) in entries {
                    encode::put_bytes(&mut body, 1, &key_value(key.as_bytes(), &value.encode()));
                }
                encode::put_bytes(&mut out, 6, &body);
            }
        }
        out
    }
}
