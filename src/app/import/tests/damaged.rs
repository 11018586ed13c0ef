//! Documents that nobody wrote on purpose: none ends the program, and what is made of one is made again.

use std::fs;

use crate::import::{files::documents, output::Report, rules, sloth};

const RULES: &str = r#"
groups:
  - name: shop
    interval: 30s
    labels: {team: shop}
    rules:
      - alert: HighErrors
        expr: sum by (job) (rate(http_requests_total{code=~"5..|429", job!~"test-.*"}[5m])) > 2.5
        for: 10m
        keep_firing_for: 1h30m
        labels: {severity: critical, tier: '{{ $labels.job }}-a'}
        annotations: {summary: '{{ $labels.job | toUpper }} fails {{ $value | humanize }} times a second'}
      - record: a:b
        expr: histogram_quantile(0.9, sum(rate(x_bucket[5m])) by (le))
"#;

const SLOS: &str = r#"
version: prometheus/v1
service: shop
labels: {owner: team}
slos:
  - name: requests
    objective: 99.9
    description: most requests succeed
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="shop",code=~"5.."}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="shop"}[{{.window}}]))
    alerting: {name: High, page_alert: {labels: {severity: page}}, ticket_alert: {disable: true}}
"#;

/// The same numbers each time (Steele and others, "Fast splittable pseudorandom number generators", 2014).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % most.max(1) as u64) as usize
    }
}

/// Cuts words out of a document, doubles others, and puts some in the place of others.
fn damaged(text: &str, numbers: &mut Numbers) -> String {
    let mut words: Vec<&str> = text.split_inclusive([' ', '\n', '{', '(', '[', '"', '\'']).collect();
    for _ in 0..=numbers.below(3) {
        let (from, to) = (numbers.below(words.len()), numbers.below(words.len()));
        match numbers.below(4) {
            0 => drop(words.remove(to)),
            1 => words.insert(to, words[from]),
            2 => {
                words[to] = ["-1", "1e999", "{{ $", "\u{7f}", "[5m", "&a *a", "null", "0s"][numbers.below(8)]
            }
            _ => words.swap(from, to),
        }
    }
    words.concat()
}

#[test]
fn damaged_documents_are_imported_or_reported_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    let import = |text: &str| {
        fs::write(&path, text).unwrap();
        let mut report = Report::default();
        let found = documents(std::slice::from_ref(&path), &mut report);
        let rules = config::write(&rules::import(&found, &mut report)).unwrap();
        let slos = config::write(&sloth::import(&found, "30d", &mut report)).unwrap();
        (rules, slos, report.lines)
    };
    let mut numbers = Numbers(7);
    let mut n_made = 0;
    for _ in 0..200 {
        for text in [RULES, SLOS] {
            let text = damaged(text, &mut numbers);
            let (rules, slos, told) = import(&text);
            n_made += usize::from(rules.len() > 4 || slos.len() > 4);
            assert_eq!(import(&text), (rules, slos, told), "{text}");
        }
    }
    let is_plausible = (10..390).contains(&n_made);
    assert!(
        is_plausible,
        "of 400 documents something is made of {n_made}: too much or too little is damaged"
    );
}
