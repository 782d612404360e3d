"""Any chat request that OpenAI's SDK would let an application send, as a hypothesis strategy.

Beside well-formed conversations it makes the odd ones that applications do send: blank texts, results that
come late, twice or for no call, calls without results, ids of other providers and ids used again.
"""

from typing import Any

from hypothesis import strategies as st

Body = dict[str, Any]
# A red dot of one pixel, a page without anything, a moment of silence.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="

_TEXTS = st.one_of(
    st.sampled_from(
        ["Say hi", "", " ", "\n", "Ein Gruß\u2028 ✓ 🎉", "line\nline", '{"a": 1}', "[1, 2]", "null"]
    ),
    st.text(max_size=20),
)
_NAMES = st.sampled_from(["get_weather", "get-time", "1st", "_x", "F" * 64, "json_output", "a"])
_IDS = st.sampled_from(
    [
        "call_1",
        "call_2",
        "call_abcDEF123",
        "functions.Bash:0",
        "call_x|fc_y",
        "toolu_01",
        "a.b",
        "x" * 70,
        "1",
    ]
)
_ARGUMENTS = st.sampled_from(
    ["", "{}", '{"city":"Oslo"}', '{"a":{"b":[1,2.5,null,true]}}', "[1]", '"text"', "5"]
)
_SCHEMAS: Any = st.sampled_from(
    [
        {},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"city": {"type": "string", "minLength": 1}}, "required": ["city"]},
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://schemas.example/x",
            "type": "object",
            "properties": {
                "when": {"type": ["string", "null"], "format": "date-time", "default": None},
                "many": {"type": "array", "items": {"$ref": "#/$defs/item"}, "maxItems": 3},
                "one": {"oneOf": [{"const": 1}, {"enum": ["a", 2]}]},
            },
            "required": ["when", "many", "one"],
            "additionalProperties": False,
            "$defs": {"item": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}}},
        },
        {"type": "object", "properties": {"next": {"$ref": "#"}}},
        {"type": "object", "additionalProperties": {"type": "number"}},
        {"properties": {"a": {"type": "string"}}},
    ]
)


def _objects(required: Body, optional: Body | None = None) -> st.SearchStrategy[Body]:
    return st.fixed_dictionaries(required, optional=optional or {})


_FUNCTIONS = _objects(
    {"name": _NAMES},
    {"description": _TEXTS, "parameters": _SCHEMAS, "strict": st.sampled_from([True, False, None])},
)
_FUNCTION_TOOLS = _objects({"type": st.just("function"), "function": _FUNCTIONS})
_CUSTOM_TOOLS = _objects({"type": st.just("custom"), "custom": _objects({"name": _NAMES})})
_NAMED = _objects({"type": st.just("function"), "function": _objects({"name": _NAMES})})

_TEXT_PARTS = _objects({"type": st.just("text"), "text": _TEXTS})
_IMAGE_PARTS = _objects(
    {
        "type": st.just("image_url"),
        "image_url": _objects(
            {
                "url": st.sampled_from(
                    [
                        f"data:image/png;base64,{PNG}",
                        f"data:image/jpg;base64,{PNG}",
                        f"data:image/tiff;base64,{PNG}",
                        "data:,not%20an%20image",
                        "https://images.example/a.png?x=1",
                        "http://images.example/a.webp",
                    ]
                )
            },
            {"detail": st.sampled_from(["auto", "low", "high"])},
        ),
    }
)
_AUDIO_PARTS = _objects(
    {
        "type": st.just("input_audio"),
        "input_audio": _objects({"data": st.just(WAV), "format": st.sampled_from(["wav", "mp3"])}),
    }
)
_FILES: Any = st.sampled_from(
    [
        {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "A  file_(1).pdf"},
        {"file_data": f"data:application/pdf;base64,{PDF}"},
        {"file_data": PDF, "filename": "bare.pdf"},
        {"file_data": "data:text/plain;base64,SGk=", "filename": "notes.txt"},
        {"file_data": "data:application/zip;base64,UEs=", "filename": "a.zip"},
        {"file_id": "file-abc123"},
    ]
)
_FILE_PARTS = _objects({"type": st.just("file"), "file": _FILES})
_REFUSAL_PARTS = _objects({"type": st.just("refusal"), "refusal": _TEXTS})
_USER_PARTS = st.lists(
    st.one_of(_TEXT_PARTS, _TEXT_PARTS, _IMAGE_PARTS, _IMAGE_PARTS, _FILE_PARTS, _AUDIO_PARTS),
    min_size=1,
    max_size=3,
)
_CALLS = _objects(
    {"id": _IDS, "type": st.just("function"), "function": _objects({"name": _NAMES, "arguments": _ARGUMENTS})}
)
_ONLY_TEXT = st.one_of(_TEXTS, st.lists(_TEXT_PARTS, min_size=1, max_size=2))

