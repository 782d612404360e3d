"""What Gemini is asked: addresses, fields, models, messages."""

from typing import Any

import pytest

from tests.gateway.providers.gemini import (
    GEMINI,
    HELLO,
    JSON,
    TOOL,
    body_of,
    called,
    config_of,
    contents_of,
    refused,
    result,
    sent,
)
from tests.gateway.providers.google_cases import case, gemini_connection
from tests.gateway.providers.samples import (
    build_chat,
    chat_request_of,
)

STORED = "https://generativelanguage.googleapis.com/v1beta/files/abc"


@pytest.mark.parametrize(
    ("base_url", "config", "start"),
    [
        (
            "https://generativelanguage.googleapis.com",
            {},
            "https://generativelanguage.googleapis.com/v1beta/",
        ),
        ("http://127.0.0.1:9/", {"api_version": "v1"}, "http://127.0.0.1:9/v1/"),
        ("https://proxy.example/v1alpha", {"api_version": "v1"}, "https://proxy.example/v1alpha/"),
        ("https://proxy.example/gemini", {}, "https://proxy.example/gemini/v1beta/"),
    ],
)
def test_where_requests_go(base_url: str, config: dict[str, Any], start: str) -> None:
    request = chat_request_of({"model": "m", "messages": HELLO})
    wire = build_chat(GEMINI, request, gemini_connection(base_url, **config), "gemini-x")
    assert wire.url == f"{start}models/gemini-x:generateContent"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("models/gemini-2.5-pro", "models/gemini-2.5-pro"),
        ("tunedModels/my-model/x", "tunedModels/my-model%2Fx"),
        ("../secret?key=1#:x", "models/..%2Fsecret%3Fkey%3D1%23%3Ax"),
    ],
)
def test_a_model_name_breaks_no_path(model: str, path: str) -> None:
    assert sent(model).url.endswith(f"/v1beta/{path}:generateContent")


def test_what_goes_out_is_only_what_gemini_knows() -> None:
    wire = sent(
        user="u",
        store=True,
        metadata={"a": "b"},
        logit_bias={"1": 1},
        prompt_cache_key="k",
        verbosity="low",
        prediction={"type": "content", "content": "x"},
        unheard_of=1,
        parallel_tool_calls=False,
        top_k=5,
        presence_penalty=0,
        n=1,
        stream_options=None,
        service_tier="scale",
    )
    assert JSON(wire.body).keys() == {"contents"}
    assert wire.dropped == (
        "logit_bias",
        "parallel_tool_calls",
        "prediction",
        "prompt_cache_key",
        "service_tier",
        "store",
        "top_k",
        "unheard_of",
        "user",
        "verbosity",
    )


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"seed": -1}, {"seed": 2**31 - 1}),
        ({"seed": 2**40 + 5}, {"seed": 5}),
        ({"n": 2}, {"candidateCount": 2}),
        ({"logprobs": True}, {"responseLogprobs": True}),
        ({"logprobs": False, "top_logprobs": 0}, {}),
        ({"stop": "a"}, {"stopSequences": ["a"]}),
        ({"stop": list("abcde")}, {"stopSequences": list("abcde")}),
        ({"temperature": 0, "top_p": 1}, {"temperature": 0, "topP": 1}),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        ({"modalities": ["text"]}, {}),
    ],
)
def test_fields_with_a_counterpart(fields: dict[str, Any], config: dict[str, Any]) -> None:
    assert config_of(**fields) == config
    assert sent(**fields).dropped == ()


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"stop": list("abcdef")}, "unsupported", "stop"),
        ({"n": 2, "stream": True}, "unsupported", "n"),
        ({"n": 0}, "invalid_request", "n"),
        ({"seed": "x"}, "invalid_request", "seed"),
        ({"audio": {"voice": "alloy"}}, "unsupported", "audio"),
        ({"messages": [{"role": "system", "content": "x"}]}, "invalid_request", "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "invalid_request", "messages"),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "unsupported", "response_format"),
        ({"tool_choice": "required"}, "invalid_request", "tool_choice"),
        ({"reasoning_effort": "huge"}, "invalid_request", "reasoning_effort"),
    ],
)
def test_what_cannot_be_asked_for(fields: dict[str, Any], kind: str, param: str) -> None:
    assert refused(**fields) == (kind, param)


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-2.5-pro", "minimal", {"includeThoughts": True, "thinkingBudget": 1024}),
        ("gemini-2.5-pro", "max", {"includeThoughts": True, "thinkingBudget": 32768}),
        ("gemini-2.5-flash", "xhigh", {"includeThoughts": True, "thinkingBudget": 24576}),
        ("gemini-2.5-flash-lite", "high", {"includeThoughts": True, "thinkingBudget": 24576}),
        ("gemini-3-pro-preview", "none", {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", "medium", {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-3-flash", "none", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.5-flash", "medium", {"includeThoughts": True, "thinkingLevel": "MEDIUM"}),
        ("gemini-3.1-pro", "xhigh", {"includeThoughts": True, "thinkingLevel": "XHIGH"}),
        ("gemini-flash-latest", "low", {"includeThoughts": True, "thinkingLevel": "LOW"}),
        ("gemini-2.0-flash", "low", None),
        ("gemini-2.5-flash-image", "low", None),
        ("gemma-3-27b-it", "low", None),
    ],
)
def test_reasoning_effort_by_model(model: str, effort: str, config: dict[str, Any] | None) -> None:
    wire = sent(model, reasoning_effort=effort)
    assert JSON(wire.body).get("generationConfig", {}).get("thinkingConfig") == config
    assert wire.dropped == (("reasoning_effort",) if config is None else ())
    least = effort == "none" and config is not None
    assert wire.adjusted == (("reasoning_effort",) if least else ())


