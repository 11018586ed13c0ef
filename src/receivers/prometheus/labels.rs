//! Sets of labels.

use std::fmt;

/// Labels by name, in the order of their names; none is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Labels(Vec<(Box<str>, Box<str>)>);

/// The label that holds the name of a series.
pub(super) const NAME: &str = "__name__";
pub(super) const JOB: &str = "job";
pub(super) const INSTANCE: &str = "instance";

impl Labels {
    pub(super) fn get(&self, name: &str) -> &str {
        self.place(name).map_or("", |place| &self.0[place].1)
    }

    /// Sets a label; an empty value removes it.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        match (self.place(name), value.is_empty()) {
            (Ok(place), true) => drop(self.0.remove(place)),
            (Ok(place), false) => self.0[place].1 = value.into(),
            (Err(_), true) => {}
            (Err(place), false) => self.0.insert(place, (name.into(), value.into())),
        }
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(all: T) -> Self {
        let mut labels = Self::default();
        all.into_iter().for_each(|(name, value)| labels.set(name, value));
        labels
    }
}

/// As Prometheus writes them, for messages.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (place, (name, value)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{name}={value:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Whether Prometheus took the name of a label before it took all of UTF-8.
pub(super) fn is_classic_label(name: &str) -> bool {
    is_classic(name, |byte| byte == b'_')
}

/// The same of a metric, which may hold colons.
pub(super) fn is_classic_metric(name: &str) -> bool {
    is_classic(name, |byte| matches!(byte, b'_' | b':'))
}

fn is_classic(name: &str, is_mark: impl Fn(u8) -> bool) -> bool {
    let starts_well = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || is_mark(first));
    starts_well && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}
