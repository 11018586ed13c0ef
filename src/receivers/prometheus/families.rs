//! Series put together to metrics of OpenTelemetry.
//!
//! *Source*: "Prometheus and OpenMetrics compatibility" of OpenTelemetry's specification, and what the collector's
//! receiver does where that leaves something open.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::Arc,
};

use hashbrown::HashTable;

use super::{
    exposition::{Kind, RawExemplar, labels_of},
    labels::{INSTANCE, JOB, Labels, NAME},
    metadata::{CREATED, Catalogue, Metadata, TOTAL, normalized},
    resource,
    target::Target,
};

/// The label of a bucket's upper bound, and of a quantile.
const LE: &str = "le";
const QUANTILE: &str = "quantile";
const SCOPE: &str = "otel_scope_";
const SCOPE_INFO: &str = "otel_scope_info";
const TARGET_INFO: &str = "target_info";

/// Names and values, each name once, in the order in which they came.
pub(super) type Pairs = Vec<(String, String)>;

/// All that one scrape tells.
#[derive(Default)]
pub(super) struct Families {
    pub(super) resources: Vec<Resource>,
    places: HashMap<(String, String), usize>,
    hasher: RandomState,
    pub(super) drops: Drops,
}

/// Samples that could not be put anywhere, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Drops {
    /// Parts of a histogram or summary with another time than its other parts.
    pub(super) time: u64,
    /// Buckets without a bound, quantiles without a share.
    pub(super) bound: u64,
    /// Histograms and summaries without a count.
    pub(super) incomplete: u64,
}

pub(super) struct Resource {
    pub(super) attributes: Pairs,
    pub(super) scopes: Vec<Scope>,
    places: HashMap<ScopeId, usize>,
    /// What `otel_scope_info` says.
    pub(super) scope_infos: HashMap<ScopeId, Pairs>,
}

/// What tells scopes apart.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub(super) struct ScopeId {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) schema_url: String,
    pub(super) attributes: Pairs,
}

pub(super) struct Scope {
    pub(super) id: ScopeId,
    pub(super) families: Vec<Family>,
    /// By the name of a metric.
    places: HashMap<String, usize>,
}

/// A metric.
pub(super) struct Family {
    pub(super) name: String,
    pub(super) metadata: Metadata,
    pub(super) shape: Shape,
    pub(super) groups: Vec<Group>,
    /// By the labels that its points have.
    places: HashTable<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Gauge,
    /// A sum that only grows.
    Counter,
    /// A sum that falls too.
    Sum,
    Histogram,
    Summary,
}

/// A point in the making.
pub(super) struct Group {
    pub(super) labels: Arc<Labels>,
    /// *Units*: milliseconds since the epoch.
    pub(super) time: i64,
    /// When it began to count. *Units*: seconds since the epoch; 0 when unknown.
    pub(super) created: f64,
    /// Whether it has ended.
    pub(super) is_stale: bool,
    pub(super) value: Option<f64>,
    pub(super) count: Option<f64>,
    pub(super) sum: Option<f64>,
    /// Bounds with cumulative counts, or shares with quantiles; none of those that have ended.
    pub(super) parts: Vec<(f64, Option<f64>)>,
    pub(super) exemplars: Vec<Exemplar>,
}

/// An example of what a value was made of.
pub(super) struct Exemplar {
    pub(super) labels: Pairs,
    pub(super) value: f64,
    /// *Units*: milliseconds since the epoch.
    pub(super) time: i64,
}

/// A value of a series; none where the series has ended.
pub(super) struct Told<'a> {
    pub(super) labels: &'a Arc<Labels>,
    pub(super) time: i64,
    pub(super) value: Option<f64>,
    pub(super) exemplar: Option<&'a RawExemplar<'a>>,
}

impl Shape {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Histogram => Self::Histogram,
            Kind::Summary => Self::Summary,
            Kind::Info | Kind::StateSet => Self::Sum,
            // What is unknown may rise and fall; of the other there is no equal.
            Kind::Gauge | Kind::Unknown | Kind::GaugeHistogram => Self::Gauge,
        }
    }
}

