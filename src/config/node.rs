//! The tree that YAML becomes: every value and key knows where it was written.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A text that configuration was read from.
pub struct Source {
    /// What a message calls it: a file's path, `env:VAR`, `yaml:` or `--set`.
    pub name: String,
    pub text: String,
    /// Bytes of the text that were read as secrets: who shows a line shows them redacted.
    secrets: Mutex<Vec<Range<usize>>>,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.text) == (&other.name, &other.text)
    }
}

impl Eq for Source {}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into(), secrets: Mutex::default() })
    }

    /// Returns what was read as secrets, in no order.
    pub fn secrets(&self) -> Vec<Range<usize>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name).finish()
    }
}

/// Where something was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    pub file: Arc<Source>,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// Bytes of the file's text; empty where only the start is known.
    pub span: Range<usize>,
}

impl Place {
    /// Returns the first character of a source, for what concerns all of it.
    pub fn start_of(file: &Arc<Source>) -> Self {
        Self { file: Arc::clone(file), line: 1, column: 1, span: 0..0 }
    }

    /// Notes that a secret stands here, so that no message shows it.
    pub(crate) fn hide(&self) {
        let mut secrets = self.file.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.span.is_empty() && !secrets.contains(&self.span) {
            secrets.push(self.span.clone());
        }
    }

    /// Returns the text as the operator wrote it, quotes included.
    pub fn text(&self) -> &str {
        self.file.text.get(self.span.clone()).unwrap_or_default()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.name, self.line, self.column)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value with its place.
///
/// Two nodes are equal when their values are: a reload asks whether a component's settings changed,
/// not whether somebody added a comment above them.
#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    pub place: Place,
    /// What an expansion such as `${env:PORT}` stood for, before it was read as YAML. A setting that
    /// wants a string takes this text, so that `007` stays `007` and `{a}` stays `{a}`.
    pub original: Option<Original>,
}

/// The text that a value was read from, beside the value.
#[derive(Clone, Debug)]
pub struct Original {
    text: Arc<str>,
    /// Whether a setting took the text and not the value. Who shows the tree shows what was taken.
    is_taken: Arc<AtomicBool>,
}

impl Original {
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), is_taken: Arc::default() }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Relaxed)
    }
}

#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    /// Wide enough for every `u64` and `i64`.
    Int(i128),
    Float(f64),
    String(String),
    Seq(Vec<Node>),
    Map(Map),
}

/// A mapping in the order it was written. Its keys are unique.
#[derive(Clone, Default, Debug)]
pub struct Map {
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Key,
    pub value: Node,
}

#[derive(Clone, Debug)]
pub struct Key {
    pub name: String,
    pub place: Place,
}

impl Node {
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place, original: None }
    }

    /// Returns the value under `key` if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key)
    }

    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_seq(&self) -> Option<&[Self]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the string, or the text that an expansion stood for.
    pub fn as_str(&self) -> Option<&str> {
        match (&self.value, &self.original) {
            (Value::String(text), _) => Some(text),
            (_, original) => original.as_ref().map(Original::text),
        }
    }

    /// Returns the same, and notes that it is what this node stands for.
    pub(crate) fn take_str(&self) -> Option<&str> {
        if let Some(original) = &self.original {
            original.is_taken.store(true, Ordering::Relaxed);
        }
        self.as_str()
    }

    /// Returns the text that a setting took in place of the value, if one did.
    pub fn taken_text(&self) -> Option<&str> {
        self.original.as_ref().filter(|original| original.is_taken()).map(Original::text)
    }

    /// Whether this is nothing, and no text that only reads as nothing: `#1` is a good password.
    pub(crate) fn says_nothing(&self) -> bool {
        let text = self.original.as_ref().map_or("", Original::text);
        self.is_null() && matches!(text.trim(), "" | "~" | "null" | "Null" | "NULL")
    }

    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// Says what this is, for `expected a list, found …`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Int(value) => format!("the number {value}"),
            Value::Float(value) => format!("the number {value}"),
            Value::String(text) => format!("the string {:?}", shortened(text)),
            Value::Seq(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// Long values would drown a message; the source line beside it shows the rest.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        let is_scalar = !matches!(self.value, Value::Seq(_) | Value::Map(_));
        // A comment in a file of maps changes its text and no setting, unless one took the text.
        let has_text = |node: &Self| is_scalar || node.taken_text().is_some();
        let text = |node: &Self| node.original.as_ref().map(|original| Arc::clone(&original.text));
        self.value == other.value && (!(has_text(self) || has_text(other)) || text(self) == text(other))
    }
}

impl Map {
    /// *Cost*: linear in the number of keys.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.name == key)
    }
}

/// Order is how a file was written, not what it means.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries.len() == other.entries.len()
            && self.entries.iter().all(|entry| other.get(&entry.key.name) == Some(&entry.value))
    }
}
