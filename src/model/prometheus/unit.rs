//! UCUM units as the words that Prometheus appends to names.

/// A unit in words: `By/s` is `bytes` and `per_second`. Empty parts are absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct UnitWords {
    pub(super) main: String,
    pub(super) per: String,
}

/// Spells a unit. Annotations in braces say nothing that Prometheus has a word for and are left out;
/// an unknown unit stands for itself.
pub(super) fn unit_words(unit: &str) -> UnitWords {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let main = match spoken(main) {
        Some(main) => main_word(main).to_owned(),
        None => String::new(),
    };
    let per = match spoken(per).map(per_word) {
        Some(per) if !per.is_empty() => format!("per_{per}"),
        _ => String::new(),
    };
    UnitWords { main, per }
}

/// Returns the unit for metadata: `bytes_per_second`.
pub fn unit_name(unit: &str, escape: bool) -> String {
    let mut words = unit_words(unit);
    if escape {
        words = UnitWords { main: escape_unit(&words.main), per: escape_unit(&words.per) };
    }
    let joined = match (words.main.as_str(), words.per.as_str()) {
        (main, "") => main.to_owned(),
        ("", per) => per.to_owned(),
        (main, per) => format!("{main}_{per}"),
    };
    let joined = joined.strip_prefix('_').unwrap_or(&joined);
    joined.strip_suffix('_').unwrap_or(joined).to_owned()
}

/// Replaces what a classic name may not hold, runs of underscores by one, and drops a leading one.
pub(super) fn escape_unit(unit: &str) -> String {
    let mut escaped = String::with_capacity(unit.len());
    for c in unit.chars() {
        if c.is_ascii_alphanumeric() || c == ':' {
            escaped.push(c);
        } else if !escaped.ends_with('_') {
            escaped.push('_');
        }
    }
    escaped.strip_prefix('_').unwrap_or(&escaped).to_owned()
}

fn spoken(part: &str) -> Option<&str> {
    let part = part.trim();
    (!part.is_empty() && !part.contains(['{', '}'])).then_some(part)
}

fn main_word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}
