//! Regular expressions as Go spells them, for the crate that we have.
//!
//! Both speak RE2's language, with small differences, which are translated: what `\d`, `\w`, `\s` and `\b` mean (ASCII
//! in Go), what is literal within brackets, `\Q…\E`, `\<` and octal escapes.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

/// A compiled pattern may take so much.
const MOST_BYTES: usize = 1 << 20;
const NESTING: u32 = 64;

/// Compiles a pattern for texts that are not checked for UTF-8.
///
/// *Errors*: what is wrong with the pattern.
pub(crate) fn compile(pattern: &[u8]) -> Result<Regex, String> {
    let Ok(text) = std::str::from_utf8(pattern) else {
        return Err("the pattern is not UTF-8".to_owned());
    };
    let built = RegexBuilder::new(&translate(text))
        .size_limit(MOST_BYTES)
        .dfa_size_limit(MOST_BYTES)
        .nest_limit(NESTING)
        .build();
    built.map_err(|problem| refusal(text, &problem))
}

/// Compiles patterns of which one is to match anywhere in a text.
///
/// *Errors*: what is wrong with the first that is wrong.
pub(crate) fn compile_set(patterns: &[String]) -> Result<RegexSet, String> {
    for pattern in patterns {
        compile(pattern.as_bytes())?;
    }
    let built = RegexSetBuilder::new(patterns.iter().map(|pattern| translate(pattern)))
        .size_limit(MOST_BYTES)
        .dfa_size_limit(MOST_BYTES)
        .nest_limit(NESTING)
        .build();
    built.map_err(|_| format!("the patterns {patterns:?} take more than 1 MiB of memory, write simpler ones"))
}

fn refusal(pattern: &str, problem: &regex::Error) -> String {
    match problem {
        regex::Error::CompiledTooBig(_) => {
            format!("the pattern {pattern:?} takes more than 1 MiB of memory, write a simpler one")
        }
        regex::Error::Syntax(told) => {
            let reason =
                told.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or("it is malformed");
            format!("the pattern {pattern:?} is no regular expression: {reason}")
        }
        _ => format!("the pattern {pattern:?} is no regular expression (RE2's syntax)"),
    }
}

/// Compiles a pattern of shell kind for whole texts: `*`, `?`, `[a-z]`, `[!a]`, `{one,other}`.
///
/// *Errors*: as [`compile`].
pub(super) fn compile_glob(pattern: &[u8]) -> Result<Regex, String> {
    let Ok(text) = std::str::from_utf8(pattern) else {
        return Err("the pattern is not UTF-8".to_owned());
    };
    let mut out = String::from("(?s)^(?:");
    let mut letters = text.chars().peekable();
    let (mut in_brackets, mut braces) = (false, 0);
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => push_literal(&mut out, letters.next().unwrap_or('\\')),
            '-' if in_brackets => out.push('-'),
            ']' if in_brackets => {
                in_brackets = false;
                out.push(']');
            }
            _ if in_brackets => push_literal(&mut out, letter),
            '[' => {
                in_brackets = true;
                out.push('[');
                if letters.next_if_eq(&'!').is_some() {
                    out.push('^');
                }
            }
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '{' => {
                braces += 1;
                out.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                out.push(')');
            }
            ',' if braces > 0 => out.push('|'),
            _ => push_literal(&mut out, letter),
        }
    }
    out.push_str(")$");
    let built =
        RegexBuilder::new(&out).size_limit(MOST_BYTES).dfa_size_limit(MOST_BYTES).nest_limit(64).build();
    built.map_err(|_| {
        format!("the pattern {text:?} is malformed: it knows *, ?, [a-z], [!a] and {{one,other}}")
    })
}

fn push_literal(out: &mut String, letter: char) {
    let mut buffer = [0; 4];
    out.push_str(&regex::escape(letter.encode_utf8(&mut buffer)));
}

const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
const SPACE: &str = "\\t\\n\\f\\r ";

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut letters = pattern.chars().peekable();
    let mut in_brackets = false;
    // A closing bracket that comes first is meant as a letter.
    let mut is_first = false;
    while let Some(letter) = letters.next() {
        let was_first = std::mem::take(&mut is_first);
        match letter {
            '\\' => escaped(&mut out, &mut letters, in_brackets),
            '[' if !in_brackets => {
                in_brackets = true;
                is_first = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            '[' if letters.peek() == Some(&':') => {
                out.push('[');
                for letter in letters.by_ref() {
                    out.push(letter);
                    if letter == ']' {
                        break;
                    }
                }
            }
            ']' if in_brackets && was_first => out.push_str("\\]"),
            ']' if in_brackets => {
                in_brackets = false;
                out.push(']');
            }
            // Those of a pair that would be operations on sets.
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(letter);
            }
            '-' if in_brackets && letters.peek() == Some(&'-') => out.push_str("\\-"),
            _ => out.push(letter),
        }
    }
    out
}

