"""Which refusals are answered with another request, and with which."""

import json
from typing import Any

import pytest

from gateway.providers.base import Adapter
from gateway.providers.registry import ADAPTERS
from gateway.types import Amendment, ChatRequest, Connection, CredentialSettings, Request, WireRequest
from tests.gateway.providers.cases import connection_to
from tests.gateway.providers.gemini import TOOL as WEATHER_TOOL
from tests.gateway.providers.google_cases import gemini_connection
from tests.gateway.providers.samples import build_chat, chat_request_of, embeddings_request_of

ANTHROPIC, GEMINI, VERTEX = ADAPTERS["anthropic"], ADAPTERS["gemini"], ADAPTERS["vertex"]
ON_VERTEX = VERTEX.connect(
    CredentialSettings("vertex", "https://x.example", None, {"authentication": "metadata", "project": "p"})
)
TO_ANTHROPIC = connection_to("anthropic", "FAKE-KEY")
UNKNOWN = "claude-next"
KNOWN = "claude-opus-4-6"
HI: dict[str, Any] = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
FORM = {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA, "strict": True}}
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "Zm9yZWlnbg=="}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
DEPRECATED = "`temperature` is deprecated for this model."
SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"
POLICY = "Organization Policy constraint constraints/vertexai.allowedPartnerModelFeatures violated for `p`."


def asked(model: str, **fields: Any) -> ChatRequest:
    return chat_request_of({"model": model, "messages": [HI], **fields})


def anthropic(model: str, **fields: Any) -> tuple[ChatRequest, WireRequest]:
    request = asked(model, **fields)
    return request, build_chat(ANTHROPIC, request, TO_ANTHROPIC, model)


def vertex(model: str, **fields: Any) -> tuple[ChatRequest, WireRequest]:
    request = asked(model, **fields)
    return request, build_chat(VERTEX, request, ON_VERTEX, model)


def gemini(model: str = "gemini-2.5-flash", **fields: Any) -> tuple[ChatRequest, WireRequest]:
    request = asked(model, **fields)
    return request, build_chat(GEMINI, request, gemini_connection(), model)


def embedding(model: str, **fields: Any) -> tuple[Request, WireRequest]:
    request = embeddings_request_of({"model": model, "input": ["a", "b"], **fields})
    assert VERTEX.build_embeddings is not None
    return request, VERTEX.build_embeddings(request, ON_VERTEX, model)


def amended(
    adapter: Adapter, request: Request, wire: WireRequest, message: str, status: int = 400
) -> Amendment | None:
    """What the adapter makes of a refusal with this text, in its provider's shape."""
    error = {"type": "invalid_request_error", "message": message}
    document: dict[str, Any] = {"type": "error", "error": error}
    if adapter is not ANTHROPIC:
        document = {"error": {"code": status, "message": message}}
    failure = adapter.parse_error(status, {}, json.dumps(document).encode())
    assert adapter.amend is not None
    return adapter.amend(request, wire, failure)


def changed(
    adapter: Adapter, request: Request, wire: WireRequest, message: str, status: int = 400
) -> Amendment:
    """The same, where there is one; its lesson does to a fresh request what it did to this one."""
    found = amended(adapter, request, wire, message, status)
    assert found is not None
    assert amended(adapter, request, found.wire, message, status) is None
    if found.lesson:
        assert adapter.apply_lesson is not None
        assert adapter.apply_lesson(request, wire, found.lesson) == found.wire
        assert adapter.apply_lesson(request, found.wire, found.lesson) is found.wire
    return found


def without(wire: WireRequest, *names: str) -> Any:
    return {name: value for name, value in json.loads(wire.body).items() if name not in names}


# -- sampling


