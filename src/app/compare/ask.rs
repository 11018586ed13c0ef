//! Both sides, from Prometheus.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::ensure;
use model::Timestamp;

use super::{
    CompareArgs,
    selector::Selector,
    sides::{Series, Side, Sides, is_counter},
};
use crate::{
    http_client::TlsFiles,
    range_query::{Client, Range},
};

const PATIENCE: Duration = Duration::from_secs(120);
/// Each name of a counter is asked for by itself.
const MOST_NAMES: usize = 2_000;

/// Asks for everything of both sides.
///
/// # Errors
/// [`crate::http_client::Unreached`], or what Prometheus says when it refuses.
pub(super) fn sides(args: &CompareArgs, at: Timestamp) -> anyhow::Result<Sides> {
    let tls = TlsFiles::of_options(None, None, None);
    let client = Client::new("--prometheus", &args.prometheus, Vec::new(), tls, PATIENCE)?;
    let asked = Asked { client, at, window: args.window, ignored: Sides::ignored(args) };
    let (mut a, mut b) = (asked.side(&args.a)?, asked.side(&args.b)?);
    let names: BTreeSet<&String> =
        a.series.keys().chain(b.series.keys()).map(|series| &series.name).collect();
    let counters: Vec<String> = names.into_iter().filter(|name| is_counter(name)).cloned().collect();
    ensure!(
        counters.len() <= MOST_NAMES,
        "{} counters are selected, at most {MOST_NAMES} are compared; select fewer by their names",
        counters.len()
    );
    for name in &counters {
        asked.increases(&args.a, name, &mut a)?;
        asked.increases(&args.b, name, &mut b)?;
    }
    Ok(Sides { a, b, selectors: [args.a.written(), args.b.written()], ignored: asked.ignored })
}

struct Asked {
    client: Client,
    at: Timestamp,
    window: Duration,
    ignored: Vec<String>,
}

impl Asked {
    /// Asks for the value of an expression at the end of the window.
    fn vector(&self, expression: &str) -> anyhow::Result<Vec<(Series, f64)>> {
        let range = Range { start: self.at, end: self.at, step: Duration::from_secs(1) };
        let answered = self.client.query_range(expression, range)?;
        let known = answered.series.into_iter().filter_map(|found| {
            let value = found.points.last()?.1;
            Some((self.series(found.labels), value))
        });
        Ok(known.collect())
    }

    fn series(&self, mut labels: BTreeMap<String, String>) -> Series {
        let name = labels.remove("__name__").unwrap_or_default();
        labels.retain(|label, _| !self.ignored.contains(label));
        Series { name, labels }
    }

    fn window(&self) -> String {
        format!("{}ms", self.window.as_millis().max(1))
    }

    /// Asks which series there were in the window.
    fn side(&self, selector: &Selector) -> anyhow::Result<Side> {
        let found = self.vector(&format!("last_over_time({}[{}])", selector.all(), self.window()))?;
        let mut side = Side::default();
        for (series, _) in found {
            side.n_series += 1;
            side.series.entry(series).or_default();
        }
        Ok(side)
    }

    /// Asks what the counters of a name grew by. Several series that differ in labels that are ignored are one.
    fn increases(&self, selector: &Selector, name: &str, side: &mut Side) -> anyhow::Result<()> {
        let found = self.vector(&format!("increase({}[{}])", selector.of_name(name), self.window()))?;
        for (mut series, increase) in found {
            name.clone_into(&mut series.name);
            *side.series.entry(series).or_default() += increase;
        }
        Ok(())
    }
}
