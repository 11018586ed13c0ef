//! The paths that are timed: what is configured, what is sent, and what is demanded.

use std::time::Duration;

use crate::spans::{Shape, Traffic};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The stem of the two files in `configs/`.
    pub(crate) config: &'static str,
    pub(crate) traffic: Traffic,
    pub(crate) connections: usize,
    /// Requests in flight on every connection.
    pub(crate) in_flight: usize,
    pub(crate) transport: Transport,
    pub(crate) rate: Rate,
    pub(crate) floor: Floor,
    pub(crate) against: Against,
    /// How long the sink holds every request before it answers.
    pub(crate) sink_delay: Duration,
    /// Where one long run is worth more than many short ones.
    pub(crate) one_run_of: Option<Duration>,
    /// Time under load before anything counts: connections, tables and heaps reach their size.
    pub(crate) warm_up: Duration,
    /// Where less shows too little: something happens at intervals.
    pub(crate) at_least: Duration,
    /// Whether what both export is compared by spans, as they are framed otherwise, and not by bytes.
    pub(crate) counts_spans: bool,
    /// For the process of the other.
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

/// What is on the wire, into the collector and out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    /// Requests compressed with gzip, over TLS.
    TlsGzip,
}

/// How fast spans are offered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rate {
    /// As fast as they are acknowledged.
    Saturated,
    /// *Units*: spans per second.
    Fixed(f64),
    /// Half of what the Go collector acknowledges when saturated (ours, where there is no other).
    HalfOfPeer,
    /// Half of what each of the two acknowledges when saturated.
    HalfOfOwn,
    /// Keeps the core of the Go collector busy for half of the time (ours, where there is no other), by what it takes
    /// for a span at a tenth of a usual rate: with queues what is acknowledged tells nothing of what is done.
    HalfBusyPeer,
}

/// What a path must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Floor {
    /// The other's CPU time per span is at least so many times ours.
    CpuRatio(f64),
    /// The same, and the 99th percentile of our latency is not above the other's.
    CpuRatioAndLatency(f64),
    /// CPU time per span is at most this part above the other's.
    CpuAbove(f64),
    /// CPU time per span is at most so many nanoseconds above the other's for each of so many processors.
    NanosAbove { each: f64, processors: usize },
    /// *Units*: megabytes (10^6 bytes) of peak resident set.
    PeakMegabytes(f64),
    /// Neither the median nor the 99th percentile of our latency is above the other's.
    LatencyNotAbove,
}

/// What trueline is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// The Go collector, both on core 0 with one thread of work.
    Otelcol,
    /// trueline itself: a process with two shards against two processes with one shard, each on cores 0 and 1.
    ///
    /// The sender has core 1 as well and disturbs whoever runs there; so one shard is no fair other when it has
    /// core 0 for itself.
    OneShard,
    /// trueline itself with another configuration of `configs/`.
    Itself(&'static str),
}

const COMMON: Path = Path {
    name: "span_metrics",
    title: "gRPC → span metrics, saturated",
    config: "span_metrics",
    traffic: Traffic::Servers(Shape { spans_per_request: 512, series: 2_500 }),
    connections: 2,
    in_flight: 4,
    transport: Transport::Plain,
    rate: Rate::Saturated,
    floor: Floor::CpuRatio(20.0),
    against: Against::Otelcol,
    sink_delay: Duration::ZERO,
    one_run_of: None,
    warm_up: Duration::from_millis(1_500),
    at_least: Duration::ZERO,
    counts_spans: false,
    environment: &[],
};

/// What many run: SDKs that send over TLS, everything at its default, metrics into a Prometheus every 5 seconds.
const PEOPLE: Path = Path {
    name: "people",
    title: "40 SDKs, TLS and gzip in and out, `memory_limiter`, `batch`, default queues, span metrics → Prometheus; the Go collector half busy",
    config: "people",
    traffic: Traffic::Sdks { spans_per_request: 100 },
    connections: 40,
    in_flight: 1,
    transport: Transport::TlsGzip,
    rate: Rate::HalfBusyPeer,
    floor: Floor::CpuRatioAndLatency(5.0),
    at_least: Duration::from_secs(15),
    ..COMMON
};

const TAIL_SAMPLING: Path = Path {
    name: "tail_sampling",
    title: "gRPC → `tail_sampling` by errors, latency and 10 %, after 2 s → gRPC; the Go collector half busy",
    config: "tail_sampling",
    traffic: Traffic::Sdks { spans_per_request: 512 },
    rate: Rate::HalfBusyPeer,
    counts_spans: true,
    floor: Floor::CpuRatio(12.0),
    // As many traces leave as come, and as many spans are held as will be.
    warm_up: Duration::from_secs(5),
    at_least: Duration::from_secs(10),
    ..COMMON
};

