//! The processor's row in the table of its layer, and its analysis half.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use component::{
    Answer, BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, Question, RestoreError, Snapshot,
};
use model::{Ack, Batch, Columns, Payload, Rollups, SignalSet, Timestamp};
use prost::Message;
use wire::{
    build::LogsWriter,
    view::{LogRecord, groups},
};

use super::{
    answer,
    cause::CauseKind,
    changes::change_of,
    concerned::Concerned,
    config::CorrelationConfig,
    departures::Departures,
    events::{self, Event, Kind},
    feedback::Opinions,
    flags::Flags,
    graph::{CallGraph, Name},
    impact::Budgets,
    incident::{Incident, State},
    incidents::{Fate, Incidents, name},
    ingest::{CorrelationPartial, IngestHalf, VERSION},
    output::{self, Measured, News},
    signals::Signals,
    snapshot,
    voice::Voices,
};

/// Joins events into incidents and says what is behind them.
pub struct Correlation;

impl ProcessorDef for Correlation {
    const KIND: &'static str = "correlation";
    const READS: Columns = Columns::VALUES.union(Columns::CALLS);
    const HEARS: Columns = Columns::CONDITIONS;
    const ADDS: Columns = Columns::INCIDENTS;
    const TOPICS: &'static [&'static str] = &["incidents", "changes"];
    type Config = CorrelationConfig;

    fn consumes(_: &CorrelationConfig) -> SignalSet {
        // Of spans what they tell of feature flags.
        SignalSet::LOGS.union(SignalSet::TRACES)
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
        Box::new(IngestHalf::new(&config.changes.events, config.rca.lines, uncounted, left_out_flags(cx)))
    }

    fn analysis(config: &CorrelationConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

/// Both halves count variants without room.
fn left_out_flags(cx: &BuildCx<'_>) -> Counter {
    cx.telemetry.counter(
        "otelcol_processor_correlation_left_out_flags",
        "Variants of feature flags that were not noted, as there were too many",
        "{variant}",
    )
}

/// Feature flags of services that are remembered.
const MOST_FLAGS: usize = 10_000;
/// Changes that are remembered.
const MOST_CHANGES: usize = 1000;
/// Incidents that are closed and can still be asked for.
const MOST_PAST: usize = 100;
/// Bottlenecks that wait to be seen by other signals.
const MOST_UNCONFIRMED: usize = 1000;
/// Looks for a cause that the alerts of a second wait for.
const MOST_LOOKS: u32 = 4;
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
    /// Variants of feature flags.
    pub(super) flags: Flags,
    /// Closed ones, the newest last.
    pub(super) past: VecDeque<Incident>,
    pub(super) signals: Signals,
    pub(super) departures: Departures,
    /// Bottlenecks of which nothing else is seen yet.
    unconfirmed: Vec<Event>,
    /// What came since the last tick.
    came: Vec<Event>,
    alerts: Vec<(Bytes, Ack)>,
    /// The last window of which causes were looked for.
    pub(super) judged: u64,
    /// Incidents whose first look was left for later, so that alerts need not wait for it.
    pub(super) unjudged: BTreeSet<String>,
    /// How many looks alerts may still wait for.
    looks_left: u32,
    /// Whether the looks of the last second were left for this one.
    is_postponed: bool,
    measured_at: Timestamp,
    concerned: Concerned,
    budgets: Budgets,
    /// What people said of incidents.
    pub(super) opinions: Opinions,
    pub(super) n_alerts: u64,
    pub(super) n_notified: u64,
    /// What goes out at the end of this second, and the records that are still written to the next request of it.
    pub(super) ready: Vec<Batch>,
    pub(super) out: LogsWriter,
    pub(super) n_out: u64,
    pub(super) meters: Meters,
}

pub(super) struct Meters {
    pub(super) opened: Counter,
    pub(super) inhibited: Counter,
    refused_events: Counter,
    lost: Counter,
    n_signals: Gauge,
    without_signal: Counter,
    other_lines: Counter,
    without_edge: Counter,
    without_departure: Counter,
    without_wait: Counter,
    forgotten_changes: Counter,
    without_flag: Counter,
}

