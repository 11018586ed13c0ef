//! The command line of `replay`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use model::Timestamp;

use crate::{config_args::ConfigArgs, detect::parse_time, load::parse_duration};

/// What to replay through which pipelines
///
/// Exit codes: 0 all was replayed; 1 a line was left out, or a file can not be read or state not be stored; 2 the options
/// can not be understood; 4 the configuration is refused; 6 Prometheus can not be reached.
#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// Files of OTLP, as JSON lines or protobuf, merged by time; names that end in `.gz` or `.zst` are decompressed
    #[arg(required_unless_present = "prometheus", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    /// A sentence for people, or a JSON object for programs, for each event
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Stores what the stages learned where the storage extension keeps it, so that a collector begins warm
    #[arg(long)]
    pub(crate) save_state: bool,
    /// With `--save-state`: does nothing when state is stored already, so that it can stand before every start
    #[arg(long, requires = "save_state")]
    pub(crate) if_empty: bool,
    #[command(flatten)]
    pub(crate) prometheus: PrometheusArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Jsonl,
}

/// The past of series, in place of files
#[derive(Args, Clone, Debug)]
pub(crate) struct PrometheusArgs {
    /// Asks a Prometheus for the past in place of files: `http://prometheus:9090`
    #[arg(long = "prometheus", id = "prometheus", value_name = "URL", conflicts_with = "files",
          requires_all = ["query", "start", "end"])]
    pub(crate) url: Option<String>,
    /// A PromQL expression; repeatable
    #[arg(long, value_name = "EXPR", requires = "prometheus")]
    pub(crate) query: Vec<String>,
    /// The first instant: RFC 3339 or Unix seconds
    #[arg(long, value_name = "TIME", requires = "prometheus", value_parser = instant)]
    pub(crate) start: Option<Timestamp>,
    /// The last instant
    #[arg(long, value_name = "TIME", requires = "prometheus", value_parser = instant)]
    pub(crate) end: Option<Timestamp>,
    /// From one point of a series to the next: at most the window of `baseline`
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    pub(crate) step: Duration,
    /// Calls a metric or a label something else: `--rename node_load1=system.cpu.load_average.1m`; repeatable
    #[arg(long, value_name = "FROM=TO", requires = "prometheus", value_parser = pair)]
    pub(crate) rename: Vec<(String, String)>,
    /// The unit of a metric, under its new name: `--unit process.memory.usage=By`; repeatable
    #[arg(long, value_name = "METRIC=UNIT", requires = "prometheus", value_parser = pair)]
    pub(crate) unit: Vec<(String, String)>,
    /// A header of every request: `--header 'X-Scope-OrgID: shop'`; repeatable
    #[arg(long, value_name = "NAME: VALUE", requires = "prometheus", value_parser = header)]
    pub(crate) header: Vec<(http::HeaderName, http::HeaderValue)>,
    /// File of the authorities to trust in place of the system's, where Prometheus is served over https
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    pub(crate) ca_file: Option<PathBuf>,
    /// File of our own certificate, where Prometheus asks for one
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub(crate) cert_file: Option<PathBuf>,
    /// File of the key of our certificate
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    pub(crate) key_file: Option<PathBuf>,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    parse_time(text).ok_or_else(|| format!("`{text}` is no time, write RFC 3339 or a Unix time"))
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.is_empty() => Ok((from.to_owned(), to.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

fn header(text: &str) -> Result<(http::HeaderName, http::HeaderValue), String> {
    // The text may hold a secret and is not repeated.
    let wrong = || "a header is `NAME: VALUE`".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    let mut value: http::HeaderValue = value.trim().parse().map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name, value))
}
