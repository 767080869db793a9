//! Microsoft Entra.

use std::sync::Arc;

use gateway_cloud::{CloudErrorKind, Credentials, EntraSettings, Env, Route};
use http::{HeaderMap, StatusCode};

use crate::server::{Reply, Server, nobody};
use crate::{authorization, fault};

fn application(authority: &str) -> EntraSettings {
    EntraSettings {
        tenant_id: Some("contoso.example".to_owned()),
        client_id: Some("app-1".to_owned()),
        client_secret: Some("S3CRET+/=".into()),
        authority_host: Some(authority.to_owned()),
        env: Env::fixed([]),
        ..EntraSettings::default()
    }
}

fn numbered() -> impl FnMut(&crate::server::Asked) -> Reply + Send {
    let mut count = 0;
    move |_| {
        count += 1;
        let token =
            format!(r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"t{count}"}}"#);
        Reply::ok(token).with("content-type", "application/json")
    }
}

#[tokio::test]
async fn an_applications_secret_gives_a_token_that_is_kept_until_it_is_refused() {
    let server = Server::start(numbered());
    let credentials = Credentials::entra(application(&server.url)).expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path()),
        ("POST", "/contoso.example/oauth2/v2.0/token")
    );
    let form = asked[0].form();
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["client_id"], "app-1");
    assert_eq!(form["client_secret"], "S3CRET+/=");
    assert_eq!(form["scope"], "https://cognitiveservices.azure.com/.default");
    assert!(!credentials.refused(StatusCode::FORBIDDEN, &HeaderMap::new(), b""));
    assert!(credentials.refused(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b""));
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t2");
    assert!(!format!("{credentials:?}").contains("S3CRET"));
}

#[tokio::test]
async fn a_federated_token_is_read_anew_for_each_exchange() {
    let server = Server::start(numbered());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").expect("written");
    // As the workload identity webhook sets it.
    let env = Env::fixed([
        ("AZURE_TENANT_ID", "t".to_owned()),
        ("AZURE_CLIENT_ID", "app-2".to_owned()),
        ("AZURE_FEDERATED_TOKEN_FILE", file.display().to_string()),
        ("AZURE_AUTHORITY_HOST", format!("{}/", server.url)),
    ]);
    let credentials = Credentials::entra(EntraSettings { env, ..EntraSettings::default() });
    let credentials = credentials.expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    std::fs::write(&file, "second").expect("written");
    assert!(credentials.refused(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b""));
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t2");
    let assertions: Vec<_> =
        server.asked().iter().map(|asked| asked.form()["client_assertion"].clone()).collect();
    assert_eq!(assertions, ["first", "second"]);
    let form = server.asked()[0].form();
    assert_eq!(
        form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert_eq!(server.asked()[0].path(), "/t/oauth2/v2.0/token");
}

#[tokio::test]
async fn a_managed_identity_is_asked_as_each_service_wants_it() {
    let server = Server::start(|asked| {
        let allowed =
            asked.header("metadata") == "true" || asked.header("x-identity-header") == "h";
        assert!(allowed, "{asked:?}");
        Reply::ok(r#"{"access_token":"m","expires_on":"4102444800","resource":"r"}"#)
    });
    let instance = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url.clone())];
    let endpoint = format!("{}/msi/token", server.url);
    let service = [("IDENTITY_ENDPOINT", endpoint), ("IDENTITY_HEADER", "h".to_owned())];
    for (env, client_id) in
        [(Env::fixed(instance), None), (Env::fixed(service), Some("user-assigned".to_owned()))]
    {
        let settings = EntraSettings { client_id, env, ..EntraSettings::default() };
        let credentials = Credentials::entra(settings).expect("valid");
        assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer m");
    }
    let asked = server.asked();
    let query = asked[0].query();
    assert_eq!(asked[0].path(), "/metadata/identity/oauth2/token");
    assert_eq!(query["api-version"], "2018-02-01");
    assert_eq!(query["resource"], "https://cognitiveservices.azure.com");
    assert!(!query.contains_key("client_id"));
    assert_eq!(asked[1].path(), "/msi/token");
    assert_eq!(asked[1].query()["api-version"], "2019-08-01");
    assert_eq!(asked[1].query()["client_id"], "user-assigned");
}

