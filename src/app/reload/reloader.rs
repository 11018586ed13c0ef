//! Reads the configuration again, puts it in place, and tells what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use component::{Answer, Counter, Desk, Gauge, Past, Question, Responds, ServiceState, Telemetry};
use config::{ConfigUri, FileRead, Problem, Problems, Severity, one_line};
use engine::{Difference, Loaded, Plan, Refusal, ReloadError, Reloaded, Reloads};
use model::Timestamp;
use serde_json::{Value, json};
use tracing::{error, info, warn};

use super::watch::Watch;
use crate::{
    commands::validate::{check, render},
    telemetry::InForce,
};

/// The topic under which the API tells which configuration is in force.
const TOPIC: &str = "config";
/// In whose name it does.
const SERVICE: &str = "service";

/// Reads the configuration again and puts it in place.
pub(crate) struct Reloader {
    uris: Vec<ConfigUri>,
    reloads: Reloads,
    state: Arc<dyn ServiceState>,
    told_by: InForce,
    meters: Meters,
    watch: Watch,
    warned: Warned,
}

/// Warnings that have been told, by path and message: their lines move when others are written.
struct Warned(BTreeSet<(String, String)>);

impl Warned {
    fn of(problems: &Problems) -> Self {
        let warnings = problems.iter().filter(|problem| problem.severity == Severity::Warning);
        Self(warnings.map(|problem| (problem.path.clone(), problem.message.clone())).collect())
    }

    fn has(&self, problem: &Problem) -> bool {
        self.0.contains(&(problem.path.clone(), problem.message.clone()))
    }
}

struct Meters {
    telemetry: Telemetry,
    applied: Counter,
    unchanged: Counter,
    refused: Counter,
    is_successful: Gauge,
    success_time: Gauge,
    /// One, with the hash as its label; the one before goes when this is replaced.
    info: Gauge,
}

impl Reloader {
    pub(crate) fn new(
        uris: Vec<ConfigUri>,
        files: Vec<FileRead>,
        told: &Problems,
        reloads: Reloads,
        state: Arc<dyn ServiceState>,
        told_by: InForce,
        telemetry: &Telemetry,
    ) -> Self {
        let config = state.config();
        let meters = Meters::new(telemetry, &config.hash, config.since);
        let (watch, warned) = (Watch::on(files), Warned::of(told));
        Self { uris, reloads, state, told_by, meters, watch, warned }
    }

    /// Answers about the configuration in force, for those who ask over the API.
    pub(crate) fn tell_at(&self, desk: &Desk) {
        desk.open(TOPIC, SERVICE, Arc::new(Told(Arc::clone(&self.state))));
    }

    /// Whether a file has changed since the configuration was read, and has been quiet since.
    pub(crate) fn is_due(&mut self) -> bool {
        self.watch.is_due()
    }

    /// Reads the configuration and puts it in place if it is another and good. Returns the plan's sources of the past
    /// when it did.
    pub(crate) fn reload(&mut self, why: &str) -> Option<Pasts> {
        let Loaded { plan, telemetry, problems, files, .. } = check(&self.uris);
        self.watch = Watch::on(files);
        self.warn_of_what_is_new(&problems);
        match plan {
            None => {
                let errors = problems.sorted();
                let errors = errors.iter().filter(|problem| problem.severity == Severity::Error);
                self.refuse(why, &errors.map(one_line).collect::<Vec<_>>(), render(&problems, false));
                None
            }
            Some(plan) if plan.hash() == self.state.config().hash => {
                info!(reason = why, "the configuration is the one that runs already");
                self.meters.unchanged.add(1);
                self.meters.succeeded(self.state.config().since);
                self.reloads.refuse(None);
                None
            }
            Some(plan) => {
                let pasts = self.put_in_place(why, plan)?;
                if let Some(telemetry) = telemetry {
                    self.tell_by(&telemetry);
                }
                Some(pasts)
            }
        }
    }

    /// Logs each warning once, and again when it had gone meanwhile.
    fn warn_of_what_is_new(&mut self, problems: &Problems) {
        for problem in problems.sorted() {
            if problem.severity == Severity::Warning && !self.warned.has(&problem) {
                warn!("{}", one_line(&problem));
            }
        }
        self.warned = Warned::of(problems);
    }

