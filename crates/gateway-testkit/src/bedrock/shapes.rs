//! The service's own model of a Converse request: which members there are, which must be, and what they
//! may hold. It is checked before anyone looks at what the request means.

/// What a member may hold.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A string of so many characters, from and to.
    Text(usize, usize),
    /// A string of 1 to so many of these characters; the text is the service's word for them.
    Letters(usize, fn(char) -> bool, &'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    Bool,
    /// An integer of at least this.
    Int(i64),
    /// A number from 0 to 1.
    Share,
    /// Base64.
    Blob,
    /// A JSON object.
    Document,
    /// A list with so many entries, from and to.
    List(&'static Shape, usize, usize),
    /// Keys and values, at most so many.
    Map(&'static Shape, &'static Shape, usize),
    Structure(&'static [Member]),
    /// A structure of which exactly one member is set; the name is shown.
    Union(&'static str, &'static [Member]),
}

/// A name, what it holds, and whether it must be.
pub(crate) type Member = (&'static str, &'static Shape, bool);

use Shape::{Blob, Bool, Document, Int, Letters, List, Share, Structure, Text, Union, Word};

const MAY: bool = false;
const MUST: bool = true;
const ANY: usize = usize::MAX;

static STRING: Shape = Text(0, ANY);
static NON_EMPTY: Shape = Text(1, ANY);
static BOOL: Shape = Bool;
static BLOB: Shape = Blob;
static DOCUMENT: Shape = Document;
static NATURAL: Shape = Int(0);
static NOTHING: Shape = Structure(&[]);
static TOOL_NAME: Shape = Letters(64, word_char, "[a-zA-Z0-9_-]+");
static TOOL_USE_ID: Shape = Letters(64, id_char, "[a-zA-Z0-9_.:-]+");
static METADATA_KEY: Shape = Letters(256, metadata_char, r"[a-zA-Z0-9\s:_@$#=/+,-.]{1,256}");
static METADATA_VALUE: Shape = Text(0, 256);

fn word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn id_char(c: char) -> bool {
    word_char(c) || c == '.' || c == ':'
}

pub(crate) fn metadata_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c)
}

static S3: Shape = Structure(&[("uri", &Text(1, 1024), MUST), ("bucketOwner", &STRING, MAY)]);
static CITATIONS_CONFIG: Shape = Structure(&[("enabled", &BOOL, MUST)]);
static TEXTS: Shape = List(&Union("CitationGeneratedContent", &[("text", &STRING, MAY)]), 0, ANY);

static IMAGE: Shape = Structure(&[
    ("format", &Word(&["png", "jpeg", "gif", "webp"]), MUST),
    ("source", &Union("ImageSource", &[("bytes", &BLOB, MAY), ("s3Location", &S3, MAY)]), MUST),
]);

static DOCUMENT_BLOCK: Shape = Structure(&[
    ("format", &Word(&["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"]), MAY),
    ("name", &Text(1, 200), MUST),
    (
        "source",
        &Union(
            "DocumentSource",
            &[
                ("bytes", &BLOB, MAY),
                ("s3Location", &S3, MAY),
                ("text", &STRING, MAY),
                ("content", &TEXTS, MAY),
            ],
        ),
        MUST,
    ),
    ("context", &STRING, MAY),
    ("citations", &CITATIONS_CONFIG, MAY),
]);

static VIDEO: Shape = Structure(&[
    (
        "format",
        &Word(&["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"]),
        MUST,
    ),
    ("source", &Union("VideoSource", &[("bytes", &BLOB, MAY), ("s3Location", &S3, MAY)]), MUST),
]);

