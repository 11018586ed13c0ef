use super::*;

fn told(source: &str, sequence: u64, second: u64, part: &'static str) -> HopMessage {
    HopMessage {
        version: VERSION,
        source: source.to_owned(),
        sequence,
        at_unix_nano: Timestamp::from_secs(second).as_nanos(),
        last: false,
        partials: vec![StagePartial { stage: "s".to_owned(), partial: Bytes::from_static(part.as_bytes()) }],
        more: false,
    }
}

fn parts(complete: &Complete) -> Vec<(u64, &str)> {
    let text = |part: &StagePartial| std::str::from_utf8(&part.partial).unwrap().to_owned();
    let parts = complete.messages.iter().flat_map(|ready| ready.partials.iter().map(|part| (ready.at, part)));
    parts.map(|(at, part)| (at.as_nanos() / 1_000_000_000, text(part).leak() as &str)).collect()
}

fn merger() -> Merger {
    let mut merger = Merger::default();
    merger.expect("a");
    merger.expect("b");
    merger
}

#[test]
fn a_second_is_complete_when_every_source_has_told() {
    let mut merger = merger();
    merger.take(told("b", 1, 1, "b1"));
    merger.take(told("b", 2, 2, "b2"));
    assert_eq!(merger.complete(), Complete::default());
    merger.take(told("a", 1, 1, "a1"));
    let complete = merger.complete();
    assert_eq!(complete.until, Timestamp::from_secs(1));
    assert_eq!(parts(&complete), [(1, "a1"), (1, "b1")]);
}

#[test]
fn the_order_of_arrival_does_not_show() {
    let messages =
        [told("a", 1, 1, "a1"), told("a", 2, 3, "a2"), told("b", 1, 2, "b1"), told("b", 2, 3, "b2")];
    let orders = [[0, 1, 2, 3], [2, 3, 0, 1], [0, 2, 1, 3], [2, 0, 3, 1]];
    for order in orders {
        let mut merger = merger();
        for index in order {
            merger.take(messages[index].clone());
        }
        assert_eq!(parts(&merger.complete()), [(1, "a1"), (2, "b1"), (3, "a2"), (3, "b2")]);
    }
}

#[test]
fn a_message_that_comes_again_is_merged_once() {
    let mut merger = merger();
    merger.take(told("a", 1, 1, "a1"));
    merger.take(told("b", 1, 1, "b1"));
    assert_eq!(merger.complete().messages.len(), 2);
    merger.take(told("a", 1, 1, "a1"));
    merger.take(told("a", 2, 2, "a2"));
    merger.take(told("b", 2, 2, "b2"));
    assert_eq!(parts(&merger.complete()), [(2, "a2"), (2, "b2")]);
    assert_eq!(merger.merged_of("a"), 2);
}

#[test]
fn a_source_that_ended_is_not_waited_for_and_what_it_told_counts() {
    let mut merger = merger();
    let mut last = told("a", 1, 1, "a1");
    last.last = true;
    merger.take(last);
    merger.take(told("b", 1, 5, "b1"));
    let complete = merger.complete();
    assert_eq!(parts(&complete), [(1, "a1"), (5, "b1")]);
    assert_eq!(complete.until, Timestamp::from_secs(5));
    merger.take(told("c", 1, 7, "c1"));
    assert_eq!(merger.complete().messages.len(), 0);
    merger.forget("b");
    assert_eq!(parts(&merger.complete()), [(7, "c1")]);
}

#[test]
fn a_message_survives_the_wire() {
    use prost::Message;
    let message = told("instance/0001.0", 7, 3, "bytes");
    assert_eq!(HopMessage::decode(message.encode_to_vec().as_slice()).unwrap(), message);
}

#[test]
fn a_source_is_waited_for_from_its_first_word_on() {
    let mut merger = Merger::default();
    let hello = HopMessage { version: VERSION, source: "b".to_owned(), ..HopMessage::default() };
    merger.take(hello);
    merger.take(told("a", 1, 1, "a1"));
    assert_eq!(merger.complete().messages.len(), 0);
    merger.take(told("b", 1, 1, "b1"));
    assert_eq!(parts(&merger.complete()), [(1, "a1"), (1, "b1")]);
}

#[test]
fn what_waits_for_a_source_that_stalls_is_bounded_and_what_that_tells_later_counts() {
    let mut merger = Merger::bounded(20 * MESSAGE_BYTES);
    merger.expect("a");
    merger.expect("b");
    merger.take(told("a", 1, 1, "a1"));
    let (mut n_merged, mut given_up) = (0, Vec::new());
    for second in 1..=100 {
        merger.take(told("b", second, second, "b"));
        let complete = merger.complete();
        n_merged += complete.messages.len();
        given_up.extend(complete.given_up);
        assert!(merger.waiting_bytes <= 20 * MESSAGE_BYTES);
    }
    assert_eq!((n_merged, given_up), (101, vec!["a".to_owned()]));
    merger.take(told("a", 2, 2, "a2"));
    assert_eq!(parts(&merger.complete()), [(2, "a2")]);
}

#[test]
fn of_very_many_sources_those_that_ended_first_are_forgotten() {
    let mut merger = Merger::default();
    let n_sources = MAX_SOURCES as u64 + 50;
    for index in 0..n_sources {
        merger.take(HopMessage { last: true, ..told(&format!("{index:06}"), 1, index + 1, "x") });
    }
    assert_eq!(merger.complete().messages.len() as u64, n_sources, "what they told counts");
    assert_eq!(merger.sources.len(), MAX_SOURCES);
    assert_eq!((merger.merged_of("000049"), merger.merged_of("000050")), (0, 1));
}

#[test]
fn a_second_in_several_messages_is_complete_with_the_last_of_them() {
    let mut merger = merger();
    merger.take(told("b", 1, 1, "b1"));
    merger.take(HopMessage { more: true, ..told("a", 1, 1, "a1") });
    assert_eq!(merger.complete(), Complete::default());
    merger.take(told("a", 2, 1, "a2"));
    assert_eq!(parts(&merger.complete()), [(1, "a1"), (1, "a2"), (1, "b1")]);
}

#[test]
fn what_is_cut_is_the_same_one_behind_the_other() {
    let part = |size: usize| StagePartial { stage: "s".to_owned(), partial: Bytes::from(vec![1; size]) };
    for sizes in [vec![], vec![1], vec![5000], vec![1; 50], vec![5000, 1, 5000, 1, 1, 5000]] {
        for last in [false, true] {
            let partials: Vec<_> = sizes.iter().copied().map(part).collect();
            let whole = HopMessage { partials: partials.clone(), last, ..told("a", 1, 1, "") };
            let cut = whole.clone().cut(1000);
            let again: Vec<_> = cut.iter().flat_map(|message| message.partials.clone()).collect();
            assert_eq!(again, partials);
            let (end, before) = cut.split_last().unwrap();
            assert!(!end.more && end.last == last && before.iter().all(|part| part.more && !part.last));
            assert!(cut.iter().all(|message| message.size() <= 1000 || message.partials.len() == 1));
        }
    }
}
