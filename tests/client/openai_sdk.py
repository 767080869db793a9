"""The official OpenAI SDK against the scripted OpenAI: prints `{"scenario": outcome}` as JSON.

Usage: python openai_sdk.py CHAT_BASE_URL RESPONSES_BASE_URL

Answers are validated strictly: what does not fit the SDK's types is an error.
"""

import json
import sys

import openai
from pydantic import BaseModel

CHAT, RESPONSES = "gpt-4.1", "gpt-5.6-terra"


def client(base, **more):
    options = {"api_key": "key-of-the-test", "max_retries": 0, **more}
    return openai.OpenAI(base_url=base + "/v1", _strict_response_validation=True, **options)


chat = client(sys.argv[1])
responses = client(sys.argv[2])


class Weather(BaseModel):
    city: str
    degrees: int


class GetWeather(BaseModel):
    """The weather of a city."""

    city: str


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "The weather", "parameters": SCHEMA}
CHAT_TOOLS = [{"type": "function", "function": FUNCTION}]
RESPONSES_TOOLS = [{"type": "function", "strict": False, **FUNCTION}]
STATELESS = {
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "reasoning": {"effort": "low", "summary": "auto"},
}


def user(text):
    return [{"role": "user", "content": text}]


# === Chat Completions ===


def ask(text, **more):
    return {"model": CHAT, "messages": user(text), **more}


def chat_create():
    done = chat.chat.completions.create(**ask("plain"))
    choice = done.choices[0]
    return {
        "text": choice.message.content,
        "finish": choice.finish_reason,
        "model": done.model,
        "cached": done.usage.prompt_tokens_details.cached_tokens,
        "request": done._request_id,
    }


def chat_loop():
    messages = user("calls")
    first = chat.chat.completions.create(model=CHAT, messages=messages, tools=CHAT_TOOLS)
    message = first.choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        city = json.loads(call.function.arguments)["city"]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": "rain in " + city})
    last = chat.chat.completions.create(model=CHAT, messages=messages, tools=CHAT_TOOLS)
    return {"finish": first.choices[0].finish_reason, "text": last.choices[0].message.content}


def chat_stream(text):
    def run():
        more = {"tools": CHAT_TOOLS, "stream_options": {"include_usage": True}}
        kinds = set()
        with chat.chat.completions.stream(**ask(text, **more)) as stream:
            for event in stream:
                kinds.add(event.type)
            done = stream.get_final_completion()
        message = done.choices[0].message
        return {
            "text": message.content,
            "refusal": message.refusal,
            "calls": [[c.function.name, c.function.arguments] for c in message.tool_calls or []],
            "finish": done.choices[0].finish_reason,
            "completion": done.usage.completion_tokens,
            "kinds": sorted(kinds),
        }

    return run


def chat_parse():
    done = chat.chat.completions.parse(**ask("json"), response_format=Weather)
    return done.choices[0].message.parsed.model_dump()


def chat_strict_tool():
    tools = [openai.pydantic_function_tool(GetWeather, name="get_weather")]
    done = chat.chat.completions.parse(**ask("calls"), tools=tools)
    return [c.function.parsed_arguments.model_dump() for c in done.choices[0].message.tool_calls]


# === Responses ===


def prompt(text, **more):
    return {"model": RESPONSES, "input": text, **more}


def responses_create():
    done = responses.responses.create(**prompt("plain", **STATELESS))
    return {
        "text": done.output_text,
        "status": done.status,
        "types": [item.type for item in done.output],
        "sealed": bool(done.output[0].encrypted_content),
        "reasoning": done.usage.output_tokens_details.reasoning_tokens,
    }


def responses_loop():
    items = user("calls")
    more = {"tools": RESPONSES_TOOLS, **STATELESS}
    first = responses.responses.create(model=RESPONSES, input=items, **more)
    for item in first.output:
        items.append(item.model_dump(exclude_none=True))
    for item in first.output:
        if item.type == "function_call":
            output = "rain in " + json.loads(item.arguments)["city"]
            items.append(
                {"type": "function_call_output", "call_id": item.call_id, "output": output}
            )
    last = responses.responses.create(model=RESPONSES, input=items, **more)
    return {"types": [item.type for item in first.output], "text": last.output_text}


def responses_stream(text, **more):
    def run():
        kinds, numbers = [], []
        options = {"tools": RESPONSES_TOOLS + [{"type": "web_search"}], **STATELESS, **more}
        with responses.responses.stream(**prompt(text, **options)) as stream:
            for event in stream:
                numbers.append(event.sequence_number)
                if not kinds or kinds[-1] != event.type:
                    kinds.append(event.type)
            done = stream.get_final_response()
        whole = responses.responses.create(**prompt(text, **options))
        return {
            "kinds": kinds,
            "in_order": numbers == list(range(len(numbers))),
            "types": [item.type for item in done.output],
            "status": done.status,
            "text": done.output_text,
            # But for the ids, which are made from the request's number.
            "as_whole": shape(done) == shape(whole),
        }

    return run


def shape(response):
    def strip(value):
        if isinstance(value, dict):
            drop = ("id", "call_id", "encrypted_content", "parsed", "parsed_arguments")
            return {k: strip(v) for k, v in value.items() if k not in drop and v is not None}
        if isinstance(value, list):
            return [strip(v) for v in value]
        return value

    return strip(response.model_dump()["output"])


