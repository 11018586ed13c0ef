//! Which series are forecast, and why.

use std::{collections::HashMap, sync::Arc};

use model::{Series, Statistic};
use wire::view::{AnyValue, attributes};

use super::config::{ForecastConfig, Selector};

/// Why a series is forecast.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Role {
    pub(super) is_emitted: bool,
    /// Indices of `thresholds`; none for nothing.
    pub(super) thresholds: Option<Arc<[u16]>>,
    /// Index of `capacity`, the first that fits.
    pub(super) capacity: Option<u16>,
}

impl Role {
    pub(super) fn of(series: &Series, config: &ForecastConfig) -> Self {
        // Both lists are shorter than a u16 tells: `validate` sees to it.
        let thresholds: Vec<u16> = (0..)
            .zip(&config.thresholds)
            .filter(|(_, threshold)| fits(&threshold.selector(), series))
            .map(|(index, _)| index)
            .collect();
        let mut capacities = (0..).zip(&config.capacity);
        Self {
            is_emitted: config.emits(&series.metric, series.statistic),
            thresholds: (!thresholds.is_empty()).then(|| thresholds.into()),
            capacity: capacities
                .find(|(_, capacity)| fits(&capacity.selector(), series))
                .map(|(index, _)| index),
        }
    }

    pub(super) fn is_chosen(&self) -> bool {
        self.is_emitted || self.thresholds.is_some() || self.capacity.is_some()
    }
}

/// Every reason that was met, once: most series share theirs.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles {
    all: Vec<Role>,
    numbers: HashMap<Role, u32>,
}

impl Roles {
    /// Returns the number of a role; there are fewer of them than series.
    pub(super) fn number(&mut self, role: Role) -> u32 {
        let next = self.all.len() as u32;
        *self.numbers.entry(role).or_insert_with_key(|role| {
            self.all.push(role.clone());
            next
        })
    }

    pub(super) fn get(&self, number: u32) -> Option<&Role> {
        self.all.get(number as usize)
    }
}

/// Whether a series has a metric, a statistic and all attributes, of its points or of its resource.
fn fits(selector: &Selector<'_>, series: &Series) -> bool {
    let has = |(key, wanted): (&String, &String)| {
        let of_point = attributes(&series.attributes, 1);
        let of_resource = attributes(&series.resource, 1);
        of_point
            .chain(of_resource)
            .any(|attribute| attribute.key == key.as_bytes() && is(&attribute.value(), wanted))
    };
    *series.metric == *selector.metric
        && Statistic::of_name(selector.statistic) == Some(series.statistic)
        && selector.attributes.iter().all(has)
}

fn is(value: &AnyValue<'_>, wanted: &str) -> bool {
    match value {
        AnyValue::Str(text) => *text == wanted.as_bytes(),
        AnyValue::Bool(flag) => wanted.parse() == Ok(*flag),
        AnyValue::Int(number) => wanted.parse() == Ok(*number),
        AnyValue::Double(number) => wanted.parse() == Ok(*number),
        _ => false,
    }
}
