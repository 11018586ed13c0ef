//! Stages: synchronous, without I/O, without a clock, without errors.

use model::{Ack, AckFuture, Batch, Columns, KeySet, Payload, SignalSet, SpanTable, Timestamp};

use crate::{
    Answer, BatchConfig, Config, MemoryLimit, Metadata, Pieces, Question, RestoreError, Snapshot, Telemetry,
};

/// A stage of a pipeline, or one half of it.
///
/// A stage that aggregates has two halves. The *ingest* half runs on every shard, sees OTLP and emits
/// [`Payload::Partial`]s at ticks; the *analysis* half runs once, merges them and emits what follows
/// from them. A stage that only edits has an ingest half alone; one that judges closed windows gets
/// [`Payload::Rollups`] in its analysis half, adds columns and passes them on. What an analysis half emits
/// as [`Payload::Verdicts`] comes to its own ingest halves, on every shard at a whole second.
pub trait Processor {
    /// Asks for the span attributes that this stage reads. Called once, before anything else.
    fn want(&mut self, _keys: &mut KeySet) {}

    /// Tells what all stages asked for, when all have: by these keys a stage walks again over a trace request that it
    /// wrote anew. Called once, before the first batch.
    fn wanted(&mut self, _keys: &KeySet) {}

    /// Takes a batch. What is not emitted is absorbed.
    ///
    /// Called only with what the definition consumes; the engine passes everything else by.
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>);

    /// Closes what ended by `cx.now()`. Ticks come at whole seconds, in order, to every shard and,
    /// when all shards have had theirs, to the analysis half.
    fn tick(&mut self, _cx: &mut Cx<'_>) {}

    /// Emits all that is open; nothing follows.
    fn drain(&mut self, cx: &mut Cx<'_>) {
        self.tick(cx);
    }

    /// Returns how many items this half alone knows of: it has taken them, and no partial of theirs has left
    /// with a tick. So many are lost with a shard that breaks. Asked of ingest halves alone.
    fn untold(&self) -> u64 {
        0
    }

    /// Whether the tick at `now` will emit state that a restart must not fall behind. The engine then
    /// stores a snapshot first, so that a counter never goes back below what was exported.
    fn closes_at(&self, _now: Timestamp) -> bool {
        true
    }

    /// Returns the state that must survive a restart. Asked of analysis halves alone.
    fn snapshot(&self) -> Option<Snapshot> {
        None
    }

    /// Returns the same state piece by piece: a stage with a large one makes each when the one before is on its way to
    /// the disk. The engine stores this form.
    fn snapshot_pieces(&self) -> Option<Pieces<'_>> {
        self.snapshot().map(Pieces::from)
    }

    /// Returns what people may ask about later and nothing else depends on, piece by piece. It may be larger than the
    /// state: the engine stores it every few minutes and at the end. A crash takes back what came since.
    fn archive_pieces(&self) -> Option<Pieces<'_>> {
        None
    }

    /// Answers a question of a user or of a program, or does what it asks. Asked of analysis halves alone, and
    /// only on the topics of the definition; the state is stored before the answer is given.
    fn answer(&mut self, _question: &Question, _cx: &mut Cx<'_>) -> Answer {
        Answer::not_found()
    }

    /// Takes back a snapshot. Called before the first batch.
    ///
    /// # Errors
    /// When the snapshot is of an unreadable version or damaged: the state is then empty.
    fn restore(&mut self, _snapshot: Snapshot) -> Result<(), RestoreError> {
        Ok(())
    }

    /// Takes back an archive. Called after [`Processor::restore`], whether that had something to take back or not.
    ///
    /// # Errors
    /// When the archive is of an unreadable version or damaged.
    fn restore_archive(&mut self, _archive: Snapshot) -> Result<(), RestoreError> {
        Ok(())
    }
}

