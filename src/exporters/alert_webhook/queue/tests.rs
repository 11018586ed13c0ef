//! A journal makes the book again, whatever happened to it.

use std::{collections::BTreeMap, io::Write, path::Path};

use model::{AlertState, Severity, Timestamp};
use proptest::prelude::*;

use super::{
    Accepted, Book, Bounds, Entry, Fate, Journal, Writer,
    entry::{decode, encode},
};
use crate::{
    alert_webhook::alert::{Alert, AlertSeverity},
    http::testing::on_a_shard,
};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn alert(name: &str, sequence: i64, severity: Severity) -> Alert {
    let state = if sequence % 2 == 1 { AlertState::Firing } else { AlertState::Resolved };
    Alert {
        id: format!("{name}-{sequence}"),
        fingerprint: name.to_owned(),
        sequence,
        state,
        severity: AlertSeverity(severity),
        rule_type: String::new(),
        labels: BTreeMap::from([("alertname".to_owned(), name.to_owned())]),
        annotations: BTreeMap::new(),
        value: None,
        threshold: None,
        starts_at: 1,
        ends_at: None,
        told_at: 1,
        suppressed_by: Vec::new(),
        destination: None,
        slo_id: String::new(),
        is_incident: false,
    }
}

fn book() -> Book {
    Book::new(Bounds { items: 1000, bytes: 1 << 20 }, &["alertname".to_owned()])
}

fn accept(book: &mut Book, alert: &Alert) -> Option<Entry> {
    match book.consider(alert, NOW) {
        Accepted::New(entry) => {
            book.apply(entry.clone(), NOW);
            Some(entry)
        }
        Accepted::Known | Accepted::Unheard => None,
    }
}

fn replay(bytes: &[u8]) -> Book {
    replay_into(book(), bytes)
}

fn replay_into(mut book: Book, bytes: &[u8]) -> Book {
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        book.apply(decode(line).expect("the line is whole"), NOW);
    }
    book
}

async fn open(writer: &Writer, folder: &Path) -> (Journal, super::journal::Recovered<Entry>) {
    writer.open(folder, 0).await.unwrap()
}

proptest! {
    #[test]
    fn a_journal_written_anew_makes_the_same_book(
        steps in prop::collection::vec((0_usize..5, 0_u8..4, any::<prop::sample::Index>()), 0..60),
    ) {
        let (mut book, mut journal, mut sequences) = (book(), Vec::new(), [0_i64; 5]);
        for (name, action, index) in steps {
            let waiting: Vec<u64> = book.heads().map(|(_, number, _)| number).collect();
            let entry = if action < 2 || waiting.is_empty() {
                sequences[name] += 1;
                accept(&mut book, &alert(&name.to_string(), sequences[name], Severity::Info))
            } else {
                let numbers = vec![*index.get(&waiting)];
                let fate = if action == 2 { Fate::Delivered } else { Fate::Dropped };
                let entry = Entry::Settled { numbers, at: NOW.as_nanos(), fate, group: None };
                book.apply(entry.clone(), NOW);
                Some(entry)
            };
            entry.iter().for_each(|entry| encode(entry, &mut journal));
        }
        let (replayed, rewritten) = (replay(&journal), replay(&book.encode()));
        prop_assert_eq!(replayed.encode(), book.encode());
        prop_assert_eq!(rewritten.encode(), book.encode());
        prop_assert_eq!(rewritten.bytes(), book.bytes());
    }

    #[test]
    fn no_damage_panics_or_makes_an_entry_that_was_not_written(
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut line = Vec::new();
        let entry = Entry::Forgotten { fingerprint: "0123456789abcdef".to_owned() };
        encode(&entry, &mut line);
        line.pop();
        let index = at.index(line.len());
        line[index] = byte;
        prop_assert!(decode::<Entry>(&line).is_none_or(|read| read == entry));
        prop_assert!(decode::<Entry>(&line[..index]).is_none());
    }
}

#[test]
fn an_end_that_was_kept_from_a_destination_is_so_when_the_journal_is_written_anew() {
    let mut book = book();
    let ended = alert("a", 2, Severity::Warning);
    book.apply(Entry::Unheard { occurrences: vec![ended.occurrence()] }, NOW);
    assert_eq!(replay(&book.encode()).consider(&ended, NOW), Accepted::Unheard);
}

