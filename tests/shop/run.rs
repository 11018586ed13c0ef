//! One run: start the shop, let it become usual, make faults one after the other, and write down what both sides said.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};
use testbed::Process;

use crate::clock::{now, shown, sleep_until};
use crate::faults::{self, Active, Kind};
use crate::inbox::{Page, Side};
use crate::incidents::{Incidents, Seen};
use crate::sandbox::Parts;
use crate::services::{Services, customers};
use crate::stores::Stores;
use crate::watchers::Watchers;

/// How often incidents are asked for: what is told in between is seen so much later.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Before the first fault: nothing is judged in it.
    pub(crate) warm_up: Duration,
    /// After that, without a fault, and judged.
    pub(crate) quiet: Duration,
    pub(crate) fault: Duration,
    /// What comes so long after a fault is healed may still be its.
    pub(crate) aftermath: Duration,
    /// At least so long after that, and until both sides say that all is well.
    pub(crate) between: Duration,
    /// The longest wait for that; what lasts longer is false by then. Alerts may last as long as their longest window, and a
    /// fault that begins meanwhile is told of in no page of its own.
    pub(crate) calm_limit: Duration,
    /// A fault ends as soon as trueline names the service that is behind it.
    pub(crate) until_named: bool,
    pub(crate) requests_per_second: u32,
}

/// What became of one fault.
pub(crate) struct Trial {
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    pub(crate) size: String,
    /// From the fault to each page of trueline and of Prometheus.
    pub(crate) ours: Vec<Duration>,
    pub(crate) theirs: Vec<Duration>,
    /// From the fault to its first incident.
    pub(crate) opened: Option<Duration>,
    /// From the fault to when the incident named the right service first.
    pub(crate) named: Option<Duration>,
    /// Incidents that began in the fault or its aftermath.
    pub(crate) n_incidents: usize,
    /// Candidates of its incident when it was healed, the first one first.
    pub(crate) causes: Vec<Cause>,
}

pub(crate) struct Cause {
    pub(crate) service: String,
    pub(crate) kind: String,
    pub(crate) confidence: f64,
}

impl Trial {
    /// Returns the place of the right service, from 1 on.
    pub(crate) fn rank(&self) -> Option<usize> {
        self.causes.iter().position(|cause| cause.service == self.kind.truth().name()).map(|index| index + 1)
    }
}

/// What both sides said of a run.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) trials: Vec<Trial>,
    /// Time without a fault and without the aftermath of one.
    pub(crate) quiet: Duration,
    pub(crate) false_pages: [usize; 2],
    /// Alerts that fired at each side, those of the warm-up included.
    pub(crate) alerts: [usize; 2],
    /// Titles of incidents that began in that time.
    pub(crate) false_incidents: Vec<String>,
    pub(crate) left_out: Vec<String>,
}

pub(crate) struct Run<'a> {
    pace: Pace,
    stores: Stores,
    services: Services<'a>,
    customers: Process,
    watchers: Watchers,
    incidents: Incidents,
    record: Option<File>,
    began: Instant,
}

impl<'a> Run<'a> {
    /// Starts everything and waits until requests come through.
    pub(crate) fn start(parts: &'a Parts, pace: Pace, record: Option<File>) -> Result<Self> {
        let began = now();
        say(began, "starting Prometheus, Alertmanager and trueline");
        let watchers = Watchers::start()?;
        say(began, "starting PostgreSQL, Redis, RabbitMQ, nginx and toxiproxy");
        let stores = Stores::start(parts)?;
        say(began, "starting the services");
        let services = Services::start(parts)?;
        let customers = customers(parts, pace.requests_per_second)?;
        let mut run = Self {
            pace,
            stores,
            services,
            customers,
            watchers,
            incidents: Incidents::default(),
            record,
            began,
        };
        if let Err(problem) = run.watchers.wait_for_traffic(PATIENCE) {
            bail!("the shop's requests do not come through: {problem:#}\n{}", run.logs());
        }
        Ok(run)
    }

