"""What each Claude model takes, by its id. Facts of November 2026.

Ids: claude-opus-4-7, claude-opus-4-20250514, claude-sonnet-4-5@20250929, claude-3-5-haiku-latest, with any
prefix. An id that tells no version is taken for a new model, except that its sampling fields are sent.
Reference: platform.claude.com/docs, models overview and the migration guides.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_NAMED = re.compile(r"claude-(?P<family>[a-z]+)-(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2}))?(?!\d)")
_NUMBERED = re.compile(r"claude-(?P<major>\d)(?:[-.](?P<minor>\d{1,2}))?(?:-(?P<family>[a-z]+))?(?!\d)")
_FIFTH_GENERATION_ONLY = re.compile(r"claude-(?P<family>fable|mythos)\b")
ADAPTIVE, BUDGET = "adaptive", "enabled"  # values of thinking.type; empty: the model cannot think


@dataclass(frozen=True, slots=True)
class ModelRules:
    """What a model takes. `thinking` is the type to ask for; `forced_tools`: tool_choice any and tool."""

    sampling: bool = True
    temperature_with_top_p: bool = True
    thinking: str = ADAPTIVE
    structured_outputs: bool = True  # output_config.format, strict tools
    forced_tools: bool = True
    system_turns: bool = False  # role system inside messages


@lru_cache(maxsize=256)
def rules_for(model: str) -> ModelRules:
    """Return the rules of a model id."""
    family, version = _read(model.lower())
    if version is None:
        return ModelRules()
    return ModelRules(
        sampling=version < (4, 7),
        temperature_with_top_p=version < (4, 1),
        thinking=ADAPTIVE if version >= (4, 6) else BUDGET if version >= (3, 7) else "",
        structured_outputs=version >= (4, 5),
        forced_tools=version <= (5, 0),
        system_turns=_takes_system_turns(family, version),
    )


def is_known(model: str) -> bool:
    """Tell whether the id says what the model is."""
    return _read(model.lower())[1] is not None


def _read(model: str) -> tuple[str, tuple[int, int] | None]:
    found = _NAMED.search(model) or _NUMBERED.search(model)
    if found is not None:
        return found["family"] or "", (int(found["major"]), int(found["minor"] or 0))
    found = _FIFTH_GENERATION_ONLY.search(model)  # claude-mythos-preview
    return (found["family"], (5, 0)) if found is not None else ("", None)


def _takes_system_turns(family: str, version: tuple[int, int]) -> bool:
    """Opus from 4.8 on, Fable and Mythos from 5 on; Sonnet and Haiku from 5.5 on."""
    if family == "opus":
        return version >= (4, 8)
    return version >= ((5, 0) if family in {"fable", "mythos"} else (5, 5))
