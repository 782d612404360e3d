"""Whole conversations with every provider that aimock speaks, by the official client through a live gateway.

aimock was written by others from the providers' formats: it is a second opinion on what we send and read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from credentials.services import credential_create
from tenants.actors import actor_for_user
from tenants.models import Organization, User
from tenants.services import token_create
from tests.interop.test_openai_python import TOOLS, says
from tests.live import Live, serve


@dataclass(frozen=True)
class Provider:
    """Where aimock serves a provider, and a model of it."""

    slug: str
    model: str
    path: str = ""
    config: dict[str, str] = field(default_factory=dict)
    chat_path: str = "/chat/completions"  # what the mock's journal must show
    embeds: bool = True  # at the mock, at the address that we use
    counts: bool = True  # the mock writes usage as this provider does, not only when it is asked to

    def __str__(self) -> str:
        return self.slug


PROVIDERS = [
    Provider("openai", "gpt-4o", "/v1"),
    Provider("anthropic", "claude-sonnet-4-5", chat_path="/v1/messages", embeds=False),
    Provider(
        "azure",
        "gpt-4o",
        config={"surface": "deployments", "api_version": "2024-10-21"},
        chat_path="/deployments/gpt-4o/",
    ),
    Provider(
        "bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        config={"region": "us-east-1"},
        chat_path="/converse",
        embeds=False,
    ),
    Provider("cohere", "command-a-03-2025", chat_path="/v2/chat"),
    Provider("gemini", "gemini-2.5-flash", chat_path="/v1beta/models/gemini-2.5-flash:", embeds=False),
    Provider("groq", "llama-3.3-70b-versatile", "/openai/v1", embeds=False),
    Provider("mistral", "mistral-large-latest", "/v1", counts=False),
    Provider("ollama", "llama3.2", "/v1"),
    Provider("openrouter", "openai/gpt-4o", "/api/v1"),
    Provider(
        "vertex",
        "gemini-2.5-flash",
        config={"authentication": "token_file", "project": "demo-project", "location": "us-central1"},
        chat_path="/v1/projects/demo-project/locations/us-central1/publishers/google/models/",
        embeds=False,
    ),
]


@pytest.fixture(params=PROVIDERS, ids=str)
def provider(request: pytest.FixtureRequest) -> Provider:
    """One of the providers."""
    found: Provider = request.param
    return found


@pytest.fixture
def configuration(provider: Provider, tmp_path: Path, settings: Any) -> dict[str, str]:
    """The provider's configuration; a token file, where its tokens come from one."""
    if provider.config.get("authentication") != "token_file":
        return provider.config
    token = tmp_path / "token"
    token.write_text("fake-upstream-token")
    settings.AXIOM_TOKEN_FILES = str(tmp_path)
    return {**provider.config, "token_file": str(token)}


@pytest.fixture
def everywhere(
    transactional_db: None,
    aimock: str,
    provider: Provider,
    configuration: dict[str, str],
    acme: Organization,
    alice: User,
) -> Iterator[Live]:
    """A live gateway whose one credential leads to the mock's side of the provider."""
    actor = actor_for_user(alice)
    credential_create(
        actor=actor,
        organization=acme,
        provider=provider.slug,
        name="aimock",
        secret="" if "token_file" in configuration else "fake-upstream-key",
        default_model=provider.model,
        base_url=f"{aimock}{provider.path}",
        config=configuration,
    )
    _, token = token_create(actor=actor, organization=acme, name="app")
    httpx.post(f"{aimock}/__aimock/reset/journal").raise_for_status()
    with serve(token) as running:
        yield running


@pytest.fixture
def client(everywhere: Live) -> Iterator[openai.OpenAI]:
    """The official client of that gateway."""
    with openai.OpenAI(base_url=everywhere.base_url, api_key=everywhere.token, max_retries=0) as running:
        yield running