@pytest.mark.parametrize(
    "message", [DEPRECATED, "top_p: Extra inputs are not permitted", "top_k is not supported"]
)
def test_a_model_that_nobody_knows_is_asked_again_without_sampling(message: str) -> None:
    request, wire = anthropic(UNKNOWN, temperature=0.5, top_k=3, seed=1)
    found = changed(ANTHROPIC, request, wire, message)
    assert json.loads(found.wire.body) == without(wire, "temperature", "top_k")
    assert found.wire.dropped == ("seed", "temperature", "top_k")
    assert (found.wire.url, found.wire.headers) == (wire.url, wire.headers)


def test_claude_on_vertex_is_asked_again_likewise() -> None:
    request, wire = vertex(UNKNOWN, temperature=0.5)
    found = changed(VERTEX, request, wire, DEPRECATED)
    assert json.loads(found.wire.body) == without(wire, "temperature")
    assert found.wire.dropped == ("temperature",)
    assert found.wire.notes == wire.notes


@pytest.mark.parametrize(
    ("model", "message", "status"),
    [
        (KNOWN, DEPRECATED, 400),  # what a known model takes is known, too
        (UNKNOWN, DEPRECATED, 500),
        (UNKNOWN, DEPRECATED, 429),
        (UNKNOWN, "max_tokens: must be greater than 0", 400),
        (UNKNOWN, "effort: unknown", 400),  # none was sent
        (UNKNOWN, SIGNATURE, 400),  # nothing signed was sent
    ],
)
def test_other_refusals_of_claude_are_the_callers(model: str, message: str, status: int) -> None:
    request, wire = anthropic(model, temperature=0.5)
    assert amended(ANTHROPIC, request, wire, message, status) is None


def test_a_request_without_sampling_cannot_be_mended() -> None:
    request, wire = anthropic(UNKNOWN)
    assert amended(ANTHROPIC, request, wire, DEPRECATED) is None


# -- effort


@pytest.mark.parametrize("effort", ["xhigh", "max"])
def test_an_effort_that_the_model_does_not_know_becomes_high(effort: str) -> None:
    request, wire = anthropic(KNOWN, reasoning_effort=effort, response_format=FORM)
    before = json.loads(wire.body)
    found = changed(ANTHROPIC, request, wire, f"output_config.effort: '{effort}' is not supported")
    before["output_config"]["effort"] = "high"
    assert json.loads(found.wire.body) == before
    assert found.wire.adjusted == ("reasoning_effort",)


@pytest.mark.parametrize("effort", ["low", "medium", "high"])
def test_lower_efforts_stay_whatever_was_learned(effort: str) -> None:
    request, wire = anthropic(KNOWN, reasoning_effort=effort)
    assert amended(ANTHROPIC, request, wire, "output_config.effort: no") is None
    assert ANTHROPIC.apply_lesson is not None
    assert ANTHROPIC.apply_lesson(request, wire, "no_max") is wire


def test_a_model_without_max_is_still_asked_for_xhigh() -> None:
    refused, wire = anthropic(KNOWN, reasoning_effort="max")
    lesson = changed(ANTHROPIC, refused, wire, "output_config.effort: no").lesson
    request, wire = anthropic(KNOWN, reasoning_effort="xhigh")
    assert ANTHROPIC.apply_lesson is not None
    assert ANTHROPIC.apply_lesson(request, wire, lesson) is wire


# -- signatures of Claude


def conversation(**members: Any) -> list[dict[str, Any]]:
    turn = {"role": "assistant", "content": "Well.", "thinking_blocks": [SIGNED], **members}
    return [HI, turn, HI]


def test_thoughts_of_another_provider_are_left_out_for_this_request_only() -> None:
    request, wire = anthropic(KNOWN, messages=conversation(), reasoning_effort="high")
    before = json.loads(wire.body)
    assert before["messages"][1]["content"].pop(0)["type"] == "thinking"
    found = changed(ANTHROPIC, request, wire, SIGNATURE)
    assert json.loads(found.wire.body) == before
    assert found.lesson == ""


