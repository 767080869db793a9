//! Access tokens of the scripted Google: who gets one, what it opens, and how it ends.

use gateway_testkit::google::{PROJECT, Rules, SUBJECT_TOKEN, Server, Turn};
use gateway_testkit::{RawClient, request};
use serde_json::{Value, json};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ASK: &str = "/v1/projects/project-test/locations/us/publishers/google/models/gemini-3.1-pro:generateContent";

async fn send(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value, Vec<(String, String)>) {
    let mut client = RawClient::connect(server.addr()).await;
    client.send(&request(method, path, headers, body.as_bytes())).await;
    let (head, body) = client.reply().await;
    (head.status, serde_json::from_slice(&body.bytes).unwrap_or_default(), head.headers)
}

async fn ask(server: &Server, path: &str, token: &str) -> (u16, Value) {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}).to_string();
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    let (status, reply, _) = send(server, "POST", path, &headers, &body).await;
    (status, reply)
}

fn server() -> Server {
    let rules = Rules::vertex("gemini-3.1-pro").and_model("gemini-2.5-pro").at(PROJECT, "us");
    Server::start(rules, |_| Turn::text("hello"))
}

fn user() -> String {
    "grant_type=refresh_token&client_id=client-id-of-the-test&client_secret=client-secret-of-the-test&refresh_token=refresh-token-of-the-test".to_owned()
}

#[tokio::test]
async fn a_token_opens_what_it_is_for_until_it_ends() {
    let server = server();
    let (status, granted, _) = send(&server, "POST", "/token", &[FORM], &user()).await;
    assert_eq!(
        (status, &granted["expires_in"], &granted["token_type"]),
        (200, &json!(3600), &json!("Bearer"))
    );
    let token = granted["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(ask(&server, ASK, &token).await.0, 200);
    for (path, token, status, word) in [
        (ASK, "", 401, "UNAUTHENTICATED"),
        (ASK, "ya29.c.made-up", 401, "UNAUTHENTICATED"),
        (&ASK.replace("project-test", "other"), &token, 403, "PERMISSION_DENIED"),
        (&ASK.replace("/us/", "/eu/"), &token, 404, "NOT_FOUND"),
        (&ASK.replace("3.1-pro", "9"), &token, 404, "NOT_FOUND"),
        // A path of AI Studio's.
        ("/v1beta/models/gemini-3.1-pro:generateContent", &token, 404, "NOT_FOUND"),
    ] {
        let (found, reply) = ask(&server, path, token).await;
        assert_eq!((found, &reply["error"]["status"]), (status, &json!(word)), "{reply}");
    }
    server.expire_tokens();
    assert_eq!(ask(&server, ASK, &token).await.0, 401);
    let fresh = server.token();
    assert_eq!(ask(&server, ASK, &fresh).await.0, 200);
    server.change(|rules| rules.token_lifetime = 0);
    let dead = server.token();
    assert_eq!((ask(&server, ASK, &dead).await.0, server.tokens()), (401, 3));
    // The newest models are nowhere but at the large locations.
    server.change(|rules| rules.location = None);
    for (model, status) in [("gemini-3.1-pro", 404), ("gemini-2.5-pro", 200)] {
        let path = ASK.replace("/us/", "/europe-west1/").replace("gemini-3.1-pro", model);
        assert_eq!(ask(&server, &path, &fresh).await.0, status, "{model}");
    }
}

#[tokio::test]
async fn what_is_no_claim_gets_no_token() {
    let server = server();
    let jwt = |text: &str| {
        format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={text}")
    };
    let forged = format!("{}A{}", &OLD[..OLD.len() - 5], &OLD[OLD.len() - 4..]);
    let unsigned = OLD.replacen("eyJhbGciOiAiUlMyNTYi", "eyJhbGciOiAibm9uZSIg", 1);
    for (body, status, word, part) in [
        (jwt(OLD), 400, "invalid_grant", "reasonable timeframe"),
        (jwt(ELSEWHERE), 400, "invalid_grant", "the audience must be http://"),
        (jwt(NARROW), 400, "invalid_scope", "Invalid OAuth scope"),
        (jwt(OTHER_ACCOUNT), 400, "invalid_grant", "account not found"),
        (jwt(&forged), 400, "invalid_grant", "Invalid JWT Signature."),
        (jwt(&unsigned), 400, "invalid_grant", "Invalid JWT"),
        (jwt("a.b"), 400, "invalid_grant", "three parts"),
        (jwt("a.b.c"), 400, "invalid_grant", "not base64url of JSON"),
        (user().replace("refresh-token", "other"), 400, "invalid_grant", "expired or revoked"),
        (user().replace("client-secret", "other"), 401, "invalid_client", "not found"),
        (String::new(), 400, "invalid_request", "grant_type"),
        ("grant_type=password".to_owned(), 400, "unsupported_grant_type", "password"),
    ] {
        let (found, reply, _) = send(&server, "POST", "/token", &[FORM], &body).await;
        assert_eq!((found, &reply["error"]), (status, &json!(word)), "{reply}\n{body}");
        let why = reply["error_description"].as_str().expect("a description");
        assert!(why.contains(part), "{why}");
    }
    let json = [("content-type", "application/json")];
    assert_eq!(send(&server, "POST", "/token", &json, "{}").await.1["error"], "invalid_request");
    assert_eq!(server.tokens(), 0);
}

#[tokio::test]
async fn workloads_and_machines_have_tokens_too() {
    let server = server();
    let metadata = "/computeMetadata/v1/instance/service-accounts/default/token";
    let flavor = ("metadata-flavor", "Google");
    let (status, _, _) = send(&server, "GET", metadata, &[], "").await;
    assert_eq!(status, 403);
    let (status, granted, headers) = send(&server, "GET", metadata, &[flavor], "").await;
    assert!(headers.iter().any(|(name, value)| name == "metadata-flavor" && value == "Google"));
    let token = granted["access_token"].as_str().expect("a token");
    assert_eq!((status, ask(&server, ASK, token).await.0), (200, 200));

    let exchange = |subject: &str| {
        format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fiam.googleapis.com%2Fp&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&subject_token={subject}&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt"
        )
    };
    let (status, reply, _) = send(&server, "POST", "/v1/token", &[FORM], &exchange("x")).await;
    assert_eq!((status, &reply["error"]), (400, &json!("invalid_grant")));
    let good = exchange(SUBJECT_TOKEN);
    let (_, reply, _) =
        send(&server, "POST", "/v1/token", &[FORM], &good.replace("&scope", "&x")).await;
    assert_eq!(reply["error"], "invalid_request");
    let (status, reply, _) = send(&server, "POST", "/v1/token", &[FORM], &good).await;
    assert_eq!(status, 200, "{reply}");
    let bearer = format!("Bearer {}", reply["access_token"].as_str().expect("a token"));
    let path = "/v1/projects/-/serviceAccounts/tester@project-test.iam.gserviceaccount.com:generateAccessToken";
    let body = json!({"scope": ["https://www.googleapis.com/auth/cloud-platform"]}).to_string();
    assert_eq!(send(&server, "POST", path, &[], &body).await.0, 401);
    let bearer = ("authorization", bearer.as_str());
    assert_eq!(send(&server, "POST", path, &[bearer], "{}").await.0, 400);
    let (status, reply, _) = send(&server, "POST", path, &[bearer], &body).await;
    let token = reply["accessToken"].as_str().expect("a token");
    assert_eq!((status, ask(&server, ASK, token).await.0), (200, 200));
    let end = reply["expireTime"].as_str().expect("a time");
    assert!(end.len() == 20 && end.starts_with("20") && end.ends_with('Z'), "{end}");
}