impl AnalysisHalf {
    fn new(config: &CorrelationConfig, cx: &BuildCx<'_>) -> Self {
        let named = |name: &str| format!("otelcol_processor_correlation_{name}");
        let telemetry = cx.telemetry;
        let left_out = |what: &str, description, unit| {
            telemetry.counter(&named(&format!("left_out_{what}")), description, unit)
        };
        let meters = Meters {
            other_lines: telemetry.counter(
                &named("other_lines"),
                "Log records whose line is not told apart, as there were too many lines",
                "{record}",
            ),
            without_flag: left_out_flags(cx),
            without_signal: left_out("values", "Values of signals for which there was no room", "{value}"),
            without_edge: left_out("edges", "Calls between services for which there was no room", "{edge}"),
            without_departure: left_out(
                "departures",
                "Departures that were not followed, as there were too many, in each window",
                "{departure}",
            ),
            without_wait: left_out(
                "bottlenecks",
                "Bottlenecks that were not looked at, as too many waited for other signals",
                "{bottleneck}",
            ),
            forgotten_changes: telemetry.counter(
                &named("forgotten_changes"),
                "Changes that were forgotten, as there were too many",
                "{change}",
            ),
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
            lost: telemetry.counter(
                &named("lost_events"),
                "Events of incidents that fell silent, and whose end nobody told",
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
            flags: Flags::new(config.rca.window.get(), MOST_FLAGS, cx.started_at),
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
            unjudged: BTreeSet::new(),
            looks_left: 0,
            is_postponed: false,
            measured_at: Timestamp::default(),
            concerned: Concerned::default(),
            budgets: Budgets::default(),
            opinions: Opinions::default(),
            n_alerts: 0,
            n_notified: 0,
            ready: Vec::new(),
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
        self.changes.push_back(change);
        if self.changes.len() > MOST_CHANGES {
            self.forget_change();
        }
    }

    /// Forgets the oldest change of the service that has most of them: a flood drives out itself alone.
    fn forget_change(&mut self) {
        let mut n_of: BTreeMap<&Name, usize> = BTreeMap::new();
        for change in &self.changes {
            *n_of.entry(&change.service).or_default() += 1;
        }
        // Of several the first by name.
        let most = n_of.iter().max_by_key(|(service, n)| (**n, std::cmp::Reverse(**service)));
        let place =
            most.and_then(|(most, _)| self.changes.iter().position(|change| change.service == **most));
        if let Some(place) = place {
            self.changes.remove(place);
            self.meters.forgotten_changes.add(1);
        }
    }

    fn hear(&mut self, bytes: &[u8], ack: Ack, now: Timestamp) {
        let told = match CorrelationPartial::decode(bytes) {
            Ok(told) if told.version == VERSION => told,
            _ => return self.meters.refused_events.add(1),
        };
        if !told.alerts.is_empty() {
            self.alerts.push((told.alerts, ack));
        }
        for row in told.lines {
            let (service, line) = (name(&row.service), name(&row.key));
            // What is told at the end of a second was written before.
            let at = now - Duration::from_nanos(1);
            self.signals.take_lines(&service, &line, row.is_complaint, row.records, at);
        }
        told.flags.into_iter().for_each(|row| self.flags.take(row));
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
            self.came.push(change_of(deployment));
        }
    }

    /// Puts every event where it belongs, and lets alerts go on. Returns whether there were any.
    fn place_all(&mut self, now: Timestamp) -> bool {
        let has_alerts = !self.alerts.is_empty();
        self.looks_left = if has_alerts { MOST_LOOKS } else { u32::MAX };
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
        self.looks_left = MOST_LOOKS;
        for (request, ack) in std::mem::take(&mut self.alerts) {
            for group in groups(&request) {
                for message in group.items() {
                    self.pass_on(&group, &LogRecord::of(message), now);
                }
            }
            self.close(ack);
        }
        has_alerts
    }

    /// Looks for a cause, or leaves that for later when alerts have waited for enough looks.
    fn judge_soon(&mut self, id: &str, now: Timestamp) {
        if self.looks_left == 0 {
            self.unjudged.insert(id.to_owned());
            return;
        }
        self.looks_left -= 1;
        self.judge(id, now);
    }

    /// Looks at what is open, in the next second where alerts would wait for it in this one.
    fn refine_soon(&mut self, has_alerts: bool, now: Timestamp) {
        if has_alerts && !self.is_postponed {
            self.is_postponed = true;
            return;
        }
        self.is_postponed = false;
        self.refine(now);
    }

    /// Whether a bottleneck is still worth looking at: the end of one that waits ends the wait.
    fn waits(&mut self, event: &Event, now: Timestamp) -> bool {
        let (n, is_over) = (self.unconfirmed.len(), event.end.is_some());
        self.unconfirmed.retain(|other| other.id != event.id);
        let waited = self.unconfirmed.len() < n;
        let is_old = event.start + self.config.rca.refine_for.get() < now;
        let is_wanted = !(is_over && waited) && (is_over || !is_old);
        let has_room = self.unconfirmed.len() < MOST_UNCONFIRMED;
        if is_wanted && !has_room {
            self.meters.without_wait.add(1);
        }
        is_wanted && has_room
    }

    /// The bottleneck that began an incident of which no signal of its service tells: one slow trace may make one, and
    /// is no incident.
    fn unseen(&self, id: &str) -> Option<Event> {
        let incident = self.incidents.all.get(id)?;
        let event = incident.members.values().next().filter(|event| event.kind == Kind::Bottleneck)?;
        let mut candidates = incident.finding.candidates.iter();
        // Which lines it writes changes with what is asked of it.
        let is_seen = candidates.any(|one| one.service == event.service && one.kind != CauseKind::Logs);
        (!is_seen).then(|| event.clone())
    }

    /// Puts an event where it belongs. Returns the incident that it began or joined just now.
    pub(super) fn place(&mut self, event: Event, now: Timestamp) -> Option<String> {
        match self.incidents.place(event, &self.graph, &self.config, now) {
            Fate::Opened(id) => {
                self.judge_soon(&id, now);
                if let Some(event) = self.unseen(&id) {
                    self.incidents.remove(&id);
                    self.unjudged.remove(&id);
                    self.unconfirmed.push(event);
                    return None;
                }
                self.meters.opened.add(1);
                self.tell(&id, News::Opened, now);
                Some(id)
            }
            Fate::Joined { id, merged } => {
                self.join_voices(&id, &merged);
                if !merged.is_empty() {
                    self.judge_soon(&id, now);
                    self.tell(&id, News::Merged, now);
                }
                Some(id)
            }
            Fate::Updated | Fate::Ignored => None,
            Fate::Refused => {
                self.meters.refused_events.add(1);
                None
            }
        }
    }

    fn settle(&mut self, now: Timestamp) {
        let (resolve, close) = (self.config.resolve_after.get(), self.config.reopen_within.get());
        let mut news = Vec::new();
        for incident in self.incidents.all.values_mut() {
            let before = incident.state;
            let voice = self.voices.0.get(&incident.id);
            let is_silenced =
                |fingerprint: &str| voice.is_some_and(|voice| voice.silenced.contains(fingerprint));
            let lost = incident.end_forgotten(now, is_silenced);
            if let Some(voice) = self.voices.0.get_mut(&incident.id).filter(|_| !lost.is_empty()) {
                lost.iter().for_each(|(_, id)| voice.lose(id));
            }
            incident.revision += u32::from(!lost.is_empty());
            let has_moved = incident.settle(now, resolve, close);
            if has_moved {
                let what = match incident.state {
                    State::Open if before == State::Mitigating => News::Updated,
                    State::Open => News::Reopened,
                    State::Mitigating if before > State::Mitigating => News::Reopened,
                    State::Mitigating => News::Mitigating,
                    State::Resolved => News::Resolved,
                    State::Closed => News::Closed,
                };
                news.push((incident.id.clone(), what));
            } else if !lost.is_empty() {
                news.push((incident.id.clone(), News::Updated));
            }
            self.meters.lost.add(lost.len() as u64);
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

    pub(super) fn tell(&mut self, id: &str, news: News, now: Timestamp) {
        if let Some(incident) = self.incidents.all.get_mut(id) {
            self.budgets.charge(incident);
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
        self.meters.other_lines.add(std::mem::take(&mut self.signals.counted_as_other));
        self.meters.without_signal.add(std::mem::take(&mut self.signals.dropped));
        self.meters.without_edge.add(std::mem::take(&mut self.graph.dropped));
        self.meters.without_departure.add(std::mem::take(&mut self.departures.left_out));
        let mut measured = Measured {
            n: [0; 4],
            by_severity: [0; 4],
            n_alerts: self.n_alerts,
            n_notified: self.n_notified,
            opinions: self.opinions,
        };
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
            Payload::Partial(partial) => return self.hear(&partial.bytes, batch.ack.clone(), cx.now()),
            Payload::Rollups(rollups) => self.look_at(rollups, cx.now()),
            Payload::Conditions(conditions) => self.budgets.take(conditions),
            _ => {}
        }
        cx.pass(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now();
        self.signals.settle_lines(now);
        self.came.extend(self.flags.settle(now));
        self.meters.without_flag.add(std::mem::take(&mut self.flags.left_out));
        let has_alerts = self.place_all(now);
        self.refine_soon(has_alerts, now);
        self.settle(now);
        self.budgets.charge_all(self.incidents.all.values_mut());
        self.speak_on(now);
        if let Some(open) = self.concerned.news(&self.incidents) {
            cx.emit(Payload::Incidents(Box::new(open)), 0);
        }
        self.close(Ack::none());
        self.ready.drain(..).for_each(|batch| cx.pass(batch));
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
