//! From text to entries.

use std::borrow::Cow;

use super::{
    cursor::{Cursor, Fault, unescape},
    kinds::{Dialect, Kind},
    lines::{Remark, metric_name, remark},
};

/// One thing that a target says.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    Type(Cow<'a, str>, Kind),
    Help(Cow<'a, str>, Cow<'a, str>),
    Unit(Cow<'a, str>, &'a str),
    Sample(Sample<'a>),
}

/// A value of a series.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    /// The name and labels as they stand there; [`labels_of`] reads them.
    pub(crate) series: &'a str,
    pub(crate) value: f64,
    /// *Units*: milliseconds since the epoch.
    pub(crate) timestamp: Option<i64>,
    pub(crate) exemplar: Option<RawExemplar<'a>>,
}

/// An example of what a value was made of.
#[derive(Debug)]
pub(crate) struct RawExemplar<'a> {
    /// Between braces; [`labels_of`] reads them.
    pub(crate) labels: &'a str,
    pub(crate) value: f64,
    pub(crate) timestamp: Option<i64>,
}

/// Reads a text entry by entry; ends with the first that is not right.
pub(crate) struct Parser<'a> {
    rest: &'a str,
    dialect: Dialect,
    line: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// `# EOF` was there.
    Ended,
    Failed,
}

/// Where a text is not right, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) fault: Fault,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.fault)
    }
}

impl<'a> Parser<'a> {
    /// # Errors
    /// When the bytes are no UTF-8.
    pub(crate) fn new(bytes: &'a [u8], dialect: Dialect) -> Result<Self, Malformed> {
        let rest = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            Malformed { line, fault: "it holds bytes that are no UTF-8" }
        })?;
        Ok(Self { rest, dialect, line: 0, state: State::Reading })
    }

    fn read(&mut self) -> Result<Option<Entry<'a>>, Fault> {
        loop {
            if self.rest.is_empty() {
                return match (self.dialect, self.state) {
                    (Dialect::OpenMetrics, State::Reading) => Err("`# EOF` is missing at the end"),
                    _ => Ok(None),
                };
            }
            let (line, rest) = line_of(self.rest);
            self.rest = rest;
            self.line += 1;
            if self.state == State::Ended {
                return Err("something follows `# EOF`");
            }
            if let Some(entry) = self.read_line(line)? {
                return Ok(Some(entry));
            }
        }
    }

    fn read_line(&mut self, line: &'a str) -> Result<Option<Entry<'a>>, Fault> {
        let is_open = self.dialect == Dialect::OpenMetrics;
        let text = if is_open { line } else { line.trim_start_matches([' ', '\t']) };
        if text.is_empty() {
            return if is_open { Err("a line is empty") } else { Ok(None) };
        }
        let Some(said) = text.strip_prefix('#') else { return sample(text, self.dialect).map(Some) };
        Ok(match remark(said, self.dialect)? {
            Remark::Type(name, kind) => Some(Entry::Type(name, kind)),
            Remark::Help(name, help) => Some(Entry::Help(name, help)),
            Remark::Unit(name, unit) => Some(Entry::Unit(name, unit)),
            Remark::Comment => None,
            Remark::End => {
                self.state = State::Ended;
                None
            }
        })
    }
}

impl<'a> Iterator for Parser<'a> {
    type Item = Result<Entry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Failed {
            return None;
        }
        self.read().transpose().map(|read| {
            read.map_err(|fault| {
                self.state = State::Failed;
                Malformed { line: self.line, fault }
            })
        })
    }
}

/// Cuts off the first line. A line ends only outside of quotes: what is in them may hold line breaks as they are.
fn line_of(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let (mut at, mut is_quoted) = (0, false);
    // Texts of `# HELP` hold quotes that are none.
    let is_remark = text.trim_start_matches([' ', '\t']).starts_with('#');
    loop {
        let found = memchr::memchr3(b'\n', b'"', b'\\', bytes.get(at..).unwrap_or_default());
        let Some(found) = found else { return (text, "") };
        at += found;
        match bytes.get(at) {
            Some(b'\n') if !is_quoted || is_remark => break,
            Some(b'"') => is_quoted = !is_quoted,
            Some(b'\\') if is_quoted && !is_remark => at += 1,
            _ => {}
        }
        at += 1;
    }
    match text.split_at_checked(at) {
        Some((line, rest)) => (line, rest.strip_prefix('\n').unwrap_or(rest)),
        None => (text, ""),
    }
}

