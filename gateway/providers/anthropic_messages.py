"""Neutral turns written as the `messages` and `system` of Anthropic's Messages API.

Reference: platform.claude.com/docs/en/api/messages. In a user turn the tool results come first, in an
assistant turn the thinking blocks, unchanged. An assistant's sound, images and files are refused.
"""

import re
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from gateway.providers.chat_messages import ASSISTANT, SYSTEM, USER, Result, Turn
from gateway.providers.chat_parts import FIELD, File, Image, Part, Text
from gateway.providers.chat_problems import invalid, unsupported

Block = dict[str, Any]
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
MAX_BREAKPOINTS = 4  # of the prompt cache, in one request
_TTLS = ("5m", "1h")
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


def fit_name(name: str) -> str:
    """Return a tool's name or a call's id in the provider's alphabet."""
    return _FOREIGN.sub("_", name)


def write_turns(turns: Sequence[Turn]) -> list[Block]:
    """Return `messages`. Raises ProviderFailure for parts that the provider lacks, or when there are none."""
    messages: list[Block] = [{"role": turn.role, "content": _content(turn)} for turn in turns]
    if not messages:
        raise invalid(FIELD, "'messages' must have at least one message of a user or an assistant.")
    if messages[0]["role"] != USER:
        messages.insert(0, {"role": USER, "content": [{"type": "text", "text": "(continue)"}]})
    if messages[-1]["role"] == ASSISTANT:
        _strip_prefill(messages[-1]["content"][-1])
    return messages


def write_system(parts: Sequence[Part]) -> list[Block]:
    """Return the blocks of `system`. Raises ProviderFailure for anything but text."""
    return [_text_only(part, "system") for part in parts]


def may_stay(turns: Sequence[Turn], index: int) -> bool:
    """Tell whether a system turn is legal where it stands: after a user's, last or before an assistant's."""
    if index == 0 or turns[index - 1].role != USER:
        return False
    return index + 1 == len(turns) or turns[index + 1].role == ASSISTANT


def cache_control(value: Any) -> Block | None:
    """Return a breakpoint of the prompt cache as the provider takes it; None for anything else."""
    if not isinstance(value, dict) or value.get("type") != "ephemeral":
        return None
    ttl = value.get("ttl")
    return {"type": "ephemeral", "ttl": ttl} if ttl in _TTLS else {"type": "ephemeral"}


def limit_breakpoints(blocks: Sequence[Block]) -> None:
    """Remove all but the last breakpoints, those of the longest prefixes; `blocks` are in order."""
    marked = [block for block in blocks if "cache_control" in block]
    for block in marked[:-MAX_BREAKPOINTS]:
        del block["cache_control"]


def _content(turn: Turn) -> list[Block]:
    if turn.role == USER:
        blocks = [_result(result) for result in turn.results]
        blocks += [_part(part) for part in turn.parts]
        return blocks
    if turn.role == SYSTEM:
        return write_system(turn.parts)
    blocks = list(turn.thinking)
    blocks += [_text_only(part, ASSISTANT) for part in turn.parts]
    for call in turn.calls:
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
        blocks.append(_marked(block, call.cache_control))
    return blocks


def _result(result: Result) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": result.id}
    if result.is_missing:
        return block | {"is_error": True, "content": "(no result)"}
    content = result.content
    if isinstance(content, str):
        if content and not content.isspace():
            block["content"] = content
    elif content:
        block["content"] = [_part(part) for part in content]
    return _marked(block, result.cache_control)


def _part(part: Part) -> Block:
    if isinstance(part, Text):
        block: Block = {"type": "text", "text": part.text}
    elif isinstance(part, Image):
        block = {"type": "image", "source": _image_source(part)}
    elif isinstance(part, File):
        block = {"type": "document", "source": _document_source(part)}
        if part.filename:
            block["title"] = part.filename
    else:
        raise unsupported(FIELD, "Audio input is not supported by this provider.")
    return _marked(block, part.cache_control)


def _image_source(image: Image) -> Block:
    if image.url:
        if image.url[:8].lower() != "https://":
            raise unsupported(
                FIELD, "The URL of an image must begin with https:// or hold the image as data."
            )
        return {"type": "url", "url": image.url}
    if image.media_type not in IMAGE_TYPES:
        raise unsupported(FIELD, "Images must be jpeg, png, gif or webp for this provider.")
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


def _document_source(file: File) -> Block:
    if file.file_id:
        raise unsupported(FIELD, "File ids of other providers are not supported by this provider.")
    if file.media_type == "application/pdf":
        return {"type": "base64", "media_type": file.media_type, "data": file.data}
    if file.media_type.startswith("text/") or file.media_type == "application/json":
        return {"type": "text", "media_type": "text/plain", "data": _decoded(file.data)}
    raise unsupported(FIELD, "Files must be PDF or plain text for this provider.")


def _decoded(data: str) -> str:
    try:
        text = b64decode(data, validate=True).decode()
    except ValueError:
        raise invalid(FIELD, "A text file in a message is not base64 of UTF-8.") from None
    if not text or text.isspace():
        raise invalid(FIELD, "A text file in a message is empty.")
    return text


def _text_only(part: Part, role: str) -> Block:
    if not isinstance(part, Text):
        raise unsupported(FIELD, f"Messages of the role '{role}' can only hold text for this provider.")
    return _marked({"type": "text", "text": part.text}, part.cache_control)


def _marked(block: Block, wanted: Any) -> Block:
    if wanted is not None and (found := cache_control(wanted)) is not None:
        block["cache_control"] = found
    return block


def _strip_prefill(block: Block) -> None:
    """The beginning of an answer may not end in whitespace."""
    if block["type"] == "text":
        block["text"] = block["text"].rstrip()