#[tokio::test]
async fn what_entra_refuses_is_told_in_short() {
    let words = "AADSTS7000222: The provided client secret keys for app 'app-1' are expired. \
                 Trace ID: 1 Correlation ID: 2 Timestamp: 2026-01-01 00:00:00Z";
    let expired = format!(r#"{{"error":"invalid_client","error_description":"{words}"}}"#);
    for (status, body, kind, says) in [
        (401, expired.as_str(), CloudErrorKind::Refused, "make a new client secret"),
        (
            400,
            r#"{"error":"invalid_request","error_description":"AADSTS90002: Tenant 'x' not found.\r\nTrace ID: 1"}"#,
            CloudErrorKind::Refused,
            "check tenant_id",
        ),
        (503, "<html>", CloudErrorKind::Unreachable, "status 503"),
        (429, "{}", CloudErrorKind::Unreachable, "status 429"),
        (200, "{}", CloudErrorKind::Unreachable, "something else than a token"),
    ] {
        let reply = body.to_owned();
        let server = Server::start(move |_| Reply::fault(status, reply.clone()));
        let fault = fault(Credentials::entra(application(&server.url))).await;
        assert_eq!(fault.kind(), kind, "{fault}");
        assert!(fault.to_string().contains(says), "{fault}");
        assert!(!fault.to_string().contains("Trace ID"), "{fault}");
        assert!(!fault.to_string().contains("S3CRET"), "{fault}");
    }
    let fault = fault(Credentials::entra(application(&nobody()))).await;
    assert!(fault.is_transient());
    assert!(fault.to_string().contains("connection refused"), "{fault}");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_with_what_to_do() {
    let base = || application("https://login.example");
    let gone = EntraSettings {
        client_secret: None,
        federated_token_file: Some("/nowhere/token".into()),
        ..base()
    };
    let arc = Env::fixed([("IDENTITY_ENDPOINT", "http://localhost:40342/x".to_owned())]);
    let alone = Env::fixed([("AZURE_POD_IDENTITY_AUTHORITY_HOST", nobody())]);
    for (settings, kind, says) in [
        (EntraSettings { tenant_id: None, ..base() }, CloudErrorKind::Setup, "AZURE_TENANT_ID"),
        (EntraSettings { client_id: None, ..base() }, CloudErrorKind::Setup, "AZURE_CLIENT_ID"),
        (
            EntraSettings { tenant_id: Some("a/b".to_owned()), ..base() },
            CloudErrorKind::Setup,
            "no tenant_id",
        ),
        (
            EntraSettings { authority_host: Some("login.example".to_owned()), ..base() },
            CloudErrorKind::Setup,
            "not an http or https URL",
        ),
        (gone, CloudErrorKind::Setup, "/nowhere/token"),
        (
            EntraSettings { env: arc, ..EntraSettings::default() },
            CloudErrorKind::Unsupported,
            "Azure Arc",
        ),
        (
            EntraSettings { env: alone, ..EntraSettings::default() },
            CloudErrorKind::Missing,
            "AZURE_CLIENT_SECRET",
        ),
    ] {
        let fault = fault(Credentials::entra(settings)).await;
        assert_eq!(fault.kind(), kind, "{fault}");
        assert!(fault.to_string().contains(says), "{fault}");
    }
}

#[test]
fn fifty_requests_on_two_runtimes_ask_once() {
    let server = Server::start(numbered());
    let credentials = Arc::new(Credentials::entra(application(&server.url)).expect("valid"));
    let worker = || {
        let credentials = credentials.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.expect("a runtime").block_on(async {
                let ask = |credentials: Arc<Credentials>| async move {
                    authorization(&credentials).await.expect("a token")
                };
                let asking: Vec<_> =
                    (0..25).map(|_| tokio::spawn(ask(credentials.clone()))).collect();
                for one in asking {
                    assert_eq!(one.await.expect("no panic"), "Bearer t1");
                }
            });
        })
    };
    for worker in [worker(), worker()] {
        worker.join().expect("no panic");
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_proxy_stands_before_entra_and_not_before_the_machine() {
    let proxy = Server::start(numbered());
    let route = || Route { proxy: proxy.url.parse().ok(), ca_file: None };
    let settings = EntraSettings { route: route(), ..application("http://login.example") };
    let credentials = Credentials::entra(settings).expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer t1");
    let target = "http://login.example/contoso.example/oauth2/v2.0/token";
    assert_eq!(proxy.asked()[0].target, target);

    let near = Server::start(|_| Reply::ok(r#"{"access_token":"near"}"#));
    let settings = EntraSettings { route: route(), ..application(&near.url) };
    let credentials = Credentials::entra(settings).expect("valid");
    assert_eq!(authorization(&credentials).await.expect("a token"), "Bearer near");
}