fn sample(text: &str, dialect: Dialect) -> Result<Entry<'_>, Fault> {
    let mut cursor = Cursor::new(text);
    skip_series(&mut cursor)?;
    let series = text.get(..cursor.at()).unwrap_or_default();
    cursor.skip_spaces();
    let value = number(cursor.word())?;
    cursor.skip_spaces();
    let timestamp = match cursor.peek() {
        None | Some(b'#') => None,
        Some(_) => Some(timestamp(cursor.word(), dialect)?),
    };
    cursor.skip_spaces();
    let exemplar = match dialect {
        Dialect::OpenMetrics if cursor.eat(b'#') => Some(exemplar(&mut cursor)?),
        _ => None,
    };
    if !cursor.is_at_end() {
        return Err("something follows a sample");
    }
    Ok(Entry::Sample(Sample { series, value, timestamp, exemplar }))
}

/// Passes over a name and labels, without looking closely.
fn skip_series(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    let name = metric_name(cursor);
    let after_name = *cursor;
    cursor.skip_spaces();
    if cursor.peek() != Some(b'{') {
        *cursor = after_name;
        return if name.is_empty() { Err("the name of a metric is missing") } else { Ok(()) };
    }
    skip_braces(cursor)
}

fn skip_braces(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    loop {
        cursor.take_while(|byte| !matches!(byte, b'}' | b'"'));
        match cursor.peek() {
            Some(b'"') => drop(cursor.quoted()?),
            Some(_) => {
                cursor.eat(b'}');
                return Ok(());
            }
            None => return Err("labels do not end"),
        }
    }
}

fn exemplar<'a>(cursor: &mut Cursor<'a>) -> Result<RawExemplar<'a>, Fault> {
    cursor.skip_spaces();
    if cursor.peek() != Some(b'{') {
        return Err("an exemplar has no labels");
    }
    let before = *cursor;
    skip_braces(cursor)?;
    let labels = before.rest().get(..cursor.at() - before.at()).unwrap_or_default();
    cursor.skip_spaces();
    let value = number(cursor.word())?;
    cursor.skip_spaces();
    let word = cursor.word();
    let timestamp = if word.is_empty() { None } else { Some(timestamp(word, Dialect::OpenMetrics)?) };
    cursor.skip_spaces();
    Ok(RawExemplar { labels, value, timestamp })
}

/// Reads a value as Go does, without its hexadecimal forms.
fn number(word: &str) -> Result<f64, Fault> {
    word.parse().map_err(|_| "a value is no number")
}

fn timestamp(word: &str, dialect: Dialect) -> Result<i64, Fault> {
    const NO_TIME: Fault = "a timestamp is no time";
    match dialect {
        Dialect::Text => word.parse().map_err(|_| NO_TIME),
        Dialect::OpenMetrics => {
            let seconds: f64 = word.parse().map_err(|_| NO_TIME)?;
            let millis = seconds * 1000.0;
            // Beyond that nanoseconds have no room.
            if millis.abs() < 9.2e12 { Ok(millis as i64) } else { Err(NO_TIME) }
        }
    }
}

/// Reads the name and the labels of a series; each is told with its value, the name as `__name__`.
///
/// # Errors
/// When they are not right.
pub(crate) fn labels_of(series: &str, mut tell: impl FnMut(&str, &str)) -> Result<(), Fault> {
    let mut cursor = Cursor::new(series);
    let name = metric_name(&mut cursor);
    let mut has_name = !name.is_empty();
    if has_name {
        tell(super::super::labels::NAME, name);
    }
    cursor.skip_spaces();
    if !cursor.eat(b'{') {
        return Ok(());
    }
    loop {
        cursor.skip_spaces();
        if cursor.eat(b'}') {
            return Ok(());
        }
        let is_quoted = cursor.peek() == Some(b'"');
        let label =
            if is_quoted { unescape(cursor.quoted()?) } else { Cow::Borrowed(label_name(&mut cursor)) };
        cursor.skip_spaces();
        if cursor.eat(b'=') {
            if label.is_empty() {
                return Err("the name of a label is missing");
            }
            cursor.skip_spaces();
            tell(&label, &unescape(cursor.quoted()?));
        } else if is_quoted && !has_name {
            has_name = true;
            tell(super::super::labels::NAME, &label);
        } else {
            return Err("a label has no value");
        }
        cursor.skip_spaces();
        if !cursor.eat(b',') && cursor.peek() != Some(b'}') {
            return Err("a comma is missing between labels");
        }
    }
}

fn label_name<'a>(cursor: &mut Cursor<'a>) -> &'a str {
    if cursor.peek().is_some_and(|first| first.is_ascii_digit()) {
        return "";
    }
    cursor.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
