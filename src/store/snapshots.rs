//! Snapshots in a directory: one file for each stage, replaced as a whole.
//!
//! A file is written beside its place, synchronised, renamed over it, and the directory is
//! synchronised, so that a crash leaves the old snapshot or the new one and never half of either.
//! Layout: magic, version of the stage's layout, length of the watermark, length of the state, checksum of
//! all that follows the magic but itself, watermark, state; integers little-endian. Files of the layout
//! before (`TLSNAP01`: no watermark, a checksum of the state alone) are read.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use component::Snapshot;

const MAGIC: &[u8; 8] = b"TLSNAP02";
const MAGIC_BEFORE: &[u8; 8] = b"TLSNAP01";
/// A larger file is neither written nor read: a stage's tables are bounded far below.
pub const MAX_SNAPSHOT_BYTES: u64 = 4 << 30;

/// What is stored of one stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    pub snapshot: Snapshot,
    /// Up to where the stage has merged what others told; the engine's own bytes.
    pub watermark: Vec<u8>,
}

/// A directory of snapshots, which is this process's alone.
#[derive(Debug)]
pub struct SnapshotStore {
    directory: PathBuf,
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
    /// Opens a directory, making it if it is missing.
    ///
    /// # Errors
    /// When the directory can not be made or written, or another process uses it.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(directory).map_err(io_error(directory))?;
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(io_error(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => {
                Err(StoreError::InUse { path: directory.display().to_string() })
            }
            Err(fs::TryLockError::Error(problem)) => Err(io_error(&path)(problem)),
        }
    }

    /// Stores a snapshot in place of the one before.
    ///
    /// # Errors
    /// When it is too large or the disk does not take it; the one before is still there.
    pub fn save(&self, key: &str, stored: &Stored) -> Result<(), StoreError> {
        let path = self.path(key);
        let bytes = encode(stored);
        refuse_too_large(&path, bytes.len() as u64)?;
        replace(&self.directory, &path, &bytes)
    }

    /// Reads the last snapshot; none when there is none.
    ///
    /// # Errors
    /// When the file can not be read, is too large or is damaged; the stage starts empty then.
    pub fn load(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        let path = self.path(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(problem) => return Err(io_error(&path)(problem)),
        };
        let length = file.metadata().map_err(io_error(&path))?.len();
        refuse_too_large(&path, length)?;
        let mut bytes = Vec::new();
        file.take(MAX_SNAPSHOT_BYTES).read_to_end(&mut bytes).map_err(io_error(&path))?;
        let damaged = |what| StoreError::Damaged { path: path.display().to_string(), what };
        decode(&bytes).map(Some).map_err(damaged)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{}.snapshot", file_name(key)))
    }
}

fn refuse_too_large(path: &Path, bytes: u64) -> Result<(), StoreError> {
    match bytes > MAX_SNAPSHOT_BYTES {
        true => Err(StoreError::TooLarge { path: path.display().to_string(), bytes }),
        false => Ok(()),
    }
}

fn encode(stored: &Stored) -> Vec<u8> {
    let Stored { snapshot, watermark } = stored;
    let version = snapshot.version.to_le_bytes();
    let lengths = [watermark.len() as u64, snapshot.bytes.len() as u64].map(u64::to_le_bytes);
    let checksum = checksum(&[&version, lengths.as_flattened(), watermark, &snapshot.bytes]).to_le_bytes();
    [MAGIC, version.as_slice(), lengths.as_flattened(), &checksum, watermark, &snapshot.bytes].concat()
}

const TOO_SHORT: &str = "the file is too short";

fn decode(bytes: &[u8]) -> Result<Stored, &'static str> {
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(TOO_SHORT)?;
    if magic != MAGIC && magic != MAGIC_BEFORE {
        return Err("it does not begin as a snapshot does");
    }
    let (version, rest) = rest.split_first_chunk::<4>().ok_or(TOO_SHORT)?;
    let has_watermark = magic == MAGIC;
    let (lengths, rest) = rest.split_at_checked(if has_watermark { 16 } else { 8 }).ok_or(TOO_SHORT)?;
    let (expected, body) = rest.split_first_chunk::<8>().ok_or(TOO_SHORT)?;
    let mut lengths_read = lengths.as_chunks::<8>().0.iter().map(|length| u64::from_le_bytes(*length));
    let watermark_length = if has_watermark { lengths_read.next().unwrap_or_default() } else { 0 };
    let state_length = lengths_read.next().unwrap_or_default();
    if watermark_length.checked_add(state_length) != Some(body.len() as u64) {
        return Err("the length does not match");
    }
    let found = if has_watermark { checksum(&[version, lengths, body]) } else { checksum(&[body]) };
    if found != u64::from_le_bytes(*expected) {
        return Err("the checksum does not match");
    }
    let at = usize::try_from(watermark_length).map_err(|_| "the length does not match")?;
    let (watermark, state) = body.split_at_checked(at).ok_or("the length does not match")?;
    let snapshot = Snapshot { version: u32::from_le_bytes(*version), bytes: state.to_vec() };
    Ok(Stored { snapshot, watermark: watermark.to_vec() })
}

/// FNV-1a: finds torn and flipped bytes; it need not resist an enemy who can write the directory.
fn checksum(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().copied().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
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
    fs::rename(&beside, path).map_err(io_error(path))?;
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