def test_a_turn_of_thoughts_only_goes_with_them() -> None:
    request, wire = anthropic(KNOWN, messages=conversation(content=None))
    found = changed(ANTHROPIC, request, wire, SIGNATURE)
    assert [message["role"] for message in json.loads(found.wire.body)["messages"]] == ["user", "user"]


@pytest.mark.parametrize(("limit", "sent_limit"), [({"max_tokens": 50}, 50), ({}, 4096 + 8192)])
def test_a_call_that_lost_its_thoughts_ends_thinking_with_a_budget(
    limit: dict[str, int], sent_limit: int
) -> None:
    result = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
    messages = [*conversation(tool_calls=[CALL])[:2], result]
    request, wire = anthropic("claude-sonnet-4-5", messages=messages, reasoning_effort="medium", **limit)
    assert json.loads(wire.body)["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    found = changed(ANTHROPIC, request, wire, SIGNATURE)
    body = json.loads(found.wire.body)
    assert "thinking" not in body
    assert body["max_tokens"] == sent_limit
    assert found.wire.dropped == ("reasoning_effort",)


# -- structured outputs on Vertex AI


@pytest.mark.parametrize("status", [400, 403])
def test_structured_outputs_that_a_policy_forbids_are_emulated(status: int) -> None:
    request, wire = vertex("claude-sonnet-4-6", response_format=FORM)
    found = changed(VERTEX, request, wire, POLICY, status)
    body = json.loads(found.wire.body)
    assert "output_config" not in body
    assert body["tool_choice"] == {"type": "tool", "name": "json_output"}
    assert body["tools"][0]["input_schema"] == SCHEMA
    assert "model" not in body
    assert body["anthropic_version"] == "vertex-2023-10-16"
    emulating = VERTEX.connect(
        CredentialSettings(
            "vertex",
            "https://x.example",
            None,
            {"authentication": "metadata", "project": "p", "structured_outputs": "tool"},
        )
    )
    assert found.wire == build_chat(VERTEX, request, emulating, "claude-sonnet-4-6")


def test_strict_tools_that_a_policy_forbids_are_not_strict() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}
    request, wire = vertex("claude-sonnet-4-6", tools=[tool])
    assert json.loads(wire.body)["tools"][0]["strict"] is True
    body = json.loads(changed(VERTEX, request, wire, POLICY).wire.body)
    assert "strict" not in body["tools"][0]


def test_emulation_keeps_what_other_lessons_have_changed() -> None:
    request, wire = vertex(UNKNOWN, response_format=FORM, temperature=0.5)
    wire = changed(VERTEX, request, wire, DEPRECATED).wire
    assert VERTEX.apply_lesson is not None
    found = VERTEX.apply_lesson(request, wire, "emulated_output")
    assert "temperature" not in json.loads(found.body)
    assert found.dropped == ("temperature",)
    request, wire = vertex(KNOWN, response_format=FORM, reasoning_effort="max")
    wire = changed(VERTEX, request, wire, "effort: no").wire
    found = VERTEX.apply_lesson(request, wire, "emulated_output")
    assert json.loads(found.body)["output_config"] == {"effort": "high"}
    assert found.adjusted == ("reasoning_effort",)


@pytest.mark.parametrize(
    ("fields", "message", "status"),
    [
        ({}, POLICY, 400),  # no structured outputs were asked for
        ({"response_format": FORM}, POLICY, 429),
        ({"response_format": FORM}, "Permission denied on resource project p.", 403),
    ],
)
def test_other_refusals_of_vertex_are_not_mended(fields: dict[str, Any], message: str, status: int) -> None:
    request, wire = vertex("claude-sonnet-4-6", **fields)
    assert amended(VERTEX, request, wire, message, status) is None


# -- embeddings on Vertex AI


