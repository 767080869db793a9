//! Tools beyond the everyday ones: pictures, hidden tools, servers of tools, subagents, the web.

use gateway_testkit::openai::{Rules, Seen, Turn};
use serde_json::{Value, json};

use super::{CHAT, RESPONSES, Setup, both, heard};
use crate::tools::{directory_in, mcp_config, pdf, png};

const LONG: &str =
    "mcp__demo__look_up_the_opening_hours_of_every_public_library_within_the_district";

/// How often a part of this type stands in the conversation.
fn parts(seen: &Seen, kind: &str) -> usize {
    fn count(value: &Value, kind: &str) -> usize {
        match value {
            Value::Array(items) => items.iter().map(|item| count(item, kind)).sum(),
            Value::Object(fields) => {
                let own = usize::from(fields.get("type").is_some_and(|found| found == kind));
                own + fields.values().map(|field| count(field, kind)).sum::<usize>()
            }
            _ => 0,
        }
    }
    seen.turns().iter().map(|turn| count(turn, kind)).sum()
}

/// The client reads a picture and a document; both arrive where the dialect can have them.
#[test]
fn r27_r28_an_image_and_a_document_come_back_in_tool_results() {
    both(|dialect| {
        let (image, file) =
            if dialect == CHAT { ("image_url", "file") } else { ("input_image", "input_file") };
        // Few compatible servers take PDF files; this one does.
        let rules = Rules::openai(dialect.model);
        let setup = Setup::with(dialect, rules, "compat: {pdf: true}", move |seen| {
            let dir = directory_in(&seen.body);
            let read = |name: &str| json!({"file_path": format!("{dir}/{name}")});
            match seen.results().len() {
                0 => Turn::call("Read", &read("dot.png")),
                1 => Turn::call("Read", &read("page.pdf")),
                _ => {
                    let (images, files) = (parts(seen, image), parts(seen, file));
                    Turn::text(format!("images {images}, documents {files}"))
                }
            }
        });
        let claude = setup.claude();
        std::fs::write(claude.dir().join("dot.png"), png()).expect("writable");
        std::fs::write(claude.dir().join("page.pdf"), pdf()).expect("writable");
        let run = claude.ask("look at both", &[]);
        run.said("images 1, documents 1");
        setup.check(&run);
    });
}

/// What the client only names is hidden from the model until its search has found it. The tool's name, too
/// long for OpenAI, is another one upstream and its own again in the client.
#[test]
fn r11_r25_a_deferred_tool_with_a_long_name_is_found_by_search_and_used() {
    both(|dialect| {
        let setup = Setup::new(dialect, |seen| match seen.results().len() {
            0 => {
                let query = json!({"query": format!("select:{LONG}"), "max_results": 1});
                Turn::call("ToolSearch", &query)
            }
            1 => match hours(seen) {
                Some(name) => Turn::call(&name, &json!({"district": "Köln-Ehrenfeld"})),
                None => Turn::text(format!("the tool was not loaded: {:?}", seen.tools())),
            },
            _ => Turn::text(heard(seen)),
        });
        let run = setup.claude().ask("opening hours", &["--mcp-config", &mcp_config()]);
        run.said("open in Köln-Ehrenfeld");
        setup.check(&run);
        let turns = setup.server.turns();
        assert_eq!(hours(&turns[0]), None, "deferred until it is searched for");
        assert!(!turns[0].has_tool("mcp__demo__add"));
        let last = &turns[turns.len() - 1];
        assert!(hours(last).is_some_and(|name| name.len() <= 64 && name != LONG), "{run:?}");
        assert!(!last.has_tool("mcp__demo__add"), "nobody searched for it");
    });
}

/// What the tool with the long name is called upstream.
fn hours(seen: &Seen) -> Option<String> {
    let tools = seen.tools();
    let name = tools.iter().find(|name| name.starts_with("mcp__demo__look_up"));
    name.map(|&name| name.to_owned())
}

#[test]
fn c06_a_subagent_works_and_reports_back() {
    both(|dialect| {
        let setup = Setup::new(dialect, |seen| {
            let to_agent = seen.turns().iter().any(|turn| {
                turn["role"] == "user" && turn["content"].to_string().contains("make sub.txt")
            });
            match (to_agent, seen.results().len()) {
                (true, 0) => Turn::call(
                    "Bash",
                    &json!({"command": "echo sub > sub.txt", "description": "sub"}),
                ),
                (true, _) => Turn::reasoning(&["Report."]).and_text("SUB-REPORT: done"),
                (false, 0) => Turn::reasoning(&["Delegate."]).and_call(
                    "Agent",
                    &json!({
                        "description": "small work", "prompt": "make sub.txt",
                        "subagent_type": "general-purpose", "run_in_background": false
                    }),
                ),
                (false, _) if heard(seen).contains("SUB-REPORT: done") => {
                    Turn::text("the agent reported")
                }
                (false, _) => Turn::text(format!("unexpected: {}", heard(seen))),
            }
        });
        let claude = setup.claude();
        let run = claude.ask("delegate it", &[]);
        run.said("the agent reported");
        setup.check(&run);
        assert_eq!(claude.file("sub.txt").as_deref(), Some("sub\n"));
    });
}

/// Responses searches by itself; the client's tool gets text and sources. Chat Completions cannot, and
/// says so: the client shows the model that, and goes on.
#[test]
fn r39_the_clients_web_search_is_openais_own_or_a_clear_no() {
    both(|dialect| {
        let setup = Setup::new(dialect, |seen| {
            let tools = seen.body["tools"].to_string();
            if tools.contains("\"web_search\"") && !seen.has_tool("WebSearch") {
                return Turn::default()
                    .and_search("rust gateways", &["https://example.test/a"])
                    .and_cited_text("FOUND-ON-THE-WEB", "https://example.test/a", "A page");
            }
            match seen.results().len() {
                0 => Turn::call("WebSearch", &json!({"query": "rust gateways"})),
                _ => Turn::text(heard(seen)),
            }
        });
        let run = setup.claude().ask("search the web", &[]);
        setup.check(&run);
        assert_eq!(run.code, Some(0), "{run:?}");
        let said = run.result()["result"].as_str().unwrap_or_default();
        if dialect == RESPONSES {
            assert!(said.contains("FOUND-ON-THE-WEB"), "{run:?}");
            assert!(said.contains("https://example.test/a"), "{run:?}");
        } else {
            assert!(said.contains("web search"), "{run:?}");
            assert_eq!(setup.server.turns().len(), 2, "nothing is asked that cannot be: {run:?}");
        }
    });
}

#[test]
fn c08_an_answer_in_the_shape_of_a_schema() {
    both(|dialect| {
        let output = json!({"city": "Köln", "people": 1_084_831});
        let said = output.clone();
        let setup = Setup::new(dialect, move |seen| {
            if seen.results().is_empty() && seen.has_tool("StructuredOutput") {
                return Turn::call("StructuredOutput", &said);
            }
            Turn::text("done")
        });
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["city", "people"],
            "properties": {"city": {"type": "string"}, "people": {"type": "integer"}}
        });
        let run = setup.claude().ask("which city", &["--json-schema", &schema.to_string()]);
        assert_eq!(run.result()["structured_output"], output, "{run:?}");
        setup.check(&run);
    });
}
