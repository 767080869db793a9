//! How a server differs from OpenAI's own: data, which configuration can state too.

use gateway_models::Effort;

/// What one upstream takes and gives. The default is OpenAI's own service; a compatible server that
/// nobody knows gets [`Quirks::compatible`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quirks {
    /// The field of the output limit: `max_completion_tokens` (OpenAI) or `max_tokens`.
    pub max_tokens_field: MaxTokensField,
    /// Takes `stream_options` (else usage may never come).
    pub stream_options: bool,
    /// Takes the role `developer`.
    pub developer_role: bool,
    /// Takes `system` messages anywhere, not only first.
    pub system_anywhere: bool,
    /// Which `tool_choice` it obeys.
    pub tool_choice: ToolChoiceLevel,
    /// Takes `parallel_tool_calls`.
    pub parallel_tool_calls: bool,
    /// Which images it takes.
    pub images: Images,
    /// Takes images and files inside tool results (on Responses; on Chat none does).
    pub tool_images: bool,
    /// Takes PDF files.
    pub pdf: bool,
    /// A document that it can't read is an error of the caller, not a placeholder.
    pub refuse_documents: bool,
    /// Takes `response_format` of type `json_schema`.
    pub json_schema: bool,
    /// Takes `response_format` of type `json_object`.
    pub json_object: bool,
    /// Takes `strict: true` on functions and formats.
    pub strict_schemas: bool,
    /// How many stop sequences are sent. With none sent, all are matched in the gateway, which is
    /// the only way to tell the caller which one was met.
    pub stop_max: usize,
    /// Longest tool name, in characters.
    pub tool_name_max: usize,
    /// Longest call id, in characters.
    pub call_id_max: usize,
    /// Wants call ids of letters and digits alone, [`call_id_max`](Self::call_id_max) of them exactly.
    pub plain_call_ids: bool,
    /// Wants its own call ids back even where they repeat or hold odd characters.
    pub native_call_ids: bool,
    /// Most tools in a request.
    pub tools_max: usize,
    /// How it is told to think.
    pub reasoning_in: ReasoningIn,
    /// Where it says what it thought.
    pub reasoning_out: ReasoningOut,
    /// Whether it wants its reasoning text back.
    pub replay_reasoning: Replay,
    /// The field for the end user's id.
    pub user_field: UserField,
    /// The efforts it takes, where the model's catalogue entry does not say.
    pub efforts: Option<Vec<Effort>>,
    /// Takes `temperature` and `top_p`; `None`: as the model does.
    pub temperature: Option<bool>,
    /// Takes a `temperature` of 0; else the server's own default stands in its place.
    pub temperature_zero: bool,
    /// Takes `top_k`.
    pub top_k: bool,
    /// Takes `prompt_cache_key`.
    pub prompt_cache_key: bool,
    /// Takes `store`.
    pub store: bool,
    /// Takes `service_tier`.
    pub service_tier: bool,
    /// Takes images and tools, as configuration says; `None`: as the model does.
    pub vision: Option<bool>,
    /// What stands in the place of an empty tool output; empty where empty is fine.
    pub empty_tool_output: String,
    /// Top-level fields that are left out, whatever they are.
    pub drop_fields: Vec<String>,
    /// Top-level fields that are always sent: name and JSON value. What else the field would hold is
    /// left out; not `model`, `messages`, `stream`.
    pub extra_fields: Vec<(String, String)>,
    /// Refuses tool turns whose reasoning is not sent back; a blank stands for what is lost.
    pub reasoning_required: bool,
    /// Takes a message of the user's right behind the results of calls; else a word of the
    /// assistant's stands between them.
    pub user_after_tool: bool,
    /// Goes on with a last message that is the assistant's; else it is asked to in words.
    pub prefill: bool,
    /// Takes several texts in one message as parts; else they are joined by a blank line.
    pub text_parts: bool,
    /// Takes `cache_control` on text parts.
    pub cache_marks: CacheMarks,
    /// Takes `prompt_cache_breakpoint` on parts of a message (Responses), of the models that know it.
    pub cache_breakpoints: bool,
    /// Takes `session_id`: requests of one session go where its prompt is cached.
    pub session_id: bool,
    /// Has the Responses API, for [`Api::Auto`](crate::Api::Auto) to choose.
    pub responses: bool,
    /// Counts tokens there (`/responses/input_tokens`).
    pub counts: bool,
    /// How it searches the web.
    pub web_search: WebSearch,
    /// Which models it wants told not to think where functions are offered (Chat).
    pub unthinking_tools: UnthinkingTools,
}

