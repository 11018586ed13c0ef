//! Contexts: what a condition or statement is run for, and which names mean something there.

use model::Signal;

use super::{
    fault::{Fault, unknown},
    fields::{has_field, names},
    syntax::{Kind, Node, Path},
};

/// What a condition or statement is run for: once for each resource, each span ….
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Context {
    Resource,
    Scope,
    Span,
    SpanEvent,
    Metric,
    DataPoint,
    Log,
}

/// How far down a context stands; all contexts of a signal stand one below the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Depth {
    Resource,
    Scope,
    /// Spans, metrics, log records.
    Item,
    /// Events of spans, points of metrics.
    Part,
}

impl Context {
    /// The contexts of a signal, from the outermost in.
    pub(crate) const fn of(signal: Signal) -> &'static [Self] {
        match signal {
            Signal::Traces => &[Self::Resource, Self::Scope, Self::Span, Self::SpanEvent],
            Signal::Metrics => &[Self::Resource, Self::Scope, Self::Metric, Self::DataPoint],
            Signal::Logs => &[Self::Resource, Self::Scope, Self::Log],
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Span => "span",
            Self::SpanEvent => "spanevent",
            Self::Metric => "metric",
            Self::DataPoint => "datapoint",
            Self::Log => "log",
        }
    }

    /// Reads a name as paths begin with it; `instrumentation_scope` is the older one of `scope`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "resource" => Self::Resource,
            "scope" | "instrumentation_scope" => Self::Scope,
            "span" => Self::Span,
            "spanevent" => Self::SpanEvent,
            "metric" => Self::Metric,
            "datapoint" => Self::DataPoint,
            "log" => Self::Log,
            _ => return None,
        })
    }

    /// Reads the value of a key `context`.
    ///
    /// *Errors*: what may stand there.
    pub(crate) fn of_key(name: &str, signal: Signal) -> Result<Self, String> {
        let known = Self::of(signal);
        let lower = name.to_lowercase();
        let found = Self::named(&lower).filter(|context| known.contains(context));
        found.ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|context| context.name()).collect();
            unknown(&format!("context of {}", signal.name()), name, &names)
        })
    }

    pub(crate) const fn depth(self) -> Depth {
        match self {
            Self::Resource => Depth::Resource,
            Self::Scope => Depth::Scope,
            Self::Span | Self::Metric | Self::Log => Depth::Item,
            Self::SpanEvent | Self::DataPoint => Depth::Part,
        }
    }

    /// Whether paths of `other` can be read for this: its own and those of what it stands in.
    pub(super) fn sees(self, other: Self) -> bool {
        match self {
            Self::Resource => other == Self::Resource,
            Self::Scope => matches!(other, Self::Resource | Self::Scope),
            Self::Span => matches!(other, Self::Resource | Self::Scope | Self::Span),
            Self::SpanEvent => matches!(other, Self::Resource | Self::Scope | Self::Span | Self::SpanEvent),
            Self::Metric => matches!(other, Self::Resource | Self::Scope | Self::Metric),
            Self::DataPoint => {
                matches!(other, Self::Resource | Self::Scope | Self::Metric | Self::DataPoint)
            }
            Self::Log => matches!(other, Self::Resource | Self::Scope | Self::Log),
        }
    }

    /// Splits a path into what it is of and what follows. Without a name of a context before it, it is of this one.
    pub(super) fn split(self, path: &Path) -> Result<(Self, usize), Fault> {
        let Some(first) = path.segments.first() else { return Ok((self, 0)) };
        let Some(named) = Self::named(&first.name).filter(|_| path.segments.len() > 1) else {
            return Ok((self, 0));
        };
        if !first.keys.is_empty() {
            return Err(Fault::new(first.at, format!("{} has no keys", first.name)));
        }
        if !self.sees(named) {
            let message = format!("{} can not be reached from the context {}", named.name(), self.name());
            return Err(Fault::new(first.at, message));
        }
        Ok((named, 1))
    }
}

/// Contexts in the order in which one is chosen.
const PREFERRED: [Context; 7] = [
    Context::Log,
    Context::DataPoint,
    Context::Metric,
    Context::SpanEvent,
    Context::Span,
    Context::Scope,
    Context::Resource,
];

/// Finds out what conditions or statements are meant for by the paths, functions and enumerations that they name.
///
/// The innermost context that a path begins with is taken; when a function or an enumeration is unknown there, the
/// first further in that has it.
///
/// *Errors*: a path without a context before it, one of another signal, or no path at all.
pub(super) fn inferred<'n>(
    nodes: impl Iterator<Item = &'n Node> + Clone,
    signal: Signal,
    has_function: impl Fn(&str, Context) -> bool,
) -> Result<Context, Fault> {
    let known = Context::of(signal);
    let (mut contexts, mut functions, mut names, mut fault) = (Vec::new(), Vec::new(), Vec::new(), None);
    for node in nodes {
        node.walk(&mut |part| match &part.kind {
            Kind::Path(path) => match context_of(path, known, signal) {
                Ok(context) => contexts.push(context),
                Err(found) => fault = fault.take().or(Some(found)),
            },
            Kind::Call(call) => functions.push(call.name.as_str()),
            Kind::Name(name) => names.push(name.as_str()),
            _ => {}
        });
    }
    if let Some(fault) = fault {
        return Err(fault);
    }
    let Some(first) = PREFERRED.into_iter().find(|context| contexts.contains(context)) else {
        let known: Vec<_> = known.iter().map(|context| context.name()).collect();
        let message = format!(
            "it names nothing of the telemetry, so that it is not known what it is meant for; \
             set the key context to one of {}",
            known.join(", ")
        );
        return Err(Fault::new(0, message));
    };
    let fits = |context: Context| {
        functions.iter().all(|name| has_function(name, context))
            && names.iter().all(|name| has_function(name, context) || symbol(name, context).is_some())
    };
    // When nothing fits, the complaint about the function or name says more than one about the context.
    let further_in = PREFERRED
        .into_iter()
        .filter(|context| known.contains(context) && context.sees(first) && *context != first);
    Ok(std::iter::once(first).chain(further_in).find(|context| fits(*context)).unwrap_or(first))
}

