"""A conversation as Converse's messages: roles that alternate, content blocks that are never blank.

Source: botocore's service model `bedrock-runtime`, shapes Message and ContentBlock; wire facts of
23 Nov 2026.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.providers.bedrock_models import Traits
from gateway.providers.chat_answer import encode
from gateway.providers.chat_messages import ASSISTANT, USER, Call, Result, Turn
from gateway.providers.chat_parts import FIELD, Audio, File, Image, Part, Text
from gateway.providers.chat_problems import invalid, unsupported

Block = dict[str, Any]

CONTINUE = "(continue)"  # stands before an assistant's first turn
NO_RESULT = "(no result)"
EMPTY = "(empty)"
ATTACHMENT = "(see attachment)"  # a document needs some text beside it
_CACHE_POINTS = 4  # what a request may have
_TIMES_TO_LIVE = frozenset({"5m", "1h"})
_IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_IMAGE_EXTENSIONS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "gif": "gif", "webp": "webp"}
_DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_AUDIO_FORMATS = frozenset(
    {
        "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga",
        "pcm", "webm",
    }
)  # fmt: skip
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]-]", re.ASCII)
_SPACES = re.compile(r"\s+")
_NAME_LENGTH = 200
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_.:-]")
_NOT_IN_TOOL_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
NAME_LIMIT = 64  # characters of ids and names of tools


def fit_id(original: str) -> str:
    """Return a tool-call id in Converse's alphabet."""
    return _NOT_IN_IDS.sub("_", original)


def fit_name(original: str) -> str:
    """Return a tool's name in Converse's alphabet."""
    return _NOT_IN_TOOL_NAMES.sub("_", original)


class BlockWriter:
    """Writes the blocks of one request; no two of its documents have the same name."""

    __slots__ = ("_document_names", "_traits")

    def __init__(self, traits: Traits) -> None:
        self._traits = traits
        self._document_names: set[str] = set()

    def cache_point(self, cache_control: Any) -> list[Block]:
        """Return the block that follows one with the caller's `cache_control`; none where it has no place."""
        if not cache_control or not self._traits.caches:
            return []
        point = {"type": "default"}
        ttl = cache_control.get("ttl") if isinstance(cache_control, dict) else None
        if self._traits.is_claude and isinstance(ttl, str) and ttl in _TIMES_TO_LIVE:
            point["ttl"] = ttl
        return [{"cachePoint": point}]

    def system(self, parts: Iterable[Part]) -> list[Block]:
        """Return the system blocks. Raises ProviderFailure (unsupported) for anything but text."""
        blocks: list[Block] = []
        for part in parts:
            if not isinstance(part, Text):
                raise unsupported(FIELD, "System messages hold nothing but text at AWS Bedrock.")
            blocks += [{"text": part.text}, *self.cache_point(part.cache_control)]
        return blocks

    def messages(self, turns: Sequence[Turn], names: Any, *, as_text: bool) -> list[Block]:
        """Return Converse's messages.

        `names` gives a tool's name for the wire. `as_text` writes tool calls and their results as text, for
        requests without tools: Converse refuses such blocks there. Raises ProviderFailure.
        """
        messages: list[Block] = []
        for turn in turns:
            write = self._user if turn.role == USER else self._assistant
            if content := write(turn, names, as_text=as_text):
                if messages and messages[-1]["role"] == turn.role:
                    messages[-1]["content"] += content
                else:
                    messages.append({"role": turn.role, "content": content})
        if not messages:
            raise invalid(FIELD, "'messages' must hold a message of the user or the assistant.")
        for message in messages:
            _add_text_to_documents(message["content"])
        if messages[0]["role"] != USER:
            messages.insert(0, {"role": USER, "content": [{"text": CONTINUE}]})
        if messages[-1]["role"] == ASSISTANT and "text" in (last := messages[-1]["content"][-1]):
            last["text"] = last["text"].rstrip()  # Claude refuses to go on from white space
        return messages

    def _user(self, turn: Turn, names: Any, *, as_text: bool) -> list[Block]:
        del names
        blocks: list[Block] = []
        for result in turn.results:
            blocks += self._result_as_text(result) if as_text else self._result(result)
        for part in turn.parts:
            blocks += self._part(part)
        return blocks

    def _assistant(self, turn: Turn, names: Any, *, as_text: bool) -> list[Block]:
        blocks = [block for found in turn.thinking if (block := self._thinking(found)) is not None]
        for part in turn.parts:
            blocks += self._part(part)
        for call in turn.calls:
            blocks.append(_call_as_text(call) if as_text else _call(call, names(call.name)))
            blocks += self.cache_point(call.cache_control)
        return blocks

    def _thinking(self, block: dict[str, Any]) -> Block | None:
        """Return Claude's signed block as Converse has it; None for unsigned ones and for other models."""
        if not self._traits.is_claude:
            return None
        data, signature = block.get("data"), block.get("signature")
        if isinstance(data, str) and data:
            return {"reasoningContent": {"redactedContent": data}}
        text = block.get("thinking")
        if not isinstance(text, str) or not isinstance(signature, str) or not signature:
            return None
        return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}

    def _result(self, result: Result) -> list[Block]:
        content = self._result_content(result)
        found: Block = {"toolUseId": result.id, "content": content}
        if result.is_missing and (self._traits.is_claude or self._traits.is_nova):
            found["status"] = "error"
        return [{"toolResult": found}, *self.cache_point(result.cache_control)]

    def _result_content(self, result: Result) -> list[Block]:
        if result.is_missing:
            return [{"text": NO_RESULT}]
        if isinstance(result.content, str):
            return [{"text": result.content if result.content.strip() else EMPTY}]
        return [self._block(part) for part in result.content] or [{"text": EMPTY}]

    def _result_as_text(self, result: Result) -> list[Block]:
        content = self._result_content(result)
        text = "\n".join(block["text"] for block in content if "text" in block)
        others = [block for block in content if "text" not in block]
        return [{"text": f"[tool result {result.id}: {text}]"}, *others]

    def _part(self, part: Part) -> list[Block]:
        block = self._block(part)
        return [block, *self.cache_point(part.cache_control)] if part.cache_control else [block]

    def _block(self, part: Part) -> Block:
        """Raises ProviderFailure (unsupported) for what Converse or the model doesn't take."""
        if isinstance(part, Text):
            return {"text": part.text}
        if isinstance(part, Image):
            return {"image": _image(part)}
        if isinstance(part, File):
            return {"document": self._document(part)}
        return {"audio": _audio(part, self._traits)}

    def _document(self, part: File) -> Block:
        """Raises ProviderFailure (unsupported) for another provider's file and for formats Converse lacks."""
        if not part.data:
            raise unsupported(FIELD, "Files of another provider's store are not supported by this provider.")
        extension = part.filename.rpartition(".")[2].lower()
        known = _DOCUMENT_FORMATS.get(part.media_type)
        found = known or (extension if extension in _DOCUMENT_FORMATS.values() else None)
        if found is None:
            raise unsupported(FIELD, "Files of this type are not supported by this provider.")
        return {"format": found, "name": self._document_name(part.filename), "source": {"bytes": part.data}}

    def _document_name(self, filename: str) -> str:
        """Return a name in Converse's alphabet that no other document of the request has."""
        plain = _SPACES.sub(" ", _NOT_IN_NAMES.sub("-", filename)).strip()
        plain = plain[:_NAME_LENGTH].strip() or "document"
        name, number = plain, 1
        while name in self._document_names:
            number += 1
            ending = f"-{number}"
            name = plain[: _NAME_LENGTH - len(ending)] + ending
        self._document_names.add(name)
        return name


