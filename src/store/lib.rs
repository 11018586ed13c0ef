//! What outlives the process: snapshots of state, and the name of this instance.

mod snapshots;

pub use snapshots::{SnapshotStore, StoreError, instance_id};
