"""Rules on conversations that no SDK's types can say: whose turn it is, which result answers which call.

Each function returns what a provider would refuse with a 400. Sources: the wire facts of 23 Nov 2026.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any

_CLAUDE_ID = re.compile(r"[a-zA-Z0-9_-]+")
_CLAUDE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_GEMINI_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_FEWEST_THINKING_TOKENS = 1024
Body = dict[str, Any]


def anthropic(body: Body) -> list[str]:
    """Judge the turns of a Messages request."""
    messages = body.get("messages", [])
    blocks = [_blocks(message) for message in messages]
    calls = [[block["id"] for block in turn if block["type"] == "tool_use"] for turn in blocks]
    results = [[block["tool_use_id"] for block in turn if block["type"] == "tool_result"] for turn in blocks]
    tools = body.get("tools", [])
    found = _alternation([message["role"] for message in messages])
    found += _pairing(calls, results)
    found += _unique("tool id", itertools.chain(*calls))
    found += _unmatched("tool id", _CLAUDE_ID, itertools.chain(*calls))
    found += _unique("tool name", [tool["name"] for tool in tools])
    found += _unmatched("tool name", _CLAUDE_NAME, [tool["name"] for tool in tools])
    found += [f"blank text in turn {index}" for index, turn in enumerate(blocks) if _has_blank_text(turn)]
    found += [f"empty turn {index}" for index, turn in enumerate(blocks) if not turn]
    found += [
        f"a result after other blocks in turn {i}" for i, turn in enumerate(blocks) if _late_result(turn)
    ]
    if any(itertools.chain(*calls, *results)) and not tools:
        found.append("tool blocks without tools")
    if "tool_choice" in body and not tools:
        found.append("tool_choice without tools")
    found += [f"schema of {tool['name']}" for tool in tools if tool["input_schema"].get("type") != "object"]
    return found + _claude_settings(body)


def _claude_settings(body: Body) -> list[str]:
    thinking = body.get("thinking", {})
    found = []
    if thinking.get("type") == "enabled":
        budget = thinking["budget_tokens"]
        if not _FEWEST_THINKING_TOKENS <= budget < body["max_tokens"]:
            found.append(f"thinking budget {budget} of {body['max_tokens']}")
    if thinking.get("type") in ("enabled", "adaptive"):
        if body.get("tool_choice", {}).get("type") in ("any", "tool"):
            found.append("a forced tool with thinking")
        if body.get("temperature", 1) != 1 or "top_k" in body:
            found.append("sampling with thinking")
    if not 0 <= body.get("temperature", 0) <= 1:
        found.append("temperature out of range")
    if body["max_tokens"] < 1:
        found.append("max_tokens below 1")
    found += [f"blank stop sequence {text!r}" for text in body.get("stop_sequences", []) if not text.strip()]
    return found


def _blocks(message: Body) -> list[Body]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _has_blank_text(turn: Sequence[Body]) -> bool:
    return any(block["type"] == "text" and not block["text"].strip() for block in turn)


def _late_result(turn: Sequence[Body]) -> bool:
    kinds = [block["type"] == "tool_result" for block in turn]
    return kinds != sorted(kinds, reverse=True)


def converse(body: Body) -> list[str]:
    """Judge the turns of a Converse request."""
    messages = body.get("messages", [])
    turns = [message["content"] for message in messages]
    calls = [[block["toolUse"]["toolUseId"] for block in turn if "toolUse" in block] for turn in turns]
    results = [
        [block["toolResult"]["toolUseId"] for block in turn if "toolResult" in block] for turn in turns
    ]
    names = [block["document"]["name"] for turn in turns for block in turn if "document" in block]
    specs = [tool["toolSpec"] for tool in body.get("toolConfig", {}).get("tools", []) if "toolSpec" in tool]
    found = _alternation([message["role"] for message in messages])
    found += _pairing(calls, results)
    found += _unique("tool id", itertools.chain(*calls))
    found += _unique("document name", names)
    found += _unique("tool name", [spec["name"] for spec in specs])
    for index, turn in enumerate(turns):
        found += [
            f"blank text in turn {index}" for block in turn if "text" in block and not block["text"].strip()
        ]
        found += [] if turn else [f"empty turn {index}"]
        if any("document" in block for block in turn) and not any("text" in block for block in turn):
            found.append(f"a document without text in turn {index}")
    if any(itertools.chain(*calls, *results)) and not specs:
        found.append("tool blocks without toolConfig")
    schemas = [spec["inputSchema"]["json"] for spec in specs]
    found += ["a tool's schema is no object" for schema in schemas if schema.get("type") != "object"]
    return found


def gemini(body: Body, *, streams: bool) -> list[str]:
    """Judge the turns of a generateContent request."""
    contents = body.get("contents", [])
    turns = [content["parts"] for content in contents]
    calls = [[part["functionCall"] for part in turn if "functionCall" in part] for turn in turns]
    results = [[part["functionResponse"] for part in turn if "functionResponse" in part] for turn in turns]
    found = [] if contents and contents[0]["role"] == "user" else ["the first turn is not the user's"]
    found += [f"empty turn {index}" for index, turn in enumerate(turns) if not turn]
    found += [f"role {content['role']}" for content in contents if content["role"] not in ("user", "model")]
    named = [[call["name"] for call in turn] for turn in calls]
    found += _pairing(named, [[result["name"] for result in turn] for turn in results])
    for turn, answers in itertools.pairwise(zip(calls, results, strict=True)):
        asked, given = turn[0], answers[1]
        ids = [call.get("id") for call in asked], [result.get("id") for result in given]
        found += [f"ids {ids[0]} answered by {ids[1]}"] if asked and ids[0] != ids[1] else []
    found += _gemini_settings(body, streams=streams)
    return found + _unmatched(
        "function name", _GEMINI_NAME, (call["name"] for turn in calls for call in turn)
    )


def _gemini_settings(body: Body, *, streams: bool) -> list[str]:
    tools = body.get("tools", [])
    names = [each["name"] for tool in tools for each in tool.get("functionDeclarations", [])]
    config = body.get("generationConfig", {})
    thinking = config.get("thinkingConfig", {})
    found = _unique("function name", names) + _unmatched("function name", _GEMINI_NAME, names)
    allowed = body.get("toolConfig", {}).get("functionCallingConfig", {}).get("allowedFunctionNames", [])
    found += [f"allowed function {name} is not declared" for name in allowed if name not in names]
    if "systemInstruction" in body and not body["systemInstruction"]["parts"]:
        found.append("an empty system instruction")
    if len(config.get("stopSequences", [])) > 5:
        found.append("more than 5 stop sequences")
    if streams and config.get("candidateCount", 1) > 1:
        found.append("several candidates in a stream")
    if {"thinkingBudget", "thinkingLevel"} <= thinking.keys():
        found.append("both ways to limit thinking")
    return found


def cohere(body: Body) -> list[str]:
    """Judge the turns of a Cohere v2 chat."""
    messages = body["messages"]
    found = [] if messages else ["no messages"]
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if not waiting or message["tool_call_id"] != waiting.pop(0):
                found.append(f"message {index} answers no call, or out of order")
            continue
        if waiting:
            found.append(f"message {index} comes before the results of {waiting}")
        waiting = [call["id"] for call in message.get("tool_calls") or ()]
        if not (message.get("content") or waiting):
            found.append(f"message {index} is empty")
    found += [f"no results of {waiting}"] if waiting else []
    return found + _cohere_settings(body)


def _cohere_settings(body: Body) -> list[str]:
    found = _unique("tool name", [tool["function"]["name"] for tool in body.get("tools", [])])
    if "tool_choice" in body and not body.get("tools"):
        found.append("tool_choice without tools")
    if body.get("tools") and body.get("response_format", {}).get("type") == "json_object":
        found.append("response_format with tools")
    limits = {
        "p": (0.01, 0.99), "k": (0, 500), "temperature": (0, float("inf")), "seed": (0, 2**64 - 1),
        "frequency_penalty": (0, 1), "presence_penalty": (0, 1),
    }  # fmt: skip
    found += [
        f"{name} is {body[name]}"
        for name, (low, high) in limits.items()
        if not low <= body.get(name, low) <= high
    ]
    if len(body.get("stop_sequences", [])) > 5:
        found.append("more than 5 stop sequences")
    return found


def _alternation(roles: Sequence[str]) -> list[str]:
    found = [] if roles and roles[0] == "user" else ["the first turn is not the user's"]
    return found + [
        f"two turns of {one} in a row" for one, other in itertools.pairwise(roles) if one == other
    ]


def _pairing(calls: Sequence[Sequence[str]], results: Sequence[Sequence[str]]) -> list[str]:
    """Every turn's calls are answered by the very next turn, in their order; nothing else is answered."""
    wanted = [(), *map(tuple, calls)]
    given = [*map(tuple, results), ()]
    return [f"calls {w} answered by {g}" for w, g in zip(wanted, given, strict=True) if w != g]


def _unique(what: str, values: Iterable[str]) -> list[str]:
    listed = list(values)
    return [f"{what} {value!r} is used twice" for value in sorted(set(listed)) if listed.count(value) > 1]


def _unmatched(what: str, pattern: re.Pattern[str], values: Iterable[str]) -> list[str]:
    return [f"{what} {value!r}" for value in values if not pattern.fullmatch(value)]
