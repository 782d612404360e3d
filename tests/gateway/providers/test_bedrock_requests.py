"""AWS Bedrock: what Converse is sent, beyond the recorded cases."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import FailureClass, ProviderFailure
from gateway.providers.bedrock import ADAPTER
from gateway.providers.bedrock_models import family_name, traits_of
from gateway.types import WireRequest
from tests.gateway.providers.cases import connection_to
from tests.gateway.providers.samples import build_chat, chat_request_of

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS = "us.anthropic.claude-opus-4-7"
SONNET_37 = "anthropic.claude-3-7-sonnet-20250219-v1:0"
HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "us.amazon.nova-pro-v1:0"
NOVA_2 = "amazon.nova-2-lite-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"
GPT = "openai.gpt-oss-120b-1:0"
ARN = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"
PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0="
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
EPHEMERAL = {"type": "ephemeral"}
ADAPTIVE = {"type": "adaptive", "display": "summarized"}


def sent(
    *messages: Any, model: str = HAIKU, config: dict[str, Any] | None = None, **fields: Any
) -> WireRequest:
    said = [{"role": "user", "content": each} if isinstance(each, str | list) else each for each in messages]
    request = chat_request_of(
        {"model": model, "messages": said or [{"role": "user", "content": "Hi"}], **fields}
    )
    connection = connection_to("bedrock", "key", region="us-east-1", **(config or {}))
    return build_chat(ADAPTER, request, connection, model)


def body(*messages: Any, **fields: Any) -> Any:
    return json.loads(sent(*messages, **fields).body)


def said(*messages: Any, **fields: Any) -> Any:
    return body(*messages, **fields)["messages"]


def refusal(*messages: Any, **fields: Any) -> tuple[FailureClass, str | None]:
    with pytest.raises(ProviderFailure) as caught:
        sent(*messages, **fields)
    return caught.value.failure.kind, caught.value.param


def system(text: Any) -> dict[str, Any]:
    return {"role": "system", "content": text}


def assistant(text: Any = None, **members: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **members}


def result(text: Any, identity: str = "c1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": text}


# Messages.


def test_an_assistant_that_speaks_first_is_answered_by_nobody() -> None:
    assert said(assistant("Hello"), "Hi") == [
        {"role": "user", "content": [{"text": "(continue)"}]},
        {"role": "assistant", "content": [{"text": "Hello"}]},
        {"role": "user", "content": [{"text": "Hi"}]},
    ]


def test_system_messages_are_lifted_wherever_they_stand() -> None:
    found = body(system("A"), "Hi", system([{"type": "text", "text": "B"}]), "there")
    assert found["system"] == [{"text": "A"}, {"text": "B"}]
    assert found["messages"] == [{"role": "user", "content": [{"text": "Hi"}, {"text": "there"}]}]


@pytest.mark.parametrize("messages", [[], [system("x")], [{"role": "user", "content": " "}]])
def test_a_conversation_of_nobody_is_refused(messages: list[Any]) -> None:
    request = chat_request_of({"model": HAIKU, "messages": messages})
    with pytest.raises(ProviderFailure) as caught:
        build_chat(ADAPTER, request, connection_to("bedrock", "key"), HAIKU)
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.INVALID_REQUEST, "messages")


def test_a_prefill_ends_without_white_space() -> None:
    assert said("Hi", assistant("So: \n"))[-1]["content"] == [{"text": "So:"}]


def test_a_missing_result_is_an_error_and_one_that_fits_no_call_is_text() -> None:
    found = said("Hi", assistant(tool_calls=[CALL]), result("x", "nobody's"), tools=[TOOL])
    assert found[-1] == {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": "c1", "content": [{"text": "(no result)"}], "status": "error"}},
            {"text": "[tool result nobody's: x]"},
        ],
    }


def test_a_result_of_a_model_that_knows_no_status_has_none() -> None:
    found = said("Hi", assistant(tool_calls=[CALL]), "On", tools=[TOOL], model=LLAMA)
    assert found[-1]["content"][0] == {
        "toolResult": {"toolUseId": "c1", "content": [{"text": "(no result)"}]}
    }


def test_a_result_may_hold_images() -> None:
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": PNG}}]
    found = said("Hi", assistant(tool_calls=[CALL]), result(parts), tools=[TOOL])
    assert found[-1]["content"][0]["toolResult"]["content"] == [
        {"text": "See"},
        {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}},
    ]


def test_ids_that_converse_cannot_take_are_replaced_on_both_sides_and_stay_apart() -> None:
    ids = ["a/b", "a|b", "x" * 70]
    calls = [{**CALL, "id": identity} for identity in ids]
    found = said(
        "Hi", assistant(tool_calls=calls), *[result("r", identity) for identity in ids], tools=[TOOL]
    )
    used = [block["toolUse"]["toolUseId"] for block in found[1]["content"]]
    assert used == [block["toolResult"]["toolUseId"] for block in found[2]["content"]]
    assert used[0] == "a_b"
    assert used[1].startswith("a_b_")
    assert used[2] == "x" * 64
    assert len(set(used)) == 3


def test_tools_of_the_past_are_text_where_none_are_offered() -> None:
    past = ["Hi", assistant("Wait", tool_calls=[CALL]), result(""), assistant("Done", tool_calls=[])]
    choices: list[dict[str, Any]] = [{}, {"tools": [TOOL], "tool_choice": "none"}, {"tools": []}]
    for fields in choices:
        found = body(*past, **fields)
        assert "toolConfig" not in found
        assert found["messages"][1:3] == [
            {"role": "assistant", "content": [{"text": "Wait"}, {"text": "[tool call c1: f({})]"}]},
            {"role": "user", "content": [{"text": "[tool result c1: (empty)]"}]},
        ]


def test_names_that_converse_cannot_take_are_replaced_everywhere() -> None:
    dotted = {"type": "function", "function": {"name": "a.b"}}
    call = {"id": "c1", "type": "function", "function": {"name": "a.b", "arguments": ""}}
    wire = sent("Hi", assistant(tool_calls=[call]), result("r"), tools=[dotted], tool_choice=dotted)
    found = json.loads(wire.body)
    assert found["messages"][1]["content"][0]["toolUse"] == {"toolUseId": "c1", "name": "a_b", "input": {}}
    assert found["toolConfig"]["tools"][0]["toolSpec"]["name"] == "a_b"
    assert found["toolConfig"]["toolChoice"] == {"tool": {"name": "a_b"}}
    assert wire.notes.names == {"a_b": "a.b"}


# Images, documents, sound.


def attachment(url: str) -> list[dict[str, Any]]:
    return [{"type": "image_url", "image_url": {"url": url}}]


def document(name: str, data: str = PDF) -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def test_an_image_may_lie_in_s3() -> None:
    assert said(attachment("s3://bucket/a.jpg"))[0]["content"] == [
        {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}}
    ]


@pytest.mark.parametrize(
    "url", ["http://x.example/a.png", "data:image/tiff;base64,AA==", "data:text/plain,x"]
)
def test_other_images_are_refused(url: str) -> None:
    assert refusal(attachment(url)) == (FailureClass.UNSUPPORTED, "messages")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a.pdf", "a-pdf"),
        ("  two \t spaces (1)[2]-é.pdf ", "two spaces (1)[2]---pdf"),
        ("", "document"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_documents_name_is_in_converses_alphabet(name: str, written: str) -> None:
    assert said([document(name)])[0]["content"][0]["document"]["name"] == written


def test_documents_of_one_request_have_names_of_their_own() -> None:
    found = said([document("a.pdf"), document("a_pdf")], assistant("x"), [document("a.pdf")])
    names = [block["document"]["name"] for turn in found for block in turn["content"] if "document" in block]
    assert names == ["a-pdf", "a-pdf-2", "a-pdf-3"]


def test_a_document_that_stands_alone_gets_text_beside_it_and_others_do_not() -> None:
    assert said([document("a.pdf")])[0]["content"][-1] == {"text": "(see attachment)"}
    assert len(said([{"type": "text", "text": "Sum up"}, document("a.pdf")])[0]["content"]) == 2


@pytest.mark.parametrize(
    ("name", "data", "format"),
    [
        ("a", "data:text/csv;base64,YQ==", "csv"),
        ("a.md", "data:application/octet-stream;base64,YQ==", "md"),
        ("a.txt", "YQ==", "txt"),
        ("a", "data:application/msword;base64,YQ==", "doc"),
    ],
)
def test_documents_have_the_format_of_their_type_or_name(name: str, data: str, format: str) -> None:
    assert said([document(name, data)])[0]["content"][0]["document"]["format"] == format


def test_other_files_are_refused() -> None:
    assert refusal([document("a.zip", "data:application/zip;base64,UEs=")]) == (
        FailureClass.UNSUPPORTED,
        "messages",
    )


def test_sound_goes_to_models_that_hear() -> None:
    part = {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}
    assert refusal([part]) == (FailureClass.UNSUPPORTED, "messages")
    assert said([part], model="mistral.voxtral-small-24b-2507")[0]["content"] == [
        {"audio": {"format": "wav", "source": {"bytes": "UklG"}}}
    ]


def test_a_system_message_holds_nothing_but_text() -> None:
    assert refusal(system(attachment(PNG)), "Hi") == (FailureClass.UNSUPPORTED, "messages")


# The prompt cache.


def cached(text: str, **control: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "cache_control": EPHEMERAL | control}]


def test_cache_points_follow_what_they_mark() -> None:
    tool = {**TOOL, "cache_control": EPHEMERAL}
    found = body(system(cached("S")), cached("U", ttl="5m"), tools=[tool])
    assert found["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert found["system"] == [{"text": "S"}, {"cachePoint": {"type": "default"}}]
    assert found["messages"][0]["content"] == [
        {"text": "U"},
        {"cachePoint": {"type": "default", "ttl": "5m"}},
    ]


def test_results_and_calls_may_be_marked_too() -> None:
    call, answered = {**CALL, "cache_control": EPHEMERAL}, {**result("r"), "cache_control": EPHEMERAL}
    found = said("Hi", assistant(tool_calls=[call]), answered, tools=[TOOL])
    assert [list(block) for block in found[1]["content"]] == [["toolUse"], ["cachePoint"]]
    assert [list(block) for block in found[2]["content"]] == [["toolResult"], ["cachePoint"]]


def test_the_last_four_cache_points_stay() -> None:
    found = body(system(cached("S")), *[cached(str(number)) for number in range(5)])
    assert found["system"] == [{"text": "S"}]
    content = found["messages"][0]["content"]
    assert [next(iter(block)) for block in content] == ["text"] * 2 + ["cachePoint", "text"] * 3 + [
        "cachePoint"
    ]


def test_nova_knows_no_time_to_live_and_no_marked_tools() -> None:
    tool = {**TOOL, "cache_control": EPHEMERAL}
    found = body(system(cached("S", ttl="1h")), "Hi", tools=[tool], model=NOVA)
    assert found["system"][1] == {"cachePoint": {"type": "default"}}
    assert len(found["toolConfig"]["tools"]) == 1


def test_models_without_a_cache_get_no_cache_points() -> None:
    for model in (LLAMA, HAIKU_3, ARN):
        wire = sent(cached("U"), model=model)
        assert json.loads(wire.body)["messages"][0]["content"] == [{"text": "U"}]
        assert wire.dropped == ()


# Tools.


def test_models_that_cannot_be_made_to_call_are_not() -> None:
    for model, choice in ((LLAMA, None), (MISTRAL, {"any": {}}), (NOVA, {"any": {}}), (HAIKU_3, {"any": {}})):
        wire = sent(model=model, tools=[TOOL], tool_choice="required")
        assert json.loads(wire.body)["toolConfig"].get("toolChoice") == choice
        assert wire.dropped == (() if choice else ("tool_choice",))


def test_legacy_functions_are_tools() -> None:
    wire = sent(model=LLAMA, functions=[{"name": "f"}], function_call={"name": "f"})
    assert json.loads(wire.body)["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]
    }
    assert wire.dropped == ("function_call",)


@pytest.mark.parametrize("model", [HAIKU_3, "anthropic.claude-sonnet-4-20250514-v1:0", NOVA, LLAMA])
def test_models_without_the_switch_may_call_in_parallel(model: str) -> None:
    wire = sent(model=model, tools=[TOOL], parallel_tool_calls=False)
    assert "additionalModelRequestFields" not in json.loads(wire.body)
    assert wire.dropped == ("parallel_tool_calls",)


def test_without_tools_the_switch_means_nothing() -> None:
    wire = sent(parallel_tool_calls=False)
    assert json.loads(wire.body) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert wire.dropped == ()


def tool_with(schema: Any, **members: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": schema, **members}}


def spec(schema: Any, model: str = HAIKU, **members: Any) -> Any:
    return body(tools=[tool_with(schema, **members)], model=model)["toolConfig"]["tools"][0]["toolSpec"]


def test_a_schema_is_an_object() -> None:
    properties = {"a": {"type": "string", "minLength": 1}}
    assert spec({"properties": properties})["inputSchema"]["json"] == {
        "properties": properties,
        "type": "object",
    }


def test_nova_takes_three_members_of_a_schema() -> None:
    schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False, "$defs": {}}
    found = spec(schema, model=NOVA, strict=True)
    assert found == {
        "name": "f",
        "inputSchema": {"json": {"type": "object", "properties": {}, "required": []}},
    }


def test_strict_tools_are_cleaned_where_models_have_them() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 1}}, "required": ["a"]}
    strict = spec(schema, strict=True)
    assert strict["strict"] is True
    assert strict["inputSchema"]["json"] == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    for model in (HAIKU_3, LLAMA, NOVA):
        assert "strict" not in spec(schema, model=model, strict=True)


def test_a_schema_that_cannot_be_strict_is_not() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    assert spec(schema, strict=True) == {"name": "f", "inputSchema": {"json": schema}}


def test_two_tools_of_one_name_are_refused() -> None:
    tools = [tool_with({}), tool_with({}, description="d")]
    assert refusal(tools=tools) == (FailureClass.INVALID_REQUEST, "tools")


# JSON output.


def json_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": schema}}


OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def test_older_models_are_made_to_call_a_tool_for_json() -> None:
    for model in (HAIKU_3, NOVA, MISTRAL):
        wire = sent(model=model, response_format=json_schema(OBJECT))
        assert json.loads(wire.body)["toolConfig"] == {
            "tools": [
                {"toolSpec": {"name": "json_output", "description": "d", "inputSchema": {"json": OBJECT}}}
            ],
            "toolChoice": {"tool": {"name": "json_output"}},
        }
        assert wire.notes.json_tool
        assert not wire.notes.unfences


def test_a_schema_that_the_service_cannot_hold_a_model_to_is_a_tools() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    found = body(response_format=json_schema(schema))
    assert "outputConfig" not in found
    assert found["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"] == {"json": schema}


@pytest.mark.parametrize(
    ("model", "fields"),
    [(LLAMA, {}), (HAIKU_3, {"tools": [TOOL]}), (SONNET_37, {"reasoning_effort": "low"})],
)
def test_json_is_asked_for_in_words_where_nothing_else_does(model: str, fields: dict[str, Any]) -> None:
    wire = sent(model=model, response_format=json_schema(OBJECT), **fields)
    found = json.loads(wire.body)
    (asked,) = found["system"]
    assert asked["text"].startswith("Answer with a single JSON object that matches this JSON schema: {")
    assert json.dumps(OBJECT, separators=(",", ":")) in asked["text"]
    assert "json_output" not in wire.body.decode()
    assert wire.notes.unfences


def test_any_json_object_is_asked_for_in_words() -> None:
    wire = sent(system("S"), "Hi", response_format={"type": "json_object"})
    assert json.loads(wire.body)["system"] == [
        {"text": "S"},
        {"text": "Answer with a single JSON object only."},
    ]
    assert wire.notes.unfences


# Limits, sampling, thinking.


@pytest.mark.parametrize(
    ("model", "fields", "config", "dropped", "adjusted"),
    [
        (HAIKU, {"temperature": 2, "top_p": 0.5}, {"temperature": 1.0}, ("top_p",), ("temperature",)),
        (HAIKU, {"top_p": 0.5}, {"topP": 0.5}, (), ()),
        (HAIKU_3, {"temperature": 0.1, "top_p": 0.5}, {"temperature": 0.1, "topP": 0.5}, (), ()),
        (OPUS, {"temperature": 0.1, "top_p": 1, "top_k": 5}, None, ("temperature", "top_k", "top_p"), ()),
        (LLAMA, {"top_k": 5, "seed": 1, "n": 1}, None, ("seed", "top_k"), ()),
        (HAIKU, {"stop": ["\n", "END", ""]}, {"stopSequences": ["END"]}, (), ("stop",)),
        (LLAMA, {"stop": "\n\n"}, {"stopSequences": ["\n\n"]}, (), ()),
        (NOVA, {"stop": ["a", "b", "c", "d", "e"]}, {"stopSequences": ["a", "b", "c", "d"]}, (), ("stop",)),
        (HAIKU, {"max_tokens": 5, "max_completion_tokens": 9}, {"maxTokens": 9}, (), ()),
    ],
)
def test_a_model_gets_the_fields_that_it_takes(
    model: str, fields: dict[str, Any], config: Any, dropped: tuple[str, ...], adjusted: tuple[str, ...]
) -> None:
    wire = sent(model=model, **fields)
    assert json.loads(wire.body).get("inferenceConfig") == config
    assert (wire.dropped, wire.adjusted) == (dropped, adjusted)


def test_top_k_is_the_models_own_field() -> None:
    assert body(top_k=5)["additionalModelRequestFields"] == {"top_k": 5}
    assert body(top_k=5, model=NOVA)["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}
    assert refusal(top_k="5") == (FailureClass.INVALID_REQUEST, "top_k")


def test_a_credential_may_set_a_limit_for_those_who_name_none() -> None:
    config = {"max_tokens": "100"}
    assert body(config=config)["inferenceConfig"] == {"maxTokens": 100}
    assert body(config=config, max_tokens=7)["inferenceConfig"] == {"maxTokens": 7}


@pytest.mark.parametrize(
    ("model", "effort", "extras"),
    [
        (OPUS, "minimal", {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}),
        (OPUS, "xhigh", {"thinking": ADAPTIVE, "output_config": {"effort": "xhigh"}}),
        (HAIKU, "medium", {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        (NOVA_2, "minimal", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        (GPT, "max", {"reasoning_effort": "high"}),
        (OPUS, "none", None),
        (GPT, "none", None),
    ],
)  # fmt: skip
def test_effort_is_said_in_the_models_words(model: str, effort: str, extras: Any) -> None:
    wire = sent(model=model, reasoning_effort=effort)
    found = json.loads(wire.body)
    assert found.get("additionalModelRequestFields") == extras
    paths = ["/usage/output_tokens_details"] if extras and "thinking" in extras else None
    assert found.get("additionalModelResponseFieldPaths") == paths
    assert wire.dropped == ()


@pytest.mark.parametrize("model", [HAIKU_3, LLAMA, NOVA, "deepseek.r1-v1:0"])
def test_effort_is_dropped_by_models_that_know_none(model: str) -> None:
    wire = sent(model=model, reasoning_effort="high", thinking={"type": "enabled", "budget_tokens": 2000})
    assert json.loads(wire.body) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert wire.dropped == ("reasoning_effort", "thinking")


@pytest.mark.parametrize(("asked", "limit"), [(None, 5120), (100, 1124), (1024, 2048), (3000, 3000)])
def test_a_budget_leaves_room_for_the_answer(asked: int | None, limit: int) -> None:
    found = body(reasoning_effort="low", **({"max_tokens": asked} if asked else {}))
    assert found["inferenceConfig"] == {"maxTokens": limit}


def test_thinking_at_its_hardest_leaves_nova_no_limits() -> None:
    wire = sent(model=NOVA_2, reasoning_effort="high", max_completion_tokens=5, temperature=0, stop="x")
    assert json.loads(wire.body)["inferenceConfig"] == {"stopSequences": ["x"]}
    assert wire.dropped == ("max_completion_tokens", "temperature")


def test_a_thinking_claude_is_not_forced_and_not_sampled() -> None:
    wire = sent(reasoning_effort="low", tools=[TOOL], tool_choice="required", temperature=1, top_k=1)
    found = json.loads(wire.body)
    assert "toolChoice" not in found["toolConfig"]
    assert found["inferenceConfig"] == {"maxTokens": 5120}
    assert (wire.dropped, wire.adjusted) == (("temperature", "top_k"), ("tool_choice",))


def test_claudes_own_form_of_thinking_outranks_the_effort() -> None:
    own = {"type": "enabled", "budget_tokens": 2000}
    found = body(thinking=own, reasoning_effort="high")
    assert found["additionalModelRequestFields"] == {"thinking": own}
    assert found["inferenceConfig"] == {"maxTokens": 6096}
    assert "additionalModelRequestFields" not in body(thinking={"type": "disabled"}, model=OPUS)
    assert refusal(thinking="on") == (FailureClass.INVALID_REQUEST, "thinking")


def test_a_budget_is_off_when_the_calls_have_lost_their_thinking() -> None:
    past = ["Hi", assistant(tool_calls=[CALL]), result("r")]
    wire = sent(*past, tools=[TOOL], reasoning_effort="low", temperature=0.5)
    assert json.loads(wire.body)["inferenceConfig"] == {"temperature": 0.5}
    assert wire.dropped == ("reasoning_effort",)
    block = {"type": "thinking", "thinking": "T", "signature": "S"}
    kept = ["Hi", assistant(tool_calls=[CALL], thinking_blocks=[block]), result("r")]
    found = body(*kept, tools=[TOOL], reasoning_effort="low")
    assert "thinking" in found["additionalModelRequestFields"]
    assert [next(iter(block)) for block in found["messages"][1]["content"]] == ["reasoningContent", "toolUse"]


def test_unsigned_thinking_and_that_of_others_stays_behind() -> None:
    blocks = [{"type": "thinking", "thinking": "T"}, {"type": "thinking", "thinking": "T", "signature": ""}]
    assert said("Hi", assistant("x", thinking_blocks=blocks), "On")[1]["content"] == [{"text": "x"}]
    signed = [{"type": "thinking", "thinking": "T", "signature": "S"}]
    assert said("Hi", assistant("x", thinking_blocks=signed), "On", model=LLAMA)[1]["content"] == [
        {"text": "x"}
    ]
    assert said("Hi", assistant("", thinking_blocks=signed), "On", model=LLAMA) == [
        {"role": "user", "content": [{"text": "Hi"}, {"text": "On"}]}
    ]


# Metadata, tiers, guardrails, other fields.


def test_metadata_that_fits_is_sent() -> None:
    metadata = {"team": "a b", "Ünicode": "x", "long": "x" * 257, "number": 5, "": "x", "empty": ""}
    wire = sent(metadata=metadata)
    assert json.loads(wire.body)["requestMetadata"] == {"team": "a b", "empty": ""}
    assert wire.dropped == ()
    assert "requestMetadata" not in body(metadata={"Ü": "x"})
    assert len(body(metadata={f"k{number}": "v" for number in range(30)})["requestMetadata"]) == 16


@pytest.mark.parametrize(
    ("tier", "written", "dropped"),
    [
        ("auto", None, ()),
        ("default", {"type": "default"}, ()),
        ("reserved", {"type": "reserved"}, ()),
        ("scale", None, ("service_tier",)),
    ],
)
def test_service_tiers_that_bedrock_has_are_sent(tier: str, written: Any, dropped: tuple[str, ...]) -> None:
    wire = sent(service_tier=tier)
    assert json.loads(wire.body).get("serviceTier") == written
    assert wire.dropped == dropped


def test_a_guardrail_is_the_credentials() -> None:
    assert body(config={"guardrail_id": "g1"})["guardrailConfig"] == {
        "guardrailIdentifier": "g1",
        "guardrailVersion": "DRAFT",
    }
    config = {"guardrail_id": "g1", "guardrail_version": "2", "guardrail_mode": "async"}
    assert body(config=config, stream=True)["guardrailConfig"] == {
        "guardrailIdentifier": "g1",
        "guardrailVersion": "2",
        "streamProcessingMode": "async",
    }
    assert "guardrailConfig" not in body(config={"guardrail_version": "2"})


def test_fields_that_nobody_knows_are_dropped_by_name() -> None:
    wire = sent(made_up=1, verbosity="low", prompt_cache_key="k", stream_options={}, frequency_penalty=0)
    assert json.loads(wire.body) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert wire.dropped == ("made_up", "prompt_cache_key", "verbosity")


# Models.


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (HAIKU, "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("us-gov.anthropic.claude-haiku-4-5", "anthropic.claude-haiku-4-5"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("arn:aws:bedrock:us-east-1:111122223333:inference-profile/eu.amazon.nova-lite", "amazon.nova-lite"),
        (ARN, "abc123"),
    ],
)  # fmt: skip
def test_the_family_is_read_from_the_id(model: str, name: str) -> None:
    assert family_name(model) == name


def test_an_arn_that_says_nothing_is_a_plain_model_unless_the_credential_says_more() -> None:
    assert "toolChoice" not in body(model=ARN, tools=[TOOL], tool_choice="required")["toolConfig"]
    config = {"base_models": {ARN: HAIKU}}
    found = body(model=ARN, tools=[TOOL], tool_choice="required", config=config)
    assert found["toolConfig"]["toolChoice"] == {"any": {}}


@pytest.mark.parametrize("model", [".", "..", "", "a b", "/x", "ü", "a\n", "x" * 3000, "a?b", "a#b", "a%2e"])
def test_what_no_models_id_can_be_is_not_asked_for(model: str) -> None:
    request = chat_request_of({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    with pytest.raises(ProviderFailure) as caught:
        build_chat(ADAPTER, request, connection_to("bedrock", "key"), model)
    assert (caught.value.failure.kind, caught.value.param) == (FailureClass.NOT_FOUND, "model")


@given(st.text(max_size=40))
def test_no_id_breaks_the_table_of_models(model: str) -> None:
    assert traits_of(model).stop_limit > 0


def test_the_callers_bytes_are_decoded_once_more_for_the_next_target() -> None:
    request = chat_request_of(
        {"model": HAIKU, "messages": [{"role": "user", "content": cached("x")}], "tools": [TOOL]}
    )
    raw, connection = bytes(request.raw), connection_to("bedrock", "key")
    first = build_chat(ADAPTER, request, connection, HAIKU)
    build_chat(ADAPTER, request, connection, LLAMA)
    assert build_chat(ADAPTER, request, connection, HAIKU).body == first.body
    assert request.raw == raw


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    request = chat_request_of({"model": HAIKU, "messages": []})
    broken = type(request)(raw, HAIKU, False, False, "req1", 1)
    with pytest.raises(ProviderFailure) as caught:
        build_chat(ADAPTER, broken, connection_to("bedrock", "key"), HAIKU)
    assert caught.value.failure.kind is FailureClass.INVALID_REQUEST
