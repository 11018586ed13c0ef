//! Lines of a file, compressed or not, in chunks of bounded size.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use super::config::Compression;

/// How much of a file is read at once, rounded up to whole lines. *Units*: bytes.
const CHUNK: usize = 256 << 10;

const READ_BUFFER: usize = 64 << 10;

/// See RFC 8878 section 3.1.1.1.2: 8 MiB, what every decoder should support.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// An open file.
pub struct Lines {
    pub(super) path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    number: u64,
    longest: usize,
}

/// One line, and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// From 1.
    pub number: u64,
    pub content: Content,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    Text(Vec<u8>),
    /// Longer than the limit; its bytes were skipped.
    TooLong,
}

impl Lines {
    /// # Errors
    /// When the file can not be opened.
    pub(super) fn open(path: &Path, compression: Compression, longest: usize) -> io::Result<Self> {
        Self::over(File::open(path)?, path, compression, longest)
    }

    /// Reads the content of the file at `path`, compressed as its name says.
    ///
    /// # Errors
    /// When no decoder can be made.
    pub fn of(content: impl io::Read + Send + 'static, path: &Path, longest: usize) -> io::Result<Self> {
        Self::over(content, path, Compression::Auto, longest)
    }

    fn over(
        content: impl io::Read + Send + 'static,
        path: &Path,
        compression: Compression,
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
        Ok(Self { path: path.to_owned(), reader, number: 0, longest })
    }

    /// Reads the next lines, empty ones left out; nothing at the end of the file.
    ///
    /// # Errors
    /// When the file can not be read or decompressed any further; `into` has what came before.
    pub fn read_chunk(&mut self, into: &mut Vec<Line>) -> io::Result<()> {
        let mut size = 0;
        while size < CHUNK {
            let Some(content) = self.read_line()? else { return Ok(()) };
            self.number += 1;
            if let Content::Text(text) = &content {
                size += text.len();
                if text.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
            }
            into.push(Line { number: self.number, content });
            // Lines that are too long leave nothing to count but themselves.
            size += 1;
        }
        Ok(())
    }

    fn read_line(&mut self) -> io::Result<Option<Content>> {
        let mut text = Vec::new();
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
        Ok(match (has_read, is_too_long) {
            (false, _) => None,
            (true, true) => Some(Content::TooLong),
            (true, false) => Some(Content::Text(text)),
        })
    }
}

fn buffered(reader: impl io::Read + Send + 'static) -> Box<dyn BufRead + Send> {
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
