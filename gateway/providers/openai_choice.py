"""One choice of a streamed answer: what has been seen of it, and what its next event must become.

The common event is checked against a few picked fields and forwarded as it came; any other is repaired.
"""

from typing import Any

import msgspec

from gateway.providers.openai_repairs import (
    FINISH_REASONS,
    NO_ARGUMENTS,
    arguments_text,
    finish_reason,
    is_call_id,
    merge_text,
)

UNSET = msgspec.UNSET
_TEXT_TYPES = (str, type(None), type(UNSET))
_TRUNCATED = ("length", "content_filter")


class WireFunction(msgspec.Struct, gc=False):
    """The picked fields of a fragment of a tool call's function."""

    name: Any = None
    arguments: Any = None


class WireCall(msgspec.Struct, gc=False):
    """The picked fields of a fragment of a tool call."""

    index: Any = None
    id: Any = None
    type: Any = None
    function: WireFunction | None = None


class WireDelta(msgspec.Struct, gc=False):
    """The picked fields of a delta. UNSET tells an absent field from null where it matters."""

    content: Any = UNSET
    role: Any = UNSET
    tool_calls: list[WireCall] | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    audio: Any = None
    function_call: Any = None


class WireChoice(msgspec.Struct, gc=False):
    """The picked fields of a choice in one event."""

    delta: WireDelta | None = None
    index: int | None = 0
    finish_reason: Any = None
    message: Any = None


class Tally:
    """What a whole stream has brought so far."""

    __slots__ = ("output_bytes", "started")

    def __init__(self) -> None:
        self.output_bytes = 0
        self.started = False

    def count(self, text: Any) -> None:
        """Count a piece of text, reasoning or arguments."""
        if type(text) is str and text:
            self.output_bytes += len(text) if text.isascii() else len(text.encode())
            self.started = True


class _Call:
    """A tool call as the caller knows it. `position` is its index in the caller's stream."""

    __slots__ = ("has_arguments", "id", "is_custom", "named", "position")

    def __init__(self, position: int, identity: str) -> None:
        self.position = position
        self.id = identity
        self.named = False
        self.has_arguments = False
        self.is_custom = False