def _call(call: Call, name: str) -> Block:
    return {"toolUse": {"toolUseId": call.id, "name": name, "input": call.arguments}}


def _call_as_text(call: Call) -> Block:
    return {"text": f"[tool call {call.id}: {call.name}({encode(call.arguments).decode()})]"}


def _image(part: Image) -> Block:
    """Raises ProviderFailure (unsupported) for addresses that Bedrock doesn't fetch and for other formats."""
    if part.url:
        if not part.url.startswith("s3://"):
            raise unsupported(FIELD, "Image URLs are not supported by this provider; send the image's data.")
        found = _IMAGE_EXTENSIONS.get(part.url.rpartition(".")[2].lower(), "png")
        return {"format": found, "source": {"s3Location": {"uri": part.url}}}
    if (known := _IMAGE_FORMATS.get(part.media_type)) is None:
        raise unsupported(FIELD, "Images of this type are not supported by this provider.")
    return {"format": known, "source": {"bytes": part.data}}


def _audio(part: Audio, traits: Traits) -> Block:
    if not traits.hears or part.format not in _AUDIO_FORMATS:
        raise unsupported(FIELD, "Audio is not supported by this model.")
    return {"format": part.format, "source": {"bytes": part.data}}


def limit_cache_points(*lists: list[Block]) -> None:
    """Remove all cache points but the last few, those of the longest prefixes.

    `lists` of blocks are in the order in which the model reads them.
    """
    found = [(blocks, block) for blocks in lists for block in blocks if "cachePoint" in block]
    for blocks, point in found[:-_CACHE_POINTS]:
        blocks[:] = [block for block in blocks if block is not point]


def _add_text_to_documents(content: list[Block]) -> None:
    """Put a text block beside documents that stand alone: Converse refuses them otherwise."""
    if any("document" in block for block in content) and not any("text" in block for block in content):
        content.append({"text": ATTACHMENT})