static AUDIO: Shape = Structure(&[
    ("format", &Word(&["mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "m4a", "webm"]), MUST),
    ("source", &Union("AudioSource", &[("bytes", &BLOB, MAY), ("s3Location", &S3, MAY)]), MUST),
]);

static SEARCH_RESULT: Shape = Structure(&[
    ("source", &STRING, MUST),
    ("title", &STRING, MUST),
    ("content", &List(&Structure(&[("text", &STRING, MUST)]), 0, ANY), MUST),
    ("citations", &CITATIONS_CONFIG, MAY),
]);

static TOOL_USE: Shape = Structure(&[
    ("toolUseId", &TOOL_USE_ID, MUST),
    ("name", &TOOL_NAME, MUST),
    ("input", &DOCUMENT, MUST),
    ("type", &Word(&["server_tool_use"]), MAY),
]);

static TOOL_RESULT: Shape = Structure(&[
    ("toolUseId", &TOOL_USE_ID, MUST),
    (
        "content",
        &List(
            &Union(
                "ToolResultContentBlock",
                &[
                    ("json", &DOCUMENT, MAY),
                    ("text", &STRING, MAY),
                    ("image", &IMAGE, MAY),
                    ("document", &DOCUMENT_BLOCK, MAY),
                    ("video", &VIDEO, MAY),
                    ("searchResult", &SEARCH_RESULT, MAY),
                ],
            ),
            0,
            ANY,
        ),
        MUST,
    ),
    ("status", &Word(&["success", "error"]), MAY),
    ("type", &STRING, MAY),
]);

static GUARD: Shape = Union(
    "GuardrailConverseContentBlock",
    &[
        (
            "text",
            &Structure(&[
                ("text", &STRING, MUST),
                (
                    "qualifiers",
                    &List(&Word(&["grounding_source", "query", "guard_content"]), 0, ANY),
                    MAY,
                ),
            ]),
            MAY,
        ),
        ("image", &IMAGE, MAY),
    ],
);

static CACHE_POINT: Shape =
    Structure(&[("type", &Word(&["default"]), MUST), ("ttl", &Word(&["5m", "1h"]), MAY)]);

static REASONING: Shape = Union(
    "ReasoningContentBlock",
    &[
        ("reasoningText", &Structure(&[("text", &STRING, MUST), ("signature", &STRING, MAY)]), MAY),
        ("redactedContent", &BLOB, MAY),
    ],
);

static SPAN: Shape = Structure(&[
    ("documentIndex", &NATURAL, MAY),
    ("start", &NATURAL, MAY),
    ("end", &NATURAL, MAY),
]);

static CITATION: Shape = Structure(&[
    ("title", &STRING, MAY),
    ("source", &STRING, MAY),
    ("sourceContent", &TEXTS, MAY),
    (
        "location",
        &Union(
            "CitationLocation",
            &[
                ("web", &Structure(&[("url", &STRING, MAY), ("domain", &STRING, MAY)]), MAY),
                ("documentChar", &SPAN, MAY),
                ("documentPage", &SPAN, MAY),
                ("documentChunk", &SPAN, MAY),
                (
                    "searchResultLocation",
                    &Structure(&[
                        ("searchResultIndex", &NATURAL, MAY),
                        ("start", &NATURAL, MAY),
                        ("end", &NATURAL, MAY),
                    ]),
                    MAY,
                ),
            ],
        ),
        MAY,
    ),
]);

static TOOL_CHANGE: Shape = Structure(&[(
    "tool",
    &Structure(&[
        ("type", &Text(1, 64), MAY),
        ("name", &Text(1, 128), MAY),
        ("serverName", &Text(1, 128), MAY),
    ]),
    MUST,
)]);

static MESSAGE: Shape = Structure(&[
    ("role", &Word(&["user", "assistant", "system"]), MUST),
    (
        "content",
        &List(
            &Union(
                "ContentBlock",
                &[
                    ("text", &STRING, MAY),
                    ("image", &IMAGE, MAY),
                    ("document", &DOCUMENT_BLOCK, MAY),
                    ("video", &VIDEO, MAY),
                    ("audio", &AUDIO, MAY),
                    ("toolUse", &TOOL_USE, MAY),
                    ("toolResult", &TOOL_RESULT, MAY),
                    ("guardContent", &GUARD, MAY),
                    ("cachePoint", &CACHE_POINT, MAY),
                    ("reasoningContent", &REASONING, MAY),
                    (
                        "citationsContent",
                        &Structure(&[
                            ("content", &TEXTS, MAY),
                            ("citations", &List(&CITATION, 0, ANY), MAY),
                        ]),
                        MAY,
                    ),
                    ("searchResult", &SEARCH_RESULT, MAY),
                    ("toolAddition", &TOOL_CHANGE, MAY),
                    ("toolRemoval", &TOOL_CHANGE, MAY),
                ],
            ),
            0,
            ANY,
        ),
        MUST,
    ),
]);

static TOOL_CONFIG: Shape = Structure(&[
    (
        "tools",
        &List(
            &Union(
                "Tool",
                &[
                    (
                        "toolSpec",
                        &Structure(&[
                            ("name", &TOOL_NAME, MUST),
                            ("description", &NON_EMPTY, MAY),
                            (
                                "inputSchema",
                                &Union("ToolInputSchema", &[("json", &DOCUMENT, MAY)]),
                                MUST,
                            ),
                            ("strict", &BOOL, MAY),
                        ]),
                        MAY,
                    ),
                    ("systemTool", &Structure(&[("name", &TOOL_NAME, MUST)]), MAY),
                    ("cachePoint", &CACHE_POINT, MAY),
                ],
            ),
            1,
            ANY,
        ),
        MUST,
    ),
    (
        "toolChoice",
        &Union(
            "ToolChoice",
            &[
                ("auto", &NOTHING, MAY),
                ("any", &NOTHING, MAY),
                ("tool", &Structure(&[("name", &TOOL_NAME, MUST)]), MAY),
            ],
        ),
        MAY,
    ),
]);

static INFERENCE: Shape = Structure(&[
    ("maxTokens", &Int(1), MAY),
    ("temperature", &Share, MAY),
    ("topP", &Share, MAY),
    ("stopSequences", &List(&NON_EMPTY, 0, 2500), MAY),
]);

static OUTPUT_CONFIG: Shape = Structure(&[
    (
        "textFormat",
        &Structure(&[
            ("type", &Word(&["json_schema"]), MUST),
            (
                "structure",
                &Union(
                    "OutputFormatStructure",
                    &[(
                        "jsonSchema",
                        &Structure(&[
                            ("schema", &STRING, MUST),
                            ("name", &STRING, MAY),
                            ("description", &STRING, MAY),
                        ]),
                        MAY,
                    )],
                ),
                MUST,
            ),
        ]),
        MAY,
    ),
    ("effort", &Text(0, 16), MAY),
]);

static SYSTEM: Shape = List(
    &Union(
        "SystemContentBlock",
        &[
            ("text", &NON_EMPTY, MAY),
            ("guardContent", &GUARD, MAY),
            ("cachePoint", &CACHE_POINT, MAY),
        ],
    ),
    0,
    ANY,
);

/// The body of a Converse request, streamed or not.
pub(crate) static CONVERSE: Shape = Structure(&[
    ("messages", &List(&MESSAGE, 0, ANY), MAY),
    ("system", &SYSTEM, MAY),
    ("inferenceConfig", &INFERENCE, MAY),
    ("toolConfig", &TOOL_CONFIG, MAY),
    (
        "guardrailConfig",
        &Structure(&[
            ("guardrailIdentifier", &STRING, MAY),
            ("guardrailVersion", &STRING, MAY),
            ("trace", &Word(&["enabled", "disabled", "enabled_full"]), MAY),
            ("streamProcessingMode", &Word(&["sync", "async"]), MAY),
        ]),
        MAY,
    ),
    ("additionalModelRequestFields", &DOCUMENT, MAY),
    (
        "promptVariables",
        &Shape::Map(&STRING, &Union("PromptVariableValues", &[("text", &STRING, MAY)]), ANY),
        MAY,
    ),
    ("additionalModelResponseFieldPaths", &List(&Text(1, 256), 0, 10), MAY),
    ("requestMetadata", &Shape::Map(&METADATA_KEY, &METADATA_VALUE, 16), MAY),
    ("performanceConfig", &Structure(&[("latency", &Word(&["standard", "optimized"]), MAY)]), MAY),
    (
        "serviceTier",
        &Structure(&[("type", &Word(&["priority", "default", "flex", "reserved"]), MUST)]),
        MAY,
    ),
    ("outputConfig", &OUTPUT_CONFIG, MAY),
]);
