//! Expressions and conditions whose names are resolved: what is run for each item.

use model::KeySet;

use super::{
    compare::compare,
    context::{Context, symbol, symbols},
    convert::Converter,
    fault::{Fault, unknown},
    fields::{Access, Place},
    functions,
    item::{Item, entry},
    matching::Asked,
    syntax::{Arithmetic, Comparison, Key, Kind, Node},
    value::{Failure, Map, Type, Value},
};

/// Something with a value.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Constant(Value<'static>),
    Read(Access),
    /// A function's result, or what its keys lead to.
    Call(Box<Converter>, Vec<Key>),
    List(Vec<Self>),
    Map(Vec<(Vec<u8>, Self)>),
    Minus(Box<Self>),
    Chain(Box<Self>, Vec<(Arithmetic, Self)>),
}

/// Something that holds or not.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Constant(bool),
    Compare(Comparison, Expression, Expression),
    Call(Expression),
    /// What `include` and `exclude` ask of a field.
    Asks(Access, Box<Asked>),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// Looks at the resource and the scope alone: judged once for all items in them, and known by its number.
    Shared(usize, Box<Self>),
}

/// Which functions there are beside the common ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    Filter,
    Transform,
}

/// Resolves names.
pub(super) struct Resolver {
    pub(super) context: Context,
    pub(super) dialect: Dialect,
    /// How many conditions are shared by the items of a scope.
    pub(super) n_shared: usize,
    /// What is legal and probably a mistake.
    pub(super) doubts: Vec<Fault>,
}

