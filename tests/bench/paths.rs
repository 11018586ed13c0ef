//! The paths that are timed: what is configured, what is sent, and what is demanded.

use std::time::Duration;

use crate::spans::Shape;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The stem of the two files in `configs/`.
    pub(crate) config: &'static str,
    pub(crate) shape: Shape,
    pub(crate) connections: usize,
    pub(crate) rate: Rate,
    pub(crate) floor: Floor,
    pub(crate) against: Against,
    /// How long the sink holds every request before it answers.
    pub(crate) sink_delay: Duration,
    /// Where one long run is worth more than many short ones.
    pub(crate) one_run_of: Option<Duration>,
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
}

/// What a path must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Floor {
    /// The other's CPU time per span is at least so many times ours.
    CpuRatio(f64),
    /// CPU time per span is at most this part above the other's.
    CpuAbove(f64),
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
}

/// Requests in flight on every connection.
pub(crate) const IN_FLIGHT: usize = 4;

const COMMON: Path = Path {
    name: "span_metrics",
    title: "gRPC → span metrics, saturated",
    config: "span_metrics",
    shape: Shape { spans_per_request: 512, series: 2_500 },
    connections: 2,
    rate: Rate::Saturated,
    floor: Floor::CpuRatio(20.0),
    against: Against::Otelcol,
    sink_delay: Duration::ZERO,
    one_run_of: None,
};

pub(crate) const PATHS: [Path; 11] = [
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
        shape: Shape { spans_per_request: 40, series: 2_500 },
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
        shape: Shape { spans_per_request: 512, series: 10_000 },
        floor: Floor::PeakMegabytes(60.0),
        one_run_of: Some(Duration::from_secs(60)),
        ..COMMON
    },
    Path {
        name: "rss_inflight",
        title: "64 connections × 4 requests of 256 KiB in flight",
        config: "forward",
        shape: Shape { spans_per_request: 489, series: 2_500 },
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
