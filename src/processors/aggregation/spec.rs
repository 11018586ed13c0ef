//! What the series of one family are told apart by, and how their attributes are spelled.

use model::{KeySet, SPAN_KINDS, Slot};
use wire::{build::encode_value, view::AnyValue};

use super::{
    attributes::{self, AttributeList},
    buckets::{Layout, Unit},
};

/// Service of spans whose resource names none. The collector skips such spans; here they count.
pub(crate) const UNKNOWN_SERVICE: &str = "unknown_service";
pub(crate) const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
pub(crate) const SERVICE_VERSION: &str = "service.version";
const SPAN_NAME: &str = "span.name";
pub(crate) const SPAN_KIND: &str = "span.kind";
pub(crate) const STATUS_CODE: &str = "status.code";

/// Marks a series that stands for those that found no room.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

/// An attribute of spans, events or resources that series are told apart by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dimension {
    /// Where the value comes from.
    pub(crate) key: String,
    /// What the attribute is called on the series.
    pub(crate) name: String,
    pub(crate) default: Option<String>,
}

impl Dimension {
    /// Returns the default as the body of an `AnyValue`.
    pub(crate) fn default_value(&self) -> Option<Box<[u8]>> {
        self.default.as_ref().map(|text| encode_value(AnyValue::Str(text.as_bytes())).into())
    }
}

/// What the intrinsic attributes are called; none where they are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Intrinsics {
    pub(crate) service: Option<String>,
    pub(crate) span_name: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) status: Option<String>,
}

/// Which attributes of a resource tell series apart and stand in the resource of the output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ResourceRule {
    All,
    Only(Vec<String>),
}

impl ResourceRule {
    fn keeps(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(keys) => keys.iter().any(|kept| kept == key),
        }
    }

    pub(crate) fn identity(&self, resource: &[u8]) -> Box<[u8]> {
        attributes::canonical(resource, |key| self.keeps(key))
    }
}

/// What one family of series is told apart by.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct SeriesSpec {
    pub(crate) intrinsics: Intrinsics,
    pub(crate) dimensions: Vec<Dimension>,
    pub(crate) resource: ResourceRule,
    /// Names of instrumentation scopes that become attributes.
    pub(crate) scopes: Vec<String>,
    /// Whether sampled and counted spans make different series.
    pub(crate) sampling_method: bool,
    /// Attributes that every series carries.
    pub(crate) constants: Vec<(String, String)>,
    pub(crate) layout: Layout,
    pub(crate) unit: Unit,
    /// Series that the table of one shard holds.
    pub(crate) limit: usize,
    /// Series that one resource may have; 0 means as many as there is room for.
    pub(crate) resource_limit: usize,
    /// Exemplars for each series and flush; 0 for none.
    pub(crate) max_exemplars: usize,
    /// For series that are not made of intrinsics: the attributes that their overflow keeps.
    pub(crate) overflow_keeps: &'static [&'static str],
}

impl SeriesSpec {
    /// Spans by service, name, kind and status, in the collector's names, without a histogram.
    pub(crate) fn of_spans(resource: ResourceRule) -> Self {
        let named = |name: &str| Some(name.to_owned());
        Self {
            intrinsics: Intrinsics {
                service: named(SERVICE_NAME),
                span_name: named(SPAN_NAME),
                kind: named(SPAN_KIND),
                status: named(STATUS_CODE),
            },
            dimensions: Vec::new(),
            resource,
            scopes: Vec::new(),
            sampling_method: false,
            constants: Vec::new(),
            layout: Layout::None,
            unit: Unit::Milliseconds,
            limit: 0,
            resource_limit: 0,
            max_exemplars: 0,
            overflow_keeps: &[],
        }
    }

    /// Asks for the attributes of spans that the dimensions read.
    pub(crate) fn want(&self, keys: &mut KeySet) -> Vec<Slot> {
        self.dimensions.iter().map(|dimension| keys.want(&dimension.key)).collect()
    }

    /// Parts of a key before the dimensions: name, scope's name, scope's version.
    pub(crate) const N_TEXTS: usize = 3;

    /// Returns how many parts a key has.
    pub(crate) fn n_parts(&self) -> usize {
        Self::N_TEXTS + self.dimensions.len()
    }

    /// Returns what a part of a key is called on the series.
    pub(crate) fn part(&self, part: usize) -> &str {
        let intrinsics =
            || [self.intrinsics.span_name.as_deref().unwrap_or(SPAN_NAME), SCOPE_NAME, SCOPE_VERSION];
        match part.checked_sub(Self::N_TEXTS) {
            None => intrinsics()[part],
            Some(dimension) => self.dimensions.get(dimension).map_or("", |it| &it.name),
        }
    }

