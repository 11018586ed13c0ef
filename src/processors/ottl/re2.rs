//! The grammar of regular expressions in Go, walked once: what Go refuses is refused, and the rest is spelled for the
//! crate that we have.
//!
//! Both speak RE2's language, with differences: what `\d`, `\w`, `\s` and `\b` mean (ASCII in Go), a `{` that is no
//! repetition, what is literal within brackets, `\Q…\E`, octal escapes; and the crate knows more, such as `x++`,
//! `(?x)` and `[a--b]`, which means something else elsewhere or nothing at all.

use std::str::Chars;

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = "\\t\\n\\f\\r ";

/// The classes that are written `[:name:]`.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// So often a text may be repeated, also when repetitions are within each other.
const MOST_COPIES: u32 = 1000;

/// Spells a pattern of Go for the crate.
///
/// *Errors*: what Go refuses in it; what both refuse may be left to the crate.
pub(crate) fn translate(pattern: &str) -> Result<String, String> {
    let out = String::with_capacity(pattern.len() + 16);
    let mut walk =
        Walk { letters: pattern.chars(), out, was_repeated: false, copies: 1, most: 1, around: Vec::new() };
    walk.pattern()?;
    Ok(walk.out)
}

pub(super) fn push_literal(out: &mut String, letter: char) {
    let mut buffer = [0; 4];
    out.push_str(&regex::escape(letter.encode_utf8(&mut buffer)));
}

struct Walk<'p> {
    letters: Chars<'p>,
    out: String,
    /// Whether what was read last is a repetition.
    was_repeated: bool,
    /// How often what was read last repeats the innermost thing within.
    copies: u32,
    /// The most copies within the group that is read.
    most: u32,
    /// The same of the groups around it.
    around: Vec<u32>,
}

