//! The file itself, with a buffer that loses nothing it has taken.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

use model::Timestamp;

use super::{
    backup,
    config::{FileCompression, Format, OtlpFileConfig, RotationConfig},
};

/// More than this is written without waiting for the next flush.
const BUFFER_BYTES: usize = 256 * 1024;

/// On 536-byte spans 481 ns per span, as fast as the JSON before it.
const ZSTD_LEVEL: i32 = 1;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("can not {what} {path}: {source}; check space and permissions, or change path")]
pub(super) struct WriteError {
    what: &'static str,
    path: String,
    source: io::Error,
}

/// Appends records to the file, and starts a new one when it is full.
///
/// What [`Writer::append`] takes is in the file or in the buffer, never half in either: a write that
/// fails is cut off the file again, and the buffer is kept for the next one. Compressed data is
/// written as whole frames, so that a file can be read to its end and appended to at any time.
pub(super) struct Writer {
    path: PathBuf,
    format: Format,
    compression: FileCompression,
    rotation: Option<RotationConfig>,
    writes_at_once: bool,
    truncates: bool,
    creates_directory: bool,
    buffer: Vec<u8>,
    /// Items of the requests in the buffer.
    waiting_items: u64,
    open: Option<Open>,
}

struct Open {
    file: File,
    length: u64,
}

impl Writer {
    /// Does no I/O: the file is opened when there is something to write.
    pub(super) fn new(config: &OtlpFileConfig) -> Self {
        Self {
            path: config.path.clone(),
            format: config.format,
            compression: config.compression,
            rotation: config.rotation.get().cloned(),
            writes_at_once: config.flush_interval.get().is_zero(),
            truncates: !config.append && config.rotation.get().is_none(),
            creates_directory: config.create_directory,
            buffer: Vec::new(),
            waiting_items: 0,
            open: None,
        }
    }

    /// Takes one encoded request, which so many items are in. Nothing is taken while the file can not be opened,
    /// or senders would be told of success until the first flush.
    ///
    /// # Errors
    /// The request was not taken; it may be given again. Requests taken before are kept.
    pub(super) fn append(&mut self, record: &[u8], items: u64, now: Timestamp) -> Result<(), WriteError> {
        if self.open.is_none() {
            self.open = Some(self.open(now).map_err(|source| self.error("open", source))?);
        }
        if !self.buffer.is_empty() && self.buffer.len() + record.len() > BUFFER_BYTES {
            self.flush(now)?;
        }
        let before = self.buffer.len();
        match self.format {
            Format::Json => {
                self.buffer.extend_from_slice(record);
                self.buffer.push(b'\n');
            }
            Format::Proto => {
                let length = u32::try_from(record.len()).map_err(|_| {
                    let source = io::Error::other(format!("a request of {} bytes is too long", record.len()));
                    self.error("write to", source)
                })?;
                self.buffer.extend_from_slice(&length.to_be_bytes());
                self.buffer.extend_from_slice(record);
            }
        }
        if self.writes_at_once || self.buffer.len() >= BUFFER_BYTES {
            self.flush(now).inspect_err(|_| self.buffer.truncate(before))?;
            return Ok(());
        }
        self.waiting_items += items;
        Ok(())
    }

    /// Writes what was taken.
    ///
    /// # Errors
    /// Nothing was written, and nothing lost.
    pub(super) fn flush(&mut self, now: Timestamp) -> Result<(), WriteError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let packed = match self.compression {
            FileCompression::None => None,
            FileCompression::Zstd => {
                let packed = zstd::bulk::compress(&self.buffer, ZSTD_LEVEL);
                Some(packed.map_err(|source| self.error("compress for", source))?)
            }
        };
        let length = packed.as_ref().unwrap_or(&self.buffer).len() as u64;
        let open = match self.open.take() {
            Some(open) => open,
            None => self.open(now).map_err(|source| self.error("open", source))?,
        };
        let mut open = self.with_room(open, length, now)?;
        if let Err(source) = open.file.write_all(packed.as_ref().unwrap_or(&self.buffer)) {
            // Cut off what was written of it. Where even that fails the file is opened anew, which mends
            // a torn line.
            if open.file.set_len(open.length).is_ok() {
                self.open = Some(open);
            }
            return Err(self.error("write to", source));
        }
        open.length += length;
        self.open = Some(open);
        self.waiting_items = 0;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES * 2);
        Ok(())
    }

    /// Returns how many items were taken and are not in the file.
    pub(super) fn waiting_items(&self) -> u64 {
        self.waiting_items
    }

    /// Writes what was taken and has the disk keep it.
    ///
    /// # Errors
    /// Some of it may be lost; [`Writer::waiting_items`] are.
    pub(super) fn close(&mut self, now: Timestamp) -> Result<(), WriteError> {
        self.flush(now)?;
        match self.open.take() {
            Some(open) => open.file.sync_all().map_err(|source| self.error("sync", source)),
            None => Ok(()),
        }
    }

    fn open(&mut self, now: Timestamp) -> io::Result<Open> {
        if let Some(directory) = self.path.parent()
            && self.creates_directory
        {
            std::fs::create_dir_all(directory)?;
        }
        let is_lines = self.format == Format::Json && self.compression == FileCompression::None;
        if self.rotation.is_some() && !is_lines && self.path.metadata().is_ok_and(|file| file.len() > 0) {
            // A crash may have torn its last message or frame, and what follows could not be read.
            std::fs::rename(&self.path, backup::free_name(&self.path, now))?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        if self.truncates {
            file.set_len(0)?;
            self.truncates = false;
        }
        let mut length = file.metadata()?.len();
        if is_lines && length > 0 && !ends_a_line(&mut file)? {
            file.write_all(b"\n")?;
            length += 1;
        }
        Ok(Open { file, length })
    }

    /// Returns the file, or a new one where this one has no room for so many bytes.
    fn with_room(&mut self, open: Open, bytes: u64, now: Timestamp) -> Result<Open, WriteError> {
        let Some(rotation) = self.rotation.clone() else { return Ok(open) };
        if open.length == 0 || open.length + bytes <= rotation.max_bytes() {
            return Ok(open);
        }
        drop(open);
        let full = std::fs::rename(&self.path, backup::free_name(&self.path, now));
        full.map_err(|source| self.error("rotate", source))?;
        if let Err(error) = backup::remove_old(&self.path, &rotation, now) {
            tracing::warn!(path = %self.path.display(), %error, "old backups can not be removed");
        }
        self.open(now).map_err(|source| self.error("open", source))
    }

    fn error(&self, what: &'static str, source: io::Error) -> WriteError {
        WriteError { what, path: self.path.display().to_string(), source }
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
