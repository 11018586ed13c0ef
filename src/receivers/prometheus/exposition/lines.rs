//! Lines that tell of a metric: `# TYPE`, `# HELP`, `# UNIT`, `# EOF`.

use std::borrow::Cow;

use super::{
    cursor::{Cursor, Fault, unescape, unescape_help},
    kinds::{Dialect, Kind},
};

/// What a line beginning with `#` says.
pub(super) enum Remark<'a> {
    Type(Cow<'a, str>, Kind),
    Help(Cow<'a, str>, Cow<'a, str>),
    Unit(Cow<'a, str>, &'a str),
    End,
    Comment,
}

/// Reads such a line, without its `#`.
pub(super) fn remark(text: &str, dialect: Dialect) -> Result<Remark<'_>, Fault> {
    let is_open = dialect == Dialect::OpenMetrics;
    let mut cursor = Cursor::new(text);
    cursor.skip_spaces();
    let word = cursor.word();
    match word {
        "EOF" if is_open => return if cursor.is_at_end() { Ok(Remark::End) } else { Err("`# EOF` goes on") },
        "TYPE" | "HELP" => {}
        "UNIT" if is_open => {}
        _ if is_open => return Err("a comment is neither TYPE, HELP, UNIT nor EOF"),
        _ => return Ok(Remark::Comment),
    }
    cursor.skip_spaces();
    let name = name(&mut cursor)?;
    // One space ends the name; the others belong to the text.
    let had_space = cursor.eat(b' ') || cursor.eat(b'\t');
    if !had_space && !cursor.is_at_end() {
        return Err("a name holds what it may not");
    }
    match word {
        "HELP" => Ok(Remark::Help(name, unescape_help(cursor.rest(), is_open))),
        "TYPE" => {
            let kind = Kind::parse(cursor.rest().trim_matches([' ', '\t']), dialect);
            kind.map(|kind| Remark::Type(name, kind)).ok_or("there is no such type of metric")
        }
        _ => {
            let unit = cursor.rest().trim_matches(' ');
            let is_in_name = name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
            if unit.is_empty() || is_in_name {
                Ok(Remark::Unit(name, unit))
            } else {
                Err("a unit is not the end of its metric's name")
            }
        }
    }
}

/// Reads the name of a metric, with quotes or without.
fn name<'a>(cursor: &mut Cursor<'a>) -> Result<Cow<'a, str>, Fault> {
    if cursor.peek() == Some(b'"') {
        return cursor.quoted().map(unescape);
    }
    let name = metric_name(cursor);
    if name.is_empty() { Err("the name of a metric is missing") } else { Ok(Cow::Borrowed(name)) }
}

/// Takes what may stand in the name of a metric without quotes; empty where none begins.
pub(super) fn metric_name<'a>(cursor: &mut Cursor<'a>) -> &'a str {
    if cursor.peek().is_some_and(|first| first.is_ascii_digit()) {
        return "";
    }
    cursor.take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'))
}
