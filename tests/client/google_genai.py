"""Google's official SDK against the scripted Gemini at AI Studio and at Vertex AI, and Anthropic's against Claude at
Vertex AI: prints `{"scenario": outcome}` as JSON.

Usage: python google_genai.py STUDIO_URL VERTEX_URL DIRECTORY

The directory holds the credentials `service-account.json`, `user.json`, `workload.json` and `impersonated.json`.
"""

import base64
import json
import sys
import warnings

import anthropic
from google import genai
from google.auth import identity_pool
from google.genai import errors, types
from google.oauth2 import credentials as user
from google.oauth2 import service_account

STUDIO, VERTEX, DIRECTORY = sys.argv[1:]
NEW, IDLESS, OLD, LONG, PRO, CLAUDE = (
    "gemini-3.6-flash",
    "gemini-3-flash-preview",
    "gemini-2.5-flash",
    "gemini-4-argon",
    "gemini-3.1-pro",
    "claude-opus-5-5",
)
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
warnings.simplefilter("ignore")


def credentials(name):
    path = f"{DIRECTORY}/{name}.json"
    if name == "service-account":
        return service_account.Credentials.from_service_account_file(path, scopes=[SCOPE])
    if name == "user":
        # Its own reader of this file knows Google's token endpoint only.
        with open(path) as file:
            info = json.load(file)
        names = ("refresh_token", "token_uri", "client_id", "client_secret")
        return user.Credentials(None, **{name: info[name] for name in names})
    return identity_pool.Credentials.from_file(path, scopes=[SCOPE])


def at(base, **more):
    options = types.HttpOptions(base_url=base, api_version=more.pop("version", None))
    return genai.Client(http_options=options, **more)


def on_vertex(name, **more):
    place = {"project": "project-test", "location": "us", "version": "v1beta1", **more}
    return at(VERTEX, vertexai=True, credentials=credentials(name), **place)


studio = at(STUDIO, api_key="key-of-the-test", version="v1beta")
vertex = on_vertex("service-account")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    types.Tool(
        function_declarations=[
            types.FunctionDeclaration(
                name="get_weather", description="The weather", parameters_json_schema=SCHEMA
            )
        ]
    )
]
THINK = types.ThinkingConfig(include_thoughts=True, thinking_level="LOW")


def said(response):
    """The answer's parts in short, and what came with them."""
    candidate = response.candidates[0]
    parts = candidate.content.parts if candidate.content and candidate.content.parts else []
    usage = response.usage_metadata
    return {
        "thoughts": "".join(p.text for p in parts if p.thought),
        "text": "".join(p.text or "" for p in parts if not p.thought),
        "calls": [[p.function_call.name, p.function_call.args] for p in parts if p.function_call],
        "signed": sum(1 for p in parts if p.thought_signature),
        "finish": candidate.finish_reason and candidate.finish_reason.value,
        "tokens": usage and usage.total_token_count,
    }


def generate(client, model, text, **config):
    def run():
        options = types.GenerateContentConfig(**config)
        return said(client.models.generate_content(model=model, contents=text, config=options))

    return run


def stream(client, model, text, **config):
    def run():
        parts, last = [], None
        options = types.GenerateContentConfig(**config)
        for chunk in client.models.generate_content_stream(
            model=model, contents=text, config=options
        ):
            last = chunk
            candidate = chunk.candidates[0] if chunk.candidates else None
            if candidate and candidate.content and candidate.content.parts:
                parts += candidate.content.parts
        last.candidates = last.candidates or [types.Candidate()]
        last.candidates[0].content = types.Content(role="model", parts=parts)
        return said(last)

    return run


def loop(client, model):
    """Calls are answered, signatures go back where they came from."""

    def run():
        contents = [types.Content(role="user", parts=[types.Part(text="calls")])]
        options = types.GenerateContentConfig(tools=TOOLS, thinking_config=THINK)
        first = client.models.generate_content(model=model, contents=contents, config=options)
        contents.append(first.candidates[0].content)
        answers = []
        for call in first.function_calls:
            output = {"output": "rain in " + call.args["city"]}
            answer = types.FunctionResponse(id=call.id, name=call.name, response=output)
            answers.append(types.Part(function_response=answer))
        contents.append(types.Content(role="user", parts=answers))
        last = client.models.generate_content(model=model, contents=contents, config=options)
        return {"first": said(first), "last": said(last)}

    return run


