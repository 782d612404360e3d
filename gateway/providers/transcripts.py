"""What a provider heard, in neutral terms, and OpenAI's forms of it: json, text, verbose_json, srt, vtt."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.providers.languages import language_name
from gateway.types import Answer, Usage

JSON = "application/json"
CONTENT_TYPES = {
    "json": JSON,
    "verbose_json": JSON,
    "diarized_json": JSON,
    "text": "text/plain; charset=utf-8",
    "srt": "text/plain; charset=utf-8",
    "vtt": "text/plain; charset=utf-8",
}
_SENTENCE_ENDS = (".", "?", "!", "\u2026", "\u3002", "\uff1f", "\uff01")
_LONGEST_CUE = 7.0  # seconds; what subtitles are cut at where a sentence goes on


class Span(NamedTuple):
    """A word or a sentence; times in seconds from the beginning."""

    text: str
    start: float
    end: float
    logprob: float = 0.0


class Transcript(NamedTuple):
    """`language` is a code or a name, `duration` in seconds; 0 and empty are unknown."""

    text: str
    language: str
    duration: float
    words: Sequence[Span]
    segments: Sequence[Span]


def plain_text(text: str, usage: Usage | None) -> Answer:
    """Return the text alone, with the newline that OpenAI ends it with."""
    return Answer(f"{text}\n".encode(), usage, "", CONTENT_TYPES["text"])


def subtitles(text: str, usage: Usage | None, format: str) -> Answer:
    """Return finished subtitles."""
    return Answer(text.encode(), usage, "", CONTENT_TYPES[format])


def as_json(transcript: Transcript, usage: Usage) -> Answer:
    """Return response_format json."""
    return _answer({"text": transcript.text}, usage)


def as_verbose_json(transcript: Transcript, usage: Usage, granularities: Iterable[str]) -> Answer:
    """Return response_format verbose_json, with words, segments or both as asked for."""
    asked = frozenset(granularities)
    document: dict[str, Any] = {
        "task": "transcribe",
        "language": language_name(transcript.language),
        "duration": transcript.duration,
        "text": transcript.text,
    }
    if "word" in asked:
        document["words"] = [
            {"word": word.text, "start": word.start, "end": word.end} for word in transcript.words
        ]
    if "segment" in asked or not asked:
        document["segments"] = [_segment(number, span) for number, span in enumerate(transcript.segments)]
    return _answer(document, usage)


def _segment(number: int, span: Span) -> dict[str, Any]:
    """Return a segment with every member that OpenAI's clients expect; what is unknown is neutral."""
    return {
        "id": number,
        "seek": 0,
        "start": span.start,
        "end": span.end,
        "text": span.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": span.logprob,
        "compression_ratio": 0.0,
        "no_speech_prob": 0.0,
    }


def _answer(document: dict[str, Any], usage: Usage) -> Answer:
    if usage.seconds:
        document["usage"] = {"type": "duration", "seconds": usage.seconds}
    return Answer(msgspec.json.encode(document), usage, "")


def as_vtt(segments: Iterable[Span], usage: Usage) -> Answer:
    """Return response_format vtt."""
    cues = (f"{_clock(cue.start)} --> {_clock(cue.end)}\n{cue.text.strip()}\n\n" for cue in segments)
    return subtitles("WEBVTT\n\n" + "".join(cues), usage, "vtt")


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def sentences(pieces: Iterable[Span]) -> Iterator[Span]:
    """Group words and what is between them into sentences, cut where one runs too long for a subtitle."""
    held: list[Span] = []
    for piece in pieces:
        held.append(piece)
        blank = not piece.text.strip()
        over = piece.text.rstrip().endswith(_SENTENCE_ENDS) or piece.end - held[0].start >= _LONGEST_CUE
        if over and not blank:
            yield _joined(held)
            held = []
    if any(piece.text.strip() for piece in held):
        yield _joined(held)


def _joined(pieces: Sequence[Span]) -> Span:
    words = [piece for piece in pieces if piece.text.strip()]
    logprob = sum(word.logprob for word in words) / len(words)
    text = "".join(piece.text for piece in pieces)
    return Span(text, words[0].start, words[-1].end, logprob)
