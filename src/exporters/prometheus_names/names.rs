//! Names by the collector's strategies.

use model::prometheus;

use super::TranslationStrategy;

/// Translates an attribute's key, or returns none when nothing but underscores is left of it.
pub(crate) fn label_name(key: &str, strategy: TranslationStrategy) -> Option<String> {
    prometheus::label_name(key, strategy.naming())
}
