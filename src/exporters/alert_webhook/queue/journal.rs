//! The files below the queue's directory, and the thread that writes them.
//!
//! One thread writes for all destinations: it takes all that has come meanwhile, writes it, and asks the disk once for
//! each file. So a burst of alerts costs one `fdatasync`, and nobody who waits is told before.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde::de::DeserializeOwned;
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

/// What was found in a file.
#[derive(Debug)]
pub(in super::super) struct Recovered<T> {
    pub(in super::super) entries: Vec<T>,
    /// Lines that can not be read: at most the last one after a crash.
    pub(in super::super) damaged: u64,
}

type Done = oneshot::Sender<Result<(), JournalError>>;

/// What is kept for people and written when there is time: a crash of the machine may take the last of it back.
pub(in super::super) trait Notes: Send + Sync {
    /// Takes what is to be written. Asked on the thread that writes, so that never more waits than there is.
    fn take(&self) -> ToWrite;

    /// What was taken last could not be written: it is to be written again, with all the rest.
    fn was_refused(&self, problem: &JournalError);
}

/// Lines, with their line feeds.
pub(in super::super) enum ToWrite {
    More(Vec<u8>),
    /// They take the place of all that is in the file.
    Anew(Vec<u8>),
}

enum Work {
    /// Opens a file and says so to whoever waits.
    Open {
        file: usize,
        open: Box<dyn FnOnce() -> Option<Disk> + Send>,
    },
    Note {
        file: usize,
        notes: Arc<dyn Notes>,
        done: Option<Done>,
    },
    Append {
        file: usize,
        bytes: Vec<u8>,
        done: Done,
    },
    Rewrite {
        file: usize,
        bytes: Vec<u8>,
        done: Done,
    },
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
    ) -> Result<(Journal, Recovered<Entry>), JournalError> {
        let recovered = self.open_file(folder, ("queue.log", "lock"), file).await?;
        let journal = Journal {
            work: self.work.clone(),
            file,
            // How large the file is matters only until it is written anew, which is done at the start.
            written: std::cell::Cell::new(u64::MAX),
            waiting: std::cell::Cell::new(0),
        };
        Ok((journal, recovered))
    }

    /// Opens a file of notes in a folder, which is made if need be.
    pub(in super::super) async fn open_notes<T: DeserializeOwned + Send + 'static>(
        &self,
        folder: &Path,
        name: &str,
        file: usize,
    ) -> Result<Recovered<T>, JournalError> {
        self.open_file(folder, (&format!("{name}.log"), &format!("{name}.lock")), file).await
    }

    /// Returns who writes the notes of a file that is open.
    pub(in super::super) fn pen(&self, file: usize, notes: Arc<dyn Notes>) -> Pen {
        Pen { work: self.work.clone(), file, notes }
    }

    async fn open_file<T: DeserializeOwned + Send + 'static>(
        &self,
        folder: &Path,
        (log, lock): (&str, &str),
        file: usize,
    ) -> Result<Recovered<T>, JournalError> {
        let (done, opened) = oneshot::channel();
        let (folder, log, lock) = (folder.to_owned(), log.to_owned(), lock.to_owned());
        let open = move || {
            let (disk, recovered) = match Disk::open(&folder, &log, &lock) {
                Ok((disk, recovered)) => (Some(disk), Ok(recovered)),
                Err(problem) => (None, Err(problem)),
            };
            // Who no longer waits was dropped with what it did.
            let _gone = done.send(recovered);
            disk
        };
        self.work.send(Work::Open { file, open: Box::new(open) }).map_err(|_| JournalError::Ended)?;
        opened.await.map_err(|_| JournalError::Ended)?
    }
}

/// Has notes written. The thread ends when all of these are gone, too.
pub(in super::super) struct Pen {
    work: Sender<Work>,
    file: usize,
    notes: Arc<dyn Notes>,
}

impl Pen {
    /// Asks for the notes to be written. Call it again when they have been taken.
    pub(in super::super) fn order(&self) {
        self.send(None);
    }

    /// Waits until all notes are written.
    pub(in super::super) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        self.send(Some(done));
        // When they can not be written, the notes know.
        let _written = is_done.await;
    }

    fn send(&self, done: Option<Done>) {
        let notes = Arc::clone(&self.notes);
        // A thread that has ended writes nothing any more, and nobody waits for it.
        let _gone = self.work.send(Work::Note { file: self.file, notes, done });
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
            Some(Work::Open { file, open }) => files.extend(open().map(|disk| (file, disk))),
            Some(Work::Note { file, notes, done }) => {
                let written =
                    files.get_mut(&file).ok_or(JournalError::Ended).and_then(|disk| disk.note(notes.take()));
                if let Err(problem) = &written {
                    notes.was_refused(problem);
                }
                let _gone = done.map(|done| done.send(written));
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
    fn open<T: DeserializeOwned>(
        folder: &Path,
        log: &str,
        lock_name: &str,
    ) -> Result<(Self, Recovered<T>), JournalError> {
        std::fs::create_dir_all(folder).map_err(|source| at("make the folder", folder, source))?;
        let lock = lock(&folder.join(lock_name))?;
        let path = folder.join(log);
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

    /// Writes lines and waits for the disk.
    fn append(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.write(bytes, File::sync_data)
    }

    fn note(&mut self, to_write: ToWrite) -> Result<(), JournalError> {
        match to_write {
            ToWrite::More(bytes) => self.write(&bytes, |_| Ok(())),
            ToWrite::Anew(bytes) => self.rewrite(&bytes),
        }
    }

    fn write(&mut self, bytes: &[u8], sync: fn(&File) -> io::Result<()>) -> Result<(), JournalError> {
        let written = self.file.write_all(bytes).and_then(|()| sync(&self.file));
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
fn recover<T: DeserializeOwned>(file: &mut File) -> io::Result<(Recovered<T>, bool)> {
    let mut reader = io::BufReader::new(file);
    let mut recovered = Recovered { entries: Vec::new(), damaged: 0 };
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
