//! Parts requests and sends the parts on.

use std::collections::BTreeSet;

use component::{BuildCx, Checks, Counter, Cx, Processor, ProcessorDef, Route};
use model::{Batch, KeySet, Outcome, SignalSet};

use super::{
    RoutingConfig,
    config::{Action, By, RouteRow},
};
use crate::ottl::Verdict;

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

    fn metadata(config: &RoutingConfig) -> Vec<String> {
        // What is wrong with them was told when they were validated.
        let rows = config.rows(&mut Checks::default());
        let of_row = |row: &RouteRow| match &row.by {
            By::Request(rule) => rule.headers(),
            By::Items(_) => Vec::new(),
        };
        let names: BTreeSet<String> = rows.iter().flat_map(of_row).collect();
        names.into_iter().collect()
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
        for row in &mut self.rows {
            if let By::Items(forks) = &mut row.by {
                forks.iter_mut().flatten().for_each(|fork| fork.want(keys));
            }
        }
    }

    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        let Some(signal) = batch.payload.signal() else { return };
        let all = batch.items;
        let mut routed: Vec<(usize, Batch)> = Vec::new();
        let mut rest = Some(batch);
        for row in &mut self.rows {
            let Some(batch) = &mut rest else { break };
            let fork = match &mut row.by {
                By::Items(forks) => forks[signal as usize].as_mut(),
                By::Request(rule) => {
                    let is_taken = rule.holds(cx.metadata());
                    let taken = match row.action {
                        Action::Move if is_taken => rest.take(),
                        Action::Copy if is_taken => Some(batch.clone()),
                        _ => None,
                    };
                    routed.extend(taken.map(|batch| (row.index, batch)));
                    continue;
                }
            };
            let Some(fork) = fork else { continue };
            let verdict = fork.judge(&batch.payload);
            let failures = fork.take_failures();
            self.failures.add(failures.count);
            if failures.ends_request {
                let message = "a condition of a route could not be judged, and its error_mode is propagate";
                batch.ack.report(Outcome::Permanent(message.to_owned()));
                cx.reject(all, FAILED);
                rest.into_iter().for_each(|batch| cx.absorb(batch));
                return;
            }
            let taken = match (verdict, row.action) {
                (Verdict::Nothing, _) => None,
                (Verdict::Everything, Action::Move) => rest.take(),
                (Verdict::Everything, Action::Copy) => Some(batch.clone()),
                (Verdict::Some, action) => {
                    let (payload, items) = fork.take(&batch.payload, batch.items);
                    if action == Action::Move {
                        fork.leave(&mut batch.payload);
                        batch.items -= items.min(batch.items);
                    }
                    Some(Batch { payload, items, ack: batch.ack.clone() })
                }
            };
            if let Some(mut taken) = taken {
                fork.edit(&mut taken.payload);
                routed.push((row.index, taken));
            }
        }
        for (route, part) in routed {
            cx.pass_to(route, part);
        }
        match (rest, self.rest) {
            (None, _) => {}
            (Some(rest), Some(route)) => cx.pass_to(route, rest),
            (Some(rest), None) => {
                cx.reject(rest.items, NO_ROUTE);
                cx.absorb(rest);
            }
        }
    }
}
