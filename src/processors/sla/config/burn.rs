//! Which burn rates are alerts.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use super::{Days, Urgency};

/// A preset, or alerts of one's own.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) enum BurnAlerts {
    /// Google's, with factors no higher than can be reached.
    #[default]
    Auto,
    /// Those of the SRE workbook, as Sloth writes them.
    Google,
    Pyrra,
    None,
    Own(Vec<BurnAlertConfig>),
}

/// Alerts when the budget burns so many times as fast as it lasts, over both windows.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct BurnAlertConfig {
    pub(crate) severity: Urgency,
    pub(crate) long: Days,
    /// Absent: the long one alone decides.
    #[serde(default)]
    pub(crate) short: Option<Days>,
    pub(crate) factor: f64,
    #[serde(default, rename = "for")]
    pub(crate) r#for: Option<config::Duration>,
}

impl<'de> Deserialize<'de> for BurnAlerts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BurnVisitor)
    }
}

struct BurnVisitor;

impl<'de> Visitor<'de> for BurnVisitor {
    type Value = BurnAlerts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto`, `google`, `pyrra`, `none` or a list of alerts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<BurnAlerts, E> {
        match text {
            "auto" => Ok(BurnAlerts::Auto),
            "google" => Ok(BurnAlerts::Google),
            "pyrra" => Ok(BurnAlerts::Pyrra),
            "none" => Ok(BurnAlerts::None),
            _ => Err(E::custom(format!(
                "`{text}` is no preset\nwrite `auto`, `google`, `pyrra`, `none` or a list of alerts"
            ))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<BurnAlerts, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(BurnAlerts::Own)
    }
}
