"""Reading the caller's body: the few fields the gateway needs, and errors that name the field. Pure."""

import re
from typing import Annotated, TypeVar

import msgspec

from gateway.errors import InvalidRequest
from gateway.types import ChatRequest, EmbeddingsRequest, Form, SpeechRequest, TranscriptionRequest

MAX_DEPTH = 64
MAX_MODEL = 512  # characters of a model's name
SPEECH_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
TRANSCRIPT_FORMATS = ("json", "text", "verbose_json", "srt", "vtt", "diarized_json")
_FORM_VALUES = frozenset({"model", "response_format", "stream", "language", "prompt", "temperature"})
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NOT_BRACKETS = bytes(sorted(set(range(256)) - set(b"[]{}")))

_Number = int | float
_NonEmpty = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_MODEL)]


class _Message(msgspec.Struct):
    role: str


class _Tool(msgspec.Struct):
    type: str


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ChatBody(msgspec.Struct):
    model: _NonEmpty
    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: _Number | None = None
    top_p: _Number | None = None
    frequency_penalty: _Number | None = None
    presence_penalty: _Number | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | dict[str, msgspec.Raw] | None = None
    response_format: dict[str, msgspec.Raw] | None = None
    logprobs: bool | None = None
    user: str | None = None


class _EmbeddingsBody(msgspec.Struct):
    model: _NonEmpty
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None


class _Voice(msgspec.Struct):
    id: str


class _SpeechBody(msgspec.Struct):
    model: _NonEmpty
    input: str
    voice: str | _Voice
    response_format: str | None = None
    stream_format: str | None = None
    instructions: str | None = None
    speed: _Number | None = None


_chat_decoder = msgspec.json.Decoder(_ChatBody)
_embeddings_decoder = msgspec.json.Decoder(_EmbeddingsBody)
_speech_decoder = msgspec.json.Decoder(_SpeechBody)
_BodyT = TypeVar("_BodyT", _ChatBody, _EmbeddingsBody, _SpeechBody)


def parse_chat(body: bytes, request_id: str, received_at: int) -> ChatRequest:
    """Read a chat completions body. Raises InvalidRequest, naming the field."""
    body = _without_second_model(body)
    found = _decode(_chat_decoder, body)
    if found.stream_options is not None and not found.stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
            code="invalid_parameter",
        )
    return ChatRequest(
        raw=body,
        model=found.model,
        stream=bool(found.stream),
        include_usage=bool(found.stream_options and found.stream_options.include_usage),
        request_id=request_id,
        received_at=received_at,
    )


def parse_embeddings(body: bytes, request_id: str, received_at: int) -> EmbeddingsRequest:
    """Read an embeddings body. Raises InvalidRequest, naming the field."""
    body = _without_second_model(body)
    found = _decode(_embeddings_decoder, body)
    _require_choice("encoding_format", found.encoding_format, ("float", "base64"))
    if found.input in ("", []):
        raise InvalidRequest("'input' cannot be empty.", param="input", code="invalid_value")
    return EmbeddingsRequest(
        raw=body,
        model=found.model,
        base64=found.encoding_format == "base64",
        request_id=request_id,
        received_at=received_at,
    )


def parse_speech(body: bytes, request_id: str, received_at: int) -> SpeechRequest:
    """Read a speech body. Raises InvalidRequest, naming the field."""
    body = _without_second_model(body)
    found = _decode(_speech_decoder, body)
    _require_choice("response_format", found.response_format, SPEECH_FORMATS)
    _require_choice("stream_format", found.stream_format, ("audio", "sse"))
    if not found.input:
        raise InvalidRequest("'input' cannot be empty.", param="input", code="invalid_value")
    return SpeechRequest(
        raw=body,
        model=found.model,
        characters=len(found.input),
        format=found.response_format or SPEECH_FORMATS[0],
        events=found.stream_format == "sse",
        request_id=request_id,
        received_at=received_at,
    )


