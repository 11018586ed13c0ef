//! Whether the windows for which a stage waits are made by the stages before it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::{ConfiguredProcessor, WidthSetting, Widths};
use config::{Collector, Component, Problems};
use model::Columns;

/// Reports every stage that waits for windows of a width that nothing before it in its pipeline makes.
pub(super) fn check_widths(
    collector: &Collector,
    processors: &BTreeMap<String, Arc<dyn ConfiguredProcessor>>,
    problems: &mut Problems,
) {
    for pipeline in &collector.service.pipelines {
        let mut made = Made::default();
        for reference in &pipeline.processors {
            let written = collector.processors.iter().find(|component| component.id == reference.id);
            let stage = processors.get(&reference.id.to_string());
            if let (Some(stage), Some(written)) = (stage, written) {
                made.expect_for(stage.as_ref(), written, &pipeline.id.to_string(), problems);
                made.add(&written.id.to_string(), stage.as_ref());
            }
        }
    }
}

/// What the stages before one in its pipeline add to closed windows.
#[derive(Default)]
struct Made {
    makers: Vec<Maker>,
}

struct Maker {
    id: String,
    columns: Columns,
    /// Empty when it adds to all windows that come.
    widths: Vec<Widths>,
}

/// A column that a stage waits for in vain, and one of those that add it to other windows.
struct Lack<'a> {
    column: Columns,
    maker: &'a Maker,
    made: &'a Widths,
}

/// What windows carry, one by one.
const COLUMNS: [Columns; 4] = [Columns::VALUES, Columns::BASELINE, Columns::ANOMALY, Columns::CALLS];

impl Made {
    fn add(&mut self, id: &str, stage: &dyn ConfiguredProcessor) {
        self.makers.push(Maker { id: id.to_owned(), columns: stage.adds(), widths: stage.added_widths() });
    }

    /// Reports each width for which a stage would wait in vain, at the key that says it. Columns that nobody adds at
    /// all are none of this.
    fn expect_for(
        &self,
        stage: &dyn ConfiguredProcessor,
        written: &Component,
        pipeline: &str,
        problems: &mut Problems,
    ) {
        let mut told: Vec<Widths> = Vec::new();
        for read in stage.read_widths() {
            if told.contains(&read) {
                continue;
            }
            for &width in &read.all {
                let lacks = self.lacks_of(&read, width);
                if lacks.is_empty() {
                    continue;
                }
                let makers: Vec<_> = lacks.iter().map(Lack::to_string).collect();
                let id = written.id.to_string();
                let message = format!(
                    "in pipeline \"{pipeline}\" processor \"{id}\" reads windows of {}, but {}",
                    short(width),
                    makers.join(" and ")
                );
                let problem = problems.at(&written.settings, &written.path(), read.key.as_str(), message);
                problem.help = self.remedy(&read, width, &lacks, &id);
            }
            told.push(read);
        }
    }

    /// Returns what a stage lacks in windows of a width.
    fn lacks_of(&self, read: &Widths, width: Duration) -> Vec<Lack<'_>> {
        let wanted = COLUMNS.into_iter().filter(|column| column.meets(read.columns));
        wanted.filter_map(|column| self.lack(column, width)).collect()
    }

    fn lack(&self, column: Columns, width: Duration) -> Option<Lack<'_>> {
        if self.widths_of(column).is_none_or(|known| known.contains(&width)) {
            return None;
        }
        let mut makers = self.makers.iter().rev();
        makers.find_map(|maker| {
            let made = maker.widths.iter().find(|made| made.columns.meets(column))?;
            Some(Lack { column, maker, made })
        })
    }

    /// Returns the widths of the windows to which a column is added; none when that is all, or nobody adds it.
    fn widths_of(&self, column: Columns) -> Option<Vec<Duration>> {
        let makers: Vec<_> = self.makers.iter().filter(|maker| maker.columns.meets(column)).collect();
        let mut all = Vec::new();
        for maker in &makers {
            let mut widths = maker.widths.iter().filter(|made| made.columns.meets(column)).peekable();
            widths.peek()?;
            all.extend(widths.flat_map(|made| made.all.iter().copied()));
        }
        (!makers.is_empty()).then_some(all)
    }

    /// Says what to write: at those that make windows, or at the stage that reads them.
    fn remedy(&self, read: &Widths, width: Duration, lacks: &[Lack<'_>], id: &str) -> Option<String> {
        let makers: Vec<_> = lacks.iter().filter_map(|lack| lack.with(width)).collect();
        let mut ways: Vec<String> = Vec::new();
        if !makers.is_empty() {
            ways.push(makers.join(" and "));
        }
        if let Some(other) = self.width_with_all(read).filter(|_| read.setting == WidthSetting::One) {
            ways.push(line(&read.key, &short(other), id));
        }
        (!ways.is_empty()).then(|| format!("set {}", ways.join(", or ")))
    }

    /// Returns the first width whose windows carry all that a stage reads.
    fn width_with_all(&self, read: &Widths) -> Option<Duration> {
        let first = COLUMNS.into_iter().find(|column| column.meets(read.columns))?;
        let known = self.widths_of(first)?;
        known.into_iter().find(|&width| self.lacks_of(read, width).is_empty())
    }
}

impl Lack<'_> {
    /// Writes the maker's key with a width more, or with it in place of its own.
    fn with(&self, width: Duration) -> Option<String> {
        let Widths { key, all, setting, .. } = self.made;
        let value = match setting {
            WidthSetting::Fixed => return None,
            WidthSetting::One => short(width),
            WidthSetting::List => {
                let mut all = all.clone();
                all.push(width);
                all.sort_unstable();
                format!("[{}]", list(&all))
            }
        };
        Some(line(key, &value, &self.maker.id))
    }
}

impl std::fmt::Display for Lack<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, widths) = (&self.maker.id, list(&self.made.all));
        if self.column == Columns::VALUES {
            write!(f, "\"{id}\" makes windows of {widths}")
        } else {
            write!(f, "\"{id}\" adds {} to windows of {widths}", self.column)
        }
    }
}

/// Writes a setting as it stands in a file, and where.
fn line(key: &str, value: &str, id: &str) -> String {
    match key.rsplit_once('.') {
        Some((parents, key)) => format!("`{key}: {value}` at {} of {id}", parents.replace('.', "::")),
        None => format!("`{key}: {value}` of {id}"),
    }
}

fn list(widths: &[Duration]) -> String {
    widths.iter().map(|&width| short(width)).collect::<Vec<_>>().join(", ")
}

fn short(width: Duration) -> String {
    config::Duration::new(width).short()
}
