//! The files below the queue's directory, and the thread that writes them.
//!
//! One thread writes for all destinations: it takes all that has come meanwhile, writes it, and asks the disk once for
//! each file. So a burst of alerts costs one `fdatasync`, and nobody who waits is told before.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    Entry,
    entry::{decode, encode},
};

/// A file that is no larger is never written anew.
const MIN_REWRITE_BYTES: u64 = 1 << 20;

/// No line is longer: an alert has at most 128 texts of 4 KiB, each with its name.
const MAX_LINE_BYTES: u64 = 4 << 20;

/// How long is waited for another process that still writes: the one before us, that ends.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Why a journal can not be used.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum JournalError {
    #[error("can not {what} {path}: {source}; check space and permissions of the queue's directory")]
    Io { what: &'static str, path: String, source: io::Error },
    #[error("{0} is in use by another process; give each one a queue directory of its own")]
    Locked(String),
    #[error("the thread that writes the queue has ended")]
    Ended,
}

/// What was found in a journal.
#[derive(Debug, Default)]
pub(in super::super) struct Recovered {
    pub(in super::super) entries: Vec<Entry>,
    /// Lines that can not be read: at most the last one after a crash.
    pub(in super::super) damaged: u64,
}

type Done = oneshot::Sender<Result<(), JournalError>>;

enum Work {
    Open { path: PathBuf, file: usize, done: oneshot::Sender<Result<Recovered, JournalError>> },
    Append { file: usize, bytes: Vec<u8>, done: Done },
    Rewrite { file: usize, bytes: Vec<u8>, done: Done },
}

/// Hands work to the thread. It ends when the last handle is gone, with all that it was given done.
pub(in super::super) struct Writer {
    work: Sender<Work>,
    _thread: JoinHandle<()>,
}

/// The journal of one destination.
pub(in super::super) struct Journal {
    work: Sender<Work>,
    file: usize,
    /// Bytes written since the file was made, by this process.
    pub(in super::super) written: std::cell::Cell<u64>,
    /// Appends that wait for the disk.
    waiting: std::cell::Cell<usize>,
}

impl Writer {
    pub(in super::super) fn start(name: &str) -> Result<Self, JournalError> {
        let (work, orders) = channel();
        let thread =
            std::thread::Builder::new().name(format!("queue of {name}")).spawn(move || write(&orders));
        let thread = thread.map_err(|source| JournalError::Io {
            what: "start the thread of",
            path: name.to_owned(),
            source,
        })?;
        Ok(Self { work, _thread: thread })
    }

    /// Opens the journal in a folder, which is made if need be.
    pub(in super::super) async fn open(
        &self,
        folder: &Path,
        file: usize,
    ) -> Result<(Journal, Recovered), JournalError> {
        let (done, opened) = oneshot::channel();
        let path = folder.to_owned();
        self.work.send(Work::Open { path, file, done }).map_err(|_| JournalError::Ended)?;
        let recovered = opened.await.map_err(|_| JournalError::Ended)??;
        let journal = Journal {
            work: self.work.clone(),
            file,
            // How large the file is matters only until it is written anew, which is done at the start.
            written: std::cell::Cell::new(u64::MAX),
            waiting: std::cell::Cell::new(0),
        };
        Ok((journal, recovered))
    }
}

impl Journal {
    /// Returns when the entries are on disk.
    ///
    /// # Errors
    /// None of them is.
    pub(in super::super) async fn append(&self, entries: &[Entry]) -> Result<(), JournalError> {
        let mut bytes = Vec::new();
        entries.iter().for_each(|entry| encode(entry, &mut bytes));
        self.written.set(self.written.get().saturating_add(bytes.len() as u64));
        let (done, is_done) = oneshot::channel();
        self.work.send(Work::Append { file: self.file, bytes, done }).map_err(|_| JournalError::Ended)?;
        let _waiting = Waiting::new(&self.waiting);
        is_done.await.map_err(|_| JournalError::Ended)?
    }

    /// Whether the file is much larger than what it stands for. Not while appends wait, as what they say is not in
    /// the book yet.
    pub(in super::super) fn wants_rewrite(&self, footprint: u64) -> bool {
        let most = MIN_REWRITE_BYTES.max(footprint.saturating_mul(4));
        self.written.get() > most && self.waiting.get() == 0
    }

    /// Puts another journal in place of the file. What is appended from now on comes behind it.
    pub(in super::super) async fn rewrite(&self, bytes: Vec<u8>) -> Result<(), JournalError> {
        self.written.set(bytes.len() as u64);
        let (done, is_done) = oneshot::channel();
        self.work.send(Work::Rewrite { file: self.file, bytes, done }).map_err(|_| JournalError::Ended)?;
        is_done.await.map_err(|_| JournalError::Ended)?
    }
}

