//! What came out of a program: spans in files and at a destination, counters over time.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde_json::Value;
use testbed::eventually;

use super::SOON;
use crate::rig::lines;

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Counts the spans of a file of requests, each led by its length.
pub(super) fn exported_spans(path: &Path) -> Result<u64> {
    let bytes = std::fs::read(path)?;
    let (mut rest, mut spans) = (&bytes[..], 0);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (request, next) = behind.split_at(u32::from_be_bytes(*length) as usize);
        spans += n_spans(&ExportTraceServiceRequest::decode(request)?);
        rest = next;
    }
    Ok(spans)
}

fn n_spans(request: &ExportTraceServiceRequest) -> u64 {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.map(|scope| scope.spans.len() as u64).sum()
}

/// Returns the sum of the last values of a counter's series, none of which may go back or begin anew.
pub(super) fn cumulative(path: &Path, metric: &str) -> Result<u64> {
    cumulative_of(path, metric, "")
}

/// The same of series in whose attributes there is a word.
pub(super) fn cumulative_of(path: &Path, metric: &str, word: &str) -> Result<u64> {
    let mut series: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for line in lines(path)? {
        for resource in array(&line["resourceMetrics"]) {
            let metrics = array(&resource["scopeMetrics"]).iter().flat_map(|scope| array(&scope["metrics"]));
            for point in
                metrics.filter(|it| it["name"] == metric).flat_map(|it| array(&it["sum"]["dataPoints"]))
            {
                let key = format!("{}{}", resource["resource"], point["attributes"]);
                if !key.contains(word) {
                    continue;
                }
                let value: u64 = point["asInt"].as_str().context("an integer")?.parse()?;
                let start = point["startTimeUnixNano"].to_string();
                let (known_start, last) = series.entry(key.clone()).or_insert((start.clone(), value));
                ensure!(*known_start == start, "{key} began at {known_start} and then at {start}");
                ensure!(*last <= value, "{key} went from {last} back to {value}");
                *last = value;
            }
        }
    }
    Ok(series.values().map(|(_, value)| value).sum())
}

/// Answers every request as a collector does and counts the spans in it.
pub(super) struct Sink(Arc<AtomicU64>);

impl Sink {
    pub(super) fn listen(address: SocketAddr) -> Result<Self> {
        let (listener, spans) = (TcpListener::bind(address)?, Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&spans);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                // A connection ends when the program does.
                std::thread::spawn(move || Self::serve(stream, &counted).ok());
            }
        });
        Ok(Self(spans))
    }

    fn serve(mut stream: std::net::TcpStream, counted: &AtomicU64) -> Result<()> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 65536]);
        loop {
            let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|end| end + 4);
            if let Some(body) = head {
                let text = String::from_utf8_lossy(&bytes[..body]).to_ascii_lowercase();
                let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                let length: usize = length.context("a length")?.parse()?;
                if bytes.len() >= body + length {
                    let request = ExportTraceServiceRequest::decode(&bytes[body..body + length])?;
                    counted.fetch_add(n_spans(&request), Ordering::AcqRel);
                    bytes.drain(..body + length);
                    stream.write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
                    )?;
                    continue;
                }
            }
            let read = stream.read(&mut chunk)?;
            ensure!(read > 0, "the end");
            bytes.extend_from_slice(&chunk[..read]);
        }
    }

    pub(super) fn wait_for(&self, what: &str, spans: u64) -> Result<()> {
        eventually(what, SOON, || {
            let counted = self.0.load(Ordering::Acquire);
            ensure!(counted == spans, "{counted} of {spans} spans came");
            Ok(())
        })
    }
}
