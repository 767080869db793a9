use super::*;

/// Texts as servers word them, and what they tell.
const TOO_LONG: &[(&str, Option<u64>, Option<u64>)] = &[
    // OpenAI.
    (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in \
         140231 tokens. Please reduce the length of the messages.",
        Some(140_231),
        Some(128_000),
    ),
    (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in \
         140231 tokens (139000 in the messages, 1231 in the functions). Please reduce the length of \
         the messages or functions.",
        Some(140_231),
        Some(128_000),
    ),
    (
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        None,
        None,
    ),
    (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300123 \
         tokens. Please reduce the length of the messages.",
        Some(300_123),
        Some(272_000),
    ),
    (
        r#"{"error":{"message":"Too many tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
        None,
        None,
    ),
    // Azure.
    (
        r#"{"error":{"message":"This model's maximum context length is 8192 tokens, however you requested 9000 tokens (8500 in your prompt; 500 for the completion). Please reduce your prompt.","code":"context_length_exceeded"}}"#,
        Some(9_000),
        Some(8_192),
    ),
    // vLLM.
    (
        "This model's maximum context length is 32768 tokens. However, you requested 40000 tokens \
         (39000 in the messages, 1000 in the completion). Please reduce the length of the messages \
         or completion.",
        Some(39_000),
        Some(32_768),
    ),
    (
        "The decoder prompt (length 40000) is longer than the maximum model length of 32768. Make \
         sure that `max_model_len` is no smaller than the number of text tokens.",
        Some(40_000),
        Some(32_768),
    ),
    (
        "The engine prompt length 40000 exceeds the max_model_len 32768. Please reduce prompt.",
        Some(40_000),
        Some(32_768),
    ),
    (
        "Input length (40000) exceeds model's maximum context length (32768).",
        Some(40_000),
        Some(32_768),
    ),
    (
        "You passed 40961 input tokens and requested 1 output tokens. However, the model's context \
         length is only 40960 tokens, resulting in a maximum input length of 40959 tokens.",
        Some(40_961),
        Some(40_960),
    ),
    // SGLang.
    (
        "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
        Some(40_000),
        Some(32_768),
    ),
    (
        "Requested token count exceeds the model's maximum context length of 32768 tokens. You \
         requested a total of 40000 tokens: 38000 tokens from the input messages and 2000 tokens for \
         the completion.",
        Some(38_000),
        Some(32_768),
    ),
    // llama.cpp.
    (
        r#"{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":5123,"n_ctx":4096}}"#,
        Some(5_123),
        Some(4_096),
    ),
    (
        "request (5123 tokens) exceeds the available context size (4096 tokens), try increasing it",
        Some(5_123),
        Some(4_096),
    ),
    // Ollama, LM Studio.
    ("the input length exceeds the context length", None, None),
    ("prompt too long; exceeded max context length by 1234 tokens", None, None),
    (
        "Trying to keep the first 5123 tokens when context the overflows. However, the model is \
         loaded with context length of only 4096 tokens, which is not enough.",
        Some(5_123),
        Some(4_096),
    ),
    // OpenRouter.
    (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 150231 \
         tokens (138231 of text input, 10000 of tool input, 2000 in the output). Please reduce the \
         length of either one, or use the \"middle-out\" transform to compress your prompt \
         automatically.",
        Some(148_231),
        Some(131_072),
    ),
    // Kimi.
    ("Invalid request: Your request exceeded model token limit: 262144", None, Some(262_144)),
    (
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 280001)",
        Some(280_001),
        Some(262_144),
    ),
    // Groq, Cerebras.
    (
        r#"{"error":{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        None,
        None,
    ),
    (
        "Please reduce the length of the messages or completion. Current length is 10123 while limit \
         is 8192",
        Some(10_123),
        Some(8_192),
    ),
    // Mistral.
    (
        "Prompt contains 54321 tokens and 0 draft tokens, too large for model with 32768 maximum \
         context length",
        Some(54_321),
        Some(32_768),
    ),
    // Gemini.
    (
        "The input token count (1234567) exceeds the maximum number of tokens allowed (1048576).",
        Some(1_234_567),
        Some(1_048_576),
    ),
    // Bedrock, Anthropic.
    ("Input is too long for requested model.", None, None),
    ("prompt is too long: 210000 tokens > 200000 maximum", Some(210_000), Some(200_000)),
    ("capability_rejected: prompt_too_long", None, None),
    // xAI, Z.ai, MiniMax, Alibaba, Fireworks, Copilot.
    (
        "This model's maximum prompt length is 131072 but the request contains 140231 tokens.",
        Some(140_231),
        Some(131_072),
    ),
    ("Prompt exceeds max length", None, None),
    ("invalid params, context window exceeds limit (2013)", None, None),
    (
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]",
        None,
        Some(129_024),
    ),
    (
        "The prompt is too long: 140,231, model maximum context length: 131,071",
        Some(140_231),
        Some(131_071),
    ),
    ("prompt token count of 140231 exceeds the limit of 128000", Some(140_231), Some(128_000)),
];

