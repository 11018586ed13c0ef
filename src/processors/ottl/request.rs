//! Conditions about the head of a request: the collector's contexts `request` and `otelcol`.

use component::{Metadata, MetadataSource};

use super::{
    fault::Fault,
    fork::Rule,
    syntax::{self, Call, Comparison, Key, Kind, Node, Path},
};

/// Asks what a sender has said of a request as a whole.
pub(crate) struct RequestRule {
    asks: Asks,
}

/// The contexts that a key `context` may name for one.
pub(crate) const REQUEST_CONTEXTS: [&str; 2] = ["request", "otelcol"];

enum Asks {
    Is(bool),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// Whether a header is this text, or is there at all.
    Compares {
        header: Header,
        is_equal: bool,
        to: Option<Vec<u8>>,
    },
    Matches(Header, regex::bytes::Regex),
}

struct Header {
    source: MetadataSource,
    /// In lower case.
    name: String,
    /// Which of several; none for any of them.
    place: Option<usize>,
}

const HOW: &str = "of a request can be asked request[\"name\"] in the context request, otelcol.client.metadata[\"name\"] and \
     otelcol.grpc.metadata[\"name\"]";

const COMPARED: &str = "a header is compared by == or != with a text or nil, or by IsMatch with a pattern";

impl RequestRule {
    /// Reads a rule that is about the head of a request, by its context or by what it asks; none for one that is about
    /// what is in the request.
    ///
    /// *Errors*: what is wrong with it.
    pub(crate) fn read(rule: Rule<'_>, context: Option<&str>) -> Result<Option<Self>, String> {
        let told = |fault: Fault| fault.told(rule.text());
        let condition = match rule {
            Rule::Condition(text) => syntax::condition(text).map_err(told)?,
            Rule::Statement(text) => {
                let statement = syntax::statement(text).map_err(told)?;
                let always = Node { at: 0, kind: Kind::Bool(true) };
                let condition = statement.condition.unwrap_or(always);
                if !is_about_request(&condition, context) {
                    return Ok(None);
                }
                if statement.editor.name != "route" || !statement.editor.arguments.is_empty() {
                    let message = "of a request nothing but route() can be asked for";
                    return Err(told(Fault::new(statement.editor.at, message)));
                }
                condition
            }
        };
        if !is_about_request(&condition, context) {
            return Ok(None);
        }
        Ok(Some(Self { asks: Asks::of(&condition).map_err(told)? }))
    }

    /// Returns the headers that it reads, in lower case.
    pub(crate) fn headers(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.asks.name_headers(&mut names);
        names
    }

    pub(crate) fn holds(&self, metadata: &Metadata) -> bool {
        self.asks.holds(metadata)
    }
}

fn is_about_request(condition: &Node, context: Option<&str>) -> bool {
    match context {
        Some(context) => REQUEST_CONTEXTS.contains(&context),
        // `request` alone may be a field of something else.
        None => {
            let mut is_about = false;
            condition.walk(&mut |part| {
                is_about |= matches!(&part.kind, Kind::Path(path) if path.segments.first().is_some_and(|it| it.name == "otelcol"));
            });
            is_about
        }
    }
}

impl Asks {
    fn of(node: &Node) -> Result<Self, Fault> {
        let all = |parts: &[Node]| parts.iter().map(Self::of).collect::<Result<Vec<_>, _>>();
        match &node.kind {
            Kind::Bool(is) => Ok(Self::Is(*is)),
            Kind::Not(inner) => Ok(Self::Not(Box::new(Self::of(inner)?))),
            Kind::All(parts) => all(parts).map(Self::All),
            Kind::Any(parts) => all(parts).map(Self::Any),
            Kind::Compare(comparison, left, right) => Self::comparison(node.at, *comparison, left, right),
            Kind::Call(call) => Self::call(call),
            _ => Err(Fault::new(node.at, COMPARED)),
        }
    }

