//! Where configuration text and the values in `${…}` come from.

use std::{
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

/// The process's own variables and files.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn read_file(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        // One byte more than allowed tells a full file from one that is too large.
        File::open(path)?.take(MAX_SOURCE_BYTES as u64 + 1).read_to_string(&mut text)?;
        if text.len() > MAX_SOURCE_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 16 MiB"));
        }
        Ok(text)
    }

    fn list_folder(&self, path: &Path) -> io::Result<Vec<String>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        // A name that is no UTF-8 is one that nobody can write in a configuration.
        let name =
            |entry: io::Result<std::fs::DirEntry>| entry.map(|entry| entry.file_name().into_string().ok());
        std::fs::read_dir(path)?.filter_map(|entry| name(entry).transpose()).collect()
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
