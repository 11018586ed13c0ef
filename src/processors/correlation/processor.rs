//! The processor's row in the table of its layer, and its analysis half.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use component::{
    Answer, BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, Question, RestoreError, Snapshot,
};
use model::{Batch, Columns, Payload, Rollups, Severity, SignalSet, Timestamp};
use prost::Message;
use wire::{
    build::LogsWriter,
    view::{LogRecord, groups},
};

use super::{
    answer,
    cause::{self, Finding, Sight},
    config::{CorrelationConfig, Notify},
    departures::Departures,
    events::{self, Event, Kind},
    graph::{CallGraph, Name, Way},
    incident::{Incident, Link, Role, State},
    incidents::{Fate, Incidents, name},
    ingest::{CorrelationPartial, IngestHalf, VERSION},
    output::{self, Measured, News},
    signals::Signals,
    snapshot,
    voice::{self, Held, REMIND_EVERY, Telling, Voices},
};

/// Joins events into incidents and says what is behind them.
pub struct Correlation;

impl ProcessorDef for Correlation {
    const KIND: &'static str = "correlation";
    const READS: Columns = Columns::VALUES.union(Columns::CALLS);
    const TOPICS: &'static [&'static str] = &["incidents", "changes"];
    type Config = CorrelationConfig;

    fn consumes(_: &CorrelationConfig) -> SignalSet {
        SignalSet::LOGS
    }

    fn emits(_: &CorrelationConfig) -> SignalSet {
        SignalSet::LOGS.union(SignalSet::METRICS)
    }

    fn ingest(config: &CorrelationConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        let uncounted = cx.telemetry.counter(
            "otelcol_processor_correlation_uncounted_records",
            "Log records whose line was not counted, as too many lines came in a second",
            "{record}",
        );
        Box::new(IngestHalf::new(&config.changes.events, config.rca.lines, uncounted))
    }

    fn analysis(config: &CorrelationConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

/// Changes that are remembered.
const MOST_CHANGES: usize = 1000;
/// Incidents that are closed and can still be asked for.
const MOST_PAST: usize = 100;
/// Bottlenecks that wait to be seen by other signals.
const MOST_UNCONFIRMED: usize = 1000;
/// How often metrics are written.
const MEASURE_EVERY: Duration = Duration::from_secs(10);

/// The half that knows all incidents.
pub(super) struct AnalysisHalf {
    pub(super) config: CorrelationConfig,
    pub(super) graph: CallGraph,
    pub(super) incidents: Incidents,
    pub(super) voices: Voices,
    /// In the order in which they were told.
    pub(super) changes: VecDeque<Event>,
    /// Closed ones, the newest last.
    pub(super) past: VecDeque<Incident>,
    signals: Signals,
    departures: Departures,
    /// Bottlenecks of which nothing else is seen yet.
    unconfirmed: Vec<Event>,
    /// What came since the last tick.
    came: Vec<Event>,
    alerts: Vec<Bytes>,
    /// The last window of which causes were looked for.
    judged: u64,
    measured_at: Timestamp,
    pub(super) n_alerts: u64,
    pub(super) n_notified: u64,
    out: LogsWriter,
    n_out: u64,
    meters: Meters,
}

struct Meters {
    opened: Counter,
    inhibited: Counter,
    refused_events: Counter,
    n_signals: Gauge,
}

impl AnalysisHalf {
    fn new(config: &CorrelationConfig, cx: &BuildCx<'_>) -> Self {
        let named = |name: &str| format!("otelcol_processor_correlation_{name}");
        let telemetry = cx.telemetry;
        let meters = Meters {
            opened: telemetry.counter(&named("opened_incidents"), "Incidents that were opened", "{incident}"),
            inhibited: telemetry.counter(
                &named("inhibited_alerts"),
                "Records of alerts whose incident had been told of already",
                "{record}",
            ),
            refused_events: telemetry.counter(
                &named("refused_events"),
                "Events of which nothing was kept, as there were too many incidents or they can not be read",
                "{event}",
            ),
            n_signals: telemetry.gauge(
                &named("signals"),
                "Signals of services that are remembered",
                "{signal}",
            ),
        };
        let rca = &config.rca;
        Self {
            graph: CallGraph::new(&config.graph),
            incidents: Incidents::default(),
            voices: Voices::default(),
            changes: VecDeque::new(),
            past: VecDeque::new(),
            signals: Signals::new(
                rca.window.get(),
                rca.windows(),
                rca.max_signals as usize,
                rca.metrics.clone(),
            ),
            departures: Departures::default(),
            unconfirmed: Vec::new(),
            came: Vec::new(),
            alerts: Vec::new(),
            judged: 0,
            measured_at: Timestamp::default(),
            n_alerts: 0,
            n_notified: 0,
            out: LogsWriter::new(),
            n_out: 0,
            meters,
            config: config.clone(),
        }
    }

    /// All incidents that can be asked for.
    pub(super) fn known(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.all.values().chain(&self.past)
    }

    pub(super) fn note_change(&mut self, change: Event) {
        if self.changes.iter().any(|known| known.id == change.id) {
            return;
        }
        if self.changes.len() >= MOST_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    fn hear(&mut self, bytes: &[u8], now: Timestamp) {
        let told = match CorrelationPartial::decode(bytes) {
            Ok(told) if told.version == VERSION => told,
            _ => return self.meters.refused_events.add(1),
        };
        if !told.alerts.is_empty() {
            self.alerts.push(told.alerts);
        }
        for row in told.lines {
            let (service, line) = (name(&row.service), name(&row.key));
            // What is told at the end of a second was written before.
            let at = now - Duration::from_nanos(1);
            self.signals.take_lines(&service, &line, row.is_complaint, row.records, at);
        }
        for group in groups(&told.events) {
            for message in group.items() {
                match events::read(&group, &LogRecord::of(message), &self.config.changes.events) {
                    Some(event) => self.came.push(event),
                    None => self.meters.refused_events.add(1),
                }
            }
        }
    }

    fn look_at(&mut self, rollups: &Rollups, now: Timestamp) {
        self.signals.take(rollups);
        if rollups.width == self.signals.width()
            && let Some(calls) = &rollups.calls
        {
            self.graph.take(calls, now);
        }
        for deployment in &rollups.deployments {
            self.came.push(Event {
                start: deployment.at,
                kind: Kind::Change,
                id: format!("{}/service.version/{}", deployment.service, deployment.version),
                service: Name::clone(&deployment.service),
                severity: Severity::Info,
                end: Some(deployment.at),
                title: format!("version {} of {} came up", deployment.version, deployment.service),
                slo_id: String::new(),
                trace: None,
            });
        }
    }

    /// Puts every event where it belongs, and lets alerts go on.
    fn place_all(&mut self, now: Timestamp) {
        if self.signals.last > self.judged {
            self.came.extend(self.departures.look(&self.signals));
            self.came.append(&mut self.unconfirmed);
        }
        let mut came = std::mem::take(&mut self.came);
        came.sort_by(|a, b| (a.start, a.kind, &a.id, a.end).cmp(&(b.start, b.kind, &b.id, b.end)));
        for event in came {
            if event.kind == Kind::Change {
                self.note_change(event);
            } else if event.kind != Kind::Bottleneck || self.waits(&event, now) {
                self.place(event, now);
            }
        }
        for request in std::mem::take(&mut self.alerts) {
            for group in groups(&request) {
                for message in group.items() {
                    self.pass_on(&group, &LogRecord::of(message), now);
                }
            }
        }
    }

    /// Whether a bottleneck is still worth looking at: the end of one that waits ends the wait.
    fn waits(&mut self, event: &Event, now: Timestamp) -> bool {
        let (n, is_over) = (self.unconfirmed.len(), event.end.is_some());
        self.unconfirmed.retain(|other| other.id != event.id);
        let waited = self.unconfirmed.len() < n;
        let is_old = event.start + self.config.rca.refine_for.get() < now;
        !(is_over && waited) && (is_over || !is_old) && self.unconfirmed.len() < MOST_UNCONFIRMED
    }

    /// The bottleneck that began an incident of which no signal of its service tells: one slow trace may make one, and
    /// is no incident.
    fn unseen(&self, id: &str) -> Option<Event> {
        let incident = self.incidents.all.get(id)?;
        let event = incident.members.values().next().filter(|event| event.kind == Kind::Bottleneck)?;
        let mut seen = incident.finding.candidates.iter().map(|one| &one.service);
        (!seen.any(|service| *service == event.service)).then(|| event.clone())
    }

    fn place(&mut self, event: Event, now: Timestamp) {
        match self.incidents.place(event, &self.graph, &self.config, now) {
            Fate::Opened(id) => {
                self.judge(&id, now);
                if let Some(event) = self.unseen(&id) {
                    self.incidents.remove(&id);
                    self.unconfirmed.push(event);
                    return;
                }
                self.meters.opened.add(1);
                self.tell(&id, News::Opened, now);
            }
            Fate::Joined { id, merged } => {
                self.join_voices(&id, &merged);
                if !merged.is_empty() {
                    self.judge(&id, now);
                    self.tell(&id, News::Merged, now);
                }
            }
            Fate::Updated | Fate::Ignored => {}
            Fate::Refused => self.meters.refused_events.add(1),
        }
    }

    /// Passes a record of an alert on, as its incident has it.
    fn pass_on(&mut self, group: &wire::view::Group<'_>, record: &LogRecord<'_>, now: Timestamp) {
        let Some(event) = events::read_alert(record) else {
            self.out.copy(group, record.message, &wire::build::Attributes::new());
            self.n_out += 1;
            return;
        };
        let (kind, fingerprint, is_firing) = (event.kind, event.id.clone(), event.end.is_none());
        let heard = event.clone();
        self.place(event, now);
        let Some(incident) = self.incidents.of(kind, &fingerprint) else {
            self.out.copy(group, record.message, &wire::build::Attributes::new());
            self.n_out += 1;
            return;
        };
        let id = incident.id.clone();
        let others_last = incident
            .active()
            .any(|other| matches!(other.kind, Kind::Alert | Kind::Burn) && other.id != fingerprint);
        let voice = self.voices.0.entry(id.clone()).or_default();
        let was_silent = !voice.speakers.contains(&fingerprint);
        let telling = match self.config.notify {
            Notify::Alerts => Telling::Speaks,
            Notify::Incidents => voice.hear(&heard, others_last),
        };
        let mut writer = LogsWriter::new();
        voice::mark(&mut writer, group, record, incident, &telling);
        let request = Bytes::from(writer.take());
        match telling {
            Telling::Speaks if is_firing => {
                let held = voice.held.entry(fingerprint).or_default();
                *held = Held { firing: request, resolved: Bytes::new(), told_at: now };
            }
            Telling::Speaks => {
                voice.held.remove(&fingerprint);
            }
            Telling::Waits => {
                let held = voice.held.entry(fingerprint).or_default();
                held.resolved = request;
                return;
            }
            Telling::Inhibited => self.meters.inhibited.add(1),
        }
        if was_silent && is_firing {
            self.n_alerts += 1;
            if telling == Telling::Speaks {
                self.n_notified += 1;
                if let Some(incident) = self.incidents.all.get_mut(&id) {
                    incident.n_notified += 1;
                }
            }
        }
        let Some(incident) = self.incidents.all.get(&id) else { return };
        voice::mark(&mut self.out, group, record, incident, &telling);
        self.n_out += 1;
    }

    /// Tells again what has ended while its incident goes on, and its end when that is over.
    fn speak_on(&mut self, now: Timestamp) {
        let voices = &mut self.voices.0;
        voices.retain(|id, _| self.incidents.all.contains_key(id));
        let mut due: Vec<Bytes> = Vec::new();
        for (id, voice) in voices {
            let Some(incident) = self.incidents.all.get(id) else { continue };
            let is_over = !incident.active().any(|event| matches!(event.kind, Kind::Alert | Kind::Burn));
            voice.held.retain(|_, held| {
                if held.resolved.is_empty() {
                    return true;
                }
                if is_over {
                    due.push(held.resolved.clone());
                } else if held.told_at + REMIND_EVERY <= now {
                    held.told_at = now;
                    due.push(held.firing.clone());
                }
                !is_over
            });
        }
        for request in due {
            for group in groups(&request) {
                for message in group.items() {
                    self.out.copy(&group, message, &wire::build::Attributes::new());
                    self.n_out += 1;
                }
            }
        }
    }

    /// Looks for the cause of an incident, while it is young, and for who suffers. Returns whether people would want
    /// to know what was found.
    fn judge(&mut self, id: &str, now: Timestamp) -> bool {
        let Some(incident) = self.incidents.all.get(id) else { return false };
        let finding = match incident.start + self.config.rca.refine_for.get() >= now {
            true => incident.finding.clone().or_stronger(self.finding(incident, now)),
            false => incident.finding.clone(),
        };
        let chain = self.chain(incident, &finding);
        let Some(incident) = self.incidents.all.get_mut(id) else { return false };
        let root =
            |finding: &Finding| finding.candidates.first().filter(|_| !finding.is_undetermined).cloned();
        let named = |finding: &Finding| root(finding).map(|first| (first.service, first.kind));
        let services =
            |chain: &[Link]| chain.iter().map(|link| Name::clone(&link.service)).collect::<BTreeSet<_>>();
        let is_news =
            named(&finding) != named(&incident.finding) || services(&chain) != services(&incident.chain);
        incident.finding = finding;
        incident.chain = chain;
        incident.revision += u32::from(is_news);
        is_news
    }

    fn finding(&self, incident: &Incident, now: Timestamp) -> Finding {
        let reach = self.graph.within(&incident.services(), self.config.causal.max_hops);
        let changes: Vec<Event> = self.changes.iter().cloned().collect();
        let sight = Sight {
            signals: &self.signals,
            graph: &self.graph,
            changes: &changes,
            start: incident.start,
            end: incident.end.unwrap_or(now),
            config: &self.config.rca,
            known: &incident.finding,
        };
        cause::find(&sight, &reach)
    }

    /// The services of an incident: its cause, then who suffers in the order in which it came to them.
    fn chain(&self, incident: &Incident, finding: &Finding) -> Vec<Link> {
        let mut first_seen: BTreeMap<Name, Timestamp> = BTreeMap::new();
        for event in incident.members.values().filter(|event| !event.service.is_empty()) {
            let seen = first_seen.entry(Name::clone(&event.service)).or_insert(event.start);
            *seen = (*seen).min(event.start);
        }
        let root = finding.candidates.first().filter(|_| !finding.is_undetermined).map(|one| &one.service);
        if let Some(root) = root {
            first_seen.entry(Name::clone(root)).or_insert(incident.start);
        }
        let names: BTreeSet<Name> = first_seen.keys().cloned().collect();
        let is_loud = |service: &str| names.contains(service);
        let role = |service: &Name| match root {
            Some(root) if root == service => Role::Root,
            Some(root) => match self.graph.way(service, root, &self.config.causal, &is_loud) {
                Some(Way::Down) => Role::Propagated,
                Some(Way::Up) | None => Role::Suspected,
            },
            None => Role::Suspected,
        };
        let links = first_seen.iter().map(|(service, first_seen)| Link {
            service: Name::clone(service),
            role: role(service),
            first_seen: *first_seen,
        });
        let mut chain: Vec<Link> = links.collect();
        chain.sort_by(|a, b| (a.role, a.first_seen, &a.service).cmp(&(b.role, b.first_seen, &b.service)));
        chain
    }

    /// Looks again at what is open, when there is something new to see.
    fn refine(&mut self, now: Timestamp) {
        if self.signals.last <= self.judged {
            return;
        }
        self.judged = self.signals.last;
        let open = self.incidents.all.values().filter(|incident| incident.state < State::Resolved);
        for id in open.map(|incident| incident.id.clone()).collect::<Vec<_>>() {
            if self.judge(&id, now) {
                self.tell(&id, News::Updated, now);
            }
        }
        self.merge_of_one_cause(now);
    }

    /// Joins open incidents that name the same cause.
    fn merge_of_one_cause(&mut self, now: Timestamp) {
        let mut oldest: BTreeMap<Name, String> = BTreeMap::new();
        let mut same: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for incident in self.incidents.all.values().filter(|incident| incident.state < State::Resolved) {
            let Some(root) = incident.root() else { continue };
            match oldest.get(root) {
                Some(older) => same.entry(older.clone()).or_default().push(incident.id.clone()),
                None => {
                    oldest.insert(Name::clone(root), incident.id.clone());
                }
            }
        }
        for (id, younger) in same {
            self.incidents.merge(&id, &younger, self.config.max_members as usize);
            self.join_voices(&id, &younger);
            self.judge(&id, now);
            self.tell(&id, News::Merged, now);
        }
    }

    fn join_voices(&mut self, id: &str, others: &[String]) {
        let others: Vec<_> = others.iter().filter_map(|other| self.voices.0.remove(other)).collect();
        let voice = self.voices.0.entry(id.to_owned()).or_default();
        others.into_iter().for_each(|other| voice.absorb(other));
    }

    fn settle(&mut self, now: Timestamp) {
        let (resolve, close) = (self.config.resolve_after.get(), self.config.reopen_within.get());
        let mut news = Vec::new();
        for incident in self.incidents.all.values_mut() {
            let before = incident.state;
            if incident.settle(now, resolve, close) {
                let what = match incident.state {
                    State::Open if before == State::Mitigating => News::Updated,
                    State::Open => News::Reopened,
                    State::Mitigating if before > State::Mitigating => News::Reopened,
                    State::Mitigating => News::Mitigating,
                    State::Resolved => News::Resolved,
                    State::Closed => News::Closed,
                };
                news.push((incident.id.clone(), what));
            }
        }
        for (id, what) in news {
            self.tell(&id, what, now);
        }
        for closed in self.incidents.take_closed() {
            if self.past.len() >= MOST_PAST {
                self.past.pop_front();
            }
            self.past.push_back(closed);
        }
    }

    fn tell(&mut self, id: &str, news: News, now: Timestamp) {
        if let Some(incident) = self.incidents.all.get(id) {
            output::write(&mut self.out, incident, news, now);
            self.n_out += 1;
        }
    }

    fn measure(&mut self, now: Timestamp, cx: &mut Cx<'_>) {
        if self.measured_at + MEASURE_EVERY > now {
            return;
        }
        self.measured_at = now;
        self.meters.n_signals.set(self.signals.len() as u64);
        let mut measured =
            Measured { n: [0; 4], by_severity: [0; 4], n_alerts: self.n_alerts, n_notified: self.n_notified };
        for incident in self.incidents.all.values() {
            measured.n[incident.state as usize] += 1;
            if incident.state < State::Resolved {
                measured.by_severity[incident.severity as usize] += 1;
            }
        }
        let (request, points) = output::write_metrics(&measured, now);
        cx.emit(Payload::Metrics(request.into()), points);
    }
}

impl Processor for AnalysisHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        match &batch.payload {
            Payload::Partial(partial) => return self.hear(&partial.bytes, cx.now()),
            Payload::Rollups(rollups) => self.look_at(rollups, cx.now()),
            _ => {}
        }
        cx.pass(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        self.place_all(now);
        self.refine(now);
        self.settle(now);
        self.speak_on(now);
        if self.n_out > 0 {
            let n = std::mem::take(&mut self.n_out);
            cx.emit(Payload::Logs(self.out.take().into()), n);
        }
        self.measure(now, cx);
    }

    fn answer(&mut self, question: &Question, cx: &mut Cx<'_>) -> Answer {
        answer::answer(self, question, cx.now())
    }

    fn snapshot(&self) -> Option<Snapshot> {
        Some(snapshot::write(self))
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        snapshot::read(self, &snapshot)
    }
}
