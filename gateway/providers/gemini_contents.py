"""OpenAI's messages as Gemini's contents: text, images, sound, files, calls, results, thought signatures.

Wire facts: google-genai 3.4.0; ai.google.dev/gemini-api/docs/function-calling and .../thought-signatures.
"""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from gateway.providers.chat_messages import ASSISTANT, Call, Result, Turn, lift_system, read_turns
from gateway.providers.chat_names import ToolNames
from gateway.providers.chat_parts import FIELD, Audio, File, Image, Part, Text
from gateway.providers.chat_problems import invalid, unsupported
from gateway.providers.gemini_models import fetches_images, signs_thoughts

# As Google's documentation has it, for calls whose signature the caller lost, or that another model made.
NO_SIGNATURE = "skip_thought_signature_validator"
# Ids that we made, or another provider: Gemini wants its own ids back, or none.
_FOREIGN_IDS = ("call_", "toolu_", "tooluse_", "chatcmpl-tool-")
_FILES = "https://generativelanguage.googleapis.com/v1beta/"  # what `files/...` is short for
_IMAGES = {"png": "image/png", "webp": "image/webp", "heic": "image/heic", "heif": "image/heif"}
_JPEG = "image/jpeg"
_SOUNDS = frozenset({"wav", "mp3", "aiff", "aac", "ogg", "flac"})
_FILE_TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "mp4": "video/mp4",
    "mp3": "audio/mp3",
    **_IMAGES,
}

Json = dict[str, Any]


class Dialect(NamedTuple):
    """What differs between Gemini's own API and Vertex AI. `schemes`: of the addresses that it fetches."""

    schemes: tuple[str, ...]
    has_files: bool  # files by their id
    takes_labels: bool


GEMINI = Dialect(schemes=("https:",), has_files=True, takes_labels=False)
VERTEX = Dialect(schemes=("https:", "gs:"), has_files=False, takes_labels=True)


def read_contents(
    messages: Any, model: str, dialect: Dialect, names: ToolNames
) -> tuple[list[Json], list[Json]]:
    """Return the parts of systemInstruction, and contents.

    Raises ProviderFailure: unsupported or invalid_request, naming `messages`.
    """
    system, turns = lift_system(read_turns(messages, _call_id))
    writer = _Writer(model, dialect, names)
    contents: list[Json] = []
    for turn in turns:
        contents += writer.assistant(turn) if turn.role == ASSISTANT else writer.user(turn)
    if not contents:
        raise invalid(FIELD, "'messages' must have more than system messages.")
    if contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": "(continue)"}]})
    return [writer.part(part) for part in system], contents


def _call_id(original: str) -> str:
    """Return the id to give back to Gemini, empty for one that it never gave."""
    return "" if original.startswith(_FOREIGN_IDS) else original


class _Writer:
    """Writes the turns of one request."""

    __slots__ = ("_dialect", "_model", "_names", "_signs")

    def __init__(self, model: str, dialect: Dialect, names: ToolNames) -> None:
        self._model = model
        self._dialect = dialect
        self._names = names
        self._signs = signs_thoughts(model)

    def assistant(self, turn: Turn) -> list[Json]:
        """Return the content of an assistant turn; none where it has nothing but another model's thinking."""
        parts = [self.part(part) for part in turn.parts]
        signature = turn.signature
        if signature and parts:
            parts[-1]["thoughtSignature"] = signature
            signature = ""
        parts += self._calls(turn.calls, signature)
        return [{"role": "model", "parts": parts}] if parts else []

    def user(self, turn: Turn) -> list[Json]:
        """Return the contents of a user turn: all results in one, what else there is in another."""
        contents: list[Json] = []
        parts = [self.part(part) for part in turn.parts]
        if turn.results:
            contents.append({"role": "user", "parts": [self._result(result) for result in turn.results]})
            media = [self.part(part) for result in turn.results for part in _media(result)]
            parts = media + parts
        if parts:
            contents.append({"role": "user", "parts": parts})
        return contents

    def part(self, part: Part) -> Json:
        """Return one part. Raises ProviderFailure (unsupported) for what Gemini cannot take."""
        if isinstance(part, Text):
            return {"text": part.text}
        if isinstance(part, Image):
            return self._image(part)
        if isinstance(part, File):
            return self._file(part)
        return _sound(part)

    def _calls(self, calls: tuple[Call, ...], signature: str) -> list[Json]:
        """Return the parts of a step's calls. Its first one is signed, whoever made it."""
        parts = []
        for number, call in enumerate(calls):
            made: Json = {"name": self._names(call.name), "args": call.arguments}
            if call.id:
                made["id"] = call.id
            part: Json = {"functionCall": made}
            found = call.signature or (signature if number == 0 else "")
            if not found and number == 0 and self._signs:
                found = NO_SIGNATURE
            if found:
                part["thoughtSignature"] = found
            parts.append(part)
        return parts

    def _result(self, result: Result) -> Json:
        found: Json = {"name": self._names(result.name), "response": _response(result)}
        if result.id:
            found["id"] = result.id
        return {"functionResponse": found}

    def _image(self, image: Image) -> Json:
        if not image.url:
            return _inline(image.media_type, image.data)
        if not image.url.lower().startswith(self._dialect.schemes) or not fetches_images(self._model):
            raise unsupported(FIELD, "This provider does not fetch images from such an address.")
        return _file_data(image.url, _IMAGES.get(_extension(image.url), _JPEG))

    def _file(self, file: File) -> Json:
        if not file.file_id:
            return _inline(file.media_type, file.data)
        address = file.file_id
        if self._dialect.has_files and address.startswith("files/"):
            address = _FILES + address
        if not address.lower().startswith(self._dialect.schemes):
            raise unsupported(FIELD, "This provider does not know files of this id.")
        return _file_data(address, _FILE_TYPES.get(_extension(file.filename or address), ""))


def _inline(media_type: str, data: str) -> Json:
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _file_data(address: str, media_type: str) -> Json:
    """Return a file by its address; Google's own store knows the type where we don't."""
    return {"fileData": {"fileUri": address} | ({"mimeType": media_type} if media_type else {})}


def _sound(audio: Audio) -> Json:
    if audio.format not in _SOUNDS:
        raise unsupported(FIELD, "This provider does not take sound in this format.")
    return _inline(f"audio/{audio.format}", audio.data)


def _extension(address: str) -> str:
    try:
        path = urlsplit(address).path
    except ValueError:
        return ""
    return path.rpartition(".")[2].lower()


def _response(result: Result) -> Json:
    """Return a result as the object that Gemini wants: the tool's own, else its text as `output`."""
    if result.is_missing:
        return {"error": "no result"}
    content = result.content
    text = content if isinstance(content, str) else "".join(
        part.text for part in content if isinstance(part, Text)
    )  # fmt: skip
    if text.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass
    return {"output": text}


def _media(result: Result) -> list[Part]:
    """Return what a tool answered besides text: it goes behind the results, which hold text only."""
    return (
        []
        if isinstance(result.content, str)
        else [part for part in result.content if not isinstance(part, Text)]
    )
