//! Which resources are used up, from the windows of metrics.

use std::{collections::BTreeMap, sync::Arc};

use model::{Rollups, Series, Statistic};
use wire::view::{AnyValue, attributes};

use super::{
    minute::Minute,
    subject::{Subject, Type},
};

/// How the names of utilisations end in the semantic conventions; values lie in 0 to 1.
const SUFFIXES: [&str; 2] = [".utilization", "_utilization"];
/// Attributes that split a resource into states, of which some are not in use.
const STATES: [&str; 6] =
    ["state", "cpu.mode", "cpu.state", "system.cpu.state", "system.memory.state", "system.filesystem.state"];
const FREE: [&str; 8] =
    ["idle", "iowait", "wait", "free", "available", "cached", "buffered", "slab_reclaimable"];

/// One resource of one instance in a window.
#[derive(Default)]
struct Use {
    /// Of values without a state the greatest.
    plain: Option<f64>,
    /// By what else tells apart, such as the number of the cpu: the sum of the states in use.
    busy: BTreeMap<Vec<u8>, f64>,
}

impl Use {
    fn value(&self) -> Option<f64> {
        let mean = self.busy.values().sum::<f64>() / self.busy.len().max(1) as f64;
        let busy = (!self.busy.is_empty()).then_some(mean);
        self.plain.into_iter().chain(busy).reduce(f64::max)
    }
}

/// Kind, service, metric and resource.
type Instance<'a> = (Type, &'a Arc<str>, &'a Arc<str>, &'a [u8]);

/// Adds the utilisations of a window, of each service and metric that of its most used instance. Returns what
/// found no room.
pub(super) fn tell(rollups: &Rollups, minute: &mut Minute) -> u64 {
    let mut uses: BTreeMap<Instance<'_>, Use> = BTreeMap::new();
    for (series, value) in rollups.series.iter().zip(&rollups.values) {
        let Some(kind) = kind_of(series).filter(|_| value.is_finite()) else { continue };
        let found = uses.entry((kind, &series.service, &series.metric, &series.resource)).or_default();
        let (state, rest) = split(series);
        match state {
            None => found.plain = Some(found.plain.map_or(*value, |known| known.max(*value))),
            Some(is_free) => *found.busy.entry(rest).or_default() += if is_free { 0.0 } else { *value },
        }
    }
    let mut most: BTreeMap<Subject, f64> = BTreeMap::new();
    for ((kind, service, metric, _), found) in uses {
        let Some(value) = found.value() else { continue };
        let subject = Subject { kind, service: Arc::clone(service), operation: Arc::clone(metric) };
        let known = most.entry(subject).or_insert(value);
        *known = known.max(value);
    }
    most.into_iter().map(|(subject, value)| u64::from(!minute.add_level(subject, value))).sum()
}

fn kind_of(series: &Series) -> Option<Type> {
    let name = &*series.metric;
    if series.statistic != Statistic::Mean || !SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        return None;
    }
    Some(match name {
        _ if name.contains("cpu") => Type::Cpu,
        _ if name.contains("memory") => Type::Memory,
        _ => Type::Resource,
    })
}

/// Returns whether the state of a series is free, none without a state, and its other attributes.
fn split(series: &Series) -> (Option<bool>, Vec<u8>) {
    let (mut state, mut rest) = (None, Vec::new());
    for attribute in attributes(&series.attributes, 1) {
        let is_state = STATES.iter().any(|key| key.as_bytes() == attribute.key);
        match attribute.value() {
            AnyValue::Str(text) if is_state => state = Some(FREE.iter().any(|free| free.as_bytes() == text)),
            _ => {
                rest.extend_from_slice(attribute.key);
                rest.push(0);
                rest.extend_from_slice(attribute.value);
                rest.push(0);
            }
        }
    }
    (state, rest)
}
