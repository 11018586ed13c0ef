//! `host_metrics` (alias `hostmetrics`): what the machine does, at an interval.
//!
//! *Question*: how busy are processors, memory, disks and networks of this host? *Outputs*: OTLP metrics with the names of the
//! collector. *Method*: the kernel's files, read by `procfs-core`, and `statvfs` of mounted file systems, on a thread that
//! may wait. *Cost*: some hundred microseconds for each collection, and one read for each process. *Source*: the collector's
//! receiver of that name, 0.155.

mod config;
mod filter;
mod host;
mod receiver;
mod scrapers;
mod sheet;
#[cfg(test)]
mod tests;

pub(crate) use receiver::HostMetrics;
