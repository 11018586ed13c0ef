use super::*;
use proptest::prelude::*;

fn snapshot(bytes: &[u8]) -> Stored {
    Stored { snapshot: Snapshot { version: 3, bytes: bytes.to_vec() }, watermark: b"a=7".to_vec() }
}

#[test]
fn what_was_saved_is_loaded_and_the_last_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(directory.path()).unwrap();
    assert_eq!(store.load("connector/a").unwrap(), None);
    store.save("connector/a", &snapshot(b"one")).unwrap();
    store.save("connector/a", &snapshot(b"two")).unwrap();
    store.save("connector_a", &snapshot(b"other")).unwrap();
    assert_eq!(store.load("connector/a").unwrap(), Some(snapshot(b"two")));
}

#[test]
fn a_file_of_the_layout_before_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(directory.path()).unwrap();
    let state = b"state";
    let file = [
        MAGIC_BEFORE.as_slice(),
        &3_u32.to_le_bytes(),
        &5_u64.to_le_bytes(),
        &checksum(&[state]).to_le_bytes(),
        state,
    ];
    fs::write(store.path("k"), file.concat()).unwrap();
    let expected = Stored { watermark: Vec::new(), ..snapshot(state) };
    assert_eq!(store.load("k").unwrap(), Some(expected));
}

#[test]
fn a_file_that_is_too_large_is_refused_unread() {
    let directory = tempfile::tempdir().unwrap();
    let store = SnapshotStore::open(directory.path()).unwrap();
    // Sparse: it takes no room, and reading it would take longer than the test may.
    File::create(store.path("k")).unwrap().set_len(MAX_SNAPSHOT_BYTES + 1).unwrap();
    assert!(matches!(store.load("k"), Err(StoreError::TooLarge { .. })));
}

#[test]
fn a_directory_belongs_to_one_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = SnapshotStore::open(directory.path()).unwrap();
    assert!(matches!(SnapshotStore::open(directory.path()), Err(StoreError::InUse { .. })));
    drop(first);
    assert!(SnapshotStore::open(directory.path()).is_ok());
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
        let directory = tempfile::tempdir().unwrap();
        let store = SnapshotStore::open(directory.path()).unwrap();
        store.save("k", &snapshot(&bytes)).unwrap();
        let path = store.path("k");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..cut.index(whole.len())]).unwrap();
        prop_assert!(store.load("k").is_err());
        let mut flipped = whole.clone();
        let at = flip.index(whole.len());
        flipped[at] ^= mask;
        fs::write(&path, &flipped).unwrap();
        prop_assert!(store.load("k").is_err());
    }
}
