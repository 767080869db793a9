"""The official Ollama client against the scripted Ollama: prints `{"scenario": outcome}`.

Usage: python ollama_sdk.py BASE_URL MODEL

What does not fit the client's types is an error.
"""

import json
import sys

import ollama

BASE, MODEL = sys.argv[1:]
client = ollama.Client(host=BASE)


def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
      city: The city
    """
    return "rain in " + city


def ask(text, **more):
    return client.chat(model=MODEL, messages=[{"role": "user", "content": text}], **more)


def plain():
    done = ask("plain", think=False)
    return {
        "text": done.message.content,
        "thinking": done.message.thinking,
        "reason": done.done_reason,
        "counts": [done.prompt_eval_count > 0, done.eval_count],
    }


def stream():
    text, thinking, last = "", "", None
    for part in ask("plain", think=True, stream=True):
        text += part.message.content or ""
        thinking += part.message.thinking or ""
        last = part
    return {"text": text, "thinking": thinking, "reason": last.done_reason}


def loop(streams):
    messages = [{"role": "user", "content": "calls"}]
    calls = []
    if streams:
        for part in client.chat(model=MODEL, messages=messages, tools=[get_weather], stream=True):
            calls += part.message.tool_calls or []
        messages.append({"role": "assistant", "content": "", "tool_calls": calls})
    else:
        done = client.chat(model=MODEL, messages=messages, tools=[get_weather])
        calls = done.message.tool_calls
        messages.append(done.message)
    for call in calls:
        output = get_weather(**call.function.arguments)
        messages.append({"role": "tool", "tool_name": call.function.name, "content": output})
    return client.chat(model=MODEL, messages=messages, tools=[get_weather]).message.content


def show():
    shown = client.show(MODEL)
    return {
        "capabilities": shown.capabilities,
        "length": shown.modelinfo["qwen3moe.context_length"],
        "parameters": shown.parameters,
    }


scenarios = {
    "plain": plain,
    "stream": stream,
    "loop": lambda: loop(False),
    "loop_streamed": lambda: loop(True),
    "image": lambda: client.chat(
        model=MODEL, messages=[{"role": "user", "content": "plain", "images": [b"\x89PNG"]}]
    ).message.content,
    "format": lambda: ask("json", format={"type": "object"}).message.content,
    "short": lambda: ask("long", options={"num_predict": 3}).done_reason,
    "level": lambda: ask("plain", think="low").message.content,
    "show": show,
    "models": lambda: [model.model for model in client.list().models],
    "cut": lambda: ask("word " * 4000, options={"num_ctx": 2048}).prompt_eval_count,
    "other_model": lambda: client.chat(model="other", messages=[]),
    "no_model": lambda: client.show("other"),
    "error": lambda: [part.message.content for part in ask("error", stream=True)],
    "busy": lambda: ask("busy"),
}

outcomes = {}
for name, scenario in scenarios.items():
    try:
        outcomes[name] = {"ok": scenario()}
    except Exception as error:  # every failure is an outcome here
        outcomes[name] = {
            "raised": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "message": getattr(error, "error", str(error)),
        }
print(json.dumps(outcomes, default=str))