#[test]
fn overflows_are_recognised_however_a_server_words_them() {
    for &(text, tokens, limit) in TOO_LONG {
        assert_eq!(parse(text), Some(Overflow { tokens, limit }), "{text}");
        assert_eq!(no_room(text), None, "{text}");
        // The same inside a body, with its quotation marks escaped.
        let body = serde_json::json!({"error": {"message": text, "type": "x"}}).to_string();
        assert_eq!(parse(&body), Some(Overflow { tokens, limit }), "{body}");
    }
}

#[test]
fn other_errors_are_no_overflow() {
    for text in [
        "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, \
         Used 29000, Requested 5000. Please try again in 8s.",
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, \
         Requested 41000. The input or output tokens must be reduced in order to run successfully.",
        "Request too large for model `llama` on tokens per minute (TPM): Limit 6000, Requested 7000, \
         please reduce the length of the messages and try again.",
        "max_tokens is too large: 64000. This model supports at most 16384 completion tokens, whereas \
         you provided 64000.",
        "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens for \
         claude-sonnet-4-5",
        "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context \
         length is 32768 tokens and your request has 5000 input tokens (32000 > 32768 - 5000).",
        "input length and `max_tokens` exceed context limit: 100000 + 128000 > 200000, decrease input \
         length or `max_tokens` and try again",
        "Could not finish the message because max_tokens or model output limit was reached.",
        "You exceeded your current quota, please check your plan and billing details.",
        "string too long. Expected a string with maximum length 512, but got a string with length 600.",
        "Invalid 'tools': array too long. Expected an array with maximum length 128.",
        "",
        "\u{0}",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn an_answer_without_room_is_told_from_a_prompt_that_is_too_long() {
    for (text, prompt, answer, limit) in [
        (
            "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens \
             (38000 in the messages, 32000 in the completion).",
            38_000,
            32_000,
            65_536,
        ),
        (
            "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens \
             (30000 in the messages, 8000 in the functions, 32000 in the completion).",
            38_000,
            32_000,
            65_536,
        ),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context \
             length is 32768 tokens and your request has 5000 input tokens (32000 > 32768 - 5000).",
            5_000,
            32_000,
            32_768,
        ),
        (
            "input length and `max_tokens` exceed context limit: 100000 + 128000 > 200000, decrease \
             input length or `max_tokens` and try again",
            100_000,
            128_000,
            200_000,
        ),
    ] {
        let found = NoRoom { prompt, answer, limit };
        assert_eq!(no_room(text), Some(found), "{text}");
        assert_eq!(no_room(&found.render()), Some(found));
        assert_eq!(parse(&found.render()), None);
    }
    assert_eq!(no_room("exceed context limit: 1 + two > 3"), None);
    assert_eq!(no_room("This model's maximum context length is 10 tokens."), None);
}

#[test]
fn what_is_written_is_what_the_client_reads() {
    assert_eq!(render(140_231, 128_000), "prompt is too long: 140231 tokens > 128000 maximum");
    // An estimate below the limit must not contradict the refusal.
    assert_eq!(render(100, 128_000), "prompt is too long: 128001 tokens > 128000 maximum");
    let overflow = Overflow { tokens: Some(5), limit: Some(4) };
    assert_eq!(parse(&render(5, 4)), Some(overflow));
    assert!(render(u64::MAX, u64::MAX).starts_with("prompt is too long: "));
}

#[test]
fn any_cut_of_a_text_is_read_without_panic() {
    for (text, ..) in TOO_LONG {
        for (at, _) in text.char_indices() {
            parse(&text[..at]);
            no_room(&text[at..]);
        }
    }
    parse(&"tokens > ".repeat(1 << 16));
    assert_eq!(
        parse("prompt is too long: 99999999999999999999999 tokens").and_then(|o| o.tokens),
        None
    );
}
