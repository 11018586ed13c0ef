//! What outlives the process: snapshots of state, and the name of this instance.

mod snapshots;

pub use snapshots::{MAX_SNAPSHOT_BYTES, Restored, SnapshotStore, StoreError, Stored, instance_id};
