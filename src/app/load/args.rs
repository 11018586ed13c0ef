//! The options of `trueline load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::fault::Fault;

/// Sends the traffic of a shop of fourteen services, with faults by script, or writes it to a file.
///
/// Exit codes: 0 all was taken; 1 something was lost, or a file can not be written; 2 the options can not be understood; 6
/// nobody took anything.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArgs {
    /// Where to send: HOST:PORT or http://HOST:PORT.
    #[arg(long, default_value = "localhost:4317")]
    pub(crate) endpoint: String,
    /// Writes OTLP JSON lines for the `otlp_file` receiver instead of sending, as fast as it goes; `-` is standard output.
    /// Names that end in `.zst` or `.gz` are compressed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["endpoint", "protocol", "connections"])]
    pub(crate) output: Option<PathBuf>,
    /// How to send it.
    #[arg(long, value_enum, default_value_t = Protocol::Grpc)]
    pub(crate) protocol: Protocol,
    /// Spans per second; 0 is as fast as they are acknowledged.
    #[arg(long, value_name = "SPANS", default_value_t = 500.0, value_parser = parse_rate, allow_hyphen_values = true)]
    pub(crate) rate: f64,
    /// How long customers come; without it until Ctrl-C.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Ends after so many spans, but traces are not cut.
    #[arg(long)]
    pub(crate) spans: Option<u64>,
    /// Connections; each has four requests in flight over gRPC, one over HTTP.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) connections: u16,
    /// Spans of a request, about: traces are not cut.
    #[arg(long, value_name = "SPANS", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub(crate) batch: u32,
    /// Bytes that a span has at least, filled by the attribute `shop.padding`.
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    pub(crate) span_size: u32,
    /// Distinct values of the span attribute `shop.customer.segment`; 0 leaves it out.
    #[arg(long, value_name = "VALUES", default_value_t = 0)]
    pub(crate) cardinality: u64,
    /// The same seed gives the same spans.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// What to send.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Signal::ALL)]
    pub(crate) signals: Vec<Signal>,
    /// A fault, as SERVICE:KIND@START+DURATION[=FACTOR]; kinds are latency, errors, dead, slow-query, surge. Repeatable.
    #[arg(long = "fault", value_name = "FAULT")]
    pub(crate) faults: Vec<Fault>,
    /// Writes the faults with their absolute times to a file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,
    /// The time of the first span in seconds since the epoch, instead of now.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=4_000_000_000))]
    pub(crate) start: Option<u64>,
    /// The length of a day whose night has a quarter of the noon's traffic; without it traffic is even.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) day: Option<Duration>,
}

impl LoadArgs {
    /// Checks what the options say together.
    ///
    /// # Errors
    ///
    /// What is wrong, and what would be right.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.output.is_some() && self.duration.is_none() && self.spans.is_none() {
            return Err("--output has no end; add --duration or --spans".to_owned());
        }
        if self.output.is_some() && self.rate <= 0.0 {
            return Err(format!("--rate {} gives the spans of a file no times; give one above 0", self.rate));
        }
        let Some(duration) = self.duration else { return Ok(()) };
        match self.faults.iter().find(|fault| fault.start >= duration) {
            Some(fault) => Err(format!(
                "the fault of {} begins after {:?}, when a load of {duration:?} is over; make --duration longer",
                fault.service, fault.start
            )),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    Grpc,
    #[value(name = "http/protobuf")]
    HttpProtobuf,
    #[value(name = "http/json")]
    HttpJson,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    pub(crate) const fn model(self) -> model::Signal {
        match self {
            Self::Traces => model::Signal::Traces,
            Self::Metrics => model::Signal::Metrics,
            Self::Logs => model::Signal::Logs,
        }
    }
}

/// Reads a duration such as `90s`, `1h30m` or `250ms`.
///
/// # Errors
///
/// Says what is wrong and what would be right.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("duration `{text}` must be numbers with ms, s, m, h or d, as in 1h30m");
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let number_bytes = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(number_bytes);
        let unit_bytes = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_bytes);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * seconds;
        rest = tail;
    }
    // A hundred years: sums of two of them stay within nanoseconds of 64 bits.
    if text.is_empty() || total > 3.2e9 {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(total))
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.0..=1e9).contains(&rate) => Ok(rate),
        _ => Err(format!("rate `{text}` must be a number from 0 to 1e9")),
    }
}
