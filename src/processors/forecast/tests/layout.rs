//! The stored layout, byte by byte. Whoever changes it raises the version and keeps a reader of these bytes.

use component::Snapshot;

use super::{
    snapshots::{ALL, values},
    *,
};
use crate::forecast::{
    codec::{Reader, put_conformal, put_floats},
    month::Month,
    record::{read_month, read_old_month, write_month},
};
use crate::testing::{hex, of_hex};

/// Written by version 3: thirty hours of two gauges, one of which has a capacity and so a history.
const SNAPSHOT: &str = "\
    ca41c322e13be1d100c007b75072a6170c4d000000000000666666666666ee3f02000000000000002ef894fe72f36e3cbcd2 \
    e44061f85840fa99e41be52ae492e29de086dcd057385c6061ea6225649764b9646564736472630460fc5d105656ddc6e090 \
    e270e4d2e429212100000000000000000060a6936500001e0601a5bfdb3f54405341993f993f5c4153410000000000000000 \
    0000000000000000000000000002020000000006020500cd0c0000000004bcd2e44061f858400000803f0000000000000000 \
    00000000000000000000803f00000000000000000000000000000000000000000b4d00000000000000000000000000020200 \
    020400cd0c00000000117c4a7fb979379ed145835b4c803440f7cad74d5bae56ee5c164b5e5d05d77655005809e1f2cfc164 \
    35d97add5858f059bfdefbd4afd711431d61a763d662ba5b56d7cb00000000000000000060a6936500001e0601883f033f4b \
    3f403fa03fa03fbf3e403f00000000000000000000000000000002000000000202000002000200020300cd0c00000000057c \
    f02dde528034400000803f000000000000000000000000000000000000803f00000000000000000000000000000000000000 \
    000b4d02000000000000000200000000000000020200cd0c000000000000000000005940007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e007e \
    007e007e007e007e007e007e007e007e007e007e8f32383352330b4d00000000000000000000000000000000000000000000 \
    000000000000000000000000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f \
    0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000 \
    c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f0000c07f00000000000000000000000000000000000080cd \
    0c00000000000000000000000000000000000000000000803333000000000000000000000000000000000000000000000000 \
    0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000 \
    0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000 \
    0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000 \
    000000000000000000000000000000000000030003004600f05fa94100";

/// The same with more behind it, and its hash.
fn followed_by(snapshot: &[u8], more: &[&[u8]]) -> Vec<u8> {
    let body = [&snapshot[8..], &more.concat()].concat();
    [&rapidhash::v3::rapidhash_v3(&body).to_le_bytes()[..], &body].concat()
}

#[test]
fn snapshots_of_versions_3_and_4_are_read_and_written_as_ever() {
    let old = of_hex(SNAPSHOT);
    // Version 4 has the same, as there is no month yet, and then how far forgetting was followed and earlier states.
    let without = followed_by(&old, &[&0_u64.to_le_bytes(), &0_u64.to_le_bytes()]);
    let length = (without.len() as u64).to_le_bytes();
    let [followed, one, until] =
        [1_704_000_000_000_000_000, 1, 1_703_000_000_000_000_000_u64].map(u64::to_le_bytes);
    let with = followed_by(&old, &[&followed, &one, &until, &4_u32.to_le_bytes(), &length, &without]);
    for (version, bytes, expected) in [(3, &old, &without), (4, &without, &without), (4, &with, &with)] {
        let mut feed = Feed::of(ALL, vec![series(1, "disk"), series(2, "load")]);
        let stored = Snapshot { version, bytes: bytes.clone() };
        feed.harness.analysis().restore(stored).expect("it is readable");
        assert_eq!(feed.metric("series"), 2);
        let again = feed.harness.analysis().snapshot().expect("the state survives a restart");
        assert_eq!((again.version, hex(&again.bytes)), (4, hex(expected)));
        // What was foretold of the hours that it saw is what follows from them.
        let told = Points::of(&feed.give(30 * HOUR, &values(30 * HOUR)));
        let load = told.get(&["load.forecast{", "horizon=1h", "bound=value"]).expect("an hour ahead is told");
        assert!((load - values(31 * HOUR)[1]).abs() < 15.0, "{load}");
    }
}

/// Written by version 4: a month of ten days, of which on every other 100 and a bit was foretold.
const MONTH: &str = "\
    0000000000005940fc007e007e007e007e007e007e007e007e007e007e000000500054005600580000000000000000000000 \
    0000000000000080cd0c00000000";

#[test]
fn a_month_of_version_4_is_read_and_written_as_ever_and_one_of_version_3_tells_the_same() {
    let mut month = Month::new(0.95);
    for day in 20_000..20_010_u16 {
        let told = 100.0 + f64::from(day - 20_000);
        assert_eq!(month.end_day(day, 1, 99.0, Some(told), 0.95), None, "nothing was foretold");
    }
    let mut bytes = Vec::new();
    write_month(&month, &mut bytes);
    assert_eq!(hex(&bytes), hex(&of_hex(MONTH)));
    let again = read_month(&mut Reader(&bytes)).expect("it is readable");
    let mut old = Vec::new();
    put_floats(
        &mut old,
        &std::array::from_fn::<_, 15, _>(|at| month.told(at).map_or(f32::NAN, |it| it as f32)),
    );
    put_conformal(&mut old, &month.errors);
    let old = read_old_month(&mut Reader(&old), Reader::conformal).expect("it is readable");
    for at in 0..15 {
        let expected = month.told(at);
        assert_eq!(again.told(at), expected);
        assert!(old.told(at).zip(expected).is_none_or(|(old, new)| (old - new).abs() < 0.01));
        assert_eq!(old.told(at).is_some(), expected.is_some());
    }
    assert!((month.told(20_008 / 2 % 15).expect("it was foretold") - 108.0).abs() < 0.01);
}
