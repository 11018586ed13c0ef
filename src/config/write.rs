//! Settings to YAML, for commands that make some.

use serde::Serialize;

use crate::Problem;

/// Writes a value as a YAML document that [`parse`](crate::parse()) reads back.
///
/// *Errors*: a value that YAML can not hold.
pub fn write(value: &impl Serialize) -> Result<String, Box<Problem>> {
    serde_saphyr::to_string(value).map_err(|problem| Box::new(Problem::error(None, "", problem.to_string())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Source, parse};

    #[derive(Serialize)]
    struct Written {
        key: Vec<String>,
    }

    fn read_back(text: &str) -> Option<String> {
        let written = write(&Written { key: vec![text.to_owned()] }).unwrap();
        let node = parse(&Source::new("written.yaml", written.as_str())).unwrap_or_else(|problem| {
            panic!("{written}: {}", problem.title());
        });
        let mut problems = crate::Problems::default();
        let read: Option<std::collections::BTreeMap<String, Vec<String>>> =
            crate::decode(&node, "", &mut problems);
        Some(read?.remove("key")?.remove(0))
    }

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        for text in [
            "yes",
            "null",
            "~",
            "007",
            "1e3",
            "0x1f",
            "2026-11-21",
            "- a",
            "a: b",
            "#x",
            "",
            " a ",
            "'",
            "\"",
            "a\nb\n",
            "{{ labels.job }} is down",
            "a{b=~\"5..\"}",
            "*",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "[a]",
            "a #b",
            "30d",
            ".5",
            "\t",
        ] {
            assert_eq!(read_back(text).as_deref(), Some(text));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "\\PC{0,40}") {
            prop_assert_eq!(read_back(&text), Some(text));
        }
    }
}