fn escaped(out: &mut String, letters: &mut std::iter::Peekable<std::str::Chars<'_>>, in_brackets: bool) {
    let class = |out: &mut String, is_negated: bool, members: &str| {
        out.push_str(if is_negated { "[^" } else { "[" });
        out.push_str(members);
        out.push(']');
    };
    match letters.next() {
        None => out.push('\\'),
        Some('d') => class(out, false, DIGIT),
        Some('D') => class(out, true, DIGIT),
        Some('w') => class(out, false, WORD),
        Some('W') => class(out, true, WORD),
        Some('s') => class(out, false, SPACE),
        Some('S') => class(out, true, SPACE),
        Some('b') if !in_brackets => out.push_str("(?-u:\\b)"),
        Some('B') if !in_brackets => out.push_str("(?-u:\\B)"),
        Some(letter @ ('<' | '>')) => out.push(letter),
        Some('Q') if !in_brackets => {
            let mut literal = String::new();
            for letter in letters.by_ref() {
                literal.push(letter);
                if literal.ends_with("\\E") {
                    literal.truncate(literal.len() - 2);
                    break;
                }
            }
            out.push_str(&regex::escape(&literal));
        }
        // An octal escape begins with 0, or has three digits.
        Some(digit @ '0'..='7') => {
            let mut code = digit.to_digit(8).unwrap_or_default();
            for _ in 0..2 {
                let Some(next) = letters.peek().and_then(|letter| letter.to_digit(8)) else { break };
                code = code * 8 + next;
                letters.next();
            }
            out.push_str(&format!("\\x{{{code:x}}}"));
        }
        Some(letter) => {
            out.push('\\');
            out.push(letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        compile(pattern.as_bytes()).unwrap().is_match(text.as_bytes())
    }

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, text, is_match) in [
            ("^a.c$", "abc", true),
            ("^a.c$", "aéc", true),
            ("b", "abc", true),
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^\w+$", "é", false),
            (r"^\W$", "é", true),
            (r"^[\w.]+$", "a.b_1", true),
            (r"^[^\d]+$", "ab", true),
            (r"^[^\D]+$", "12", true),
            (r"\s", "\u{b}", false),
            (r"\s", "\t", true),
            (r"\bcat\b", "a cat", true),
            (r"\bcat\b", "concat", false),
            (r"^[[]a]$", "[a]", true),
            (r"^[a[]$", "[", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]a]+$", "bc", true),
            (r"^[[:alpha:]-]+$", "a-b", true),
            (r"^[[:^alpha:]]$", "1", true),
            (r"\Qa.b\E+", "a.bb", true),
            (r"\Qa.b\E", "axb", false),
            (r"^\<b\>$", "<b>", true),
            (r"^\101$", "A", true),
            ("(?i)ABC", "abc", true),
            ("^(?:GET|PUT) /health", "GET /healthz", true),
            (r"\p{Greek}", "α", true),
        ] {
            assert_eq!(fits(pattern, text), is_match, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_can_not_be_compiled_says_why() {
        assert!(compile(b"a(").unwrap_err().contains("unclosed group"));
        assert!(compile(b"(?=a)").unwrap_err().contains("look-around"));
        assert!(compile(b"(((a{900}){900}){900})").unwrap_err().contains("1 MiB"));
        assert!(compile(b"\xff").is_err());
    }

    #[test]
    fn shell_patterns_fit_whole_texts() {
        let fits =
            |pattern: &str, text: &str| compile_glob(pattern.as_bytes()).unwrap().is_match(text.as_bytes());
        assert!(fits("/user/*/list/*", "/user/1/list/2/3"));
        assert!(!fits("/user/*", "a/user/1"));
        assert!(fits("{GET,PUT} ?", "PUT x"));
        assert!(fits("[!a-c].x", "d.x"));
        assert!(!fits("[!a-c].x", "b.x"));
        assert!(!fits("a.b", "axb"));
        assert!(fits(r"a\*", "a*"));
        assert!(compile_glob(b"[").is_err());
    }
}