/// Where a processor leaves what it did; the engine empties and reuses it.
#[derive(Default)]
pub struct Workbench {
    /// What was emitted, in order.
    pub out: Vec<Batch>,
    /// What a connector emitted for the pipelines of one of its routes alone, by the place in [`ProcessorDef::routes`].
    pub routed: Vec<(usize, Batch)>,
    /// What was dropped, with reasons.
    pub rejected: Vec<(u64, &'static str)>,
    /// What the head of the request says that is on its way; nothing between requests.
    pub metadata: Metadata,
    /// Tables whose request has been absorbed; their memory serves the next walk.
    pub spare_tables: Vec<Box<SpanTable>>,
}

impl Workbench {
    /// Keeps a table's memory for the next request, unless it is of one far larger than most.
    pub fn spare(&mut self, table: Box<SpanTable>) {
        if self.spare_tables.len() < SPARE_TABLES && table.heap_bytes() <= LARGEST_SPARE_BYTES {
            self.spare_tables.push(table);
        }
    }
}

/// What a processor may reach while it works.
pub struct Cx<'a> {
    now: Timestamp,
    bench: &'a mut Workbench,
}

impl<'a> Cx<'a> {
    pub fn new(now: Timestamp, bench: &'a mut Workbench) -> Self {
        Self { now, bench }
    }

    /// The time of the pipeline: the clock's in production, virtual in tests and replays.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the head of the request says, as far as the definition asks for it. Nothing at a tick.
    pub fn metadata(&self) -> &Metadata {
        &self.bench.metadata
    }

    /// Passes a batch on, with its acknowledgement.
    pub fn pass(&mut self, batch: Batch) {
        self.bench.out.push(batch);
    }

    /// Passes a batch on to the pipelines of one route, by its place in [`ProcessorDef::routes`].
    pub fn pass_to(&mut self, route: usize, batch: Batch) {
        self.bench.routed.push((route, batch));
    }

    /// Emits something new that nobody upstream waits for.
    pub fn emit(&mut self, payload: Payload, items: u64) {
        self.bench.out.push(Batch { payload, items, ack: Ack::none() });
    }

    /// Emits a batch and says when all exporters have it, as safe as they make it.
    pub fn emit_awaited(&mut self, payload: Payload, items: u64) -> AckFuture {
        let (ack, is_taken) = Ack::new();
        self.bench.out.push(Batch { payload, items, ack });
        is_taken
    }

    /// Counts items that are dropped, with the reason. There is no silent drop.
    pub fn reject(&mut self, items: u64, reason: &'static str) {
        self.bench.rejected.push((items, reason));
    }

    /// Ends a batch that was absorbed whole, and keeps its table's memory for the next request.
    pub fn absorb(&mut self, batch: Batch) {
        if let Payload::Traces(traces) = batch.payload {
            self.bench.spare(traces.table);
        }
    }
}

/// One table is in use at a time, two where pipelines fork.
const SPARE_TABLES: usize = 4;

/// The table of 8,192 spans, of which a dozen attributes are wanted, takes 1.5 MiB.
const LARGEST_SPARE_BYTES: usize = 8 << 20;

/// Stands where a stage has nothing to do.
struct Bystander;

impl Processor for Bystander {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        cx.pass(batch);
    }
}

/// What a definition may use while it builds.
pub struct BuildCx<'a> {
    /// The component's id as configured: `span_metrics/checkout`.
    pub id: &'a str,
    pub telemetry: &'a Telemetry,
    /// A stable name of this process, for series that several instances write.
    pub instance_id: &'a str,
    /// When the service started; what began before has unknown history.
    pub started_at: Timestamp,
    /// Whether a later stage of the pipeline reads closed windows.
    pub is_watched: bool,
}

/// Pipelines among which a connector chooses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Keys from the component's own section to the list, joined by dots: `table.0.pipelines`.
    pub key: String,
    /// Ids of pipelines, as the operator wrote them.
    pub pipelines: Vec<String>,
}

