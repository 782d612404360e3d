"""The providers that speak OpenAI's format, one row each: what they take, rename, refuse and lack.

Source: wire facts of 23 Nov 2026 (endpoints, request fields). A field that no row names passes through
untouched, for it may be the provider's own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRules:
    """What a provider does not take in messages. Each rule says what is done about it."""

    developer_as_system: bool = False
    names: Literal["keep", "tool", "drop"] = "keep"  # tool: only on tool messages
    drop_nulls: bool = False  # explicit nulls in assistant messages, content excepted
    flatten_text: bool = False  # a list of text parts becomes one string
    short_tool_ids: bool = False  # only [A-Za-z0-9]{9}; other ids are hashed
    reasoning: Literal["reasoning_content", "reasoning", ""] = ""  # the name it is sent back by; "": left out
    reasoning_details: bool = False  # takes reasoning_details back verbatim
    markers: tuple[bytes, ...] = field(init=False)  # a body without any of these words needs no rule

    def __post_init__(self) -> None:
        object.__setattr__(self, "markers", tuple(_markers(self)))


def _markers(rules: MessageRules) -> Iterator[bytes]:
    yield from (b'"reasoning_content"', b'"reasoning"', b'"reasoning_details"', b'"thinking_blocks"')
    if rules.developer_as_system:
        yield b'"developer"'
    if rules.names != "keep":
        yield b'"name"'
    if rules.drop_nulls:
        yield b"null"
    if rules.flatten_text:
        yield b'"text"'
    if rules.short_tool_ids:
        yield b'"tool_call'


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowTypes:
    """What a provider that answers 4xx to unknown members lacks of OpenAI's types, refusals always."""

    functions: bool = False  # takes legacy functions; else they become tools
    audio: Literal["text", "none"] = "none"  # text: the bare base64; none: refused
    files: Literal["document", "none"] = "none"  # document: as document_url; none: refused
    needs_parameters: bool = False  # of every tool
    service_tiers: frozenset[str] | None = None  # others are dropped; None: whatever there is
    efforts: Mapping[str, str] = field(default_factory=dict)  # those it lacks: the nearest, or nothing
    json_object: bool = True  # takes response_format json_object


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsRules:
    """How a provider's embeddings differ from OpenAI's. `drop` is listed to the caller."""

    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    takes_encoding_format: bool = True
    takes_tokens: bool = False  # token ids as input


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechRules:
    """How a provider's speech differs from OpenAI's. `drop` is listed to the caller."""

    formats: frozenset[str] = frozenset({"mp3", "opus", "aac", "flac", "wav", "pcm"})
    drop: frozenset[str] = frozenset()
    events: bool = True  # takes stream_format sse
    voices: tuple[str, ...] = ()  # where every account has the same


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRules:
    """How a provider's transcriptions differ from OpenAI's. `drop` is listed to the caller."""

    formats: frozenset[str] = frozenset({"json", "text", "verbose_json", "srt", "vtt", "diarized_json"})
    drop: frozenset[str] = frozenset()
    takes_format: bool = True  # else every answer is JSON in the provider's own form
    granularities: str = "timestamp_granularities[]"  # the name of the field


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One provider. `drop`, `refuse`, `rename` and `clamp` are about the top-level fields of a chat request.

    `drop` is listed to the caller unless the value was a hint or the default; `refuse` names checks of
    openai_requests.REFUSALS, for fields that change the meaning of the answer.
    """

    slug: str
    label: str
    default_path: str = ""  # added to a base URL that has no path
    headers: Mapping[str, str] = field(default_factory=dict)  # configuration field: header
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    drop_objects: frozenset[str] = frozenset()  # dropped only where the value is an object
    drop_for: tuple[re.Pattern[str], frozenset[str]] | None = None  # dropped for the models that match
    refuse: frozenset[str] = frozenset()
    clamp: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    takes_stream_options: bool = True
    messages: MessageRules = MessageRules()
    strict_tools: bool = True  # takes `strict` in tools
    narrow: NarrowTypes | None = None  # refuses what its own types don't name: see openai_narrow
    own_ids: bool = False  # its answer ids are not unique: ours take their place
    embeddings: EmbeddingsRules | None = None
    hosts_without_embeddings: frozenset[str] = frozenset()
    speech: SpeechRules | None = None
    transcription: TranscriptionRules | None = None
    models_path: str = "/models"  # below the base URL; empty: it has no list
    known_models: tuple[str, ...] = ()  # listed when the provider's own list cannot be had
    edits_fields: bool = field(init=False)  # whether any top-level field of a chat request may have to change

    def __post_init__(self) -> None:
        edits = (self.rename, self.drop, self.drop_objects, self.drop_for, self.refuse, self.clamp)
        object.__setattr__(self, "edits_fields", any(edits) or not self.strict_tools)


# Fields that OpenAI itself acts on, and that most others either refuse or ignore.
_CACHE_KEY = frozenset({"prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"})
_EXTRAS = _CACHE_KEY | {
    "user", "metadata", "store", "service_tier", "safety_identifier", "verbosity", "prediction",
}  # fmt: skip
_OPENAI_ONLY = frozenset({"modalities", "audio", "web_search_options", "tools"})  # audio output, custom tools
_LOGPROBS = frozenset({"logprobs", "top_logprobs"})
_OLD_MAX_TOKENS = {"max_completion_tokens": "max_tokens"}

OPENAI_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer",
    "verse",
)  # fmt: skip

# Grok's reasoning models answer 400 to these; `-non-reasoning` variants take them.
_GROK_REASONING = re.compile(r"grok-(3-mini|4|code-fast)(?!.*non-reasoning)")
_GROK_REASONING_DROPS = frozenset({"stop", "frequency_penalty", "presence_penalty"})

OPENAI = Row(
    slug="openai",
    label="OpenAI",
    headers={"organization": "OpenAI-Organization", "project": "OpenAI-Project"},
    embeddings=EmbeddingsRules(takes_tokens=True),
    speech=SpeechRules(voices=OPENAI_VOICES),
    transcription=TranscriptionRules(),
)
MISTRAL = Row(
    slug="mistral",
    label="Mistral",
    rename={**_OLD_MAX_TOKENS, "seed": "random_seed"},
    drop=(_EXTRAS - {"metadata", "prompt_cache_key", "prediction", "service_tier"})
    | {"logit_bias", "stream_options"},
    refuse=_OPENAI_ONLY,
    takes_stream_options=False,  # usage always comes
    messages=MessageRules(
        developer_as_system=True, names="tool", drop_nulls=True, flatten_text=True, short_tool_ids=True
    ),
    narrow=NarrowTypes(
        audio="text",
        files="document",
        needs_parameters=True,
        service_tiers=frozenset({"auto", "standard_only"}),
    ),
    embeddings=EmbeddingsRules(
        rename={"dimensions": "output_dimension"}, drop=frozenset({"user"}), takes_encoding_format=False
    ),
    # Its speech answers in a form of its own: not offered.
    transcription=TranscriptionRules(
        formats=frozenset({"json", "text", "verbose_json"}),
        drop=frozenset({"prompt", "include", "chunking_strategy"}),
        takes_format=False,
        granularities="timestamp_granularities",
    ),
)
GROQ = Row(
    slug="groq",
    label="Groq",
    drop=(_EXTRAS - {"user", "metadata", "service_tier"}) | {"logit_bias"},
    refuse=_OPENAI_ONLY | _LOGPROBS | {"n"},
    messages=MessageRules(
        developer_as_system=True, names="drop", drop_nulls=True, flatten_text=True, reasoning="reasoning"
    ),
    narrow=NarrowTypes(
        functions=True,
        service_tiers=frozenset({"auto", "on_demand", "flex", "performance"}),
        efforts={"minimal": "low", "xhigh": "high"},
    ),
    speech=SpeechRules(
        formats=frozenset({"mp3", "flac", "wav"}),
        drop=frozenset({"instructions", "stream_format"}),
        events=False,
    ),
    transcription=TranscriptionRules(
        formats=frozenset({"json", "text", "verbose_json"}),
        drop=frozenset({"include", "chunking_strategy"}),
    ),
)
OLLAMA = Row(
    slug="ollama",
    label="Ollama",
    default_path="/v1",
    rename=_OLD_MAX_TOKENS,
    drop=_EXTRAS | {"logit_bias", "parallel_tool_calls"},
    refuse=_OPENAI_ONLY | {"n"},
    messages=MessageRules(developer_as_system=True, reasoning="reasoning"),
    own_ids=True,
    embeddings=EmbeddingsRules(drop=frozenset({"user"})),
)
OPENROUTER = Row(
    slug="openrouter",
    label="OpenRouter",
    headers={"referer": "HTTP-Referer", "title": "X-Title"},
    refuse=frozenset({"n"}),
    messages=MessageRules(reasoning="reasoning", reasoning_details=True),
    embeddings=EmbeddingsRules(takes_tokens=True),
)
PERPLEXITY = Row(
    slug="perplexity",
    label="Perplexity",
    rename=_OLD_MAX_TOKENS,
    drop=_EXTRAS | {"logit_bias", "stream_options", "parallel_tool_calls", "seed"},
    drop_objects=frozenset({"tool_choice"}),
    refuse=(_OPENAI_ONLY - {"web_search_options"}) | _LOGPROBS | {"n"},
    clamp={"temperature": (0.0, 1.99)},
    takes_stream_options=False,  # usage comes in every chunk
    messages=MessageRules(developer_as_system=True, names="drop", drop_nulls=True),
    narrow=NarrowTypes(needs_parameters=True, efforts={"none": "", "xhigh": "high"}, json_object=False),
    # Its embeddings are int8 or binary only: not offered.
    models_path="/v1/models",  # newer than its chat, and not in every account
    known_models=("sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"),
)
CEREBRAS = Row(
    slug="cerebras",
    label="Cerebras",
    drop=_EXTRAS - {"user", "prediction", "prompt_cache_key", "service_tier"},
    refuse=_OPENAI_ONLY | {"n"},
    clamp={"temperature": (0.0, 1.5)},
    messages=MessageRules(
        developer_as_system=True, drop_nulls=True, flatten_text=True, reasoning="reasoning"
    ),
    narrow=NarrowTypes(efforts={"minimal": "low", "xhigh": "high"}),
)
HUGGINGFACE = Row(
    slug="huggingface",
    label="Hugging Face",
    headers={"bill_to": "X-HF-Bill-To"},
    rename=_OLD_MAX_TOKENS,
    drop=_EXTRAS | {"logit_bias", "parallel_tool_calls"},
    refuse=_OPENAI_ONLY | {"n"},
    clamp={"temperature": (0.01, 2.0)},  # TGI wants more than 0
    messages=MessageRules(developer_as_system=True, drop_nulls=True),
    embeddings=EmbeddingsRules(drop=frozenset({"user"})),
    hosts_without_embeddings=frozenset({"router.huggingface.co"}),  # dedicated endpoints (TEI) have them
)
NEBIUS = Row(
    slug="nebius",
    label="Nebius",
    rename=_OLD_MAX_TOKENS,
    drop=frozenset({"store"}),
    refuse=_OPENAI_ONLY,
    messages=MessageRules(developer_as_system=True, reasoning="reasoning_content"),
    embeddings=EmbeddingsRules(),
)
XAI = Row(
    slug="xai",
    label="xAI",
    drop=_EXTRAS - {"user"},
    drop_for=(_GROK_REASONING, _GROK_REASONING_DROPS),
    refuse=_OPENAI_ONLY,
    messages=MessageRules(names="drop", reasoning="reasoning_content"),
    strict_tools=False,
)
PARASAIL = Row(
    slug="parasail",
    label="Parasail",
    rename=_OLD_MAX_TOKENS,
    drop=_CACHE_KEY | {"verbosity", "store", "service_tier"},
    refuse=_OPENAI_ONLY,
    messages=MessageRules(developer_as_system=True, reasoning="reasoning_content"),
    embeddings=EmbeddingsRules(),
)
SANDBOX = Row(
    slug="sandbox",
    label="The sandbox",
    default_path="/v1",
    refuse=frozenset({"n"}),
    embeddings=EmbeddingsRules(takes_tokens=True),
    models_path="",
)

ROWS = (
    OPENAI, MISTRAL, GROQ, OLLAMA, OPENROUTER, PERPLEXITY, CEREBRAS, HUGGINGFACE, NEBIUS, XAI, PARASAIL,
    SANDBOX,
)  # fmt: skip
