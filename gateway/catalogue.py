"""Which models a caller may ask for: the list behind GET /models. Pure."""

import re
from collections.abc import Iterable, Mapping

import msgspec

from gateway.plan import leads_to
from gateway.types import Caller, ListedModel, OrganizationSnapshot, Target

Listed = Mapping[int, tuple[ListedModel, ...]]  # credential id: its provider's model list

CHAT, EMBEDDINGS = "chat.completions", "embeddings"
SPEECH, TRANSCRIPTIONS = "audio.speech", "audio.transcriptions"
# Where nobody says what a model is for, its name does: the first that fits, else it is for chat.
_BY_NAME = (
    (re.compile(r"embed"), EMBEDDINGS),
    (re.compile(r"(?<![a-z0-9])tts(?![a-z0-9])|^eleven_|orpheus"), SPEECH),
    (re.compile(r"whisper|transcribe|^scribe_|voxtral-mini"), TRANSCRIPTIONS),
)


class Model(msgspec.Struct, frozen=True):
    """One model of the list, in OpenAI's shape plus what model pickers of coding agents read."""

    id: str
    created: int
    owned_by: str
    model_ref: str  # provider/model, valid as a model name too
    display_name: str
    surfaces: tuple[str, ...]
    supported_voices: tuple[str, ...] = ()  # of a model for speech, as far as they are known
    object: str = "model"


def list_models(caller: Caller, organization: OrganizationSnapshot, listed: Listed) -> list[Model]:
    """Return every model that the caller may use, configured or listed, once each, sorted by id."""
    found: dict[str, Model] = {}
    for target in organization.targets:
        if not target.visible_to(caller):
            continue
        for entry in _offered(target, listed):
            model = _describe(entry, target, organization)
            if model.id not in found and (caller.may_use(entry.id) or caller.may_use(model.model_ref)):
                found[model.id] = model
    return [found[name] for name in sorted(found) if found[name].surfaces]


def _offered(target: Target, listed: Listed) -> Iterable[ListedModel]:
    """Return what the credential names and what its provider lists; the list knows more of a name."""
    models = {entry.id: entry for entry in listed.get(target.credential_id, target.adapter.known_models)}
    return ({name: ListedModel(name) for name in target.models} | models).values()


def on_surface(models: Iterable[Model], surface: str) -> list[Model]:
    """Return the models of one surface, such as `chat.completions`."""
    return [model for model in models if surface in model.surfaces]


def find_model(name: str, caller: Caller, organization: OrganizationSnapshot, listed: Listed) -> Model | None:
    """Return the model of that id or `provider/model` reference, if the caller may use it."""
    for model in list_models(caller, organization, listed):
        if name in {model.id, model.model_ref}:
            return model
    return None


def _describe(entry: ListedModel, target: Target, organization: OrganizationSnapshot) -> Model:
    """Return the model under its own name, or under `provider/model` where its own leads elsewhere."""
    model_ref = f"{target.provider}/{entry.id}"
    surfaces = entry.surfaces or _surfaces(entry.id, target)
    return Model(
        id=entry.id if leads_to(entry.id, target, organization) else model_ref,
        created=entry.created,
        owned_by=target.provider,
        model_ref=model_ref,
        display_name=entry.display_name or entry.id,
        surfaces=surfaces,
        supported_voices=_voices(entry, target) if SPEECH in surfaces else (),
    )


def _surfaces(name: str, target: Target) -> tuple[str, ...]:
    """Return the endpoints that a model serves, by its name; none where its provider doesn't offer them."""
    adapter = target.adapter
    offered = {
        CHAT: adapter.build_chat,
        EMBEDDINGS: adapter.build_embeddings,
        SPEECH: adapter.build_speech,
        TRANSCRIPTIONS: adapter.build_transcription,
    }
    lowered = name.lower()
    surface = next((surface for pattern, surface in _BY_NAME if pattern.search(lowered)), CHAT)
    return (surface,) if offered[surface] is not None else ()


def _voices(entry: ListedModel, target: Target) -> tuple[str, ...]:
    """Return the names of the credential's voice map, then the provider's voices."""
    named = sorted(target.connection.options.get("voices", ()))
    return tuple(dict.fromkeys((*named, *(entry.voices or target.adapter.known_voices))))