/// Patterns of what a stage hides, for those who look at what passes before it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Masks {
    /// Of keys whose values are hidden.
    pub keys: Vec<String>,
    /// Of what is hidden within values.
    pub values: Vec<String>,
}

/// A Prometheus that knows what a stage would have seen. Stages do no I/O, so the program asks it.
#[derive(Clone, PartialEq, Debug)]
pub struct Past {
    /// `http://HOST:PORT`, perhaps with a path.
    pub prometheus: String,
    pub headers: Vec<(String, config::Secret)>,
    pub tls: PastTls,
    /// How long an answer is waited for.
    pub timeout: std::time::Duration,
}

/// Whom to trust of those who are asked for the past, and who we are. The files are read when the asking begins.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct PastTls {
    pub ca_file: Option<std::path::PathBuf>,
    pub cert_file: Option<std::path::PathBuf>,
    pub key_file: Option<std::path::PathBuf>,
}

/// A kind of processor or connector: one row of its layer's table.
///
/// A connector is a processor whose output enters other pipelines.
pub trait ProcessorDef: Send + Sync + 'static {
    const KIND: &'static str;
    /// Other spellings that the collector accepts or accepted.
    const ALIASES: &'static [&'static str] = &[];
    /// Columns of closed windows that the stage needs; stages before it in the pipeline must add them.
    const READS: Columns = Columns::NONE;
    /// What it takes as well, when stages before it add it.
    const HEARS: Columns = Columns::NONE;
    /// What its analysis half answers questions about: `alerts` for those under `/api/v1/alerts`.
    const TOPICS: &'static [&'static str] = &[];
    /// Columns that it adds for the stages after it.
    const ADDS: Columns = Columns::NONE;
    type Config: Config;

    /// Returns the columns that it needs as configured; by default those it always needs.
    fn reads(_config: &Self::Config) -> Columns {
        Self::READS
    }

    /// Returns what the stage reads; other payloads pass it by.
    fn consumes(config: &Self::Config) -> SignalSet;

    /// Returns in pipelines of which signals it may stand, by default those that it reads. One that could read a signal
    /// and is told nothing of it lets that pass by.
    fn supports(config: &Self::Config) -> SignalSet {
        Self::consumes(config)
    }

    /// Returns what a connector puts into its output pipelines. A processor keeps to what it consumes.
    fn emits(config: &Self::Config) -> SignalSet;

    /// Returns the routes of a connector that chooses where a batch goes on. None for one whose output enters all
    /// pipelines that it feeds; one with routes calls [`Cx::pass_to`] alone.
    fn routes(_config: &Self::Config) -> Option<Vec<Route>> {
        None
    }

    /// Returns which headers of requests it reads, each once and in lower case; see [`Cx::metadata`].
    fn metadata(_config: &Self::Config) -> Vec<String> {
        Vec::new()
    }

    /// Returns where its past may be asked for; the program then fills what the stage names under the topic `backfill`.
    fn past(_config: &Self::Config) -> Option<Past> {
        None
    }

    /// Returns how exporters join what leaves its pipelines. A stage sees requests one by one and keeps no time, so the
    /// queues do that work.
    fn batch(_config: &Self::Config) -> Option<BatchConfig> {
        None
    }

    /// Returns above which memory of the process its pipelines take no more requests. A stage would see a request when it
    /// is buffered already, so receivers are told before.
    fn memory_limit(_config: &Self::Config) -> Option<MemoryLimit> {
        None
    }

    /// Returns what it hides of telemetry: nobody who looks at a sample shall see that either.
    fn masks(_config: &Self::Config) -> Masks {
        Masks::default()
    }

    /// Builds the half that sees OTLP, once per shard. A stage that only judges closed windows has none.
    fn ingest(_config: &Self::Config, _cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(Bystander)
    }

    /// Builds the half that merges partials; none for a stage that emits no partials.
    fn analysis(_config: &Self::Config, _cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        None
    }
}
