//! Google's application default credentials.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_cloud::{CloudErrorKind, Credentials, Env, GoogleSettings};
use http::{HeaderMap, StatusCode};
use rustls_pki_types::{AlgorithmIdentifier, alg_id};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{Asked, Reply, Server, nobody};
use crate::{authorization, authorized, fault};

/// A folder with a credential file in it.
fn file(json: &Value) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, json.to_string()).expect("written");
    (folder, path)
}

fn settings(file: PathBuf) -> GoogleSettings {
    GoogleSettings { file: Some(file), env: Env::fixed([]), ..GoogleSettings::default() }
}

fn numbered() -> impl FnMut(&Asked) -> Reply + Send {
    let mut count = 0;
    move |_| {
        count += 1;
        Reply::ok(format!(
            r#"{{"access_token":"t{count}","expires_in":3599,"token_type":"Bearer"}}"#
        ))
    }
}

fn user(server: &str) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "id.apps",
        "client_secret": "S3CRET",
        "refresh_token": "1//R3FRESH",
        "token_uri": format!("{server}/token"),
    })
}

/// Header and claims of a statement, if its signature is right.
fn verified(assertion: &str, key: &rcgen::KeyPair) -> (Value, Value) {
    let (signed, signature) = assertion.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let is = |it: AlgorithmIdentifier, id: AlgorithmIdentifier| it.as_ref() == id.as_ref();
    let algorithms =
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let rs256 = algorithms.all.iter().find(|it| {
        is(it.public_key_alg_id(), alg_id::RSA_ENCRYPTION)
            && is(it.signature_alg_id(), alg_id::RSA_PKCS1_SHA256)
    });
    rs256
        .expect("the provider knows RS256")
        .verify_signature(key.public_key_raw(), signed.as_bytes(), &signature)
        .expect("the signature is right");
    let (header, claims) = signed.split_once('.').expect("two parts");
    let read = |part: &str| {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
    };
    (read(header), read(claims))
}

#[tokio::test]
async fn a_service_account_signs_its_request_for_a_token() {
    let server = Server::start(numbered());
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let token_uri = format!("{}/token", server.url);
    let (_folder, path) = file(&json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": key.serialize_pem(),
        "client_email": "robot@p.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }));
    let credentials = Credentials::google(settings(path)).expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    let form = asked[0].form();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (header, claims) = verified(&form["assertion"], &key);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}));
    assert_eq!(claims["iss"], "robot@p.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], *token_uri);
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    let (issued, ends) = (claims["iat"].as_u64(), claims["exp"].as_u64());
    assert_eq!(issued.map(|at| at + 3600), ends);
    assert!(!authorized(&credentials).await.expect("a token").contains_key("x-goog-user-project"));
}

#[tokio::test]
async fn a_users_login_gives_tokens_and_says_who_pays() {
    let server = Server::start(numbered());
    let mut json = user(&server.url);
    json["quota_project_id"] = "billed".into();
    let (_folder, path) = file(&json);
    let credentials = Credentials::google(settings(path.clone())).expect("valid");
    let headers = authorized(&credentials).await.expect("a token");
    assert_eq!(headers["x-goog-user-project"], "billed");
    let form = server.asked()[0].form();
    assert_eq!(form["grant_type"], "refresh_token");
    assert_eq!(form["client_id"], "id.apps");
    assert_eq!(form["client_secret"], "S3CRET");
    assert_eq!(form["refresh_token"], "1//R3FRESH");
    // The settings say it before the environment, and that before the file.
    let env = Env::fixed([("GOOGLE_CLOUD_QUOTA_PROJECT", "of-env".to_owned())]);
    let of_env = GoogleSettings { env, ..settings(path) };
    let set = GoogleSettings { quota_project: Some("set".to_owned()), ..of_env.clone() };
    for (settings, project) in [(of_env, "of-env"), (set, "set")] {
        let credentials = Credentials::google(settings).expect("valid");
        let headers = authorized(&credentials).await.expect("a token");
        assert_eq!(headers["x-goog-user-project"], project);
    }
}

#[tokio::test]
async fn a_refused_token_is_dropped_and_the_file_read_anew() {
    let server = Server::start(numbered());
    let (_folder, path) = file(&user(&server.url));
    let credentials = Credentials::google(settings(path.clone())).expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    assert!(!credentials.refused(StatusCode::FORBIDDEN, &HeaderMap::new(), b""));
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    let mut json = user(&server.url);
    json["refresh_token"] = "of a new login".into();
    std::fs::write(&path, json.to_string()).expect("written");
    assert!(credentials.refused(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b""));
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t2");
    assert_eq!(server.asked()[1].form()["refresh_token"], "of a new login");
}

