//! Names of tools that are long, odd or alike (R11), in every place that has one.

use std::collections::HashSet;

use gateway_translate::BodyEnd;
use serde_json::{Value, json};

use crate::dialects::{Dialect, Speaks, all};
use crate::heard::hear;
use crate::said::Said;

/// Names that differ behind the place where others cut them, too.
fn names(dialect: &Dialect) -> Vec<String> {
    let long = |length: usize, end: &str| {
        let start = "mcp__a_server_with_a_long_name__and_a_tool_with_a_longer_one_";
        let mut name = start.repeat(3);
        name.truncate(length - end.len());
        name + end
    };
    let mut names = vec![
        "Bash".to_owned(),
        long(64, ""),
        long(65, ""),
        long(100, "a"),
        long(100, "b"),
        long(128, "a"),
        long(128, "b"),
        "0digits-first".to_owned(),
        "-dash-first".to_owned(),
        "Bash_".to_owned(),
    ];
    if !dialect.is_claude() {
        // Claude's own interface takes none of these.
        let odd = ["mcp__x.y:z/1", "mcp__x.y:z.1", "né", "a b", "ключ", "😀"];
        names.extend(odd.map(str::to_owned));
    }
    names
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": "does", "input_schema":
        {"type": "object", "properties": {"a": {"type": "string"}}}})
}

fn request(names: &[String]) -> Value {
    json!({
        "model": "m", "max_tokens": 4000, "stream": true,
        "tools": names.iter().map(|name| tool(name)).collect::<Vec<_>>(),
        "messages": [{"role": "user", "content": "go"}],
    })
}

/// The names of the tools that go up, in order.
fn offered(dialect: &Dialect, body: &Value) -> Vec<String> {
    let list = match &dialect.speaks {
        Speaks::Gemini(..) => &body["tools"][0]["functionDeclarations"],
        Speaks::Converse(..) => &body["toolConfig"]["tools"],
        _ => &body["tools"],
    };
    let name = |tool: &Value| {
        let places = [&tool["function"]["name"], &tool["toolSpec"]["name"], &tool["name"]];
        places.iter().find_map(|place| place.as_str()).expect("a name").to_owned()
    };
    list.as_array()
        .unwrap_or_else(|| panic!("{}: {body:#}", dialect.name))
        .iter()
        .map(name)
        .collect()
}

#[test]
fn r11_every_name_is_taken_told_apart_and_comes_back() {
    for dialect in all() {
        let names = names(&dialect);
        let body = request(&names);
        let native = offered(&dialect, &dialect.taken(&body, &[]).json());
        assert_eq!(native.len(), names.len(), "{}", dialect.name);
        let distinct: HashSet<&String> = native.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{}: {native:?}", dialect.name);
        // The same in every other order, so that prompts stay cached.
        let mut backwards = names.clone();
        backwards.reverse();
        let mut again = offered(&dialect, &dialect.taken(&request(&backwards), &[]).json());
        again.reverse();
        assert_eq!(again, native, "{}", dialect.name);
        for stream in [true, false] {
            let mut body = body.clone();
            body["stream"] = json!(stream);
            let said =
                native.iter().fold(Said::default(), |s, name| s.call(name, json!({"a": "b"})));
            let mut sent = dialect.taken(&body, &[]);
            let answer = dialect.answer(&sent, &said, &dialect.style(), 0);
            let message = hear(&mut sent, &[&answer], BodyEnd::Clean).whole();
            let blocks = message["content"].as_array().expect("blocks").iter();
            let called: Vec<&str> = blocks.filter_map(|block| block["name"].as_str()).collect();
            assert_eq!(called, names, "{}", dialect.name);
        }
    }
}

/// In the choice, in the history, and where a search found a tool that was held back.
#[test]
fn r11_a_name_is_the_same_wherever_it_stands() {
    for dialect in all() {
        let names = names(&dialect);
        let native = offered(&dialect, &dialect.taken(&request(&names), &[]).json());
        for (name, native) in names.iter().zip(&native) {
            let call = |id: &str| json!({"type": "tool_use", "id": id, "name": name, "input": {}});
            let result = |id: &str, content: Value| json!({"type": "tool_result", "tool_use_id": id, "content": content});
            let mut body = request(&names);
            body["tool_choice"] = json!({"type": "tool", "name": name});
            body["messages"] = json!([
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": [call("toolu_01")]},
                {"role": "user", "content": [result("toolu_01", json!("found"))]},
            ]);
            let sent = dialect.taken(&body, &[]);
            let quoted = serde_json::to_string(native).expect("a text");
            let places = sent.body.matches(&quoted).count();
            // Offered and called; some results, and choices where there are such, name it too.
            assert!(places >= 2, "{} {name}: {places} in {}", dialect.name, sent.body);
            if native != name {
                let quoted = serde_json::to_string(name).expect("a text");
                assert!(!sent.body.contains(&quoted), "{} {name}: {}", dialect.name, sent.body);
            }
        }
    }
}

#[test]
fn r11_a_tool_that_a_search_found_is_offered_by_the_name_it_is_called_by() {
    for dialect in all().into_iter().filter(|dialect| !dialect.is_claude()) {
        let names = names(&dialect);
        let found = &names[5];
        let mut body = request(&names);
        body["tools"][5]["defer_loading"] = json!(true);
        let hidden = dialect.taken(&body, &[]);
        assert_eq!(offered(&dialect, &hidden.json()).len(), names.len() - 1, "{}", dialect.name);
        body["messages"] = json!([
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": [
                {"type": "tool_reference", "tool_name": found}]}]},
        ]);
        let mut sent = dialect.taken(&body, &[]);
        let native = offered(&dialect, &sent.json()).swap_remove(5);
        let said = Said::default().call(&native, json!({}));
        let answer = dialect.answer(&sent, &said, &dialect.style(), 0);
        let message = hear(&mut sent, &[&answer], BodyEnd::Clean).whole();
        let call = message["content"].as_array().expect("blocks").last().expect("a call");
        assert_eq!(call["name"], *found, "{}", dialect.name);
    }
}
