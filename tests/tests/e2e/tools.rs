//! A day's work: answers, tools, subagents, documents, servers of tools.

use serde_json::{Value, json};

use crate::claude::Claude;
use crate::harness::{CLIENT_KEY, Gateway, PROVIDER_KEY, scripts};
use crate::model::{Ask, Reply, anthropic, contains};

/// Every request of the session: path and query kept, headers passed on, credential exchanged.
fn check_heads(upstream: &gateway_testkit::Upstream) {
    let requests: Vec<_> = upstream.requests().into_iter().filter(|r| r.method == "POST").collect();
    assert!(!requests.is_empty(), "nothing reached the upstream");
    for request in requests {
        assert_eq!(request.target, "/v1/messages?beta=true");
        assert_eq!(request.header_all("x-api-key"), [PROVIDER_KEY]);
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
        assert!(request.header("x-claude-code-session-id").is_some());
        let betas = request.header_all("anthropic-beta").join(",");
        assert!(betas.contains("claude-code-20250219"), "{betas}");
        for (name, value) in &request.headers {
            assert!(!value.contains(CLIENT_KEY), "the client's key went upstream in {name}");
        }
    }
}

#[test]
fn c01_c02_c03_c04_c05_c06_r24_r32_r33_r40_plain_answer() {
    let upstream = anthropic(|ask| Reply::text("Four, as ever – „vier“.").to(ask));
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    let run = claude.ask("what is two and two", &[]);
    run.said("Four, as ever – „vier“.");
    assert_eq!(run.result()["usage"]["output_tokens"], 17, "{run:?}");
    check_heads(&upstream);
    assert_eq!(run.result()["usage"]["cache_read_input_tokens"], 7, "{run:?}");
    let ask = Ask::new(&upstream.requests().into_iter().find(|r| r.method == "POST").expect("one"));
    assert!(ask.streams() && ask.last_user_says("what is two and two"));
    assert!(ask.messages().iter().any(|message| message["role"] == "system"), "as it was sent");
    // The client's probe is answered by the gateway itself and is nothing to complain about.
    assert!(upstream.requests().iter().all(|request| request.method == "POST"));
    assert!(
        !gateway.log().contains("ERROR") && !gateway.log().contains("WARN"),
        "{}",
        gateway.log()
    );
}

#[test]
fn c07_c08_r34_r35_the_billing_line_and_the_pairs_of_body_and_beta_go_up_as_they_are() {
    let upstream = anthropic(|ask| Reply::text("ok").to(ask));
    let gateway = Gateway::to(&upstream);
    Claude::at(gateway.url()).ask("hi", &[]).said("ok");
    let request = upstream.requests().into_iter().find(|r| r.method == "POST").expect("one");
    let ask = Ask::new(&request);
    let first = ask.body["system"][0]["text"].as_str().expect("a system block");
    assert!(first.starts_with("x-anthropic-billing-header: cc_version="), "{first}");
    let betas = request.header_all("anthropic-beta").join(",");
    assert!(ask.body["context_management"].is_object() && betas.contains("context-management-"));
    assert!(ask.body["output_config"].is_object() && betas.contains("effort-"));
    // As the client wrote it, not as a library would: its key order is not alphabetical.
    let body = String::from_utf8_lossy(&request.body);
    let place = |key: &str| body.find(key).unwrap_or_else(|| panic!("{key} is gone"));
    assert!(body.starts_with("{\"model\":"), "{}", &body[..60]);
    assert!(place("\"messages\":") < place("\"system\":"));
    assert!(place("\"metadata\":") < place("\"max_tokens\":"));
}

