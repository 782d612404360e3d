"""Cohere v2: chat, POST /v2/chat, and embeddings, POST /v2/embed.

Here: addresses, and the fields of a chat request. Messages: cohere_messages. What comes back:
cohere_answers, cohere_stream, cohere_errors. Embeddings: cohere_embeddings.
Reference: docs.cohere.com/reference/chat. Known gaps: citations in streams; thinking of earlier turns is not
sent back.
"""

import re
from typing import Any

import msgspec

from gateway.providers.base import Adapter
from gateway.providers.chat_problems import invalid, unsupported
from gateway.providers.chat_request import (
    Fields,
    JsonOutput,
    Tool,
    ToolChoice,
    read_body,
    take_json_output,
    take_max_tokens,
    take_reasoning_effort,
    take_stop,
    take_tools,
)
from gateway.providers.cohere_answers import Asked, parse_chat
from gateway.providers.cohere_embeddings import build_embeddings, parse_embeddings
from gateway.providers.cohere_errors import parse_error
from gateway.providers.cohere_messages import write_messages
from gateway.providers.cohere_stream import CohereStream
from gateway.providers.model_lists import PAGE, build_list, parse_cohere_models
from gateway.types import ChatRequest, Connection, CredentialSettings, WireRequest

USER_AGENT = "axiom-llm-gateway"
MAX_STOPS = 5
MAX_TOP_K = 500
LONGEST_TOP_P = (0.01, 0.99)  # 1.0 is a 400
SEEDS = 2**63
THINKING_TOKENS = {"minimal": 1024, "low": 1024, "medium": 8192}  # more effort: no budget

# Cohere's own fields, sent as the caller wrote them.
_VERBATIM = ("safety_mode", "documents", "citation_options", "priority")
_REFUSED = ("n", "modalities", "audio", "top_logprobs", "web_search_options")
_REASONS = re.compile(r"reasoning")
# Older than command-r7b: tool_choice is a 400.
_WITHOUT_TOOL_CHOICE = re.compile(r"command-r(-plus)?(-0\d-2024)?|command(-light)?(-nightly)?|c4ai-.*")
_TOOL_CHOICES = {"none": "NONE", "required": "REQUIRED", "function": "REQUIRED"}
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def connect(settings: CredentialSettings) -> Connection:
    """Return the addresses and headers of a credential. `options` has the headers for streams."""
    base_url = settings.base_url.strip().rstrip("/").removesuffix("/v2").removesuffix("/v1")
    headers = [
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
        ("user-agent", USER_AGENT),
    ]
    if settings.secret:
        headers.append(("authorization", f"Bearer {settings.secret.reveal()}"))
    return Connection(
        base_url=base_url,
        headers=(*headers, ("accept", "application/json")),
        chat_url=f"{base_url}/v2/chat",
        embeddings_url=f"{base_url}/v2/embed",
        options={"stream_headers": (*headers, ("accept", "text/event-stream"))},
    )


def build_chat(request: ChatRequest, connection: Connection, model: str) -> WireRequest:
    """Return the request to Cohere. Raises ProviderFailure for what it cannot do or nobody could read."""
    fields = Fields(read_body(request.raw))
    body: dict[str, Any] = {
        "model": model,
        "messages": write_messages(fields.take("messages")),
        "stream": request.stream,
    }
    _put_sampling(body, fields)
    _put_tools(body, fields, model)
    _put_format(body, fields)
    _put_thinking(body, fields, model)
    for name in _VERBATIM:
        _put(body, name, fields.take(name))
    fields.refuse(*_REFUSED)
    if fields.take("metadata"):
        fields.drop("metadata")
    return WireRequest(
        connection.chat_url,
        connection.options["stream_headers"] if request.stream else connection.headers,
        msgspec.json.encode(body),
        fields.dropped,
        fields.adjusted,
        notes=Asked(model),
    )


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        body[name] = value