impl Walk<'_> {
    fn pattern(&mut self) -> Result<(), String> {
        while let Some(letter) = self.letters.next() {
            let was_repeated = std::mem::take(&mut self.was_repeated);
            match letter {
                '*' | '+' | '?' => {
                    self.out.push(letter);
                    self.repeated(was_repeated)?;
                }
                '{' => self.brace(was_repeated)?,
                '(' => self.group()?,
                ')' => {
                    self.out.push(')');
                    self.copies = self.most;
                    self.most = self.around.pop().unwrap_or(1).max(self.copies);
                }
                '[' => {
                    self.brackets()?;
                    self.copies = 1;
                }
                '\\' => {
                    self.escape()?;
                    self.copies = 1;
                }
                '.' | '^' | '$' | '|' => {
                    self.out.push(letter);
                    self.copies = 1;
                }
                _ => self.literal(letter),
            }
        }
        Ok(())
    }

    fn literal(&mut self, letter: char) {
        push_literal(&mut self.out, letter);
        self.copies = 1;
    }

    fn take(&mut self, wanted: char) -> bool {
        let mut ahead = self.letters.clone();
        let is_next = ahead.next() == Some(wanted);
        if is_next {
            self.letters = ahead;
        }
        is_next
    }

    /// Ends a repetition: `?` makes it take as little as it can.
    fn repeated(&mut self, was_repeated: bool) -> Result<(), String> {
        if self.take('?') {
            self.out.push('?');
        }
        if was_repeated {
            return Err("a repetition is repeated, write (?:…) around the first".to_owned());
        }
        self.was_repeated = true;
        Ok(())
    }

    /// Reads what follows a `{`: a repetition, or it is a letter.
    fn brace(&mut self, was_repeated: bool) -> Result<(), String> {
        let Some((least, most, after)) = repetition(self.letters.as_str()) else {
            self.literal('{');
            return Ok(());
        };
        self.letters = after.chars();
        let copies = match most {
            Some(0) => 0,
            _ => self.copies.saturating_mul(most.unwrap_or(least).max(1)),
        };
        if copies.max(least) > MOST_COPIES || most.is_some_and(|most| least > most) {
            let message =
                "a repetition has at most 1000 copies, nested ones together, the lower number first";
            return Err(message.to_owned());
        }
        self.copies = copies;
        self.most = self.most.max(copies);
        self.out.push_str(&match most {
            Some(most) => format!("{{{least},{most}}}"),
            None => format!("{{{least},}}"),
        });
        self.repeated(was_repeated)
    }

    /// Reads what follows a `(`, as far as it is not of the group's content.
    fn group(&mut self) -> Result<(), String> {
        let opens = if !self.take('?') {
            self.out.push('(');
            true
        } else if self.letters.as_str().starts_with(['=', '!'])
            || ["<=", "<!"].iter().any(|sign| self.letters.as_str().starts_with(sign))
        {
            return Err("look-around, including look-ahead and look-behind, is not supported".to_owned());
        } else if let Some(named) =
            ["P<", "<"].iter().find_map(|sign| self.letters.as_str().strip_prefix(sign))
        {
            let name = named.split_once('>').filter(|(name, _)| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            });
            let Some((name, after)) = name else {
                return Err("a group's name is written (?P<name>…), of letters, digits and _".to_owned());
            };
            self.out.push_str(&format!("(?P<{name}>"));
            self.letters = after.chars();
            true
        } else {
            self.flags()?
        };
        if opens {
            self.around.push(std::mem::replace(&mut self.most, 1));
        }
        Ok(())
    }

    /// Reads flags behind `(?`; returns whether a group opens after them.
    fn flags(&mut self) -> Result<bool, String> {
        let (mut on, mut off) = (String::new(), String::new());
        let mut is_off = false;
        loop {
            match self.letters.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U')) => {
                    let flags = if is_off { &mut off } else { &mut on };
                    if !flags.contains(flag) {
                        flags.push(flag);
                    }
                }
                Some('-') if !is_off => is_off = true,
                Some(end @ (':' | ')')) if !is_off || !off.is_empty() => {
                    on.retain(|flag| !off.contains(flag));
                    if !off.is_empty() {
                        on.push('-');
                        on.push_str(&off);
                    }
                    if end == ':' || !on.is_empty() {
                        self.out.push_str(&format!("(?{on}{end}"));
                    }
                    return Ok(end == ':');
                }
                Some(letter) => {
                    return Err(format!("(?{letter} is no group and no flag: those are i, m, s and U"));
                }
                None => return Err("unclosed group".to_owned()),
            }
        }
    }

    /// Reads what follows a `[`.
    fn brackets(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.take('^') {
            self.out.push('^');
        }
        // A closing bracket that comes first is meant as a letter.
        let mut is_first = true;
        while is_first || !self.take(']') {
            is_first = false;
            let rest = self.letters.as_str();
            if let Some((name, after)) = rest.strip_prefix("[:").and_then(|named| named.split_once(":]")) {
                if !NAMED.contains(&name.strip_prefix('^').unwrap_or(name)) {
                    return Err(format!("[:{name}:] is no class, write one of {}", NAMED.join(", ")));
                }
                self.out.push_str(&format!("[:{name}:]"));
                self.letters = after.chars();
                continue;
            }
            if let Some(escaped) = rest.strip_prefix('\\') {
                let mut ahead = escaped.chars();
                let letter = ahead.next();
                if letter.is_some_and(|letter| "dDwWsSpP".contains(letter)) {
                    self.letters = escaped.chars();
                    self.class()?;
                    continue;
                }
            }
            let low = self.member()?;
            push_literal(&mut self.out, low);
            let mut ahead = self.letters.clone();
            if ahead.next() == Some('-') && ahead.clone().next().is_some_and(|letter| letter != ']') {
                self.letters = ahead;
                let high = self.member()?;
                if high < low {
                    return Err(format!("the range {low}-{high} begins behind its end"));
                }
                self.out.push('-');
                push_literal(&mut self.out, high);
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// Reads a letter within brackets.
    fn member(&mut self) -> Result<char, String> {
        match self.letters.next() {
            Some('\\') => self.escaped_letter(),
            Some(letter) => Ok(letter),
            None => Err("unclosed character class".to_owned()),
        }
    }

    /// Reads what follows a `\` outside of brackets.
    fn escape(&mut self) -> Result<(), String> {
        let mut ahead = self.letters.clone();
        match ahead.next() {
            Some(letter @ ('A' | 'z' | 'b' | 'B')) => {
                self.letters = ahead;
                self.out.push_str(match letter {
                    'A' => "\\A",
                    'z' => "\\z",
                    'b' => "(?-u:\\b)",
                    _ => "(?-u:\\B)",
                });
            }
            Some('Q') => {
                let rest = ahead.as_str();
                let (literal, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                self.out.push_str(&regex::escape(literal));
                self.letters = after.chars();
            }
            Some('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'p' | 'P') => self.class()?,
            _ => {
                let letter = self.escaped_letter()?;
                push_literal(&mut self.out, letter);
            }
        }
        Ok(())
    }

    /// Reads the class whose letter follows a `\`.
    fn class(&mut self) -> Result<(), String> {
        let letter = self.letters.next().unwrap_or_default();
        let members = match letter {
            'd' | 'D' => DIGIT,
            'w' | 'W' => WORD,
            's' | 'S' => SPACE,
            _ => return self.unicode_class(letter == 'P'),
        };
        self.out.push_str(if letter.is_ascii_uppercase() { "[^" } else { "[" });
        self.out.push_str(members);
        self.out.push(']');
        Ok(())
    }

    fn unicode_class(&mut self, is_negated: bool) -> Result<(), String> {
        let rest = self.letters.as_str();
        let (name, after) = match (rest.strip_prefix('{'), self.letters.next()) {
            (Some(braced), _) => braced.split_once('}').ok_or("\\p{ has no closing }")?,
            (None, Some(letter)) => {
                let sign = if is_negated { 'P' } else { 'p' };
                self.out.push_str(&format!("\\{sign}{letter}"));
                return Ok(());
            }
            (None, None) => return Err("\\p names no class of letters".to_owned()),
        };
        let (is_negated, name) = match name.strip_prefix('^') {
            Some(name) => (!is_negated, name),
            None => (is_negated, name),
        };
        self.out.push_str(&format!("\\{}{{{name}}}", if is_negated { 'P' } else { 'p' }));
        self.letters = after.chars();
        Ok(())
    }

    /// Reads the letter that is meant by what follows a `\`.
    fn escaped_letter(&mut self) -> Result<char, String> {
        let Some(letter) = self.letters.next() else {
            return Err("it ends with a \\".to_owned());
        };
        let told = match letter {
            'a' => Some('\u{7}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            'x' => self.hexadecimal().and_then(char::from_u32),
            // A digit that is not 0 would be a reference back, unless others follow.
            '0' => char::from_u32(self.octal(0)),
            '1'..='7' if self.letters.as_str().starts_with(|next| ('0'..='7').contains(&next)) => {
                char::from_u32(self.octal(letter.to_digit(8).unwrap_or_default()))
            }
            _ => (letter.is_ascii() && !letter.is_ascii_alphanumeric()).then_some(letter),
        };
        told.ok_or_else(|| format!("\\{letter} is no escape sequence of Go's regular expressions"))
    }

    fn octal(&mut self, first: u32) -> u32 {
        let mut code = first;
        for _ in 0..2 {
            let mut ahead = self.letters.clone();
            let Some(digit) = ahead.next().and_then(|letter| letter.to_digit(8)) else { break };
            code = code * 8 + digit;
            self.letters = ahead;
        }
        code
    }

    /// Reads two hexadecimal digits, or any number of them within braces.
    fn hexadecimal(&mut self) -> Option<u32> {
        if self.take('{') {
            let (digits, after) = self.letters.as_str().split_once('}')?;
            self.letters = after.chars();
            let is_sound = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            return is_sound.then(|| u32::from_str_radix(digits, 16).ok()).flatten();
        }
        let (high, low) = (self.letters.next()?.to_digit(16)?, self.letters.next()?.to_digit(16)?);
        Some(high * 16 + low)
    }
}

/// Reads `n}`, `n,}` or `n,m}`: the numbers, and what follows. Anything else is no repetition.
fn repetition(rest: &str) -> Option<(u32, Option<u32>, &str)> {
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_padded = digits.len() > 1 && digits.starts_with('0');
        (is_number && !is_padded).then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (within, after) = rest.split_once('}')?;
    match within.split_once(',') {
        None => number(within).map(|times| (times, Some(times), after)),
        Some((least, "")) => Some((number(least)?, None, after)),
        Some((least, most)) => Some((number(least)?, Some(number(most)?), after)),
    }
}
