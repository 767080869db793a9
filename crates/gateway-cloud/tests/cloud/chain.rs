//! AWS keys found by the chain. It reads the process's environment, so each test runs itself once
//! more in a child process whose environment it makes.

use std::path::Path;
use std::process::Command;

use gateway_cloud::{AwsSettings, Credentials, Env, Route};
use http::{HeaderMap, HeaderValue, StatusCode};
use tempfile::TempDir;

use crate::authorized;
use crate::server::{Asked, Reply, Server, nobody};

/// Set in a child.
const CHILD: &str = "GATEWAY_CLOUD_TEST_CHILD";
/// The profile that a child's settings name.
const PROFILE: &str = "GATEWAY_CLOUD_TEST_PROFILE";
/// The files that a child's settings name.
const CONFIG: &str = "GATEWAY_CLOUD_TEST_CONFIG";
const CREDENTIALS: &str = "GATEWAY_CLOUD_TEST_CREDENTIALS";
/// Before each line that a child has to say.
const SAYS: &str = "child says: ";

/// A home directory with AWS's files.
fn home(config: &str) -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(home.path().join(".aws/sso/cache")).expect("a folder");
    std::fs::write(home.path().join(".aws/config"), config).expect("written");
    home
}

/// Authorizes, tells the credentials that theirs have expired, and authorizes again, all in a child
/// with this environment. Two lines: `key-id token`, or `error KIND text`.
fn in_child(test: &str, home: &Path, variables: &[(&str, &str)]) -> [String; 2] {
    if std::env::var_os(CHILD).is_some() {
        be_the_child();
    }
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env_clear();
    command.env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true").env(CHILD, "1");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(variables.iter().copied());
    let output = command.output().expect("the child ran");
    let text = String::from_utf8_lossy(&output.stdout);
    let said = text.lines().filter_map(|line| Some(line.split_once(SAYS)?.1.to_owned()));
    let said: Vec<_> = said.collect();
    said.try_into().unwrap_or_else(|said| {
        panic!("{said:?}\n{text}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}

#[expect(clippy::print_stdout, reason = "what the parent reads")]
fn be_the_child() -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let credentials = Credentials::aws(AwsSettings {
            keys: None,
            profile: std::env::var(PROFILE).ok(),
            config_file: std::env::var_os(CONFIG).map(Into::into),
            credentials_file: std::env::var_os(CREDENTIALS).map(Into::into),
            region: "us-east-1".to_owned(),
            service: "bedrock".to_owned(),
            env: Env::process(),
            route: Route::default(),
        })
        .expect("valid");
        for _ in 0..2 {
            let line = match authorized(&credentials).await {
                Ok(headers) => {
                    let text = |name: &str| {
                        headers.get(name).map_or("-", |it| it.to_str().expect("ASCII")).to_owned()
                    };
                    let authorization = text("authorization");
                    let key = authorization.split(['=', '/']).nth(1).expect("a key id");
                    format!("{key} {}", text("x-amz-security-token"))
                }
                Err(fault) => format!("error {:?} {fault}", fault.kind()),
            };
            println!("{SAYS}{line}");
            let mut head = HeaderMap::new();
            head.insert("x-amzn-errortype", HeaderValue::from_static("ExpiredTokenException"));
            credentials.refused(StatusCode::FORBIDDEN, &head, b"{}");
        }
    });
    std::process::exit(0)
}

/// The answer of STS, with keys of this number.
fn sts_answer(action: &str, number: usize) -> Reply {
    Reply::ok(format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>token{number}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
         </Credentials><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn>\
         <AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser></{action}Result></{action}Response>"
    ))
    .with("content-type", "text/xml")
}

fn sts() -> Server {
    let mut count = 0;
    Server::start(move |asked: &Asked| {
        count += 1;
        let form = asked.form();
        assert_eq!(form["RoleArn"], "arn:aws:iam::1:role/r");
        sts_answer(&form["Action"], count)
    })
}

/// Keys as containers and instances are given them.
fn keys_json(number: usize) -> Reply {
    Reply::ok(format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2020-01-01T00:00:00Z",
            "AccessKeyId":"ASIA{number}","SecretAccessKey":"s","Token":"token{number}",
            "Expiration":"2099-01-01T00:00:00Z"}}"#
    ))
    .with("content-type", "application/json")
}

#[test]
fn a_profile_is_read_and_beats_the_environments_keys_only_if_it_is_asked_for() {
    let home = home(
        "[default]\naws_access_key_id = AKIDEFAULT\naws_secret_access_key = s\n\
         [profile work]\naws_access_key_id = AKIWORK\naws_secret_access_key = s\n\
         aws_session_token = t\n",
    );
    let test = "chain::a_profile_is_read_and_beats_the_environments_keys_only_if_it_is_asked_for";
    let run = |variables: &[(&str, &str)]| in_child(test, home.path(), variables)[0].clone();
    let keys = [("AWS_ACCESS_KEY_ID", "AKIENV"), ("AWS_SECRET_ACCESS_KEY", "s")];
    assert_eq!(run(&[]), "AKIDEFAULT -");
    assert_eq!(run(&[("AWS_PROFILE", "work")]), "AKIWORK t");
    assert_eq!(run(&[("AWS_PROFILE", "work"), keys[0], keys[1]]), "AKIENV -");
    assert_eq!(run(&[(PROFILE, "work"), keys[0], keys[1]]), "AKIWORK t");
}

