//! How a stage gets its state back from the disk.

use component::{Counter, Processor, RestoreError, Telemetry};
use store::{Restored, SnapshotStore};
use tracing::{error, info, warn};

use super::{StageState, archive_key};
use crate::service::Shared;

/// Gives a stage back what is stored of it; none when it starts empty.
pub(super) fn restore(
    shared: &Shared,
    store: &SnapshotStore,
    key: &str,
    half: &mut dyn Processor,
) -> Option<StageState> {
    let now = shared.clock.now();
    let failures = restore_failures(&shared.telemetry, key);
    let restored = store.restore(key, now, |snapshot| half.restore(snapshot));
    let archived = store.restore(&archive_key(key), now, |archive| half.restore_archive(archive));
    if let Restored::Failed { problem } = archived {
        warn!(stage = key, error = problem, "what was before the start can not be asked about");
        failures.add(1);
    }
    let watermark = match restored {
        Restored::Nothing => return None,
        Restored::Last { watermark } => {
            info!(stage = key, "state restored");
            watermark
        }
        Restored::Previous { watermark, release, kept_at, problem } => {
            warn!(
                stage = key,
                error = problem,
                release,
                ?kept_at,
                "state restored as the release before had left it; what came since is lost"
            );
            if !problem.is_empty() {
                failures.add(1);
                shared.health.degrade(key, format!("{key} has its state of release {release}: {problem}"));
            }
            watermark
        }
        Restored::Failed { problem } => {
            starts_empty(shared, key, &problem);
            return None;
        }
    };
    Some(StageState::restored(&watermark))
}

/// Tells that a stage has begun anew as it could not take what the one before it had.
pub(super) fn begins_anew(shared: &Shared, key: &str, problem: &RestoreError) {
    let why = match problem {
        RestoreError::Damaged(what) => what.clone(),
        other @ RestoreError::Version { .. } => other.to_string(),
    };
    warn!(stage = key, why, "state of another shape was not taken, the stage begins anew");
    restore_failures(&shared.telemetry, key).add(1);
    let what = format!("{key} began anew at the reload, as state of another shape was not taken: {why}");
    shared.health.begins_anew(key, what);
}

/// Tells that a stage has lost its state.
fn starts_empty(shared: &Shared, key: &str, problem: &str) {
    error!(stage = key, error = problem, "state could not be restored, the stage starts empty");
    restore_failures(&shared.telemetry, key).add(1);
    shared.health.degrade(key, format!("{key} started without its state: {problem}"));
}

fn restore_failures(telemetry: &Telemetry, stage: &str) -> Counter {
    telemetry.with("stage", stage).counter(
        "trueline_state_restore_failures",
        "Snapshots that a stage could not take back at the start.",
        "{snapshot}",
    )
}
