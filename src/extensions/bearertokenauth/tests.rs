use http::header::AUTHORIZATION;

use super::*;

fn config(json: serde_json::Value) -> (BearerTokenConfig, Vec<component::Finding>) {
    let config: BearerTokenConfig = serde_json::from_value(json).unwrap();
    let mut checks = Checks::default();
    config.validate(&mut checks);
    let findings = checks.into_findings();
    (config, findings.into_iter().filter(|found| !found.message.contains("chmod")).collect())
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn check(config: &BearerTokenConfig, name: &'static str, value: &str) -> Result<(), Denied> {
    let server = BearerTokenAuth::authenticator(config).unwrap().server.unwrap();
    let headers =
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap())]);
    wait(server.check(&headers))
}

fn show(config: &BearerTokenConfig) -> HeaderMap {
    let client = BearerTokenAuth::authenticator(config).unwrap().client.unwrap();
    let mut headers = HeaderMap::new();
    wait(client.authenticate(&mut headers, Timestamp::default())).unwrap();
    headers
}

#[test]
fn any_of_the_tokens_is_let_in_and_the_first_is_shown() {
    let (config, findings) = config(serde_json::json!({"tokens": ["one", "two"]}));
    assert_eq!(findings, []);
    for (value, is_let_in) in [
        ("Bearer one", true),
        ("Bearer two", true),
        ("Bearer three", false),
        ("Bearer on", false),
        ("one", false),
        ("Basic one", false),
        ("", false),
    ] {
        assert_eq!(check(&config, "authorization", value).is_ok(), is_let_in, "{value}");
    }
    assert!(check(&config, "x-api-key", "Bearer one").is_err());
    let headers = show(&config);
    assert_eq!(headers[AUTHORIZATION], "Bearer one");
    assert!(headers[AUTHORIZATION].is_sensitive());
}

#[test]
fn header_and_scheme_can_be_others() {
    let (config, findings) =
        config(serde_json::json!({"header": "X-Api-Key", "scheme": "", "token": "0123"}));
    assert_eq!(findings, []);
    assert_eq!(check(&config, "x-api-key", "0123"), Ok(()));
    assert!(check(&config, "authorization", "Bearer 0123").is_err());
    assert_eq!(show(&config)["x-api-key"], "0123");
}

#[test]
fn tokens_of_a_file_win_and_stand_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "\nfirst\n  second  \n\n").unwrap();
    let (config, findings) = config(serde_json::json!({"filename": file, "token": "other"}));
    assert!(findings.len() == 1 && findings[0].is_warning && findings[0].message.contains("not used"));
    assert_eq!(check(&config, "authorization", "Bearer first"), Ok(()));
    assert_eq!(check(&config, "authorization", "Bearer second"), Ok(()));
    assert!(check(&config, "authorization", "Bearer other").is_err());
    // An empty line is no empty token.
    assert!(check(&config, "authorization", "Bearer ").is_err());
    assert_eq!(show(&config)[AUTHORIZATION], "Bearer first");
}

#[test]
fn what_can_not_be_used_is_told_without_a_token() {
    for (json, path, words) in [
        (serde_json::json!({}), "token", "no bearer token provided"),
        (serde_json::json!({"tokens": ["a", ""]}), "tokens", "no bearer token provided"),
        (serde_json::json!({"token": "HIDDEN", "tokens": ["a"]}), "tokens", "both set"),
        (serde_json::json!({"token": "HIDDEN\n"}), "token", "can not carry"),
        (serde_json::json!({"token": "a", "header": "no header"}), "header", "no header's name"),
        (serde_json::json!({"token": "a", "scheme": "two words"}), "scheme", "a word"),
        (serde_json::json!({"filename": "/nowhere/t"}), "filename", "can not be read"),
    ] {
        let (config, findings) = config(json);
        assert_eq!((findings.len(), findings[0].path.as_str()), (1, path), "{findings:?}");
        assert!(findings[0].message.contains(words), "{findings:?}");
        assert!(!format!("{config:?}{findings:?}").contains("HIDDEN"));
    }
}
