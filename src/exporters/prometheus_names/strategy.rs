//! How far names are translated.

use model::prometheus::Naming;
use serde::Deserialize;

/// The collector's `translation_strategy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub(crate) enum TranslationStrategy {
    /// Classic names with unit and type: `http_server_duration_seconds`.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Classic names, nothing appended.
    UnderscoreEscapingWithoutSuffixes,
    /// Names as sent, with unit and type appended: `http.server.duration_seconds`.
    NoUTF8EscapingWithSuffixes,
    /// Names as sent.
    NoTranslation,
}

impl TranslationStrategy {
    /// Resolves the key and its deprecated forerunner `add_metric_suffixes`.
    pub(crate) fn from_keys(strategy: Option<Self>, add_metric_suffixes: bool) -> Self {
        match strategy {
            Some(strategy) => strategy,
            None if add_metric_suffixes => Self::UnderscoreEscapingWithSuffixes,
            None => Self::UnderscoreEscapingWithoutSuffixes,
        }
    }

    pub(crate) const fn naming(self) -> Naming {
        Naming { escapes: self.escapes(), adds_suffixes: self.adds_suffixes() }
    }

    /// Whether names are reduced to letters, digits, underscores and colons.
    pub(crate) const fn escapes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes)
    }

    /// Whether unit and type are appended.
    pub(crate) const fn adds_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUTF8EscapingWithSuffixes)
    }
}
