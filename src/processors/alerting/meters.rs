//! What the processor tells of itself.

use component::{Counter, Gauge, Telemetry};

use model::AlertState;

/// The processor's instruments.
pub(super) struct Meters {
    pub(super) rules: Gauge,
    pub(super) alerts: Gauge,
    pub(super) silences: Gauge,
    /// Alerts of which no values of the last 24 hours are kept.
    pub(super) untaped: Gauge,
    pub(super) evaluations: Counter,
    pub(super) no_data: Counter,
    pub(super) late: Counter,
    pub(super) too_late: Counter,
    pub(super) overflowed: Counter,
    pub(super) conflicts: Counter,
    pub(super) silent: Counter,
    pub(super) suppressed: Counter,
    pub(super) refused: Counter,
    notifications: [Counter; AlertState::ALL.len()],
    reminders: Counter,
}

impl Meters {
    pub(super) fn new(telemetry: &Telemetry) -> Self {
        let name = |name: &str| format!("otelcol_processor_alerting_{name}");
        let gauge = |it: &str, description, unit| telemetry.gauge(&name(it), description, unit);
        let counter = |it: &str, description, unit| telemetry.counter(&name(it), description, unit);
        let windows = |reason: &str| {
            let description = "Windows that were not evaluated, by reason";
            telemetry.with("reason", reason).counter(&name("rejected_windows"), description, "{window}")
        };
        let unknown = |reason: &str| {
            let description = "Groups of series or conditions that have no alert, by reason";
            telemetry.with("reason", reason).counter(&name("rejected_alerts"), description, "{alert}")
        };
        let notifications = |state: AlertState| {
            let description = "Changes that were told, by state; reminders are counted apart";
            telemetry.with("state", state.name()).counter(
                &name("notifications"),
                description,
                "{notification}",
            )
        };
        Self {
            rules: gauge("rules", "Rules in force", "{rule}"),
            alerts: gauge("alerts", "Alerts that are known, whatever their state", "{alert}"),
            silences: gauge("silences", "Silences, those that are over too", "{silence}"),
            untaped: gauge(
                "unexplained_alerts",
                "Alerts of which explain_bytes leaves no room for values",
                "{alert}",
            ),
            evaluations: counter("evaluations", "Evaluations of alerts", "{evaluation}"),
            no_data: counter("no_data_evaluations", "Evaluations without data", "{evaluation}"),
            late: windows("late"),
            too_late: windows("too_late"),
            overflowed: unknown("max_alerts"),
            conflicts: unknown("same_identity"),
            silent: counter("silent_refires", "Alerts that fired again in their cooldown", "{alert}"),
            suppressed: counter("suppressed", "Times that a silence or a schedule began to hold", "{alert}"),
            refused: counter("refused_requests", "Requests that were refused", "{request}"),
            notifications: AlertState::ALL.map(notifications),
            reminders: counter("reminders", "Alerts that were told again", "{notification}"),
        }
    }

    pub(super) fn told(&self, state: AlertState, is_reminder: bool) {
        if is_reminder {
            self.reminders.add(1);
        } else {
            self.notifications[state as usize].add(1);
        }
    }
}
