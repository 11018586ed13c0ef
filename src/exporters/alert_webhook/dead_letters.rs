//! What no destination took: a file of lines, one JSON object each.

use std::{
    fs::OpenOptions,
    io::{self, BufRead, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    alert::Alert,
    config::{AlertWebhookConfig, DestinationConfig},
    formats::{GroupKey, Told},
};

/// A message that could not be delivered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct DeadLetter {
    /// Of the message; empty in files of states, which have none.
    #[serde(default)]
    pub(super) id: String,
    /// *Units*: nanoseconds since the epoch.
    pub(super) at: u64,
    pub(super) destination: String,
    pub(super) format: String,
    /// `status`, `redirect`, `address`, `template`, `expired`.
    pub(super) reason: String,
    pub(super) problem: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<GroupKey>,
    pub(super) alerts: Vec<Alert>,
}

impl DeadLetter {
    pub(super) fn new(
        now: Timestamp,
        config: &DestinationConfig,
        reason: &str,
        problem: String,
        told: &Told,
        id: &str,
    ) -> Self {
        let group = match told {
            Told::Group(notification) => Some(notification.group.clone()),
            Told::Event(_) | Told::States(_) => None,
        };
        Self {
            id: id.to_owned(),
            at: now.as_nanos(),
            destination: config.name.clone(),
            format: config.format.name().to_owned(),
            reason: reason.to_owned(),
            problem,
            group,
            alerts: told.alerts().to_vec(),
        }
    }
}

/// Appends to the file, and starts a new one when it is full.
pub(super) struct DeadLetters {
    file: Option<Arc<Mutex<File>>>,
}

struct File {
    path: PathBuf,
    max_bytes: u64,
    max_backups: usize,
}

impl DeadLetters {
    pub(super) fn new(config: &AlertWebhookConfig) -> Self {
        let file = config.dead_letter_path().map(|path| {
            let (max_bytes, max_backups) = (config.dead_letter.max_bytes.0, config.dead_letter.max_backups);
            Arc::new(Mutex::new(File { path, max_bytes, max_backups }))
        });
        Self { file }
    }

    /// Returns when the letter is on disk. Without a file the log has it alone.
    pub(super) async fn write(&self, letter: DeadLetter) -> io::Result<()> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let written = tokio::task::spawn_blocking(move || {
            file.lock().unwrap_or_else(PoisonError::into_inner).append(&letter)
        });
        written.await.map_err(io::Error::other)?
    }
}

impl File {
    fn append(&self, letter: &DeadLetter) -> io::Result<()> {
        let mut line = serde_json::to_vec(letter)?;
        line.push(b'\n');
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let length = self.path.metadata().map_or(0, |found| found.len());
        if length > 0 && length + line.len() as u64 > self.max_bytes {
            self.rotate()?;
        }
        let mut options = OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.create(true).read(true).append(true).open(&self.path)?;
        if !ends_whole(&mut file)? {
            // A line that a crash has torn ends here, or this one would be torn too.
            line.insert(0, b'\n');
        }
        file.write_all(&line)?;
        file.sync_data()
    }

    /// `x.jsonl` becomes `x.jsonl.1`, that becomes `x.jsonl.2`; the last one goes.
    fn rotate(&self) -> io::Result<()> {
        let backup = |number: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if self.max_backups == 0 {
            return std::fs::remove_file(&self.path);
        }
        for number in (1..self.max_backups).rev().filter(|number| backup(*number).exists()) {
            std::fs::rename(backup(number), backup(number + 1))?;
        }
        std::fs::rename(&self.path, backup(1))
    }
}

fn ends_whole(file: &mut std::fs::File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// What a file of dead letters holds.
#[derive(Debug, Default)]
pub(super) struct Letters {
    pub(super) all: Vec<DeadLetter>,
    /// Lines that are none, by number: the last one after a crash.
    pub(super) damaged: Vec<usize>,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> io::Result<Letters> {
    let mut letters = Letters::default();
    for (index, line) in io::BufReader::new(std::fs::File::open(path)?).split(b'\n').enumerate() {
        let line = line?;
        match serde_json::from_slice(&line) {
            Ok(letter) if tells(&letter) => letters.all.push(letter),
            Err(_) if line.is_empty() => {}
            Ok(_) | Err(_) => letters.damaged.push(index + 1),
        }
    }
    Ok(letters)
}

/// A letter of ours tells of at least one alert.
fn tells(letter: &DeadLetter) -> bool {
    !letter.alerts.is_empty()
}