    fn put_in_place(&mut self, why: &str, plan: Plan) -> Option<Pasts> {
        let pasts = plan.pasts();
        match self.reloads.reload(plan) {
            Ok(Reloaded { difference, took }) => {
                let config = self.state.config();
                let Difference { added, removed, changed, kept } = difference;
                info!(
                    reason = why,
                    hash = config.hash,
                    ?took,
                    added = added.join(", "),
                    removed = removed.join(", "),
                    changed = changed.join(", "),
                    kept = kept.join(", "),
                    "the configuration has been replaced"
                );
                self.meters.applied.add(1);
                self.meters.runs(&config.hash);
                self.meters.succeeded(config.since);
                let is_new = |id: &str| {
                    let end = format!("/{id}");
                    added.iter().chain(&changed).any(|name| name.ends_with(&end))
                };
                Some(pasts.into_iter().filter(|(id, _)| is_new(id)).collect())
            }
            Err(ReloadError::Ends) => None,
            Err(problem) => {
                let problem = problem.to_string();
                self.refuse(why, std::slice::from_ref(&problem), problem.clone());
                None
            }
        }
    }

    /// Changes what can be changed of how the collector tells of itself, and names the rest.
    fn tell_by(&mut self, telemetry: &config::Telemetry) {
        let stay = self.told_by.take(telemetry);
        if !stay.is_empty() {
            warn!(
                keys = stay.join(", "),
                "what these keys say is in force after the next start; all else has changed"
            );
        }
    }

    /// Logs each problem on a line of its own, as who searches the log for a file finds it.
    fn refuse(&self, why: &str, lines: &[String], problems: String) {
        error!(reason = why, problems = lines.len(), "the configuration is refused, the one before runs on");
        for line in lines {
            error!("{line}");
        }
        self.meters.refused.add(1);
        self.meters.is_successful.set(0);
        let reason = lines.first().cloned().unwrap_or_default();
        self.reloads.refuse(Some(Refusal { reason, problems }));
    }
}

/// Stages whose past can be asked for.
pub(crate) type Pasts = BTreeMap<String, Past>;

impl Meters {
    fn new(telemetry: &Telemetry, hash: &str, since: Timestamp) -> Self {
        let reloads = |result| {
            telemetry.with("result", result).counter(
                "otelcol_config_reloads",
                "Times the configuration was read again, by result.",
                "{reload}",
            )
        };
        let gauge = |name: &str, description, unit| telemetry.gauge(name, description, unit);
        let meters = Self {
            applied: reloads("applied"),
            unchanged: reloads("unchanged"),
            refused: reloads("refused"),
            is_successful: gauge(
                "otelcol_config_last_reload_successful",
                "Whether the configuration that was read last is in force.",
                "",
            ),
            success_time: gauge(
                "otelcol_config_last_reload_success_time",
                "When the configuration in force was put in place, since 1970.",
                "s",
            ),
            info: info_of(telemetry, hash),
            telemetry: telemetry.clone(),
        };
        meters.succeeded(since);
        meters
    }

    fn succeeded(&self, since: Timestamp) {
        self.is_successful.set(1);
        self.success_time.set(since.as_nanos() / 1_000_000_000);
    }

    fn runs(&mut self, hash: &str) {
        self.info = info_of(&self.telemetry, hash);
    }
}

fn info_of(telemetry: &Telemetry, hash: &str) -> Gauge {
    let name = "otelcol_config_info";
    let info = telemetry.with("hash", hash).gauge(name, "The configuration in force.", "");
    info.set(1);
    info
}

/// Tells of the configuration over the API.
struct Told(Arc<dyn ServiceState>);

impl Responds for Told {
    fn answer(&self, question: &Question) -> Answer {
        if question.method != "GET" {
            return Answer::refused(405, "the configuration is asked about with GET");
        }
        let config = self.0.config();
        let refused = config.refused.map_or(Value::Null, |refused| {
            json!({
                "at_unix_nano": refused.at.as_nanos().to_string(),
                "reason": refused.reason,
                "problems": refused.problems,
            })
        });
        Answer::ok(
            json!({
                "hash": config.hash,
                "since_unix_nano": config.since.as_nanos().to_string(),
                "refused": refused,
            })
            .to_string(),
        )
    }
}

/// How often files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