def parse_transcription(form: Form, request_id: str, received_at: int) -> TranscriptionRequest:
    """Read a transcription form. Raises InvalidRequest, naming the field."""
    values = _form_values(form)
    if form.upload is None:
        if any(name == "file" for name, _ in form.fields):
            raise InvalidRequest(
                "'file' must be a file, with a file name.", param="file", code="invalid_type"
            )
        raise _missing("file")
    if not form.upload.size:
        raise InvalidRequest("The file is empty.", param="file", code="invalid_value")
    model = values.get("model", "")
    if not model:
        raise _missing("model")
    if len(model) > MAX_MODEL:
        raise InvalidRequest("The model's name is too long.", param="model", code="invalid_value")
    _require_choice("response_format", values.get("response_format"), TRANSCRIPT_FORMATS)
    if values.get("stream", "").lower() not in {"", "false", "0"}:
        raise InvalidRequest(
            "Transcriptions are not streamed here; leave 'stream' out.",
            param="stream",
            code="unsupported_parameter",
        )
    return TranscriptionRequest(
        fields=form.fields,
        upload=form.upload,
        model=model,
        format=values.get("response_format") or TRANSCRIPT_FORMATS[0],
        request_id=request_id,
        received_at=received_at,
    )


def _form_values(form: Form) -> dict[str, str]:
    """Return the fields that have one value. Raises InvalidRequest where one comes twice."""
    values: dict[str, str] = {}
    for name, value in form.fields:
        if name in values:
            raise InvalidRequest(f"'{name}' is given twice.", param=name, code="invalid_value")
        if name in _FORM_VALUES:
            values[name] = value
    return values


def _require_choice(name: str, value: str | None, choices: tuple[str, ...]) -> None:
    """Raise InvalidRequest for a value that is not one of the choices; None is left to the default."""
    if value is None or value in choices:
        return
    supported = ", ".join(f"'{choice}'" for choice in choices[:-1])
    raise InvalidRequest(
        f"Invalid value: '{value[:50]}'. Supported values are: {supported} and '{choices[-1]}'.",
        param=name,
        code="invalid_value",
    )


def _missing(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
    )


def _decode(decoder: "msgspec.json.Decoder[_BodyT]", body: bytes) -> _BodyT:
    """Decode and check what a decoder that skips most of the text leaves unchecked: UTF-8 and depth."""
    if not body.isascii():
        _require_utf8(body)
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.", code="invalid_json")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as problem:
        raise _explain(str(problem)) from None
    except (msgspec.DecodeError, RecursionError) as problem:
        raise InvalidRequest(
            f"We could not parse the JSON body of your request: {problem}.", code="invalid_json"
        ) from None


def _without_second_model(body: bytes) -> bytes:
    """Return the body with one `model` member: a provider that reads the first of two would run another one.

    The common body, which has the word once, is returned as it is.
    """
    if body.count(b'"model"') < 2:
        return body
    try:
        return msgspec.json.encode(msgspec.json.decode(body, type=dict[str, msgspec.Raw]))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body  # the decoder that follows says what is wrong with it


def _require_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as problem:
        raise InvalidRequest(
            f"The body is not valid UTF-8 (byte {problem.start}).", code="invalid_json"
        ) from None


def _depth(body: bytes) -> int:
    """Return the deepest nesting of brackets outside strings."""
    deepest = depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]+)`")
_TYPE = re.compile(r"^Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`")
_WORDS = {
    "str": "a string", "int": "an integer", "float": "a number", "bool": "a boolean", "array": "an array",
    "object": "an object", "null": "null",
}  # fmt: skip


def _explain(problem: str) -> InvalidRequest:
    """Turn the decoder's message into OpenAI's wording, with the field as `param`."""
    at = _AT.search(problem)
    path = re.sub(r"\[\.\.\.\]", "", at["path"]) if at else ""
    if missing := _MISSING.match(problem):
        return _missing(f"{path}.{missing['name']}" if path else missing["name"])
    if wrong := _TYPE.match(problem):
        wanted = " or ".join(_words(wrong["wanted"].replace(" | null", "").split(" | ")))
        where = f"Invalid type for '{path}'" if path else "Invalid type for the body"
        got = _words([wrong["got"]])[0]
        return InvalidRequest(
            f"{where}: expected {wanted}, but got {got} instead.", param=path or None, code="invalid_type"
        )
    text = problem[: at.start()] if at else problem
    return InvalidRequest(f"Invalid value for '{path}': {text}.", param=path or None, code="invalid_value")


def _words(names: list[str]) -> list[str]:
    """Return the JSON type names as English, once each."""
    return list(dict.fromkeys(_WORDS.get(name, name) for name in names))
