"""What is done about messages, and only for the providers that need it."""

from typing import Any

import pytest

from gateway.providers.registry import ADAPTERS
from tests.gateway.providers.samples import build_chat, chat_request, connection_of, sent_json

TAKE_DEVELOPER = ["openai", "azure", "openrouter", "xai", "sandbox"]
WANT_SYSTEM = ["mistral", "groq", "ollama", "perplexity", "cerebras", "huggingface", "nebius", "parasail"]
FLATTEN = ["mistral", "groq", "cerebras"]
CALL = {"id": "call_p1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def edited(slug: str, *messages: dict[str, Any]) -> Any:
    return sent_json(slug, messages=list(messages))["messages"]


def one(slug: str, **message: Any) -> Any:
    return edited(slug, message)[0]


@pytest.mark.parametrize("slug", WANT_SYSTEM)
def test_developer_becomes_system_where_the_role_is_unknown(slug: str) -> None:
    assert one(slug, role="developer", content="Think.") == {"role": "system", "content": "Think."}


@pytest.mark.parametrize("slug", TAKE_DEVELOPER)
def test_developer_stays_where_it_is_known(slug: str) -> None:
    assert one(slug, role="developer", content="Think.") == {"role": "developer", "content": "Think."}


def test_the_word_developer_in_a_text_changes_nothing() -> None:
    raw = b'{"model":"m","messages":[{"role":"user","content":"\\"developer\\""}],"user":"developer"}'
    wire = build_chat(ADAPTERS["groq"], chat_request(raw, model="m"), connection_of("groq"), "m")
    assert wire.body is raw


@pytest.mark.parametrize("slug", ["groq", "perplexity", "xai"])
def test_names_are_left_out_where_they_are_refused(slug: str) -> None:
    assert one(slug, role="user", name="Ann", content="Hi") == {"role": "user", "content": "Hi"}


def test_mistral_takes_names_on_tool_messages_only() -> None:
    user, tool = edited(
        "mistral",
        {"role": "user", "name": "Ann", "content": "Hi"},
        {"role": "tool", "name": "f", "tool_call_id": "D681PevKs", "content": "1"},
    )
    assert ("name" in user, tool["name"]) == (False, "f")


@pytest.mark.parametrize("slug", ["mistral", "groq", "perplexity", "cerebras", "huggingface"])
def test_nulls_in_assistant_messages_are_left_out_but_for_content(slug: str) -> None:
    message = {"role": "assistant", "content": None, "refusal": None, "function_call": None, "audio": None}
    found = one(slug, **message, tool_calls=[CALL])
    assert found.keys() == {"role", "content", "tool_calls"}
    assert found["content"] is None


@pytest.mark.parametrize("slug", ["openai", "openrouter", "ollama", "xai"])
def test_nulls_stay_where_they_are_taken(slug: str) -> None:
    message = {"role": "assistant", "content": "Hi", "refusal": None}
    assert one(slug, **message) == message


@pytest.mark.parametrize("slug", FLATTEN)
def test_a_list_of_texts_becomes_one_text_but_images_stay(slug: str) -> None:
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    flat, mixed = edited(
        slug, {"role": "user", "content": texts}, {"role": "user", "content": [*texts, image]}
    )
    assert (flat["content"], mixed["content"]) == ("ab", [*texts, image])


def test_lists_of_texts_stay_where_they_are_taken() -> None:
    texts = [{"type": "text", "text": "a"}]
    assert one("nebius", role="user", content=texts)["content"] == texts


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("groq", "reasoning"),
        ("cerebras", "reasoning"),
        ("openrouter", "reasoning"),
        ("ollama", "reasoning"),
        ("nebius", "reasoning_content"),
        ("xai", "reasoning_content"),
        ("parasail", "reasoning_content"),
        ("openai", None),
        ("azure", None),
        ("mistral", None),
        ("perplexity", None),
    ],
)
@pytest.mark.parametrize("theirs", ["reasoning", "reasoning_content"])
def test_reasoning_goes_back_by_the_name_that_the_provider_reads(
    slug: str, name: str | None, theirs: str
) -> None:
    found = one(slug, role="assistant", content="Hi", thinking_blocks=[], **{theirs: "Hm"})
    assert found == {"role": "assistant", "content": "Hi"} | ({name: "Hm"} if name else {})


def test_reasoning_details_go_back_to_openrouter_verbatim_and_to_nobody_else() -> None:
    details = [{"type": "reasoning.text", "text": "Hm"}]
    message = {"role": "assistant", "content": "Hi", "reasoning_details": details}
    assert one("openrouter", **message) == message
    assert one("openai", **message) == {"role": "assistant", "content": "Hi"}


def test_mistral_gets_short_tool_ids_the_same_in_the_call_and_its_result() -> None:
    assistant, first, second = edited(
        "mistral",
        {"role": "assistant", "content": "", "tool_calls": [CALL, CALL | {"id": "D681PevKs"}]},
        {"role": "tool", "tool_call_id": "call_p1", "content": "1"},
        {"role": "tool", "tool_call_id": "D681PevKs", "content": "2"},
    )
    short = assistant["tool_calls"][0]["id"]
    assert short.isalnum()
    assert (len(short), short) == (9, first["tool_call_id"])
    assert assistant["tool_calls"][1]["id"] == second["tool_call_id"] == "D681PevKs"


@pytest.mark.parametrize("messages", ["developer", [1, "developer"], None])
def test_messages_that_are_none_are_left_to_the_provider(messages: Any) -> None:
    assert sent_json("mistral", messages=messages, x="developer")["messages"] == messages
