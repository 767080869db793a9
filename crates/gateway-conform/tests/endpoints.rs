//! Endpoints on real sockets: a good one passes, each broken one is found out by the case that is about it.

use std::path::Path;
use std::time::Duration;

use gateway_conform::{Report, Setting, Target, Trouble, Verdict, cases, matches, run};
use gateway_testkit::{Recorded, Script, Upstream, fixtures};
use serde_json::{Value, json};

/// An endpoint that does what Anthropic does, as far as the cases below go.
fn good(request: &Recorded) -> Script {
    reply(request).header("request-id", "req_1")
}

fn reply(request: &Recorded) -> Script {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match (request.method.as_str(), request.path()) {
        ("HEAD", _) => Script::new().head(200).content_length(0),
        ("GET", "/v1/models") => Script::json(200, MODELS),
        ("GET", "/v1/models/claude-opus-5-5") => {
            let list: Value = serde_json::from_str(MODELS).expect("JSON");
            Script::json(200, list["data"][0].to_string())
        }
        ("POST", "/v1/messages/count_tokens") => {
            let count = request.body.len() / 4;
            Script::json(200, json!({"input_tokens": count}).to_string())
        }
        ("POST", "/v1/messages") if wrong_key(request) => error(401, "authentication_error"),
        ("POST", "/v1/messages") if body["max_tokens"].is_null() => {
            error(400, "invalid_request_error")
        }
        ("POST", "/v1/messages") => message(&body),
        _ => error(404, "not_found_error"),
    }
}

fn wrong_key(request: &Recorded) -> bool {
    request.header("x-api-key") != Some("the-key")
}

