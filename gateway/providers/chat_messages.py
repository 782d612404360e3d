"""OpenAI's messages read into neutral turns, repaired so that any provider can take them.

Reference: platform.openai.com/docs/api-reference/chat/create, messages. What holds of the turns returned:

- system, developer: `system` turns where they stood; `lift_system` takes them out;
- tool and legacy function messages: `results` of the user turn right after their calls, in the order of the
  calls; a call without a result has one that `is_missing`;
- a result without a call, or a second one for a call, is user text;
- blank text and empty turns are gone, neighbours of one role are merged.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gateway.providers.chat_parts import FIELD, Part, Text, plain_text, read_parts
from gateway.providers.chat_problems import invalid, unsupported

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
_ROLES = {"system": SYSTEM, "developer": SYSTEM, "user": USER}
_THINKING = ("thinking", "redacted_thinking")


class Call(msgspec.Struct, frozen=True, gc=False):
    """One tool call of an assistant turn. `id` is the provider's, made by the caller of `read_turns`.

    `original_id` and `text`, the arguments as they were written, are the caller's. `signature`: Gemini's
    thought signature, from any of the places where gateways put it.
    """

    id: str
    original_id: str
    name: str
    arguments: dict[str, Any]
    signature: str = ""
    cache_control: Any = None
    text: str = ""

    @property
    def arguments_text(self) -> str:
        """The arguments as JSON text: the caller's own where they are an object."""
        if self.text.lstrip().startswith("{"):
            return self.text
        return msgspec.json.encode(self.arguments).decode()