/// Signed well, of 2020.
const OLD: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCJ9.eyJpc3MiOiAidGVzdGVyQHByb2plY3QtdGVzdC5pYW0uZ3Nlc",
    "nZpY2VhY2NvdW50LmNvbSIsICJhdWQiOiAiaHR0cHM6Ly9vYXV0aDIuZ29vZ2xlYXBpcy5jb20vdG9rZW4iLCAic2N",
    "vcGUiOiAiaHR0cHM6Ly93d3cuZ29vZ2xlYXBpcy5jb20vYXV0aC9jbG91ZC1wbGF0Zm9ybSIsICJpYXQiOiAxNjAwM",
    "DAwMDAwLCAiZXhwIjogMTYwMDAwMzYwMH0.XWIAmnYTAtfqHOkzxEzI_fsl0zcMXAMgac90pIFimfGyUdQDq5Kd4Be",
    "HG_l88kewePxyWkA3GMddqXGSUPbrbh3OgfsmfErj5sQTpOBpQnu_I4na2o8Aa0LhfwO23l8sIIe0zKU2NF-99TDCl",
    "ZqyJAbyTj1CGcFRBWrEVKlK5I-kn8obzLGd93HAFBwenxNGWDekuOEO4iZh3XvB-saJmhmDJojta1SL6eLZrdMQURS",
    "1p2Mn_GbO71Q065RwOiiOvrIHcFPuWNMyhuzCORtKv7Er32TmWe33suSgR9W9-AExe9Ilb3Y5UmMZL3Mk-TNMMLs51",
    "5GvHhKc7aweWK9VMA"
);