impl Resolver {
    pub(super) fn condition(&mut self, node: &Node) -> Result<Condition, Fault> {
        let condition = match &node.kind {
            Kind::Bool(flag) => Condition::Constant(*flag),
            Kind::Not(inner) => Condition::Not(Box::new(self.condition(inner)?)),
            Kind::All(parts) => Condition::All(self.conditions(parts)?),
            Kind::Any(parts) => Condition::Any(self.conditions(parts)?),
            Kind::Compare(comparison, left, right) => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                self.doubt(node.at, &left, &right);
                self.shared(Condition::Compare(*comparison, left, right))
            }
            Kind::Call(call) => {
                let expression = self.expression(node)?;
                if !matches!(expression.kind(), Type::Bool | Type::Any) {
                    let message = format!(
                        "{} returns {}, which is no condition; compare it",
                        call.name,
                        expression.kind().name()
                    );
                    return Err(Fault::new(node.at, message));
                }
                self.shared(Condition::Call(expression))
            }
            _ => {
                return Err(Fault::new(
                    node.at,
                    "a value alone is no condition, compare it: == true, != nil",
                ));
            }
        };
        Ok(condition)
    }

    fn conditions(&mut self, parts: &[Node]) -> Result<Vec<Condition>, Fault> {
        parts.iter().map(|part| self.condition(part)).collect()
    }

    pub(super) fn shared(&mut self, mut condition: Condition) -> Condition {
        let mut deepest = None;
        condition.each_access(&mut |access| deepest = deepest.max(Some(access.place)));
        if deepest.is_none_or(|place| place > Place::Scope) || self.context == Context::Resource {
            return condition;
        }
        self.n_shared += 1;
        Condition::Shared(self.n_shared - 1, Box::new(condition))
    }

    /// Tells of comparisons that can not hold.
    fn doubt(&mut self, at: usize, left: &Expression, right: &Expression) {
        let (a, b) = (left.kind(), right.kind());
        let is_open = |kind: Type| matches!(kind, Type::Any | Type::Nil);
        if a == b || is_open(a) || is_open(b) || (a.is_number() && b.is_number()) {
            return;
        }
        let message = format!("{} is never equal to {}", a.name(), b.name());
        self.doubts.push(Fault::new(at, message));
    }

    pub(super) fn expression(&mut self, node: &Node) -> Result<Expression, Fault> {
        Ok(match &node.kind {
            Kind::Nil => Expression::Constant(Value::Nil),
            Kind::Bool(flag) => Expression::Constant(Value::Bool(*flag)),
            Kind::Int(number) => Expression::Constant(Value::Int(*number)),
            Kind::Double(number) => Expression::Constant(Value::Double(*number)),
            Kind::Text(text) => Expression::Constant(Value::text(text.clone())),
            Kind::Bytes(bytes) => Expression::Constant(Value::Bytes(bytes.clone().into())),
            Kind::Name(name) => Expression::Constant(Value::Int(self.symbol(node.at, name)?)),
            Kind::Path(path) => Expression::Read(Access::new(self.context, path)?),
            Kind::Call(call) => {
                let converter = functions::resolve(self, call)?;
                Expression::Call(Box::new(converter), call.keys.clone())
            }
            Kind::List(items) => {
                Expression::List(items.iter().map(|item| self.item(item)).collect::<Result<_, _>>()?)
            }
            Kind::Map(entries) => Expression::Map(
                entries
                    .iter()
                    .map(|(key, node)| Ok((key.clone(), self.item(node)?)))
                    .collect::<Result<_, Fault>>()?,
            ),
            Kind::Minus(inner) => Expression::Minus(Box::new(self.number(inner)?)),
            Kind::Chain(first, rest) => {
                let first = self.number(first)?;
                let rest = rest.iter().map(|(operator, node)| Ok((*operator, self.number(node)?)));
                Expression::Chain(Box::new(first), rest.collect::<Result<_, Fault>>()?)
            }
            Kind::Compare(..) | Kind::Not(_) | Kind::All(_) | Kind::Any(_) => {
                return Err(Fault::new(node.at, "expected a value, and this is a condition"));
            }
        })
    }

    /// Resolves what stands in a list or map, where only values of attributes can stand.
    fn item(&mut self, node: &Node) -> Result<Expression, Fault> {
        let expression = self.expression(node)?;
        match expression.kind() {
            kind @ (Type::Time | Type::Duration | Type::TraceId | Type::SpanId) => {
                Err(Fault::new(node.at, format!("{} can not stand in a list or map", kind.name())))
            }
            _ => Ok(expression),
        }
    }

    fn number(&mut self, node: &Node) -> Result<Expression, Fault> {
        let expression = self.expression(node)?;
        match expression.kind() {
            Type::Any | Type::Int | Type::Double | Type::Time | Type::Duration => Ok(expression),
            other => {
                let message =
                    format!("one calculates with numbers, times and durations; this is {}", other.name());
                Err(Fault::new(node.at, message))
            }
        }
    }

    fn symbol(&self, at: usize, name: &str) -> Result<i64, Fault> {
        symbol(name, self.context).ok_or_else(|| {
            if functions::names(self.context, self.dialect).contains(&name) {
                return Fault::new(at, format!("{name} is a function, give it arguments: {name}(…)"));
            }
            let known = symbols(self.context);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            if known.is_empty() {
                let message = format!("{name} means nothing in the context {}", self.context.name());
                return Fault::new(at, message);
            }
            Fault::new(at, unknown(&format!("name in the context {}", self.context.name()), name, &known))
        })
    }
}

