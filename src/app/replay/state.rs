//! Stores what stages learned where a collector takes it back.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use component::Snapshot;
use engine::Plan;
use model::Timestamp;
use store::{SnapshotStore, Stored};

/// The directory of the configuration's storage extension, which is held as long as this lives.
pub(super) struct StateDirectory {
    store: SnapshotStore,
    path: PathBuf,
}

impl StateDirectory {
    /// What is told when a configuration keeps no state.
    pub(super) const NOWHERE: &str = "--save-state has nowhere to store: configure the extension \
        `file_storage` and list it in service::extensions";

    /// Opens it before anything is replayed, so that hours of work do not end in a refusal.
    ///
    /// # Errors
    /// When there is none, another process uses it, or it holds state that would be lost.
    pub(super) fn open(plan: &Plan) -> anyhow::Result<Self> {
        let path = plan.state_directory().context(Self::NOWHERE)?;
        let store = SnapshotStore::open(path, env!("CARGO_PKG_VERSION"))?;
        if let Some(found) = first_snapshot(path)? {
            bail!("{} would be replaced; move it away or name another directory", found.display());
        }
        Ok(Self { store, path: path.to_owned() })
    }

    /// Returns a file of state that a collector or a replay stored before; none when there is none.
    ///
    /// # Errors
    /// When the directory can not be read.
    pub(super) fn stored(plan: &Plan) -> anyhow::Result<Option<PathBuf>> {
        let path = plan.state_directory().context(Self::NOWHERE)?;
        if path.exists() { first_snapshot(path) } else { Ok(None) }
    }

    /// Returns what was stored, for people.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub(super) fn save(self, snapshots: Vec<(String, Snapshot)>, now: Timestamp) -> anyhow::Result<String> {
        let n_stages = snapshots.len();
        for (key, snapshot) in snapshots {
            // Nothing was merged of other processes, so there is no mark of how far.
            self.store.save(&key, &Stored { snapshot, watermark: Vec::new() }, now)?;
        }
        Ok(format!("stored the state of {n_stages} stages in {}", self.path.display()))
    }
}

/// Returns a file of state, whichever stage's it is.
fn first_snapshot(directory: &Path) -> anyhow::Result<Option<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "snapshot") {
            found.push(path);
        }
    }
    Ok(found.into_iter().min())
}
