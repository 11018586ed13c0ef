//! What full tables say of the values that they no longer tell apart.

use component::Instrument;

/// What the gauges of such values end with.
const GAUGES: &str = "_overflow_values";

/// Values of an attribute that found no room.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Refused {
    pub(super) service: String,
    pub(super) attribute: String,
    /// Whose table was full.
    pub(super) component: String,
    pub(super) n_values: u64,
}

impl Refused {
    /// Reads what components said of themselves, the attributes with the most values first.
    pub(super) fn of_instruments(instruments: &[Instrument]) -> Vec<Self> {
        let all = instruments.iter().filter_map(|it| {
            let label = |name: &str| {
                it.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            };
            Self::of(&it.name, label, it.value)
        });
        Self::sorted(all.collect())
    }

    /// Reads a gauge by its name and labels; none when it tells of something else.
    pub(super) fn of<'l>(
        gauge: &str,
        label: impl Fn(&str) -> Option<&'l str>,
        n_values: u64,
    ) -> Option<Self> {
        let component = gauge.strip_prefix("otelcol_")?.strip_suffix(GAUGES)?.split_once('_')?.1.to_owned();
        let (service, attribute) = (label("service_name")?.to_owned(), label("attribute")?.to_owned());
        (n_values > 0).then_some(Self { service, attribute, component, n_values })
    }

    pub(super) fn sorted(mut all: Vec<Self>) -> Vec<Self> {
        all.sort_by(|a, b| b.n_values.cmp(&a.n_values).then_with(|| a.cmp(b)));
        all
    }
}
