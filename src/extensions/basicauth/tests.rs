use component::{Denied, ServerAuth};

use super::{htpasswd::Kept, *};

/// `secret` as `openssl passwd`, `htpasswd` and others keep it.
const SECRETS: [&str; 8] = [
    "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
    "$1$xy$mkJt1Ht8AivD6sawHd.Cf1",
    "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
    "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
];

fn config(json: serde_json::Value) -> (BasicAuthConfig, Vec<component::Finding>) {
    let config: BasicAuthConfig = serde_json::from_value(json).unwrap();
    let mut checks = Checks::default();
    config.validate(&mut checks);
    (config, checks.into_findings())
}

fn server(lines: &str) -> Arc<dyn ServerAuth> {
    let (config, findings) = config(serde_json::json!({"htpasswd": {"inline": lines}}));
    assert_eq!(findings, []);
    let offered = BasicAuth::authenticator(&config).unwrap();
    assert!(offered.client.is_none());
    offered.server.unwrap()
}

fn on_a_shard<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn shown(text: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(text).unwrap())])
}

fn basic(both: &str) -> HeaderMap {
    shown(&format!("Basic {}", BASE64.encode(both.as_bytes())))
}

#[test]
fn passwords_in_all_forms_are_known_and_others_are_not() {
    let lines: String = SECRETS.iter().enumerate().map(|(at, kept)| format!("user{at}:{kept}\n")).collect();
    let server = server(&format!("# people\n\n{lines}plain:secret\n"));
    on_a_shard(async {
        for name in (0..SECRETS.len()).map(|at| format!("user{at}")).chain(["plain".to_owned()]) {
            assert_eq!(server.check(&basic(&format!("{name}:secret"))).await, Ok(()), "{name}");
            for wrong in ["Secret", "secre", "secret ", ""] {
                let denied = server.check(&basic(&format!("{name}:{wrong}"))).await;
                assert_eq!(denied, Err(Denied::Unauthenticated("invalid credentials")), "{name}:{wrong}");
            }
        }
    });
}

#[test]
fn md5_crypt_is_what_openssl_writes() {
    for (password, kept) in [
        ("password", "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1"),
        ("password", "$1$xy$GSi9DZ/itmn9/ge6aijPn/"),
        ("a longer password, with ünïcode", "$apr1$abcdefgh$xIj6GQfcPBJUpu3GRjZZX1"),
        ("a longer password, with ünïcode", "$1$xy$pxjQGIRryuFz.D66wvPAP1"),
    ] {
        let lines = htpasswd::read(&format!("x:{kept}")).unwrap();
        assert!(matches!(lines["x"], Kept::Md5 { .. }) && lines["x"].matches(password), "{kept}");
    }
}

#[test]
fn what_is_no_basic_authentication_is_refused_and_said_how() {
    let server = server("a:secret");
    assert!(server.challenge().to_str().unwrap().starts_with("Basic realm="));
    on_a_shard(async {
        assert_eq!(
            server.check(&HeaderMap::new()).await,
            Err(Denied::Unauthenticated("no basic auth provided"))
        );
        for odd in ["Basic", "Basic !!!", "Bearer secret", "Basic YQ==", "Basic /w=="] {
            assert!(matches!(server.check(&shown(odd)).await, Err(Denied::Unauthenticated(_))), "{odd}");
        }
        assert_eq!(server.check(&shown("bAsIc YTpzZWNyZXQ=")).await, Ok(()));
    });
}

#[test]
fn a_name_that_is_not_there_is_checked_as_slowly_as_a_wrong_password() {
    let server = server(&format!("a:{}", SECRETS[0]));
    on_a_shard(async {
        let strangers: Vec<_> = (0..200).map(|n| basic(&format!("nobody{n}:secret"))).collect();
        let all = futures_util::future::join_all(strangers.iter().map(|headers| server.check(headers))).await;
        assert!(all.contains(&Err(Denied::Busy)), "they did not queue for a check");
        assert!(all.contains(&Err(Denied::Unauthenticated("invalid credentials"))));
    });
}

#[test]
fn a_right_password_is_checked_slowly_once_and_wrong_ones_do_not_pile_up() {
    let server = server(&format!("a:{}", SECRETS[0]));
    on_a_shard(async {
        assert_eq!(server.check(&basic("a:secret")).await, Ok(()));
        let wrong: Vec<_> = (0..500).map(|n| basic(&format!("a:{n}"))).collect();
        let all = futures_util::future::join_all(wrong.iter().map(|headers| server.check(headers))).await;
        let busy = all.iter().filter(|denied| **denied == Err(Denied::Busy)).count();
        assert!(all.iter().all(Result::is_err) && busy >= 500 - 64, "{busy} of 500 were told to come back");
        // Who is known does not wait for those.
        assert_eq!(server.check(&basic("a:secret")).await, Ok(()));
    });
}

#[test]
fn lines_in_the_configuration_win_over_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("htpasswd");
    std::fs::write(&file, "a:old\nb:kept\n").unwrap();
    let (config, _) = config(serde_json::json!({"htpasswd": {"file": file, "inline": "a:new"}}));
    let server = BasicAuth::authenticator(&config).unwrap().server.unwrap();
    on_a_shard(async {
        assert_eq!(server.check(&basic("a:new")).await, Ok(()));
        assert!(server.check(&basic("a:old")).await.is_err());
        assert_eq!(server.check(&basic("b:kept")).await, Ok(()));
    });
}

#[test]
fn a_client_shows_its_name_and_password_also_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "from a file\n").unwrap();
    for (json, expected) in [
        (serde_json::json!({"username": "me", "password": "secret"}), "Basic bWU6c2VjcmV0"),
        (serde_json::json!({"username": "me", "password_file": file}), "Basic bWU6ZnJvbSBhIGZpbGU="),
    ] {
        let (config, _) = config(serde_json::json!({"client_auth": json}));
        let client = BasicAuth::authenticator(&config).unwrap().client.unwrap();
        let mut headers = HeaderMap::new();
        on_a_shard(client.authenticate(&mut headers, Timestamp::default())).unwrap();
        assert_eq!(headers[AUTHORIZATION], expected);
        assert!(headers[AUTHORIZATION].is_sensitive());
    }
}

#[test]
fn what_can_not_be_used_is_told_without_a_password() {
    for (json, path, words) in [
        (serde_json::json!({}), "", "write htpasswd for servers or client_auth"),
        (serde_json::json!({"htpasswd": {}, "client_auth": {}}), "", "write two extensions"),
        (serde_json::json!({"htpasswd": {"inline": "# nobody"}}), "htpasswd", "no user is named"),
        (serde_json::json!({"htpasswd": {"inline": "a:b\nHIDDEN"}}), "htpasswd.inline", "line 2 of inline"),
        (serde_json::json!({"htpasswd": {"inline": "a:$2y$HIDDEN"}}), "htpasswd.inline", "line 1 of inline"),
        (serde_json::json!({"htpasswd": {"file": "/nowhere/x"}}), "htpasswd.file", "can not be read"),
        (serde_json::json!({"client_auth": {"username": "a"}}), "client_auth.password", "is missing"),
        (
            serde_json::json!({"client_auth": {"username": "a:b", "password": "HIDDEN"}}),
            "client_auth.username",
            "no colon",
        ),
    ] {
        let (config, findings) = config(json);
        assert_eq!((findings.len(), findings[0].path.as_str()), (1, path), "{findings:?}");
        assert!(findings[0].message.contains(words), "{findings:?}");
        assert!(!format!("{config:?}{findings:?}").contains("HIDDEN"));
    }
}
