//! Pipelines that feed themselves through connectors.

use std::collections::{HashMap, HashSet};

use super::{
    collector::{Collector, Reference},
    id::ComponentId,
};
use crate::{Problem, Problems};

/// Reports every way back that a walk over the pipelines finds: at least one per circle, shown where
/// the circle closes.
///
/// *Cost*: linear in pipelines and their connections; no recursion, as a chain may be long.
pub(super) fn check_cycles(collector: &Collector, problems: &mut Problems) {
    let graph = Graph::of(collector);
    let mut done = vec![false; graph.edges.len()];
    let mut on_the_way = vec![None; graph.edges.len()];
    for start in 0..graph.edges.len() {
        if !done[start] {
            graph.walk(start, &mut done, &mut on_the_way, problems);
        }
    }
}

/// From pipeline to pipeline, by connector.
struct Graph<'c> {
    collector: &'c Collector,
    edges: Vec<Vec<Edge<'c>>>,
}

#[derive(Clone, Copy)]
struct Edge<'c> {
    connector: &'c Reference,
    to: usize,
}

/// A pipeline on the way, and how many of its edges were tried.
struct Step<'c> {
    pipeline: usize,
    tried: usize,
    came_by: Option<&'c Reference>,
}

impl<'c> Graph<'c> {
    fn of(collector: &'c Collector) -> Self {
        let connectors: HashSet<&ComponentId> =
            collector.connectors.iter().map(|connector| &connector.id).collect();
        let mut fed_by: HashMap<&ComponentId, Vec<usize>> = HashMap::new();
        for (at, pipeline) in collector.service.pipelines.iter().enumerate() {
            for reference in pipeline.receivers.iter().filter(|reference| connectors.contains(&reference.id))
            {
                fed_by.entry(&reference.id).or_default().push(at);
            }
        }
        let edges = collector.service.pipelines.iter().map(|pipeline| {
            let feeds = pipeline.exporters.iter();
            feeds
                .filter_map(|connector| Some((connector, fed_by.get(&connector.id)?)))
                .flat_map(|(connector, fed)| fed.iter().map(move |to| Edge { connector, to: *to }))
                .collect()
        });
        Self { collector, edges: edges.collect() }
    }

    /// Follows every way from `start`. `on_the_way` tells which step stands at a pipeline, and is all
    /// none before and after.
    fn walk(
        &self,
        start: usize,
        done: &mut [bool],
        on_the_way: &mut [Option<usize>],
        problems: &mut Problems,
    ) {
        let mut steps = vec![Step { pipeline: start, tried: 0, came_by: None }];
        on_the_way[start] = Some(0);
        while let Some(step) = steps.last_mut() {
            let pipeline = step.pipeline;
            let Some(edge) = self.edges[pipeline].get(step.tried).copied() else {
                done[pipeline] = true;
                on_the_way[pipeline] = None;
                steps.pop();
                continue;
            };
            step.tried += 1;
            if let Some(first) = on_the_way[edge.to] {
                problems.push(self.circle(&steps[first..], edge));
            } else if !done[edge.to] {
                on_the_way[edge.to] = Some(steps.len());
                steps.push(Step { pipeline: edge.to, tried: 0, came_by: Some(edge.connector) });
            }
        }
    }

    fn circle(&self, steps: &[Step<'_>], closing: Edge<'_>) -> Problem {
        let pipelines = &self.collector.service.pipelines;
        let mut parts = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            if let (Some(connector), true) = (step.came_by, at > 0) {
                parts.push(format!("connector \"{}\"", connector.id));
            }
            parts.push(format!("pipeline \"{}\"", pipelines[step.pipeline].id));
        }
        parts.push(format!("connector \"{}\"", closing.connector.id));
        parts.push(format!("pipeline \"{}\"", pipelines[closing.to].id));
        let path = steps.last().map_or(String::new(), |step| pipelines[step.pipeline].path());
        Problem::error(Some(closing.connector.place.clone()), path, format!("cycle: {}", parts.join(" -> ")))
            .with_help("remove one of these connectors from a pipeline's receivers or exporters")
    }
}