class Result(msgspec.Struct, frozen=True, gc=False):
    """What a tool answered to the call with the same `id` and `name`. A string is kept as it came."""

    id: str
    name: str
    content: str | tuple[Part, ...] = ""
    is_missing: bool = False
    cache_control: Any = None


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One turn. A user turn has `results`, which come before its `parts`; the rest is an assistant's.

    `thinking` holds Claude's signed blocks, verbatim; `reasoning` is the text of `reasoning_content`;
    `signature` is Gemini's for the text. `is_string`: the content is one string in the caller's message.
    """

    role: str
    parts: tuple[Part, ...] = ()
    results: tuple[Result, ...] = ()
    calls: tuple[Call, ...] = ()
    thinking: tuple[dict[str, Any], ...] = ()
    reasoning: str = ""
    signature: str = ""
    is_string: bool = False


class _Pending(msgspec.Struct):
    """A call and the result that it may still get."""

    call: Call
    result: Result | None = None


def read_turns(messages: Any, call_id: Callable[[str], str]) -> list[Turn]:
    """Return the turns of a conversation. `call_id` makes the provider's id for each call, in order.

    Raises ProviderFailure: unsupported or invalid_request, naming `messages`.
    """
    if not isinstance(messages, list):
        raise invalid(FIELD, "'messages' must be a list.")
    reader = _Reader(call_id)
    for message in messages:
        if not isinstance(message, dict):
            raise invalid(FIELD, "A message must be an object.")
        reader.read(message)
    return _merged(reader.turns())


def lift_system(
    turns: Sequence[Turn], may_stay: Callable[[Sequence[Turn], int], bool] | None = None
) -> tuple[tuple[Part, ...], list[Turn]]:
    """Return the parts of the system turns, in order, and the other turns, merged anew.

    `may_stay(turns, index)` tells which system turns stay where they are.
    """
    if not any(turn.role == SYSTEM for turn in turns):
        return (), list(turns)
    lifted: list[Part] = []
    kept: list[Turn] = []
    for index, turn in enumerate(turns):
        if turn.role != SYSTEM or (may_stay is not None and may_stay(turns, index)):
            kept.append(turn)
        else:
            lifted += turn.parts
    return tuple(lifted), _merged(kept)


class _Reader:
    """Reads messages one by one. `drafts` are turns, and lists of calls where their results will stand."""

    __slots__ = ("_call_id", "_drafts", "_latest", "_unanswered")

    def __init__(self, call_id: Callable[[str], str]) -> None:
        self._call_id = call_id
        self._drafts: list[Turn | list[_Pending]] = []
        self._latest: dict[str, _Pending] = {}
        self._unanswered: list[_Pending] = []  # calls of the assistant turn that is still open

    def read(self, message: dict[str, Any]) -> None:
        """Add one message. Raises ProviderFailure."""
        role = message.get("role")
        if role == ASSISTANT:
            self._drafts.append(self._assistant(message))
            return
        self._close_assistant()
        if role == "tool" or role == "function":
            self._attach(message, legacy=role == "function")
        elif isinstance(role, str) and role in _ROLES:
            content = message.get("content")
            parts = _with_cache_control(read_parts(content), message.get("cache_control"))
            self._drafts.append(Turn(_ROLES[role], parts, is_string=isinstance(content, str)))
        else:
            raise invalid(FIELD, "A message's role must be system, developer, user, assistant or tool.")

    def turns(self) -> list[Turn]:
        """Return what was read, results filled in; neighbours of one role are not merged yet."""
        self._close_assistant()
        return [
            draft if isinstance(draft, Turn) else Turn(USER, results=tuple(map(_result_of, draft)))
            for draft in self._drafts
        ]

    def _close_assistant(self) -> None:
        """Make the place for the results: right after the assistant turn."""
        if self._unanswered:
            self._drafts.append(self._unanswered)
            self._unanswered = []

    def _assistant(self, message: dict[str, Any]) -> Turn:
        content = message.get("content")
        thinking = _thinking(message, content)
        if isinstance(content, list):
            content = [part for part in content if not _is_thinking(part)]
        parts = read_parts(content)
        refusal = message.get("refusal")
        if isinstance(refusal, str) and refusal and not refusal.isspace():
            parts += (Text(refusal),)
        entries = _call_entries(message)
        cache_control = message.get("cache_control")
        calls = tuple(
            self._call(entry, cache_control if index == len(entries) else None)
            for index, entry in enumerate(entries, 1)
        )
        if not calls:
            parts = _with_cache_control(parts, cache_control)
        reasoning = message.get("reasoning_content")
        return Turn(
            ASSISTANT,
            parts,
            calls=calls,
            thinking=thinking,
            reasoning=reasoning if isinstance(reasoning, str) else "",
            signature=_signature(message),
            is_string=len(parts) == 1 and isinstance(content, str),
        )

    def _call(self, entry: dict[str, Any], cache_control: Any) -> Call:
        function = entry.get("function")
        if entry.get("type", "function") != "function" or not isinstance(function, dict):
            raise unsupported(
                FIELD, "Calls of tools other than functions are not supported by this provider."
            )
        name, original = function.get("name"), entry.get("id") or ""
        if not isinstance(name, str) or not name or not isinstance(original, str):
            raise invalid(FIELD, "A tool call must have an id and the name of its function.")
        call = Call(
            self._call_id(original),
            original,
            name,
            _arguments(function.get("arguments")),
            _signature(entry) or _signature(function),
            entry.get("cache_control") or cache_control,
            text if isinstance(text := function.get("arguments"), str) else "",
        )
        pending = self._latest[original] = _Pending(call)
        self._unanswered.append(pending)
        return call

    def _attach(self, message: dict[str, Any], *, legacy: bool) -> None:
        """Give a result to the latest call of its id; one that fits no call becomes user text."""
        content = message.get("content")
        found = content if isinstance(content, str) else read_parts(content)
        original = _legacy_id(message.get("name")) if legacy else message.get("tool_call_id") or ""
        if not isinstance(original, str):
            raise invalid(FIELD, "A tool message's 'tool_call_id' must be a string.")
        pending = self._latest.get(original)
        if pending is not None and pending.result is None:
            call = pending.call
            pending.result = Result(call.id, call.name, found, cache_control=message.get("cache_control"))
            return
        text = found if isinstance(found, str) else plain_text(found)
        others = () if isinstance(found, str) else tuple(part for part in found if not isinstance(part, Text))
        self._drafts.append(Turn(USER, (Text(f"[tool result {original}: {text}]"), *others)))


def _result_of(pending: _Pending) -> Result:
    call = pending.call
    return pending.result or Result(call.id, call.name, is_missing=True)


def _merged(turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns without empty ones, neighbours of one role made one."""
    merged: list[Turn] = []
    for turn in turns:
        if not (turn.parts or turn.results or turn.calls or turn.thinking):
            continue
        if merged and merged[-1].role == turn.role:
            merged[-1] = _joined(merged[-1], turn)
        else:
            merged.append(turn)
    return merged