#[test]
fn r01_r02_a_file_is_written_and_a_command_run() {
    let content = "line one\n\t\"quoted\" \\ back\\nslash – ünïcödé 🦀\n";
    let upstream = anthropic(move |ask| {
        let dir = working_dir(ask);
        if ask.result("toolu_run").is_some() {
            Reply::text("written and counted").to(ask)
        } else if ask.result("toolu_write").is_some() {
            let command = "wc -c < note.txt > size.txt && echo counted";
            let input = json!({"command": command, "description": "count"});
            Reply::text("Now I count.").and_tool("toolu_run", "Bash", &input).to(ask)
        } else {
            let input = json!({"file_path": format!("{dir}/note.txt"), "content": content});
            Reply::text("I write.").and_tool("toolu_write", "Write", &input).to(ask)
        }
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    claude.ask("write the note", &[]).said("written and counted");
    assert_eq!(claude.file("note.txt").as_deref(), Some(content));
    let size = claude.file("size.txt").expect("the command ran");
    assert_eq!(size.trim(), content.len().to_string());
    check_heads(&upstream);
}

#[test]
fn r03_r12_three_tools_at_once() {
    let upstream = anthropic(|ask| {
        let calls = ["toolu_a", "toolu_b", "toolu_c"];
        let results: Vec<_> = calls.iter().filter_map(|id| ask.result(id)).collect();
        if results.is_empty() {
            let run = |n: &str| json!({"command": format!("echo {n} > {n}.txt && echo made-{n}")});
            return calls
                .iter()
                .zip(["a", "b", "c"])
                .fold(Reply::text("All at once."), |reply, (id, n)| {
                    reply.and_tool(id, "Bash", &run(n))
                })
                .to(ask);
        }
        let good = results.len() == 3
            && results.iter().zip(["a", "b", "c"]).all(|(r, n)| contains(r, &format!("made-{n}")));
        Reply::text(if good { "all three" } else { "something is missing" }).to(ask)
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    claude.ask("do three things", &[]).said("all three");
    for n in ["a", "b", "c"] {
        assert_eq!(claude.file(&format!("{n}.txt")).as_deref(), Some(format!("{n}\n").as_str()));
    }
}

#[test]
fn c06_a_subagent_works_and_reports_back() {
    let upstream = anthropic(|ask| {
        if ask.recorded.header("x-claude-code-agent-id").is_some() {
            return if ask.result("toolu_sub").is_some() {
                Reply::text("SUB-REPORT: done").to(ask)
            } else {
                let input = json!({"command": "echo sub > sub.txt", "description": "sub"});
                Reply::tool("toolu_sub", "Bash", &input).to(ask)
            };
        }
        match ask.result("toolu_agent") {
            Some(result) if contains(result, "SUB-REPORT: done") => {
                Reply::text("the agent reported").to(ask)
            }
            Some(result) => Reply::text(&format!("unexpected: {result}")).to(ask),
            None if ask.mentions("SUB-REPORT: done") => Reply::text("the agent reported").to(ask),
            None => {
                let input = json!({
                    "description": "small work", "prompt": "make sub.txt",
                    "subagent_type": "general-purpose", "run_in_background": false
                });
                Reply::tool("toolu_agent", "Agent", &input).to(ask)
            }
        }
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    claude.ask("delegate it", &[]).said("the agent reported");
    assert_eq!(claude.file("sub.txt").as_deref(), Some("sub\n"));
    let ids = upstream.requests();
    assert!(ids.iter().any(|r| r.header("x-claude-code-agent-id").is_some()));
    assert!(ids.iter().any(|r| r.method == "POST" && r.header("x-claude-code-agent-id").is_none()));
}

#[test]
fn r13_r15_thinking_then_a_tool_then_the_next_turn_keeps_the_signature() {
    const SIGNATURE: &str = "EqQBCkYIBRgCKkBz+/Zq0aFh3mP9x/dKc7Jw==";
    const THOUGHT: &str = "First \"I\" look – then \\ I act.";
    let upstream = anthropic(|ask| {
        if ask.last_user_says("second question") {
            Reply::text("second answer").to(ask)
        } else if ask.result("toolu_think").is_some() {
            Reply::text("first answer").to(ask)
        } else {
            let input = json!({"command": "echo thought", "description": "x"});
            Reply::thinking(THOUGHT, SIGNATURE).and_tool("toolu_think", "Bash", &input).to(ask)
        }
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    claude.ask("first question", &[]).said("first answer");
    claude.ask("second question", &["--continue"]).said("second answer");
    let posts: Vec<_> = upstream.requests().into_iter().filter(|r| r.method == "POST").collect();
    let block =
        format!(r#"{{"type":"thinking","thinking":{},"signature":"{SIGNATURE}"}}"#, json!(THOUGHT));
    let with_block = posts.iter().filter(|r| String::from_utf8_lossy(&r.body).contains(&block));
    assert!(with_block.count() >= 2, "in the turn after the tool and in the next one");
}

#[test]
fn r27_r28_an_image_and_a_document_come_back_in_tool_results() {
    let upstream = anthropic(|ask| {
        let dir = working_dir(ask);
        let read = |name: &str| json!({"file_path": format!("{dir}/{name}")});
        if ask.result("toolu_pdf").is_some() {
            let image =
                ask.result("toolu_image").is_some_and(|r| r["content"][0]["type"] == "image");
            let pdf = ask
                .blocks("document")
                .iter()
                .any(|b| b["source"]["media_type"] == "application/pdf")
                || ask
                    .result("toolu_pdf")
                    .is_some_and(|r| r.to_string().contains("application/pdf"));
            Reply::text(&format!("image {image}, document {pdf}")).to(ask)
        } else if ask.result("toolu_image").is_some() {
            Reply::tool("toolu_pdf", "Read", &read("page.pdf")).to(ask)
        } else {
            Reply::tool("toolu_image", "Read", &read("dot.png")).to(ask)
        }
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    std::fs::write(claude.dir().join("dot.png"), png()).expect("writable");
    std::fs::write(claude.dir().join("page.pdf"), pdf()).expect("writable");
    claude.ask("look at both", &[]).said("image true, document true");
}

#[test]
fn r25_a_deferred_tool_is_found_by_search_and_used() {
    let upstream = anthropic(|ask| {
        if let Some(result) = ask.result("toolu_add") {
            let sum = contains(result, "sum is 42");
            return Reply::text(if sum { "forty-two" } else { "no sum" }).to(ask);
        }
        if ask.result("toolu_search").is_some() {
            let tool = ask.tool("mcp__demo__add");
            let loaded = tool.is_some_and(|tool| tool["defer_loading"] == true)
                && ask
                    .body
                    .to_string()
                    .contains(r#"{"tool_name":"mcp__demo__add","type":"tool_reference"}"#);
            return if loaded {
                Reply::tool("toolu_add", "mcp__demo__add", &json!({"a": 40, "b": 2})).to(ask)
            } else {
                Reply::text("the tool was not loaded").to(ask)
            };
        }
        assert_eq!(ask.tool("mcp__demo__add"), None, "deferred until it is searched for");
        let query = json!({"query": "select:mcp__demo__add", "max_results": 1});
        Reply::tool("toolu_search", "ToolSearch", &query).to(ask)
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    claude.ask("add 40 and 2", &["--mcp-config", &mcp_config()]).said("forty-two");
}

#[test]
fn r11_an_mcp_tool_runs() {
    let upstream = anthropic(|ask| match ask.result("toolu_add") {
        Some(result) if contains(result, "sum is 5") => Reply::text("five").to(ask),
        Some(result) => Reply::text(&format!("unexpected: {result}")).to(ask),
        None => Reply::tool("toolu_add", "mcp__demo__add", &json!({"a": 2, "b": 3})).to(ask),
    });
    let gateway = Gateway::to(&upstream);
    let mut claude = Claude::at(gateway.url());
    claude.set("ENABLE_TOOL_SEARCH", "0");
    claude.ask("add 2 and 3", &["--mcp-config", &mcp_config()]).said("five");
    let posts = upstream.requests().into_iter().filter(|r| r.method == "POST");
    assert!(posts.into_iter().all(|r| Ask::new(&r).tool("mcp__demo__add").is_some()));
}

#[test]
fn c08_an_answer_in_the_shape_of_a_schema() {
    let upstream = anthropic(|ask| {
        if ask.result("toolu_out").is_some() {
            Reply::text("done").to(ask)
        } else if ask.tool("StructuredOutput").is_some() {
            let input = json!({"city": "Köln", "people": 1_084_831});
            Reply::tool("toolu_out", "StructuredOutput", &input).to(ask)
        } else {
            Reply::text("there is no StructuredOutput").to(ask)
        }
    });
    let gateway = Gateway::to(&upstream);
    let claude = Claude::at(gateway.url());
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["city", "people"],
        "properties": {"city": {"type": "string"}, "people": {"type": "integer"}}
    });
    let run = claude.ask("which city", &["--json-schema", &schema.to_string()]);
    let output = &run.result()["structured_output"];
    assert_eq!(*output, json!({"city": "Köln", "people": 1_084_831}), "{run:?}");
}

/// The client's working directory as it tells the model.
fn working_dir(ask: &Ask) -> String {
    directory_in(&ask.body)
}

/// The same for a request in any dialect.
pub(crate) fn directory_in(body: &Value) -> String {
    let text = body.to_string();
    let mark = "orking directory: ";
    let at = text.find(mark).expect("the client says where it is") + mark.len();
    let end = text[at..].find(['\\', '"']).expect("the line ends");
    text[at..at + end].to_owned()
}

pub(crate) fn mcp_config() -> String {
    let server = scripts().join("mcp-server.mjs");
    json!({"mcpServers": {"demo": {"command": "node", "args": [server]}}}).to_string()
}

/// One red dot.
pub(crate) fn png() -> Vec<u8> {
    vec![
        0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0,
        0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 0x0c, b'I', b'D',
        b'A', b'T', 0x08, 0xd7, 0x63, 0xf8, 0xcf, 0xc0, 0, 0, 3, 1, 1, 0, 0x18, 0xdd, 0x8d, 0xb0,
        0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
    ]
}

/// One page that says `Seite 1`.
pub(crate) fn pdf() -> Vec<u8> {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        "<</Length 38>>stream\nBT /F1 18 Tf 20 100 Td (Seite 1) Tj ET\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ];
    let mut text = String::from("%PDF-1.4\n");
    let mut places = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        places.push(format!("{:010} 00000 n \n", text.len()));
        text.extend([&format!("{} 0 obj", n + 1), *object, "endobj\n"]);
    }
    let start = text.len();
    text.extend(["xref\n0 6\n0000000000 65535 f \n", &places.concat()]);
    text.extend(["trailer<</Size 6/Root 1 0 R>>\nstartxref\n", &start.to_string(), "\n%%EOF\n"]);
    text.into_bytes()
}
