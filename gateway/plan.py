"""Which targets a request may go to, and in which order. Pure: the random draw is an argument.

The rule (a model name without a route):

1. targets whose default model, or model list, has the name: per provider+model group, by weight;
2. none: the targets of the provider that the name belongs to, by `provider/model` or by the catalogue;
3. none: the targets whose provider lists the name, as far as its list is known;
4. none: ModelNotFound.

The first target of a plan is the weighted choice; the rest follow as an ordered fallback.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from credentials.kinds import KINDS
from gateway.errors import ModelNotFound
from gateway.types import Caller, OrganizationSnapshot, Step, Target

Listed = Mapping[int, frozenset[str]]  # credential id: the models that its provider lists
NOTHING_LISTED: Listed = MappingProxyType({})

_CATALOGUE = tuple((prefix, kind.slug) for kind in KINDS.values() for prefix in kind.model_prefixes)


def make_plan(
    model: str,
    caller: Caller,
    organization: OrganizationSnapshot,
    draw: float,
    listed: Listed = NOTHING_LISTED,
) -> tuple[Step, ...]:
    """Return the steps to try in order, at least one; `draw` is uniform in [0, 1).

    `listed` holds the providers' own model lists, by credential id; those of others do no harm.

    Raises ModelNotFound when the caller may not use the model or no target of theirs serves it.
    """
    upstream_model, groups = find_groups(model, organization, listed)
    if not (caller.may_use(model) or caller.may_use(upstream_model)):
        raise ModelNotFound(model)
    steps: list[Step] = []
    for group in groups:
        visible = [target for target in group if target.visible_to(caller)]
        steps += [Step(target, upstream_model) for target in weighted_order(visible, draw)]
    if not steps:
        raise ModelNotFound(model)
    return tuple(steps)


def find_groups(
    model: str, organization: OrganizationSnapshot, listed: Listed = NOTHING_LISTED
) -> tuple[str, Sequence[Sequence[Target]]]:
    """Return the model to ask the provider for, and the provider+model groups that serve it, best first."""
    if groups := organization.by_model.get(model):
        return model, groups
    provider, separator, bare = model.partition("/")
    if separator and bare and provider in organization.by_provider:
        own = organization.by_provider[provider]
        if _listing(model, own, listed):  # its own name has the slash: openrouter/auto
            return model, [own]
        return bare, [[target for target in own if bare in target.models] or own]
    if own := organization.by_provider.get(provider_of(model), ()):
        return model, [own]
    return model, list(index_by_provider(_listing(model, organization.targets, listed)).values())


def leads_to(model: str, target: Target, organization: OrganizationSnapshot) -> bool:
    """Tell whether the bare name of a model that the target's provider lists is planned to the target."""
    if groups := organization.by_model.get(model):
        return any(target in group for group in groups)
    provider, separator, bare = model.partition("/")
    if not (separator and bare and provider in organization.by_provider):
        provider = provider_of(model)
    return provider == target.provider or provider not in organization.by_provider


def _listing(model: str, targets: Iterable[Target], listed: Listed) -> list[Target]:
    """Return the targets whose provider is known to list the model."""
    return [target for target in targets if model in listed.get(target.credential_id, ())]


def provider_of(model: str) -> str:
    """Return the slug of the provider whose catalogue the name belongs to, else an empty string."""
    for prefix, provider in _CATALOGUE:
        if model.startswith(prefix):
            return provider
    return ""


def weighted_order(targets: Sequence[Target], draw: float) -> list[Target]:
    """Order targets by weighted choice without replacement; those of weight 0 come last.

    One draw is enough: what is left of it inside the chosen target's share is uniform again.
    """
    if len(targets) < 2:
        return list(targets)
    remaining = [target for target in targets if target.weight > 0]
    ordered: list[Target] = []
    while len(remaining) > 1:
        index, draw = _choose(remaining, draw)
        ordered.append(remaining.pop(index))
    return ordered + remaining + [target for target in targets if target.weight <= 0]


def _choose(targets: Sequence[Target], draw: float) -> tuple[int, float]:
    """Return the index that the draw falls on, and the draw rescaled within its share."""
    point = draw * sum(target.weight for target in targets)
    for index, target in enumerate(targets):
        if point < target.weight:
            return index, point / target.weight
        point -= target.weight
    return len(targets) - 1, 0.0  # rounding put the point past the last share


def index_by_model(targets: Iterable[Target]) -> Mapping[str, tuple[tuple[Target, ...], ...]]:
    """Index targets by the models they name; groups and their members keep the order of `targets`."""
    found: dict[str, dict[str, list[Target]]] = defaultdict(lambda: defaultdict(list))
    for target in targets:
        for model in target.models:
            found[model][target.provider].append(target)
    return {
        model: tuple(tuple(group) for group in by_provider.values()) for model, by_provider in found.items()
    }


def index_by_provider(targets: Iterable[Target]) -> Mapping[str, tuple[Target, ...]]:
    """Index targets by provider, in the order of `targets`."""
    found: dict[str, list[Target]] = defaultdict(list)
    for target in targets:
        found[target.provider].append(target)
    return {provider: tuple(group) for provider, group in found.items()}