_SYSTEMS = _objects(
    {"role": st.sampled_from(["system", "developer"]), "content": _ONLY_TEXT}, {"name": st.just("op")}
)
_USERS = _objects(
    {"role": st.just("user"), "content": st.one_of(_TEXTS, _TEXTS, _USER_PARTS)}, {"name": st.just("ann")}
)
_ASSISTANTS = _objects(
    {
        "role": st.just("assistant"),
        "content": st.one_of(
            st.none(), _TEXTS, st.lists(st.one_of(_TEXT_PARTS, _REFUSAL_PARTS), min_size=1, max_size=2)
        ),
    },
    {"name": st.just("bot"), "refusal": st.one_of(st.none(), _TEXTS)},
)
_RESULTS = _objects({"role": st.just("tool"), "tool_call_id": _IDS, "content": _ONLY_TEXT})


@st.composite
def _exchanges(draw: st.DrawFn) -> list[Body]:
    """Calls of the assistant and their results: mostly all of them, in any order."""
    calls = draw(st.lists(_CALLS, min_size=1, max_size=3))
    asks = draw(_ASSISTANTS) | {"tool_calls": calls}
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": draw(_ONLY_TEXT)}
        for call in draw(st.permutations(calls))
    ]
    if draw(st.integers(0, 4)) == 0:
        results = results[1:]
    if draw(st.integers(0, 4)) == 0:
        results += [draw(_RESULTS)]
    if draw(st.integers(0, 4)) == 0:
        results = [draw(_USERS), *results]
    return [asks, *results]


@st.composite
def _legacy_exchanges(draw: st.DrawFn) -> list[Body]:
    """A call as it was before tools."""
    name = draw(_NAMES)
    asks = {
        "role": "assistant",
        "content": None,
        "function_call": {"name": name, "arguments": draw(_ARGUMENTS)},
    }
    return [asks, {"role": "function", "name": name, "content": draw(_TEXTS)}]


_TURNS = st.one_of(
    _USERS.map(lambda message: [message]),
    _USERS.map(lambda message: [message]),
    _ASSISTANTS.map(lambda message: [message]),
    _SYSTEMS.map(lambda message: [message]),
    _exchanges(),
    _exchanges(),
    _RESULTS.map(lambda message: [message]),
    _legacy_exchanges(),
)
_OPENINGS: Any = st.sampled_from([[], [{"role": "user", "content": "Say hi"}]])  # some begin as most do
_MESSAGES = st.builds(
    lambda opening, turns: [*opening, *(each for turn in turns for each in turn)],
    _OPENINGS,
    st.lists(_TURNS, min_size=1, max_size=4),
)


