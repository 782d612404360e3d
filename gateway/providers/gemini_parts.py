"""The members of GenerateContentResponse, and what they mean in OpenAI's terms.

Wire facts: google-genai 3.4.0; ai.google.dev/api/generate-content. Everything may be absent, parts included.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from axiom.lib.redaction import redact
from gateway.errors import MESSAGE_LIMIT, Failure, FailureClass, ProviderFailure
from gateway.providers.chat_problems import unreadable
from gateway.providers.gemini_errors import failure_in_answer
from gateway.types import Usage

# finishReason; what isn't here means stop.
FINISH_REASONS: Mapping[str, str] = {
    "MAX_TOKENS": "length", "SAFETY": "content_filter", "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter", "PROHIBITED_CONTENT": "content_filter", "SPII": "content_filter",
    "LANGUAGE": "content_filter", "MODEL_ARMOR": "content_filter",
}  # fmt: skip
_IMAGE_REASONS = "IMAGE_"  # IMAGE_SAFETY and its like
# The model wrote what cannot be read: without any content, the answer is a failure.
FAILED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
    }
)  # fmt: skip
_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
_TRAFFIC = {"ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}
_TIER_HEADER = "x-gemini-service-tier"
Json = dict[str, Any]


class FunctionCall(msgspec.Struct):
    """A call, whole."""

    name: str = ""
    id: str | None = None
    args: dict[str, Any] | None = None


class Blob(msgspec.Struct, rename="camel"):
    """Bytes, in base64."""

    data: str
    mime_type: str = ""


class Code(msgspec.Struct):
    """Code that the model ran."""

    code: str = ""
    language: str = ""


class CodeResult(msgspec.Struct):
    """What the code printed."""

    output: str = ""


class Part(msgspec.Struct, rename="camel"):
    """One part; it has one of text, a call, bytes, code."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    executable_code: Code | None = None
    code_execution_result: CodeResult | None = None


class Content(msgspec.Struct):
    """The content of a candidate."""

    parts: list[Part] | None = None


class Web(msgspec.Struct):
    """A page."""

    uri: str = ""
    title: str = ""


class GroundingChunk(msgspec.Struct):
    """A source that the answer rests on."""

    web: Web | None = None


class Grounding(msgspec.Struct, rename="camel"):
    """The sources."""

    grounding_chunks: list[GroundingChunk] | None = None


class Token(msgspec.Struct, rename="camel"):
    """A token and the logarithm of its probability."""

    token: str = ""
    log_probability: float = 0.0


class TopTokens(msgspec.Struct):
    """The likeliest tokens of one place."""

    candidates: list[Token] | None = None


class Logprobs(msgspec.Struct, rename="camel"):
    """The tokens chosen, and those that might have been."""

    chosen_candidates: list[Token] | None = None
    top_candidates: list[TopTokens] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One answer."""

    content: Content | None = None
    finish_reason: str | None = None
    grounding_metadata: Grounding | None = None
    logprobs_result: Logprobs | None = None


class PromptFeedback(msgspec.Struct, rename="camel"):
    """Why there is no answer."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class ModalityCount(msgspec.Struct, rename="camel"):
    """Tokens of one kind."""

    modality: str = ""
    token_count: int = 0


class UsageMetadata(msgspec.Struct, rename="camel"):
    """Tokens; those from the cache are among the prompt's."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    prompt_tokens_details: list[ModalityCount] | None = None
    cache_tokens_details: list[ModalityCount] | None = None
    traffic_type: str | None = None


class Response(msgspec.Struct, rename="camel"):
    """GenerateContentResponse: a whole answer, or one event of a stream."""

    candidates: list[Candidate] | None = None
    usage_metadata: UsageMetadata | None = None
    response_id: str | None = None
    model_version: str | None = None
    prompt_feedback: PromptFeedback | None = None
    error: Any = None


_read = msgspec.json.Decoder(Response).decode


def read_response(body: bytes) -> Response:
    """Decode an answer or an event. Raises ProviderFailure for an error in its place, or neither."""
    try:
        found = _read(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _why_not(body) from None
    if found.error is not None:
        raise ProviderFailure(failure_in_answer({"error": found.error}))
    return found


def _why_not(body: bytes) -> ProviderFailure:
    """Return the failure for what is no answer: the error in it, maybe in an array, or none."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return unreadable()
    inner = document[0] if isinstance(document, list) and document else document
    if isinstance(inner, dict) and inner.get("error"):
        return ProviderFailure(failure_in_answer(inner))
    return unreadable()


