//! The traffic as a file of OTLP JSON lines, which the receiver `otlp_file` reads.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::traffic::{Request, Traffic};

/// On this traffic as fast as the JSON before it, and the file is a fifteenth of its size.
const ZSTD_LEVEL: i32 = 1;
const BUFFER_BYTES: usize = 256 << 10;

/// What was written.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) n_lines: u64,
    pub(crate) n_spans: u64,
    /// Data points and log records.
    pub(crate) n_others: u64,
}

/// Writes all requests of a traffic that has an end.
///
/// # Errors
///
/// When the file can not be written. A pipe whose reader has seen enough is no error.
pub(crate) fn write(traffic: &mut Traffic, path: &Path) -> Result<Written> {
    let mut written = Written::default();
    let result = open(path).and_then(|mut lines| {
        while let Some(request) = traffic.next(0) {
            lines.append(&request)?;
            written.count(&request);
        }
        lines.finish()
    });
    match result {
        Err(error) if is_stdout(path) && error.kind() == io::ErrorKind::BrokenPipe => Ok(written),
        result => {
            result.with_context(|| {
                format!("can not write {}; check the folder, its space and permissions", path.display())
            })?;
            Ok(written)
        }
    }
}

pub(crate) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A file of lines, compressed by its name.
struct Lines {
    sink: Sink,
    line: Vec<u8>,
}

enum Sink {
    Plain(BufWriter<Box<dyn Write>>),
    Gzip(flate2::write::GzEncoder<BufWriter<Box<dyn Write>>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<Box<dyn Write>>>),
}

fn open(path: &Path) -> io::Result<Lines> {
    let file: Box<dyn Write> =
        if is_stdout(path) { Box::new(io::stdout()) } else { Box::new(File::create(path)?) };
    let file = BufWriter::with_capacity(BUFFER_BYTES, file);
    let sink = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Sink::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::fast())),
        Some("zst" | "zstd") => Sink::Zstd(zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?),
        _ => Sink::Plain(file),
    };
    Ok(Lines { sink, line: Vec::new() })
}

impl Lines {
    fn append(&mut self, request: &Request) -> io::Result<()> {
        self.line.clear();
        wire::json::wire_to_json(request.signal.model(), &request.body, &mut self.line)
            .map_err(io::Error::other)?;
        self.line.push(b'\n');
        match &mut self.sink {
            Sink::Plain(file) => file.write_all(&self.line),
            Sink::Gzip(file) => file.write_all(&self.line),
            Sink::Zstd(file) => file.write_all(&self.line),
        }
    }

    /// Ends the last frame; without that a compressed file can not be read to its end.
    fn finish(self) -> io::Result<()> {
        match self.sink {
            Sink::Plain(file) => file,
            Sink::Gzip(file) => file.finish()?,
            Sink::Zstd(file) => file.finish()?,
        }
        .flush()
    }
}

impl Written {
    fn count(&mut self, request: &Request) {
        self.n_lines += 1;
        match request.signal {
            super::args::Signal::Traces => self.n_spans += request.n_items,
            _ => self.n_others += request.n_items,
        }
    }

    pub(crate) fn summary(&self, path: &Path) -> String {
        format!(
            "{} spans, {} data points and log records written to {} in {} lines\n",
            self.n_spans,
            self.n_others,
            path.display(),
            self.n_lines
        )
    }
}