    /// Makes every kind of fault once with each seed.
    pub(crate) fn all(&mut self, kinds: &[Kind], seeds: &[u64]) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        self.say("warming up");
        self.watch_for(self.pace.warm_up)?;
        // The first requests of a cold JVM are slow, and both sides say so.
        self.calm_down()?;
        self.incidents.all_known();
        let n_pages = self.watchers.inbox.pages().len();
        let mut calm_since = now();
        self.say("quiet time");
        self.watch_for(self.pace.quiet)?;
        let n_faults = seeds.len() * kinds.len();
        for &seed in seeds {
            for &kind in kinds {
                if let Some(why) = kind.obstacle() {
                    self.say(&format!("{} is left out: {why}", kind.name()));
                    outcome.left_out.push(format!("{}: {why}", kind.name()));
                    continue;
                }
                let mut random = Pcg64::seed_from_u64(seed * 1000 + kind as u64);
                if !self.pace.until_named {
                    self.watch_for(Duration::from_secs(random.random_range(0..20)))?;
                }
                let injected = now();
                outcome.quiet += injected.saturating_duration_since(calm_since);
                let trial = self.trial(kind, seed, &mut random).with_context(|| kind.name())?;
                self.say(&trial.line());
                outcome.trials.push(trial);
                calm_since = self.incidents.ends().last().copied().unwrap_or(injected) + self.pace.aftermath;
                if outcome.trials.len() + outcome.left_out.len() < n_faults {
                    self.calm_down()?;
                }
            }
        }
        outcome.quiet += now().saturating_duration_since(calm_since);
        outcome.alerts = [Side::Trueline, Side::Prometheus].map(|side| self.watchers.inbox.n_alerts(side));
        self.count_false(&mut outcome, n_pages);
        Ok(outcome)
    }

    fn trial(&mut self, kind: Kind, seed: u64, random: &mut Pcg64) -> Result<Trial> {
        let injected = now();
        let active = faults::inject(kind, &mut self.stores, &mut self.services, random)?;
        self.say(&format!("{} begins: {}", kind.name(), active.size));
        self.incidents.fault_begins(injected);
        let truth = kind.truth().name();
        let named = self.watch_fault(injected, truth)?;
        let causes = self.incidents.of_fault(injected).map(|seen| causes(&seen.told)).unwrap_or_default();
        let Active { size, .. } = &active;
        let size = size.clone();
        self.write_down(kind, seed, &size, "healing")?;
        faults::heal(active, &mut self.stores, &mut self.services)?;
        self.incidents.fault_ends(now());
        self.watch_for(self.pace.aftermath)?;
        self.write_down(kind, seed, &size, "healed")?;
        let ends = now();
        let pages = self.watchers.inbox.pages();
        let delays = |side: Side| -> Vec<Duration> {
            let of_fault =
                pages.iter().filter(|page| page.side == side && page.at >= injected && page.at <= ends);
            of_fault.map(|page| page.at - injected).collect()
        };
        let began: Vec<&Seen> = self.incidents.begun_between(injected, ends);
        Ok(Trial {
            kind,
            seed,
            size,
            ours: delays(Side::Trueline),
            theirs: delays(Side::Prometheus),
            opened: began.first().map(|seen| seen.first - injected),
            named,
            n_incidents: began.len(),
            causes,
        })
    }

    /// Looks at incidents while the fault lasts; returns when the right service was first of the causes.
    fn watch_fault(&mut self, injected: Instant, truth: &str) -> Result<Option<Duration>> {
        let mut named = None;
        while now() < injected + self.pace.fault {
            self.look()?;
            let first =
                self.incidents.of_fault(injected).and_then(|seen| causes(&seen.told).into_iter().next());
            if named.is_none() && first.is_some_and(|cause| cause.service == truth) {
                named = Some(now() - injected);
            }
            if self.pace.until_named && named.is_some() && self.has_paged(injected) {
                break;
            }
            sleep_until(now() + LOOK_EVERY);
        }
        Ok(named)
    }

    fn has_paged(&self, since: Instant) -> bool {
        self.watchers.inbox.pages().iter().any(|page| page.side == Side::Trueline && page.at >= since)
    }

    fn watch_for(&mut self, duration: Duration) -> Result<()> {
        let end = now() + duration;
        while now() < end {
            self.look()?;
            sleep_until((now() + LOOK_EVERY).min(end));
        }
        Ok(())
    }

    /// Waits until no incident is open and no alert fires, and for the pace's time between faults.
    fn calm_down(&mut self) -> Result<()> {
        let (least, limit) = (now() + self.pace.between, now() + self.pace.between + self.pace.calm_limit);
        while now() < limit {
            self.look()?;
            if now() >= least && self.incidents.n_open() == 0 && self.watchers.firing()? == 0 {
                return Ok(());
            }
            sleep_until(now() + LOOK_EVERY);
        }
        self.say("incidents are still open or alerts fire; going on all the same");
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        let told = self.watchers.incidents();
        let told = told.with_context(|| {
            format!("asking trueline; its log ends:\n{}", last_lines(&self.watchers.trueline.log()))
        })?;
        for opened in self.incidents.look(told, now()) {
            let title = opened["title"].as_str().unwrap_or_default();
            say(self.began, &format!("  incident {}: {title}", opened["id"].as_str().unwrap_or_default()));
        }
        Ok(())
    }

    fn count_false(&self, outcome: &mut Outcome, n_known: usize) {
        let is_quiet = |at: Instant| !self.incidents.is_faulty(at, self.pace.aftermath);
        for page in self.watchers.inbox.pages().iter().skip(n_known).filter(|page| is_quiet(page.at)) {
            outcome.false_pages[page.side as usize] += 1;
            self.say(&format!("a false page of {:?}: {}", page.side, page.alert));
        }
        let opened = self.incidents.all().filter(|seen| !seen.was_known && is_quiet(seen.first));
        outcome.false_incidents = opened.map(|seen| what_opened(&seen.told)).collect();
    }

    /// Appends what is known to the record: a line of JSON.
    fn write_down(&mut self, kind: Kind, seed: u64, size: &str, when: &str) -> Result<()> {
        let Some(record) = &mut self.record else { return Ok(()) };
        let incidents: Vec<&Value> = self.incidents.all().map(|seen| &seen.told).collect();
        let seconds = (now() - self.began).as_secs();
        let pages: Vec<Value> =
            self.watchers.inbox.pages().iter().map(|page| shown_page(page, self.began)).collect();
        let line = json!({"seconds": seconds, "fault": kind.name(), "seed": seed, "size": size, "when": when,
            "truth": kind.truth().name(), "incidents": incidents, "pages": pages});
        writeln!(record, "{line}").context("writing the record")
    }

    fn logs(&mut self) -> String {
        use crate::services::Service::{Catalog, Orders, Web};
        let services = [Web, Catalog, Orders].map(|it| format!("{}:\n{}", it.name(), self.services.tail(it)));
        format!(
            "{}\nlocust:\n{}\ntrueline:\n{}",
            services.join("\n"),
            self.customers.tail(),
            last_lines(&self.watchers.trueline.log())
        )
    }

    fn say(&self, what: &str) {
        say(self.began, what);
    }

    /// Ends the run; the customers' own account of it must show that they were served.
    pub(crate) fn end(mut self) -> Result<()> {
        self.customers.terminate()?;
        self.customers.wait(PATIENCE)?;
        ensure!(
            self.customers.log().contains("Aggregated"),
            "locust did not count: {}",
            self.customers.tail()
        );
        self.say("done");
        Ok(())
    }
}