def read_usage(found: UsageMetadata) -> tuple[Usage, tuple[str, ...]]:
    """Return the figures in disjoint buckets, and the details that came, as usage_object names them."""
    cached, thoughts = found.cached_content_token_count, found.thoughts_token_count
    prompt = (found.prompt_token_count or 0) + (found.tool_use_prompt_token_count or 0)
    output = (found.candidates_token_count or 0) + (thoughts or 0)
    if not cached and found.prompt_tokens_details is None:
        usage = Usage(input=max(0, prompt), output=max(0, output), reasoning=max(0, thoughts or 0))
        return usage, _NO_DETAILS if thoughts is None else _REASONING
    cache_read = max(0, min(cached or 0, prompt))
    audio = max(0, _audio(found.prompt_tokens_details) - _audio(found.cache_tokens_details))
    audio = min(audio, prompt - cache_read)
    details = (
        *(("cached",) if cached is not None else ()),
        *(("audio",) if audio else ()),
        *(("reasoning",) if thoughts is not None else ()),
    )
    usage = Usage(
        input=max(0, prompt - cache_read - audio),
        cache_read=cache_read,
        output=max(0, output),
        reasoning=max(0, thoughts or 0),
        audio=audio,
    )
    return usage, details


_NO_DETAILS: tuple[str, ...] = ()
_REASONING = ("reasoning",)


def _audio(details: list[ModalityCount] | None) -> int:
    return sum(item.token_count for item in details or () if item.modality == "AUDIO")


def finish_reason(reason: str, *, has_content: bool) -> str:
    """Return the reason in OpenAI's words. Raises ProviderFailure where nothing came of the answer."""
    if reason in FAILED and not has_content:
        raise ProviderFailure(
            Failure(FailureClass.SERVER_ERROR, f"The model could not finish its answer: {reason}.")
        )
    if reason.startswith(_IMAGE_REASONS):
        return "content_filter"
    return FINISH_REASONS.get(reason, "stop")


def refusal_text(reason: str, message: str | None = None) -> str:
    """Return what the caller reads where the provider blocked the prompt or the answer."""
    text = f"Blocked by the provider: {reason}"
    return redact(f"{text}: {message}")[:MESSAGE_LIMIT] if message else text


def code_text(part: Part) -> str:
    """Return code and what it printed as fenced text; empty for other parts."""
    if part.executable_code is not None:
        return f"```{part.executable_code.language.lower()}\n{part.executable_code.code}\n```\n"
    if part.code_execution_result is not None:
        return f"```\n{part.code_execution_result.output}\n```\n"
    return ""


def image_object(blob: Blob) -> Json:
    """Return an image as the entry of `images` that callers know from other gateways."""
    return {"type": "image_url", "image_url": {"url": f"data:{blob.mime_type};base64,{blob.data}"}}


def signature_extra(signature: str | None) -> Json | None:
    """Return where a thought signature stands, the name that Google's own OpenAI layer uses."""
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else None


def annotations(grounding: Grounding | None) -> list[Json]:
    """Return the web pages that the answer rests on, as citations without a place."""
    chunks = grounding.grounding_chunks if grounding is not None else None
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "url": chunk.web.uri,
                "title": chunk.web.title,
                "start_index": 0,
                "end_index": 0,
            },
        }
        for chunk in chunks or ()
        if chunk.web is not None
    ]


def logprobs_object(found: Logprobs | None) -> Json | None:
    """Return OpenAI's logprobs; None when there are none."""
    if found is None or not found.chosen_candidates:
        return None
    tops = found.top_candidates or []
    content = []
    for place, token in enumerate(found.chosen_candidates):
        top: Sequence[Token] = (tops[place].candidates or ()) if place < len(tops) else ()
        content.append({**_logprob(token), "top_logprobs": [_logprob(other) for other in top]})
    return {"content": content, "refusal": None}


def _logprob(token: Token) -> Json:
    spelled = list(token.token.encode("utf-8", "surrogatepass"))
    return {"token": token.token, "logprob": token.log_probability, "bytes": spelled}


def service_tier(headers: Mapping[str, str], usage: UsageMetadata | None) -> str:
    """Return OpenAI's name of the tier that served the request; empty where the provider doesn't say."""
    named = _TIERS.get(headers.get(_TIER_HEADER, "").lower(), "")
    return named or (_TRAFFIC.get(usage.traffic_type or "", "") if usage is not None else "")
