//! The fields of the service's messages, as far as a request for an answer may hold them.

use super::proto::{Field, Kind, Message};
use super::rules::Platform;

const STR: Kind = Kind::Str;
const STRS: Kind = Kind::List(&Kind::Str);

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, only: None }
}

const fn studio(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, only: Some(Platform::Studio) }
}

const fn vertex(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, only: Some(Platform::Vertex) }
}

const fn message(name: &'static str, fields: &'static [Field]) -> Message {
    Message { name, fields, one_of: &[] }
}

pub(crate) static REQUEST: Message = message(
    "GenerateContentRequest",
    &[
        field("contents", Kind::List(&Kind::Of(&CONTENT))),
        field("systemInstruction", Kind::Of(&CONTENT)),
        field("tools", Kind::List(&Kind::Of(&TOOL))),
        field("toolConfig", Kind::Of(&TOOL_CONFIG)),
        field("generationConfig", Kind::Of(&GENERATION)),
        field("safetySettings", Kind::List(&Kind::Of(&SAFETY))),
        field("cachedContent", STR),
        field("serviceTier", STR),
        field("continuationToken", Kind::Bytes),
        field("model", STR),
        vertex("labels", Kind::Map(&Kind::Str)),
        vertex("modelArmorConfig", Kind::Struct),
        studio("store", Kind::Bool),
    ],
);

/// What AI Studio counts.
pub(crate) static STUDIO_COUNT: Message = message(
    "CountTokensRequest",
    &[
        field("contents", Kind::List(&Kind::Of(&CONTENT))),
        field("generateContentRequest", Kind::Of(&REQUEST)),
        field("model", STR),
    ],
);

/// What Vertex counts.
pub(crate) static VERTEX_COUNT: Message = message(
    "CountTokensRequest",
    &[
        field("contents", Kind::List(&Kind::Of(&CONTENT))),
        field("systemInstruction", Kind::Of(&CONTENT)),
        field("tools", Kind::List(&Kind::Of(&TOOL))),
        field("generationConfig", Kind::Of(&GENERATION)),
        field("model", STR),
        field("instances", Kind::Any),
    ],
);

static CONTENT: Message =
    message("Content", &[field("role", STR), field("parts", Kind::List(&Kind::Of(&PART)))]);

/// The fields that are a part's content.
pub(crate) const DATA: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];

static PART: Message = Message {
    name: "Part",
    one_of: DATA,
    fields: &[
        field("text", STR),
        field("thought", Kind::Bool),
        field("thoughtSignature", Kind::Bytes),
        field("inlineData", Kind::Of(&BLOB)),
        field("fileData", Kind::Of(&FILE)),
        field("functionCall", Kind::Of(&CALL)),
        field("functionResponse", Kind::Of(&RESPONSE)),
        field("executableCode", Kind::Of(&CODE)),
        field("codeExecutionResult", Kind::Of(&CODE_RESULT)),
        studio("toolCall", Kind::Of(&SERVER_CALL)),
        studio("toolResponse", Kind::Of(&SERVER_RESPONSE)),
        studio("partMetadata", Kind::Struct),
        field("videoMetadata", Kind::Struct),
        field("mediaResolution", Kind::Struct),
    ],
};

static BLOB: Message = message(
    "Blob",
    &[field("mimeType", STR), field("data", Kind::Bytes), vertex("displayName", STR)],
);

static FILE: Message = message(
    "FileData",
    &[field("mimeType", STR), field("fileUri", STR), vertex("displayName", STR)],
);

static CALL: Message = message(
    "FunctionCall",
    &[
        field("id", STR),
        field("name", STR),
        field("args", Kind::Struct),
        vertex("partialArgs", Kind::List(&Kind::Struct)),
        vertex("willContinue", Kind::Bool),
    ],
);

static RESPONSE: Message = message(
    "FunctionResponse",
    &[
        field("id", STR),
        field("name", STR),
        field("response", Kind::Struct),
        field("parts", Kind::List(&Kind::Of(&RESPONSE_PART))),
        studio("willContinue", Kind::Bool),
        studio("scheduling", STR),
    ],
);

static RESPONSE_PART: Message = Message {
    name: "FunctionResponsePart",
    one_of: &["inlineData", "fileData"],
    fields: &[field("inlineData", Kind::Of(&BLOB)), field("fileData", Kind::Of(&FILE))],
};

static CODE: Message = message(
    "ExecutableCode",
    &[
        field("language", Kind::Word("ExecutableCode.Language", &["PYTHON"])),
        field("code", STR),
        field("id", STR),
    ],
);

static CODE_RESULT: Message = message(
    "CodeExecutionResult",
    &[
        field(
            "outcome",
            Kind::Word(
                "CodeExecutionResult.Outcome",
                &["OUTCOME_OK", "OUTCOME_FAILED", "OUTCOME_DEADLINE_EXCEEDED"],
            ),
        ),
        field("output", STR),
        field("id", STR),
    ],
);

static SERVER_CALL: Message =
    message("ToolCall", &[field("id", STR), field("toolType", STR), field("args", Kind::Struct)]);

static SERVER_RESPONSE: Message = message(
    "ToolResponse",
    &[field("id", STR), field("toolType", STR), field("response", Kind::Struct)],
);

