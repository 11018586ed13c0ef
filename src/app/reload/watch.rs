//! Whether the files that a configuration was read from have changed.
//!
//! They are looked at again and again. What tells of changes by itself does not do so on network drives, nor through the
//! symlinks by which Kubernetes replaces a ConfigMap, and the files are few.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use config::FileRead;

/// Files and folders, as they were when the configuration was read.
pub(super) struct Watch {
    files: Vec<Watched>,
    /// They were not quiet when they were looked at last.
    is_waiting: bool,
}

struct Watched {
    read: FileRead,
    seen: Option<Signature>,
}

/// What is another when a file or what a link leads to is.
#[derive(PartialEq, Eq)]
struct Signature {
    device: u64,
    inode: u64,
    length: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Signature {
    fn of(path: &Path) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        Some(Self {
            device: data.dev(),
            inode: data.ino(),
            length: data.len(),
            changed: (data.ctime(), data.ctime_nsec()),
            modified: (data.mtime(), data.mtime_nsec()),
        })
    }
}

impl Watch {
    /// Watches what has just been read.
    pub(super) fn on(mut files: Vec<FileRead>) -> Self {
        files.sort_unstable();
        files.dedup_by(|next, first| next.path == first.path);
        let mut watch = Self { files: Vec::new(), is_waiting: false };
        for read in files {
            // A change between the reading and now is one to wait for.
            let seen = Signature::of(&read.path);
            watch.is_waiting |= FileRead::of(&read.path) != read;
            watch.files.push(Watched { read, seen });
        }
        watch
    }

    /// Looks once. True when something is other than it was read, and nothing has changed since the last look.
    pub(super) fn is_due(&mut self) -> bool {
        let mut is_moving = false;
        for file in &mut self.files {
            let now = Signature::of(&file.read.path);
            if now != file.seen {
                file.seen = now;
                is_moving = true;
            }
        }
        if is_moving {
            self.is_waiting = true;
            return false;
        }
        if !self.is_waiting {
            return false;
        }
        self.is_waiting = false;
        self.files.iter().any(|file| FileRead::of(&file.read.path) != file.read)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn watch(path: &Path) -> Watch {
        Watch::on(vec![FileRead::of(path)])
    }

    #[test]
    fn a_file_is_due_when_it_has_changed_and_then_been_quiet() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "a: 1").unwrap();
        let mut watch = watch(&file);
        assert!(!watch.is_due() && !watch.is_due());
        for text in ["a: 22", "a: 333"] {
            fs::write(&file, text).unwrap();
            assert!(!watch.is_due(), "it may not be written to its end");
        }
        assert!(watch.is_due());
        assert!(!watch.is_due(), "once");
    }

    #[test]
    fn a_file_with_the_same_content_is_not_due() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "a: 1").unwrap();
        let mut watch = watch(&file);
        fs::remove_file(&file).unwrap();
        assert!(!watch.is_due());
        fs::write(&file, "a: 1").unwrap();
        assert!(!watch.is_due() && !watch.is_due());
    }

    /// As Kubernetes does it: the file is a link into a folder that is a link, and that is replaced.
    #[test]
    fn a_link_that_leads_elsewhere_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "a: 1"), ("..2", "a: 2")] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("config.yaml"), text).unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/config.yaml", path("config.yaml")).unwrap();
        let mut watch = watch(&path("config.yaml"));
        assert!(!watch.is_due());
        symlink("..2", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();
        assert!(!watch.is_due());
        assert!(watch.is_due());
    }
}