/// See [`Quirks::max_tokens_field`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokensField {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// See [`Quirks::tool_choice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolChoiceLevel {
    /// All of them.
    Full,
    /// `auto`, `none` and `required`, but no named tool.
    NoNamed,
    /// Only `auto` and `none`.
    AutoOnly,
    /// Not even the field.
    None,
}

/// See [`Quirks::images`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// In the request and by URL.
    Keep,
    /// In the request only.
    Base64,
    /// None.
    None,
}

/// See [`Quirks::reasoning_in`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningIn {
    /// `reasoning_effort`, for models known to think.
    ReasoningEffort,
    /// `reasoning: {effort | max_tokens}`.
    Reasoning,
    /// `thinking: {type}` and `reasoning_effort`.
    Thinking,
    /// Not at all.
    None,
}

/// See [`Quirks::reasoning_out`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningOut {
    /// Whichever of them comes.
    Auto,
    /// `reasoning_content`.
    ReasoningContent,
    /// `reasoning`.
    Reasoning,
    /// `reasoning_details`.
    ReasoningDetails,
    /// `<think>` in the text.
    ThinkTags,
}

/// See [`Quirks::replay_reasoning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// On every assistant turn.
    Always,
    /// On turns with tool calls (they are refused without it).
    ToolTurns,
    /// Never.
    Never,
}

/// See [`Quirks::cache_marks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheMarks {
    /// Never.
    Never,
    /// For models that cache nothing, or less, without: Claude, Gemini and Qwen.
    ForSome,
    /// For every model.
    Always,
}

/// See [`Quirks::web_search`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSearch {
    /// By a tool `web_search` of the Responses API; not on Chat Completions.
    Responses,
    /// By a tool `openrouter:web_search`.
    OpenRouter,
    /// Not at all.
    None,
}

/// See [`Quirks::unthinking_tools`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnthinkingTools {
    /// None.
    None,
    /// Those of OpenAI's that are known for it.
    Known,
    /// All.
    All,
}

/// See [`Quirks::user_field`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserField {
    /// `safety_identifier`.
    SafetyIdentifier,
    /// `user`.
    User,
    /// None.
    None,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            stream_options: true,
            developer_role: true,
            system_anywhere: true,
            tool_choice: ToolChoiceLevel::Full,
            parallel_tool_calls: true,
            images: Images::Keep,
            tool_images: true,
            pdf: true,
            refuse_documents: false,
            json_schema: true,
            json_object: true,
            strict_schemas: true,
            stop_max: 0,
            tool_name_max: 64,
            call_id_max: 40,
            plain_call_ids: false,
            native_call_ids: false,
            tools_max: 128,
            reasoning_in: ReasoningIn::ReasoningEffort,
            // OpenAI never tells its thinking here; a `<think>` in a text is text.
            reasoning_out: ReasoningOut::ReasoningContent,
            replay_reasoning: Replay::Never,
            user_field: UserField::SafetyIdentifier,
            efforts: None,
            temperature: None,
            temperature_zero: true,
            top_k: false,
            prompt_cache_key: true,
            store: true,
            service_tier: true,
            vision: None,
            empty_tool_output: String::new(),
            drop_fields: Vec::new(),
            extra_fields: Vec::new(),
            reasoning_required: false,
            user_after_tool: true,
            prefill: false,
            text_parts: true,
            cache_marks: CacheMarks::Never,
            cache_breakpoints: true,
            session_id: false,
            responses: true,
            counts: true,
            web_search: WebSearch::Responses,
            unthinking_tools: UnthinkingTools::Known,
        }
    }
}