def chat():
    """The SDK calls the functions and keeps the history by itself."""

    def get_weather(city: str) -> str:
        """The weather of a city."""
        return "rain in " + city

    options = types.GenerateContentConfig(tools=[get_weather])
    # It gives no ids back, which the newest models want.
    talk = studio.chats.create(model=IDLESS, config=options)
    return {"text": talk.send_message("calls").text, "again": talk.send_message("plain").text}


def without_signature():
    call = types.FunctionCall(id="a", name="get_weather", args={"city": "Köln"})
    answer = types.FunctionResponse(id="a", name="get_weather", response={"output": "x"})
    contents = [
        types.Content(role="user", parts=[types.Part(text="calls")]),
        types.Content(role="model", parts=[types.Part(function_call=call)]),
        types.Content(role="user", parts=[types.Part(function_response=answer)]),
    ]
    return studio.models.generate_content(model=NEW, contents=contents)


def image():
    contents = [types.Part.from_bytes(data=PNG, mime_type="image/png"), "plain"]
    return studio.models.generate_content(model=NEW, contents=contents).text


def grounded(response):
    metadata = response.candidates[0].grounding_metadata
    text = response.text.encode()
    return {
        "queries": metadata.web_search_queries,
        "cited": [
            [
                text[s.segment.start_index or 0 : s.segment.end_index].decode(),
                metadata.grounding_chunks[s.grounding_chunk_indices[0]].web.uri,
            ]
            for s in metadata.grounding_supports
        ],
    }


def search():
    options = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    return grounded(studio.models.generate_content(model=NEW, contents="search", config=options))


def code():
    parts = studio.models.generate_content(model=NEW, contents="code").candidates[0].content.parts
    return [
        next(p.executable_code.code for p in parts if p.executable_code),
        next(p.code_execution_result.output for p in parts if p.code_execution_result),
    ]


def blocked():
    response = studio.models.generate_content(model=NEW, contents="blocked")
    return response.prompt_feedback.block_reason.value


def continued(streams):
    options = types.GenerateContentConfig(automatic_continuation=True)
    ask = {"model": LONG, "contents": "long", "config": options}
    if streams:
        return lambda: "".join(
            chunk.text or "" for chunk in studio.models.generate_content_stream(**ask)
        )
    return lambda: studio.models.generate_content(**ask).text


def count(client, model):
    return lambda: client.models.count_tokens(model=model, contents="x" * 4000).total_tokens


def raw(path, body):
    """What the SDK does not say by itself."""
    return lambda: studio._api_client.request("post", path, body).body


# === Claude ===


def claude_at_vertex(strict):
    return anthropic.AnthropicVertex(
        base_url=VERTEX + "/v1",
        region="us",
        project_id="project-test",
        credentials=credentials("service-account"),
        max_retries=0,
        _strict_response_validation=strict,
    )


claude = claude_at_vertex(True)
# The service's own first event is none of the SDK's types.
streaming_claude = claude_at_vertex(False)
CLAUDE_TOOLS = [{"name": "get_weather", "description": "The weather", "input_schema": SCHEMA}]


def ask(text, **more):
    messages = text if isinstance(text, list) else [{"role": "user", "content": text}]
    return {"model": CLAUDE, "max_tokens": 1000, "messages": messages, **more}


def claude_create():
    done = claude.messages.create(**ask("plain"))
    usage = done.usage
    return {
        "text": done.content[0].text,
        "stop": done.stop_reason,
        "model": done.model,
        "input": [usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens],
    }


