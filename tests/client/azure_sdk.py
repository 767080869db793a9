"""The official OpenAI SDK's Azure client against the scripted Azure: prints `{"scenario": outcome}`.

Usage: python azure_sdk.py BASE_URL DEPLOYMENT

Answers are validated strictly: what does not fit the SDK's types is an error.
"""

import json
import sys

import openai

BASE, DEPLOYMENT = sys.argv[1:]
KEY = "key-of-the-test"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def classic(version="2024-10-21", deployment=DEPLOYMENT, **more):
    options = {"api_key": KEY, "max_retries": 0, **more}
    return openai.AzureOpenAI(
        azure_endpoint=BASE,
        azure_deployment=deployment,
        api_version=version,
        **options,
    )


def v1(**more):
    options = {"api_key": KEY, "max_retries": 0, **more}
    return openai.OpenAI(base_url=BASE + "/openai/v1/", **options)


def ask(text, **more):
    return {"model": DEPLOYMENT, "messages": [{"role": "user", "content": text}], **more}


def create(client):
    done = client.chat.completions.create(**ask("plain"))
    choice = done.choices[0]
    return {
        "text": choice.message.content,
        "filter": choice.model_extra["content_filter_results"]["hate"]["severity"],
        "prompt": len(done.model_extra["prompt_filter_results"]),
    }


def stream(client):
    text, calls, empty, offsets = "", "", 0, 0
    options = {"include_usage": True}
    usage = None
    for chunk in client.chat.completions.create(
        **ask("calls"), tools=TOOLS, stream=True, stream_options=options
    ):
        usage = chunk.usage or usage
        empty += not chunk.choices and not chunk.usage
        for choice in chunk.choices:
            offsets += "content_filter_offsets" in choice.model_extra
            delta = getattr(choice, "delta", None)
            text += (delta and delta.content) or ""
            for call in (delta and delta.tool_calls) or []:
                calls += call.function.arguments
    return {"text": text, "calls": calls, "empty": empty, "offsets": offsets, "tokens": usage.completion_tokens}


scenarios = {
    "classic_create": lambda: create(classic()),
    "classic_stream": lambda: stream(classic()),
    "v1_create": lambda: create(v1()),
    "v1_stream": lambda: stream(v1()),
    "entra": lambda: create(classic(api_key=None, azure_ad_token=KEY)),
    "classic_responses": lambda: classic("2025-04-01-preview", None)
    .responses.create(model=DEPLOYMENT, input="plain", store=False)
    .output_text,
    "v1_responses": lambda: v1().responses.create(model=DEPLOYMENT, input="plain").output_text,
    "old_version": lambda: classic("2024-06-01", None).responses.create(model=DEPLOYMENT, input="a"),
    "no_version": lambda: openai.OpenAI(
        base_url=BASE + "/openai/", api_key=KEY, max_retries=0
    ).chat.completions.create(**ask("plain")),
    "no_deployment": lambda: create(classic(deployment="other")),
    "v1_no_deployment": lambda: v1().chat.completions.create(**{**ask("plain"), "model": "gpt-4.1"}),
    "wrong_key": lambda: create(classic(api_key="wrong")),
    "new_field": lambda: classic().chat.completions.create(**ask("plain"), prompt_cache_key="k"),
    "filtered": lambda: classic().chat.completions.create(**ask("filtered")),
    "busy": lambda: classic().chat.completions.create(**ask("busy")),
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
            "message": str(error),
        }
print(json.dumps(outcomes, default=str))
