"""Which models are for audio, and what voices they have."""

from typing import Any

import pytest

from gateway.catalogue import Listed, Model, list_models, on_surface
from gateway.providers.registry import ADAPTERS
from gateway.types import Connection, ListedModel
from tests.gateway.targets import caller, organization, target

SPEECH, TRANSCRIPTIONS = "audio.speech", "audio.transcriptions"
RACHEL = "21m00Tcm4TlvDq8ikWAM"


def models(provider: str, names: str, listed: Listed | None = None, **options: Any) -> dict[str, Model]:
    """The models that a credential with these names offers."""
    connection = Connection("http://x", (), options=options)
    one = target(1, provider, names, adapter=ADAPTERS[provider], connection=connection)
    found = list_models(caller(), organization(one), {1: ()} if listed is None else listed)
    return {model.id: model for model in found}


@pytest.mark.parametrize(
    ("provider", "name", "surfaces"),
    [
        ("openai", "tts-1", (SPEECH,)),
        ("openai", "tts-1-hd", (SPEECH,)),
        ("openai", "gpt-4o-mini-tts", (SPEECH,)),
        ("openai", "whisper-1", (TRANSCRIPTIONS,)),
        ("openai", "gpt-4o-transcribe-diarize", (TRANSCRIPTIONS,)),
        ("openai", "gpt-4o", ("chat.completions",)),
        ("openai", "gpt-4o-audio-preview", ("chat.completions",)),
        ("openai", "text-embedding-3-small", ("embeddings",)),
        ("azure", "my-whisper", (TRANSCRIPTIONS,)),
        ("groq", "playai-tts", (SPEECH,)),
        ("groq", "whisper-large-v3-turbo", (TRANSCRIPTIONS,)),
        ("mistral", "voxtral-mini-latest", (TRANSCRIPTIONS,)),
        ("mistral", "voxtral-small-latest", ("chat.completions",)),
        ("elevenlabs", "eleven_v3", (SPEECH,)),
        ("elevenlabs", "scribe_v1", (TRANSCRIPTIONS,)),
    ],
)
def test_a_models_name_says_what_it_is_for(provider: str, name: str, surfaces: tuple[str, ...]) -> None:
    assert models(provider, name)[name].surfaces == surfaces


@pytest.mark.parametrize(
    ("provider", "name"),
    [("cerebras", "whisper-1"), ("mistral", "x-tts"), ("elevenlabs", "gpt-4o"), ("nebius", "tts-1")],
)
def test_a_model_that_its_provider_does_not_offer_is_not_listed(provider: str, name: str) -> None:
    assert name not in models(provider, name)


def test_openais_voices_are_always_the_same() -> None:
    found = models("openai", "tts-1 whisper-1")
    assert found["tts-1"].supported_voices == (
        "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage",
        "shimmer", "verse",
    )  # fmt: skip
    assert found["whisper-1"].supported_voices == ()


def test_elevenlabs_voices_are_the_named_ones_and_the_accounts() -> None:
    listed = {
        1: (
            ListedModel("eleven_v3", (SPEECH,), voices=(RACHEL,)),
            ListedModel("scribe_v1", (TRANSCRIPTIONS,)),
        )
    }
    found = models("elevenlabs", "eleven_v3", listed, voices={"nova": RACHEL, "alloy": RACHEL})
    assert found["eleven_v3"].supported_voices == ("alloy", "nova", RACHEL)
    assert [model.id for model in on_surface(found.values(), SPEECH)] == ["eleven_v3"]
    assert found["eleven_v3"].model_ref == "elevenlabs/eleven_v3"
