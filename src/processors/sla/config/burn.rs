//! Which burn rates are alerts.

use config::Either;
use serde::{Deserialize, Deserializer};

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

/// What is known by a name.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preset {
    Auto,
    Google,
    Pyrra,
    None,
}

impl<'de> Deserialize<'de> for BurnAlerts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Either::deserialize(deserializer).map(|alerts| match alerts {
            Either::Short(Preset::Auto) => Self::Auto,
            Either::Short(Preset::Google) => Self::Google,
            Either::Short(Preset::Pyrra) => Self::Pyrra,
            Either::Short(Preset::None) => Self::None,
            Either::Long(own) => Self::Own(own),
        })
    }
}
