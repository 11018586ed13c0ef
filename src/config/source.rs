//! Where configuration text and the values in `${…}` come from.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::parse::MAX_SOURCE_BYTES;

/// The variables and files that a configuration may name.
pub trait Environment {
    /// Returns the variable's value, none if it is not set.
    fn variable(&self, name: &str) -> Option<String>;

    /// Reads a whole file; a relative path starts at the working directory.
    ///
    /// *Errors*: besides what the system says, `FileTooLarge` above [`MAX_SOURCE_BYTES`] and
    /// `InvalidData` for what is not UTF-8.
    fn read_file(&self, path: &Path) -> io::Result<String>;

    /// Returns the names in a folder, in no order; a relative path starts at the working directory.
    ///
    /// *Errors*: what the system says.
    fn list_folder(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Asks a program that listens at a socket of this machine for a path over HTTP, and returns the body of its answer.
    ///
    /// *Errors*: what the system says, and an answer that is no success or is larger than [`MAX_SOURCE_BYTES`].
    fn ask(&self, socket: &Path, path: &str, patience: Duration) -> io::Result<String>;
}

/// A file or folder that was looked at, and what was found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FileRead {
    pub path: PathBuf,
    /// Of a file's text or a folder's names; none for what could not be read.
    pub content: Option<u64>,
}

thread_local! {
    /// A component's settings are decoded far from whoever asks for the configuration, so what they read is noted here.
    static READ: RefCell<Vec<FileRead>> = const { RefCell::new(Vec::new()) };
}

impl FileRead {
    /// Takes what was read on this thread since the last call.
    pub fn take_all() -> Vec<Self> {
        READ.with_borrow_mut(std::mem::take)
    }

    /// Reads a file for no more than what it holds. Relative paths start at the working directory.
    pub fn of(path: &Path) -> Self {
        let content = if path.is_dir() {
            names(path).map(|names| of_names(&names))
        } else {
            bytes(path).map(|bytes| of_bytes(&bytes))
        };
        Self { path: path.to_owned(), content: content.ok() }
    }

    fn note(path: &Path, content: Option<u64>) {
        READ.with_borrow_mut(|read| read.push(Self { path: path.to_owned(), content }));
    }
}

fn of_bytes(bytes: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(bytes)
}

fn of_names(names: &[String]) -> u64 {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    of_bytes(sorted.join("\0").as_bytes())
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from one that is too large.
    File::open(path)?.take(MAX_SOURCE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn names(path: &Path) -> io::Result<Vec<String>> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    // A name that is no UTF-8 is one that nobody can write in a configuration.
    let name = |entry: io::Result<std::fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok());
    std::fs::read_dir(path)?.filter_map(|entry| name(entry).transpose()).collect()
}

/// The process's own variables and files. What is read is noted, see [`FileRead::take_all`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn read_file(&self, path: &Path) -> io::Result<String> {
        let read = bytes(path);
        FileRead::note(path, read.as_ref().ok().map(|bytes| of_bytes(bytes)));
        let bytes = read?;
        if bytes.len() > MAX_SOURCE_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 16 MiB"));
        }
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
    }

    fn list_folder(&self, path: &Path) -> io::Result<Vec<String>> {
        let listed = names(path);
        FileRead::note(path, listed.as_ref().ok().map(|names| of_names(names)));
        listed
    }

    #[cfg(unix)]
    fn ask(&self, socket: &Path, path: &str, patience: Duration) -> io::Result<String> {
        let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(MAX_SOURCE_BYTES as u64 + 1).read_to_string(&mut answer)?;
        if answer.len() > MAX_SOURCE_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer is larger than 16 MiB"));
        }
        body_of(&answer)
    }

    #[cfg(not(unix))]
    fn ask(&self, _: &Path, _: &str, _: Duration) -> io::Result<String> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reads an answer of HTTP/1.0, which ends with the connection.
fn body_of(answer: &str) -> io::Result<String> {
    let (head, body) =
        answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("the answer is no HTTP"))?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status != "200" {
        return Err(io::Error::other(format!("the answer has status {status}")));
    }
    Ok(body.to_owned())
}

/// Variables and files in memory, for tests and for `validate` of what is not on disk.
#[derive(Clone, Debug, Default)]
pub struct MapEnvironment {
    pub variables: BTreeMap<String, String>,
    pub files: BTreeMap<PathBuf, String>,
}

impl MapEnvironment {
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    pub fn with_file(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }
}

impl Environment for MapEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read_file(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn list_folder(&self, path: &Path) -> io::Result<Vec<String>> {
        let below = self.files.keys().filter_map(|file| file.strip_prefix(path).ok());
        let first = below.filter_map(|rest| rest.components().next());
        let mut names: Vec<String> =
            first.map(|name| name.as_os_str().to_string_lossy().into_owned()).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no such folder"));
        }
        Ok(names)
    }

    /// The answer is the file of that path below the socket.
    fn ask(&self, socket: &Path, path: &str, _: Duration) -> io::Result<String> {
        self.read_file(&socket.join(path.trim_start_matches('/')))
    }
}

#[cfg(test)]
mod tests;
