"""Which models a caller may ask for: the list behind GET /models. Pure."""

from collections.abc import Iterable

import msgspec

from gateway.types import Caller, OrganizationSnapshot, Target

CHAT, EMBEDDINGS = "chat.completions", "embeddings"


class Model(msgspec.Struct, frozen=True):
    """One model of the list, in OpenAI's shape plus what model pickers of coding agents read."""

    id: str
    created: int
    owned_by: str
    model_ref: str  # provider/model, valid as a model name too
    display_name: str
    surfaces: tuple[str, ...]
    object: str = "model"


def list_models(caller: Caller, organization: OrganizationSnapshot) -> list[Model]:
    """Return every configured model that the caller may use, once each, sorted by id."""
    found: dict[str, Model] = {}
    for target in organization.targets:
        if not target.visible_to(caller):
            continue
        for name in target.models:
            if name not in found and (caller.may_use(name) or caller.may_use(f"{target.provider}/{name}")):
                found[name] = _describe(name, target)
    return [found[name] for name in sorted(found)]


def on_surface(models: Iterable[Model], surface: str) -> list[Model]:
    """Return the models of one surface, such as `chat.completions`."""
    return [model for model in models if surface in model.surfaces]


def find_model(name: str, caller: Caller, organization: OrganizationSnapshot) -> Model | None:
    """Return the model of that id or `provider/model` reference, if the caller may use it."""
    for model in list_models(caller, organization):
        if name in {model.id, model.model_ref}:
            return model
    return None


def _describe(name: str, target: Target) -> Model:
    return Model(
        id=name,
        created=0,  # unknown: providers are not asked for this list
        owned_by=target.provider,
        model_ref=f"{target.provider}/{name}",
        display_name=name,
        surfaces=_surfaces(name, target),
    )


def _surfaces(name: str, target: Target) -> tuple[str, ...]:
    """Return the endpoints a model serves; the name is the only sign of an embedding model there is."""
    if "embed" in name.lower():
        return (EMBEDDINGS,) if target.adapter.build_embeddings is not None else ()
    return (CHAT,)
