use super::*;

#[test]
fn families_are_known_by_how_a_name_begins() {
    for (names, wanted) in [
        (
            &["claude-opus-4-8", "anthropic/claude-x", "us.anthropic.claude-sonnet-4-5-v1:0"][..],
            Family::Claude,
        ),
        (
            &[
                "gpt-3.5-turbo",
                "gpt-4",
                "gpt-4o-mini",
                "gpt-4.1",
                "gpt-4.5-preview",
                "chatgpt-4o-latest",
            ],
            Family::Gpt4,
        ),
        (&["o1", "o3-pro", "o4-mini", "azure/o3-mini", "codex-mini-latest"], Family::OSeries),
        (&["gpt-5", "gpt-5-codex", "GPT-5-mini", "gpt-5-chat-latest"], Family::Gpt5(0)),
        (&["gpt-5.1", "gpt-5.1-codex-max"], Family::Gpt5(1)),
        (&["gpt-5.12-foo"], Family::Gpt5(12)),
        (&["gpt-6-sol", "gpt-6.1", "gpt-7", "gpt-12-x"], Family::Gpt6),
        (&["gpt-oss-120b", "gpt-oss:20b", "openai/gpt-oss-20b:free"], Family::GptOss),
        (&["deepseek-chat", "deepseek-ai/DeepSeek-V3.1"], Family::DeepSeek),
        (&["kimi-k3", "moonshotai/Kimi-K2-Instruct", "moonshot-v1-8k"], Family::Kimi),
        (&["glm-5.3", "zai-org/GLM-4.6"], Family::Glm),
        (&["qwen3-coder:480b-cloud", "Qwen/Qwen3-32B", "qwq-32b"], Family::Qwen),
        (&["MiniMax-M2", "minimaxai/minimax-m2.7"], Family::MiniMax),
        (
            &["mistral-large-latest", "devstral", "codestral-2508", "open-mixtral-8x7b"],
            Family::Mistral,
        ),
        (&["llama3.1:8b", "meta-llama/Llama-3.3-70B-Instruct"], Family::Llama),
        (&["gemini-2.5-pro", "gemma3:27b"], Family::Gemini),
        (&["grok-4", "x-ai/grok-code-fast-1"], Family::Grok),
        (
            &["", "/", "my-model", "o", "oh-1", "o10", "gpt-", "gpt-x", "opus", "ollama"],
            Family::Unknown,
        ),
    ] {
        for name in names {
            assert_eq!(family(name), wanted, "{name}");
        }
    }
}

/// What a name alone tells: efforts, the default, Chat, tools on Chat, Responses.
#[test]
fn names_that_nobody_listed_have_the_habits_of_their_family() {
    let none = Effort::None;
    for (name, efforts, default, chat, tools_on_chat, responses) in [
        ("gpt-4.9-mini", &[][..], None, true, true, true),
        ("o5-mini", &[Low, Medium, High], Some(Medium), true, true, true),
        ("o5-pro", &[Low, Medium, High], Some(Medium), false, false, true),
        ("codex-mini-latest", &[Low, Medium, High], Some(Medium), false, false, true),
        ("gpt-5-2099", &[Minimal, Low, Medium, High], Some(Medium), true, true, true),
        ("gpt-5-pro-x", &[High], Some(High), false, false, true),
        ("gpt-5.1-foo", &[none, Low, Medium, High], Some(none), true, true, true),
        ("gpt-5.3-foo", &[none, Low, Medium, High, XHigh], Some(none), true, true, true),
        ("gpt-5.4-foo", &[none, Low, Medium, High, XHigh], Some(none), true, false, true),
        ("gpt-5.5-foo", &[none, Low, Medium, High, XHigh], Some(Medium), true, false, true),
        ("gpt-5.9-foo", &[none, Low, Medium, High, XHigh, Max], Some(Medium), true, false, true),
        ("gpt-5.9-codex", &[Low, Medium, High, XHigh], Some(Medium), false, false, true),
        ("gpt-5.9-chat-latest", &[], None, true, true, true),
        ("gpt-8", &[Low, Medium, High, XHigh, Max], Some(Medium), true, false, true),
        ("claude-opus-9", &[Low, Medium, High, XHigh, Max], None, true, true, false),
        ("claude-3-opus", &[], None, true, true, false),
        ("some/local-model", &[], None, true, true, false),
    ] {
        let model = presumed(name);
        assert_eq!((model.efforts.as_slice(), model.default_effort), (efforts, default), "{name}");
        let Endpoints { chat: has_chat, responses: has_responses, chat_with_tools } =
            model.endpoints;
        assert_eq!(
            (has_chat, chat_with_tools, has_responses),
            (chat, tools_on_chat, responses),
            "{name}"
        );
        assert_eq!((model.context_window, model.max_output, model.prices), (None, None, None));
        assert_eq!(model.id, name);
    }
}

#[test]
fn sampling_is_taken_where_the_family_takes_it() {
    for (name, effort, wanted) in [
        ("gpt-4o-x", None, Some(true)),
        ("o3-x", None, Some(false)),
        ("gpt-5-x", Some(Minimal), Some(false)),
        // Its default is no reasoning.
        ("gpt-5.2-x", None, Some(true)),
        ("gpt-5.2-x", Some(Low), Some(false)),
        ("gpt-5.5-x", None, Some(false)),
        ("gpt-5.5-x", Some(Effort::None), Some(true)),
        ("gpt-7", Some(Low), Some(false)),
        ("unheard-of", None, None),
    ] {
        assert_eq!(presumed(name).takes_sampling(effort), wanted, "{name} {effort:?}");
    }
}