def claude_loop(streams):
    def once(messages):
        more = {"tools": CLAUDE_TOOLS, "thinking": {"type": "adaptive"}}
        if not streams:
            return claude.messages.create(**ask(messages, **more))
        with streaming_claude.messages.stream(**ask(messages, **more)) as stream:
            return stream.get_final_message()

    def run():
        messages = [{"role": "user", "content": "calls"}]
        first = once(messages)
        messages.append({"role": "assistant", "content": first.content})
        results = []
        for block in first.content:
            if block.type == "tool_use":
                results.append(
                    {
                        "type": "tool_result",
                        "tool_use_id": block.id,
                        "content": "rain in " + block.input["city"],
                    }
                )
        messages.append({"role": "user", "content": results})
        last = once(messages)
        return {
            "types": [block.type for block in first.content],
            "stop": first.stop_reason,
            "text": last.content[-1].text,
        }

    return run


def claude_foreign():
    thinking = {"type": "thinking", "thinking": "hm", "signature": "gw1.foreign"}
    spoken = {"role": "assistant", "content": [thinking, {"type": "text", "text": "a"}]}
    user = {"role": "user", "content": "plain"}
    return claude.messages.create(**ask([user, spoken, user]))


scenarios = {
    "generate": generate(studio, NEW, "plain", thinking_config=THINK),
    "generate_quietly": generate(studio, NEW, "plain"),
    "stream": stream(studio, NEW, "plain", thinking_config=THINK),
    "stream_calls": stream(studio, NEW, "calls", tools=TOOLS),
    **{
        f"style_{style}": stream(studio, NEW, f"style {style}", tools=TOOLS)
        for style in sys.stdin.read().split()
    },
    "loop": loop(studio, NEW),
    "chat": chat,
    "image": image,
    "search": search,
    "code": code,
    "blocked": blocked,
    "filtered": generate(studio, NEW, "filtered"),
    "short": generate(studio, NEW, "short"),
    "continued": continued(False),
    "continued_stream": continued(True),
    "count": count(studio, NEW),
    "models": lambda: [model.name for model in studio.models.list()],
    "json": generate(
        studio, NEW, "json", response_mime_type="application/json", response_json_schema=SCHEMA
    ),
    "vertex": generate(vertex, PRO, "plain", thinking_config=THINK),
    "vertex_stream": stream(vertex, PRO, "calls", tools=TOOLS),
    "vertex_loop": loop(vertex, PRO),
    "vertex_count": count(vertex, PRO),
    **{
        f"vertex_{name}": generate(on_vertex(name), PRO, "plain")
        for name in ("user", "workload", "impersonated")
    },
    "claude": claude_create,
    "claude_loop": claude_loop(False),
    "claude_stream": claude_loop(True),
    "claude_count": lambda: (
        claude.messages.count_tokens(
            model=CLAUDE, messages=[{"role": "user", "content": "x" * 4000}]
        ).input_tokens
    ),
    "claude_foreign": claude_foreign,
    "claude_sampling": lambda: claude.messages.create(
        **ask("plain"), extra_body={"temperature": 0.5}
    ),
    "claude_model": lambda: claude.messages.create(**{**ask("plain"), "model": "claude-9"}),
    "wrong_key": generate(at(STUDIO, api_key="wrong"), NEW, "plain"),
    "other_model": generate(studio, "gemini-9", "plain"),
    "other_region": generate(on_vertex("user", location="europe-west1"), PRO, "plain"),
    "unknown_field": raw(
        f"models/{NEW}:generateContent", {"contents": [{"parts": [{"text": "a"}]}], "top_k": 1}
    ),
    "sampling": generate(studio, NEW, "plain", temperature=1),
    "level_of_the_old": generate(studio, OLD, "plain", thinking_config=THINK),
    "without_signature": without_signature,
    "quota": generate(studio, NEW, "quota"),
    "overloaded": generate(studio, NEW, "overloaded"),
    "error_in_stream": stream(studio, NEW, "error"),
}

outcomes = {}
for name, scenario in scenarios.items():
    try:
        outcomes[name] = {"ok": scenario()}
    except Exception as error:  # every failure is an outcome here
        status = error.code if isinstance(error, errors.APIError) else None
        outcomes[name] = {
            "raised": type(error).__name__,
            "status": status or getattr(error, "status_code", None),
            "word": getattr(error, "status", None),
            "message": str(error),
        }
print(json.dumps(outcomes, default=str))
