//! A place in a line.

use std::borrow::Cow;

/// Why a text is not taken. It stands in the log, so it repeats nothing that could do harm there.
pub(crate) type Fault = &'static str;

/// Walks over a line of UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn skip_spaces(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// Passes over a byte if it comes next.
    pub(super) fn eat(&mut self, wanted: u8) -> bool {
        let comes = self.peek() == Some(wanted);
        self.at += usize::from(comes);
        comes
    }

    /// Takes ASCII bytes, or whole characters, as long as they are wanted.
    pub(super) fn take_while(&mut self, is_wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !is_wanted(byte)).unwrap_or(rest.len());
        let (taken, _) = rest.split_at_checked(length).unwrap_or((rest, ""));
        self.at += taken.len();
        taken
    }

    /// Takes what comes before the next space.
    pub(super) fn word(&mut self) -> &'a str {
        self.take_while(|byte| !matches!(byte, b' ' | b'\t'))
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes a text between quotes, as it stands.
    pub(super) fn quoted(&mut self) -> Result<&'a str, Fault> {
        if !self.eat(b'"') {
            return Err("a quote is missing");
        }
        let rest = self.rest();
        let mut at = 0;
        loop {
            let found = memchr::memchr2(b'"', b'\\', rest.as_bytes().get(at..).unwrap_or_default());
            let Some(found) = found else { return Err("a text in quotes does not end") };
            at += found;
            if rest.as_bytes().get(at) == Some(&b'"') {
                self.at += at + 1;
                return rest.get(..at).ok_or("a text in quotes does not end");
            }
            at += 2;
        }
    }
}

/// Replaces what is escaped in a label's value or a name in quotes; other backslashes stay.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    replace(text, |escaped| match escaped {
        '\\' => Some('\\'),
        '"' => Some('"'),
        'n' => Some('\n'),
        _ => None,
    })
}

/// Replaces what is escaped in the text of `# HELP`, where a quote needs no escape in the older format.
pub(super) fn unescape_help(text: &str, quotes_too: bool) -> Cow<'_, str> {
    replace(text, |escaped| match escaped {
        '\\' => Some('\\'),
        'n' => Some('\n'),
        '"' if quotes_too => Some('"'),
        _ => None,
    })
}

fn replace(text: &str, meant: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match rest.clone().next().and_then(&meant) {
            Some(meant) => {
                plain.push(meant);
                rest.next();
            }
            None => plain.push('\\'),
        }
    }
    Cow::Owned(plain)
}