def test_geminis_own_fields_are_taken_from_both_places_and_outrank_the_effort() -> None:
    thinking, safety = {"thinking_budget": 5}, [{"category": "c", "threshold": "BLOCK_NONE"}]
    google: dict[str, Any] = {
        "thinking_config": thinking,
        "safety_settings": safety,
        "cached_content": "cachedContents/1",
    }
    for wire in (
        sent(**google, reasoning_effort="low"),
        sent(extra_body={"google": google}, reasoning_effort="low"),
    ):
        body = JSON(wire.body)
        assert body["generationConfig"] == {"thinkingConfig": thinking}
        assert body["safetySettings"] == safety
        assert body["cachedContent"] == "cachedContents/1"
        assert wire.dropped == ("reasoning_effort",)
    assert sent(extra_body={"other": 1}).dropped == ("extra_body",)


@pytest.mark.parametrize(
    ("tier", "wire_tier", "dropped"),
    [
        ("auto", None, ()),
        ("default", "standard", ()),
        ("priority", "priority", ()),
        ("fast", None, ("service_tier",)),
    ],
)
def test_service_tiers(tier: str, wire_tier: str | None, dropped: tuple[str, ...]) -> None:
    wire = sent(service_tier=tier)
    assert JSON(wire.body).get("serviceTier") == wire_tier
    assert wire.dropped == dropped


def test_ids_go_back_to_gemini_on_both_sides_or_on_neither() -> None:
    for id in ("call_1", "toolu_1", "tooluse_1", "chatcmpl-tool-1"):
        _, call, answer = contents_of(called(id), result(id))
        assert "id" not in call["parts"][0]["functionCall"]
        assert "id" not in answer["parts"][0]["functionResponse"]
    _, call, answer = contents_of(called("fc-abc"), result("fc-abc"))
    assert call["parts"][0]["functionCall"]["id"] == "fc-abc"
    assert answer["parts"][0]["functionResponse"]["id"] == "fc-abc"


@pytest.mark.parametrize(
    "member",
    [
        {"extra_content": {"google": {"thought_signature": "c2ln"}}},
        {"provider_specific_fields": {"thought_signature": "c2ln"}},
        {"function": {"name": "get_weather", "arguments": "{}", "thought_signature": "c2ln"}},
    ],
)
def test_signatures_are_taken_from_wherever_gateways_put_them(member: dict[str, Any]) -> None:
    for model in ("gemini-3-pro", "gemini-2.5-flash"):
        _, call, _ = contents_of(called("x1", **member), result("x1"), model=model)
        assert call["parts"][0]["thoughtSignature"] == "c2ln"