    /// Returns the attributes of a series.
    pub(crate) fn attributes(&self, service: &str, head: Head, parts: &[Option<&[u8]>]) -> Box<[u8]> {
        let mut list = AttributeList::default();
        let [name, scope_name, scope_version, dimensions @ ..] = parts else { return list.into_bytes() };
        if let Some(key) = &self.intrinsics.service {
            list.push_str(key, service);
        }
        if let (Some(key), Some(name)) = (&self.intrinsics.span_name, name) {
            list.push_str(key, &String::from_utf8_lossy(name));
        }
        self.push_kind_and_status(&mut list, head);
        for (key, value) in &self.constants {
            list.push_str(key, value);
        }
        for (key, part) in [(SCOPE_NAME, scope_name), (SCOPE_VERSION, scope_version)] {
            if let Some(text) = part.filter(|text| !text.is_empty()) {
                list.push_str(key, &String::from_utf8_lossy(text));
            }
        }
        if self.sampling_method {
            list.push_str("sampling.method", if head.is_extrapolated { "extrapolated" } else { "counted" });
        }
        for (dimension, value) in self.dimensions.iter().zip(dimensions) {
            if let Some(value) = value {
                list.push_value(&dimension.name, value);
            }
        }
        list.into_bytes()
    }

    /// Returns the attributes of the series that takes what found no room: service, kind and status stay,
    /// so that rates and error ratios of a service stay right.
    pub(crate) fn overflow_attributes(&self, service: Option<&str>, kind: u8, status: u8) -> Box<[u8]> {
        let mut list = AttributeList::default();
        if let (Some(key), Some(service)) = (&self.intrinsics.service, service) {
            list.push_str(key, service);
        }
        self.push_kind_and_status(&mut list, Head { kind, status, is_extrapolated: false });
        for (key, value) in &self.constants {
            list.push_str(key, value);
        }
        list.push(OVERFLOW, AnyValue::Bool(true));
        list.into_bytes()
    }

    /// Returns the same for a series whose attributes are spelled out.
    pub(crate) fn overflow_of(&self, attributes: &[u8], service: &str, kind: u8, status: u8) -> Box<[u8]> {
        match self.overflow_keeps {
            [] => self.overflow_attributes(Some(service), kind, status),
            keys => overflow_list(attributes, keys),
        }
    }

    fn push_kind_and_status(&self, list: &mut AttributeList, head: Head) {
        if let Some(key) = &self.intrinsics.kind {
            list.push_str(key, SPAN_KINDS.get(usize::from(head.kind)).unwrap_or(&""));
        }
        if let Some(key) = &self.intrinsics.status {
            list.push_str(key, STATUSES.get(usize::from(head.status)).unwrap_or(&""));
        }
    }
}

/// What a span is told apart by beside its texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// [`UNKNOWN_KIND`] for numbers that OTLP does not define.
    pub(crate) kind: u8,
    /// [`UNKNOWN_STATUS`] for numbers that OTLP does not define.
    pub(crate) status: u8,
    /// Whether the span stands for more than itself by its tracestate.
    pub(crate) is_extrapolated: bool,
}

pub(crate) const UNKNOWN_KIND: u8 = SPAN_KINDS.len() as u8;
pub(crate) const UNKNOWN_STATUS: u8 = STATUSES.len() as u8;

const STATUSES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];
const SCOPE_NAME: &str = "span.instrumentation.scope.name";
const SCOPE_VERSION: &str = "span.instrumentation.scope.version";

/// Returns what a list has under some keys, marked as overflow.
pub(crate) fn overflow_list(attributes: &[u8], keys: &[&str]) -> Box<[u8]> {
    let mut list = AttributeList::default();
    for key in keys {
        if let Some(entry) = attributes::find(attributes, key) {
            list.push_value(key, entry.value);
        }
    }
    list.push(OVERFLOW, AnyValue::Bool(true));
    list.into_bytes()
}

/// Returns the name of a resource's service.
pub(crate) fn service_of(resource: &[u8]) -> String {
    match attributes::find(resource, SERVICE_NAME).map(|entry| entry.value()) {
        None | Some(AnyValue::Empty) => UNKNOWN_SERVICE.to_owned(),
        Some(value) => value.to_label_string(),
    }
}

/// Returns an attribute of a resource as text; none when it is absent or empty.
pub(crate) fn text_of(resource: &[u8], key: &str) -> Option<String> {
    let value = attributes::find(resource, key)?.value();
    (!matches!(value, AnyValue::Empty)).then(|| value.to_label_string())
}

/// Returns the part of a resource that overflow keeps: what Prometheus calls the job.
pub(crate) fn service_identity(resource: &[u8]) -> Box<[u8]> {
    attributes::canonical(resource, |key| key == SERVICE_NAME || key == SERVICE_NAMESPACE)
}