def test_chat(client: openai.OpenAI, provider: Provider, aimock: str, everywhere: Live) -> None:
    answer = client.chat.completions.create(model=provider.model, messages=says("hello"), max_tokens=100)
    assert answer.choices[0].message.content == "Hi there"
    assert answer.choices[0].finish_reason == "stop"
    (entry,) = httpx.get(f"{aimock}/__aimock/journal").json()
    assert provider.chat_path in entry["path"]
    assert everywhere.token not in str(entry)
    assert not any(name.startswith("x-stainless") for name in entry["headers"])


def test_stream(client: openai.OpenAI, provider: Provider) -> None:
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model=provider.model, messages=says("hello"), stream=True, stream_options=options
        )
    )
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "Hi there"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert choices[0].delta.role == "assistant"
    assert [chunk for chunk in chunks if chunk.usage] == (chunks[-1:] if provider.counts else [])


@pytest.mark.parametrize("streamed", [False, True])
def test_parallel_tools_and_their_results(client: openai.OpenAI, provider: Provider, streamed: bool) -> None:
    messages = says("weather")
    message, reason = _ask(client, provider.model, messages, streamed)
    assert reason == "tool_calls"
    assert [call.function.name for call in message.tool_calls] == ["get_weather", "get_weather"]
    assert [call.function.arguments.replace(" ", "") for call in message.tool_calls] == [
        '{"city":"Paris"}',
        '{"city":"Rome"}',
    ]
    assert len({call.id for call in message.tool_calls}) == 2
    messages.append(message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls]
    message, reason = _ask(client, provider.model, messages, streamed)
    assert (message.content, reason) == ("Sunny in both.", "stop")


def _ask(client: openai.OpenAI, model: str, messages: Any, streamed: bool) -> tuple[Any, str | None]:
    if not streamed:
        choice = client.chat.completions.create(model=model, messages=messages, tools=TOOLS).choices[0]
        return choice.message, choice.finish_reason
    with client.chat.completions.stream(model=model, messages=messages, tools=TOOLS) as stream:
        final = stream.get_final_completion().choices[0]
    return final.message, final.finish_reason


EXCEPTIONS = {
    400: (openai.BadRequestError,),
    401: (openai.InternalServerError,),
    403: (openai.InternalServerError,),
    404: (openai.NotFoundError,),
    429: (openai.RateLimitError,),
    500: (openai.InternalServerError,),
    503: (openai.InternalServerError,),
}


@pytest.mark.parametrize("streamed", [False, True])
def test_every_error_raises_the_right_exception(
    client: openai.OpenAI, provider: Provider, streamed: bool
) -> None:
    seen = {}
    for status in EXCEPTIONS:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(
                model=provider.model, messages=says(f"status {status}"), stream=streamed
            )
        assert caught.value.request_id
        assert caught.value.code
        seen[status] = (type(caught.value),)
    assert seen == EXCEPTIONS


def test_a_stream_that_is_cut_raises(client: openai.OpenAI, provider: Provider) -> None:
    heard: list[ChatCompletionChunk] = []
    ask = client.chat.completions.create
    with pytest.raises(openai.APIError) as caught:
        heard.extend(ask(model=provider.model, messages=says("cut off"), stream=True))
    # Some providers' first events hold no content: cut there, the answer is an ordinary error.
    assert caught.value.code == ("upstream_stream_interrupted" if heard else "upstream_error")
    assert not any(chunk.choices[0].finish_reason for chunk in heard)


def test_embeddings(client: openai.OpenAI, provider: Provider) -> None:
    if not provider.embeds:
        with pytest.raises(openai.APIStatusError):
            client.embeddings.create(model=provider.model, input="vector me")
        return
    for encoding in ("base64", "float"):
        form: Any = encoding
        answer = client.embeddings.create(model=provider.model, input="vector me", encoding_format=form)
        assert answer.data[0].embedding in ([0.5, -0.25, 1.0], "AAAAPwAAgL4AAIA/")
