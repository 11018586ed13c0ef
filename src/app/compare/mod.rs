//! `trueline compare`: the series of two collectors side by side, before one takes the other's place.
//!
//! `selector` reads what tells the two apart, `ask` fetches both from Prometheus, `sides` sets them against each other.

mod ask;
mod selector;
mod sides;
#[cfg(test)]
mod tests;

use std::{process::ExitCode, time::Duration};

use clap::{Args, ValueEnum};
use component::Clock;
use model::Timestamp;

use self::{
    selector::Selector,
    sides::{Sides, Tolerance},
};
use crate::{
    detect::parse_time,
    exit::{self, fail, tell},
    http_client::Unreached,
    load::parse_duration,
};

/// Series, labels and increases of two collectors side by side
///
/// Exit codes: 0 they are the same within the tolerance; 1 Prometheus refuses a query; 2 the options can not be
/// understood; 5 they differ; 6 Prometheus can not be reached.
#[derive(Args)]
pub(crate) struct CompareArgs {
    /// Where both have written to: `http://prometheus:9090`
    #[arg(long, value_name = "URL")]
    prometheus: String,
    /// What selects the series of the first: `{job="otelcol"}`
    #[arg(long, value_name = "SELECTOR")]
    a: Selector,
    /// What selects those of the second: `{job="trueline"}`
    #[arg(long, value_name = "SELECTOR")]
    b: Selector,
    /// How far back to look
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    window: Duration,
    /// The end of the window: RFC 3339 or Unix seconds; now when it is left out
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// By what share increases may differ
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    tolerance: f64,
    /// By how many units increases may differ, whatever share of them that is: what one side had counted at an end of
    /// the window and the other had not yet
    #[arg(long, value_name = "UNITS", default_value_t = 5.0)]
    tolerance_units: f64,
    /// A label that may differ, beside those that the selectors name; repeatable
    #[arg(long, value_name = "LABEL")]
    ignore: Vec<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    parse_time(text).ok_or_else(|| format!("`{text}` is no time, write RFC 3339 or a Unix time"))
}

pub(crate) fn run(args: &CompareArgs) -> ExitCode {
    if !(0.0..=1.0).contains(&args.tolerance) {
        return fail(exit::USAGE, &format!("--tolerance is {}, must be between 0 and 1", args.tolerance));
    }
    if !(args.tolerance_units.is_finite() && args.tolerance_units >= 0.0) {
        let wrong = format!("--tolerance-units is {}, must be 0 or more", args.tolerance_units);
        return fail(exit::USAGE, &wrong);
    }
    let tolerance = Tolerance { share: args.tolerance, units: args.tolerance_units };
    let at = args.at.unwrap_or_else(|| engine::SystemClock.now());
    let sides = match ask::sides(args, at) {
        Ok(sides) => sides,
        Err(problem) if problem.is::<Unreached>() => return fail(exit::UNREACHED, &format!("{problem:#}")),
        Err(problem) => return fail(exit::RUNTIME, &format!("{problem:#}")),
    };
    let told = tell(&match args.format {
        Format::Text => sides.text(tolerance),
        Format::Json => format!("{:#}\n", sides.json(tolerance)),
    });
    if sides.are_same(tolerance) { told } else { ExitCode::from(exit::TESTS) }
}

impl Sides {
    /// Labels that tell the two apart, and so say nothing of what is in them.
    fn ignored(args: &CompareArgs) -> Vec<String> {
        let named = args.a.labels.iter().chain(&args.b.labels).chain(&args.ignore);
        let mut all: Vec<String> = named.cloned().collect();
        all.sort();
        all.dedup();
        all
    }
}