pub(crate) const PATHS: [Path; 18] = [
    COMMON,
    Path {
        name: "span_metrics_60k",
        title: "the same at 60,000 spans/s",
        rate: Rate::Fixed(60_000.0),
        floor: Floor::CpuRatio(12.0),
        ..COMMON
    },
    Path {
        name: "span_metrics_small",
        title: "the same, 40 spans per request",
        traffic: Traffic::Servers(Shape { spans_per_request: 40, series: 2_500 }),
        floor: Floor::CpuRatio(14.0),
        ..COMMON
    },
    Path {
        name: "span_metrics_16conn",
        title: "the same, 16 connections × 4 in flight",
        connections: 16,
        floor: Floor::CpuRatio(15.0),
        ..COMMON
    },
    Path {
        name: "full",
        title: "gRPC → span metrics + one attribute in every span → gRPC, acknowledged after export",
        config: "full",
        floor: Floor::CpuRatio(11.0),
        ..COMMON
    },
    Path {
        name: "forward",
        title: "gRPC → gRPC untouched, acknowledged after export",
        config: "forward",
        floor: Floor::CpuRatio(11.0),
        ..COMMON
    },
    Path {
        name: "rss_10k_series",
        title: "10,000 series, saturated for 60 s",
        traffic: Traffic::Servers(Shape { spans_per_request: 512, series: 10_000 }),
        floor: Floor::PeakMegabytes(60.0),
        one_run_of: Some(Duration::from_secs(60)),
        ..COMMON
    },
    Path {
        name: "rss_inflight",
        title: "64 connections × 4 requests of 256 KiB in flight",
        config: "forward",
        traffic: Traffic::Servers(Shape { spans_per_request: 489, series: 2_500 }),
        connections: 64,
        floor: Floor::PeakMegabytes(150.0),
        sink_delay: Duration::from_millis(200),
        one_run_of: Some(Duration::from_secs(10)),
        ..COMMON
    },
    Path {
        name: "two_shards",
        title: "two shards against two processes of one shard, on the same cores",
        connections: 4,
        floor: Floor::CpuAbove(0.15),
        against: Against::OneShard,
        ..COMMON
    },
    Path {
        name: "latency",
        title: "acknowledgement latency, both at half of the Go collector's saturation",
        rate: Rate::HalfOfPeer,
        floor: Floor::LatencyNotAbove,
        ..COMMON
    },
    Path {
        name: "latency_own_half",
        title: "acknowledgement latency, each at half of its own saturation",
        rate: Rate::HalfOfOwn,
        floor: Floor::LatencyNotAbove,
        ..COMMON
    },
    Path {
        name: "filter",
        title: "gRPC → `filter` by a comparison and an `IsMatch` → gRPC, acknowledged after export",
        config: "filter",
        floor: Floor::CpuRatio(8.0),
        ..COMMON
    },
    TAIL_SAMPLING,
    Path {
        name: "tail_sampling_20k",
        title: "the same, at 20,000 spans/s",
        rate: Rate::Fixed(20_000.0),
        ..TAIL_SAMPLING
    },
    Path {
        name: "batch",
        title: "40 spans per request → `batch` → gRPC, acknowledged by the queue",
        config: "batch",
        traffic: Traffic::Servers(Shape { spans_per_request: 40, series: 2_500 }),
        floor: Floor::CpuRatio(10.0),
        ..COMMON
    },
    Path {
        name: "idle",
        title: "`forward` with ten processors that find nothing to do",
        config: "idle",
        floor: Floor::NanosAbove { each: 5.0, processors: 10 },
        against: Against::Itself("forward"),
        ..COMMON
    },
    PEOPLE,
    Path {
        name: "people_gogc400",
        title: "the same, the Go collector with `GOGC=400`",
        environment: &[("GOGC", "400")],
        ..PEOPLE
    },
];

/// Finds the paths of these names, all when none is named.
///
/// # Errors
///
/// Names the ones that do not exist and those that do.
pub(crate) fn named(names: &[String]) -> anyhow::Result<Vec<Path>> {
    let unknown: Vec<_> = names.iter().filter(|name| !PATHS.iter().any(|path| path.name == *name)).collect();
    if !unknown.is_empty() {
        anyhow::bail!("no path is named {unknown:?}, the paths are {:?}", PATHS.map(|path| path.name));
    }
    Ok(PATHS
        .into_iter()
        .filter(|path| names.is_empty() || names.iter().any(|name| name == path.name))
        .collect())
}
