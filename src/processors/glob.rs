//! Patterns by which an operator chooses names.

/// Whether a pattern with `*` for any text fits a whole name.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, mut pattern)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut rest) = name.strip_prefix(head) else {
        return false;
    };
    while let Some((part, after)) = pattern.split_once('*') {
        let Some((_, left)) = rest.split_once(part) else {
            return false;
        };
        (rest, pattern) = (left, after);
    }
    rest.ends_with(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for pattern in ["*", "span.*", "*.duration", "span*tion", "span.duration", "*an.*rat*"] {
            assert!(fits(pattern, "span.duration"), "{pattern}");
        }
        for pattern in ["", "span", "*.durations", "s*x*", "span.duration*x"] {
            assert!(!fits(pattern, "span.duration"), "{pattern}");
        }
    }
}
