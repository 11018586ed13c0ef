//! The arguments of a call, sorted to parameters and resolved as these want them.

use regex::bytes::Regex;

use super::{
    expression::{Expression, Resolver},
    fault::{Fault, unknown},
    fields::Access,
    syntax::{Argument, Call, Kind, Node},
    value::Type,
};

/// The arguments of a call by parameter.
pub(super) struct Arguments<'n> {
    pub(super) function: &'n str,
    pub(super) at: usize,
    parameters: &'static [&'static str],
    given: Vec<Option<&'n Node>>,
}

impl<'n> Arguments<'n> {
    /// Sorts arguments to parameters: first those by place, then those by name.
    ///
    /// *Errors*: too many, too few, a name that is none.
    pub(super) fn new(call: &'n Call, parameters: &'static [&'static str]) -> Result<Self, Fault> {
        let mut given = vec![None; parameters.len()];
        let mut by_name = false;
        for (index, Argument { name, value }) in call.arguments.iter().enumerate() {
            let place = match name {
                None if by_name => {
                    return Err(Fault::new(
                        value.at,
                        "an argument without a name stands before those with one",
                    ));
                }
                None => Some(index).filter(|index| *index < parameters.len()),
                Some(name) => {
                    by_name = true;
                    let plain: Vec<_> = parameters.iter().map(|known| known.trim_end_matches('?')).collect();
                    let found = plain.iter().position(|known| known == name);
                    if found.is_none() {
                        let what = format!("parameter of {}", call.name);
                        return Err(Fault::new(value.at, unknown(&what, name, &plain)));
                    }
                    found
                }
            };
            let Some(place) = place else {
                return Err(Fault::new(
                    value.at,
                    format!("too many arguments: {}", usage(&call.name, parameters)),
                ));
            };
            if given[place].replace(value).is_some() {
                return Err(Fault::new(value.at, format!("{} is given twice", parameters[place])));
            }
        }
        let missing =
            parameters.iter().zip(&given).find(|(name, given)| given.is_none() && !name.ends_with('?'));
        if let Some((name, _)) = missing {
            let message = format!("{name} is missing: {}", usage(&call.name, parameters));
            return Err(Fault::new(call.at, message));
        }
        Ok(Self { function: &call.name, at: call.at, parameters, given })
    }

    pub(super) fn optional(&self, index: usize) -> Option<&'n Node> {
        self.given.get(index).copied().flatten()
    }

    pub(super) fn node(&self, index: usize) -> Result<&'n Node, Fault> {
        self.optional(index).ok_or_else(|| Fault::new(self.at, "an argument is missing"))
    }

    pub(super) fn wrong(&self, index: usize, at: usize, wanted: &str, found: &str) -> Fault {
        let name = self.parameters.get(index).map_or("", |name| name.trim_end_matches('?'));
        Fault::new(at, format!("{name} of {} must be {wanted}, and this is {found}", self.function))
    }

    /// Resolves an argument that must be of a type, as far as that is known.
    pub(super) fn typed(
        &self,
        resolver: &mut Resolver,
        index: usize,
        wanted: Type,
    ) -> Result<Expression, Fault> {
        let node = self.node(index)?;
        let expression = resolver.expression(node)?;
        match expression.kind() {
            Type::Any => Ok(expression),
            kind if kind == wanted || wanted == Type::Any => Ok(expression),
            kind => Err(self.wrong(index, node.at, wanted.name(), kind.name())),
        }
    }

    /// Resolves an argument of which a text can be made.
    pub(super) fn text_like(&self, resolver: &mut Resolver, index: usize) -> Result<Expression, Fault> {
        let node = self.node(index)?;
        text_like(resolver, node, self.function)
    }

    /// Reads an argument that must be written out.
    pub(super) fn literal_text(&self, index: usize) -> Result<&'n [u8], Fault> {
        let node = self.node(index)?;
        match &node.kind {
            Kind::Text(text) => Ok(text),
            _ => Err(self.wrong(index, node.at, "a string that is written out", "something else")),
        }
    }

    pub(super) fn literal_int(&self, index: usize) -> Result<i64, Fault> {
        let node = self.node(index)?;
        match &node.kind {
            Kind::Int(number) => Ok(*number),
            _ => Err(self.wrong(index, node.at, "an integer that is written out", "something else")),
        }
    }

    pub(super) fn literal_bool(&self, index: usize, default: bool) -> Result<bool, Fault> {
        match self.optional(index) {
            None => Ok(default),
            Some(Node { kind: Kind::Bool(flag), .. }) => Ok(*flag),
            Some(node) => Err(self.wrong(index, node.at, "true or false", "something else")),
        }
    }

    /// Compiles an argument that is a pattern.
    pub(super) fn pattern(
        &self,
        index: usize,
        compile: fn(&[u8]) -> Result<Regex, String>,
    ) -> Result<Regex, Fault> {
        let at = self.node(index)?.at;
        compile(self.literal_text(index)?).map_err(|message| Fault::new(at, message))
    }

    /// Resolves the path of something that is changed.
    pub(super) fn path(&self, resolver: &Resolver, index: usize) -> Result<Access, Fault> {
        let node = self.node(index)?;
        match &node.kind {
            Kind::Path(path) => Access::new(resolver.context, path),
            _ => Err(self.wrong(index, node.at, "a path, such as attributes[\"key\"]", "something else")),
        }
    }
}

/// Resolves a value of which a text can be made.
pub(super) fn text_like(resolver: &mut Resolver, node: &Node, function: &str) -> Result<Expression, Fault> {
    let expression = resolver.expression(node)?;
    match expression.kind() {
        kind @ (Type::TraceId | Type::SpanId) => {
            let message =
                format!("{function} takes text and this is {}, add .string to the path", kind.name());
            Err(Fault::new(node.at, message))
        }
        Type::Time => Err(Fault::new(node.at, format!("{function} takes text and this is a time"))),
        _ => Ok(expression),
    }
}

fn usage(name: &str, parameters: &[&str]) -> String {
    format!("write {name}({})", parameters.join(", "))
}
