use gateway_types::{BlockKind, Source};

use super::*;

#[test]
fn everything_a_request_holds_is_read() {
    let body = br#"{"model":"m","max_tokens":4096,"stream":true,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],
        "messages":[{"role":"user","content":"hi \"you\""},
          {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"sig"},{"type":"redacted_thinking","data":"d"},
            {"type":"tool_use","id":"c1","name":"Bash","input":{"a":[1]},"caller":{"type":"direct"}}]},
          {"role":"user","content":[{"tool_use_id":"c1","is_error":true,"type":"tool_result","content":[{"type":"text","text":"x"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}},{"type":"tool_reference","tool_name":"f"}]}]},
          {"role":"system","content":"","output_config":{"effort":"high"}},
          {"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},
            {"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"novel","x":1}]}],
        "tools":[{"name":"Bash","description":"d","input_schema":{"type":"object"},"defer_loading":true,"strict":true},
          {"type":"web_search_20250305","name":"web_search","max_uses":8}],
        "tool_choice":{"type":"tool","name":"Bash","disable_parallel_tool_use":true},
        "thinking":{"type":"enabled","budget_tokens":1024,"display":"omitted"},
        "output_config":{"effort":"max","format":{"type":"json_schema","schema":{"x":1}}},
        "temperature":0.5,"top_p":null,"top_k":40,"stop_sequences":["a"],"metadata":{"user_id":"u"},"service_tier":"auto","context_management":{"edits":[]}}"#;
    let r = decode(body).expect("a request");
    assert!(r.model.is("m") && r.stream && r.max_tokens == Some(4096));
    assert!(r.system[0].cache_control);
    assert!(
        matches!(r.messages[0].content[0].kind, BlockKind::Text { text, .. } if text.is("hi \"you\""))
    );
    assert!(
        matches!(r.messages[1].content[0].kind, BlockKind::Thinking { signature, .. } if signature.is("sig"))
    );
    let BlockKind::ToolUse { input, .. } = r.messages[1].content[2].kind else { panic!("a call") };
    assert_eq!(input.as_str(), r#"{"a":[1]}"#);
    assert!(r.messages[1].content[2].raw.as_str().ends_with(r#""caller":{"type":"direct"}}"#));
    let BlockKind::ToolResult { content, is_error: true, .. } = &r.messages[2].content[0].kind
    else {
        panic!("a result")
    };
    assert!(matches!(content[1].kind, BlockKind::Image(Source::Base64 { .. })));
    assert!(matches!(content[2].kind, BlockKind::ToolReference { .. }));
    assert_eq!(r.messages[3].role, Role::System);
    assert!(matches!(r.messages[4].content[1].kind, BlockKind::ServerToolResult { .. }));
    assert!(
        matches!(r.messages[4].content[2].kind, BlockKind::Unknown { kind } if kind.is("novel"))
    );
    assert!(
        r.tools[0].deferred && matches!(r.tools[0].kind, ToolKind::Custom { strict: true, .. })
    );
    assert!(matches!(r.tools[1].kind, ToolKind::Versioned { .. }));
    assert!(
        matches!(r.tool_choice, Some(ToolChoice::Tool(name)) if name.is("Bash"))
            && r.disable_parallel_tools
    );
    let thinking = Thinking {
        mode: ThinkingMode::Enabled { budget_tokens: 1024 },
        display: ThinkingDisplay::Omitted,
    };
    assert_eq!(r.thinking, Some(thinking));
    assert!(
        r.effort.is_some_and(|e| e.is("max"))
            && r.format.is_some_and(|f| f.as_str() == r#"{"x":1}"#)
    );
    assert!(r.temperature.is_some() && r.top_p.is_none() && r.top_k.is_some());
    assert_eq!((r.stop_sequences.len(), r.others.len()), (1, 1));
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    for (body, text) in [
        (r#"{"model":"m"}"#, "messages: Field required"),
        (r#"{"messages":{}}"#, "messages: Input should be a valid array"),
        (r#"{"messages":[7]}"#, "messages.0: Input should be a valid object"),
        (
            r#"{"messages":[{"role":"x","content":""}]}"#,
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
        (r#"{"messages":[{"role":"user"}]}"#, "messages.0.content: Field required"),
        (
            r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
            "messages.0.content.0.type: Field required",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text"}]}]}"#,
            "messages.0.content.1.text: Field required",
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"image"}]}]}]}"#,
            "messages.0.content.0.content.0.source: Field required",
        ),
        (r#"{"messages":[],"tools":[{"name":"x"}]}"#, "tools.0.input_schema: Field required"),
        (r#"{"messages":[],"tool_choice":{"type":"tool"}}"#, "tool_choice.name: Field required"),
        (
            r#"{"messages":[],"thinking":{"type":"loud"}}"#,
            "thinking.type: Input should be 'enabled', 'adaptive', 'between_tools' or 'disabled'",
        ),
        (r#"{"messages":[],"model":7}"#, "model: Input should be a valid string"),
        ("[]", "body: Input should be a valid object"),
    ] {
        assert_eq!(
            decode(body.as_bytes()).map(|_| ()).map_err(|e| e.to_string()),
            Err(text.to_owned())
        );
    }
    for broken in ["", "{", r#"{"messages":[}"#, r#"{"messages":[]} x"#] {
        assert!(matches!(decode(broken.as_bytes()), Err(DecodeError::Malformed(_))), "{broken}");
    }
    assert_eq!(decode(b"{\"a\":\"\xff\"}").map(|_| ()), Err(DecodeError::Utf8(6)));
}

#[test]
fn what_no_request_needs_is_refused() {
    let nested = |depth: usize| {
        let open = r#"{"type":"tool_result","tool_use_id":"1","content":["#.repeat(depth);
        let body = format!(
            "{{\"messages\":[{{\"role\":\"user\",\"content\":[{open}{}]}}]}}",
            "]}".repeat(depth)
        );
        decode(body.as_bytes()).map(|_| ())
    };
    assert_eq!(nested(4), Ok(()));
    assert!(nested(5).is_err_and(|fault| fault.to_string().ends_with("nested too deeply")));
    let stops = vec!["\"a\""; 1025].join(",");
    let body = format!("{{\"messages\":[],\"stop_sequences\":[{stops}]}}");
    assert!(decode(body.as_bytes()).is_err());
}