/// Counts an append for as long as it waits, however that ends.
struct Waiting<'a>(&'a std::cell::Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a std::cell::Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What the thread does until nobody can give it work.
fn write(orders: &Receiver<Work>) {
    let mut files: BTreeMap<usize, Disk> = BTreeMap::new();
    let mut next = orders.recv().ok();
    while let Some(work) = next.take() {
        let mut appended: BTreeMap<usize, (Vec<u8>, Vec<Done>)> = BTreeMap::new();
        let mut work = Some(work);
        // Everything that has come is written together; what is not an append waits for the appends before it.
        while let Some(Work::Append { file, bytes, done }) = work {
            let (all, waiting) = appended.entry(file).or_default();
            all.extend_from_slice(&bytes);
            waiting.push(done);
            work = orders.try_recv().ok();
        }
        for (file, (bytes, waiting)) in appended {
            let disk = files.get_mut(&file).ok_or(JournalError::Ended);
            let written = disk.and_then(|disk| disk.append(&bytes));
            for done in waiting {
                // Who no longer waits was dropped with what it did.
                let _gone = done.send(written.as_ref().copied().map_err(copy));
            }
        }
        match work {
            Some(Work::Open { path, file, done }) => {
                let opened = Disk::open(&path).map(|(disk, recovered)| {
                    files.insert(file, disk);
                    recovered
                });
                let _gone = done.send(opened);
            }
            Some(Work::Rewrite { file, bytes, done }) => {
                let written =
                    files.get_mut(&file).ok_or(JournalError::Ended).and_then(|disk| disk.rewrite(&bytes));
                let _gone = done.send(written);
            }
            Some(Work::Append { .. }) | None => {}
        }
        next = orders.recv().ok();
    }
}

/// The same problem for everybody whose entries were written together.
fn copy(problem: &JournalError) -> JournalError {
    match problem {
        JournalError::Io { what, path, source } => {
            let source = io::Error::new(source.kind(), source.to_string());
            JournalError::Io { what, path: path.clone(), source }
        }
        JournalError::Locked(path) => JournalError::Locked(path.clone()),
        JournalError::Ended => JournalError::Ended,
    }
}

/// An open journal.
struct Disk {
    path: PathBuf,
    file: File,
    length: u64,
    /// Held for as long as we write, so that no other process does.
    _lock: File,
}

impl Disk {
    fn open(folder: &Path) -> Result<(Self, Recovered), JournalError> {
        std::fs::create_dir_all(folder).map_err(|source| at("make the folder", folder, source))?;
        let lock = lock(&folder.join("lock"))?;
        let path = folder.join("queue.log");
        let mut file = open_append(&path)?;
        let (recovered, ends_whole) = recover(&mut file).map_err(|source| at("read", &path, source))?;
        if !ends_whole {
            // A torn line ends here, or the next one would be torn too.
            file.write_all(b"\n").map_err(|source| at("write", &path, source))?;
        }
        sync_folder(folder)?;
        let length = file.metadata().map_err(|source| at("read", &path, source))?.len();
        Ok((Self { path, file, length, _lock: lock }, recovered))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // Half a batch must not be found later: nobody was told that it is there.
            let cut = self.file.set_len(self.length);
            if let Err(problem) = cut {
                tracing::warn!(path = %self.path.display(), error = %problem, "what was half written stays in the queue's file");
            }
            return Err(at("write", &self.path, source));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn rewrite(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        let new = self.path.with_extension("new");
        let write = || {
            let mut options = OpenOptions::new();
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.create(true).write(true).truncate(true).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)
        };
        write().map_err(|source| at("write", &new, source))?;
        self.file = open_append(&self.path)?;
        self.length = bytes.len() as u64;
        sync_folder(self.path.parent().unwrap_or(Path::new(".")))
    }
}

fn open_append(path: &Path) -> Result<File, JournalError> {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.create(true).read(true).append(true).open(path);
    file.map_err(|source| at("open", path, source))
}

/// Waits a while for whoever holds the lock: a process that ends, or the shard before this one.
fn lock(path: &Path) -> Result<File, JournalError> {
    let file = open_append(path)?;
    let step = Duration::from_millis(20);
    for _ in 0..LOCK_PATIENCE.as_millis() / step.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(step),
            Err(TryLockError::Error(source)) => return Err(at("lock", path, source)),
        }
    }
    Err(JournalError::Locked(path.display().to_string()))
}

/// A file's name is on disk when its folder is.
fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| at("write", folder, source))
}

fn at(what: &'static str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { what, path: path.display().to_string(), source }
}

/// Reads all entries; also says whether the last line is whole.
fn recover(file: &mut File) -> io::Result<(Recovered, bool)> {
    let mut reader = io::BufReader::new(file);
    let mut recovered = Recovered::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::BufRead::read_until(&mut reader.by_ref().take(MAX_LINE_BYTES), b'\n', &mut line)?;
        if read == 0 {
            return Ok((recovered, true));
        }
        let is_whole = line.pop_if(|last| *last == b'\n').is_some();
        match decode(&line) {
            Some(entry) => recovered.entries.push(entry),
            None if line.is_empty() => {}
            None => recovered.damaged += 1,
        }
        if !is_whole && read < MAX_LINE_BYTES as usize {
            return Ok((recovered, false));
        }
    }
}