#[test]
fn what_was_told_is_known_and_an_episode_with_the_same_id_is_not() {
    let mut book = book();
    let first = alert("A", 1, Severity::Critical);
    let Some(Entry::Accepted { number, .. }) = accept(&mut book, &first) else { panic!("it is new") };
    assert_eq!(book.consider(&first, NOW), Accepted::Known);
    let told =
        Entry::Settled { numbers: vec![number], at: NOW.as_nanos(), fate: Fate::Delivered, group: None };
    book.apply(told, NOW);
    assert_eq!(book.consider(&first, NOW), Accepted::Known);
    // A stage that has lost its state counts from one again.
    let later = Alert { starts_at: 2, ..first };
    assert!(matches!(book.consider(&later, NOW), Accepted::New(_)));
}

#[test]
fn what_was_dropped_for_want_of_room_is_new_again() {
    let mut book = book();
    let first = alert("A", 1, Severity::Info);
    let Some(Entry::Accepted { number, .. }) = accept(&mut book, &first) else { panic!("it is new") };
    let dropped =
        Entry::Settled { numbers: vec![number], at: NOW.as_nanos(), fate: Fate::Dropped, group: None };
    book.apply(dropped, NOW);
    assert!(matches!(book.consider(&first, NOW), Accepted::New(_)));
}

#[test]
fn room_is_made_by_severity_then_age_and_never_of_what_is_under_way() {
    let mut book = Book::new(Bounds { items: 3, bytes: 1 << 20 }, &[]);
    for (name, severity) in [("crit", Severity::Critical), ("old", Severity::Info), ("new", Severity::Info)] {
        accept(&mut book, &alert(name, 1, severity));
    }
    let Accepted::New(more) = book.consider(&alert("more", 2, Severity::Info), NOW) else {
        panic!("it is new")
    };
    let more = [more];
    assert_eq!(book.overflow(&more, &|_| false).dropped, [2]);
    assert_eq!(book.overflow(&more, &|number| number == 2).dropped, [3]);
    let held = book.overflow(&more, &|_| true);
    assert_eq!((held.dropped.len(), held.moot.len()), (0, 0), "resolves stay beyond the bounds");
}

#[test]
fn a_torn_last_line_is_passed_over_and_what_comes_behind_it_is_read() {
    on_a_shard(async {
        let folder = tempfile::tempdir().unwrap();
        let entry = |name: &str| Entry::Forgotten { fingerprint: name.to_owned() };
        let writer = Writer::start("test").unwrap();
        let (journal, recovered) = open(&writer, folder.path()).await;
        assert_eq!((recovered.entries.len(), recovered.damaged), (0, 0));
        journal.append(&[entry("a"), entry("b")]).await.unwrap();
        drop((journal, writer));
        let path = folder.path().join("queue.log");
        // The thread writes what it was given before it ends; nobody else may write until then.
        let writer = Writer::start("test").unwrap();
        let (journal, recovered) = open(&writer, folder.path()).await;
        assert_eq!(recovered.entries, [entry("a"), entry("b")]);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"01234567 {\"op\":\"forg")
            .unwrap();
        drop((journal, writer));
        let writer = Writer::start("test").unwrap();
        let (journal, recovered) = open(&writer, folder.path()).await;
        assert_eq!((recovered.entries.len(), recovered.damaged), (2, 1));
        journal.append(&[entry("c")]).await.unwrap();
        journal.rewrite(Vec::new()).await.unwrap();
        journal.append(&[entry("d")]).await.unwrap();
        drop((journal, writer));
        let writer = Writer::start("test").unwrap();
        let (_journal, recovered) = open(&writer, folder.path()).await;
        assert_eq!((recovered.entries, recovered.damaged), (vec![entry("d")], 0));
    });
}

#[test]
fn an_alert_stays_in_the_group_of_its_first_incident_when_the_journal_is_written_anew() {
    let of_incident = |sequence, incident: &str| {
        let mut alert = alert("web", sequence, Severity::Critical);
        alert.annotations.insert("incident_id".to_owned(), incident.to_owned());
        alert
    };
    let new = || Book::new(Bounds { items: 1000, bytes: 1 << 20 }, &["incident_id".to_owned()]);
    let mut book = new();
    for (sequence, incident) in [(1, "first"), (3, "older")] {
        let Some(Entry::Accepted { number, .. }) = accept(&mut book, &of_incident(sequence, incident)) else {
            panic!("{incident} is new");
        };
        let at = NOW.as_nanos();
        book.apply(Entry::Settled { numbers: vec![number], at, fate: Fate::Delivered, group: None }, NOW);
    }
    let anew = replay_into(new(), &book.encode());
    for book in [book, anew] {
        let groups: Vec<_> = book.groups().map(|(group, _)| group.text()).collect();
        assert_eq!(groups, [r#"{}:{incident_id="first"}"#]);
    }
}
