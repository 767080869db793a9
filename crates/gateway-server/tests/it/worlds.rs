//! Worlds of upstreams that answer, limit, break and hang as chance has it, on real sockets: whatever they do,
//! every caller gets one reply, and the books are right.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use gateway_testkit::{Body, BodyEnd, RawClient, Recorded, ReplyHead, Script, Upstream, request};
use serde_json::{Value, json};

use crate::legs::{
    answer, broken, error, events, limited, message, overloaded, records, streams, until,
};
use crate::support::{Running, custom};

const CALLERS: u64 = 20;
const RETRIES: usize = 2;

/// What else is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    Plain,
    /// Every stream gets its 200 before its upstream has spoken.
    Committed,
    /// Whole replies are asked for twice.
    Hedged,
    /// `b` speaks Chat Completions.
    Translated,
}

const WORLD: &str = "
  - {pattern: \"ab-*\", provider: a, fallbacks: [b/other]}
  - {pattern: \"ba-*\", provider: b, fallbacks: [a]}
  - {pattern: \"a-*\", provider: a, fallbacks: []}
  - {pattern: \"rr-*\", provider: a, fallbacks: [b], strategy: round_robin}
  - {pattern: \"w-*\", provider: a, weight: 2}
  - {pattern: \"w-*\", provider: b}
  - {pattern: \"own-*\", provider: own}
resilience:
  retry: {max_retries: 2, base_delay: 0.002, max_delay: 0.05}
  circuit_breaker: {failure_threshold: 5, open_seconds: 0.05, success_threshold: 1}
";

impl World {
    fn requests(self) -> u64 {
        if self == Self::Plain { 2000 } else { 800 }
    }
}

/// The rules, with the keys of the upstreams in their chains.
const RULES: [(&str, &[usize]); 6] =
    [("ab", &[1, 2]), ("ba", &[2, 1]), ("a", &[1]), ("rr", &[1, 2]), ("w", &[1, 2]), ("own", &[1])];

/// One number out of another, as if by chance (`splitmix64`).
fn dice(of: u64) -> u64 {
    let mut x = of.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x2545_f491_4f6c_dd1d);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Answer,
    Limit,
    LimitFor(u64),
    Fail,
    Overload,
    ResetBeforeHead,
    /// For a stream after its first block.
    ResetInTheMiddle,
    Garbage,
    ErrorFirst,
    Hang,
}

impl Does {
    fn drawn(luck: u64) -> Self {
        match luck % 100 {
            0..45 => Self::Answer,
            45..52 => Self::Limit,
            52..58 => Self::LimitFor(0),
            58..60 => Self::LimitFor(1 + luck / 100 % 2),
            60..69 => Self::Fail,
            69..76 => Self::Overload,
            76..83 => Self::ResetBeforeHead,
            83..89 => Self::ResetInTheMiddle,
            89..93 => Self::Garbage,
            93..98 => Self::ErrorFirst,
            _ => Self::Hang,
        }
    }

    fn script(self, asked: &Recorded, stamp: &str) -> Script {
        let model = asked.json()["model"].as_str().unwrap_or_default().to_owned();
        match self {
            Self::Answer => answer(asked, stamp),
            Self::Limit => error(429, "rate_limit_error", "too fast"),
            Self::LimitFor(seconds) => limited(&seconds.to_string()),
            Self::Fail => broken(),
            Self::Overload => overloaded(),
            Self::ResetBeforeHead => Script::new().reset(),
            Self::ResetInTheMiddle if streams(asked) => {
                Script::event_stream().chunk(events(&model, stamp)[..3].concat()).reset()
            }
            Self::ResetInTheMiddle => {
                let whole = message(&model, stamp);
                let head = Script::new().head(200).header("content-type", "application/json");
                head.content_length(whole.len() as u64).bytes(whole[..40].to_owned()).reset()
            }
            Self::Garbage => Script::full(200, "text/html", "<html>Sign in</html>"),
            Self::ErrorFirst => {
                let error = json!({"type": "error",
                    "error": {"type": "overloaded_error", "message": "Overloaded"}});
                if streams(asked) {
                    Script::sse(format!("event: error\ndata: {error}\n\n"), &[])
                } else {
                    Script::json(200, error.to_string())
                }
            }
            Self::Hang => Script::new().hang(),
        }
    }
}

/// What one upstream did in answer to one attempt.
#[derive(Debug, Clone)]
struct Deed {
    upstream: &'static str,
    does: Does,
    stamp: String,
}

/// All attempts by the request's number, in the order in which they came.
type Deeds = Arc<Mutex<HashMap<u64, Vec<Deed>>>>;

/// The number that the request was sent with, in whatever dialect it comes.
fn id_of(asked: &Recorded) -> u64 {
    let body = String::from_utf8_lossy(&asked.body);
    let (_, number) = body.split_once("world:").expect("the request's number");
    number.split('.').next().and_then(|id| id.parse().ok()).expect("a number")
}

/// A reply in Chat Completions: whole, or a stream that may be cut in the middle.
fn chat(asked: &Recorded, does: Does, stamp: &str) -> Option<Script> {
    let text = json!({"role": "assistant", "content": format!("stamp:{stamp}.")});
    let choice = |key: &str, said: Value, end: Value| {
        let choice = json!({"index": 0, key: said, "finish_reason": end});
        json!({"id": "c", "choices": [choice]})
    };
    let whole = choice("message", text.clone(), "stop".into()).to_string();
    let begun =
        Script::event_stream().chunk(format!("data: {}\n\n", choice("delta", text, Value::Null)));
    let end = choice("delta", json!({}), "stop".into());
    match does {
        Does::Answer if streams(asked) => {
            Some(begun.chunk(format!("data: {end}\n\ndata: [DONE]\n\n")).last_chunk())
        }
        Does::Answer => Some(Script::json(200, whole)),
        Does::ResetInTheMiddle if streams(asked) => Some(begun.reset()),
        Does::ErrorFirst => {
            let error = json!({"error": {"message": "Overloaded", "type": "server_error"}});
            Some(if streams(asked) {
                Script::sse(format!("data: {error}\n\n"), &[])
            } else {
                Script::json(200, error.to_string())
            })
        }
        _ => None,
    }
}

fn upstream(seed: u64, name: &'static str, world: World, deeds: &Deeds) -> Upstream {
    let deeds = deeds.clone();
    Upstream::start(move |asked| {
        let id = id_of(asked);
        let mut deeds = deeds.lock().expect("unpoisoned");
        let done = deeds.entry(id).or_default();
        let place = name.bytes().fold(done.len() as u64, |sum, byte| sum * 31 + u64::from(byte));
        let luck = dice(dice(seed ^ id) ^ place);
        // Where the second of two is to come first, many of the first hang.
        let hangs = world == World::Hedged && !streams(asked) && (luck / 1000).is_multiple_of(4);
        let does = if hangs { Does::Hang } else { Does::drawn(luck) };
        let stamp = format!("{name}-{id}-{}", done.len());
        let is_chat = name == "b" && world == World::Translated;
        let chat = is_chat.then(|| chat(asked, does, &stamp)).flatten();
        let script = chat.unwrap_or_else(|| does.script(asked, &stamp));
        done.push(Deed { upstream: name, does, stamp });
        script
    })
}

/// What a caller sent and got.
#[derive(Debug)]
struct Seen {
    id: u64,
    rule: usize,
    stream: bool,
    head: ReplyHead,
    body: Body,
}

/// One caller's share of the requests, one after the other on connections that are used again: a second reply to
/// anything would be taken for the next one's.
async fn caller(running: Arc<Running>, world: World, seed: u64, nth: u64) -> Vec<Seen> {
    let mut client: Option<RawClient> = None;
    let mut all = Vec::new();
    for id in (0..world.requests()).filter(|id| id % CALLERS == nth) {
        let luck = dice(seed.wrapping_add(id));
        let rule = usize::try_from(luck % RULES.len() as u64).expect("small");
        let stream = luck & (1 << 20) != 0;
        let model = format!("{}-{}", RULES[rule].0, (luck >> 24) % 25);
        let said = json!([{"role": "user", "content": format!("world:{id}.")}]);
        let body = json!({"model": model, "max_tokens": 9, "messages": said, "stream": stream});
        let session = format!("s{}", (luck >> 32) % 40);
        let mut headers = Vec::new();
        if luck & (1 << 21) != 0 {
            headers.push(("x-claude-code-session-id", &*session));
        }
        let mut connection = match client.take() {
            Some(client) => client,
            None => running.client().await,
        };
        let body = body.to_string();
        connection.send(&request("POST", "/v1/messages", &headers, body.as_bytes())).await;
        let (head, body) = connection.reply().await;
        if body.end == BodyEnd::Clean {
            client = Some(connection);
        }
        all.push(Seen { id, rule, stream, head, body });
    }
    all
}

/// What must be true of one request, whatever its upstreams did.
fn check(world: World, seen: &Seen, deeds: &[Deed], record: &Value) {
    let what = || {
        let text = String::from_utf8_lossy(&seen.body.bytes);
        format!("{seen:?}\n{text}\n{deeds:?}\n{record}")
    };
    let (rule, keys) = RULES[seen.rule];
    let text = String::from_utf8_lossy(&seen.body.bytes);
    let stamps: Vec<_> =
        deeds.iter().filter(|deed| text.contains(&format!("stamp:{}.", deed.stamp))).collect();
    // Of two that are asked at once the other one's deed may come later.
    let twice = world == World::Hedged && !seen.stream;
    let early = world == World::Committed && seen.stream;
    let loose = twice || hung(record);
    let after_last =
        |deed: &Deed| twice || deeds.last().is_some_and(|last| last.stamp == deed.stamp);
    match (seen.head.status, seen.body.end) {
        (200, BodyEnd::Clean) if early && text.contains("event: error") => {
            assert_eq!((stamps.len(), &record["outcome"]), (0, &json!("broken")), "{}", what());
            assert_eq!(text.matches("event: error").count(), 1, "{}", what());
            let no_answer = deeds.iter().all(|deed| deed.does != Does::Answer);
            assert!(no_answer || hung(record), "{}", what());
        }
        // What is translated ends in good form, but not as if it were whole.
        (200, BodyEnd::Clean) if world == World::Translated && text.contains("event: error") => {
            let [cut] = &stamps[..] else { panic!("{}", what()) };
            assert!(cut.upstream == "b" && cut.does == Does::ResetInTheMiddle, "{}", what());
            assert!(after_last(cut) && !text.contains("message_stop"), "{}", what());
            assert_eq!(record["outcome"], "broken", "{}", what());
        }
        (200, BodyEnd::Clean) => {
            assert_eq!((stamps.len(), text.matches("stamp:").count()), (1, 1), "{}", what());
            assert!(stamps[0].does == Does::Answer && after_last(stamps[0]), "{}", what());
            let served = seen.head.header("x-gateway-provider");
            assert!(early || served == Some(stamps[0].upstream), "{}", what());
            assert_eq!(record["provider"], stamps[0].upstream, "{}", what());
            assert_eq!(record["outcome"], "ok", "{}", what());
        }
        (200, _) => {
            assert!(
                seen.stream && stamps.len() == 1 && text.matches("stamp:").count() == 1,
                "{}",
                what()
            );
            assert!(
                stamps[0].does == Does::ResetInTheMiddle && after_last(stamps[0]),
                "{}",
                what()
            );
            assert_eq!(record["outcome"], "broken", "{}", what());
        }
        (_, end) => {
            let told: Value = serde_json::from_slice(&seen.body.bytes).unwrap_or_default();
            assert!(told["type"] == "error" && end == BodyEnd::Clean, "{}", what());
            assert_eq!((stamps.len(), &record["outcome"]), (0, &json!("failed")), "{}", what());
            // No answer was thrown away, unless it came too late.
            let late = |deed: &Deed| after_last(deed) && seen.head.status == 504;
            assert!(
                deeds.iter().all(|deed| deed.does != Does::Answer || late(deed)) || loose,
                "{}",
                what()
            );
        }
    }
    // Nothing after an answer, nor after the first block.
    for deed in deeds {
        let begun =
            deed.does == Does::Answer || (seen.stream && deed.does == Does::ResetInTheMiddle);
        assert!(!begun || after_last(deed) || loose, "{}", what());
    }
    let most: usize = keys.iter().map(|keys| keys * (1 + RETRIES)).sum();
    assert!(deeds.len() <= most, "{}", what());
    assert!(deeds.iter().all(|deed| (deed.upstream == "own") == (rule == "own")), "{}", what());
    assert_eq!(record["status"], seen.head.status, "{}", what());
    let attempts = record["attempts"].as_u64().expect("a number");
    let told = (attempts > 0).then(|| attempts.to_string());
    let header = seen.head.header("x-gateway-attempts");
    assert!(early || header == told.as_deref(), "{}", what());
    let chain = record["chain"].as_array().expect("a chain");
    let asked = chain.iter().filter(|link| link["result"] != "skipped").count();
    assert_eq!(asked as u64, attempts, "{}", what());
    if loose {
        // One may have been given up before it was written.
        assert!(deeds.len() as u64 <= attempts, "{}", what());
    } else {
        assert_eq!(deeds.len() as u64, attempts, "{}", what());
        let order = chain.iter().filter(|link| link["result"] != "skipped");
        assert!(
            order.zip(deeds).all(|(link, deed)| link["provider"] == deed.upstream),
            "{}",
            what()
        );
    }
}

/// Whether somebody was given up because of the time it took.
fn hung(record: &Value) -> bool {
    record["chain"].as_array().is_some_and(|chain| chain.iter().any(|link| link["status"] == 504))
}

async fn world(seed: u64, world: World) {
    let deeds = Deeds::default();
    let [a, b, own] = ["a", "b", "own"].map(|name| upstream(seed, name, world, &deeds));
    let timeouts = "timeouts: {first_byte: 0.4, unary: 0.4, idle: 5}";
    let one = |name: &str, up: &Upstream, more: &str| {
        format!("  {name}: {{kind: anthropic, api_base: \"{}\", {timeouts}, {more}}}\n", up.url())
    };
    let yaml = format!(
        "providers:\n{}{}{}routes:{WORLD}",
        one("a", &a, "api_key_env_var: ANTHROPIC_API_KEY"),
        one("b", &b, "api_keys: [{env: ONE, weight: 2}, TWO]"),
        one("own", &own, "api_key_env_var: ANTHROPIC_API_KEY, private: true"),
    );
    let yaml = match world {
        World::Plain | World::Translated => yaml,
        World::Committed => format!("{yaml}  commit_after: 0\n  keepalive_ping: 0.005\n"),
        World::Hedged => format!("{yaml}  hedge_after: 0.003\n"),
    };
    let chat = ["  b: {kind: anthropic", "  b: {kind: openai, extra: {api: chat}"];
    let yaml = if world == World::Translated { yaml.replace(chat[0], chat[1]) } else { yaml };
    let env = [("ONE", "sk-key-one-0123456789"), ("TWO", "sk-key-two-0123456789")];
    let running = Arc::new(custom(&yaml, &env, |_| {}));
    let callers: Vec<_> =
        (0..CALLERS).map(|nth| tokio::spawn(caller(running.clone(), world, seed, nth))).collect();
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.expect("it ran"));
    }
    assert_eq!(all.len() as u64, world.requests());

    // The one is this question itself.
    until(&running, |said| said["requests"]["in_flight"] == 1).await;
    let said = running.status().await;
    for (_, provider) in said["providers"].as_object().expect("providers") {
        for (model, stands) in provider["models"].as_object().expect("models") {
            let word = stands["breaker"].as_str().unwrap_or_default();
            assert!(["closed", "open", "half-open"].contains(&word), "{model}: {stands}");
            assert_eq!(stands["in_flight"], 0, "{model}: {stands}");
        }
    }
    let running = Arc::into_inner(running).expect("nobody else has it");
    let log = running.stop();
    let mut of_id: HashMap<String, Value> = HashMap::new();
    for record in records(&log) {
        let id = record["id"].as_str().expect("an id").to_owned();
        assert!(of_id.insert(id, record).is_none(), "one record for each request");
    }
    assert_eq!(of_id.len() as u64, world.requests());
    let deeds = deeds.lock().expect("unpoisoned");
    for seen in &all {
        let id = seen.head.header("x-gateway-request-id").expect("an id");
        let done = deeds.get(&seen.id).map(Vec::as_slice).unwrap_or_default();
        check(world, seen, done, &of_id[id]);
    }
    // It is a world in which something happens.
    let twice = of_id.values().filter(|record| record["chain"].to_string().contains("left"));
    assert!(world != World::Hedged || twice.count() > 20);
    let count = |does: fn(&Seen) -> bool| all.iter().filter(|seen| does(seen)).count();
    let whole = count(|seen| seen.head.status == 200 && seen.body.end == BodyEnd::Clean);
    let cut = count(|seen| seen.body.end != BodyEnd::Clean);
    let failed = count(|seen| seen.head.status != 200);
    let n = all.len();
    assert!(whole > n / 3 && cut > n / 200 && failed > n / 40, "{whole} {cut} {failed} of {n}");
}

#[tokio::test]
async fn in_any_world_there_is_one_reply_and_one_record_and_nothing_after_an_answer() {
    world(0x05ee_d5ee, World::Plain).await;
}

#[tokio::test]
async fn in_any_world_a_stream_that_was_committed_at_once_is_one_stream_or_an_error_event() {
    world(0xc0_3317, World::Committed).await;
}

#[tokio::test]
async fn in_any_world_of_two_answers_to_a_hedged_request_one_counts() {
    world(0x4ed6_e000, World::Hedged).await;
}

#[tokio::test]
async fn in_any_world_a_translated_reply_is_whole_or_says_that_it_is_not() {
    world(0x7a11_51a7, World::Translated).await;
}