def _joined(first: Turn, second: Turn) -> Turn:
    return Turn(
        first.role,
        first.parts + second.parts,
        first.results + second.results,
        first.calls + second.calls,
        first.thinking + second.thinking,
        "\n".join(filter(None, (first.reasoning, second.reasoning))),
        second.signature or first.signature,
        first.is_string if not second.parts else second.is_string and not first.parts,
    )


def _with_cache_control(parts: tuple[Part, ...], cache_control: Any) -> tuple[Part, ...]:
    """Return the parts with a message's own cache_control on the last one."""
    if not cache_control or not parts:
        return parts
    return (*parts[:-1], msgspec.structs.replace(parts[-1], cache_control=cache_control))


def _call_entries(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of `tool_calls`, or the legacy `function_call` made into one."""
    entries = message.get("tool_calls")
    legacy = message.get("function_call")
    if not entries and isinstance(legacy, dict):
        return [{"id": _legacy_id(legacy.get("name")), "function": legacy}]
    if not entries:
        return []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise invalid(FIELD, "A message's 'tool_calls' must be a list of objects.")
    return entries


def _legacy_id(name: Any) -> str:
    """Return the id of a legacy function call, which has none: its result names the function."""
    if not isinstance(name, str) or not name:
        raise invalid(FIELD, "A function call and its result must name the function.")
    return f"call_{name}"


def _arguments(text: Any) -> dict[str, Any]:
    """Return a call's arguments as an object; other JSON is wrapped. Raises ProviderFailure for no JSON."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return {}
    if isinstance(text, dict):  # some clients forget to encode them
        return text
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError, TypeError):
        raise invalid(FIELD, "The arguments of a tool call in 'messages' are not valid JSON.") from None
    return value if isinstance(value, dict) else {"value": value}


def _thinking(message: dict[str, Any], content: Any) -> tuple[dict[str, Any], ...]:
    """Return Claude's blocks: of `thinking_blocks`, ours or another gateway's, else of the content."""
    vendor = message.get("provider_specific_fields")
    for blocks in (
        message.get("thinking_blocks"),
        vendor.get("thinking_blocks") if isinstance(vendor, dict) else None,
        content,
    ):
        if isinstance(blocks, list) and (found := tuple(filter(_is_signed, blocks))):
            return found
    return ()


def _is_thinking(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in _THINKING


def _is_signed(block: Any) -> bool:
    """Tell whether a block can have come from Claude: it refuses others."""
    if not _is_thinking(block):
        return False
    proof = block.get("data" if block["type"] == "redacted_thinking" else "signature")
    return isinstance(proof, str) and proof != ""


def _signature(source: dict[str, Any]) -> str:
    """Return Gemini's thought signature from where we put it, or where other gateways do."""
    extra = source.get("extra_content")
    vendor = source.get("provider_specific_fields")
    if extra is None and vendor is None and "thought_signature" not in source:
        return ""
    google = extra.get("google") if isinstance(extra, dict) else None
    for place in (google, vendor, source):
        found = place.get("thought_signature") if isinstance(place, dict) else None
        if isinstance(found, str) and found:
            return found
    return ""