fn error(status: u16, kind: &str) -> Script {
    let body =
        json!({"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "req_1"});
    Script::json(status, body.to_string())
}

fn message(body: &Value) -> Script {
    let calls = body["tools"].is_array();
    if body["stream"] == true {
        return Script::sse(stream(body), &[]);
    }
    let text = text_of(if calls { "reply-tool-nonstream" } else { "reply-text-nonstream" });
    Script::json(200, named(&text, body))
}

fn stream(body: &Value) -> String {
    let calls = body["tools"].is_array();
    named(&text_of(if calls { "reply-tool" } else { "reply-text" }), body)
}

fn text_of(fixture: &str) -> String {
    String::from_utf8(fixtures::reply(fixture).bytes.to_vec()).expect("UTF-8")
}

/// With the model and the tool that were asked for.
fn named(text: &str, body: &Value) -> String {
    let tool = body["tools"][0]["name"].as_str().unwrap_or("none");
    text.replace("claude-opus-5-5", body["model"].as_str().unwrap_or_default())
        .replace("\"Write\"", &format!("\"{tool}\""))
        .replace("\"Bash\"", &format!("\"{tool}\""))
}

const MODELS: &str = r#"{"data":[{"type":"model","id":"claude-opus-5-5","display_name":"Opus","created_at":"2026-01-01T00:00:00Z","max_input_tokens":1000,"max_tokens":100}],"has_more":false,"first_id":"claude-opus-5-5","last_id":"claude-opus-5-5"}"#;

async fn driven(upstream: &Upstream, only: &str) -> Result<Report, Trouble> {
    let mut target = Target::new(&upstream.url()).and_then(|t| t.key("the-key")).expect("a target");
    target.timeout = Duration::from_secs(5);
    let setting = Setting { model: "claude-sonnet-4-6".to_owned() };
    let mut chosen = cases();
    chosen.retain(|case| matches(only, &case.id) && !case.expensive);
    assert!(!chosen.is_empty(), "{only}");
    run(&target, &setting, &chosen, |_| {}).await
}

/// What the good endpoint can be held against.
const HELD: &str = "probe.*,models.*,path.unknown,unary.*,stream.*,tools.forced,count.text,count.grows,error.wrong-key,error.no-key,error.no-max-tokens,error.stream,session.leaves,headers.*";

#[tokio::test]
async fn a_good_endpoint_passes() {
    let upstream = Upstream::start(good);
    let report = driven(&upstream, HELD).await.expect("an answer");
    for told in &report.cases {
        let fine = [Verdict::Ok, Verdict::Inconclusive].contains(&told.verdict);
        // The recorded reply is no answer to every question, and its tool has other arguments.
        assert!(fine, "{}", told.line());
    }
    assert!(report.passed() && report.cases.len() > 40, "{}", report.summary_line());
    // Many cases look at the same exchange, which is asked for once.
    let asked = upstream.requests().len();
    assert_eq!(asked, report.requests);
    assert!(asked < report.cases.len(), "{asked}");
}

#[tokio::test]
async fn every_broken_endpoint_is_found_out() {
    type Break = fn(&Recorded) -> Option<Script>;
    let broken: &[(&str, Verdict, Break)] = &[
        ("probe.head", Verdict::Fail, |r| {
            (r.method == "HEAD").then(|| Script::new().head(500).content_length(0))
        }),
        ("models.list", Verdict::Fail, |r| list(r, r#"{"object":"list","models":[]}"#)),
        ("models.list", Verdict::Warn, |r| {
            (r.path() == "/v1/models").then(|| error(404, "not_found_error"))
        }),
        ("models.quick", Verdict::Fail, |r| {
            (r.path() == "/v1/models")
                .then(|| Script::new().head(302).header("location", "/x").content_length(0))
        }),
        ("models.ids", Verdict::Warn, |r| list(r, &MODELS.replace("claude-opus", "gpt"))),
        ("models.limits", Verdict::Warn, |r| list(r, &MODELS.replace("max_tokens", "limit"))),
        ("path.unknown", Verdict::Fail, |r| {
            r.path().contains("no-such").then(|| Script::json(404, r#"{"detail":"Not Found"}"#))
        }),
        ("unary.shape", Verdict::Fail, |r| {
            unary(r, "\"role\": \"assistant\"", "\"role\": \"model\"")
        }),
        ("unary.model", Verdict::Warn, |r| unary(r, "claude-sonnet-4-6", "gpt-5")),
        ("unary.stop", Verdict::Fail, |r| unary(r, "\"end_turn\"", "null")),
        ("unary.usage", Verdict::Fail, |r| unary(r, "\"usage\"", "\"cost\"")),
        ("stream.type", Verdict::Fail, |r| {
            streams(r).map(|text| Script::full(200, "application/json", text))
        }),
        ("stream.encoding", Verdict::Warn, |r| {
            streams(r).map(|text| Script::sse(text, &[]).header("content-encoding", "br"))
        }),
        ("stream.names", Verdict::Fail, |r| sse(r, "event: content_block_start\n", "")),
        ("stream.start", Verdict::Fail, |r| sse(r, "\"content\": []", "\"content\": null")),
        ("stream.order", Verdict::Fail, |r| {
            sse(
                r,
                "event: message_delta",
                "event: ping\ndata: {\"type\": \"message_stop\"}\n\nevent: message_delta",
            )
        }),
        ("stream.blocks", Verdict::Fail, |r| {
            sse(r, "\"index\": 1, \"content_block\"", "\"index\": 7, \"content_block\"")
        }),
        ("stream.input", Verdict::Fail, |r| {
            sse(r, "\"partial_json\": \"{", "\"partial_json\": \"")
        }),
        ("stream.end", Verdict::Fail, |r| {
            sse(r, "event: message_stop\ndata: {\"type\": \"message_stop\"}\n\n", "")
        }),
        ("stream.foreign", Verdict::Warn, |r| {
            streams(r).map(|text| Script::sse(text + "data: [DONE]\n\n", &[]))
        }),
        ("stream.ping", Verdict::Warn, |r| {
            sse(r, "{\"type\": \"ping\"}", "{\"type\": \"ping\", \"at\": 1}")
        }),
        ("stream.stop-reason", Verdict::Fail, |r| {
            sse(r, "\"stop_reason\": \"tool_use\"", "\"stop_reason\": null")
        }),
        ("stream.usage", Verdict::Fail, |r| {
            sse(r, "\"usage\": {\"output_tokens\"", "\"usage\": {\"completion_tokens\"")
        }),
        ("stream.model", Verdict::Warn, |r| sse(r, "claude-sonnet-4-6", "gpt-5")),
        ("stream.request-id", Verdict::Warn, |r| streams(r).map(|text| Script::sse(text, &[]))),
        ("tools.forced", Verdict::Fail, |r| sse(r, "get_weather", "getWeather")),
        ("tools.name-128", Verdict::Fail, |r| {
            streams(r).map(|text| Script::sse(text.replace("_as_long_as_they_get_", ""), &[]))
        }),
        ("count.text", Verdict::Warn, |r| {
            r.path().ends_with("count_tokens").then(|| error(404, "not_found_error"))
        }),
        ("count.grows", Verdict::Fail, |r| {
            r.path().ends_with("count_tokens").then(|| Script::json(200, r#"{"input_tokens":7}"#))
        }),
        ("error.no-max-tokens", Verdict::Fail, |r| limitless(r).then(|| error(502, "api_error"))),
        ("error.no-max-tokens", Verdict::Warn, |r| {
            limitless(r).then(|| Script::json(200, text_of("reply-text-nonstream")))
        }),
        ("error.wrong-key", Verdict::Warn, |r| {
            wrong_key(r).then(|| error(403, "permission_error"))
        }),
        ("error.stream", Verdict::Fail, |r| {
            limitless(r).then(|| Script::full(400, "text/plain", "no"))
        }),
        ("document.text", Verdict::Fail, |_| None),
        ("stop.sequence", Verdict::Fail, |r| {
            unary(r, "\"text\": \"", "\"text\": \"one two three four five six seven ")
        }),
        ("recorded.first-turn", Verdict::Fail, |r| {
            streams(r).map(|text| Script::event_stream().chunk(text).close())
        }),
    ];
    for (id, verdict, broken) in broken {
        let broken = *broken;
        let upstream = Upstream::start(move |request| {
            if wrong_key(request)
                && request.method == "POST"
                && request.header("x-api-key").is_none()
            {
                return good(request);
            }
            broken(request).unwrap_or_else(|| good(request))
        });
        let report = driven(&upstream, id).await.expect("an answer");
        let told = &report.cases[0];
        assert_eq!(told.verdict, *verdict, "{}", told.line());
        assert_eq!(report.passed(), *verdict != Verdict::Fail);
    }
}

fn list(request: &Recorded, body: &str) -> Option<Script> {
    (request.path() == "/v1/models").then(|| Script::json(200, body.to_owned()))
}

fn limitless(request: &Recorded) -> bool {
    request.path() == "/v1/messages"
        && !String::from_utf8_lossy(&request.body).contains("max_tokens")
}

/// The good unary reply with one thing changed.
fn unary(request: &Recorded, from: &str, to: &str) -> Option<Script> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    let text = named(&text_of("reply-text-nonstream"), &body);
    assert!(text.contains(from), "{from} is not in {text}");
    (body["stream"] != true)
        .then(|| Script::json(200, text.replacen(from, to, 1)).header("request-id", "req_1"))
}

/// The good stream, where one is asked for.
fn streams(request: &Recorded) -> Option<String> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    (body["stream"] == true).then(|| stream(&body))
}

/// The good stream with one thing changed, where it is there.
fn sse(request: &Recorded, from: &str, to: &str) -> Option<Script> {
    let text = streams(request)?;
    text.contains(from)
        .then(|| Script::sse(text.replacen(from, to, 1), &[]).header("request-id", "req_1"))
}

#[tokio::test]
async fn what_holds_for_all_cases_is_said_once() {
    let keyless = Upstream::start(|_| error(401, "authentication_error"));
    let trouble = driven(&keyless, "unary.*").await.expect_err("no use");
    assert!(matches!(trouble, Trouble::Key { .. }), "{trouble}");
    assert!(trouble.to_string().contains("--auth"), "{trouble}");
    assert_eq!(keyless.requests().len(), 1);

    let nowhere = Upstream::start(|_| error(404, "not_found_error"));
    let trouble = driven(&nowhere, "*").await.expect_err("no use");
    assert!(matches!(trouble, Trouble::NotFound { .. }), "{trouble}");

    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let url = format!("http://{}", free.expect("a free port"));
    let target = Target::new(&url).expect("a URL");
    let setting = Setting { model: "m".to_owned() };
    let trouble = run(&target, &setting, &cases(), |_| {}).await.expect_err("no use");
    assert_eq!(trouble.to_string(), format!("{url} does not answer: connection refused"));
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_is_given_up() {
    let upstream =
        Upstream::start(
            |request| {
                if request.method == "GET" { Script::new().hang() } else { good(request) }
            },
        );
    let mut target = Target::new(&upstream.url()).and_then(|t| t.key("the-key")).expect("a target");
    target.timeout = Duration::from_millis(200);
    let setting = Setting { model: "m".to_owned() };
    let mut chosen = cases();
    chosen.retain(|case| ["unary.shape", "models.list"].contains(&&*case.id));
    let report = run(&target, &setting, &chosen, |_| {}).await.expect("an answer");
    let list = report.cases.iter().find(|told| told.id == "models.list").expect("told");
    assert_eq!(list.verdict, Verdict::Fail, "{}", list.line());
    assert!(list.line().contains("no reply within"), "{}", list.line());
}

#[test]
fn names_are_unique_and_every_case_says_what_it_checks() {
    let mut seen = std::collections::BTreeSet::new();
    for case in cases() {
        assert!(seen.insert(case.id.clone()), "{} twice", case.id);
        assert!(!case.rows.is_empty() && case.checks.len() > 10, "{case:?}");
        assert!(
            case.id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)),
            "{case:?}"
        );
    }
    assert!(seen.len() >= 100, "{}", seen.len());
}

/// `docs/conformance.md` lists the cases; with `CONFORM_DOCS=write` in the environment it is written.
#[test]
fn the_documentation_lists_every_case() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let page = std::fs::read_to_string(&path).expect("the page is part of the repository");
    let (before, rest) = page.split_once(BEGIN).expect("a mark where the table begins");
    let (_, after) = rest.split_once(END).expect("a mark where the table ends");
    let page_should = format!("{before}{BEGIN}\n{}{END}{after}", table());
    if std::env::var_os("CONFORM_DOCS").is_some_and(|value| value == "write") {
        std::fs::write(&path, &page_should).expect("written");
    } else {
        assert!(
            page == page_should,
            "docs/conformance.md is stale: CONFORM_DOCS=write cargo test -p gateway-conform"
        );
    }
}

const BEGIN: &str = "<!-- cases -->";
const END: &str = "<!-- end of cases -->";

fn table() -> String {
    let mut table = "| case | checks that | rows |\n|---|---|---|\n".to_owned();
    let mut recorded = 0;
    for case in cases() {
        if case.id.starts_with("recorded.") {
            recorded += 1;
            continue;
        }
        let more = if case.expensive { " (`--expensive`)" } else { "" };
        table += &format!("| `{}` | {}{more} | {} |\n", case.id, case.checks, case.rows.join(", "));
    }
    table
        + &format!(
            "| `recorded.NAME` | {recorded} requests recorded from real clients (`fixtures/claude-code`) are served with legal replies | C1, C4 |\n"
        )
}
