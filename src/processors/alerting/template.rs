//! Texts with places to fill: `{{ value }} is above {{ threshold }} on {{ labels.service.name }}`.
//!
//! There is nothing in them but places, so they always end and never fail once they are read.

use super::labels::Labels;
use crate::text::{cut, significant};

/// A text with places to fill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Value,
    Threshold,
    Name,
    Severity,
    Label(String),
}

/// What fills the places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filling<'a> {
    pub(super) name: &'a str,
    pub(super) severity: &'a str,
    pub(super) value: f64,
    pub(super) threshold: f64,
    pub(super) labels: &'a Labels,
}

/// No filled text is longer.
const MOST_BYTES: usize = 4096;
const LABELS: &str = "labels.";

impl Template {
    /// Reads a template.
    ///
    /// *Errors*: which place is wrong and what may stand there.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((place, left)) = after.split_once("}}") else {
                return Err(format!("`{{{{{after}` is not closed, write `}}}}` behind it"));
            };
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(place_of(place.trim())?);
            rest = left;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Whether the text changes with what is measured.
    pub(super) fn is_measured(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Value | Piece::Threshold | Piece::Severity))
    }

    /// Returns the text, cut when it is too long. A label that is missing leaves nothing.
    pub(super) fn fill(&self, with: &Filling<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value => out.push_str(&short(with.value)),
                Piece::Threshold => out.push_str(&short(with.threshold)),
                Piece::Name => out.push_str(with.name),
                Piece::Severity => out.push_str(with.severity),
                Piece::Label(name) => out.push_str(with.labels.get(name).unwrap_or_default()),
            }
        }
        cut(out, MOST_BYTES)
    }
}

fn place_of(place: &str) -> Result<Piece, String> {
    Ok(match place {
        "value" => Piece::Value,
        "threshold" => Piece::Threshold,
        "name" => Piece::Name,
        "severity" => Piece::Severity,
        _ => match place.strip_prefix(LABELS).filter(|label| !label.is_empty()) {
            Some(label) => Piece::Label(label.to_owned()),
            None => {
                return Err(format!(
                    "`{{{{ {place} }}}}` can not be filled, write `value`, `threshold`, `name`, `severity` or \
                     `labels.` with a label's name"
                ));
            }
        },
    })
}

/// Writes a number with as many digits as are worth reading.
pub(super) fn short(value: f64) -> String {
    if !value.is_finite() {
        return "no value".to_owned();
    }
    let mut out = significant(value, 4, 12);
    if out.contains('.') {
        out.truncate(out.trim_end_matches('0').trim_end_matches('.').len());
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn filled(text: &str) -> String {
        let labels = Labels::from(&BTreeMap::from([("service.name".to_owned(), "checkout".to_owned())]));
        let with =
            Filling { name: "Slow", severity: "critical", value: 0.812_345, threshold: 0.8, labels: &labels };
        Template::parse(text).expect("the template is sound").fill(&with)
    }

    #[test]
    fn places_are_filled() {
        assert_eq!(
            filled(
                "{{ name }}: {{labels.service.name}} has {{ value }}, above {{ threshold }} ({{ severity }})"
            ),
            "Slow: checkout has 0.8123, above 0.8 (critical)"
        );
        assert_eq!(filled("{{ labels.none }}}} {x}"), "}} {x}");
    }

    #[test]
    fn a_place_that_can_not_be_filled_is_refused() {
        for text in ["{{ x }}", "{{ labels. }}", "{{ }}", "{{ value | humanize }}", "{{ value"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filled_text_is_bounded_and_whole_characters() {
        let text = filled(&"é".repeat(5000));
        assert_eq!(text.len(), 4096);
        assert_eq!(filled(&format!("a{}", "é".repeat(5000))).len(), 4095);
    }

    #[test]
    fn numbers_have_four_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (1234.56, "1235"),
            (-0.000_123_456, "-0.0001235"),
            (12.5, "12.5"),
            (f64::NAN, "no value"),
        ] {
            assert_eq!(short(value), expected);
        }
    }
}
