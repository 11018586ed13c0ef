//! Where configuration text and the values in `${…}` come from.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
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
}

#[cfg(test)]
mod tests;
