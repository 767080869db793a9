"""The official Python SDK against a gateway: prints `{"scenario": outcome}` as JSON.

Usage: python sdk.py BASE_URL
"""

import json
import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="what-the-client-has", max_retries=0)


def ask(content):
    return {
        "model": "claude-opus-4-8",
        "max_tokens": 256,
        "messages": [{"role": "user", "content": content}],
    }


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


def create():
    message = client.messages.create(**ask("plain"))
    return {
        "text": text(message),
        "stop": message.stop_reason,
        "model": message.model,
        "id": message._request_id,
    }


def stream():
    deltas = 0
    with client.messages.stream(**ask("plain")) as stream:
        for _ in stream.text_stream:
            deltas += 1
        message = stream.get_final_message()
    return {
        "text": text(message),
        "stop": message.stop_reason,
        "deltas": deltas,
        "output": message.usage.output_tokens,
    }


def tool():
    with client.messages.stream(**ask("tool")) as stream:
        message = stream.get_final_message()
    call = next(block for block in message.content if block.type == "tool_use")
    return {"name": call.name, "input": call.input, "stop": message.stop_reason}


def count():
    counted = client.messages.count_tokens(
        model="claude-opus-4-8", messages=ask("plain")["messages"]
    )
    return {"input_tokens": counted.input_tokens}


def models():
    return [model.id for model in client.models.list()]


def model():
    return client.models.retrieve("claude-opus-4-8").id


def batches():
    return len(list(client.messages.batches.list()))


def final(content):
    def run():
        with client.messages.stream(**ask(content)) as stream:
            return text(stream.get_final_message())

    return run


def status(content):
    return lambda: text(client.messages.create(**ask(content)))


scenarios = {
    "create": create,
    "stream": stream,
    "tool": tool,
    "count": count,
    "models": models,
    "model": model,
    "batches": batches,
    "cut": final("cut"),
    "ends_without_stop": final("unfinished"),
    "error_event": final("error-event"),
    **{f"error_{n}": status(f"status {n}") for n in (400, 403, 404, 413, 429, 500, 529)},
    "html": status("html"),
}

outcomes = {}
for name, scenario in scenarios.items():
    try:
        outcomes[name] = {"ok": scenario()}
    except Exception as error:  # every failure is an outcome here
        body = getattr(error, "body", None)
        outcomes[name] = {
            "raised": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "type": body["error"].get("type")
            if isinstance(body, dict) and isinstance(body.get("error"), dict)
            else None,
            "message": str(error),
            "request_id": getattr(error, "request_id", None),
        }
print(json.dumps(outcomes))