#[tokio::test]
async fn a_federated_identity_is_exchanged_and_may_impersonate() {
    let server = Server::start(|asked| match asked.path() {
        "/subject" => {
            assert_eq!(asked.header("x-ask"), "please");
            Reply::ok(r#"{"id_token":"of-a-url"}"#)
        }
        "/sts" => Reply::ok(r#"{"access_token":"first","expires_in":3600,"token_type":"Bearer"}"#),
        "/iam:generateAccessToken" => {
            assert_eq!(asked.header("authorization"), "Bearer first");
            Reply::ok(r#"{"accessToken":"second","expireTime":"2099-01-01T00:00:00Z"}"#)
        }
        other => Reply::fault(404, other),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let subject = folder.path().join("subject");
    std::fs::write(&subject, "of-a-file\n").expect("written");
    let base = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/…/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", server.url),
        "credential_source": {"file": subject},
    });
    let (_folder, path) = file(&base);
    let credentials = Credentials::google(settings(path)).expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer first");
    let form = server.asked()[0].form();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(form["requested_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(form["audience"], "//iam.googleapis.com/projects/1/…/providers/x");
    assert_eq!(form["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(form["subject_token"], "of-a-file");
    assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");

    let mut impersonating = base;
    impersonating["service_account_impersonation_url"] =
        format!("{}/iam:generateAccessToken", server.url).into();
    impersonating["service_account_impersonation"] = json!({"token_lifetime_seconds": 1800});
    impersonating["credential_source"] = json!({
        "url": format!("{}/subject", server.url),
        "headers": {"x-ask": "please"},
        "format": {"type": "json", "subject_token_field_name": "id_token"},
    });
    let (_folder, path) = file(&impersonating);
    let credentials = Credentials::google(settings(path)).expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer second");
    let asked = server.asked();
    assert_eq!(asked[2].form()["subject_token"], "of-a-url");
    let body: Value = serde_json::from_str(&asked[3].body).expect("JSON");
    assert_eq!(
        body,
        json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"], "lifetime": "1800s"})
    );
}

#[tokio::test]
async fn a_user_may_impersonate_a_service_account() {
    let server = Server::start(|asked| match asked.path() {
        "/token" => Reply::ok(r#"{"access_token":"mine","expires_in":3600}"#),
        _ if asked.header("authorization") == "Bearer mine" => {
            Reply::ok(r#"{"accessToken":"robot","expireTime":"2099-01-01T00:00:00.5Z"}"#)
        }
        _ => Reply::fault(401, "{}"),
    });
    let (_folder, path) = file(&json!({
        "type": "impersonated_service_account",
        "delegates": ["projects/-/serviceAccounts/d"],
        "service_account_impersonation_url": format!("{}/iam", server.url),
        "source_credentials": user(&server.url),
        "quota_project_id": "billed",
    }));
    let credentials = Credentials::google(settings(path)).expect("valid");
    let headers = authorized(&credentials).await.expect("a token");
    assert_eq!(headers["authorization"], "Bearer robot");
    assert_eq!(headers["x-goog-user-project"], "billed");
    let body: Value = serde_json::from_str(&server.asked()[1].body).expect("JSON");
    assert_eq!(body["delegates"], json!(["projects/-/serviceAccounts/d"]));
}

#[tokio::test]
async fn a_workforce_login_refreshes_with_its_client() {
    let server = Server::start(numbered());
    let (_folder, path) = file(&json!({
        "type": "external_account_authorized_user",
        "client_id": "id",
        "client_secret": "S3CRET",
        "refresh_token": "r",
        "token_url": format!("{}/oauthtoken", server.url),
    }));
    let credentials = Credentials::google(settings(path)).expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    let asked = &server.asked()[0];
    assert_eq!(asked.header("authorization"), "Basic aWQ6UzNDUkVU");
    assert_eq!(asked.form()["refresh_token"], "r");
}

/// An environment without a file, and with this metadata server.
fn metadata(host: &str) -> Env {
    Env::fixed([
        ("CLOUDSDK_CONFIG", "/nowhere".to_owned()),
        ("GCE_METADATA_HOST", host.trim_start_matches("http://").to_owned()),
    ])
}

#[tokio::test]
async fn the_metadata_server_is_asked_when_there_is_no_file() {
    let server = Server::start(|asked| {
        assert_eq!(asked.header("metadata-flavor"), "Google");
        Reply::ok(r#"{"access_token":"m","expires_in":1799,"token_type":"Bearer"}"#)
            .with("Metadata-Flavor", "Google")
    });
    let credentials =
        Credentials::google(GoogleSettings { env: metadata(&server.url), ..Default::default() });
    assert_eq!(authorization(&credentials.expect("valid")).await.expect("a token"), "Bearer m");
    let asked = &server.asked()[0];
    assert_eq!(asked.path(), "/computeMetadata/v1/instance/service-accounts/default/token");
}

#[tokio::test]
async fn what_answers_in_place_of_the_metadata_server_is_not_believed() {
    let server = Server::start(|_| Reply::ok(r#"{"access_token":"m","expires_in":1799}"#));
    let env = metadata(&server.url);
    let fault = fault(Credentials::google(GoogleSettings { env, ..Default::default() })).await;
    assert_eq!(fault.kind(), CloudErrorKind::Refused);
    assert!(fault.to_string().contains("Metadata-Flavor: Google"), "{fault}");
}

#[tokio::test]
async fn files_are_found_in_googles_order() {
    let server = Server::start(|asked| {
        let token = asked.form()["client_id"].clone();
        Reply::ok(json!({"access_token": token, "expires_in": 3600}).to_string())
    });
    let named = |name: &str| {
        let mut json = user(&server.url);
        json["client_id"] = name.into();
        json.to_string()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let home = path(".config/gcloud");
    std::fs::create_dir_all(&home).expect("a folder");
    let default = "application_default_credentials.json";
    std::fs::write(home.join(default), named("of-gcloud")).expect("written");
    std::fs::write(path(default), named("of-gcloud-elsewhere")).expect("written");
    std::fs::write(path("env.json"), named("of-env")).expect("written");
    std::fs::write(path("set.json"), named("set")).expect("written");
    let in_home = ("HOME", folder.path().display().to_string());
    let elsewhere = ("CLOUDSDK_CONFIG", folder.path().display().to_string());
    let variable = ("GOOGLE_APPLICATION_CREDENTIALS", path("env.json").display().to_string());
    for (set, env, token) in [
        (None, vec![in_home.clone()], "Bearer of-gcloud"),
        (None, vec![in_home.clone(), elsewhere.clone()], "Bearer of-gcloud-elsewhere"),
        (None, vec![elsewhere.clone(), variable.clone()], "Bearer of-env"),
        (Some(path("set.json")), vec![elsewhere, variable], "Bearer set"),
    ] {
        let settings = GoogleSettings { file: set, env: Env::fixed(env), ..Default::default() };
        let credentials = Credentials::google(settings).expect("valid");
        assert_eq!(authorization(&credentials).await.expect("a token"), token);
    }
}

#[tokio::test]
async fn what_google_refuses_is_told_with_what_to_do() {
    let denied =
        r#"{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}"#;
    for (status, body, kind, says) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#,
            CloudErrorKind::Refused,
            "gcloud auth application-default login",
        ),
        (403, denied, CloudErrorKind::Refused, "PERMISSION_DENIED: Permission denied"),
        (500, "oops", CloudErrorKind::Unreachable, "status 500"),
        (
            200,
            "<html>login page</html>",
            CloudErrorKind::Unreachable,
            "something else than a token",
        ),
    ] {
        let reply = body.to_owned();
        let server = Server::start(move |_| Reply::fault(status, reply.clone()));
        let (_folder, path) = file(&user(&server.url));
        let fault = fault(Credentials::google(settings(path))).await;
        assert_eq!(fault.kind(), kind, "{fault}");
        assert!(fault.to_string().contains(says), "{fault}");
        assert!(!fault.to_string().contains("S3CRET") && !fault.to_string().contains("R3FRESH"));
    }
}

#[tokio::test]
async fn what_can_not_be_used_is_told_at_once() {
    let (_folder, no_json) = file(&json!({"type": "authorized_user"}));
    std::fs::write(&no_json, "-----BEGIN PRIVATE KEY-----").expect("written");
    for (path, says) in [
        (PathBuf::from("/nowhere/c.json"), "/nowhere/c.json: it does not exist"),
        (no_json, "it is not JSON"),
    ] {
        let fault = Credentials::google(settings(path)).expect_err("no file");
        assert_eq!(fault.kind(), CloudErrorKind::Setup);
        assert!(fault.to_string().contains(says), "{fault}");
    }
    let (_folder, path) = file(&json!({
        "type": "service_account", "client_email": "r", "private_key": "S3CRET", "token_uri": nobody(),
    }));
    let fault = fault(Credentials::google(settings(path))).await;
    assert!(fault.to_string().contains("not a key in PEM form"), "{fault}");
    assert!(!fault.to_string().contains("S3CRET"), "{fault}");
}

#[tokio::test]
async fn a_token_endpoint_that_is_away_is_a_passing_fault() {
    let (_folder, path) = file(&user(&nobody()));
    let fault = fault(Credentials::google(settings(path))).await;
    assert!(fault.is_transient());
    assert!(fault.to_string().contains("Google's token endpoint at http://127.0.0.1"), "{fault}");
}