fn context_of(path: &Path, known: &[Context], signal: Signal) -> Result<Context, Fault> {
    let Some(first) = path.segments.first() else {
        return Err(Fault::new(0, "expected a path"));
    };
    match Context::named(&first.name) {
        Some(context) if known.contains(&context) => Ok(context),
        Some(context) => {
            Err(Fault::new(first.at, format!("{} is nothing of {}", context.name(), signal.name())))
        }
        None => {
            let has = |context: &&Context| first.name == "cache" || has_field(**context, &first.name);
            let ways = |name: &str, known: Vec<&Context>| {
                let ways: Vec<_> = known.iter().map(|it| format!("{}.{name}", it.name())).collect();
                ways.join(", ")
            };
            let having: Vec<_> = known.iter().filter(has).collect();
            if !having.is_empty() {
                let message =
                    format!("say of what {} is: write one of {}", first.name, ways(&first.name, having));
                return Err(Fault::new(first.at, message));
            }
            let names: Vec<_> = known.iter().flat_map(|context| names(*context)).copied().collect();
            let message = match config::did_you_mean(&first.name, names.iter().copied()) {
                Some(near) => {
                    let having = known.iter().filter(|context| has_field(**context, near)).collect();
                    format!(
                        "{} is no field of {}, did you mean {near}? write one of {}",
                        first.name,
                        signal.name(),
                        ways(near, having)
                    )
                }
                None => format!(
                    "{} is no field of {}; a path begins with one of {}",
                    first.name,
                    signal.name(),
                    known.iter().map(|context| context.name()).collect::<Vec<_>>().join(", ")
                ),
            };
            Err(Fault::new(first.at, message))
        }
    }
}

const TRACE_SYMBOLS: [(&str, i64); 9] = [
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
    ("STATUS_CODE_UNSET", 0),
    ("STATUS_CODE_OK", 1),
    ("STATUS_CODE_ERROR", 2),
];

const METRIC_SYMBOLS: [(&str, i64); 9] = [
    ("METRIC_DATA_TYPE_NONE", 0),
    ("METRIC_DATA_TYPE_GAUGE", 1),
    ("METRIC_DATA_TYPE_SUM", 2),
    ("METRIC_DATA_TYPE_HISTOGRAM", 3),
    ("METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM", 4),
    ("METRIC_DATA_TYPE_SUMMARY", 5),
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];

const POINT_SYMBOLS: [(&str, i64); 2] = [("FLAG_NONE", 0), ("FLAG_NO_RECORDED_VALUE", 1)];

/// Severities in ascending order, four steps each.
const SEVERITIES: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// Returns the number that a name in capitals stands for.
pub(super) fn symbol(name: &str, context: Context) -> Option<i64> {
    let of =
        |table: &[(&str, i64)]| table.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    match context {
        Context::Span | Context::SpanEvent => of(&TRACE_SYMBOLS),
        Context::Metric => of(&METRIC_SYMBOLS),
        Context::DataPoint => of(&METRIC_SYMBOLS).or_else(|| of(&POINT_SYMBOLS)),
        Context::Log => severity(name),
        Context::Resource | Context::Scope => None,
    }
}

fn severity(name: &str) -> Option<i64> {
    let name = name.strip_prefix("SEVERITY_NUMBER_")?;
    if name == "UNSPECIFIED" {
        return Some(0);
    }
    let (place, severity) =
        SEVERITIES.iter().enumerate().find(|(_, severity)| name.starts_with(**severity))?;
    let step = match name.strip_prefix(severity)? {
        "" => 1,
        "2" => 2,
        "3" => 3,
        "4" => 4,
        _ => return None,
    };
    Some(place as i64 * 4 + step)
}

/// Returns the names in capitals that mean something in a context; of severities the first of four steps each.
pub(super) fn symbols(context: Context) -> Vec<String> {
    let names = |table: &[(&str, i64)]| table.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    match context {
        Context::Span | Context::SpanEvent => names(&TRACE_SYMBOLS),
        Context::Metric => names(&METRIC_SYMBOLS),
        Context::DataPoint => [names(&METRIC_SYMBOLS), names(&POINT_SYMBOLS)].concat(),
        Context::Log => {
            let severity = |name: &str| format!("SEVERITY_NUMBER_{name}");
            let names = SEVERITIES.iter().map(|name| severity(name));
            std::iter::once(severity("UNSPECIFIED")).chain(names).collect()
        }
        Context::Resource | Context::Scope => Vec::new(),
    }
}
