"""The official Python client, unmodified: only the base URL and the key are ours."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.live import Live

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
]


def says(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.fixture
def client(gateway: Live) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=gateway.base_url, api_key=gateway.token, max_retries=0) as running:
        yield running


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=says("hello"))
    assert answer.choices[0].message.content == "Hi there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 17
    assert answer._request_id is not None
    assert len(answer._request_id) == 32


def test_stream_with_usage(client: openai.OpenAI) -> None:
    text = ""
    usages = []
    options: Any = {"include_usage": True}
    for chunk in client.chat.completions.create(
        model="gpt-4o", messages=says("hello"), stream=True, stream_options=options
    ):
        if chunk.usage is not None:
            usages.append(chunk.usage.total_tokens)
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    assert text == "Hi there"
    assert usages == [17]


def test_stream_without_usage_has_no_empty_chunk(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=says("hello"), stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_one_tool_call(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=says("one tool"), tools=TOOLS)
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert [(call.id, call.function.name) for call in calls if call.type == "function"] == [
        ("call_s1", "get_weather")
    ]
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("streamed", [False, True])
def test_parallel_tools_and_their_results(client: openai.OpenAI, streamed: bool) -> None:
    messages = says("weather")
    if streamed:
        with client.chat.completions.stream(model="gpt-4o", messages=messages, tools=TOOLS) as stream:
            message: Any = stream.get_final_completion().choices[0].message
    else:
        message = (
            client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS).choices[0].message
        )
    assert [call.id for call in message.tool_calls] == ["call_w1", "call_w2"]
    messages.append(message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls]
    answer = client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS)
    assert answer.choices[0].message.content == "Sunny in both."


def test_embeddings_by_default_and_as_floats(client: openai.OpenAI) -> None:
    vector = [0.5, -0.25, 1.0]
    model = "text-embedding-3-small"
    by_default = client.embeddings.create(model=model, input="vector me")  # the client asks for base64
    assert by_default.data[0].embedding == vector
    floats = client.embeddings.create(model=model, input="vector me", encoding_format="float")
    assert floats.data[0].embedding == vector


def test_models(client: openai.OpenAI) -> None:
    listed = {model.id for model in client.models.list()}  # ours, and what the provider says it has
    assert listed >= {"gpt-4o", "text-embedding-3-small"}
    assert client.models.retrieve("openai/gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")


@pytest.mark.parametrize(
    ("status", "exception", "code"),
    [
        (400, openai.BadRequestError, "unsupported_parameter"),
        (401, openai.InternalServerError, "upstream_auth_failed"),
        (403, openai.InternalServerError, "upstream_permission_denied"),
        (404, openai.NotFoundError, "model_not_found"),
        (422, openai.BadRequestError, None),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, "upstream_error"),
        (503, openai.InternalServerError, "overloaded"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_every_upstream_error_raises_the_right_exception(
    client: openai.OpenAI,
    status: int,
    exception: type[openai.APIStatusError],
    code: str | None,
    streamed: bool,
) -> None:
    with pytest.raises(exception) as caught:
        client.chat.completions.create(model="gpt-4o", messages=says(f"status {status}"), stream=streamed)
    assert isinstance(caught.value, openai.APIStatusError)
    if code is not None:
        assert caught.value.code == code
    assert caught.value.request_id


def test_our_own_refusals_raise_the_right_exception(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="unheard-of", messages=says("hello"))
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=[])
    assert caught.value.param == "messages"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="axm_wrong").models.list()


def test_a_stream_that_is_cut_raises(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError) as caught:
        for _ in client.chat.completions.create(model="gpt-4o", messages=says("cut off"), stream=True):
            pass
    assert caught.value.code == "upstream_stream_interrupted"
