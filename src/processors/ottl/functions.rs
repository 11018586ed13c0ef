//! Functions that return a value, by their names, which begin with a capital letter.

use super::{
    arguments::{Arguments, text_like},
    context::Context,
    convert::{Converter, Unit, duration, span_id, trace_id},
    expression::{Dialect, Expression, Resolver},
    fault::{Fault, unknown},
    fields::{Access, Field, Place},
    missing,
    plain::{self, Plain},
    regexes,
    syntax::{Call, Kind},
    value::Type,
};

/// A function's name and parameters; those with `?` may be left out.
pub(super) type Signature = (&'static str, &'static [&'static str]);

const SIGNATURES: [Signature; 39] = [
    ("Bool", &["target"]),
    ("Concat", &["vals", "delimiter"]),
    ("ContainsValue", &["target", "item"]),
    ("ConvertCase", &["target", "to_case"]),
    ("Double", &["target"]),
    ("Duration", &["duration"]),
    ("HasAttrKeyOnDatapoint", &["key"]),
    ("HasAttrOnDatapoint", &["key", "expected_val"]),
    ("HasPrefix", &["target", "prefix"]),
    ("HasSuffix", &["target", "suffix"]),
    ("Hours", &["duration"]),
    ("Index", &["target", "value"]),
    ("Int", &["target"]),
    ("IsBool", &["target"]),
    ("IsDouble", &["target"]),
    ("IsInt", &["target"]),
    ("IsList", &["target"]),
    ("IsMap", &["target"]),
    ("IsMatch", &["target", "pattern"]),
    ("IsRootSpan", &[]),
    ("IsString", &["target"]),
    ("Keys", &["target"]),
    ("Len", &["target"]),
    ("Microseconds", &["duration"]),
    ("Milliseconds", &["duration"]),
    ("Minutes", &["duration"]),
    ("Nanoseconds", &["duration"]),
    ("ParseJSON", &["target"]),
    ("Seconds", &["duration"]),
    ("SpanID", &["target"]),
    ("Split", &["target", "delimiter"]),
    ("String", &["target"]),
    ("Substring", &["target", "start", "length", "utf8_safe?"]),
    ("ToLowerCase", &["target"]),
    ("ToUpperCase", &["target"]),
    ("TraceID", &["target"]),
    ("Trim", &["target", "replacement?"]),
    ("TrimPrefix", &["target", "prefix"]),
    ("TrimSuffix", &["target", "suffix"]),
];

/// The rest of the table, apart for the length of lines.
const TIME_SIGNATURES: [Signature; 5] = [
    ("Unix", &["seconds", "nanoseconds?"]),
    ("UnixMicro", &["time"]),
    ("UnixMilli", &["time"]),
    ("UnixNano", &["time"]),
    ("UnixSeconds", &["time"]),
];

fn signatures() -> impl Iterator<Item = &'static Signature> {
    SIGNATURES.iter().chain(&TIME_SIGNATURES).chain(&plain::SIGNATURES)
}

/// Whether there is a function of that name in a context.
pub(super) fn is_known(name: &str, context: Context, dialect: Dialect) -> bool {
    let fits = match name {
        "IsRootSpan" => context == Context::Span,
        "HasAttrKeyOnDatapoint" | "HasAttrOnDatapoint" => {
            context == Context::Metric && dialect == Dialect::Filter
        }
        _ => true,
    };
    fits && signatures().any(|(known, _)| *known == name)
}

pub(super) fn names(context: Context, dialect: Dialect) -> Vec<&'static str> {
    signatures().map(|(name, _)| *name).filter(|name| is_known(name, context, dialect)).collect()
}

/// What the collector has and we have not, with the reason.
fn refused(name: &str) -> Option<&'static str> {
    match name {
        "Now" => {
            Some("a stage has no clock, so that the same telemetry gives the same output whenever it comes")
        }
        "UUID" | "UUIDv7" => Some("the same telemetry gives the same output here, and this would be random"),
        _ => None,
    }
}