impl Families {
    /// Puts a value where it belongs. Returns whether its series is told, so that its end must be.
    pub(super) fn add(&mut self, catalogue: &Catalogue, target: &Target, told: &Told<'_>) -> bool {
        let (name, hasher) = (told.labels.get(NAME), self.hasher.clone());
        let resource = self.resource(told.labels, target);
        match name {
            TARGET_INFO => {
                resource::add_target_info(&mut resource.attributes, told.labels);
                return false;
            }
            SCOPE_INFO => {
                resource.add_scope_info(told.labels);
                return false;
            }
            _ => {}
        }
        let family = resource.scope(told.labels).family(name, catalogue);
        let place = family.place(told, &hasher);
        let Some(group) = family.groups.get_mut(place) else { return false };
        if group.time != told.time {
            self.drops.time += 1;
            return false;
        }
        let is_put = put(group, family.shape, &family.metadata, name, told);
        self.drops.bound += u64::from(!is_put);
        is_put
    }

    fn resource<'s>(&'s mut self, labels: &Labels, target: &Target) -> &'s mut Resource {
        let of = |name: &str| match labels.get(name) {
            "" => target.labels.get(name).to_owned(),
            said => said.to_owned(),
        };
        let key = (of(JOB), of(INSTANCE));
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                self.resources.push(Resource {
                    attributes: resource::attributes(&key.0, &key.1, target),
                    scopes: Vec::new(),
                    places: HashMap::new(),
                    scope_infos: HashMap::new(),
                });
                self.places.insert(key, self.resources.len() - 1);
                self.resources.len() - 1
            }
        };
        &mut self.resources[place]
    }
}

impl Resource {
    fn scope(&mut self, labels: &Labels) -> &mut Scope {
        let id = ScopeId::of(labels);
        let place = match self.places.get(&id) {
            Some(place) => *place,
            None => {
                let scope = Scope { id: id.clone(), families: Vec::new(), places: HashMap::new() };
                self.scopes.push(scope);
                self.places.insert(id, self.scopes.len() - 1);
                self.scopes.len() - 1
            }
        };
        &mut self.scopes[place]
    }

    /// Takes the attributes of a scope from `otel_scope_info`.
    fn add_scope_info(&mut self, labels: &Labels) {
        let mut id = ScopeId::default();
        let mut attributes = Pairs::new();
        for (name, value) in labels.iter().filter(|(name, _)| ![JOB, INSTANCE, NAME].contains(name)) {
            match name {
                "otel_scope_name" => id.name = value.to_owned(),
                "otel_scope_version" => id.version = value.to_owned(),
                "otel_scope_schema_url" => id.schema_url = value.to_owned(),
                _ => attributes.push((name.to_owned(), value.to_owned())),
            }
        }
        self.scope_infos.insert(id, attributes);
    }
}

impl ScopeId {
    fn of(labels: &Labels) -> Self {
        let mut id = Self::default();
        for (name, value) in labels.iter() {
            let Some(key) = name.strip_prefix(SCOPE) else { continue };
            match key {
                "name" => id.name = value.to_owned(),
                "version" => id.version = value.to_owned(),
                "schema_url" => id.schema_url = value.to_owned(),
                _ => id.attributes.push((key.to_owned(), value.to_owned())),
            }
        }
        id
    }

    /// Whether series said nothing of a scope.
    pub(super) fn is_absent(&self) -> bool {
        *self == Self::default()
    }
}

impl Scope {
    fn family(&mut self, series: &str, catalogue: &Catalogue) -> &mut Family {
        let place = match self.known(series, catalogue) {
            Some(place) => place,
            None => {
                let (name, metadata) = catalogue.of_series(series);
                let shape = Shape::of(metadata.kind);
                self.places.insert(name.clone(), self.families.len());
                let places = HashTable::new();
                self.families.push(Family { name, metadata, shape, groups: Vec::new(), places });
                self.families.len() - 1
            }
        };
        &mut self.families[place]
    }

