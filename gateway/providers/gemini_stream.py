"""A stream of streamGenerateContent as OpenAI's chat completion chunks.

Each event is a GenerateContentResponse with any parts; a call comes whole. There is no last event: the answer
is complete when a finishReason (or blockReason) has come and the body has ended, since figures, and in some
models calls, may come in other events than the reason.
"""

from typing import Any

from gateway.framing.sse import EventReader
from gateway.providers.chat_answer import NO_ARGUMENTS, TranslatedStream, encode
from gateway.providers.gemini_parts import (
    Candidate,
    Part,
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
from gateway.types import ChatRequest, Reply


class GeminiStream(TranslatedStream[bytes]):
    """One streamed answer. See gateway.providers.base.ChatStream."""

    __slots__ = ("_has_content", "_notes", "_reason", "_refusal", "_reply")

    def __init__(self, request: ChatRequest, reply: Reply) -> None:
        super().__init__(request, EventReader(takes_bare_json=True))
        self._notes = reply.notes if isinstance(reply.notes, Notes) else Notes(request.model)
        self._reply = reply
        self._reason = ""  # finishReason, in OpenAI's words
        self._refusal = ""
        self._has_content = False

    def translate(self, event: bytes) -> bytes:
        """Return the frames that an event becomes, maybe none. Raises ProviderFailure."""
        found = read_response(event)
        if not self._head:
            self.begin(found.response_id or "", self._notes.model)
            if tier := service_tier(self._reply.headers, found.usage_metadata):
                self._head += b'"service_tier":"%b",' % tier.encode()
        if found.model_version:
            self.model = found.model_version
        if found.usage_metadata is not None:
            usage, details = read_usage(found.usage_metadata)
            self.note_usage(usage, *details)
        feedback = found.prompt_feedback
        if found.candidates:
            return self._candidate(found.candidates[0])
        if feedback is not None and feedback.block_reason:
            self._reason = "content_filter"
            self._refusal = refusal_text(feedback.block_reason, feedback.block_reason_message)
        return b""

    def finish(self) -> bytes:
        """Return the closing frames. Raises ProviderFailure unless a finishReason has come."""
        frames = b""
        if self._failure is None and not self.is_complete:
            if event := self._reader.finish():
                frames = self.translate(event)
            if self._reason:
                frames += self.end(self._reason, refusal=self._refusal)
        return frames + super().finish()

    def _candidate(self, candidate: Candidate) -> bytes:
        content = candidate.content
        parts = content.parts if content is not None else None
        if candidate.logprobs_result is not None:
            frames = self._with_logprobs(candidate, parts or [])
        elif parts and len(parts) == 1:
            frames = self._part(parts[0])
        else:
            frames = b"".join([self._part(part) for part in parts or ()])
        if candidate.grounding_metadata is not None and (cited := annotations(candidate.grounding_metadata)):
            frames += self.delta(b'{"annotations":%b}' % encode(cited))
        if reason := candidate.finish_reason:
            self._reason = finish_reason(reason, has_content=self._has_content)
            if self._reason == "content_filter":
                self._refusal = refusal_text(reason)
        return frames

    def _part(self, part: Part) -> bytes:
        if part.function_call is not None:
            return self._call(part)
        if part.thought:
            return self.reasoning(part.text or "")
        frames = b""
        if text := part.text or code_text(part):
            self._has_content = True
            frames = self.text(text)
        elif part.inline_data is not None:
            self._has_content = True
            frames = self._delta_of({"images": [image_object(part.inline_data)]})
        if extra := signature_extra(part.thought_signature):
            frames += self._delta_of(extra)
        return frames

    def _call(self, part: Part) -> bytes:
        call = part.function_call
        assert call is not None
        self._has_content = True
        arguments = encode(call.args).decode() if call.args else NO_ARGUMENTS
        identity = call.id or f"call_{self.request.request_id}_{self.call_index + 1}"
        name = self._notes.names.get(call.name, call.name)
        return self.call_start(identity, name, arguments, signature_extra(part.thought_signature))

    def _with_logprobs(self, candidate: Candidate, parts: list[Part]) -> bytes:
        """Return the event's text as one delta with its logprobs; what else there is goes as usual."""
        text = "".join(part.text or "" for part in parts if not part.thought)
        others = b"".join([self._part(part) for part in parts if part.thought or not part.text])
        logprobs = logprobs_object(candidate.logprobs_result)
        if not text or logprobs is None:
            return others + self.text(text)
        self._has_content = self.started = True
        self._count(text)
        chunk = b'%b"choices":[{"index":0,"delta":{"content":%b},"logprobs":%b,"finish_reason":null}]}\n\n'
        return others + self.role_chunk() + chunk % (self._head, encode(text), encode(logprobs))

    def _delta_of(self, delta: dict[str, Any]) -> bytes:
        return self.delta(encode(delta))