impl Expression {
    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Constant(value) => value.kind(),
            Self::Read(access) => access.kind(),
            Self::Call(converter, keys) if keys.is_empty() => converter.kind(),
            Self::Call(..) => Type::Any,
            Self::List(_) => Type::List,
            Self::Map(_) => Type::Map,
            Self::Minus(inner) => inner.kind(),
            Self::Chain(first, rest) => rest.iter().fold(first.kind(), |left, (operator, right)| {
                match (left, operator, right.kind()) {
                    (Type::Int, _, Type::Int) => Type::Int,
                    (Type::Double, _, Type::Int | Type::Double) | (Type::Int, _, Type::Double) => {
                        Type::Double
                    }
                    (Type::Time, Arithmetic::Subtract, Type::Time) => Type::Duration,
                    (Type::Duration, _, Type::Duration) => Type::Duration,
                    (Type::Time, _, Type::Duration) => Type::Time,
                    _ => Type::Any,
                }
            }),
        }
    }

    /// Returns the constant when it is a string.
    pub(super) fn constant_text(&self) -> Option<&[u8]> {
        match self {
            Self::Constant(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn value<'i>(&'i self, item: &'i Item<'_>) -> Result<Value<'i>, Failure> {
        match self {
            Self::Constant(value) => Ok(borrowed(value)),
            Self::Read(access) => item.read(access),
            Self::Call(converter, keys) => {
                let value = converter.value(item)?;
                if keys.is_empty() { Ok(value) } else { entry(value, keys) }
            }
            Self::List(items) => {
                let mut list = Vec::new();
                for expression in items {
                    let element = expression.value(item)?.encode()?;
                    list.extend_from_slice(&super::value::wrapped(1, &element));
                }
                Ok(Value::List(list.into()))
            }
            Self::Map(entries) => {
                let mut message = Vec::new();
                for (key, expression) in entries {
                    let value = expression.value(item)?.encode()?;
                    super::item::put_entries(&mut message, 1, [(&key[..], &value[..])].into_iter());
                }
                Ok(Value::Map(Map { message: message.into(), number: 1 }))
            }
            Self::Minus(inner) => match inner.value(item)? {
                Value::Int(number) => Ok(Value::Int(number.wrapping_neg())),
                Value::Double(number) => Ok(Value::Double(-number)),
                _ => Err(Failure("only numbers have a negative")),
            },
            Self::Chain(first, rest) => {
                let mut left = first.value(item)?;
                for (operator, right) in rest {
                    left = calculated(*operator, &left, &right.value(item)?)?;
                }
                Ok(left)
            }
        }
    }

    pub(super) fn each_access(&mut self, see: &mut dyn FnMut(&mut Access)) {
        match self {
            Self::Constant(_) => {}
            Self::Read(access) => see(access),
            Self::Call(converter, _) => converter.each_access(see),
            Self::List(items) => items.iter_mut().for_each(|item| item.each_access(see)),
            Self::Map(entries) => entries.iter_mut().for_each(|(_, item)| item.each_access(see)),
            Self::Minus(inner) => inner.each_access(see),
            Self::Chain(first, rest) => {
                first.each_access(see);
                rest.iter_mut().for_each(|(_, item)| item.each_access(see));
            }
        }
    }
}

fn borrowed<'v>(value: &'v Value<'static>) -> Value<'v> {
    match value {
        Value::Text(text) => Value::Text(std::borrow::Cow::Borrowed(text)),
        Value::Bytes(bytes) => Value::Bytes(std::borrow::Cow::Borrowed(bytes)),
        other => other.clone(),
    }
}

fn calculated(operator: Arithmetic, left: &Value<'_>, right: &Value<'_>) -> Result<Value<'static>, Failure> {
    const BY_ZERO: Failure = Failure("a division by zero");
    let doubles = |a: f64, b: f64| match operator {
        Arithmetic::Add => Ok(Value::Double(a + b)),
        Arithmetic::Subtract => Ok(Value::Double(a - b)),
        Arithmetic::Multiply => Ok(Value::Double(a * b)),
        Arithmetic::Divide if b == 0.0 => Err(BY_ZERO),
        Arithmetic::Divide => Ok(Value::Double(a / b)),
    };
    match (left, operator, right) {
        (Value::Int(a), _, Value::Int(b)) => match operator {
            Arithmetic::Add => Ok(Value::Int(a.wrapping_add(*b))),
            Arithmetic::Subtract => Ok(Value::Int(a.wrapping_sub(*b))),
            Arithmetic::Multiply => Ok(Value::Int(a.wrapping_mul(*b))),
            Arithmetic::Divide if *b == 0 => Err(BY_ZERO),
            Arithmetic::Divide => Ok(Value::Int(a.wrapping_div(*b))),
        },
        (Value::Int(a), _, Value::Double(b)) => doubles(*a as f64, *b),
        (Value::Double(a), _, Value::Int(b)) => doubles(*a, *b as f64),
        (Value::Double(a), _, Value::Double(b)) => doubles(*a, *b),
        (Value::Time(a, _), Arithmetic::Subtract, Value::Time(b, _)) => {
            Ok(Value::Duration(a.saturating_sub(*b)))
        }
        (Value::Time(a, zone), Arithmetic::Add, Value::Duration(b))
        | (Value::Duration(b), Arithmetic::Add, Value::Time(a, zone)) => {
            Ok(Value::Time(a.wrapping_add(*b), zone.clone()))
        }
        (Value::Time(a, zone), Arithmetic::Subtract, Value::Duration(b)) => {
            Ok(Value::Time(a.wrapping_sub(*b), zone.clone()))
        }
        (Value::Duration(a), Arithmetic::Add, Value::Duration(b)) => Ok(Value::Duration(a.wrapping_add(*b))),
        (Value::Duration(a), Arithmetic::Subtract, Value::Duration(b)) => {
            Ok(Value::Duration(a.wrapping_sub(*b)))
        }
        _ => Err(Failure("these values can not be calculated with each other")),
    }
}