/// For another endpoint.
const ELSEWHERE: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCJ9.eyJpc3MiOiAidGVzdGVyQHByb2plY3QtdGVzdC5pYW0uZ3Nlc",
    "nZpY2VhY2NvdW50LmNvbSIsICJhdWQiOiAiaHR0cHM6Ly9leGFtcGxlLm9yZy90b2tlbiIsICJzY29wZSI6ICJodHR",
    "wczovL3d3dy5nb29nbGVhcGlzLmNvbS9hdXRoL2Nsb3VkLXBsYXRmb3JtIiwgImlhdCI6IDE2MDAwMDAwMDAsICJle",
    "HAiOiAxNjAwMDAzNjAwfQ.UWl7YLqkcDgWAAKWVjLPcDJtrBO32HpzS-xh6B1wWyQdVzfB3gd5ACa8e-WrtDZOBea3",
    "NArO_GGGjjyqHQ6L5aQoUE3mZsrSOwbo-YAigEy686dktB0Uoza-96DXdaWcPfTc2ewsj9d-xeNplK50lHqHPDrHRY",
    "W4-AFi-gzZ_FsMFfQVrHs_wtptW0LFxBo_woZYD5qg_-Fid26K3R4j_ng3RNnGpcepIytzgJ8GEUBBd1mw1lnx8rwX",
    "oSqMbhJR3W-LLWCA3JLZmp8Y0kJd7GVFgA5d4TJQAkP7wqMizzvGp7cyN71PnDAYMUB7qKHRBa5s3amcbqaV68Oc-w",
    "kmmA"
);

/// For another scope.
const NARROW: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCJ9.eyJpc3MiOiAidGVzdGVyQHByb2plY3QtdGVzdC5pYW0uZ3Nlc",
    "nZpY2VhY2NvdW50LmNvbSIsICJhdWQiOiAiaHR0cHM6Ly9vYXV0aDIuZ29vZ2xlYXBpcy5jb20vdG9rZW4iLCAic2N",
    "vcGUiOiAiaHR0cHM6Ly93d3cuZ29vZ2xlYXBpcy5jb20vYXV0aC91c2VyaW5mby5lbWFpbCIsICJpYXQiOiAxNjAwM",
    "DAwMDAwLCAiZXhwIjogMTYwMDAwMzYwMH0.j1nItsy3AL2aIvGD2ZszIMCyHY7lVzzsuxe7hk72yGbrEmNQpSoZ7Ru",
    "m6YP88kkXaVKTe1T5ot5vm8YThDRmA-Uut2w2-IJX_3XkgDwVulpIUNGOH4C_Oxuev47NzWSa9RfXJOMTHsNvuINR6",
    "o0uAbpBt2hLiamkrhTIA6-_-9EO7uya98zEiMLq-NtO0-JQHUD_yhhIK3tVRcO038QIlbO3WoXU1AqG4GleBHfHR8I",
    "jFLo-GCdl0okTo0y6eD64iY9nJK9lrk3UYlqqZICMD6BQ3SrIQUi_w6CGzqPKpWqyT7yfJ4CVg9ZAdX-GCHkfKfsF-",
    "pRHuVccQG07C7jB9g"
);

/// Of another account.
const OTHER_ACCOUNT: &str = concat!(
    "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCJ9.eyJpc3MiOiAib3RoZXJAcHJvamVjdC10ZXN0LmlhbS5nc2Vyd",
    "mljZWFjY291bnQuY29tIiwgImF1ZCI6ICJodHRwczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiIsICJzY29",
    "wZSI6ICJodHRwczovL3d3dy5nb29nbGVhcGlzLmNvbS9hdXRoL2Nsb3VkLXBsYXRmb3JtIiwgImlhdCI6IDE2MDAwM",
    "DAwMDAsICJleHAiOiAxNjAwMDAzNjAwfQ.M_y5t4FbAD3Z5-VeGM9FssBvwNGxTRhqP1-7kVoSiUpBvCgwcmSAtRAD",
    "KLiQgHqi1quHYPZtwSL1nza4Y_KfI_nFNHH96a6-IYwuCVi0DUzPNSSZuLU-Q1PLTPl60EiT1dDFPzHuR5msqKGXZD",
    "KmljhefwuGp4J3b0gslT0OpkyUaIO-zPK6RmBRBpZn6PwuJ0-CiMW3OGPGmN-9KSZ1cu63hppuEjoBMnohxhDBZMYI",
    "3dQLLAjFcWeGdC6oyPUdbnJrIxMUcEfQwQi7LAcyTfqJ390qB4ny0-GHTYR2pW91eybWrhHWnyXbCbS55doYjPmzSN",
    "AlBTdJXxbtO3eiCA"
);
