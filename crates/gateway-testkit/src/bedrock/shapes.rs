//! The service's own model of a Converse request: which members there are, which must be, and what they
//! may hold. It is checked before anyone looks at what the request means.

use serde_json::{Map, Value};

use super::refusal::Refusal;

pub(crate) type Checked<T = ()> = Result<T, Refusal>;

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

/// A place in a request. The service writes it in three ways.
#[derive(Clone, Debug, Default)]
struct At(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Name(String),
    Index(usize),
}

impl At {
    fn name(&self, name: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Name(name.to_owned()));
        Self(steps)
    }

    fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// `messages.1.member.role`, from 1.
    fn constraint(&self) -> String {
        self.join(".", |index| format!("{}.member", index + 1))
    }

    /// `messages.0.role`, from 0.
    fn dotted(&self) -> String {
        self.join(".", |index| index.to_string())
    }

    /// `/messages/0/role`.
    fn pointer(&self) -> String {
        let path = self.join("/", |index| index.to_string());
        if path.is_empty() { path } else { format!("/{path}") }
    }

    fn join(&self, between: &str, index: impl Fn(usize) -> String) -> String {
        let step = |step: &Step| match step {
            Step::Name(name) => name.clone(),
            Step::Index(at) => index(*at),
        };
        self.0.iter().map(step).collect::<Vec<_>>().join(between)
    }
}

/// Checks a body against its shape.
pub(crate) fn fits(value: &Value, shape: &Shape) -> Checked {
    walk(value, shape, &At::default())
}

fn walk(value: &Value, shape: &Shape, at: &At) -> Checked {
    let wrong = |wanted: &str| Err(Refusal::wrong_type(value, wanted));
    let broken = |what: String| Err(Refusal::constraint(&at.constraint(), value, &what));
    match shape {
        Text(min, max) => {
            let Some(text) = value.as_str() else { return wrong("a String") };
            lengths(text.chars().count(), *min, *max, at, value)
        }
        Letters(max, is, pattern) => {
            let Some(text) = value.as_str() else { return wrong("a String") };
            lengths(text.chars().count(), 1, *max, at, value)?;
            if !text.chars().all(is) {
                return broken(format!(
                    "Member must satisfy regular expression pattern: {pattern}"
                ));
            }
            Ok(())
        }
        Word(words) => {
            let Some(text) = value.as_str() else { return wrong("a String") };
            if !words.contains(&text) {
                let set = words.join(", ");
                return broken(format!("Member must satisfy enum value set: [{set}]"));
            }
            Ok(())
        }
        Bool if value.is_boolean() => Ok(()),
        Bool => wrong("a Boolean"),
        Int(min) => match value.as_i64() {
            None => wrong("an Integer"),
            Some(number) if number < *min => {
                broken(format!("Member must have value greater than or equal to {min}"))
            }
            Some(_) => Ok(()),
        },
        Share => match value.as_f64() {
            None => wrong("a Float"),
            Some(number) if number > 1.0 => {
                broken("Member must have value less than or equal to 1".to_owned())
            }
            Some(number) if number < 0.0 => {
                broken("Member must have value greater than or equal to 0".to_owned())
            }
            Some(_) => Ok(()),
        },
        Blob => match value.as_str() {
            Some(text) if !is_base64(text) => wrong("a Blob"),
            Some("") => lengths(0, 1, ANY, at, value),
            Some(_) => Ok(()),
            None => wrong("a Blob"),
        },
        Document if value.is_object() => Ok(()),
        Document => Err(Refusal::new(format!(
            "The format of the value at {} is invalid. Provide a json object for the field and try again.",
            at.dotted()
        ))),
        List(entry, min, max) => {
            let Some(entries) = value.as_array() else { return wrong("a List") };
            lengths(entries.len(), *min, *max, at, value)?;
            entries.iter().enumerate().try_for_each(|(index, value)| {
                if value.is_null() {
                    return Err(Refusal::missing(&at.index(index).constraint()));
                }
                walk(value, entry, &at.index(index))
            })
        }
        Shape::Map(key, entry, max) => {
            let Some(pairs) = value.as_object() else { return wrong("a Map") };
            lengths(pairs.len(), 0, *max, at, value)?;
            pairs.iter().try_for_each(|(name, value)| {
                walk(&Value::String(name.clone()), key, at)?;
                walk(value, entry, &at.name(name))
            })
        }
        Structure(members) => {
            let Some(given) = value.as_object() else { return wrong("a Structure") };
            structure(given, members, at)
        }
        Union(name, members) => {
            let Some(given) = value.as_object() else { return wrong("a Structure") };
            structure(given, members, at)?;
            if given.values().filter(|value| !value.is_null()).count() != 1 {
                let keys: Vec<&str> = members.iter().map(|(name, ..)| *name).collect();
                return Err(Refusal::new(format!(
                    "The {name} object at {} must set one of the following keys: {}.",
                    at.dotted(),
                    keys.join(", ")
                )));
            }
            Ok(())
        }
    }
}

fn structure(given: &Map<String, Value>, members: &[Member], at: &At) -> Checked {
    for (name, shape, must) in members {
        match given.get(*name).filter(|value| !value.is_null()) {
            Some(value) => walk(value, shape, &at.name(name))?,
            None if *must => return Err(Refusal::missing(&at.name(name).constraint())),
            None => {}
        }
    }
    let known = |name: &String| members.iter().any(|(known, ..)| known == name);
    match given.keys().find(|name| !known(name)) {
        Some(name) => Err(Refusal::extraneous(&at.pointer(), name)),
        None => Ok(()),
    }
}

fn lengths(length: usize, min: usize, max: usize, at: &At, value: &Value) -> Checked {
    let broken = |what: String| Err(Refusal::constraint(&at.constraint(), value, &what));
    if length < min {
        return broken(format!("Member must have length greater than or equal to {min}"));
    }
    if length > max {
        return broken(format!("Member must have length less than or equal to {max}"));
    }
    Ok(())
}

pub(crate) fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let letters = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(letters)
}