@st.composite
def _tool_fields(draw: st.DrawFn) -> Body:
    """Tools, usually function tools, and what depends on them."""
    if draw(st.integers(0, 7)) == 0:
        functions = draw(st.lists(_FUNCTIONS, min_size=1, max_size=2, unique_by=lambda found: found["name"]))
        for function in functions:
            function.pop("strict", None)
        choices: Any = ["auto", "none", {"name": functions[0]["name"]}]
        return {"functions": functions} | draw(_objects({}, {"function_call": st.sampled_from(choices)}))
    kinds = _FUNCTION_TOOLS if draw(st.integers(0, 9)) else st.one_of(_FUNCTION_TOOLS, _CUSTOM_TOOLS)
    tools = draw(st.lists(kinds, min_size=1, max_size=3, unique_by=lambda tool: tool[tool["type"]]["name"]))
    named = [{"type": tool["type"], tool["type"]: {"name": tool[tool["type"]]["name"]}} for tool in tools]
    allowed = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": draw(st.sampled_from(["auto", "required"])), "tools": named[:1]},
    }
    choice = st.sampled_from(["auto", "none", "required", named[0], allowed])
    return {"tools": tools} | draw(
        _objects({}, {"tool_choice": choice, "parallel_tool_calls": st.booleans()})
    )


_FORMATS = st.one_of(
    st.just({"type": "text"}),
    st.just({"type": "json_object"}),
    _objects(
        {
            "type": st.just("json_schema"),
            "json_schema": _objects(
                {"name": st.sampled_from(["person", "a-b_1"])},
                {"schema": _SCHEMAS, "strict": st.sampled_from([True, False, None]), "description": _TEXTS},
            ),
        }
    ),
)
_COMMON: Body = {
    "temperature": st.one_of(st.floats(0, 2), st.just(1)),
    "top_p": st.one_of(st.floats(0, 1), st.just(1)),
    "max_tokens": st.integers(1, 100_000),
    "max_completion_tokens": st.one_of(st.none(), st.integers(1, 100_000)),
    "stop": st.one_of(
        st.none(), st.just("END"), st.lists(st.sampled_from(["a", "\n\n", " ", "###"]), max_size=4)
    ),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "frequency_penalty": st.floats(-2, 2),
    "presence_penalty": st.floats(-2, 2),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", None]),
    "user": st.sampled_from(["u-1", "ann@mail.example", "+1 555 0100"]),
    "safety_identifier": st.just("hash-1"),
    "metadata": st.sampled_from([None, {}, {"team": "a", "Ünicode": "§ 1"}, {"k" * 64: "v" * 512}]),
    "response_format": _FORMATS,
}
_RARE: Body = {
    "n": st.sampled_from([1, 1, 2]),
    "logprobs": st.booleans(),
    "top_logprobs": st.sampled_from([0, 3]),
    "logit_bias": st.sampled_from([None, {}, {"50256": -100}]),
    "modalities": st.sampled_from([["text"], ["text"], ["text", "audio"]]),
    "audio": st.just({"voice": "alloy", "format": "mp3"}),
    "prediction": st.just({"type": "content", "content": "Hello"}),
    "store": st.booleans(),
    "service_tier": st.sampled_from(["auto", "default", "flex", "scale", "priority"]),
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "prompt_cache_key": st.just("key"),
    "prompt_cache_retention": st.sampled_from(["in_memory", "24h"]),
    "web_search_options": st.just({}),
}


@st.composite
def chat_bodies(draw: st.DrawFn, models: tuple[str, ...]) -> Body:
    """Draw the body of one chat request to one of the models."""
    common = draw(st.sets(st.sampled_from(sorted(_COMMON)), max_size=4))
    rare = draw(st.sets(st.sampled_from(sorted(_RARE)), max_size=2)) if draw(st.booleans()) else set()
    body: Body = {"model": draw(st.sampled_from(models)), "messages": draw(_MESSAGES)}
    body |= {name: draw(_COMMON[name]) for name in sorted(common)} | {
        name: draw(_RARE[name]) for name in sorted(rare)
    }
    if draw(st.booleans()):
        body |= draw(_tool_fields())
    if draw(st.booleans()):
        body["stream"] = True
        body |= draw(_objects({}, {"stream_options": st.just({"include_usage": True})}))
    return body
