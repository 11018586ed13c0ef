//! One stage in one thread's graph.

use std::rc::Rc;

use component::{BuildCx, Processor, Telemetry};
use model::{Columns, KeySet, SignalSet, Timestamp};

use super::{Side, meters::Meters};
use crate::plan::{Place, Stage};

/// Who this process is, as stages are told.
pub(crate) struct Identity<'a> {
    pub(crate) instance_id: &'a str,
    pub(crate) started_at: Timestamp,
}

/// A stage: its halves, what it takes, and where its output goes on.
pub(super) struct Node {
    pub(super) ingest: Box<dyn Processor>,
    pub(super) analysis: Option<Box<dyn Processor>>,
    pub(super) consumes: SignalSet,
    /// The analysis half has taken something since it was last asked.
    pub(super) is_changed: bool,
    /// Columns of closed windows, and conditions, that the analysis half takes.
    pub(super) reads: Columns,
    pub(super) after: After,
    pub(super) meters: Meters,
}

/// Where a stage's output goes on.
#[derive(Clone)]
pub(super) enum After {
    Stage {
        pipeline: usize,
        stage: usize,
    },
    Pipelines(Rc<[usize]>),
    /// The pipelines of each route.
    Routes(Rc<[Vec<usize>]>),
}

impl Node {
    pub(super) fn new(
        stage: &Stage<'_>,
        side: Side,
        telemetry: &Telemetry,
        identity: &Identity<'_>,
        keys: &mut KeySet,
    ) -> Self {
        let label = if stage.is_connector { "connector" } else { "processor" };
        let telemetry = telemetry.with(label, stage.id);
        let cx = BuildCx {
            id: stage.id,
            telemetry: &telemetry,
            instance_id: identity.instance_id,
            started_at: stage.since.unwrap_or(identity.started_at),
            is_watched: stage.is_watched,
        };
        let mut ingest = stage.configured.ingest(&cx);
        ingest.want(keys);
        let analysis = match side {
            Side::Ingest => None,
            Side::Both => stage.configured.analysis(&cx),
        };
        let after = match &stage.place {
            Place::Stage { pipeline, stage } => After::Stage { pipeline: *pipeline, stage: stage + 1 },
            Place::Connector { routes: Some(routes), .. } => After::Routes(routes.as_slice().into()),
            Place::Connector { outputs, routes: None } => After::Pipelines(outputs.as_slice().into()),
        };
        Self {
            ingest,
            analysis,
            consumes: stage.configured.consumes(),
            is_changed: false,
            reads: stage.configured.reads().union(stage.configured.hears()),
            after,
            meters: Meters::new(label, telemetry),
        }
    }
}
