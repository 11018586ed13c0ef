//! Parts requests and sends the parts on.

use component::{BuildCx, Checks, Counter, Cx, Processor, ProcessorDef, Route};
use model::{Batch, KeySet, Outcome, SignalSet};

use super::{
    RoutingConfig,
    config::{Action, RouteRow},
};
use crate::ottl::{Forked, Part};

/// Chooses the pipelines behind it by conditions.
pub struct Routing;

impl ProcessorDef for Routing {
    const KIND: &'static str = "routing";
    type Config = RoutingConfig;

    fn consumes(_: &RoutingConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn emits(_: &RoutingConfig) -> SignalSet {
        SignalSet::ALL
    }

    fn routes(config: &RoutingConfig) -> Option<Vec<Route>> {
        let rows = config.table.iter().enumerate().map(|(index, route)| Route {
            key: format!("table.{index}.pipelines"),
            pipelines: route.pipelines.clone(),
        });
        let rest = Route { key: "default_pipelines".to_owned(), pipelines: config.default_pipelines.clone() };
        Some(rows.chain([rest]).collect())
    }

    fn ingest(config: &RoutingConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        // What is wrong with them was told when they were validated.
        let mut told = Checks::default();
        Box::new(Router {
            rows: config.rows(&mut told),
            rest: (!config.default_pipelines.is_empty()).then_some(config.table.len()),
            failures: cx.telemetry.counter(
                "otelcol_connector_routing_condition_failures",
                "Conditions that could not be judged of a resource, span, metric, point or record",
                "{failure}",
            ),
        })
    }
}

/// Why items are dropped.
const NO_ROUTE: &str = "no_route";
const FAILED: &str = "condition_failed";

struct Router {
    rows: Vec<RouteRow>,
    /// The route of what no row takes.
    rest: Option<usize>,
    failures: Counter,
}

impl Processor for Router {
    fn want(&mut self, keys: &mut KeySet) {
        self.rows.iter_mut().flat_map(|row| &mut row.forks).flatten().for_each(|fork| fork.want(keys));
    }

    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        let Some(signal) = batch.payload.signal() else { return };
        let all = batch.items;
        let mut routed: Vec<(usize, Batch)> = Vec::new();
        let mut is_left = true;
        for row in &mut self.rows {
            let Some(fork) = &mut row.forks[signal as usize] else { continue };
            let found = fork.fork(&batch.payload, batch.items);
            let failures = fork.take_failures();
            self.failures.add(failures.count);
            if failures.ends_request {
                let message = "a condition of a route could not be judged, and its error_mode is propagate";
                batch.ack.report(Outcome::Permanent(message.to_owned()));
                cx.reject(all, FAILED);
                return cx.absorb(batch);
            }
            let (mut taken, rest) = match found {
                Forked::None => continue,
                Forked::Whole => (batch.clone(), None),
                Forked::Parts { taken: Part { payload, items }, rest } => {
                    (Batch { payload, items, ack: batch.ack.clone() }, Some(rest))
                }
            };
            fork.edit(&mut taken.payload);
            routed.push((row.index, taken));
            match (row.action, rest) {
                (Action::Copy, _) => {}
                (Action::Move, Some(rest)) => (batch.payload, batch.items) = (rest.payload, rest.items),
                (Action::Move, None) => {
                    is_left = false;
                    break;
                }
            }
        }
        for (route, part) in routed {
            cx.pass_to(route, part);
        }
        match self.rest {
            _ if !is_left => cx.absorb(batch),
            Some(route) => cx.pass_to(route, batch),
            None => {
                cx.reject(batch.items, NO_ROUTE);
                cx.absorb(batch);
            }
        }
    }
}
