//! The thread that asks.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use component::{Answer, AskError, Asks, Counter, Gauge, Past, Question, Stop, Telemetry};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tracing::{error, info, warn};

use super::counts::{self, Failed, Slot, Wanted};
use crate::{http_client::TlsFiles, range_query::Client};

/// Of so many slots a stage is told at once; it stores all its counts each time.
const SLOTS_AT_ONCE: usize = 100_000;
/// Waits between tries of a Prometheus that does not answer.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// How often a stage is asked that has not begun yet.
const POLL: Duration = Duration::from_secs(1);
const TOPIC: &str = "backfill";

/// Begins to fill the stages that say where their past can be asked for. Returns at once; the thread ends when all is
/// filled, and with the process.
pub(crate) fn start(pasts: BTreeMap<String, Past>, stages: Arc<dyn Asks>, stop: Stop, telemetry: &Telemetry) {
    if pasts.is_empty() {
        return;
    }
    let meters = Meters::new(telemetry);
    let run = move || {
        for (component, past) in pasts {
            let filled =
                Filler::new(component.clone(), &past, Arc::clone(&stages), stop.clone(), meters.clone())
                    .and_then(|filler| filler.fill());
            if let Err(problem) = filled {
                error!(component, problem = format!("{problem:#}"), "the past can not be filled in");
            }
        }
    };
    if let Err(problem) = std::thread::Builder::new().name("backfill".to_owned()).spawn(run) {
        error!(%problem, "the past can not be filled in, as no thread can be started");
    }
}

#[derive(Clone)]
struct Meters {
    left: Gauge,
    filled: Counter,
    failures: Counter,
}

impl Meters {
    fn new(telemetry: &Telemetry) -> Self {
        Self {
            left: telemetry.gauge(
                "trueline_backfill_objectives_left",
                "Objectives whose past is to be filled in",
                "{objective}",
            ),
            filled: telemetry.counter("trueline_backfill_slots", "Times that were filled in", "{slot}"),
            failures: telemetry.counter("trueline_backfill_failures", "Questions that failed", "{question}"),
        }
    }
}

struct Filler {
    component: String,
    client: Client,
    stages: Arc<dyn Asks>,
    stop: Stop,
    meters: Meters,
    runtime: Runtime,
}

impl Filler {
    fn new(
        component: String,
        past: &Past,
        stages: Arc<dyn Asks>,
        stop: Stop,
        meters: Meters,
    ) -> anyhow::Result<Self> {
        let mut headers = Vec::new();
        for (name, value) in &past.headers {
            let name: HeaderName =
                name.parse().with_context(|| format!("`{name}` is no name of a header"))?;
            let mut value = HeaderValue::try_from(value.expose())
                .with_context(|| format!("the value of the header {name} can not be sent"))?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        let [ca_file, cert_file, key_file] =
            [&past.tls.ca_file, &past.tls.cert_file, &past.tls.key_file].map(|file| file.as_deref());
        let names = ["backfill.tls.ca_file", "backfill.tls.cert_file", "backfill.tls.key_file"];
        let files = TlsFiles { ca_file, cert_file, key_file, names };
        let client = Client::new("backfill.prometheus", &past.prometheus, headers, files, past.timeout)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self { component, client, stages, stop, meters, runtime })
    }

    /// Fills everything that the stage names, once.
    fn fill(&self) -> anyhow::Result<()> {
        let mut left = VecDeque::from(self.wanted()?);
        let n_wanted = left.len();
        if n_wanted > 0 {
            let from = self.client.place();
            info!(component = self.component, objectives = n_wanted, from, "filling in the past");
        }
        let (mut batch, mut n_slots) = (BTreeMap::<String, Vec<Slot>>::new(), 0);
        let mut wait = FIRST_WAIT;
        while let Some(objective) = left.pop_front() {
            match counts::ask(&self.client, &objective) {
                Ok(slots) => {
                    n_slots += slots.len();
                    batch.insert(objective.id, slots);
                    wait = FIRST_WAIT;
                }
                Err(Failed::Wrong(problem)) => self.give_up(&objective.id, &format!("{problem:#}")),
                Err(Failed::Later(problem)) => {
                    self.meters.failures.add(1);
                    let problem = format!("{problem:#}");
                    warn!(component = self.component, problem, again_in = ?wait, "the past can not be asked for");
                    // Others may be answered meanwhile.
                    left.push_back(objective);
                    if self.is_stopped_within(wait) {
                        return Ok(());
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
            self.meters.left.set(left.len() as u64);
            if self.stop.is_cancelled() {
                return Ok(());
            }
            if n_slots >= SLOTS_AT_ONCE || wait > FIRST_WAIT || left.is_empty() {
                self.tell(&std::mem::take(&mut batch))?;
                n_slots = 0;
                let done = n_wanted - left.len();
                info!(component = self.component, objectives = done, of = n_wanted, "filled in the past");
            }
        }
        Ok(())
    }

    fn give_up(&self, objective: &str, problem: &str) {
        self.meters.failures.add(1);
        error!(
            component = self.component,
            objective, problem, "the past of an objective can not be filled in"
        );
    }

    /// Returns what the stage wants, once it knows since when it counts; nothing when nobody here does.
    fn wanted(&self) -> anyhow::Result<Vec<Wanted>> {
        loop {
            match self.ask("GET", Bytes::new()) {
                Ok(answer) => {
                    let (is_dated, wanted) = counts::read(&answer.body)?;
                    if is_dated {
                        return Ok(wanted);
                    }
                }
                Err(AskError::Busy) => {}
                // Another process analyses, and fills; or the service ends.
                Err(AskError::NotHere | AskError::Ends) => return Ok(Vec::new()),
                Err(problem) => bail!(problem),
            }
            if self.is_stopped_within(POLL) {
                return Ok(Vec::new());
            }
        }
    }

    /// Gives counts to the stage.
    fn tell(&self, batch: &BTreeMap<String, Vec<Slot>>) -> anyhow::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let body = Bytes::from(serde_json::to_vec(batch)?);
        let answer = loop {
            match self.ask("POST", body.clone()) {
                Err(AskError::Busy) if !self.is_stopped_within(POLL) => {}
                Err(AskError::Busy | AskError::Ends) => return Ok(()),
                other => break other?,
            }
        };
        let told: Value = serde_json::from_slice(&answer.body)?;
        if answer.status != 200 {
            bail!("the stage refuses the counts: {told}");
        }
        for (objective, reason) in told["refused"].as_object().into_iter().flatten() {
            self.give_up(objective, reason.as_str().unwrap_or_default());
        }
        let filled = told["filled"].as_object().into_iter().flatten();
        self.meters.filled.add(filled.filter_map(|(_, n)| n.as_u64()).sum());
        Ok(())
    }

    fn ask(&self, method: &str, body: Bytes) -> Result<Answer, AskError> {
        let question = Question {
            method: method.to_owned(),
            path: vec![TOPIC.to_owned()],
            parameters: BTreeMap::from([("component".to_owned(), self.component.clone())]),
            body,
            author: String::new(),
        };
        self.runtime.block_on(self.stages.ask(question))
    }

    /// Waits, and says whether the service ended meanwhile.
    fn is_stopped_within(&self, wait: Duration) -> bool {
        self.runtime.block_on(async { tokio::time::timeout(wait, self.stop.cancelled()).await.is_ok() })
    }
}
