use super::*;
use layout::{MAGIC_02, MAGIC_03, checksum};
use proptest::prelude::*;

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A snapshot in the first layout of a stage.
fn snapshot(bytes: &[u8]) -> Stored {
    Stored { snapshot: Snapshot { version: 1, bytes: bytes.to_vec() }, watermark: b"a=7".to_vec() }
}

/// In the layout that came with the next release.
fn next_layout(bytes: &[u8]) -> Stored {
    Stored { snapshot: Snapshot { version: 2, bytes: bytes.to_vec() }, watermark: b"a=8".to_vec() }
}

/// A stage that reads layouts up to one, and what it has taken.
fn restore(store: &SnapshotStore, key: &str, readable: u32, now: Timestamp) -> (Restored, Vec<u8>) {
    let mut taken = Vec::new();
    let restored = store.restore(key, now, |snapshot| match snapshot.version {
        version if version > readable => Err(RestoreError::Version { found: version, readable: "less" }),
        _ => {
            taken = snapshot.bytes;
            Ok(())
        }
    });
    (restored, taken)
}

fn last(watermark: &[u8], taken: &[u8]) -> (Restored, Vec<u8>) {
    (Restored::Last { watermark: watermark.to_vec() }, taken.to_vec())
}

/// Runs a release of the program for as long as it takes to do something with its store.
fn run<T>(directory: &Path, release: &str, act: impl FnOnce(&SnapshotStore) -> T) -> T {
    act(&SnapshotStore::open(directory, release).unwrap())
}

/// Release 1 stored `old`; release 2, which has another layout, reads that and has stored `new` two times.
fn upgraded() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), "1", |store| store.save("k", &snapshot(b"old"), START - 20 * DAY).unwrap());
    run(directory.path(), "2", |store| {
        assert_eq!(restore(store, "k", 2, START), last(b"a=7", b"old"));
        store.save("k", &next_layout(b"newer"), START).unwrap();
        store.save("k", &next_layout(b"new"), START + DAY).unwrap();
    });
    directory
}

#[test]
fn what_was_saved_is_restored_and_the_last_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(directory.path(), "1").unwrap();
    assert_eq!(restore(&store, "connector/a", 1, START).0, Restored::Nothing);
    store.save("connector/a", &snapshot(b"one"), START).unwrap();
    store.save("connector/a", &snapshot(b"two"), START).unwrap();
    store.save("connector_a", &snapshot(b"other"), START).unwrap();
    assert_eq!(restore(&store, "connector/a", 1, START), last(b"a=7", b"two"));
    assert!(!store.previous_path("connector/a").exists(), "nothing is kept of the same release");
}

#[test]
fn an_upgrade_goes_on_with_the_last_snapshot() {
    let directory = upgraded();
    run(directory.path(), "2", |store| {
        assert_eq!(restore(store, "k", 2, START + DAY), last(b"a=8", b"new"));
    });
}

#[test]
fn a_downgrade_goes_on_with_what_its_release_had_stored_last_and_loses_no_file() {
    let directory = upgraded();
    let now = START + 6 * DAY;
    let downgrade = |store: &SnapshotStore| {
        let (restored, taken) = restore(store, "k", 1, now);
        let Restored::Previous { watermark, release, kept_at, problem } = restored else {
            panic!("{restored:?}")
        };
        assert_eq!((taken.as_slice(), watermark.as_slice()), (b"old".as_slice(), b"a=7".as_slice()));
        assert_eq!((release.as_str(), kept_at), ("1", START));
        problem
    };
    run(directory.path(), "1", |store| {
        let problem = downgrade(store);
        assert!(problem.contains("version 2, this release reads less; it is kept as "), "{problem}");
    });
    run(directory.path(), "1", |store| {
        assert_eq!(downgrade(store), "", "it ended before it stored anything");
        store.save("k", &snapshot(b"after"), now).unwrap();
    });
    run(directory.path(), "1", |store| {
        assert_eq!(restore(store, "k", 1, now), last(b"a=7", b"after"));
        let unread = fs::read(store.path("k").with_extension("unread")).unwrap();
        assert_eq!(layout::decode(unread).unwrap().stored, next_layout(b"new"));
    });
}

#[test]
fn after_seven_days_the_snapshot_of_the_release_before_is_not_used() {
    let directory = upgraded();
    run(directory.path(), "1", |store| {
        let (restored, taken) = restore(store, "k", 1, START + 7 * DAY);
        assert!(matches!(restored, Restored::Failed { .. }), "{restored:?}");
        assert!(taken.is_empty());
    });
}

#[test]
fn after_seven_days_the_snapshot_of_the_release_before_is_removed() {
    let directory = upgraded();
    run(directory.path(), "2", |store| {
        let kept = store.previous_path("k");
        store.save("k", &next_layout(b"x"), START + 6 * DAY).unwrap();
        assert!(kept.exists());
        store.save("k", &next_layout(b"x"), START + 7 * DAY).unwrap();
        assert!(!kept.exists());
        store.save("k", &next_layout(b"x"), START + 8 * DAY).unwrap();
    });
}