/// Resolves a call.
///
/// *Errors*: no such function in the context, or arguments that it does not take.
pub(super) fn resolve(resolver: &mut Resolver, call: &Call) -> Result<Converter, Fault> {
    let (context, dialect) = (resolver.context, resolver.dialect);
    if let Some(reason) = refused(&call.name) {
        return Err(Fault::new(call.at, format!("{} is not supported: {reason}", call.name)));
    }
    let signature = signatures().find(|(name, _)| *name == call.name);
    let Some((name, parameters)) = signature else {
        if let Some(message) = missing::told(&call.name) {
            return Err(Fault::new(call.at, message));
        }
        return Err(Fault::new(call.at, unknown("function", &call.name, &names(context, dialect))));
    };
    if !is_known(name, context, dialect) {
        let message = format!("{name} does not exist in the context {} here", context.name());
        return Err(Fault::new(call.at, message));
    }
    let arguments = Arguments::new(call, parameters)?;
    converter(resolver, &arguments)
}

fn converter(resolver: &mut Resolver, given: &Arguments<'_>) -> Result<Converter, Fault> {
    let any = |resolver: &mut Resolver, index| given.typed(resolver, index, Type::Any);
    let text = |resolver: &mut Resolver, index| given.typed(resolver, index, Type::Text);
    let unit = |resolver: &mut Resolver, nanos, is_whole| {
        Ok(Converter::In(given.typed(resolver, 0, Type::Duration)?, Unit { nanos, is_whole }))
    };
    let since =
        |resolver: &mut Resolver, nanos| Ok(Converter::Since(given.typed(resolver, 0, Type::Time)?, nanos));
    let of = |place, field| Access { place, field, keys: Vec::new(), column: None };
    if let Some((plain, arguments)) = plain::resolve(resolver, given)? {
        return Ok(Converter::Plain(plain, arguments));
    }
    Ok(match given.function {
        "IsMatch" => Converter::IsMatch(given.text_like(resolver, 0)?, given.pattern(1, regexes::compile)?),
        "IsString" => Converter::IsOf(any(resolver, 0)?, Type::Text),
        "IsInt" => Converter::IsOf(any(resolver, 0)?, Type::Int),
        "IsDouble" => Converter::IsOf(any(resolver, 0)?, Type::Double),
        "IsBool" => Converter::IsOf(any(resolver, 0)?, Type::Bool),
        "IsMap" => Converter::IsOf(any(resolver, 0)?, Type::Map),
        "IsList" => Converter::IsOf(any(resolver, 0)?, Type::List),
        "IsRootSpan" => Converter::IsRootSpan(of(Place::Item, Field::SpanId(4))),
        "HasAttrKeyOnDatapoint" => Converter::HasAttribute {
            key: given.literal_text(0)?.to_vec(),
            value: None,
            metric: of(Place::Data, Field::MetricType),
        },
        "HasAttrOnDatapoint" => Converter::HasAttribute {
            key: given.literal_text(0)?.to_vec(),
            value: Some(given.literal_text(1)?.to_vec()),
            metric: of(Place::Data, Field::MetricType),
        },
        "Concat" => {
            let node = given.node(0)?;
            let Kind::List(items) = &node.kind else {
                return Err(Fault::new(node.at, "vals of Concat is a list: Concat([one, other], \" \")"));
            };
            let items = items.iter().map(|item| text_like(resolver, item, "Concat"));
            Converter::Concat(items.collect::<Result<_, _>>()?, text(resolver, 1)?)
        }
        "Split" => Converter::Split(text(resolver, 0)?, text(resolver, 1)?),
        "Substring" => Converter::Substring {
            target: text(resolver, 0)?,
            start: given.typed(resolver, 1, Type::Int)?,
            length: given.typed(resolver, 2, Type::Int)?,
            is_safe: given.literal_bool(3, false)?,
        },
        "Len" => {
            let target = any(resolver, 0)?;
            if !matches!(target.kind(), Type::Any | Type::Text | Type::List | Type::Map | Type::Bytes) {
                return Err(given.wrong(0, given.at, "a string, list or map", target.kind().name()));
            }
            Converter::Len(target)
        }
        "Int" => Converter::Int(any(resolver, 0)?),
        "Double" => Converter::Double(any(resolver, 0)?),
        "Bool" => Converter::Bool(any(resolver, 0)?),
        "String" => Converter::String(given.text_like(resolver, 0)?),
        "ToLowerCase" => Converter::Lower(text(resolver, 0)?),
        "ToUpperCase" => Converter::Upper(text(resolver, 0)?),
        "ConvertCase" => match given.literal_text(1)? {
            b"lower" => Converter::Lower(text(resolver, 0)?),
            b"upper" => Converter::Upper(text(resolver, 0)?),
            b"snake" => Converter::Plain(Plain::Snake, vec![text(resolver, 0)?]),
            b"camel" => Converter::Plain(Plain::Camel, vec![text(resolver, 0)?]),
            other => {
                let name = String::from_utf8_lossy(other).into_owned();
                return Err(Fault::new(
                    given.at,
                    unknown("case", &name, &["lower", "upper", "snake", "camel"]),
                ));
            }
        },
        "Trim" => {
            let letters = match given.optional(1) {
                Some(_) => String::from_utf8_lossy(given.literal_text(1)?).into_owned(),
                None => " ".to_owned(),
            };
            Converter::Trim(text(resolver, 0)?, letters)
        }
        "TrimPrefix" => Converter::TrimPrefix(text(resolver, 0)?, text(resolver, 1)?),
        "TrimSuffix" => Converter::TrimSuffix(text(resolver, 0)?, text(resolver, 1)?),
        "HasPrefix" => Converter::HasPrefix(text(resolver, 0)?, text(resolver, 1)?),
        "HasSuffix" => Converter::HasSuffix(text(resolver, 0)?, text(resolver, 1)?),
        "ContainsValue" => Converter::ContainsValue(given.typed(resolver, 0, Type::List)?, any(resolver, 1)?),
        "Index" => Converter::Index(any(resolver, 0)?, any(resolver, 1)?),
        "Keys" => Converter::Keys(given.typed(resolver, 0, Type::Map)?),
        "ParseJSON" => Converter::ParseJson(text(resolver, 0)?),
        "Duration" => {
            let target = text(resolver, 0)?;
            if let Some(written) = target.constant_text()
                && duration(written).is_none()
            {
                let message = "a duration is written like 1h30m, 1.5s or 300ms";
                return Err(Fault::new(given.node(0)?.at, message));
            }
            Converter::Duration(target)
        }
        "Nanoseconds" => unit(resolver, 1, true)?,
        "Microseconds" => unit(resolver, 1_000, true)?,
        "Milliseconds" => unit(resolver, 1_000_000, true)?,
        "Seconds" => unit(resolver, 1_000_000_000, false)?,
        "Minutes" => unit(resolver, 60_000_000_000, false)?,
        "Hours" => unit(resolver, 3_600_000_000_000, false)?,
        "UnixNano" => since(resolver, 1)?,
        "UnixMicro" => since(resolver, 1_000)?,
        "UnixMilli" => since(resolver, 1_000_000)?,
        "UnixSeconds" => since(resolver, 1_000_000_000)?,
        "Unix" => {
            let nanos = match given.optional(1) {
                Some(_) => Some(given.typed(resolver, 1, Type::Int)?),
                None => None,
            };
            Converter::Unix(given.typed(resolver, 0, Type::Int)?, nanos)
        }
        "TraceID" => {
            let target = any(resolver, 0)?;
            if let Expression::Constant(value) = &target
                && trace_id(value.clone()).is_err()
            {
                return Err(given.wrong(0, given.at, "16 bytes, or 32 hexadecimal digits", "neither"));
            }
            Converter::TraceId(target)
        }
        "SpanID" => {
            let target = any(resolver, 0)?;
            if let Expression::Constant(value) = &target
                && span_id(value.clone()).is_err()
            {
                return Err(given.wrong(0, given.at, "8 bytes, or 16 hexadecimal digits", "neither"));
            }
            Converter::SpanId(target)
        }
        other => return Err(Fault::new(given.at, format!("{other} is no function"))),
    })
}
