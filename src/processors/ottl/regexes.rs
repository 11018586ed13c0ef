//! Regular expressions as Go spells them, for the crate that we have.
//!
//! Both speak RE2's language, with differences, which [`re2`](super::re2) translates.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::re2::{push_literal, translate};

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
    let spelled = translate(text)
        .map_err(|reason| format!("the pattern {text:?} is no regular expression: {reason}"))?;
    let built = RegexBuilder::new(&spelled)
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
    let mut spelled = Vec::with_capacity(patterns.len());
    for pattern in patterns {
        // Each one alone, for an error that names it.
        spelled.push(compile(pattern.as_bytes())?.as_str().to_owned());
    }
    let built = RegexSetBuilder::new(spelled)
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
            (r"\p{^Greek}", "α", false),
            ("^{", "{\"a\":1}", true),
            ("/x/{id}", "/x/{id}", true),
            ("{.*}", "a {b}", true),
            ("^a{$", "a{", true),
            ("^{}$", "{}", true),
            ("^a{,2}$", "a{,2}", true),
            ("^a{01}$", "a{01}", true),
            ("^a{1 }$", "a{1 }", true),
            ("^a{-1}$", "a{-1}", true),
            ("^{2}?$", "{2}", false),
            ("^(?:{id}){2}$", "{id}{id}", true),
            ("^a{2}$", "aa", true),
            ("^a{2,}?$", "aaa", true),
            ("^a{1,2}$", "aaa", false),
            ("^a{0}b$", "b", true),
            (r"^\{id\}$", "{id}", true),
            (r"^[{}]+$", "{}", true),
            (r"^\Q{2}\E$", "{2}", true),
            (r"^[\]\-a]+$", "]-a", true),
            (r"^[+--]+$", "+,-", true),
            (r"^[\d-z]+$", "1-z", true),
            (r"^[a-]+$", "a-", true),
            (r"^\x41\x{42}\012$", "AB\n", true),
            (r"^\/\-\_\ \#$", "/-_ #", true),
            (r"^a #$", "a #", true),
            ("^(?i:A)(?-i:b)(?s).$", "ab\n", true),
            ("^(?ii)A$", "a", true),
            ("(?:)", "", true),
            (r"\Aa\z", "a", true),
            ("^(?<n>a)(?P<m>b)$", "ab", true),
        ] {
            assert_eq!(fits(pattern, text), is_match, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_can_not_be_compiled_says_why() {
        assert!(compile(b"a(").unwrap_err().contains("unclosed group"));
        assert!(compile(b"(?=a)").unwrap_err().contains("look-around"));
        assert!(compile(br"(\pL{10}){100}\pL{900}").unwrap_err().contains("1 MiB"));
        assert!(compile(b"\xff").is_err());
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for (pattern, reason) in [
            ("x++", "a repetition is repeated"),
            ("x**", "a repetition is repeated"),
            ("x+??", "a repetition is repeated"),
            ("x{2}{3}", "a repetition is repeated"),
            ("x{1,1001}", "at most 1000 copies"),
            ("x{1001,}", "at most 1000 copies"),
            ("x{99999999999}", "at most 1000 copies"),
            ("(x{100}){100}", "at most 1000 copies"),
            ("(((a{900}){900}){900})", "at most 1000 copies"),
            ("x{3,2}", "the lower number first"),
            ("(?x)a b", "(?x is no group and no flag"),
            ("(?u)a", "(?u is no group and no flag"),
            ("(?R)a", "(?R is no group and no flag"),
            ("(?-)a", "(?) is no group and no flag"),
            ("(?i", "unclosed group"),
            ("(?<!a)b", "look-around"),
            ("(?P<a b>c)", "a group's name"),
            ("(?P<>c)", "a group's name"),
            ("[a--b]", "begins behind its end"),
            ("[b-a]", "begins behind its end"),
            (r"[a-\d]", r"\d is no escape sequence"),
            ("[[:alpha]:]x[:]]", "is no class"),
            ("[[:letter:]]", "[:letter:] is no class"),
            ("[a", "unclosed character class"),
            (r"\u0041", r"\u is no escape sequence"),
            (r"\q", r"\q is no escape sequence"),
            (r"\1", r"\1 is no escape sequence"),
            (r"\é", "is no escape sequence"),
            (r"[\b]", r"\b is no escape sequence"),
            (r"\xg0", r"\x is no escape sequence"),
            (r"\x{+41}", r"\x is no escape sequence"),
            (r"\x{110000}", r"\x is no escape sequence"),
            (r"\p{Greek", "no closing }"),
            ("a\\", r"it ends with a \"),
            ("a)", "unopened group"),
            ("*a", "repetition operator missing expression"),
            ("a|*", "repetition operator missing expression"),
        ] {
            let refusal = compile(pattern.as_bytes()).expect_err(pattern);
            assert!(refusal.contains(reason), "{refusal}");
        }
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
