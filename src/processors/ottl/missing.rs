//! What the collector's language has and this one has not: told apart from what is only misspelled.

/// Functions that return a value.
const FUNCTIONS: [&str; 23] = [
    "CommunityID",
    "ConvertAttributesToElementsXML",
    "ConvertTextToElementsXML",
    "ExtractGrokPatterns",
    "Format",
    "GetXML",
    "InsertXML",
    "IsValidLuhn",
    "Log",
    "Murmur3Hash",
    "Murmur3Hash128",
    "ParseCSV",
    "ParseSeverity",
    "ParseSimplifiedXML",
    "ParseXML",
    "ProfileID",
    "RemoveXML",
    "SliceToMap",
    "URL",
    "UserAgent",
    "XXH128",
    "XXH3",
    "ParseCLF",
];

/// Functions that change the item.
const EDITORS: [&str; 9] = [
    "aggregate_on_attribute_value",
    "aggregate_on_attributes",
    "convert_exponential_histogram_to_histogram",
    "convert_summary_quantile_val_to_gauge",
    "delete_index",
    "extract_percentile_metric",
    "merge_histogram_buckets",
    "set_semconv_span_name",
    "stringify_all",
];

/// Says that a function is one of the collector's that is not here; none where it is not known there either.
pub(super) fn told(name: &str) -> Option<String> {
    let is_theirs = FUNCTIONS.contains(&name) || EDITORS.contains(&name);
    let instead = instead(name).map(|instead| format!("; {instead}")).unwrap_or_default();
    is_theirs.then(|| format!("{name} is a function {}{instead}", config::NOT_HERE))
}

/// Returns what does the same here.
fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "ExtractGrokPatterns" => {
            "write the pattern out for ExtractPatterns, with groups that have names: (?P<name>…)"
        }
        "URL" | "UserAgent" => "take the text apart by ExtractPatterns, with groups that have names",
        "ParseCSV" => "take the text apart by Split or ExtractPatterns",
        "Format" => "join texts by Concat",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ottl::{Context, ErrorMode, Group, Sieve, editors::Editor, expression::Dialect, functions};
    use model::Signal;

    #[test]
    fn what_is_here_is_not_called_missing() {
        let contexts = Signal::ALL.into_iter().flat_map(Context::of);
        for context in contexts.copied() {
            let is_function = |name: &&&str| {
                functions::is_known(name, context, Dialect::Filter)
                    || functions::is_known(name, context, Dialect::Transform)
            };
            assert_eq!(FUNCTIONS.iter().find(is_function), None, "of {context:?}");
            assert_eq!(EDITORS.iter().find(|name| Editor::is_known(name, context)), None, "of {context:?}");
        }
    }

    #[test]
    fn what_only_the_collector_has_is_told_apart_from_what_is_misspelled() {
        let mut sieve = Sieve::new(Signal::Logs, ErrorMode::Ignore);
        let (faults, _) = sieve.add(&["ParseCSV(log.body, \"a\")[\"a\"] == 1".to_owned()], None);
        let expected = "ParseCSV is a function of the collector that trueline does not have; take the text apart by Split or ExtractPatterns";
        assert!(faults[0].1.ends_with(expected), "{faults:?}");
        let told = |statement: &str| {
            let (_, faults, _) =
                Group::new(Signal::Metrics, None, &[], &[statement.to_owned()], ErrorMode::Ignore);
            faults.statements[0].1.clone()
        };
        let fault = told("merge_histogram_buckets(1.0) where metric.name == \"a\"");
        let expected = "merge_histogram_buckets is a function of the collector that trueline does not have";
        assert!(fault.ends_with(expected), "{fault}");
        let fault = told("convert_sum_to_gage() where metric.name == \"a\"");
        assert!(fault.contains("is no editor, did you mean convert_sum_to_gauge?"), "{fault}");
    }
}
