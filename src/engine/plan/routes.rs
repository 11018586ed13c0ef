//! Which of the pipelines that it feeds a connector means.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use component::ConfiguredProcessor;
use config::{Collector, Component, Pipeline, PipelineSignal, Problem, Problems, Reference, did_you_mean};
use model::SignalSet;

/// The pipelines of each route, by connector.
#[derive(Default)]
pub(super) struct Routes(BTreeMap<String, Vec<Vec<usize>>>);

impl Routes {
    /// Finds the pipelines that connectors name, and reports connectors that would lose what they are given.
    pub(super) fn read(
        collector: &Collector,
        connectors: &BTreeMap<String, Arc<dyn ConfiguredProcessor>>,
        problems: &mut Problems,
    ) -> Self {
        let mut found = Self::default();
        for component in &collector.connectors {
            let id = component.id.to_string();
            let Some(configured) = connectors.get(&id) else { continue };
            let named = collector
                .service
                .pipelines
                .iter()
                .flat_map(|line| line.receivers.iter().chain(&line.exporters));
            if !named.into_iter().any(|reference| reference.id == component.id) {
                // As in the collector, what is configured and not used is only read.
                continue;
            }
            let connector = Connector { collector, component, configured: configured.as_ref() };
            connector.check_signals(problems);
            if let Some(routes) = connector.routes(problems) {
                found.0.insert(id, routes);
            }
        }
        found
    }

    pub(super) fn of(&self, connector: &str) -> Option<Vec<Vec<usize>>> {
        self.0.get(connector).cloned()
    }
}

struct Connector<'a> {
    collector: &'a Collector,
    component: &'a Component,
    configured: &'a dyn ConfiguredProcessor,
}

impl Connector<'_> {
    fn is_in(&self, references: &[Reference]) -> bool {
        references.iter().any(|reference| reference.id == self.component.id)
    }

    /// The pipelines that it feeds, with their places among all.
    fn fed(&self) -> impl Iterator<Item = (usize, &Pipeline)> {
        let all = self.collector.service.pipelines.iter().enumerate();
        all.filter(|(_, pipeline)| self.is_in(&pipeline.receivers))
    }

    /// What it passes on of a pipeline's signals must be carried by a pipeline behind it.
    fn check_signals(&self, problems: &mut Problems) {
        let passed = self.configured.consumes().intersection(self.configured.emits());
        let carried = self.fed().fold(SignalSet::NONE, |all, (_, line)| all.union(signals_of(line)));
        if carried.is_empty() {
            // That it feeds nothing is told already.
            return;
        }
        for pipeline in &self.collector.service.pipelines {
            let uses = pipeline.exporters.iter().find(|reference| reference.id == self.component.id);
            let lost = passed.intersection(signals_of(pipeline));
            if let Some(reference) = uses
                && !lost.is_empty()
                && lost.intersection(carried).is_empty()
            {
                let id = &self.component.id;
                let message = format!(
                    "connector \"{id}\" used as exporter in pipeline \"{}\", but no pipeline that it feeds carries {lost}",
                    pipeline.id
                );
                problems.push(
                    Problem::error(Some(reference.place.clone()), pipeline.path(), message)
                        .with_help(format!("add `{id}` to the receivers of a pipeline of {lost}")),
                );
            }
        }
    }

    fn routes(&self, problems: &mut Problems) -> Option<Vec<Vec<usize>>> {
        let routes = self.configured.routes()?;
        let mut named = BTreeSet::new();
        let mut found = Vec::new();
        for route in routes {
            let mut pipelines = Vec::new();
            for (index, id) in route.pipelines.iter().enumerate() {
                match self.fed().find(|(_, pipeline)| pipeline.id.to_string() == id.trim()) {
                    Some((pipeline, _)) => {
                        named.insert(pipeline);
                        if !pipelines.contains(&pipeline) {
                            pipelines.push(pipeline);
                        }
                    }
                    None => self.report_missing(&format!("{}.{index}", route.key), id.trim(), problems),
                }
            }
            found.push(pipelines);
        }
        self.warn_of_unnamed(&named, problems);
        Some(found)
    }

    fn report_missing(&self, key: &str, id: &str, problems: &mut Problems) {
        let all = &self.collector.service.pipelines;
        let fed: Vec<String> = self.fed().map(|(_, pipeline)| pipeline.id.to_string()).collect();
        let message = if all.iter().any(|pipeline| pipeline.id.to_string() == id) {
            format!(
                "pipeline not found: \"{id}\" does not have \"{}\" among its receivers",
                self.component.id
            )
        } else {
            let near = did_you_mean(id, fed.iter().map(String::as_str));
            let near = near.map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
            format!("pipeline not found: \"{id}\", {near}it feeds {}", fed.join(", "))
        };
        problems.report(&self.component.settings, &self.component.path(), key, message, false);
    }

    fn warn_of_unnamed(&self, named: &BTreeSet<usize>, problems: &mut Problems) {
        for (index, pipeline) in self.fed() {
            let reference = pipeline.receivers.iter().find(|reference| reference.id == self.component.id);
            if let (false, Some(reference)) = (named.contains(&index), reference) {
                let message = format!("no route of connector \"{}\" names this pipeline", self.component.id);
                problems.push(
                    Problem::warning(Some(reference.place.clone()), pipeline.path(), message)
                        .with_help("name it in a route, or remove the connector from its receivers"),
                );
            }
        }
    }
}

/// Returns what a pipeline carries.
pub(super) fn signals_of(pipeline: &Pipeline) -> SignalSet {
    match pipeline.id.signal {
        PipelineSignal::Traces => SignalSet::TRACES,
        PipelineSignal::Metrics => SignalSet::METRICS,
        PipelineSignal::Logs => SignalSet::LOGS,
        PipelineSignal::All => SignalSet::ALL,
    }
}