class ChoiceState:
    """Everything known of one choice. Nothing is written for it once it has finished."""

    __slots__ = ("_calls", "_fallback_id", "_slots", "_unnamed_finish", "finished", "opened")

    def __init__(self, fallback_id: str) -> None:
        """Begin a choice; `fallback_id` begins the ids of calls that come without one."""
        self._fallback_id = fallback_id
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}  # by the provider's index
        self._unnamed_finish = False
        self.opened = False
        self.finished = False

    # The common event.

    def conforms(self, choice: WireChoice) -> bool:
        """Return whether the event may be forwarded as it is, a repeated role apart."""
        delta = choice.delta
        if (
            delta is None
            or self.finished
            or type(delta.content) not in _TEXT_TYPES
            or delta.reasoning is not None
            or choice.message is not None
            or choice.index is None
        ):
            return False
        if not self.opened and (delta.role != "assistant" or delta.content is UNSET):
            return False
        if delta.tool_calls is not None and not self._calls_conform(choice, delta.tool_calls):
            return False
        return choice.finish_reason is None or self._finish_conforms(choice.finish_reason)

    def note(self, choice: WireChoice, tally: Tally) -> None:
        """Take note of an event that conforms."""
        self.opened = True
        delta = choice.delta
        assert delta is not None
        tally.count(delta.content)
        if delta.reasoning_content or delta.refusal:
            tally.count(delta.reasoning_content)
            tally.count(delta.refusal)
        if delta.audio or delta.function_call:
            tally.started = True
        if delta.tool_calls is not None:
            for fragment in delta.tool_calls:
                self._note_call(fragment, tally)
        if choice.finish_reason is not None:
            self.finished = tally.started = True

    def _calls_conform(self, choice: WireChoice, fragments: list[WireCall]) -> bool:
        """Return whether the fragments are either of known calls, or the one beginning of a new call."""
        if choice.finish_reason is not None or not fragments:
            return False
        if len(fragments) == 1 and self._begins_call(fragments[0]):
            return True
        return all(self._continues_call(fragment) for fragment in fragments)

    def _begins_call(self, fragment: WireCall) -> bool:
        function = fragment.function
        return (
            fragment.index == len(self._calls)
            and type(fragment.index) is int
            and fragment.index not in self._slots
            and is_call_id(fragment.id)
            and fragment.type == "function"
            and function is not None
            and type(function.name) is str
            and type(function.arguments) is str
        )

    def _continues_call(self, fragment: WireCall) -> bool:
        call = self._slots.get(fragment.index) if type(fragment.index) is int else None
        function = fragment.function
        return (
            call is not None
            and call.position == fragment.index
            and fragment.id is None
            and fragment.type is None
            and function is not None
            and function.name is None
            and type(function.arguments) is str
        )

    def _finish_conforms(self, reason: Any) -> bool:
        if type(reason) is not str or reason not in FINISH_REASONS:
            return False
        return not self._calls or (
            reason != "stop" and (reason in _TRUNCATED or all(call.has_arguments for call in self._calls))
        )

    def _note_call(self, fragment: WireCall, tally: Tally) -> None:
        tally.started = True
        call = self._slots.get(fragment.index) or self._begin_call(fragment.index, fragment.id)
        function = fragment.function
        assert function is not None
        call.named = call.named or bool(function.name)
        if function.arguments:
            call.has_arguments = True
            tally.count(function.arguments)

    def _begin_call(self, slot: int, identity: Any) -> _Call:
        position = len(self._calls)
        call = _Call(position, identity if is_call_id(identity) else f"{self._fallback_id}_{position}")
        self._calls.append(call)
        self._slots[slot] = call
        return call

    # Every other event.

    def repair(self, choice: dict[str, Any], tally: Tally) -> bool:
        """Make a decoded event conform, in place; False when it must be left out.

        Raises ProviderFailure when the finish reason means a failure.
        """
        if self.finished:
            return False
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        choice["delta"] = delta
        choice.pop("message", None)
        merge_text(delta)
        for name in ("content", "reasoning_content", "refusal"):
            tally.count(delta.get(name))
        if delta.get("audio") or delta.get("function_call"):
            tally.started = True
        self._repair_calls(delta, tally)
        self._repair_role(delta)
        self._repair_finish(choice, delta, tally)
        return True

    def close(self) -> dict[str, Any] | None:
        """The body ended: return the finish that the provider sent without a name, None if it sent none."""
        if self.finished or not (self._calls and self._unnamed_finish):
            return None
        self.finished = True
        delta: dict[str, Any] = {}
        self._complete_arguments(delta)
        return {"delta": delta, "finish_reason": "tool_calls"}

    def _repair_role(self, delta: dict[str, Any]) -> None:
        """Name the role in the first delta and only there."""
        delta.pop("role", None)
        if self.opened:
            return
        self.opened = True
        text = None if "tool_calls" in delta else ""
        rest = {name: value for name, value in delta.items() if name != "content"}
        first = {"role": "assistant", "content": delta.get("content", text), **rest}
        delta.clear()
        delta.update(first)

    def _repair_finish(self, choice: dict[str, Any], delta: dict[str, Any], tally: Tally) -> None:
        named = choice.get("finish_reason")
        self._unnamed_finish = named == ""
        reason = finish_reason(named, has_calls=bool(self._calls))
        choice["finish_reason"] = reason
        if reason is None:
            return
        self.finished = tally.started = True
        if reason not in _TRUNCATED:
            self._complete_arguments(delta)

    def _complete_arguments(self, delta: dict[str, Any]) -> None:
        """Give calls without any arguments an empty object: callers parse the text as JSON."""
        for call in self._calls:
            if not (call.has_arguments or call.is_custom):
                fragment = {"index": call.position, "function": {"arguments": NO_ARGUMENTS}}
                delta.setdefault("tool_calls", []).append(fragment)

    def _repair_calls(self, delta: dict[str, Any], tally: Tally) -> None:
        fragments = delta.pop("tool_calls", None)
        named_here: set[int] = set()
        repaired = [
            self._repair_call(fragment, named_here, tally)
            for fragment in (fragments if isinstance(fragments, list) else ())
            if isinstance(fragment, dict)
        ]
        if repaired:
            tally.started = True
            delta["tool_calls"] = repaired

    def _repair_call(self, fragment: dict[str, Any], named_here: set[int], tally: Tally) -> dict[str, Any]:
        """Return a fragment with our index; id, type and name only where the call begins.

        A new id at a used index is a new call, and so is a second name without an id in the same event.
        """
        slot, identity = fragment.pop("index", None), fragment.pop("id", None)
        slot = slot if type(slot) is int else 0
        function = fragment.pop("function", None)
        function = function if isinstance(function, dict) else {}
        name, arguments = function.pop("name", None), arguments_text(function.pop("arguments", None))
        call = self._slots.get(slot)
        is_another = is_call_id(identity) and call is not None and identity != call.id
        if name and slot in named_here and not is_call_id(identity):
            is_another = True
        kind = fragment.pop("type", None)
        written: dict[str, Any] = {}
        if call is None or is_another:
            call = self._begin_call(slot, identity)
            call.is_custom = kind == "custom"
            written = {"id": call.id, "type": "custom" if call.is_custom else "function"}
        if name:
            named_here.add(slot)
        if arguments:
            call.has_arguments = True
            tally.count(arguments)
        if not call.is_custom:
            fragment["function"] = {
                **_name(call, name, begins=bool(written)),
                "arguments": arguments,
                **function,
            }
        return {"index": call.position, **written, **fragment}


def _name(call: _Call, name: Any, *, begins: bool) -> dict[str, str]:
    """Return the name's member: once, where the call begins, or as soon as it is known."""
    text = name if isinstance(name, str) and not call.named else ""
    if not (text or begins):
        return {}
    call.named = text != ""
    return {"name": text}
