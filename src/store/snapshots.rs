//! Snapshots in a directory: one file for each stage, replaced as a whole.
//!
//! A file is written beside its place, synchronised, renamed over it, and the directory is
//! synchronised, so that a crash leaves the old snapshot or the new one and never half of either.
//!
//! Beside `….snapshot` a stage may have two more files. `….previous` is the last snapshot of the release before,
//! kept for 7 days for a downgrade. `….unread` is the last file that could not be taken back: nothing is
//! thrown away that a person or another release may still read.

mod layout;
mod previous;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use component::{RestoreError, Snapshot};
use model::Timestamp;

use layout::{Header, Writer, Written};
use previous::{KEPT_FOR, Previous};

/// A larger file is neither written nor read: a stage's tables are bounded far below.
pub const MAX_SNAPSHOT_BYTES: u64 = 4 << 30;

/// What is stored of one stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    pub snapshot: Snapshot,
    /// Up to where the stage has merged what others told; the engine's own bytes.
    pub watermark: Vec<u8>,
}

/// What a stage has got back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Restored {
    /// There was nothing to take back.
    Nothing,
    /// The last snapshot.
    Last { watermark: Vec<u8> },
    /// The last one of the release before, because of a problem with the last one.
    Previous { watermark: Vec<u8>, release: String, kept_at: Timestamp, problem: String },
    /// The stage starts empty.
    Failed { problem: String },
}

/// A directory of snapshots, which is this process's alone.
#[derive(Debug)]
pub struct SnapshotStore {
    directory: PathBuf,
    /// Of the program that writes.
    release: String,
    /// By stage that has been stored: since when the snapshot of the release before is kept.
    previous: Mutex<BTreeMap<String, Option<Timestamp>>>,
    /// Locked for as long as the store is open; the system lets go of it when the process ends.
    _lock: File,
}

/// Why a snapshot could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{path} is in use by another process; give each process a directory of its own")]
    InUse { path: String },
    #[error("{path} is damaged: {what}")]
    Damaged { path: String, what: &'static str },
    #[error("{path} was not written, as making its state was broken off")]
    Unfinished { path: String },
    #[error(
        "{path} has {bytes} bytes, at most {MAX_SNAPSHOT_BYTES} are stored and read; lower the limits of the stage's series"
    )]
    TooLarge { path: String, bytes: u64 },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| StoreError::Io { path, source }
}

