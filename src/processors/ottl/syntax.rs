//! The language as text: what is written, before it is known whether the names mean something.

use super::{
    fault::Fault,
    lexer::{Token, tokens},
};

/// A part of the text and where it begins.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    Nil,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    /// A word in capitals: an enumeration, or a function that is handed over.
    Name(String),
    Path(Path),
    Call(Call),
    List(Vec<Node>),
    Map(Vec<(Vec<u8>, Node)>),
    Minus(Box<Node>),
    /// Operators of one rank, from left to right.
    Chain(Box<Node>, Vec<(Arithmetic, Node)>),
    Compare(Comparison, Box<Node>, Box<Node>),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// `span.attributes["a"][0]`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Path {
    pub(super) segments: Vec<Segment>,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Segment {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) keys: Vec<Key>,
}

/// What stands in brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Key {
    Text(Vec<u8>),
    Index(i64),
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Call {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) keys: Vec<Key>,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: Node,
}

/// An editor, and when it runs.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Statement {
    pub(super) editor: Call,
    pub(super) condition: Option<Node>,
}

/// Nobody writes longer ones by hand, and each is looked at for each item.
const MOST_BYTES: usize = 64 << 10;

/// Reading and running go down as deep as the text nests.
const DEEPEST: u32 = 40;

/// Reads a condition.
pub(super) fn condition(text: &str) -> Result<Node, Fault> {
    let mut parser = Parser::new(text)?;
    let node = parser.any()?;
    parser.end()?;
    Ok(node)
}

/// Reads an editor with or without `where`.
pub(super) fn statement(text: &str) -> Result<Statement, Fault> {
    let mut parser = Parser::new(text)?;
    let at = parser.at();
    let Token::Word(name) = parser.peek().clone() else {
        return Err(Fault::new(at, "a statement begins with an editor, such as set(…)"));
    };
    parser.next();
    if *parser.peek() != Token::Sign("(") {
        return Err(Fault::new(at, "a statement begins with an editor and its arguments, such as set(…)"));
    }
    if name.starts_with(|first: char| first.is_ascii_uppercase()) {
        let message =
            format!("{name} returns a value and changes nothing, hand it to an editor such as set(…)");
        return Err(Fault::new(at, message));
    }
    let editor = parser.call(at, name)?;
    if !editor.keys.is_empty() {
        return Err(Fault::new(at, "an editor returns nothing that could have a key"));
    }
    let condition = match parser.word("where") {
        true => Some(parser.any()?),
        false => None,
    };
    parser.end()?;
    Ok(Statement { editor, condition })
}

