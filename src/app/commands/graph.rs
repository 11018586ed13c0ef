//! `trueline graph`: what is connected with what, for people, Mermaid and Graphviz.

use std::{collections::BTreeMap, fmt::Write, process::ExitCode};

use clap::{Args, ValueEnum};
use engine::{ConnectorOutline, Outline, PipelineOutline, StageWork};
use model::{Columns, SignalSet};

use super::{effective::is_good, validate::check};
use crate::{
    config_args::ConfigArgs,
    exit::{self, fail, tell},
};

#[derive(Args)]
pub(super) struct GraphArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Pipelines, one below the other, with what each stage reads and adds
    Text,
    /// A flowchart for pages in Markdown
    Mermaid,
    /// For Graphviz: `trueline graph --format dot … | dot -Tsvg`
    Dot,
}

pub(super) fn run(before: &ConfigArgs, args: &GraphArgs) -> ExitCode {
    let uris = match before.clone().and(args.config.clone()).uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let loaded = check(&uris);
    let (true, Some(plan)) = (is_good(&loaded), &loaded.plan) else {
        return fail(exit::CONFIG, "the configuration is refused; every problem is listed above");
    };
    let outline = plan.outline();
    tell(&match args.format {
        Format::Text => text(&outline),
        Format::Mermaid => mermaid(&drawn(&outline)),
        Format::Dot => dot(&drawn(&outline)),
    })
}

fn text(outline: &Outline) -> String {
    let mut text = String::new();
    if !outline.extensions.is_empty() {
        text += &format!("extensions: {}\n\n", outline.extensions.join(", "));
    }
    for (index, line) in outline.pipelines.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text += &format!("{}: {}\n", line.id, line.signals);
        text += &format!("  from {}\n", sources(line, outline).join(", "));
        let width = line.stages.iter().map(|stage| stage.id.chars().count()).max().unwrap_or(0);
        for stage in &line.stages {
            let told = work(stage.work);
            text += format!("     | {:width$}  {told}", stage.id).trim_end();
            text.push('\n');
        }
        text += &format!("  to   {}\n", ends(line, outline).join(", "));
    }
    text
}

fn sources(line: &PipelineOutline, outline: &Outline) -> Vec<String> {
    let connectors = outline.connectors.iter().filter(|connector| connector.to.contains(&line.id));
    let connectors = connectors.map(|it| format!("{} (fed by {})", it.id, it.from.join(", ")));
    line.receivers.iter().cloned().chain(connectors).collect()
}

fn ends(line: &PipelineOutline, outline: &Outline) -> Vec<String> {
    let exporter = |it: &engine::ExporterOutline| match it.takes == line.signals {
        true => it.id.clone(),
        false => format!("{} (takes {})", it.id, it.takes),
    };
    let connectors = outline.connectors.iter().filter(|connector| connector.from.contains(&line.id));
    let connector =
        |it: &ConnectorOutline| format!("{} (makes {} for {})", it.id, it.work.emits, it.to.join(", "));
    line.exporters.iter().map(exporter).chain(connectors.map(connector)).collect()
}

/// Says what a stage does: signals that it looks at, and what of windows it needs, takes and adds.
fn work(work: StageWork) -> String {
    let mut parts = Vec::new();
    let read: Vec<String> =
        [Some(work.consumes.to_string()).filter(|_| !work.consumes.is_empty()), named(work.reads)]
            .into_iter()
            .flatten()
            .collect();
    if !read.is_empty() {
        parts.push(format!("reads {}", read.join(", ")));
    }
    if let Some(heard) = named(work.hears.without(work.reads)) {
        parts.push(format!("takes {heard}"));
    }
    if let Some(added) = named(work.adds) {
        parts.push(format!("adds {added}"));
    }
    let made = work.emits.without(work.consumes);
    if !made.is_empty() {
        parts.push(format!("makes {made}"));
    }
    parts.join("; ")
}

fn named(columns: Columns) -> Option<String> {
    Some(columns.to_string()).filter(|_| !columns.is_empty())
}

/// Nodes in groups, and what leads from which to which.
struct Drawn {
    /// Each pipeline: its name, and its stages as node numbers.
    pipelines: Vec<(String, Vec<usize>)>,
    nodes: Vec<Drawing>,
    edges: Vec<(usize, usize, String)>,
}

struct Drawing {
    label: String,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    End,
    Stage,
    Connector,
}

