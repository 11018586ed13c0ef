//! What is wrong with settings, all of it at once, with place and remedy.

use expect_test::expect;

use super::support::parse;

#[test]
fn mistakes_of_every_kind_come_at_once() {
    let (_, findings) = parse(
        "
queue: {max_items: 0}
retry: {initial_interval: 10s, max_interval: 1s}
heartbeat: {interval: 1ms, tls: {cert_file: /nowhere/cert.pem}, auth: {}}
destinations:
  - {name: 'a b', url: 'ftp://x'}
  - {name: twice, format: slack, url: 'http://hooks.slack.com/services/x', timeout: 0s}
  - {name: twice, format: pagerduty_v2}
  - {name: meta, url: 'https://169.254.169.254/latest', allow_private: [10/8]}
  - {name: signed, format: standard_webhook, url: 'https://user:password@example.com'}
  - {name: own, format: template, url: 'https://example.com', template: '{\"a\": {{ labels.nowhere.x }}}'}
  - {name: loop, format: template, url: 'https://example.com', template: '{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}'}
  - {name: nojson, format: template, url: 'https://example.com', template: 'no {{ status }}'}
  - {name: slow, url: 'https://example.com', group_interval: 10m, repeat_interval: 5m}
  - {name: am, format: alertmanager_v2, url: 'http://am:9093', tells: incidents}
  - {name: all, url: 'https://example.com', tells: incidents, inhibit_members: false}
  - {name: two, url: 'https://example.com', urls: ['https://example.org'], headers: {content-type: x}}
"
        .trim_start(),
    );
    let told: Vec<String> =
        findings.iter().map(|finding| format!("{}: {}", finding.path, finding.message)).collect();
    expect![[r#"
        destinations.0.name: name is "a b", which names a folder too: use at most 64 letters, digits, dashes and underscores
        destinations.0.url: the URL must begin with https:// or http:// and name a host
        destinations.1.url: hooks.slack.com is not connected to: http is not encrypted; write https, or list the network of the host in allow_private
        destinations.1.timeout: timeout is 0s, must be above 0s
        destinations.2.name: name "twice" is another destination's too, choose another
        destinations.2: routing_key_env is missing, name the environment variable with the integration key
        destinations.3.allow_private.0: "10/8" is no network, write an address and a length: 10.0.0.0/8 or fd00::/8
        destinations.3.url: 169.254.169.254 is not connected to: it leads to an address that no service has: link-local, metadata, multicast or reserved
        destinations.4.url: the URL holds a user name or a password; send them as a header: headers: {authorization: ${env:AUTHORIZATION}}
        destinations.4: signing is missing, Standard Webhooks are signed: signing: {secret_env: HOOK_SECRET}
        destinations.5.template: template: undefined value (line 1)
        destinations.6.template: template: engine ran out of fuel (line 1)
        destinations.7.template: content_type says JSON, and what the template writes is none: expected ident at line 1 column 2; it wrote "no \"firing\""
        destinations.8.repeat_interval: repeat_interval is 5m0s, must not be below group_interval (10m0s)
        destinations.9.tells: an Alertmanager makes groups of alerts itself and knows no incidents; leave tells out, or choose another format
        destinations.10.inhibit_members: the destination is told of incidents and of no member; leave inhibit_members out
        destinations.11.urls: 2 URLs are given, and each would get every message; only replicas of an Alertmanager want that. Make one destination for each
        destinations.11.headers.content-type: content-type is set by the exporter itself, remove it
        queue.directory: directory is not set: alerts that wait for a destination are lost when the process ends; set it to a folder that outlives it
        queue.max_items: max_items is 0, must be above 0
        retry.max_interval: max_interval is 1s, must not be below initial_interval (10s)
        heartbeat: url is missing, name the address of the dead man's switch
        heartbeat.interval: interval is 1ms, must not be below 1s
        heartbeat.tls: cert_file is set without key_file, a client certificate needs both
        heartbeat.tls.cert_file: /nowhere/cert.pem does not exist here
        heartbeat.auth.authenticator: authenticator is missing, name an extension of `service::extensions`: basicauth/server
    "#]].assert_eq(&(told.join("\n") + "\n"));
}

#[test]
fn nothing_at_all_is_a_mistake() {
    let (_, findings) = parse("{}");
    assert!(
        findings.iter().any(|finding| !finding.is_warning && finding.path == "destinations"),
        "{findings:?}"
    );
}

#[test]
fn a_queue_in_memory_and_a_secret_that_is_not_here_are_warnings() {
    let (_, findings) = parse(
        "destinations: [{name: pager, format: pagerduty_v2, routing_key_env: TRUELINE_TEST_NOT_SET_ANYWHERE}]",
    );
    assert!(findings.iter().all(|finding| finding.is_warning), "{findings:?}");
    let paths: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["destinations.0.routing_key_env", "queue.directory"]);
}