def _put_sampling(body: dict[str, Any], fields: Fields) -> None:
    """Write what steers the choice of tokens. Raises ProviderFailure."""
    _put(body, "max_tokens", take_max_tokens(fields))
    _put(body, "temperature", fields.number("temperature", 0, float("inf")))
    _put(body, "p", fields.number("top_p", *LONGEST_TOP_P))
    _put(body, "frequency_penalty", fields.number("frequency_penalty", 0, 1))
    _put(body, "presence_penalty", fields.number("presence_penalty", 0, 1))
    if (top_k := fields.number("top_k", 0, MAX_TOP_K)) is not None:
        body["k"] = int(top_k)
    if (seed := fields.take("seed")) is not None:
        body["seed"] = _seed(seed)
    if stops := take_stop(fields):
        if len(stops) > MAX_STOPS:
            raise unsupported("stop", f"Cohere takes at most {MAX_STOPS} stop sequences.")
        body["stop_sequences"] = stops
    if fields.take("logprobs"):
        body["logprobs"] = True


def _seed(value: Any) -> int:
    if type(value) is not int:
        raise invalid("seed", "'seed' must be an integer.")
    return value if value >= 0 else value % SEEDS


def _put_tools(body: dict[str, Any], fields: Fields, model: str) -> None:
    """Write the tools and whether they must be called. Raises ProviderFailure."""
    tools, choice = take_tools(fields)
    if choice is not None and _WITHOUT_TOOL_CHOICE.fullmatch(model):
        if choice.mode != "auto":
            fields.drop("tool_choice")
        choice = None
    if choice is not None and choice.mode == "function":
        tools = _named(tools, choice)
    if not tools:
        return
    body["tools"] = [_tool(tool) for tool in tools]
    if any(tool.strict for tool in tools):
        body["strict_tools"] = True
    if choice is not None and choice.mode in _TOOL_CHOICES:
        body["tool_choice"] = _TOOL_CHOICES[choice.mode]


def _named(tools: tuple[Tool, ...], choice: ToolChoice) -> tuple[Tool, ...]:
    """Return the one tool that must be called: Cohere can only force some call, not a certain one."""
    found = tuple(tool for tool in tools if tool.name == choice.name)
    if not found:
        raise invalid("tool_choice", "'tool_choice' names a function that is not in 'tools'.")
    return found


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or _NO_PARAMETERS
    return {"type": "function", "function": function}


def _put_format(body: dict[str, Any], fields: Fields) -> None:
    """Write the wish for JSON, which Cohere grants only without tools. Raises ProviderFailure."""
    output = take_json_output(fields)
    if output is None:
        return
    if "tools" in body:
        raise unsupported("response_format", "Cohere does not write JSON by a schema while it has tools.")
    body["response_format"] = _format(output)


def _format(output: JsonOutput) -> dict[str, Any]:
    schema = {name: value for name, value in (output.schema or {}).items() if name != "$schema"}
    return {"type": "json_object", "json_schema": schema} if schema else {"type": "json_object"}


def _put_thinking(body: dict[str, Any], fields: Fields, model: str) -> None:
    effort = take_reasoning_effort(fields)
    if not effort:
        return
    if not _REASONS.search(model):
        fields.drop("reasoning_effort")
    elif effort == "none":
        body["thinking"] = {"type": "disabled"}
    elif effort in THINKING_TOKENS:
        body["thinking"] = {"type": "enabled", "token_budget": THINKING_TOKENS[effort]}
    else:
        body["thinking"] = {"type": "enabled"}


ADAPTER = Adapter(
    slug="cohere",
    connect=connect,
    build_chat=build_chat,
    parse_chat=parse_chat,
    open_chat_stream=CohereStream,
    parse_error=parse_error,
    build_embeddings=build_embeddings,
    parse_embeddings=parse_embeddings,
    build_models=lambda connection: build_list(connection, f"/v1/models?page_size={PAGE}"),
    parse_models=parse_cohere_models,
)
