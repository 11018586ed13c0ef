//! What trueline's incidents were at each look, beside when there was a fault.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

/// An incident as it was told last.
pub(crate) struct Seen {
    pub(crate) first: Instant,
    pub(crate) told: Value,
    /// It was there before anything was judged.
    pub(crate) was_known: bool,
}

impl Seen {
    fn is_open(&self) -> bool {
        self.told["state"] == "open" || self.told["state"] == "mitigating"
    }

    fn n_services(&self) -> usize {
        self.told["services"].as_array().map_or(0, Vec::len)
    }
}

#[derive(Default)]
pub(crate) struct Incidents {
    /// By their ids, which sort by time.
    seen: BTreeMap<String, Seen>,
    begins: Vec<Instant>,
    ends: Vec<Instant>,
}

impl Incidents {
    /// Takes an answer of the API; returns the incidents that are new.
    ///
    /// One that was merged into an older one is not told any more, and is not open.
    pub(crate) fn look(&mut self, told: Vec<Value>, at: Instant) -> Vec<Value> {
        let mut new = Vec::new();
        for incident in told {
            for merged in incident["merged"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if let Some(seen) = self.seen.get_mut(merged) {
                    seen.told["state"] = "merged".into();
                }
            }
            let id = incident["id"].as_str().unwrap_or_default().to_owned();
            if let Some(seen) = self.seen.get_mut(&id) {
                seen.told = incident;
            } else {
                new.push(incident.clone());
                self.seen.insert(id, Seen { first: at, told: incident, was_known: false });
            }
        }
        new
    }

    /// What was seen up to now is not judged.
    pub(crate) fn all_known(&mut self) {
        for seen in self.seen.values_mut() {
            seen.was_known = true;
        }
    }

    pub(crate) fn fault_begins(&mut self, at: Instant) {
        self.begins.push(at);
    }

    pub(crate) fn fault_ends(&mut self, at: Instant) {
        self.ends.push(at);
    }

    pub(crate) fn ends(&self) -> &[Instant] {
        &self.ends
    }

    /// Whether there was a fault at a moment, or one had been so long before.
    pub(crate) fn is_faulty(&self, at: Instant, aftermath: Duration) -> bool {
        let mut faults = self.begins.iter().enumerate();
        faults.any(|(index, begin)| {
            at >= *begin && self.ends.get(index).is_none_or(|end| at <= *end + aftermath)
        })
    }

    /// Returns the incident that tells of a fault that lasts: of those that are open one that began in the fault, as that is
    /// what somebody on call is told then; of several the one with the most services, and of several such the first one.
    pub(crate) fn of_fault(&self, injected: Instant) -> Option<&Seen> {
        let open = self.seen.values().rev().filter(|seen| seen.is_open());
        open.max_by_key(|seen| (seen.first >= injected, seen.n_services()))
    }

    pub(crate) fn begun_between(&self, from: Instant, to: Instant) -> Vec<&Seen> {
        self.seen.values().filter(|seen| seen.first >= from && seen.first <= to).collect()
    }

    pub(crate) fn n_open(&self) -> usize {
        self.seen.values().filter(|seen| seen.is_open()).count()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Seen> {
        self.seen.values()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Incidents;
    use crate::clock::now;

    #[test]
    fn an_incident_that_was_merged_is_not_open() {
        let mut incidents = Incidents::default();
        let at = now();
        let told = |id: &str, merged: &[&str]| json!({"id": id, "state": "open", "merged": merged});
        assert_eq!(incidents.look(vec![told("A", &[]), told("B", &[])], at).len(), 2);
        assert_eq!(incidents.n_open(), 2);
        assert!(incidents.look(vec![told("A", &["B"])], at).is_empty());
        assert_eq!(incidents.n_open(), 1);
        assert_eq!(incidents.of_fault(at).map(|seen| seen.told["id"].clone()), Some("A".into()));
    }
}
