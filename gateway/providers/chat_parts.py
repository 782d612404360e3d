"""The content of OpenAI's messages, read into neutral parts: text, images, files, sound.

Reference: platform.openai.com/docs/api-reference/chat/create, messages. Blank text is left out, since most
providers answer 400 to it. What a provider cannot take (a URL, a file id, a media type) its translator
refuses.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from gateway.providers.chat_problems import invalid, unsupported

FIELD = "messages"  # the field that every refusal here names
_MEDIA_TYPES = {"image/jpg": "image/jpeg"}
_BY_EXTENSION = {
    "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv",
    "html": "text/html", "json": "application/json",
}  # fmt: skip
_UNKNOWN_TYPE = "application/octet-stream"


class Text(msgspec.Struct, frozen=True, gc=False):
    """Text that is not blank. `cache_control` is the caller's extension, verbatim, in all parts."""

    text: str
    cache_control: Any = None


class Image(msgspec.Struct, frozen=True, gc=False):
    """An image: `url` of any scheme but data, else base64 `data` with its media type."""

    url: str = ""
    media_type: str = ""
    data: str = ""
    detail: str = ""
    cache_control: Any = None


class File(msgspec.Struct, frozen=True, gc=False):
    """A file: `file_id` of some provider's store, else base64 `data` with its media type."""

    file_id: str = ""
    media_type: str = ""
    data: str = ""
    filename: str = ""
    cache_control: Any = None


class Audio(msgspec.Struct, frozen=True, gc=False):
    """Recorded speech: base64 `data`; `format` as OpenAI names it, wav or mp3."""

    data: str
    format: str
    cache_control: Any = None


Part = Text | Image | File | Audio


class DataURL(NamedTuple):
    """A data URL taken apart: the media type, lower-cased and without parameters, and base64."""

    media_type: str
    data: str


def read_parts(content: Any) -> tuple[Part, ...]:
    """Return the parts of a message's content: a string, a list of parts, or nothing.

    Raises ProviderFailure: unsupported for a part of an unknown type, invalid_request for a malformed one.
    """
    if isinstance(content, str):
        return (Text(content),) if content and not content.isspace() else ()
    if content is None:
        return ()
    if not isinstance(content, list):
        raise invalid(FIELD, "A message's content must be a string or a list of parts.")
    return tuple([part for item in content if (part := _read_part(item)) is not None])


def parse_data_url(url: str) -> DataURL | None:
    """Return what a data URL holds, percent-encoded data as base64; None for other URLs and broken ones."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    if not comma:
        return None
    media_type, *parameters = head.split(";")
    media_type = media_type.strip().lower()
    if "base64" not in (parameter.strip().lower() for parameter in parameters):
        data = b64encode(unquote_to_bytes(data)).decode()
    return DataURL(_MEDIA_TYPES.get(media_type, media_type) or "text/plain", data)


def plain_text(parts: tuple[Part, ...]) -> str:
    """Return the text of the parts, each from a new line."""
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def _read_part(item: Any) -> Part | None:
    if not isinstance(item, dict):
        raise invalid(FIELD, "A part of a message's content must be an object.")
    kind = item.get("type")
    if kind == "text" or kind == "refusal":
        text = _string(item, str(kind))
        return Text(text, item.get("cache_control")) if text and not text.isspace() else None
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        shown = kind[:50] if isinstance(kind, str) else "none"
        raise unsupported(FIELD, f"Content parts of the type '{shown}' are not supported by this provider.")
    return reader(item)


def _read_image(item: dict[str, Any]) -> Image:
    found = item.get("image_url")
    source = {"url": found} if isinstance(found, str) else found
    if not isinstance(source, dict) or not (url := _string(source, "url")):
        raise invalid(FIELD, "An 'image_url' part must have a URL.")
    cache_control, detail = item.get("cache_control"), source.get("detail")
    detail = detail if isinstance(detail, str) else ""
    if url[:5].lower() != "data:":
        return Image(url=url, detail=detail, cache_control=cache_control)
    media_type, data = _data_url(url)
    return Image(media_type=media_type, data=data, detail=detail, cache_control=cache_control)


def _read_file(item: dict[str, Any]) -> File:
    source = item.get("file")
    if not isinstance(source, dict):
        raise invalid(FIELD, "A 'file' part must have the object 'file'.")
    filename, cache_control = _string(source, "filename"), item.get("cache_control")
    if not (data := _string(source, "file_data")):
        if not (file_id := _string(source, "file_id")):
            raise invalid(FIELD, "A 'file' part must have 'file_data' or 'file_id'.")
        return File(file_id=file_id, filename=filename, cache_control=cache_control)
    if data[:5].lower() == "data:":
        media_type, data = _data_url(data)
    else:  # bare base64, which OpenAI takes, too
        media_type = _BY_EXTENSION.get(filename.rpartition(".")[2].lower(), _UNKNOWN_TYPE)
    return File(media_type=media_type, data=data, filename=filename, cache_control=cache_control)


def _read_audio(item: dict[str, Any]) -> Audio:
    source = item.get("input_audio")
    if not isinstance(source, dict) or not (data := _string(source, "data")):
        raise invalid(FIELD, "An 'input_audio' part must have data.")
    return Audio(data, _string(source, "format"), item.get("cache_control"))


_READERS: dict[str, Callable[[dict[str, Any]], Part]] = {
    "image_url": _read_image,
    "file": _read_file,
    "input_audio": _read_audio,
}


def _data_url(url: str) -> DataURL:
    found = parse_data_url(url)
    if found is None or not found.data:
        raise invalid(FIELD, "A data URL in a message could not be read.")
    return found


def _string(source: dict[str, Any], name: str) -> str:
    """Return a member that must be a string; an absent one is empty."""
    value = source.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(FIELD, f"'{name}' in a message must be a string.")
    return value