impl SnapshotStore {
    /// Opens a directory for a release of the program, making it if it is missing.
    ///
    /// # Errors
    /// When the directory can not be made or written, or another process uses it.
    pub fn open(directory: &Path, release: &str) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(io_error(directory))?;
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(io_error(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                directory: directory.to_owned(),
                release: release.to_owned(),
                previous: Mutex::default(),
                _lock: lock,
            }),
            Err(fs::TryLockError::WouldBlock) => {
                Err(StoreError::InUse { path: directory.display().to_string() })
            }
            Err(fs::TryLockError::Error(problem)) => Err(io_error(&path)(problem)),
        }
    }

    /// Stores a snapshot in place of the one before. One of another release, or of another layout of the
    /// stage, is kept beside it.
    ///
    /// # Errors
    /// When it is too large or the disk does not take it; the one before is still there.
    pub fn save(&self, key: &str, stored: &Stored, now: Timestamp) -> Result<(), StoreError> {
        let Stored { snapshot, watermark } = stored;
        let whole = std::iter::once(Some(&snapshot.bytes));
        self.save_pieces(key, snapshot.version, watermark, whole, now)
    }

    /// Stores a snapshot whose state comes in pieces; none for one that will not come, so that what is there is no whole.
    ///
    /// # Errors
    /// When it is too large or no whole, or the disk does not take it; the one before is still there.
    pub fn save_pieces(
        &self,
        key: &str,
        version: u32,
        watermark: &[u8],
        pieces: impl Iterator<Item = Option<impl AsRef<[u8]>>>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let path = self.path(key);
        let beside = path.with_extension("new");
        let file = File::create(&beside).map_err(io_error(&beside))?;
        let mut writer = Writer::begin(file, version, &self.release, watermark).map_err(io_error(&beside))?;
        for piece in pieces {
            let unfinished = || StoreError::Unfinished { path: path.display().to_string() };
            let piece = piece.ok_or_else(unfinished)?;
            refuse_too_large(&path, writer.len() + piece.as_ref().len() as u64)?;
            writer.write(piece.as_ref()).map_err(io_error(&beside))?;
        }
        writer.end().and_then(|file| file.sync_all()).map_err(io_error(&beside))?;
        self.keep_previous(key, version, now)?;
        put_in_place(&self.directory, &beside, &path)
    }

    /// Gives a stage its last snapshot back; when it does not take that, the one of the release before, if
    /// that is still kept. A file that was not taken is renamed.
    pub fn restore(
        &self,
        key: &str,
        now: Timestamp,
        mut take: impl FnMut(Snapshot) -> Result<(), RestoreError>,
    ) -> Restored {
        let path = self.path(key);
        let mut problem =
            match read(&path).and_then(|bytes| bytes.map(|bytes| decode(&path, bytes)).transpose()) {
                Ok(None) => String::new(),
                Ok(Some(Written { stored: Stored { snapshot, watermark }, .. })) => match take(snapshot) {
                    Ok(()) => return Restored::Last { watermark },
                    Err(problem) => format!("{}: {problem}", path.display()),
                },
                Err(problem) => problem.to_string(),
            };
        if !problem.is_empty() {
            problem = format!("{problem}; {}", set_aside(&path));
        }
        let found = self.read_previous(key, now).and_then(|found| {
            let Some(Previous { kept_at, written: Written { stored, release } }) = found else {
                return Ok(None);
            };
            take(stored.snapshot)
                .map_err(|problem| format!("{}: {problem}", self.previous_path(key).display()))?;
            Ok(Some((stored.watermark, release, kept_at)))
        });
        match found {
            Ok(Some((watermark, release, kept_at))) => {
                Restored::Previous { watermark, release, kept_at, problem }
            }
            Ok(None) if problem.is_empty() => Restored::Nothing,
            Ok(None) => Restored::Failed { problem },
            Err(previous) if problem.is_empty() => Restored::Failed { problem: previous },
            Err(previous) => Restored::Failed { problem: format!("{problem}; {previous}") },
        }
    }

    /// Keeps what the release before has stored last, once, and forgets it when its time is over.
    fn keep_previous(&self, key: &str, version: u32, now: Timestamp) -> Result<(), StoreError> {
        let (path, beside) = (self.path(key), self.previous_path(key));
        let mut previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        let kept_at = match previous.get(key) {
            Some(kept_at) => *kept_at,
            None => {
                let is_own =
                    |found: &Header| found.release == self.release.as_bytes() && found.version == version;
                if layout::header(&path).map_err(io_error(&path))?.is_some_and(|found| !is_own(&found)) {
                    previous::keep(&path, &beside, now).map_err(io_error(&beside))?;
                }
                previous::kept_at(&beside).map_err(io_error(&beside))?
            }
        };
        let is_over = kept_at.is_some_and(|kept_at| now.since(kept_at) >= KEPT_FOR);
        if is_over {
            fs::remove_file(&beside).map_err(io_error(&beside))?;
        }
        previous.insert(key.to_owned(), kept_at.filter(|_| !is_over));
        Ok(())
    }

    fn read_previous(&self, key: &str, now: Timestamp) -> Result<Option<Previous>, String> {
        let path = self.previous_path(key);
        let found = read(&path).map_err(|problem| problem.to_string())?;
        let Some(bytes) = found else { return Ok(None) };
        let damaged = |what| StoreError::Damaged { path: path.display().to_string(), what }.to_string();
        let previous = previous::decode(bytes).map_err(damaged)?;
        Ok(Some(previous).filter(|previous| now.since(previous.kept_at) < KEPT_FOR))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{}.snapshot", file_name(key)))
    }

    fn previous_path(&self, key: &str) -> PathBuf {
        self.path(key).with_extension("previous")
    }
}

/// Reads a whole file; none when there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(problem) => return Err(io_error(path)(problem)),
    };
    let length = file.metadata().map_err(io_error(path))?.len();
    refuse_too_large(path, length)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(MAX_SNAPSHOT_BYTES).read_to_end(&mut bytes).map_err(io_error(path))?;
    Ok(Some(bytes))
}

fn decode(path: &Path, bytes: Vec<u8>) -> Result<Written, StoreError> {
    layout::decode(bytes).map_err(|what| StoreError::Damaged { path: path.display().to_string(), what })
}

/// Moves a file out of the way of the next snapshot and says where it is.
fn set_aside(path: &Path) -> String {
    let aside = path.with_extension("unread");
    match fs::rename(path, &aside) {
        Ok(()) => format!("it is kept as {}", aside.display()),
        Err(problem) => format!("it can not be kept as {}: {problem}", aside.display()),
    }
}

fn refuse_too_large(path: &Path, bytes: u64) -> Result<(), StoreError> {
    match bytes > MAX_SNAPSHOT_BYTES {
        true => Err(StoreError::TooLarge { path: path.display().to_string(), bytes }),
        false => Ok(()),
    }
}

/// Makes a file name of a stage's key: what is not plain is written as its code, so that two keys
/// never share a file and no key leaves the directory.
fn file_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

fn replace(directory: &Path, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside).map_err(io_error(&beside))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_error(&beside))?;
    put_in_place(directory, &beside, path)
}

fn put_in_place(directory: &Path, beside: &Path, path: &Path) -> Result<(), StoreError> {
    fs::rename(beside, path).map_err(io_error(path))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io_error(directory))
}

/// Returns the name of this instance, the same after every restart: stored in the directory when it
/// is first asked for.
///
/// # Errors
/// When the directory can be neither read nor written.
pub fn instance_id(directory: &Path, fresh: impl FnOnce() -> String) -> Result<String, StoreError> {
    let path = directory.join("instance_id");
    match fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => return Ok(id.trim().to_owned()),
        Ok(_) => {}
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => {}
        Err(problem) => return Err(io_error(&path)(problem)),
    }
    fs::create_dir_all(directory).map_err(io_error(directory))?;
    let id = fresh();
    replace(directory, &path, id.as_bytes())?;
    Ok(id)
}