    fn comparison(at: usize, comparison: Comparison, left: &Node, right: &Node) -> Result<Self, Fault> {
        let is_equal = match comparison {
            Comparison::Equal => true,
            Comparison::NotEqual => false,
            _ => return Err(Fault::new(at, COMPARED)),
        };
        let (path, other) = match (&left.kind, &right.kind) {
            (Kind::Path(path), _) => (path, right),
            (_, Kind::Path(path)) => (path, left),
            _ => return Err(Fault::new(at, COMPARED)),
        };
        let header = Header::of(path)?;
        let to = match &other.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Nil => None,
            _ => return Err(Fault::new(other.at, COMPARED)),
        };
        Ok(Self::Compares { header, is_equal, to })
    }

    fn call(call: &Call) -> Result<Self, Fault> {
        match (call.name.as_str(), call.arguments.as_slice()) {
            ("IsMatch", [target, pattern]) => {
                let Kind::Path(path) = &target.value.kind else {
                    return Err(Fault::new(target.value.at, HOW));
                };
                let Kind::Text(text) = &pattern.value.kind else {
                    return Err(Fault::new(pattern.value.at, "the pattern must be a text"));
                };
                let pattern =
                    super::regexes::compile(text).map_err(|problem| Fault::new(pattern.value.at, problem))?;
                Ok(Self::Matches(Header::of(path)?, pattern))
            }
            _ => Err(Fault::new(call.at, COMPARED)),
        }
    }

    fn name_headers(&self, names: &mut Vec<String>) {
        match self {
            Self::Is(_) => {}
            Self::Not(inner) => inner.name_headers(names),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.name_headers(names)),
            Self::Compares { header, .. } | Self::Matches(header, _) => names.push(header.name.clone()),
        }
    }

    fn holds(&self, metadata: &Metadata) -> bool {
        match self {
            Self::Is(is) => *is,
            Self::Not(inner) => !inner.holds(metadata),
            Self::All(parts) => parts.iter().all(|part| part.holds(metadata)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(metadata)),
            Self::Compares { header, is_equal, to } => header.compares(metadata, *is_equal, to.as_deref()),
            Self::Matches(header, pattern) => {
                header.values(metadata).any(|value| pattern.is_match(value.as_bytes()))
            }
        }
    }
}

impl Header {
    fn of(path: &Path) -> Result<Self, Fault> {
        let segments: Vec<_> =
            path.segments.iter().map(|segment| (segment.name.as_str(), segment.keys.as_slice())).collect();
        let at = path.segments.first().map_or(0, |first| first.at);
        let (source, keys) = match segments.as_slice() {
            [("request", keys)] => (MetadataSource::Either, *keys),
            [("otelcol", []), ("client", []), ("metadata", keys)] => (MetadataSource::Client, *keys),
            [("otelcol", []), ("grpc", []), ("metadata", keys)] => (MetadataSource::Grpc, *keys),
            _ => return Err(Fault::new(at, HOW)),
        };
        let (name, place) = match (source, keys) {
            (MetadataSource::Either, [Key::Text(name)]) => (name, None),
            (MetadataSource::Client | MetadataSource::Grpc, [Key::Text(name)]) => (name, Some(0)),
            (MetadataSource::Client | MetadataSource::Grpc, [Key::Text(name), Key::Index(place)])
                if *place >= 0 =>
            {
                (name, usize::try_from(*place).ok())
            }
            _ => return Err(Fault::new(at, HOW)),
        };
        Ok(Self { source, name: String::from_utf8_lossy(name).to_ascii_lowercase(), place })
    }

    fn values<'m>(&self, metadata: &'m Metadata) -> impl Iterator<Item = &'m str> {
        let (skip, take) = self.place.map_or((0, usize::MAX), |place| (place, 1));
        metadata.values(self.source, &self.name).skip(skip).take(take)
    }

    /// One that is not there is nil. Of all values any may be the one; where there is none, none is another either.
    fn compares(&self, metadata: &Metadata, is_equal: bool, to: Option<&[u8]>) -> bool {
        let mut values = self.values(metadata);
        match (to, self.place) {
            (None, _) => values.next().is_none() == is_equal,
            (Some(text), None) => values.any(|value| (value.as_bytes() == text) == is_equal),
            (Some(text), Some(_)) => (values.next().map(str::as_bytes) == Some(text)) == is_equal,
        }
    }
}
