//! `trueline cardinality`: which attribute of which service makes the series.
//!
//! `past` plays recorded telemetry through the pipelines, `census` counts the series that leave, and how many there would be
//! without each attribute; `estimate` sums up for `validate`.

mod census;
pub(crate) mod estimate;
mod past;
mod refused;
mod scrape;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use self::{
    census::{Census, Row},
    refused::Refused,
};
use crate::{
    ask::Table,
    commands::{is_good, validate},
    config_args::ConfigArgs,
    exit::{self, fail, tell},
    http_client::Unreached,
    terminal::{printable, short},
};

/// Which attribute of which service makes the series that leave
///
/// Exit codes: 0 all was counted; 1 a line was left out, or a file can not be read; 2 the options can not be understood; 4
/// the configuration is refused; 6 the instance can not be reached.
#[derive(Args)]
pub(crate) struct CardinalityArgs {
    /// Files of OTLP, as `replay` takes them
    #[arg(required_unless_present = "scrape", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Counts what a running instance shows now, in place of files: the page of its exporter `prometheus`, or any other
    /// that Prometheus reads
    #[arg(long, value_name = "URL", conflicts_with_all = ["files", "config", "set"])]
    scrape: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Only metrics of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// How many metrics of services are shown, those with the most series first
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Attributes that are shown of a metric: those that make the most series.
const MOST_ATTRIBUTES: usize = 5;

pub(crate) fn run(args: &CardinalityArgs) -> ExitCode {
    if let Some(url) = &args.scrape {
        return of_instance(args, url);
    }
    let uris = match args.config.uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let loaded = validate::check(&uris);
    let (true, Some(plan)) = (is_good(&loaded), loaded.plan) else {
        return fail(exit::CONFIG, "the configuration is refused; every problem is listed above");
    };
    let mut census = Census::default();
    let played = past::play(plan, &args.files, |_, _, export| {
        if export.signal == model::Signal::Metrics {
            census.take(&export.bytes.whole());
        }
    });
    let played = match played {
        Ok(played) => played,
        Err(problem) => return fail(exit::RUNTIME, &format!("{problem:#}")),
    };
    let refused = Refused::of_instruments(&played.instruments);
    let told = report(args, &census, &refused, Some(played.seconds()));
    match played.n_damaged {
        0 => told,
        left_out => fail(exit::RUNTIME, &format!("{left_out} damaged lines were left out")),
    }
}

fn of_instance(args: &CardinalityArgs, url: &str) -> ExitCode {
    let mut census = Census::default();
    match scrape::page(url).and_then(|page| scrape::count(&page, &mut census)) {
        Ok(refused) => report(args, &census, &refused, None),
        Err(problem) if problem.is::<Unreached>() => fail(exit::UNREACHED, &format!("{problem:#}")),
        Err(problem) => fail(exit::RUNTIME, &format!("{problem:#}")),
    }
}

/// Writes what was counted; in seconds, where time has passed.
fn report(args: &CardinalityArgs, census: &Census, refused: &[Refused], seconds: Option<f64>) -> ExitCode {
    let is_asked = |service: &str| args.service.as_deref().is_none_or(|name| service == name);
    let mut rows = census.rows();
    rows.retain(|row| is_asked(&row.service));
    let refused: Vec<&Refused> = refused.iter().filter(|it| is_asked(&it.service)).collect();
    tell(&match args.format {
        Format::Text => text(census, &rows, args.top, seconds) + &text_of_refused(&refused, args.top),
        Format::Json => format!("{:#}\n", as_json(census, &rows, &refused, seconds)),
    })
}

fn text(census: &Census, rows: &[Row], top: usize, seconds: Option<f64>) -> String {
    if rows.is_empty() {
        return "there are no metrics\n".to_owned();
    }
    let mut table =
        Table::new(&["SERVICE", "METRIC", "SERIES", if seconds.is_some() { "SAMPLES/S" } else { "" }, ""]);
    for row in rows.iter().take(top) {
        table.push(vec![
            printable(&row.service),
            printable(&row.metric),
            row.n_series.to_string(),
            seconds.map_or(String::new(), |seconds| short(row.n_samples as f64 / seconds)),
        ]);
        // What makes no series is no answer.
        let makers = row.attributes.iter().filter(|it| it.n_series_without < row.n_series);
        for attribute in makers.take(MOST_ATTRIBUTES) {
            table.push(vec![
                String::new(),
                format!("  {}", printable(&attribute.name)),
                String::new(),
                String::new(),
                format!("{} values; {} series without it", attribute.n_values, attribute.n_series_without),
            ]);
        }
        if row.n_overflow_points > 0 {
            let told = "  a table was full: what came after is one series";
            table.push(vec![
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                told.trim_start().to_owned(),
            ]);
        }
    }
    let mut text = table.write();
    if let Some(more) = rows.len().checked_sub(top).filter(|more| *more > 0) {
        text += &format!("… and {more} more; --top shows them\n");
    }
    text += &format!("\n{} series in all\n", census.n_series());
    if census.n_left_out > 0 {
        text += &format!("{} data points of further series were not told apart\n", census.n_left_out);
    }
    text
}

/// Says which attributes filled a table.
fn text_of_refused(refused: &[&Refused], top: usize) -> String {
    if refused.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["SERVICE", "ATTRIBUTE", "VALUES", "TABLE OF"]);
    for it in refused.iter().take(top) {
        table.push(vec![
            printable(&it.service),
            printable(&it.attribute),
            format!("about {}", it.n_values),
            printable(&it.component),
        ]);
    }
    format!("\nFound no room in a full table:\n{}", table.write())
}

fn as_json(census: &Census, rows: &[Row], refused: &[&Refused], seconds: Option<f64>) -> Value {
    let of_full_table = |it: &&Refused| {
        json!({
            "service": it.service,
            "attribute": it.attribute,
            "component": it.component,
            "values": it.n_values,
        })
    };
    let row = |row: &Row| {
        let attributes = row.attributes.iter().map(
            |it| json!({ "name": it.name, "values": it.n_values, "series_without": it.n_series_without }),
        );
        json!({
            "service": row.service,
            "metric": row.metric,
            "series": row.n_series,
            "samples_per_second": seconds.map(|seconds| row.n_samples as f64 / seconds),
            "overflows": row.n_overflow_points > 0,
            "attributes": attributes.collect::<Vec<_>>(),
        })
    };
    json!({
        "series": census.n_series(),
        "points_not_told_apart": census.n_left_out,
        "metrics": rows.iter().map(row).collect::<Vec<_>>(),
        "found_no_room": refused.iter().map(of_full_table).collect::<Vec<_>>(),
    })
}