struct Parser<'t> {
    tokens: Vec<(usize, Token<'t>)>,
    index: usize,
    depth: u32,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, Fault> {
        if text.len() > MOST_BYTES {
            return Err(Fault::new(0, format!("the text is longer than {} KiB", MOST_BYTES >> 10)));
        }
        Ok(Self { tokens: tokens(text)?, index: 0, depth: 0 })
    }

    fn peek(&self) -> &Token<'t> {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> &Token<'t> {
        self.tokens.get(self.index + by).map_or(&Token::End, |(_, token)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.index).or(self.tokens.last()).map_or(0, |(at, _)| *at)
    }

    fn next(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        self.index += 1;
        token
    }

    fn sign(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.peek(), Token::Sign(found) if *found == sign);
        self.index += usize::from(is_there);
        is_there
    }

    fn word(&mut self, word: &str) -> bool {
        let is_there = matches!(self.peek(), Token::Word(found) if *found == word);
        self.index += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, sign: &str, what: &str) -> Result<(), Fault> {
        if self.sign(sign) {
            return Ok(());
        }
        Err(Fault::new(self.at(), format!("expected {what}, found {}", self.peek().name())))
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Token::End => Ok(()),
            Token::Sign("=") => Err(Fault::new(self.at(), "values are compared by ==")),
            other => Err(Fault::new(
                self.at(),
                format!("expected and, or, a comparison or the end, found {}", other.name()),
            )),
        }
    }

    /// Goes one level down; every way to nest leads through here.
    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEEPEST {
            return Err(Fault::new(self.at(), format!("nested deeper than {DEEPEST}")));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn any(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(alone_or(parts, at, Kind::Any))
    }

    fn all(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let mut parts = vec![self.not()?];
        while self.word("and") {
            parts.push(self.not()?);
        }
        Ok(alone_or(parts, at, Kind::All))
    }

    fn not(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        if !self.word("not") {
            return self.comparison();
        }
        let node = self.comparison()?;
        Ok(Node { at, kind: Kind::Not(Box::new(node)) })
    }

    fn comparison(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let left = self.sum()?;
        let Some(comparison) = self.comparing() else { return Ok(left) };
        let right = self.sum()?;
        if self.comparing().is_some() {
            return Err(Fault::new(self.at(), "a comparison is not compared again, join two by and"));
        }
        Ok(Node { at, kind: Kind::Compare(comparison, Box::new(left), Box::new(right)) })
    }

    fn comparing(&mut self) -> Option<Comparison> {
        let comparison = match self.peek() {
            Token::Sign("==") => Comparison::Equal,
            Token::Sign("!=") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.index += 1;
        Some(comparison)
    }

    fn sum(&mut self) -> Result<Node, Fault> {
        let signs = [("+", Arithmetic::Add), ("-", Arithmetic::Subtract)];
        self.chain(signs, Self::product)
    }

    fn product(&mut self) -> Result<Node, Fault> {
        let signs = [("*", Arithmetic::Multiply), ("/", Arithmetic::Divide)];
        self.chain(signs, Self::signed)
    }

    fn chain(
        &mut self,
        signs: [(&str, Arithmetic); 2],
        operand: fn(&mut Self) -> Result<Node, Fault>,
    ) -> Result<Node, Fault> {
        let at = self.at();
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = signs.iter().find(|(sign, _)| self.sign(sign)) {
            rest.push((*operator, operand(self)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Node { at, kind: Kind::Chain(Box::new(first), rest) })
    }

    fn signed(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        if self.sign("-") {
            let node = self.value()?;
            let kind = match node.kind {
                Kind::Int(number) => Kind::Int(-number),
                Kind::Double(number) => Kind::Double(-number),
                _ => Kind::Minus(Box::new(node)),
            };
            return Ok(Node { at, kind });
        }
        self.sign("+");
        self.value()
    }

    fn value(&mut self) -> Result<Node, Fault> {
        let at = self.at();
        let kind = match self.next() {
            Token::Int(number) => Kind::Int(number),
            Token::Double(number) => Kind::Double(number),
            Token::Text(text) => Kind::Text(text),
            Token::Bytes(bytes) => Kind::Bytes(bytes),
            Token::Word(word) => return self.deeper(|parser| parser.named(at, word)),
            Token::Sign("(") => {
                let node = self.deeper(Self::any)?;
                self.expect(")", "a closing parenthesis")?;
                return Ok(node);
            }
            Token::Sign("[") => Kind::List(self.deeper(Self::list)?),
            Token::Sign("{") => Kind::Map(self.deeper(Self::map)?),
            other => {
                return Err(Fault::new(at, format!("expected a value, found {}", other.name())));
            }
        };
        Ok(Node { at, kind })
    }

    fn named(&mut self, at: usize, word: &str) -> Result<Node, Fault> {
        let kind = match word {
            "nil" => Kind::Nil,
            "true" => Kind::Bool(true),
            "false" => Kind::Bool(false),
            "and" | "or" | "not" | "where" => {
                return Err(Fault::new(at, format!("expected a value, found {word}")));
            }
            _ if *self.peek() == Token::Sign("(") => {
                if word.starts_with(|first: char| first.is_ascii_lowercase()) {
                    let message = format!(
                        "{word} is no function that returns a value; those begin with a capital letter"
                    );
                    return Err(Fault::new(at, message));
                }
                Kind::Call(self.call(at, word)?)
            }
            _ if word.starts_with(|first: char| first.is_ascii_uppercase()) => Kind::Name(word.to_owned()),
            _ => Kind::Path(self.path(at, word)?),
        };
        Ok(Node { at, kind })
    }

    fn path(&mut self, at: usize, first: &str) -> Result<Path, Fault> {
        let mut segments = vec![self.segment(at, first)?];
        while self.sign(".") {
            let at = self.at();
            let Token::Word(name) = self.next() else {
                return Err(Fault::new(at, "expected a name after the dot"));
            };
            segments.push(self.segment(at, name)?);
        }
        Ok(Path { segments })
    }

    fn segment(&mut self, at: usize, name: &str) -> Result<Segment, Fault> {
        if name.contains(|letter: char| letter.is_ascii_uppercase()) {
            let message = format!(
                "names in a path are in small letters; an attribute's name stands in brackets: \
                 attributes[\"{name}\"]"
            );
            return Err(Fault::new(at, message));
        }
        Ok(Segment { at, name: name.to_owned(), keys: self.keys()? })
    }

    fn keys(&mut self) -> Result<Vec<Key>, Fault> {
        let mut keys = Vec::new();
        while self.sign("[") {
            let at = self.at();
            keys.push(match self.next() {
                Token::Text(text) => Key::Text(text),
                Token::Int(index) => Key::Index(index),
                _ => {
                    let message =
                        "a key is a string in double quotes or a number; computed keys are not supported";
                    return Err(Fault::new(at, message));
                }
            });
            self.expect("]", "a closing bracket after the key")?;
        }
        Ok(keys)
    }

    /// Reads the arguments; the opening parenthesis is next.
    fn call(&mut self, at: usize, name: &str) -> Result<Call, Fault> {
        self.expect("(", "an opening parenthesis")?;
        let mut arguments = Vec::new();
        while !self.sign(")") {
            if !arguments.is_empty() {
                self.expect(",", "a comma or the closing parenthesis")?;
            }
            let name = match (self.peek(), self.ahead(1)) {
                (Token::Word(name), Token::Sign("=")) => Some((*name).to_owned()),
                _ => None,
            };
            self.index += 2 * usize::from(name.is_some());
            let value = self.deeper(Self::any)?;
            if matches!(self.peek(), Token::Sign("=>")) {
                return Err(Fault::new(self.at(), "functions of one's own are not supported"));
            }
            arguments.push(Argument { name, value });
        }
        Ok(Call { at, name: name.to_owned(), arguments, keys: self.keys()? })
    }

    fn list(&mut self) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        while !self.sign("]") {
            if !items.is_empty() {
                self.expect(",", "a comma or the closing bracket")?;
            }
            items.push(self.sum()?);
        }
        Ok(items)
    }

    fn map(&mut self) -> Result<Vec<(Vec<u8>, Node)>, Fault> {
        let mut entries = Vec::new();
        while !self.sign("}") {
            if !entries.is_empty() {
                self.expect(",", "a comma or the closing brace")?;
            }
            let at = self.at();
            let Token::Text(key) = self.next() else {
                return Err(Fault::new(at, "a map's key is a string in double quotes"));
            };
            self.expect(":", "a colon after the key")?;
            entries.push((key, self.sum()?));
        }
        Ok(entries)
    }
}

fn alone_or(mut parts: Vec<Node>, at: usize, kind: fn(Vec<Node>) -> Kind) -> Node {
    match parts.len() {
        1 => parts.remove(0),
        _ => Node { at, kind: kind(parts) },
    }
}

impl Node {
    /// Walks all parts, the whole first.
    pub(super) fn walk<'n>(&'n self, see: &mut impl FnMut(&'n Self)) {
        see(self);
        match &self.kind {
            Kind::Call(call) => call.arguments.iter().for_each(|argument| argument.value.walk(see)),
            Kind::List(nodes) | Kind::All(nodes) | Kind::Any(nodes) => {
                nodes.iter().for_each(|node| node.walk(see));
            }
            Kind::Map(entries) => entries.iter().for_each(|(_, node)| node.walk(see)),
            Kind::Minus(node) | Kind::Not(node) => node.walk(see),
            Kind::Chain(first, rest) => {
                first.walk(see);
                rest.iter().for_each(|(_, node)| node.walk(see));
            }
            Kind::Compare(_, left, right) => {
                left.walk(see);
                right.walk(see);
            }
            Kind::Nil
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Double(_)
            | Kind::Text(_)
            | Kind::Bytes(_)
            | Kind::Name(_)
            | Kind::Path(_) => {}
        }
    }

    /// The same for who changes them.
    pub(super) fn walk_mut(&mut self, change: &mut impl FnMut(&mut Self)) {
        change(self);
        match &mut self.kind {
            Kind::Call(call) => call.arguments.iter_mut().for_each(|it| it.value.walk_mut(change)),
            Kind::List(nodes) | Kind::All(nodes) | Kind::Any(nodes) => {
                nodes.iter_mut().for_each(|node| node.walk_mut(change));
            }
            Kind::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.walk_mut(change)),
            Kind::Minus(node) | Kind::Not(node) => node.walk_mut(change),
            Kind::Chain(first, rest) => {
                first.walk_mut(change);
                rest.iter_mut().for_each(|(_, node)| node.walk_mut(change));
            }
            Kind::Compare(_, left, right) => {
                left.walk_mut(change);
                right.walk_mut(change);
            }
            Kind::Nil
            | Kind::Bool(_)
            | Kind::Int(_)
            | Kind::Double(_)
            | Kind::Text(_)
            | Kind::Bytes(_)
            | Kind::Name(_)
            | Kind::Path(_) => {}
        }
    }
}
