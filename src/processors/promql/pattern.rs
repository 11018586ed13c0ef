//! Regular expressions as Prometheus and Alertmanager take them: of RE2's syntax, and for whole texts.

use regex::{Regex, RegexBuilder};

use crate::ottl::re2::translate;

/// Compiles a pattern for whole texts, which takes at most so much memory. It must be sound alone: `a)|(b` would end
/// the brackets around it.
///
/// *Errors*: what is wrong and what is right.
pub(crate) fn compile(pattern: &str, most_bytes: usize) -> Result<Regex, String> {
    let spelled = translate(pattern)
        .map_err(|why| format!("the pattern {pattern:?} is no regular expression: {why}"))?;
    build(&spelled, pattern, most_bytes)?;
    build(&format!("^(?s:{spelled})$"), pattern, most_bytes)
}

fn build(text: &str, pattern: &str, most_bytes: usize) -> Result<Regex, String> {
    let built =
        RegexBuilder::new(text).size_limit(most_bytes).dfa_size_limit(most_bytes).nest_limit(32).build();
    built.map_err(|problem| match problem {
        regex::Error::CompiledTooBig(_) => {
            format!("the pattern {pattern:?} takes too much memory, write a simpler one")
        }
        _ => format!("the pattern {pattern:?} is no regular expression (RE2's syntax), mend or quote it"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brace_that_repeats_nothing_is_a_letter() {
        let fits = |pattern: &str, text: &str| compile(pattern, 1 << 20).map(|regex| regex.is_match(text));
        assert_eq!(fits("/users/{id}", "/users/{id}"), Ok(true));
        assert_eq!(fits("/users/{id}", "/users/{id}/"), Ok(false));
        assert_eq!(fits("a{2}", "aa"), Ok(true));
        assert!(fits("a)|(b", "a").is_err());
        assert!(fits("a++", "a").is_err());
    }
}