impl Trial {
    fn line(&self) -> String {
        let first =
            self.causes.first().map_or("nothing".to_owned(), |it| format!("{} ({})", it.service, it.kind));
        let seconds = |times: &[Duration]| -> Vec<u64> { times.iter().map(Duration::as_secs).collect() };
        format!(
            "{}: {} is behind it, {first} is named, rank {:?}; incidents {}, opened after {:?}, right after {:?}; pages \
             after {:?} s, Prometheus {:?} s",
            self.kind.name(),
            self.kind.truth().name(),
            self.rank(),
            self.n_incidents,
            self.opened.map(|it| it.as_secs()),
            self.named.map(|it| it.as_secs()),
            seconds(&self.ours),
            seconds(&self.theirs)
        )
    }
}

/// Reads the candidates of an incident.
pub(crate) fn causes(incident: &Value) -> Vec<Cause> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let listed = incident["causes"].as_array().into_iter().flatten();
    listed
        .map(|it| Cause {
            service: text(&it["service"]),
            kind: text(&it["kind"]),
            confidence: it["confidence"].as_f64().unwrap_or_default(),
        })
        .collect()
}

/// Returns the title of an incident and of its first event.
fn what_opened(incident: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let event = &incident["events"][0];
    format!("{} (opened by {}: {})", text(&incident["title"]), text(&event["kind"]), text(&event["title"]))
}

fn shown_page(page: &Page, began: Instant) -> Value {
    let seconds = (page.at - began).as_secs();
    json!({"side": format!("{:?}", page.side), "seconds": seconds, "alert": page.alert, "group": page.group})
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn say(began: Instant, what: &str) {
    eprintln!("{} {what}", shown(now() - began));
}
