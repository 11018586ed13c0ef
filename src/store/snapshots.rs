//! Snapshots in a directory: one file for each stage, replaced as a whole.
//!
//! A file is written beside its place, synchronised, renamed over it, and the directory is
//! synchronised, so that a crash leaves the old snapshot or the new one and never half of either.
//! Layout: magic, version of the stage's layout, length, checksum, bytes; integers little-endian.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use component::Snapshot;

const MAGIC: &[u8; 8] = b"TLSNAP01";
const HEADER: usize = 8 + 4 + 8 + 8;
/// A file that claims more is damaged, not read.
const MAX_SNAPSHOT: u64 = 4 << 30;

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
    /// When the disk does not take it; the one before is still there.
    pub fn save(&self, key: &str, snapshot: &Snapshot) -> Result<(), StoreError> {
        let mut bytes = Vec::with_capacity(HEADER + snapshot.bytes.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&snapshot.version.to_le_bytes());
        bytes.extend_from_slice(&(snapshot.bytes.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&checksum(&snapshot.bytes).to_le_bytes());
        bytes.extend_from_slice(&snapshot.bytes);
        replace(&self.directory, &self.path(key), &bytes)
    }

    /// Reads the last snapshot; none when there is none.
    ///
    /// # Errors
    /// When the file can not be read or is damaged; the stage starts empty then.
    pub fn load(&self, key: &str) -> Result<Option<Snapshot>, StoreError> {
        let path = self.path(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(problem) => return Err(io_error(&path)(problem)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_SNAPSHOT).read_to_end(&mut bytes).map_err(io_error(&path))?;
        let damaged = |what| StoreError::Damaged { path: path.display().to_string(), what };
        parse(bytes).map(Some).map_err(damaged)
    }

    fn path(&self, key: &str) -> PathBuf {
        self.directory.join(format!("{}.snapshot", file_name(key)))
    }
}

fn parse(mut bytes: Vec<u8>) -> Result<Snapshot, &'static str> {
    let header: [u8; HEADER] = *bytes.first_chunk().ok_or("the file is too short")?;
    let (magic, rest) = header.split_first_chunk::<8>().ok_or("the file is too short")?;
    if magic != MAGIC {
        return Err("it does not begin as a snapshot does");
    }
    let (version, rest) = rest.split_first_chunk::<4>().ok_or("the file is too short")?;
    let (length, rest) = rest.split_first_chunk::<8>().ok_or("the file is too short")?;
    let expected = rest.first_chunk::<8>().ok_or("the file is too short")?;
    let body = bytes.split_off(HEADER);
    if body.len() as u64 != u64::from_le_bytes(*length) {
        return Err("the length does not match");
    }
    if checksum(&body) != u64::from_le_bytes(*expected) {
        return Err("the checksum does not match");
    }
    Ok(Snapshot { version: u32::from_le_bytes(*version), bytes: body })
}

/// FNV-1a: finds torn and flipped bytes; it need not resist an enemy who can write the directory.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
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