def test_only_the_first_call_of_a_step_gets_the_stand_in_and_only_where_it_is_needed() -> None:
    step = (called("x1", "x2"), result("x1"), result("x2"))
    _, call, _ = contents_of(*step, model="gemini-3-flash")
    assert [part.get("thoughtSignature") for part in call["parts"]] == [
        "skip_thought_signature_validator",
        None,
    ]
    _, call, _ = contents_of(*step)
    assert [part.get("thoughtSignature") for part in call["parts"]] == [None, None]


def test_a_signature_of_the_text_stands_at_the_text() -> None:
    said = {"role": "assistant", "content": "Yes", "extra_content": {"google": {"thought_signature": "c2ln"}}}
    _, turn = contents_of(said)
    assert turn["parts"] == [{"text": "Yes", "thoughtSignature": "c2ln"}]


def test_results_stand_in_the_order_of_the_calls_and_missing_ones_are_made_up() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    mixed = [{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}]
    contents = contents_of(called("c1", "c2", "c3"), result("c3", '{"t": 4}'), result("c1", mixed))
    responses = [part["functionResponse"]["response"] for part in contents[2]["parts"]]
    assert responses == [{"output": "ab"}, {"error": "no result"}, {"t": 4}]
    assert contents[3] == {
        "role": "user",
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
    }
    assert len(contents) == 4


@pytest.mark.parametrize("text", ["[1]", "5", "{broken", "", "null", "plain"])
def test_a_result_that_is_no_object_becomes_output(text: str) -> None:
    contents = contents_of(called("c1"), result("c1", text))
    assert contents[2]["parts"][0]["functionResponse"]["response"] == {"output": text}


def test_a_conversation_that_begins_with_the_model_gets_a_first_turn() -> None:
    contents = body_of(messages=[{"role": "assistant", "content": "Hi"}, *HELLO])["contents"]
    assert [turn["role"] for turn in contents] == ["user", "model", "user"]


@pytest.mark.parametrize(
    ("part", "wire"),
    [
        (
            {"type": "file", "file": {"file_id": "files/abc", "filename": "a.pdf"}},
            {"fileData": {"fileUri": STORED, "mimeType": "application/pdf"}},
        ),
        ({"type": "file", "file": {"file_id": STORED}}, {"fileData": {"fileUri": STORED}}),
        (
            {"type": "image_url", "image_url": {"url": "https://a.example/x.HEIC?y=1"}},
            {"fileData": {"fileUri": "https://a.example/x.HEIC?y=1", "mimeType": "image/heic"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://a.example/x"}},
            {"fileData": {"fileUri": "https://a.example/x", "mimeType": "image/jpeg"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
        ),
    ],
)
def test_media(part: dict[str, Any], wire: dict[str, Any]) -> None:
    contents = body_of(messages=[{"role": "user", "content": [part]}])["contents"]
    assert contents[0]["parts"] == [wire]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://a.example/x.png"}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/x.png"}},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "file", "file": {"file_id": "file-abc"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "opus"}},
        {"type": "video_url", "video_url": {"url": "https://a.example"}},
    ],
)
def test_media_that_gemini_does_not_take(part: dict[str, Any]) -> None:
    assert refused(messages=[{"role": "user", "content": [part]}]) == ("unsupported", "messages")


def test_models_of_generation_2_0_fetch_no_images() -> None:
    message = {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}],
    }
    assert refused("gemini-2.0-flash", messages=[message]) == ("unsupported", "messages")


def test_the_model_list_is_asked_for_without_the_key_in_its_address() -> None:
    assert GEMINI.build_models is not None
    wire = GEMINI.build_models(gemini_connection())
    assert wire.method == "GET"
    assert wire.url == "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000"
    assert dict(wire.headers)["x-goog-api-key"] == "FAKE-GEMINI-KEY"


def test_the_key_is_in_no_address_and_in_no_repr() -> None:
    connection = gemini_connection()
    each = case("gemini", "01_plain")
    for shown in (
        build_chat(GEMINI, each.request, connection, each.model).url,
        repr(connection),
        connection.base_url,
    ):
        assert "FAKE-GEMINI-KEY" not in shown
