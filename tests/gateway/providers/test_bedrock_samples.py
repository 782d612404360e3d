"""AWS Bedrock: the recorded cases of tests/wire/bedrock."""

import base64
import itertools
import json
from typing import Any

import pytest

from gateway.errors import ProviderFailure
from gateway.providers.base import ChatStream
from gateway.providers.bedrock import ADAPTER
from gateway.types import ChatRequest, Connection, Reply, WireRequest
from tests.gateway.providers.cases import (
    Case,
    cases,
    check_answer,
    check_chunks,
    check_error,
    check_wire_request,
    connection_to,
    cuts,
)
from tests.gateway.providers.samples import (
    build_chat,
    chat_request_of,
    embeddings_request_of,
    hear,
    open_chat_stream,
    parse_chat,
    read_answer,
    replay,
)

KEY = "FAKE-BEDROCK-API-KEY"
CHATS = cases("bedrock", "chat")
STREAMS = cases("bedrock", "chat_stream")
WHOLE_STREAMS = [case for case in STREAMS if "stream_error" not in case.about]
BROKEN_STREAMS = [case for case in STREAMS if "stream_error" in case.about]
EMBEDDINGS = cases("bedrock", "embeddings")


def connection() -> Connection:
    return connection_to("bedrock", KEY, region="us-east-1")


def request_of(case: Case) -> ChatRequest:
    return chat_request_of(case.about["openai_request"])


def wire_of(case: Case) -> WireRequest:
    request = request_of(case)
    return build_chat(ADAPTER, request, connection(), request.model)


def reply_to(case: Case, body: bytes = b"") -> Reply:
    return Reply(body, case.about["wire_response"]["headers"], wire_of(case).notes)


def stream_of(case: Case) -> bytes:
    return base64.b64decode(case.stream)


def with_parsed_schema(body: dict[str, Any]) -> dict[str, Any]:
    """The schema is a JSON text on the wire: the order of its members means nothing."""
    if "outputConfig" in body:
        about = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        about["schema"] = json.loads(about["schema"])
    return body


@pytest.mark.parametrize("case", CHATS + STREAMS, ids=str)
def test_a_request_is_the_one_of_the_case(case: Case) -> None:
    wire = wire_of(case)
    body = with_parsed_schema(json.loads(wire.body))
    expected = json.loads(json.dumps(case.about))
    with_parsed_schema(expected["wire_request"]["body"])
    check_wire_request(
        WireRequest(wire.url, wire.headers, json.dumps(body).encode(), wire.dropped, wire.adjusted), expected
    )


@pytest.mark.parametrize("case", CHATS, ids=str)
def test_an_answer_is_the_one_of_the_case(case: Case) -> None:
    request = request_of(case)
    answer = parse_chat(ADAPTER, request, reply_to(case, case.answer))
    check_answer(answer.body, case.about["openai_response"])
    read_answer(answer.body)
    assert answer.model == request.model


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=str)
def test_a_stream_is_the_one_of_the_case_however_it_is_cut(case: Case) -> None:
    raw = stream_of(case)
    for places in cuts(raw):
        stream = open_chat_stream(ADAPTER, request_of(case), reply_to(case))
        output = replay(stream, raw, places)
        check_chunks(output, case.about["openai_chunks"])
        heard = hear(output)
        assert heard.done
        assert stream.started
        assert stream.model == case.about["openai_request"]["model"]
        assert stream.output_bytes == heard.output_bytes


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=str)
def test_a_stream_that_is_cut_off_never_ends_well(case: Case) -> None:
    raw = stream_of(case)
    metadata = raw.rindex(b"metadata") - len(b"\x00\x00\x00\x00" * 3 + b"\x0b:event-type\x07\x00\x08")
    for length in range(len(raw)):
        if length == metadata:  # messageStop has come whole: nothing is missing but the usage
            continue
        stream = open_chat_stream(ADAPTER, request_of(case), reply_to(case))
        with pytest.raises(ProviderFailure) as caught:
            replay(stream, raw[:length])
        assert caught.value.code == "upstream_stream_interrupted"


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=str)
def test_a_stream_whose_usage_never_comes_is_a_whole_answer_all_the_same(case: Case) -> None:
    raw = stream_of(case)
    metadata = raw.rindex(b"metadata") - len(b"\x00\x00\x00\x00" * 3 + b"\x0b:event-type\x07\x00\x08")
    stream = open_chat_stream(ADAPTER, request_of(case), reply_to(case))
    heard = hear(replay(stream, raw[:metadata]))
    assert heard.finish_reason == case.about["openai_chunks"][-2]["choices"][0]["finish_reason"]
    assert heard.usage is None
    assert stream.usage is None