#[test]
fn a_damaged_snapshot_is_replaced_by_that_of_the_release_before_and_kept() {
    let directory = upgraded();
    run(directory.path(), "2", |store| {
        fs::write(store.path("k"), b"no snapshot").unwrap();
        let (restored, taken) = restore(store, "k", 2, START + DAY);
        let Restored::Previous { problem, .. } = restored else { panic!("{restored:?}") };
        assert!(problem.contains("is damaged: it does not begin as a snapshot does"), "{problem}");
        assert_eq!(taken, b"old");
        assert_eq!(fs::read(store.path("k").with_extension("unread")).unwrap(), b"no snapshot");
    });
}

#[test]
fn a_damaged_snapshot_with_a_damaged_one_before_leaves_the_stage_empty_and_names_both() {
    let directory = upgraded();
    run(directory.path(), "2", |store| {
        fs::write(store.path("k"), b"no snapshot").unwrap();
        let kept = fs::read(store.previous_path("k")).unwrap();
        fs::write(store.previous_path("k"), &kept[..kept.len() - 1]).unwrap();
        let (restored, _) = restore(store, "k", 2, START + DAY);
        let Restored::Failed { problem } = restored else { panic!("{restored:?}") };
        assert!(
            problem.contains("k.snapshot is damaged") && problem.contains("k.previous is damaged"),
            "{problem}"
        );
    });
}

#[test]
fn the_next_release_keeps_a_file_of_a_layout_before_as_it_is() {
    let version = 1_u32.to_le_bytes();
    let file = |magic: &[u8], lengths: &[u64], parts: &[u8]| {
        let lengths: Vec<u8> = lengths.iter().copied().flat_map(u64::to_le_bytes).collect();
        let checksum = checksum(&[&version, &lengths, parts]).to_le_bytes();
        [magic, &version, &lengths, &checksum, parts].concat()
    };
    for file in [file(MAGIC_02, &[3, 5], b"a=7state"), file(MAGIC_03, &[3, 3, 5], b"0.9a=7state")] {
        let directory = tempfile::tempdir().unwrap();
        run(directory.path(), "1", |store| {
            fs::write(store.path("k"), &file).unwrap();
            assert_eq!(restore(store, "k", 1, START), last(b"a=7", b"state"));
            store.save("k", &snapshot(b"new"), START).unwrap();
            assert!(fs::read(store.previous_path("k")).unwrap().ends_with(&file));
        });
    }
}

#[test]
fn a_state_that_comes_in_pieces_is_stored_when_it_is_whole_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(directory.path(), "1").unwrap();
    let whole: [Option<&[u8]>; 3] = [Some(b"on"), Some(b""), Some(b"e")];
    store.save_pieces("k", 1, b"a=7", whole.into_iter(), START).unwrap();
    assert_eq!(restore(&store, "k", 1, START), last(b"a=7", b"one"));
    let whole = fs::read(store.path("k")).unwrap();
    store.save("k", &snapshot(b"one"), START).unwrap();
    assert_eq!(fs::read(store.path("k")).unwrap(), whole, "pieces leave no trace");
    let broken: [Option<&[u8]>; 2] = [Some(b"tw"), None];
    let broken = store.save_pieces("k", 1, b"a=8", broken.into_iter(), START);
    assert!(matches!(broken, Err(StoreError::Unfinished { .. })));
    assert_eq!(restore(&store, "k", 1, START), last(b"a=7", b"one"));
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let directory = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(directory.path(), "1").unwrap();
    // Sparse: it takes no room, and reading it would take longer than the test may.
    File::create(store.path("k")).unwrap().set_len(MAX_SNAPSHOT_BYTES + 1).unwrap();
    assert!(matches!(read(&store.path("k")), Err(StoreError::TooLarge { .. })));
}

#[test]
fn a_directory_belongs_to_one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = SnapshotStore::open(directory.path(), "1").unwrap();
    assert!(matches!(SnapshotStore::open(directory.path(), "1"), Err(StoreError::InUse { .. })));
    drop(first);
    assert!(SnapshotStore::open(directory.path(), "1").is_ok());
}

#[test]
fn a_key_can_not_leave_the_directory() {
    assert_eq!(file_name("../etc/passwd"), "%2e%2e%2fetc%2fpasswd");
}

#[test]
fn the_instance_keeps_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let first = instance_id(directory.path(), || "one".to_owned()).unwrap();
    let second = instance_id(directory.path(), || "two".to_owned()).unwrap();
    assert_eq!((first.as_str(), second.as_str()), ("one", "one"));
}

proptest! {
    #[test]
    fn a_cut_or_flipped_file_is_called_damaged(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        mask in 1u8..,
    ) {
        let Stored { snapshot: Snapshot { version, .. }, watermark } = snapshot(&bytes);
        let mut writer = Writer::begin(io::Cursor::new(Vec::new()), version, "1.2.3", &watermark).unwrap();
        writer.write(&bytes).unwrap();
        let whole = writer.end().unwrap().into_inner();
        prop_assert_eq!(layout::decode(whole.clone()).unwrap().stored, snapshot(&bytes));
        prop_assert!(layout::decode(whole[..cut.index(whole.len())].to_vec()).is_err());
        let mut flipped = whole;
        let at = flip.index(flipped.len());
        flipped[at] ^= mask;
        prop_assert!(layout::decode(flipped).is_err());
    }
}
