//! Cuts the text into words, numbers, strings and signs.

use super::fault::Fault;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token<'t> {
    /// A name or a word of the language.
    Word(&'t str),
    /// With escapes resolved; `\xff` need not be UTF-8.
    Text(Vec<u8>),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Sign(&'static str),
    End,
}

impl Token<'_> {
    /// Names the token in an error.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Word(word) => word.to_string(),
            Self::Text(_) => "a string".to_owned(),
            Self::Int(_) | Self::Double(_) => "a number".to_owned(),
            Self::Bytes(_) => "bytes".to_owned(),
            Self::Sign(sign) => sign.to_string(),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer ones first.
const SIGNS: [&str; 22] = [
    "==", "!=", ">=", "<=", "=>", "<", ">", "=", "+", "-", "*", "/", "(", ")", "{", "}", "[", "]", ",", ".",
    ":", "_",
];

/// Returns all tokens with their places; the last is [`Token::End`].
///
/// *Errors*: a character that begins nothing, a string without an end, a bad escape, a number that is too large.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Fault> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let bytes = rest.as_bytes();
        if bytes[0].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let (len, token) = match bytes[0] {
            b'"' => string(rest, at)?,
            b'0' if matches!(bytes.get(1..3), Some([b'x', digit]) if digit.is_ascii_hexdigit()) => {
                hexadecimal(rest, at)?
            }
            b'0'..=b'9' => number(rest, at)?,
            b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => number(rest, at)?,
            b'a'..=b'z' | b'A'..=b'Z' => {
                let word = leading(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
                (word.len(), Token::Word(word))
            }
            _ => sign(rest, at)?,
        };
        found.push((at, token));
        at += len;
    }
    found.push((text.len(), Token::End));
    Ok(found)
}

fn leading(text: &str, fits: impl Fn(u8) -> bool) -> &str {
    let len = text.bytes().position(|byte| !fits(byte)).unwrap_or(text.len());
    text.get(..len).unwrap_or(text)
}

fn sign(rest: &str, at: usize) -> Result<(usize, Token<'static>), Fault> {
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((sign.len(), Token::Sign(sign)));
    }
    let message = match rest.chars().next() {
        Some('\'') => "strings stand in double quotes".to_owned(),
        Some('&') => "conditions are joined by the word and".to_owned(),
        Some('|') => "conditions are joined by the word or".to_owned(),
        Some('!') => "write not before a condition, or != between values".to_owned(),
        other => format!("{:?} begins nothing that is known", other.unwrap_or_default()),
    };
    Err(Fault::new(at, message))
}

fn hexadecimal(rest: &str, at: usize) -> Result<(usize, Token<'static>), Fault> {
    let digits = leading(rest.get(2..).unwrap_or_default(), |byte| byte.is_ascii_hexdigit());
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => Some((hex_digit(*high)? << 4 | hex_digit(*low)?) as u8),
        _ => None,
    });
    match bytes.collect::<Option<Vec<_>>>() {
        Some(bytes) => Ok((2 + digits.len(), Token::Bytes(bytes))),
        None => Err(Fault::new(at, "bytes have two digits each, add the missing one")),
    }
}

fn hex_digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

fn number(rest: &str, at: usize) -> Result<(usize, Token<'static>), Fault> {
    let digits = |text: &str| leading(text, |byte| byte.is_ascii_digit()).len();
    let mut len = digits(rest);
    let is_double = rest.as_bytes().get(len) == Some(&b'.');
    if !is_double {
        let number = rest.get(..len).and_then(|digits| digits.parse().ok());
        return match number {
            Some(number) => Ok((len, Token::Int(number))),
            None => Err(Fault::new(at, "the integer exceeds 64 bits")),
        };
    }
    len += 1;
    len += digits(rest.get(len..).unwrap_or_default());
    if let Some([b'e' | b'E', tail @ ..]) = rest.as_bytes().get(len..) {
        let sign = usize::from(matches!(tail.first(), Some(b'+' | b'-')));
        let exponent = digits(rest.get(len + 1 + sign..).unwrap_or_default());
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    let number = rest.get(..len).and_then(|text| text.parse().ok());
    number.map(|number| (len, Token::Double(number))).ok_or_else(|| Fault::new(at, "expected a number"))
}

/// Reads a string with the escapes of Go.
fn string(rest: &str, at: usize) -> Result<(usize, Token<'static>), Fault> {
    let bytes = rest.as_bytes();
    let mut text = Vec::new();
    let mut index = 1;
    loop {
        match bytes.get(index) {
            None => return Err(Fault::new(at, "the string has no end, add a double quote")),
            Some(b'"') => return Ok((index + 1, Token::Text(text))),
            Some(b'\n') => {
                return Err(Fault::new(at, "a string does not span lines, write \\n for a line's end"));
            }
            Some(b'\\') => {
                let (len, escaped) = escape(rest, index, at)?;
                text.extend_from_slice(&escaped);
                index += len;
            }
            Some(byte) => {
                text.push(*byte);
                index += 1;
            }
        }
    }
}

/// Reads the escape that begins at `index` and returns its length and what it stands for.
fn escape(rest: &str, index: usize, at: usize) -> Result<(usize, Vec<u8>), Fault> {
    let bad = |message: &str| Err(Fault::new(at + index, message));
    let digits = |from: usize, count: usize, base: u32| {
        let digits = rest.get(from..from + count)?;
        let is_plain = digits.chars().all(|digit| digit.is_digit(base));
        is_plain.then(|| u32::from_str_radix(digits, base).ok()).flatten()
    };
    let one = |byte: u8| Ok((2, vec![byte]));
    let character = |count: usize| match digits(index + 2, count, 16).and_then(char::from_u32) {
        Some(character) => Ok((2 + count, character.to_string().into_bytes())),
        None => bad("the escape needs hexadecimal digits of a character: four after \\u, eight after \\U"),
    };
    match rest.as_bytes().get(index + 1) {
        Some(b'a') => one(7),
        Some(b'b') => one(8),
        Some(b'f') => one(12),
        Some(b'n') => one(b'\n'),
        Some(b'r') => one(b'\r'),
        Some(b't') => one(b'\t'),
        Some(b'v') => one(11),
        Some(byte @ (b'\\' | b'"')) => one(*byte),
        Some(b'x') => match digits(index + 2, 2, 16) {
            Some(byte) => Ok((4, vec![byte as u8])),
            None => bad("\\x needs two hexadecimal digits"),
        },
        Some(b'0'..=b'7') => match digits(index + 1, 3, 8).filter(|byte| *byte < 256) {
            Some(byte) => Ok((4, vec![byte as u8])),
            None => bad("an octal escape has three digits, up to \\377"),
        },
        Some(b'u') => character(4),
        Some(b'U') => character(8),
        _ => bad("no such escape; a backslash that shall stay is written \\\\"),
    }
}