@pytest.mark.parametrize("case", WHOLE_STREAMS, ids=str)
def test_a_damaged_stream_never_ends_well(case: Case) -> None:
    raw = stream_of(case)
    for place in range(len(raw)):
        damaged = bytearray(raw)
        damaged[place] ^= 0x10
        stream = open_chat_stream(ADAPTER, request_of(case), reply_to(case))
        with pytest.raises(ProviderFailure):
            replay(stream, bytes(damaged))


def _replay_into(written: list[bytes], stream: ChatStream, raw: bytes, places: list[int]) -> None:
    """Keep what was written before the failure."""
    for start, stop in itertools.pairwise([0, *places, len(raw)]):
        written.append(stream.feed(raw[start:stop]))
    written.append(stream.finish())


@pytest.mark.parametrize("case", BROKEN_STREAMS, ids=str)
def test_an_exception_in_a_stream_comes_after_what_was_written(case: Case) -> None:
    raw, expected = stream_of(case), case.about["stream_error"]
    for places in cuts(raw):
        stream = open_chat_stream(ADAPTER, request_of(case), reply_to(case))
        written: list[bytes] = []
        with pytest.raises(ProviderFailure) as caught:
            _replay_into(written, stream, raw, places)
        check_chunks(b"".join(written), case.about["openai_chunks"])
        assert stream.started == bool(case.about["openai_chunks"])
        assert json.loads(caught.value.body()) == expected["openai_body"]
        assert caught.value.failure.kind == expected["class"]


@pytest.mark.parametrize("case", EMBEDDINGS, ids=str)
def test_embeddings_are_those_of_the_case(case: Case) -> None:
    request = embeddings_request_of(case.about["openai_request"])
    assert ADAPTER.build_embeddings is not None
    assert ADAPTER.parse_embeddings is not None
    wire = ADAPTER.build_embeddings(request, connection(), request.model)
    check_wire_request(wire, case.about)
    assert wire.more == ()
    headers = case.about["wire_response"]["headers"]
    answer = ADAPTER.parse_embeddings(request, Reply(case.answer, headers, wire.notes))
    check_answer(answer.body, case.about["openai_response"])
    assert answer.usage is not None
    assert answer.usage.input == case.about["openai_response"]["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    "entry", cases("bedrock", "errors")[0].about["errors"], ids=lambda entry: str(entry["name"])
)
def test_an_error_gets_its_class(entry: dict[str, Any]) -> None:
    check_error(ADAPTER, entry)


@pytest.mark.parametrize(
    "item",
    cases("bedrock", "unsupported_list")[0].about["items"],
    ids=lambda item: str(item["expect"]["openai_error"]["param"]),
)
def test_what_bedrock_cannot_do_is_refused_before_the_call(item: dict[str, Any]) -> None:
    request = chat_request_of(item["openai_request"])
    with pytest.raises(ProviderFailure) as caught:
        build_chat(ADAPTER, request, connection(), request.model)
    error, expected = caught.value, item["expect"]["openai_error"]
    assert (error.failure.kind, error.status) == (item["expect"]["class"], item["expect"]["http_status"])
    assert (error.type, error.code, error.param) == (expected["type"], expected["code"], expected["param"])


@pytest.mark.parametrize(
    "variant", cases("bedrock", "variants")[0].about["variants"], ids=lambda variant: str(variant["openai"])
)
def test_a_tool_choice_is_the_one_of_the_case(variant: dict[str, Any]) -> None:
    fields = {
        "model": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "get_weather"}}],
    }
    request = chat_request_of(fields | variant["openai"])
    wire = build_chat(ADAPTER, request, connection(), request.model)
    body = json.loads(wire.body)
    config = body.pop("toolConfig", {})
    assert config.get("toolChoice") == variant["wire"].get("toolChoice")
    assert bool(config) == (variant["openai"].get("tool_choice") != "none")
    del body["messages"]
    assert body == variant.get("wire_top", {})
    assert (wire.dropped, wire.adjusted) == ((), ())


@pytest.mark.parametrize("row", cases("bedrock", "table")[0].about["rows"], ids=lambda row: str(row["model"]))
def test_a_models_id_is_one_segment_of_the_path(row: dict[str, str]) -> None:
    request = chat_request_of({"model": row["model"], "messages": [{"role": "user", "content": "Hi"}]})
    wire = build_chat(ADAPTER, request, connection(), request.model)
    assert wire.url == "https://bedrock-runtime.us-east-1.amazonaws.com" + row["path"]
