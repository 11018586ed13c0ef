//! What another configuration changes of what the collector tells of itself while it runs.

use config::{LogLevel, MetricsLevel, Telemetry};

/// Sets the level of all that is logged from now on.
pub(super) type SetLevel = Box<dyn Fn(LogLevel) -> Result<(), tracing_subscriber::reload::Error> + Send>;

/// The settings that are in force, and the way to those that a reload can change.
pub(crate) struct InForce {
    pub(super) settings: Telemetry,
    pub(super) levels: Vec<SetLevel>,
}

impl InForce {
    /// Takes of other settings what can be taken: the level of logs. Returns the keys of what stays as it is until
    /// the next start.
    pub(crate) fn take(&mut self, new: &Telemetry) -> Vec<String> {
        let mut stay = stays(&self.settings, new);
        if self.settings.logs.level != new.logs.level {
            // They fail when logging has ended, and so has the process.
            if self.levels.iter().all(|set| set(new.logs.level).is_ok()) {
                self.settings.logs.level = new.logs.level;
            } else {
                stay.push("logs::level");
            }
        }
        stay.into_iter().map(|key| format!("{}::{key}", Telemetry::PATH)).collect()
    }
}

/// Returns the keys that have an effect and differ, but for what can be changed.
fn stays(old: &Telemetry, new: &Telemetry) -> Vec<&'static str> {
    let tells = |telemetry: &Telemetry| telemetry.metrics.level != MetricsLevel::None;
    let differs = [
        ("logs::encoding", old.logs.encoding != new.logs.encoding),
        ("logs::output_paths", old.logs.output_paths != new.logs.output_paths),
        ("logs::processors", old.logs.processors != new.logs.processors),
        ("metrics::level", tells(old) != tells(new)),
        ("metrics::readers", old.metrics.readers != new.metrics.readers),
        ("traces", old.traces != new.traces),
        ("resource", old.resource != new.resource),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_level_is_taken_and_what_else_differs_is_named_until_it_is_as_before() {
        let (set, levels) = mpsc::channel();
        let set: SetLevel = Box::new(move |level| {
            set.send(level).expect("the test listens");
            Ok(())
        });
        let start = Telemetry::default();
        let mut in_force = InForce { settings: start.clone(), levels: vec![set] };
        let mut new = start.clone();
        new.logs.level = LogLevel::Debug;
        new.logs.output_paths = vec!["/var/log/trueline".to_owned()];
        new.metrics.level = MetricsLevel::None;
        let named = ["service::telemetry::logs::output_paths", "service::telemetry::metrics::level"];
        assert_eq!(in_force.take(&new), named);
        assert_eq!(in_force.take(&new), named, "it is not in force");
        assert_eq!(levels.try_iter().collect::<Vec<_>>(), [LogLevel::Debug], "it is set once");
        assert!(in_force.take(&start).is_empty());
        assert_eq!(levels.try_iter().collect::<Vec<_>>(), [start.logs.level]);
    }

    #[test]
    fn what_has_no_effect_needs_no_start() {
        let start = Telemetry::default();
        let mut new = start.clone();
        (new.logs.development, new.metrics.level) = (true, MetricsLevel::Detailed);
        assert!(InForce { settings: start, levels: Vec::new() }.take(&new).is_empty());
    }
}
