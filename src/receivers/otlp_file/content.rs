//! Lines or messages of a file, compressed or not, in chunks of bounded size.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use super::config::{Compression, FileFormat};

/// How much of a file is read at once, rounded up to whole requests. *Units*: bytes.
const CHUNK: usize = 256 << 10;

const READ_BUFFER: usize = 64 << 10;

/// See RFC 8878 section 3.1.1.1.2: 8 MiB, what every decoder should support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// An open file.
pub(super) struct Entries {
    reader: Box<dyn BufRead + Send>,
    /// `Auto` until the first byte is read.
    format: FileFormat,
    number: u64,
    longest: usize,
    /// Room for the next line: that of the last one, as lines of a file are alike.
    usual: usize,
}

/// One line or one message, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// From 1.
    pub(super) number: u64,
    pub(super) content: Content,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Content {
    Json(Vec<u8>),
    Proto(Vec<u8>),
    /// Longer than the limit; its bytes were skipped.
    TooLong {
        longest: usize,
    },
}

impl Entries {
    /// Reads the content of the file at `path`.
    ///
    /// # Errors
    /// When no decoder can be made.
    pub(super) fn new(
        content: impl Read + Send + 'static,
        path: &Path,
        compression: Compression,
        format: FileFormat,
        longest: usize,
    ) -> io::Result<Self> {
        let file = BufReader::with_capacity(READ_BUFFER, content);
        let reader: Box<dyn BufRead + Send> = match actual(compression, path) {
            Compression::Gzip => buffered(flate2::bufread::MultiGzDecoder::new(file)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                buffered(decoder)
            }
            Compression::Auto | Compression::None => Box::new(file),
        };
        Ok(Self { reader, format, number: 0, longest, usual: 0 })
    }

    /// Reads what comes next, empty ones left out; nothing at the end of the file.
    ///
    /// # Errors
    /// When the file can not be read or decompressed any further; `into` has what came before.
    pub(super) fn read_chunk(&mut self, into: &mut Vec<Entry>) -> io::Result<()> {
        if self.format == FileFormat::Auto {
            self.format = format_of(self.reader.fill_buf()?);
        }
        let mut size = 0;
        while size < CHUNK {
            let next = match self.format {
                FileFormat::Proto => self.read_message()?,
                FileFormat::Auto | FileFormat::Json => self.read_line()?,
            };
            let Some(content) = next else { return Ok(()) };
            self.number += 1;
            let length = match &content {
                Content::Json(text) if text.iter().all(u8::is_ascii_whitespace) => continue,
                Content::Proto(request) if request.is_empty() => continue,
                Content::Json(bytes) | Content::Proto(bytes) => bytes.len(),
                Content::TooLong { .. } => 0,
            };
            into.push(Entry { number: self.number, content });
            // What is too long leaves nothing to count but itself.
            size += length + 1;
        }
        Ok(())
    }

    /// Reads four bytes of length, most significant first, and as many bytes.
    fn read_message(&mut self) -> io::Result<Option<Content>> {
        if self.reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let torn = || io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends within a message");
        let mut length = [0; 4];
        self.reader.read_exact(&mut length).map_err(|_| torn())?;
        let length = u64::from(u32::from_be_bytes(length));
        let mut message = (&mut self.reader).take(length);
        if length > self.longest as u64 {
            let skipped = io::copy(&mut message, &mut io::sink())?;
            return if skipped < length { Err(torn()) } else { Ok(Some(self.too_long())) };
        }
        // Grows as it is read, so that a wrong length costs nothing.
        let mut request = Vec::new();
        message.read_to_end(&mut request)?;
        if (request.len() as u64) < length { Err(torn()) } else { Ok(Some(Content::Proto(request))) }
    }

    fn too_long(&self) -> Content {
        Content::TooLong { longest: self.longest }
    }

    fn read_line(&mut self) -> io::Result<Option<Content>> {
        let mut text = Vec::with_capacity(self.usual);
        let (mut is_too_long, mut has_read) = (false, false);
        loop {
            let available = match self.reader.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                break;
            }
            has_read = true;
            let end = memchr::memchr(b'\n', available);
            let part = &available[..end.unwrap_or(available.len())];
            is_too_long |= text.len() + part.len() > self.longest;
            if is_too_long {
                text = Vec::new();
            } else {
                text.extend_from_slice(part);
            }
            let used = end.map_or(available.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        // No more than is read at once: a chunk may be of many short lines.
        self.usual = text.len().min(READ_BUFFER);
        Ok(match (has_read, is_too_long) {
            (false, _) => None,
            (true, true) => Some(self.too_long()),
            (true, false) => Some(Content::Json(text)),
        })
    }
}

fn buffered(reader: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(READ_BUFFER, reader))
}

fn actual(compression: Compression, path: &Path) -> Compression {
    match (compression, path.extension().and_then(|end| end.to_str())) {
        (Compression::Auto, Some("gz")) => Compression::Gzip,
        (Compression::Auto, Some("zst" | "zstd")) => Compression::Zstd,
        (Compression::Auto, _) => Compression::None,
        (stated, _) => stated,
    }
}

/// A line begins with a brace or a blank. A message begins with the high byte of its length, which is that of
/// a blank from 144 MiB on.
fn format_of(beginning: &[u8]) -> FileFormat {
    match beginning.first() {
        Some(..=8) => FileFormat::Proto,
        _ => FileFormat::Json,
    }
}