@pytest.mark.parametrize("status", [404, 501])
def test_the_first_gemini_embedding_model_is_asked_by_predict_one_text_at_a_time(status: int) -> None:
    request, wire = embedding("gemini-embedding-001", dimensions=256)
    assert wire.url.endswith("/gemini-embedding-001:batchEmbedContents")
    found = changed(VERTEX, request, wire, "Not found.", status)
    wires = (found.wire, *found.wire.more)
    assert {each.url for each in wires} == {wire.url.replace("batchEmbedContents", "predict")}
    assert [json.loads(each.body)["instances"] for each in wires] == [[{"content": "a"}], [{"content": "b"}]]
    assert found.wire.notes == wire.notes


@pytest.mark.parametrize(
    ("model", "status"),
    [("gemini-embedding-001", 400), ("gemini-embedding-2", 404), ("text-embedding-005", 404)],
)
def test_other_embedding_models_are_not_asked_again(model: str, status: int) -> None:
    request, wire = embedding(model)
    assert amended(VERTEX, request, wire, "Not found.", status) is None


# -- Gemini


def test_penalties_that_a_model_does_not_take_are_dropped() -> None:
    request, wire = gemini(presence_penalty=0.5, frequency_penalty=1, temperature=1, user="u")
    found = changed(GEMINI, request, wire, "Penalty is not enabled for this model")
    assert json.loads(found.wire.body)["generationConfig"] == {"temperature": 1}
    assert found.wire.dropped == ("frequency_penalty", "presence_penalty", "user")


def gemini_history(call: dict[str, Any]) -> list[dict[str, Any]]:
    turn = {"role": "assistant", "content": None, "tool_calls": [call]}
    return [HI, turn, {"role": "tool", "tool_call_id": call["id"], "content": "ok"}]


def test_ids_that_an_endpoint_does_not_know_are_left_out_on_both_sides() -> None:
    history = gemini_history(CALL | {"id": "gem-1"})
    request, wire = gemini(messages=history, tools=[WEATHER_TOOL])
    assert wire.body.count(b'"id":"gem-1"') == 2
    message = (
        "Invalid JSON payload received. Unknown name \"id\" at 'contents[1].parts[0].function_call': "
        "Cannot find field."
    )
    found = changed(GEMINI, request, wire, message)
    assert found.wire.body == wire.body.replace(b',"id":"gem-1"', b"")


@pytest.mark.parametrize(
    ("message", "adapter", "connection"),
    [
        ("Corrupted thought signature.", GEMINI, gemini_connection()),
        ("Invalid thought_signature", GEMINI, gemini_connection()),
        ("Invalid thought signature.", VERTEX, ON_VERTEX),
    ],
)
def test_signatures_of_another_key_become_stand_ins_for_this_request_only(
    message: str, adapter: Adapter, connection: Connection
) -> None:
    signed = CALL | {"extra_content": {"google": {"thought_signature": "b2xk"}}}
    request = asked("gemini-3-pro", messages=gemini_history(signed), tools=[WEATHER_TOOL])
    wire = build_chat(adapter, request, connection, "gemini-3-pro")
    found = changed(adapter, request, wire, message)
    assert found.wire.body == wire.body.replace(b"b2xk", b"skip_thought_signature_validator")
    assert found.lesson == ""


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("Penalty is not enabled for this model", 400),  # none was sent
        ("Corrupted thought signature.", 400),
        ('Unknown name "id" at function_call', 400),
        ('Unknown name "foo": Cannot find field.', 400),
        ("Penalty is not enabled for this model", 503),
    ],
)
def test_other_refusals_of_gemini_are_the_callers(message: str, status: int) -> None:
    request, wire = gemini(temperature=1)
    assert amended(GEMINI, request, wire, message, status) is None


# -- all of them


def test_who_amends_can_apply_lessons_and_the_other_way_round() -> None:
    amending = {slug for slug, adapter in ADAPTERS.items() if adapter.amend is not None}
    assert amending == {slug for slug, adapter in ADAPTERS.items() if adapter.apply_lesson is not None}
    assert amending == {"anthropic", "gemini", "vertex"}