def responses_search():
    tools = [{"type": "web_search", "filters": {"allowed_domains": ["example.org"]}}]
    include = ["web_search_call.action.sources"]
    done = responses.responses.create(**prompt("search", tools=tools, include=include))
    search, message = done.output
    return {
        "query": search.action.query,
        "sources": [source.url for source in search.action.sources],
        "cited": [note.url for note in message.content[0].annotations],
    }


def responses_parse():
    done = responses.responses.parse(**prompt("json"), text_format=Weather)
    return done.output_parsed.model_dump()


def responses_incomplete():
    # Not by the helper: it takes `response.completed` for the only end.
    options = prompt("long", max_output_tokens=16)
    last = list(responses.responses.create(**options, stream=True))[-1]
    whole = responses.responses.create(**options)
    return {
        "last": last.type,
        "text": last.response.output_text,
        "reason": last.response.incomplete_details.reason,
        "status": [item.status for item in whole.output],
    }


def responses_failed():
    kinds = []
    for event in responses.responses.create(**prompt("failed"), stream=True):
        kinds.append(event.type)
    return {"last": kinds[-1], "error": event.response.error.code}


def responses_count():
    counted = responses.responses.input_tokens.count(**prompt("x" * 4000))
    return {"tokens": counted.input_tokens, "object": counted.object}


def foreign_blob():
    item = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAABforeign=="}
    items = user("hi") + [item, {"role": "assistant", "content": "hello"}] + user("go on")
    return responses.responses.create(model=RESPONSES, input=items)


def not_persisted():
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    items = user("hi") + [item, {"role": "assistant", "content": "hello"}] + user("go on")
    return responses.responses.create(model=RESPONSES, input=items, store=False)


def models():
    return [model.id for model in chat.models.list()]


scenarios = {
    "chat_create": chat_create,
    "chat_loop": chat_loop,
    "chat_stream_text": chat_stream("plain"),
    "chat_stream_calls": chat_stream("calls"),
    "chat_stream_refusal": chat_stream("refusal"),
    **{
        f"chat_{style}": chat_stream(f"style {style}")
        for style in ("crlf", "many-lines", "comments", "tight", "obfuscation")
    },
    "chat_parse": chat_parse,
    "chat_strict_tool": chat_strict_tool,
    "responses_create": responses_create,
    "responses_loop": responses_loop,
    "responses_stream_text": responses_stream("plain"),
    "responses_stream_calls": responses_stream("calls"),
    "responses_stream_search": responses_stream("search"),
    "responses_stream_refusal": responses_stream("refusal"),
    "responses_incomplete": responses_incomplete,
    "responses_search": responses_search,
    "responses_parse": responses_parse,
    "responses_failed": responses_failed,
    "responses_count": responses_count,
    "models": models,
    "unknown_field": lambda: chat.chat.completions.create(**ask("plain"), extra_body={"top_k": 1}),
    "unknown_parameter": lambda: responses.responses.create(
        **prompt("plain"), extra_body={"stop": ["x"]}
    ),
    "effort": lambda: responses.responses.create(**prompt("plain"), reasoning={"effort": "minimal"}),
    "chat_tools_of_a_reasoning_model": lambda: client(sys.argv[2]).chat.completions.create(
        model=RESPONSES, messages=user("plain"), tools=CHAT_TOOLS
    ),
    "too_few_tokens": lambda: responses.responses.create(**prompt("plain"), max_output_tokens=1),
    "foreign_blob": foreign_blob,
    "not_persisted": not_persisted,
    "other_model": lambda: chat.chat.completions.create(model="gpt-9", messages=user("plain")),
    "too_long": lambda: chat.chat.completions.create(**ask("x" * 5_000_000)),
    "wrong_key": lambda: client(sys.argv[1], api_key="sk-wrong").models.list(),
    "content_type": lambda: chat.chat.completions.create(
        **ask("plain"), extra_headers={"content-type": "text/plain"}
    ),
    "quota": lambda: chat.chat.completions.create(**ask("quota")),
    "busy": lambda: chat.chat.completions.create(**ask("busy")),
    "overloaded": lambda: chat.chat.completions.create(**ask("overloaded")),
    "broken": lambda: chat.chat.completions.create(**ask("broken")),
    "filtered": lambda: chat.chat.completions.create(**ask("filtered")),
    "error_in_chunk": lambda: list(chat.chat.completions.create(**ask("error"), stream=True)),
    "error_event": lambda: list(responses.responses.create(**prompt("error"), stream=True))[-1].code,
    "nested_error": lambda: list(responses.responses.create(**prompt("nested"), stream=True)),
    "cut": lambda: list(chat.chat.completions.create(**ask("cut"), stream=True)),
}

outcomes = {}
for name, scenario in scenarios.items():
    try:
        outcomes[name] = {"ok": scenario()}
    except Exception as error:  # every failure is an outcome here
        outcomes[name] = {
            "raised": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
            "param": getattr(error, "param", None),
            "type": getattr(error, "type", None),
            "message": str(error),
        }
print(json.dumps(outcomes, default=str))
