"""boto3 and Anthropic's Bedrock client against the scripted Bedrock: prints `{"scenario": outcome}`.

Usage: python boto3_client.py CLAUDE_URL NOVA_URL URL_OF_A_CLOCK_AHEAD URL_OF_A_CLOCK_BEHIND STYLES
"""

import base64
import json
import sys

import boto3
from anthropic import AnthropicBedrock, APIStatusError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/" + CLAUDE
NOVA = "amazon.nova-pro-v1:0"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def client(base, key=("AKIDOFTHETEST", "secret-of-the-test"), **more):
    names = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"]
    options = {"region_name": "us-east-1", **dict(zip(names, key)), **more}
    config = Config(retries={"total_max_attempts": 1}, read_timeout=20)
    return boto3.client("bedrock-runtime", endpoint_url=base, config=config, **options)


claude, nova = client(sys.argv[1]), client(sys.argv[2])
native = AnthropicBedrock(
    base_url=sys.argv[1],
    aws_access_key="AKIDOFTHETEST",
    aws_secret_key="secret-of-the-test",
    aws_region="us-east-1",
    max_retries=0,
)

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SPEC = {"name": "get_weather", "description": "The weather", "inputSchema": {"json": SCHEMA}}
TOOLS = {"tools": [{"toolSpec": SPEC}]}
OWN_TOOLS = [{"name": "get_weather", "description": "The weather", "input_schema": SCHEMA}]


def user(*texts):
    return {"role": "user", "content": [{"text": text} for text in texts]}


def ask(text, **more):
    return {"modelId": NOVA, "messages": [user(text)], **more}


def folded(stream):
    """A stream put together: its blocks, its end and its order."""
    blocks, found, kinds = {}, {}, []
    for event in stream:
        ((kind, body),) = event.items()
        kinds.append(kind)
        body.pop("p", None)
        if kind == "contentBlockStart":
            blocks[body["contentBlockIndex"]] = {**body["start"]["toolUse"], "input": ""}
        elif kind == "contentBlockDelta":
            ((what, delta),) = body["delta"].items()
            block = blocks.setdefault(body["contentBlockIndex"], {})
            if what == "text":
                block["text"] = block.get("text", "") + delta
            elif what == "toolUse":
                block["input"] += delta["input"]
            elif what == "citation":
                block.setdefault("citations", []).append(delta)
            else:
                for name, value in delta.items():
                    if isinstance(value, bytes):
                        value = base64.b64encode(value).decode()
                    block[name] = block.get(name, "") + value
        elif kind == "messageStop":
            found["stop"] = body["stopReason"]
        elif kind == "metadata":
            found["usage"] = body["usage"]
    found["blocks"] = [blocks[index] for index in sorted(blocks)]
    found["first"], found["last"] = kinds[0], kinds[-1]
    return found


# === Converse ===


def converse():
    answer = nova.converse(**ask("plain", system=[{"text": "Be brief."}]))
    return {
        "content": answer["output"]["message"]["content"],
        "stop": answer["stopReason"],
        "usage": answer["usage"],
        "request_id": len(answer["ResponseMetadata"]["RequestId"]),
    }


def converse_loop():
    messages = [user("calls")]
    answer = nova.converse(modelId=NOVA, messages=messages, toolConfig=TOOLS)
    messages.append(answer["output"]["message"])
    results = [
        {
            "toolResult": {
                "toolUseId": block["toolUse"]["toolUseId"],
                "content": [{"text": "rain in " + block["toolUse"]["input"]["city"]}],
                "status": "success",
            }
        }
        for block in messages[-1]["content"]
        if "toolUse" in block
    ]
    messages.append({"role": "user", "content": results})
    answer = nova.converse(modelId=NOVA, messages=messages, toolConfig=TOOLS)
    return answer["output"]["message"]["content"][0]["text"]


def converse_thinking_loop():
    """What Claude signed goes back as it came, at an ARN."""
    messages = [user("calls")]
    answer = claude.converse(modelId=ARN, messages=messages, toolConfig=TOOLS)
    messages.append(answer["output"]["message"])
    ids = [block["toolUse"]["toolUseId"] for block in messages[-1]["content"] if "toolUse" in block]
    result = lambda id: {"toolResult": {"toolUseId": id, "content": [{"json": {"sky": "blue"}}]}}
    messages.append({"role": "user", "content": [result(id) for id in ids]})
    answer = claude.converse(modelId=ARN, messages=messages, toolConfig=TOOLS)
    return [list(messages[1]["content"][0]), answer["output"]["message"]["content"][0]["text"]]