static GENERATION: Message = message(
    "GenerationConfig",
    &[
        field("maxOutputTokens", Kind::Int32),
        field("temperature", Kind::Float),
        field("topP", Kind::Float),
        field("topK", Kind::Float),
        field("candidateCount", Kind::Int32),
        field("stopSequences", STRS),
        field("seed", Kind::Int32),
        field("presencePenalty", Kind::Float),
        field("frequencyPenalty", Kind::Float),
        field("responseLogprobs", Kind::Bool),
        field("logprobs", Kind::Int32),
        field("responseMimeType", STR),
        field("responseSchema", Kind::Of(&SCHEMA)),
        field("responseJsonSchema", Kind::Any),
        field("responseModalities", STRS),
        field("mediaResolution", STR),
        field("speechConfig", Kind::Struct),
        field("thinkingConfig", Kind::Of(&THINKING)),
        vertex("audioTimestamp", Kind::Bool),
        studio("enableEnhancedCivicAnswers", Kind::Bool),
    ],
);

static THINKING: Message = message(
    "GenerationConfig.ThinkingConfig",
    &[
        field("includeThoughts", Kind::Bool),
        field("thinkingBudget", Kind::Int32),
        field(
            "thinkingLevel",
            Kind::Word(
                "GenerationConfig.ThinkingConfig.ThinkingLevel",
                &["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"],
            ),
        ),
    ],
);

static SAFETY: Message = message(
    "SafetySetting",
    &[
        field(
            "category",
            Kind::Word(
                "HarmCategory",
                &[
                    "HARM_CATEGORY_HARASSMENT",
                    "HARM_CATEGORY_HATE_SPEECH",
                    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
                    "HARM_CATEGORY_DANGEROUS_CONTENT",
                    "HARM_CATEGORY_CIVIC_INTEGRITY",
                    "HARM_CATEGORY_JAILBREAK",
                ],
            ),
        ),
        field(
            "threshold",
            Kind::Word(
                "SafetySetting.HarmBlockThreshold",
                &[
                    "OFF",
                    "BLOCK_NONE",
                    "BLOCK_ONLY_HIGH",
                    "BLOCK_MEDIUM_AND_ABOVE",
                    "BLOCK_LOW_AND_ABOVE",
                ],
            ),
        ),
        vertex("method", STR),
    ],
);

static TOOL: Message = message(
    "Tool",
    &[
        field("functionDeclarations", Kind::List(&Kind::Of(&FUNCTION))),
        field("googleSearch", Kind::Of(&SEARCH)),
        field("urlContext", Kind::Of(&EMPTY)),
        field("codeExecution", Kind::Of(&EMPTY)),
        field("googleMaps", Kind::Struct),
        field("googleSearchRetrieval", Kind::Struct),
        vertex("enterpriseWebSearch", Kind::Struct),
        vertex("retrieval", Kind::Struct),
    ],
);

static EMPTY: Message = message("Tool", &[]);

static SEARCH: Message = message(
    "Tool.GoogleSearch",
    &[
        vertex("excludeDomains", STRS),
        vertex("blockingConfidence", STR),
        studio("timeRangeFilter", Kind::Struct),
        field("searchTypes", Kind::Struct),
    ],
);

static FUNCTION: Message = message(
    "FunctionDeclaration",
    &[
        field("name", STR),
        field("description", STR),
        field("parameters", Kind::Of(&SCHEMA)),
        field("parametersJsonSchema", Kind::Any),
        field("response", Kind::Of(&SCHEMA)),
        field("responseJsonSchema", Kind::Any),
        studio("behavior", STR),
    ],
);

const TYPES: &[&str] =
    &["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

static SCHEMA: Message = message(
    "Schema",
    &[
        field("type", Kind::Word("Type", TYPES)),
        field("format", STR),
        field("title", STR),
        field("description", STR),
        field("nullable", Kind::Bool),
        field("enum", STRS),
        field("items", Kind::Of(&SCHEMA)),
        field("minItems", Kind::Int64),
        field("maxItems", Kind::Int64),
        field("properties", Kind::Map(&Kind::Of(&SCHEMA))),
        field("required", STRS),
        field("minProperties", Kind::Int64),
        field("maxProperties", Kind::Int64),
        field("minimum", Kind::Float),
        field("maximum", Kind::Float),
        field("minLength", Kind::Int64),
        field("maxLength", Kind::Int64),
        field("pattern", STR),
        field("example", Kind::Any),
        field("anyOf", Kind::List(&Kind::Of(&SCHEMA))),
        field("propertyOrdering", STRS),
        field("default", Kind::Any),
        vertex("additionalProperties", Kind::Any),
        vertex("ref", STR),
        vertex("defs", Kind::Map(&Kind::Of(&SCHEMA))),
    ],
);

static TOOL_CONFIG: Message = message(
    "ToolConfig",
    &[
        field("functionCallingConfig", Kind::Of(&CALLING)),
        field("retrievalConfig", Kind::Struct),
        studio("includeServerSideToolInvocations", Kind::Bool),
    ],
);

static CALLING: Message = message(
    "FunctionCallingConfig",
    &[
        field(
            "mode",
            Kind::Word(
                "FunctionCallingConfig.Mode",
                &["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"],
            ),
        ),
        field("allowedFunctionNames", STRS),
        vertex("streamFunctionCallArguments", Kind::Bool),
    ],
);
