//! Whatever lies in the folder of states, what is read of it is what was stored, or nothing, and the start goes on.
#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use component::Snapshot;
use libfuzzer_sys::fuzz_target;
use model::Timestamp;
use store::{SnapshotStore, Stored};

const KEY: &str = "connector/a";
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("trueline-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
});

fuzz_target!(|data: &[u8]| {
    let store = SnapshotStore::open(&FOLDER, "0.1.0").expect("the folder is there");
    let sound = Snapshot { version: 1, bytes: b"state".to_vec() };
    let stored = Stored { snapshot: sound.clone(), watermark: b"w".to_vec() };
    store.save(KEY, &stored, NOW).expect("the disk takes it");
    // One process at a time has the folder.
    drop(store);
    // Any file of the folder has these bytes in the place of its own.
    for entry in fs::read_dir(&*FOLDER).expect("it can be listed").flatten() {
        if entry.path().is_file() {
            fs::write(entry.path(), data).expect("the disk takes it");
        }
    }
    if let Ok(store) = SnapshotStore::open(&FOLDER, "0.1.0") {
        let mut taken = None;
        store.restore(KEY, NOW, |snapshot| {
            taken = Some(snapshot);
            Ok(())
        });
        assert!(taken.is_none_or(|taken| taken == sound), "bytes that were not stored are taken");
        store.save(KEY, &stored, NOW).expect("a damaged file is in nobody's way");
    }
    fs::remove_dir_all(&*FOLDER).and_then(|()| fs::create_dir_all(&*FOLDER)).expect("the folder is ours");
});