    fn known(&self, series: &str, catalogue: &Catalogue) -> Option<usize> {
        if let Some(place) = self.places.get(series) {
            return Some(*place);
        }
        if catalogue.get(series).is_some() {
            return None;
        }
        let family = normalized(series);
        let is_counter = || catalogue.get(family).is_some_and(|known| known.kind == Kind::Counter);
        let place = if series.ends_with(CREATED) && is_counter() {
            self.places.get(&format!("{family}{TOTAL}"))
        } else {
            self.places.get(family)
        };
        place.copied().filter(|place| self.families[*place].includes(series))
    }
}

impl Family {
    fn includes(&self, series: &str) -> bool {
        match self.shape {
            Shape::Counter | Shape::Sum => normalized(series) == &*self.metadata.family,
            Shape::Histogram | Shape::Summary => normalized(series) == self.name,
            Shape::Gauge => series == self.name,
        }
    }

    /// Returns the place of the point that a series belongs to.
    fn place(&mut self, told: &Told<'_>, hasher: &RandomState) -> usize {
        let shape = self.shape;
        let hash = |labels: &Labels| {
            let mut state = hasher.build_hasher();
            identity(shape, labels).for_each(|label| label.hash(&mut state));
            state.finish()
        };
        let groups = &mut self.groups;
        let is_same =
            |place: &usize| identity(shape, &groups[*place].labels).eq(identity(shape, told.labels));
        let own = hash(told.labels);
        if let Some(place) = self.places.find(own, is_same) {
            return *place;
        }
        let place = groups.len();
        groups.push(Group {
            labels: Arc::clone(told.labels),
            time: told.time,
            created: 0.0,
            is_stale: false,
            value: None,
            count: None,
            sum: None,
            parts: Vec::new(),
            exemplars: Vec::new(),
        });
        self.places.insert_unique(own, place, |place| hash(&groups[*place].labels));
        place
    }
}

/// The labels that a point of this shape has as attributes.
pub(super) fn identity(shape: Shape, labels: &Labels) -> impl Iterator<Item = (&str, &str)> {
    let part = match shape {
        Shape::Histogram => LE,
        Shape::Summary => QUANTILE,
        _ => "",
    };
    labels.iter().filter(move |(name, _)| {
        let is_elsewhere = matches!(*name, NAME | JOB | INSTANCE | "__scheme__" | "__metrics_path__");
        !is_elsewhere && *name != part && !name.starts_with(SCOPE)
    })
}

/// Puts a value into a point. Returns whether it was a part of it.
fn put(group: &mut Group, shape: Shape, metadata: &Metadata, name: &str, told: &Told<'_>) -> bool {
    let is_created = || name.strip_suffix(CREATED) == Some(&*metadata.family);
    match shape {
        Shape::Gauge => settle(&mut group.value, &mut group.is_stale, told.value),
        _ if is_created() => group.created = told.value.unwrap_or(group.created),
        Shape::Counter | Shape::Sum => settle(&mut group.value, &mut group.is_stale, told.value),
        _ if name.ends_with("_sum") => group.sum = told.value.or(group.sum),
        _ if name.ends_with("_count") => settle(&mut group.count, &mut group.is_stale, told.value),
        _ => {
            let label = if shape == Shape::Histogram { LE } else { QUANTILE };
            let Ok(bound) = told.labels.get(label).parse::<f64>() else { return false };
            match group.parts.iter_mut().rev().find(|(known, _)| *known == bound) {
                Some((_, known)) => *known = told.value.or(*known),
                None => group.parts.push((bound, told.value)),
            }
        }
    }
    if let Some(raw) = told.exemplar {
        group.exemplars.extend(exemplar(raw, told.time));
    }
    true
}

/// Sets what a point stands and falls with: an end counts only where there is no value.
fn settle(known: &mut Option<f64>, is_stale: &mut bool, told: Option<f64>) {
    *is_stale = told.is_none() && (known.is_none() || *is_stale);
    *known = told.or(*known).or(Some(0.0));
}

/// Reads an exemplar. What is not right costs it alone.
fn exemplar(raw: &RawExemplar<'_>, time: i64) -> Option<Exemplar> {
    let mut labels = Pairs::new();
    labels_of(raw.labels, |name, value| labels.push((name.to_owned(), value.to_owned()))).ok()?;
    Some(Exemplar { labels, value: raw.value, time: raw.timestamp.unwrap_or(time) })
}