#[test]
fn files_that_are_named_stand_in_place_of_the_environments() {
    let keys = |id: &str| format!("aws_access_key_id = {id}\naws_secret_access_key = s\n");
    let home = home(&format!("[default]\n{}", keys("AKIHOME")));
    let write = |name: &str, text: String| {
        let path = home.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let of_env = write("env", format!("[default]\n{}", keys("AKIENV")));
    let config =
        write("c", format!("[default]\n{}[profile work]\n{}", keys("AKIC"), keys("AKIWORK")));
    let secret = write("s", format!("[default]\n{}[old]\n{}", keys("AKIS"), keys("AKIOLD")));
    let gone = home.path().join("gone").to_str().expect("UTF-8").to_owned();
    let test = "chain::files_that_are_named_stand_in_place_of_the_environments";
    for (variables, id) in [
        (vec![("AWS_CONFIG_FILE", &of_env)], "AKIENV -"),
        (vec![("AWS_CONFIG_FILE", &of_env), (CONFIG, &config)], "AKIC -"),
        (vec![(CREDENTIALS, &secret)], "AKIS -"),
        (vec![(CONFIG, &config), (PROFILE, &"work".to_owned())], "AKIWORK -"),
        (vec![(CREDENTIALS, &secret), (PROFILE, &"old".to_owned())], "AKIOLD -"),
        (vec![(CREDENTIALS, &gone)], "AKIHOME -"),
        (vec![(CONFIG, &gone)], "error Missing no AWS credentials were found"),
    ] {
        let variables: Vec<_> = variables.iter().map(|(name, it)| (*name, it.as_str())).collect();
        let said = &in_child(test, home.path(), &variables)[0];
        assert!(said.starts_with(id), "{variables:?}: {said}");
    }
}

#[test]
fn a_credential_process_is_run_anew_for_expired_keys() {
    let home = home("");
    let count = home.path().join("count");
    let script = home.path().join("keys.sh");
    let text = format!(
        "#!/bin/sh\necho x >> {0}\nn=$(wc -l < {0} | tr -d ' ')\n\
         echo '{{\"Version\":1,\"AccessKeyId\":\"AKI'$n'\",\"SecretAccessKey\":\"s\",\
         \"SessionToken\":\"t\",\"Expiration\":\"2099-01-01T00:00:00Z\"}}'\n",
        count.display()
    );
    std::fs::write(&script, text).expect("written");
    let config = format!("[default]\ncredential_process = /bin/sh {}\n", script.display());
    std::fs::write(home.path().join(".aws/config"), config).expect("written");
    let test = "chain::a_credential_process_is_run_anew_for_expired_keys";
    assert_eq!(in_child(test, home.path(), &[]), ["AKI1 t", "AKI2 t"]);
}

#[test]
fn a_web_identity_is_exchanged_at_sts() {
    let sts = sts();
    let home = home("");
    let token = home.path().join("token");
    std::fs::write(&token, "w3b").expect("written");
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().expect("UTF-8")),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
        ("AWS_ENDPOINT_URL_STS", &sts.url),
    ];
    let said = in_child("chain::a_web_identity_is_exchanged_at_sts", home.path(), &variables);
    assert_eq!(said, ["ASIA1 token1", "ASIA2 token2"]);
    assert_eq!(sts.asked()[0].form()["WebIdentityToken"], "w3b");
}

#[test]
fn a_role_is_taken_with_the_keys_of_another_profile() {
    let sts = sts();
    let home = home(
        "[profile base]\naws_access_key_id = AKIBASE\naws_secret_access_key = s\n\
         [profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n",
    );
    let variables = [(PROFILE, "role"), ("AWS_ENDPOINT_URL_STS", &sts.url)];
    let test = "chain::a_role_is_taken_with_the_keys_of_another_profile";
    assert_eq!(in_child(test, home.path(), &variables)[0], "ASIA1 token1");
    let authorization = sts.asked()[0].header("authorization").to_owned();
    assert!(authorization.contains("Credential=AKIBASE/"), "{authorization}");
}

#[test]
fn a_container_is_asked_with_its_token() {
    let mut count = 0;
    let server = Server::start(move |asked| {
        assert_eq!(asked.header("authorization"), "let me in");
        count += 1;
        keys_json(count)
    });
    let url = format!("{}/keys", server.url);
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "let me in"),
    ];
    let said = in_child("chain::a_container_is_asked_with_its_token", home("").path(), &variables);
    assert_eq!(said, ["ASIA1 token1", "ASIA2 token2"]);
}