def converse_stream(text, model=None):
    def run():
        asked = ask(text, toolConfig=TOOLS)
        if model:
            return folded(claude.converse_stream(**{**asked, "modelId": model})["stream"])
        return folded(nova.converse_stream(**asked)["stream"])

    return run


def everything():
    """A request with all that the service takes."""
    document = {"format": "txt", "name": "A text (1)", "source": {"text": "words"}}
    content = [
        {"text": "plain"},
        {"image": {"format": "png", "source": {"bytes": PNG}}},
        {"document": {**document, "citations": {"enabled": True}}},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
    ]
    claude.converse(
        modelId=CLAUDE,
        messages=[{"role": "user", "content": content}],
        system=[{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        inferenceConfig={"maxTokens": 100, "temperature": 0.5, "stopSequences": ["END"]},
        toolConfig={**TOOLS, "toolChoice": {"tool": {"name": "get_weather"}}},
        additionalModelRequestFields={"top_k": 5},
        additionalModelResponseFieldPaths=["/stop_sequence"],
        requestMetadata={"user": "a"},
        performanceConfig={"latency": "standard"},
        serviceTier={"type": "default"},
    )
    return "taken"


def stop_sequence():
    asked = ask("stop", additionalModelResponseFieldPaths=["/stop_sequence"])
    answer = nova.converse(**asked)
    return [answer["stopReason"], answer["additionalModelResponseFields"]]


# === InvokeModel ===


def own(text, **more):
    messages = [{"role": "user", "content": text}]
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": messages}
    return {"modelId": CLAUDE, "body": json.dumps({**body, **more})}


def invoke():
    answer = claude.invoke_model(**own("plain"), serviceTier="default", trace="DISABLED")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    body = json.loads(answer["body"].read())
    return {
        "types": [block["type"] for block in body["content"]],
        "text": body["content"][-1]["text"],
        "stop": body["stop_reason"],
        "counts": [headers["x-amzn-bedrock-" + side + "-token-count"] for side in ("input", "output")],
    }


def invoke_stream():
    answer = claude.invoke_model_with_response_stream(**own("calls", tools=OWN_TOOLS))
    events = [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]
    metrics = events[-1]["amazon-bedrock-invocationMetrics"]
    return {"types": [event["type"] for event in events[:2]], "metrics": metrics["inputTokenCount"]}


def count_tokens():
    body = own("x" * 400)["body"]
    bare = CLAUDE.removeprefix("us.")
    by_body = claude.count_tokens(modelId=bare, input={"invokeModel": {"body": body}})
    messages = [user("x" * 400)]
    by_converse = claude.count_tokens(modelId=bare, input={"converse": {"messages": messages}})
    return [by_body["inputTokens"] > 99, by_converse["inputTokens"] > 99]


# === Anthropic's client ===


def asked(text, **more):
    extra = {"anthropic_version": "bedrock-2023-05-31"}
    messages = [{"role": "user", "content": text}]
    return {"model": CLAUDE, "max_tokens": 100, "messages": messages, "extra_body": extra, **more}


def anthropic_create():
    message = native.messages.create(**asked("plain"))
    return {"text": message.content[-1].text, "stop": message.stop_reason, "id": message.id[:9]}


def anthropic_stream():
    with native.messages.stream(**asked("calls", tools=OWN_TOOLS)) as stream:
        message = stream.get_final_message()
    calls = [block.input for block in message.content if block.type == "tool_use"]
    return {"calls": calls, "stop": message.stop_reason, "thinking": message.content[0].thinking}


def anthropic_bearer(key):
    def run():
        bearer = AnthropicBedrock(
            base_url=sys.argv[1], api_key=key, aws_region="us-east-1", max_retries=0
        )
        return bearer.messages.create(**asked("plain")).content[-1].text

    return run


# === Errors ===


def raises(text):
    return lambda: nova.converse(**ask(text))["stopReason"]


def in_stream(text):
    return lambda: folded(nova.converse_stream(**ask(text))["stream"])


def with_key(*key, **more):
    return lambda: client(sys.argv[2], key, **more).converse(**ask("plain"))["stopReason"]


def by_another_clock(url):
    return lambda: client(url).converse(**ask("plain"))["stopReason"]


def refused(**more):
    return lambda: nova.converse(**{**ask("plain"), **more})["stopReason"]


def at(model):
    return lambda: claude.converse(modelId=model, messages=[user("plain")])["stopReason"]


def tampered():
    """The signed body is changed on its way."""
    broken = client(sys.argv[2])
    change = lambda request, **_: setattr(request, "body", request.body.replace(b"plain", b"PLAIN"))
    broken.meta.events.register("before-send.bedrock-runtime.Converse", change)
    return broken.converse(**ask("plain"))["stopReason"]


SCENARIOS = {
    "converse": converse,
    "converse_loop": converse_loop,
    "converse_thinking_loop": converse_thinking_loop,
    "everything": everything,
    "stop_sequence": stop_sequence,
    "stream_text": converse_stream("plain"),
    "stream_calls": converse_stream("calls"),
    "stream_thinking": converse_stream("calls", CLAUDE),
    "stream_redacted": converse_stream("redacted", CLAUDE),
    "stream_cited": converse_stream("cited"),
    "stream_no_input": converse_stream("no-input"),
    "invoke": invoke,
    "invoke_stream": invoke_stream,
    "count_tokens": count_tokens,
    "anthropic_create": anthropic_create,
    "anthropic_stream": anthropic_stream,
    "anthropic_bearer": anthropic_bearer("key-of-the-test"),
    "anthropic_wrong_bearer": anthropic_bearer("wrong"),
    "session": with_key("ASIAOFTHETEST", "session-secret", "session-token"),
    "wrong_secret": with_key("AKIDOFTHETEST", "wrong"),
    "unknown_key": with_key("AKIDUNKNOWN", "secret"),
    "no_session": with_key("ASIAOFTHETEST", "session-secret"),
    "expired": with_key("ASIAEXPIRED", "session-secret", "old-token"),
    "wrong_region": with_key("AKIDOFTHETEST", "secret-of-the-test", region_name="eu-west-1"),
    "tampered": tampered,
    "clock_ahead": by_another_clock(sys.argv[3]),
    "clock_behind": by_another_clock(sys.argv[4]),
    "throttled": raises("throttled"),
    "not_ready": raises("not-ready"),
    "model_error": raises("model-error"),
    "unavailable": raises("unavailable"),
    "stream_throttled": in_stream("stream-throttled"),
    "stream_broken": in_stream("stream-broken"),
    "stream_error": in_stream("stream-error"),
    "bad_checksum": in_stream("bad-checksum"),
    "bad_prelude": in_stream("bad-prelude"),
    "cut": in_stream("cut"),
    "blank": refused(messages=[user(" ")]),
    "assistant_first": refused(messages=[{"role": "assistant", "content": [{"text": "a"}]}]),
    "on_demand": at(CLAUDE.removeprefix("us.")),
    "unknown_model": at("acme.none-v1:0"),
    "count_of_a_profile": lambda: claude.count_tokens(
        modelId=CLAUDE, input={"converse": {"messages": [user("a")]}}
    ),
}
for name in sys.argv[5].split(","):
    SCENARIOS["style_" + name] = converse_stream("style " + name)
    SCENARIOS["thinking_style_" + name] = converse_stream("style " + name, CLAUDE)


def outcome(scenario):
    try:
        return {"ok": scenario()}
    except ClientError as error:
        answer = error.response
        return {
            "raised": answer["Error"]["Code"],
            "message": answer["Error"]["Message"],
            "status": answer.get("ResponseMetadata", {}).get("HTTPStatusCode"),
        }
    except APIStatusError as error:
        return {"raised": type(error).__name__, "message": str(error), "status": error.status_code}
    except Exception as error:  # EventStreamError, ChecksumMismatch and whatever the network has
        return {"raised": type(error).__name__, "message": str(error)}


outcomes = {name: outcome(scenario) for name, scenario in SCENARIOS.items()}
json.dump(outcomes, sys.stdout)