/// Goes through the parts of a condition up to one that decides it, as long as it can be said of all items.
fn first_that_is(deciding: bool, parts: &[Condition], item: &mut Item<'_>) -> Option<bool> {
    for part in parts {
        if part.of_all_items(item)? == deciding {
            return Some(deciding);
        }
    }
    Some(!deciding)
}

impl Condition {
    /// Judges an item.
    ///
    /// *Errors*: of the part that decides; what comes after it is not looked at.
    pub(super) fn holds(&self, item: &mut Item<'_>) -> Result<bool, Failure> {
        match self {
            Self::Constant(flag) => Ok(*flag),
            Self::Compare(comparison, left, right) => {
                Ok(compare(&left.value(item)?, &right.value(item)?, *comparison))
            }
            Self::Call(expression) => match expression.value(item)? {
                Value::Bool(flag) => Ok(flag),
                _ => Err(Failure("the function did not return true or false")),
            },
            Self::Asks(access, asked) => Ok(asked.holds(&item.read(access)?)),
            Self::Not(inner) => Ok(!inner.holds(item)?),
            Self::All(parts) => {
                for part in parts {
                    if !part.holds(item)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(parts) => {
                for part in parts {
                    if part.holds(item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Shared(number, inner) => match item.known(*number) {
                Some(holds) => Ok(holds),
                None => {
                    let holds = inner.holds(item)?;
                    item.learn(*number, holds);
                    Ok(holds)
                }
            },
        }
    }

    /// Tells what it gives for all items of the scope that `item` stands at; none where the items decide, or where it fails
    /// before they could.
    pub(super) fn of_all_items(&self, item: &mut Item<'_>) -> Option<bool> {
        match self {
            Self::Constant(flag) => Some(*flag),
            Self::Shared(..) => self.holds(item).ok(),
            Self::Not(inner) => inner.of_all_items(item).map(|holds| !holds),
            Self::All(parts) => first_that_is(false, parts, item),
            Self::Any(parts) => first_that_is(true, parts, item),
            Self::Compare(..) | Self::Call(_) | Self::Asks(..) => None,
        }
    }

    pub(super) fn each_access(&mut self, see: &mut dyn FnMut(&mut Access)) {
        match self {
            Self::Constant(_) => {}
            Self::Compare(_, left, right) => {
                left.each_access(see);
                right.each_access(see);
            }
            Self::Call(expression) => expression.each_access(see),
            Self::Asks(access, _) => see(access),
            Self::Not(inner) | Self::Shared(_, inner) => inner.each_access(see),
            Self::All(parts) | Self::Any(parts) => parts.iter_mut().for_each(|part| part.each_access(see)),
        }
    }

    /// Asks the walk over trace requests to look for the attributes of spans that are read.
    pub(super) fn want(&mut self, keys: &mut KeySet) {
        self.each_access(&mut |access| access.want(keys));
    }
}
