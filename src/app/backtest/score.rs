//! How well alerts tell what happened.

use std::time::Duration;

use serde::Serialize;

use super::{alerts::Alert, truth::Fault};

/// What one configuration told of one recording.
#[derive(Clone, Debug)]
pub(super) struct Telling {
    pub(super) alerts: Vec<Alert>,
    pub(super) span: Duration,
    /// The faults that show in this recording.
    pub(super) faults: Vec<Fault>,
}

/// One column.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct Score {
    pub(super) configuration: String,
    /// *Units*: seconds, as all durations here.
    pub(super) recorded_seconds: f64,
    pub(super) alerts: usize,
    /// None when nothing was recorded.
    pub(super) alerts_per_day: Option<f64>,
    /// From what events say was the start until the event; the median.
    pub(super) delay_from_onset_seconds: Option<f64>,
    #[serde(flatten)]
    pub(super) against_truth: Option<AgainstTruth>,
}

/// What can be said when the faults are known.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(super) struct AgainstTruth {
    pub(super) faults: usize,
    /// Faults during which, or within the grace after which, there was an alert.
    pub(super) faults_found: usize,
    /// Of those, with an alert of the faulty service itself.
    pub(super) faults_found_at_service: usize,
    /// Alerts that belong to a fault.
    pub(super) right_alerts: usize,
    pub(super) precision: Option<f64>,
    pub(super) recall: Option<f64>,
    /// From the start of a fault until its first alert, of faults that were found.
    pub(super) delay_seconds_median: Option<f64>,
    pub(super) delay_seconds_max: Option<f64>,
}

impl Score {
    /// Adds up what was told of all recordings.
    pub(super) fn of(configuration: &str, tellings: &[Telling], grace: Option<Duration>) -> Self {
        let recorded: Duration = tellings.iter().map(|telling| telling.span).sum();
        let alerts: Vec<&Alert> = tellings.iter().flat_map(|telling| &telling.alerts).collect();
        let days = recorded.as_secs_f64() / 86_400.0;
        let delays = alerts.iter().filter_map(|alert| Some(alert.at.since(alert.onset?).as_secs_f64()));
        Self {
            configuration: configuration.to_owned(),
            recorded_seconds: recorded.as_secs_f64(),
            alerts: alerts.len(),
            alerts_per_day: (days > 0.0).then(|| alerts.len() as f64 / days),
            delay_from_onset_seconds: median(delays.collect()),
            against_truth: grace.map(|grace| AgainstTruth::of(tellings, grace)),
        }
    }
}

impl AgainstTruth {
    /// An alert of any service is right during a fault: those who call a faulty service suffer with it.
    fn of(tellings: &[Telling], grace: Duration) -> Self {
        let (mut n_faults, mut n_alerts, mut right_alerts, mut at_service) = (0, 0, 0, 0);
        let mut delays = Vec::new();
        for Telling { alerts, faults, .. } in tellings {
            n_faults += faults.len();
            n_alerts += alerts.len();
            let is_right = |alert: &&Alert| faults.iter().any(|fault| belongs(alert, fault, grace));
            right_alerts += alerts.iter().filter(is_right).count();
            for fault in faults {
                let found: Vec<_> = alerts.iter().filter(|alert| belongs(alert, fault, grace)).collect();
                at_service += usize::from(found.iter().any(|alert| alert.service == fault.service));
                let first = found.iter().map(|alert| alert.at).min();
                delays.extend(first.map(|at| at.since(fault.start).as_secs_f64()));
            }
        }
        let ratio = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        Self {
            faults: n_faults,
            faults_found: delays.len(),
            faults_found_at_service: at_service,
            right_alerts,
            precision: ratio(right_alerts, n_alerts),
            recall: ratio(delays.len(), n_faults),
            delay_seconds_max: delays.iter().copied().reduce(f64::max),
            delay_seconds_median: median(delays),
        }
    }
}

fn belongs(alert: &Alert, fault: &Fault, grace: Duration) -> bool {
    (fault.start..=fault.end + grace).contains(&alert.at)
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}
