//! The list of all pairs in `README.md`, which is what the pairs say of themselves.

use std::fs;
use std::path::Path;

use super::{
    attributes, authenticators, deltas, detection, exporters, filter, functions, health, passing, receiver,
    redaction,
    refused::{ACCEPTED_BY_ONE, Only, REFUSED},
    sampling, scraping, totals, transform,
};

/// What stands before and behind the list.
const BEGIN: &str =
    "<!-- The test `the_list_of_pairs_is_true` writes what follows with UPDATE_EXPECT=1. -->\n";

fn row(what: &str, result: &str) -> String {
    format!("| {} | {result} |\n", what.replace('|', "\\|"))
}

fn list() -> String {
    let groups = [
        attributes::PAIRS,
        filter::PAIRS,
        transform::PAIRS,
        functions::PAIRS,
        sampling::PROBABILISTIC,
        sampling::TAIL,
        redaction::PAIRS,
        deltas::PAIRS,
        totals::PAIRS,
        passing::PAIRS,
        detection::PAIRS,
    ];
    let mut list = format!("{BEGIN}\n| pair | result |\n|---|---|\n");
    let said = |why: Option<&str>| why.map_or("the same".to_owned(), |why| format!("differs: {why}"));
    for pair in groups.into_iter().flatten() {
        list += &row(pair.name, &said(pair.meant.map(|meant| meant.why)));
    }
    for (name, settings) in exporters::COMPRESSIONS {
        list += &row(&format!("{name}: {settings}, from each to the other"), "the same");
    }
    for settings in exporters::FILES {
        list += &row(&format!("file: {settings}"), "the same");
    }
    for (name, all) in [("prometheus", exporters::PAGES), ("prometheus_remote_write", exporters::SAMPLES)] {
        for (settings, meant) in all {
            let settings = settings.trim_start_matches(", ");
            let settings = if settings.is_empty() { "as it is without keys" } else { settings };
            list += &row(&format!("{name}: {settings}"), &said(*meant));
        }
    }
    for test in tests_of(include_str!("../go_equivalence.rs")) {
        list += &row(&format!("span_metrics: {test}"), "the same but for what its page names");
    }
    for sent in receiver::REQUESTS {
        list += &row(&format!("otlp: {}", sent.what), &said(sent.meant));
    }
    for server in authenticators::SERVERS {
        list += &row(&format!("{server}, shown all kinds of credentials"), "the same");
    }
    for (client, _) in authenticators::CLIENTS {
        list += &row(&format!("{client}, each to the other"), "the same");
    }
    for (settings, path) in health::PROBES {
        let settings = settings.trim_start_matches(", ");
        let settings = if settings.is_empty() { "as it is without keys" } else { settings };
        list += &row(&format!("health_check: {settings}, asked for {path}"), "the same");
    }
    for job in scraping::JOBS {
        list +=
            &row(&format!("prometheus as a receiver: {}", job.what), &said(job.meant.map(|meant| meant.why)));
    }
    for (what, _) in REFUSED {
        list += &row(what, "both refuse");
    }
    for (what, _, only, why) in ACCEPTED_BY_ONE {
        let result = match only {
            Only::Ours => "only the Go collector refuses",
            Only::Theirs => "only ours refuses",
        };
        list += &row(what, &format!("{result}: {why}"));
    }
    list
}

/// The names of the tests in a file, as the sentences that they are.
fn tests_of(code: &str) -> impl Iterator<Item = String> {
    let tests = code.split("#[test]\nfn ").skip(1);
    tests.filter_map(|rest| rest.split_once("()")).map(|(name, _)| name.replace('_', " "))
}

#[test]
fn the_list_of_pairs_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/pairs/README.md");
    let text = fs::read_to_string(&page).unwrap();
    let at = text.find(BEGIN).expect("the page has a list");
    let (before, found) = text.split_at(at);
    let list = list();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&page, format!("{before}{list}")).unwrap();
    } else {
        assert_eq!(found, list, "run it with UPDATE_EXPECT=1");
    }
}

#[test]
fn no_pair_stands_twice_in_the_list() {
    let list = list();
    let mut rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| ")).collect();
    let n_rows = rows.len();
    rows.sort_unstable();
    rows.dedup();
    assert_eq!(rows.len(), n_rows);
}