#[test]
fn an_instance_is_asked_with_a_session() {
    let server = Server::start(|asked| match (asked.method.as_str(), asked.path()) {
        ("PUT", "/latest/api/token") => {
            Reply::ok("session").with("x-aws-ec2-metadata-token-ttl-seconds", "21600")
        }
        _ if asked.header("x-aws-ec2-metadata-token") != "session" => Reply::fault(401, ""),
        (_, "/latest/meta-data/iam/security-credentials/") => Reply::ok("the-role"),
        (_, "/latest/meta-data/iam/security-credentials/the-role") => keys_json(7),
        _ => Reply::fault(404, ""),
    });
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url.as_str()),
    ];
    let said = in_child("chain::an_instance_is_asked_with_a_session", home("").path(), &variables);
    assert_eq!(said[0], "ASIA7 token7");
}

const SSO: &str = "[profile work]\nsso_session = corp\nsso_account_id = 123456789012\n\
                   sso_role_name = R\n[sso-session corp]\nsso_region = us-east-1\n\
                   sso_start_url = https://corp.awsapps.com/start\n";

/// Puts an SSO token in the cache, under the digest of `corp`.
fn log_in(home: &Path, until: &str) {
    let file = home.join(".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json");
    let text = format!(
        r#"{{"accessToken":"S3CRET","expiresAt":"{until}","region":"us-east-1",
            "startUrl":"https://corp.awsapps.com/start"}}"#
    );
    std::fs::write(file, text).expect("written");
}

#[test]
fn a_login_at_sso_gives_the_keys_of_its_role() {
    let sso = Server::start(|asked| {
        assert_eq!(asked.header("x-amz-sso_bearer_token"), "S3CRET");
        Reply::ok(
            r#"{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"s",
                "sessionToken":"t","expiration":4070908800000}}"#,
        )
    });
    let home = home(SSO);
    log_in(home.path(), "2099-01-01T00:00:00Z");
    let variables = [("AWS_PROFILE", "work"), ("AWS_ENDPOINT_URL_SSO", &sso.url)];
    let test = "chain::a_login_at_sso_gives_the_keys_of_its_role";
    assert_eq!(in_child(test, home.path(), &variables)[0], "ASIASSO t");
    assert_eq!(sso.asked()[0].query()["role_name"], "R");
}

#[test]
fn a_login_that_is_over_or_never_was_is_told_with_the_command() {
    let test = "chain::a_login_that_is_over_or_never_was_is_told_with_the_command";
    let home = home(SSO);
    for (until, variable) in [(None, PROFILE), (Some("2020-01-01T00:00:00Z"), "AWS_PROFILE")] {
        if let Some(until) = until {
            log_in(home.path(), until);
        }
        let said = &in_child(test, home.path(), &[(variable, "work")])[0];
        assert!(said.starts_with("error Refused AWS: the SSO session"), "{said}");
        assert!(said.contains("`aws sso login --profile work`"), "{said}");
        assert!(!said.contains("S3CRET"), "{said}");
    }
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let test = "chain::what_is_wrong_is_told_with_what_to_do";
    let away = format!("{}/keys", nobody());
    let login = "[profile login]\nlogin_session = arn:aws:iam::1:user/u\n";
    let role = "[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = gone\n";
    let config = home(&format!("{login}{role}[profile empty]\nregion = x\n"));
    let nowhere = nobody();
    for (variables, says) in [
        (vec![], "error Missing no AWS credentials were found: not in the environment"),
        (
            vec![
                ("AWS_EC2_METADATA_DISABLED", "false"),
                ("AWS_EC2_METADATA_SERVICE_ENDPOINT", nowhere.as_str()),
            ],
            "error Missing no AWS credentials were found",
        ),
        (vec![("AWS_PROFILE", "nosuch")], "in profile `nosuch`"),
        (vec![(PROFILE, "nosuch")], "error Missing AWS: profile `nosuch` has no credentials"),
        (vec![(PROFILE, "empty")], "error Missing AWS: profile `empty` has no credentials"),
        (vec![(PROFILE, "login")], "error Unsupported AWS: profile `login` uses `login_session`"),
        (vec![(PROFILE, "role")], "(profile `gone` was not defined"),
        (vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", away.as_str())], "error Unreachable"),
    ] {
        let said = &in_child(test, config.path(), &variables)[0];
        assert!(said.contains(says), "{variables:?}: {said}");
    }
}

#[test]
fn a_role_that_may_not_be_taken_is_told_in_stss_words() {
    let sts = Server::start(|_| {
        Reply::fault(
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
             <Message>Not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>",
        )
    });
    let home = home(
        "[profile base]\naws_access_key_id = AKIBASE\naws_secret_access_key = S3CRET\n\
         [profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n",
    );
    let variables = [(PROFILE, "role"), ("AWS_ENDPOINT_URL_STS", &sts.url)];
    let test = "chain::a_role_that_may_not_be_taken_is_told_in_stss_words";
    let said = &in_child(test, home.path(), &variables)[0];
    assert!(said.starts_with("error Refused AWS: no keys (profile `role`)"), "{said}");
    assert!(said.contains("Not authorized to perform sts:AssumeRole"), "{said}");
    assert!(!said.contains("S3CRET"), "{said}");
}