/// Receivers, connectors and exporters are drawn once, stages in each of their pipelines.
fn drawn(outline: &Outline) -> Drawn {
    let mut drawn = Drawn { pipelines: Vec::new(), nodes: Vec::new(), edges: Vec::new() };
    let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in &outline.pipelines {
        let stages: Vec<usize> = line.stages.iter().map(|stage| drawn.add(&stage.id, Shape::Stage)).collect();
        // A pipeline without stages has a node of its own, so that what comes in can be told from what goes out.
        let stages = if stages.is_empty() { vec![drawn.add("passes on", Shape::Stage)] } else { stages };
        for (from, to) in stages.iter().zip(stages.iter().skip(1)) {
            drawn.edges.push((*from, *to, String::new()));
        }
        let (Some(&first), Some(&last)) = (stages.first(), stages.last()) else { continue };
        for id in &line.receivers {
            let node = *known.entry(("receiver", id)).or_insert_with(|| drawn.add(id, Shape::End));
            drawn.edges.push((node, first, String::new()));
        }
        for exporter in &line.exporters {
            let node = *known
                .entry(("exporter", &exporter.id))
                .or_insert_with(|| drawn.add(&exporter.id, Shape::End));
            drawn.edges.push((last, node, unless_all(exporter.takes, line.signals)));
        }
        for connector in &outline.connectors {
            let is_end = connector.from.contains(&line.id);
            if !is_end && !connector.to.contains(&line.id) {
                continue;
            }
            let node = *known
                .entry(("connector", &connector.id))
                .or_insert_with(|| drawn.add(&connector.id, Shape::Connector));
            if is_end {
                drawn.edges.push((
                    last,
                    node,
                    connector.work.consumes.intersection(line.signals).to_string(),
                ));
            } else {
                drawn.edges.push((node, first, connector.work.emits.intersection(line.signals).to_string()));
            }
        }
        drawn.pipelines.push((format!("{}: {}", line.id, line.signals), stages));
    }
    drawn
}

fn unless_all(taken: SignalSet, carried: SignalSet) -> String {
    if taken == carried { String::new() } else { taken.to_string() }
}

impl Drawn {
    fn add(&mut self, label: &str, shape: Shape) -> usize {
        self.nodes.push(Drawing { label: label.to_owned(), shape });
        self.nodes.len() - 1
    }
}

fn mermaid(drawn: &Drawn) -> String {
    let mut text = "flowchart LR\n".to_owned();
    // Ids may hold quotes of any kind; Mermaid has entities for them.
    let label = |text: &str| text.replace('#', "#35;").replace('"', "#quot;");
    let node = |index: usize| {
        let (open, close) = match drawn.nodes[index].shape {
            Shape::End => ("([", "])"),
            Shape::Stage => ("[", "]"),
            Shape::Connector => ("{{", "}}"),
        };
        format!("n{index}{open}\"{}\"{close}", label(&drawn.nodes[index].label))
    };
    for (at, (name, stages)) in drawn.pipelines.iter().enumerate() {
        text += &format!("  subgraph p{at}[\"{}\"]\n", label(name));
        stages.iter().for_each(|&stage| text += &format!("    {}\n", node(stage)));
        text += "  end\n";
    }
    for index in (0..drawn.nodes.len()).filter(|&index| drawn.nodes[index].shape != Shape::Stage) {
        text += &format!("  {}\n", node(index));
    }
    for (from, to, told) in &drawn.edges {
        let arrow = if told.is_empty() { "-->".to_owned() } else { format!("-->|{}|", label(told)) };
        text += &format!("  n{from} {arrow} n{to}\n");
    }
    text
}

fn dot(drawn: &Drawn) -> String {
    let mut text =
        "digraph trueline {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", shape=box];\n".to_owned();
    let label = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let node = |index: usize| {
        let shape = match drawn.nodes[index].shape {
            Shape::End => ", shape=oval",
            Shape::Stage => "",
            Shape::Connector => ", shape=hexagon",
        };
        format!("n{index} [label=\"{}\"{shape}];", label(&drawn.nodes[index].label))
    };
    for (at, (name, stages)) in drawn.pipelines.iter().enumerate() {
        text += &format!("  subgraph cluster_{at} {{\n    label=\"{}\";\n", label(name));
        stages.iter().for_each(|&stage| text += &format!("    {}\n", node(stage)));
        text += "  }\n";
    }
    for index in (0..drawn.nodes.len()).filter(|&index| drawn.nodes[index].shape != Shape::Stage) {
        // A string takes all that is written to it.
        let _written = writeln!(text, "  {}", node(index));
    }
    for (from, to, told) in &drawn.edges {
        let told = if told.is_empty() { String::new() } else { format!(" [label=\"{}\"]", label(told)) };
        let _written = writeln!(text, "  n{from} -> n{to}{told};");
    }
    text + "}\n"
}
