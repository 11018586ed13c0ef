use super::*;

fn config(json: serde_json::Value) -> (HeadersSetterConfig, Vec<component::Finding>) {
    let config: HeadersSetterConfig = serde_json::from_value(json).unwrap();
    let mut checks = Checks::default();
    config.validate(&mut checks);
    (config, checks.into_findings())
}

#[test]
fn headers_are_set_added_changed_and_removed_in_order() {
    let (config, findings) = config(serde_json::json!({"headers": [
        {"key": "X-Scope-OrgID", "value": "shop"},
        {"key": "x-there", "value": "new", "action": "insert"},
        {"key": "x-absent", "value": "new", "action": "insert"},
        {"key": "x-changed", "value": "new", "action": "update"},
        {"key": "x-missing", "value": "new", "action": "update"},
        {"key": "user-agent", "action": "delete"},
    ]}));
    assert_eq!(findings, []);
    let client = HeadersSetter::authenticator(&config).unwrap().client.unwrap();
    let mut headers = HeaderMap::new();
    for name in ["x-scope-orgid", "x-there", "x-changed", "user-agent"] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("old"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(client.authenticate(&mut headers, Timestamp::default())).unwrap();
    let mut told: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
    told.sort();
    assert_eq!(told, ["x-absent=new", "x-changed=new", "x-scope-orgid=shop", "x-there=old"]);
    assert!(headers["x-scope-orgid"].is_sensitive());
    assert!(HeadersSetter::authenticator(&config).unwrap().server.is_none());
}

#[test]
fn what_can_not_be_used_is_told_without_a_value() {
    for (json, path, words) in [
        (serde_json::json!({}), "headers", "headers is empty"),
        (serde_json::json!({"headers": [{"value": "x"}]}), "headers.0.key", "no header's name"),
        (serde_json::json!({"headers": [{"key": "a"}]}), "headers.0.value", "value is missing"),
        (
            serde_json::json!({"headers": [{"key": "a", "value": "HIDDEN\n"}]}),
            "headers.0.value",
            "can not carry",
        ),
        (
            serde_json::json!({"headers": [{"key": "a", "value": "HIDDEN", "action": "delete"}]}),
            "headers.0.value",
            "has no value",
        ),
    ] {
        let (config, findings) = config(json);
        assert_eq!((findings.len(), findings[0].path.as_str()), (1, path), "{findings:?}");
        assert!(findings[0].message.contains(words), "{findings:?}");
        assert!(HeadersSetter::authenticator(&config).unwrap().client.is_none());
        assert!(!format!("{config:?}{findings:?}").contains("HIDDEN"));
    }
}
