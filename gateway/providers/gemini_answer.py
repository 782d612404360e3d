"""A whole answer of generateContent as OpenAI's chat completion."""

from collections.abc import Mapping
from typing import Any

from gateway.providers.chat_answer import answer, choice_object, message_object, tool_call
from gateway.providers.chat_problems import unreadable
from gateway.providers.gemini_parts import (
    Candidate,
    Part,
    PromptFeedback,
    annotations,
    code_text,
    finish_reason,
    image_object,
    logprobs_object,
    read_response,
    read_usage,
    refusal_text,
    service_tier,
    signature_extra,
)
from gateway.providers.gemini_request import Notes
from gateway.types import Answer, ChatRequest, Reply, Usage

Json = dict[str, Any]


def parse_chat(request: ChatRequest, reply: Reply) -> Answer:
    """Read an answer. Raises ProviderFailure for an error inside a 200 and for what cannot be read."""
    notes = reply.notes if isinstance(reply.notes, Notes) else Notes(request.model)
    found = read_response(reply.body)
    usage: Usage | None = None
    details: tuple[str, ...] = ()
    if found.usage_metadata is not None:
        usage, details = read_usage(found.usage_metadata)
    choices = [
        _choice(request, candidate, index, notes.names)
        for index, candidate in enumerate(found.candidates or ())
    ]
    if not choices:
        choices = [_blocked(found.prompt_feedback)]
    identity, model = found.response_id or "", notes.model
    made = answer(request, identity, model, choices, usage=usage, details=details)
    body = made.body
    if tier := service_tier(reply.headers, found.usage_metadata):
        body = b'%b,"service_tier":"%b"}' % (body[:-1], tier.encode())
    return Answer(body, usage, found.model_version or model)


def _blocked(feedback: PromptFeedback | None) -> Json:
    """Return the choice for a prompt that was refused. Raises ProviderFailure when it wasn't."""
    if feedback is None or not feedback.block_reason:
        raise unreadable()
    refusal = refusal_text(feedback.block_reason, feedback.block_reason_message)
    return choice_object(message_object("", refusal=refusal), "content_filter")


def _choice(request: ChatRequest, candidate: Candidate, index: int, names: Mapping[str, str]) -> Json:
    read = _Reader(request, index, names)
    for part in (candidate.content.parts if candidate.content is not None else None) or ():
        read.part(part)
    reason = candidate.finish_reason or "STOP"
    finish = finish_reason(reason, has_content=bool(read.text or read.calls or read.images))
    if cited := annotations(candidate.grounding_metadata):
        read.extras["annotations"] = cited
    if read.images:
        read.extras["images"] = read.images
    message = message_object(
        "".join(read.text),
        calls=read.calls,
        reasoning="".join(read.reasoning),
        refusal=refusal_text(reason) if finish == "content_filter" else None,
        extras=read.extras,
    )
    choice = choice_object(message, finish, index=index)
    choice["logprobs"] = logprobs_object(candidate.logprobs_result)
    return choice


class _Reader:
    """Collects what the parts of one candidate hold."""

    __slots__ = ("_id", "_names", "calls", "extras", "images", "reasoning", "text")

    def __init__(self, request: ChatRequest, index: int, names: Mapping[str, str]) -> None:
        self._id = f"call_{request.request_id}_{index}_" if index else f"call_{request.request_id}_"
        self._names = names
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.calls: list[Json] = []
        self.images: list[Json] = []
        self.extras: Json = {}

    def part(self, part: Part) -> None:
        """Add one part."""
        call = part.function_call
        if call is not None:
            identity = call.id or f"{self._id}{len(self.calls)}"
            made = tool_call(identity, self._names.get(call.name, call.name), call.args)
            self.calls.append(made | (signature_extra(part.thought_signature) or {}))
            return
        if part.text:
            (self.reasoning if part.thought else self.text).append(part.text)
        elif code := code_text(part):
            self.text.append(code)
        elif part.inline_data is not None and not part.thought:
            self.images.append(image_object(part.inline_data))
        if part.thought_signature and not part.thought:
            self.extras |= signature_extra(part.thought_signature) or {}
