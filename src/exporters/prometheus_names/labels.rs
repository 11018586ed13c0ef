//! Label sets: sorted by name, each name once, no empty value.

use bytes::Bytes;

/// One label of a series.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Label {
    pub name: Bytes,
    pub value: Bytes,
}

impl Label {
    pub(crate) fn new(name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// The labels of a series beside `__name__`.
pub(crate) type Labels = Vec<Label>;

/// Sets a label, whatever it was. An empty value is the same as no label and removes it.
pub(crate) fn set(labels: &mut Labels, name: &Bytes, value: &Bytes) {
    match labels.binary_search_by(|label| label.name.cmp(name)) {
        Ok(at) if value.is_empty() => drop(labels.remove(at)),
        Ok(at) => labels[at].value = value.clone(),
        Err(_) if value.is_empty() => {}
        Err(at) => labels.insert(at, Label { name: name.clone(), value: value.clone() }),
    }
}

/// Sets a label that is not set yet.
pub(crate) fn set_default(labels: &mut Labels, name: &Bytes, value: &Bytes) {
    if labels.binary_search_by(|label| label.name.cmp(name)).is_err() {
        set(labels, name, value);
    }
}

/// Adds a translated attribute. Different attributes that come to the same name are joined by `;`, in
/// the order in which they are added; equal values are not repeated.
pub(crate) fn join(labels: &mut Labels, name: Bytes, value: Bytes) {
    if value.is_empty() {
        return;
    }
    match labels.binary_search_by(|label| label.name.cmp(&name)) {
        Ok(at) if labels[at].value == value => {}
        Ok(at) => labels[at].value = [&labels[at].value[..], b";", &value[..]].concat().into(),
        Err(at) => labels.insert(at, Label { name, value }),
    }
}

/// The label that holds a series' name.
pub(crate) static NAME: Bytes = Bytes::from_static(b"__name__");

/// Lists the labels of one series in order: `labels` with `__name__`, and with one more that replaces
/// its namesake.
pub(crate) fn list_series<'a>(
    labels: &'a [Label],
    name: &'a Bytes,
    extra: Option<&'a Label>,
    list: &mut Vec<(&'a Bytes, &'a Bytes)>,
) {
    list.clear();
    let kept = labels.iter().filter(|label| extra.is_none_or(|extra| extra.name != label.name));
    list.extend(kept.chain(extra).map(|label| (&label.name, &label.value)));
    list.push((&NAME, name));
    list.sort_unstable_by_key(|(name, _)| *name);
}
