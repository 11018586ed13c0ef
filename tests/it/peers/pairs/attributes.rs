//! `attributes` and `resource`.

use super::{ALL, LOGS, METRICS, Pair, TRACES, run::check};

pub(super) const PAIRS: &[Pair] = &[
    Pair::new(
        "attributes: insert, update and upsert of texts, numbers, booleans, lists and maps",
        ALL,
        "
attributes:
  actions:
    - {key: user.id, action: insert, value: nobody}
    - {key: added, action: insert, value: 1.5}
    - {key: cache.hit, action: update, value: false}
    - {key: not.there, action: update, value: 1}
    - {key: retries, action: upsert, value: 99}
    - {key: list, action: upsert, value: [a, 1, 2.5, true, [b]]}
    - {key: map, action: insert, value: {a: 1, b: {c: [x]}}}",
    ),
    Pair::new(
        "attributes: values from another attribute",
        ALL,
        "
attributes:
  actions:
    - {key: copied, action: insert, from_attribute: nested}
    - {key: user.id, action: update, from_attribute: user.email}
    - {key: raw.copied, action: upsert, from_attribute: raw}
    - {key: state, action: upsert, from_attribute: not.there}
    - {key: nothing.copied, action: upsert, from_attribute: nothing}",
    ),
    Pair::new(
        "attributes: defaults of values that are not there",
        ALL,
        "
attributes:
  actions:
    - {key: copied, action: insert, from_attribute: nested, default_value: none}
    - {key: user.id, action: update, from_attribute: user.email, default_value: 3}
    - {key: state, action: upsert, from_attribute: not.there, default_value: [a, 1]}
    - {key: cache.hit, action: upsert, from_attribute: cache.hit, default_value: false}
    - {key: retries, action: update, from_attribute: retries, default_value: 1}
    - {key: fixed, action: insert, value: x, default_value: y}
    - {key: alone, action: upsert, default_value: {b: c}}",
    ),
    Pair::new(
        "attributes: delete by key and by pattern",
        ALL,
        "
attributes:
  actions:
    - {key: user.id, action: delete}
    - {pattern: '^http\\.', action: delete}
    - {key: load, pattern: 'pass(word)?$', action: delete}",
    ),
    Pair::new(
        "attributes: hash of every type, by key and by pattern",
        ALL,
        "
attributes:
  actions:
    - {pattern: '.*', action: hash}",
    ),
    Pair::new(
        "attributes: hash of one key, then of another that has it",
        ALL,
        "
attributes:
  actions:
    - {key: user.id, action: hash}
    - {key: user.hash, action: upsert, from_attribute: user.id}
    - {key: user.hash, action: hash}
    - {key: state, action: hash}",
    ),
    Pair::new(
        "attributes: extract of named groups",
        ALL,
        "
attributes:
  actions:
    - {key: url.full, action: extract, pattern: '^https?://(?P<server>[^/]+)/(?P<tenant>\\w+)/(?P<rest>.*)$'}
    - {key: http.route, action: extract, pattern: '^/(?P<user_id>\\w+)(?P<maybe>/.*)?'}
    - {key: load, action: extract, pattern: '(?P<digits>\\d+)'}",
    ),
    Pair::new(
        "attributes: convert to int, double and string",
        ALL,
        "
attributes:
  actions:
    - {key: retries, action: convert, converted_type: int}
    - {key: version, action: convert, converted_type: int}
    - {key: weight, action: convert, converted_type: int}
    - {key: cache.hit, action: convert, converted_type: int}
    - {key: http.response.status_code, action: convert, converted_type: double}
    - {key: load, action: convert, converted_type: string}
    - {key: user.id, action: convert, converted_type: double}
    - {key: big, action: convert, converted_type: string}
    - {key: lowest, action: convert, converted_type: string}
    - {key: nested, action: convert, converted_type: string}
    - {key: tags, action: convert, converted_type: string}
    - {key: raw, action: convert, converted_type: string}
    - {key: empty, action: convert, converted_type: double}
    - {key: nothing, action: convert, converted_type: string}",
    ),
    Pair::new(
        "attributes: spans by service, name and kind, strictly",
        TRACES,
        "
attributes:
  include: {match_type: strict, services: [shop], span_names: ['GET /orders/42', poll, ''], span_kinds: [SPAN_KIND_SERVER, SPAN_KIND_CONSUMER]}
  actions: [{key: chosen, action: upsert, value: true}]",
    ),
    Pair::new(
        "attributes: spans by patterns of names, attributes, resources and libraries, less those excluded",
        TRACES,
        "
attributes:
  include:
    match_type: regexp
    span_names: ['^GET', SELECT]
    attributes: [{key: http.route, value: '^/(orders|healthz)'}]
    resources: [{key: service.name, value: 'sh.p|bill'}]
    libraries: [{name: 'shop\\..*', version: '^1\\.'}]
  exclude:
    match_type: strict
    attributes: [{key: cache.hit, value: 'true'}]
  actions: [{key: chosen, action: upsert, value: true}]",
    ),
    Pair::new(
        "attributes: spans by values of every type, strictly",
        TRACES,
        "
attributes/int:
  include: {match_type: strict, attributes: [{key: http.response.status_code, value: 503}]}
  actions: [{key: int, action: upsert, value: true}]
attributes/double:
  include: {match_type: strict, attributes: [{key: load, value: 0.25}]}
  actions: [{key: double, action: upsert, value: true}]
attributes/bool:
  include: {match_type: strict, attributes: [{key: cache.hit, value: true}]}
  actions: [{key: bool, action: upsert, value: true}]
attributes/any:
  include: {match_type: strict, attributes: [{key: user.id}]}
  actions: [{key: any, action: upsert, value: true}]
attributes/not:
  exclude: {match_type: regexp, attributes: [{key: http.response.status_code, value: '^[45]'}]}
  actions: [{key: not, action: upsert, value: true}]",
    ),
    Pair::new(
        "attributes: records by body, severity and attributes",
        LOGS,
        "
attributes/body:
  include: {match_type: regexp, log_bodies: ['^order', 'password', '^0', '^raw', 'cmF3', '^$']}
  actions: [{key: body, action: upsert, value: true}]
attributes/strict_body:
  include: {match_type: strict, log_bodies: [orphan, '12']}
  actions: [{key: strict_body, action: upsert, value: true}]
attributes/text:
  include: {match_type: strict, log_severity_texts: [INFO, Warn]}
  actions: [{key: severity_text, action: upsert, value: true}]
attributes/number:
  include: {match_type: strict, log_severity_number: {min: 13, match_undefined: true}}
  actions: [{key: severity_number, action: upsert, value: true}]
attributes/attribute:
  exclude: {match_type: regexp, attributes: [{key: user.id, value: 'u-'}]}
  actions: [{key: attribute, action: upsert, value: true}]",
    ),
    Pair::new(
        "attributes: points by the name of their metric",
        METRICS,
        "
attributes/strict:
  include: {match_type: strict, metric_names: [memory.used, size]}
  actions: [{key: strict, action: upsert, value: true}]
attributes/regexp:
  exclude: {match_type: regexp, metric_names: ['^http', latency]}
  actions: [{key: regexp, action: upsert, value: true}]",
    ),
    Pair::new(
        "resource: insert, update, upsert and delete",
        ALL,
        "
resource:
  attributes:
    - {key: k8s.cluster.name, action: upsert, value: eu-1}
    - {key: service.name, action: insert, value: nobody}
    - {key: service.version, action: update, value: 2}
    - {key: pid, action: insert, from_attribute: process.pid}
    - {pattern: '^process\\.', action: delete}
    - {key: api.token, action: delete}",
    ),
    Pair::new(
        "resource: hash, extract and convert",
        ALL,
        "
resource:
  attributes:
    - {key: k8s.pod.name, action: extract, pattern: '^(?P<app>.+)-(?P<set>[0-9a-f]+)-\\w+$'}
    - {key: api.token, action: hash}
    - {pattern: '^host\\.', action: hash}
    - {key: process.pid, action: convert, converted_type: int}
    - {key: process.command_args, action: convert, converted_type: string}",
    ),
];

#[test]
fn attributes_and_resources_are_edited_alike() {
    check(PAIRS);
}
