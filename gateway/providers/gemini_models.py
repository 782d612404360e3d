"""What differs between Gemini's models, by their names: generation, thinking, what a request may hold.

Reference: ai.google.dev/gemini-api/docs/thinking and .../models; wire facts of Nov 2026. Names that tell no
generation (aliases such as gemini-flash-latest) are of the newest; names of other families think nothing.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

_GENERATION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")
_NEWEST = (99, 0)
_OTHER_FAMILY = (0, 0)
_NO_THINKING = re.compile(r"image|tts|embedding|live|native-audio|computer-use")

_BUDGETS: Mapping[str, int] = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_LEAST_OF_PRO = 128  # tokens: it cannot be without
_MOST, _MOST_OF_PRO = 24576, 32768
_LEVELS: Mapping[str, str] = {
    "none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH",
    "xhigh": "XHIGH", "max": "XHIGH",
}  # fmt: skip
_LEVELS_OF_3_PRO = {"MINIMAL": "LOW", "LOW": "LOW"}  # all others: HIGH


@lru_cache(maxsize=512)
def generation(model: str) -> tuple[int, int]:
    """Return a Gemini model's generation, such as (2, 5); (0, 0) for models of other families."""
    match = _GENERATION.search(model)
    if match is not None:
        return int(match[1]), int(match[2] or 0)
    return _NEWEST if "gemini-" in model else _OTHER_FAMILY


def signs_thoughts(model: str) -> bool:
    """Tell whether the model answers 400 to a step of tool calls without a thought signature."""
    return generation(model) >= (3, 0)


def takes_json_schema(model: str) -> bool:
    """Tell whether the model takes JSON schemas as they are, and not only the subset of OpenAPI."""
    return not (0, 0) < generation(model) < (2, 5)


def takes_tools_with_json(model: str) -> bool:
    """Tell whether tools and a response MIME type may be in one request."""
    return generation(model) >= (3, 0)


def fetches_images(model: str) -> bool:
    """Tell whether the model takes images by an https address."""
    return generation(model)[0] != 2 or generation(model) >= (2, 5)


def thinking_config(model: str, effort: str) -> dict[str, Any] | None:
    """Return thinkingConfig for OpenAI's reasoning effort; None for a model that doesn't think."""
    found = generation(model)
    if found < (2, 5) or _NO_THINKING.search(model):
        return None
    config: dict[str, Any] = {} if effort == "none" else {"includeThoughts": True}
    is_pro = "-pro" in model
    if found < (3, 0):
        most = _MOST_OF_PRO if is_pro else _MOST
        budget = _BUDGETS.get(effort, most)
        config["thinkingBudget"] = max(budget, _LEAST_OF_PRO) if is_pro else budget
        return config
    level = _LEVELS[effort]
    if found == (3, 0) and is_pro:
        level = _LEVELS_OF_3_PRO.get(level, "HIGH")
    config["thinkingLevel"] = level
    return config


@lru_cache(maxsize=512)
def model_path(model: str) -> str:
    """Return the path of a model below the API's version: `models/...`, or as it is for a tuned model."""
    if model.startswith("tunedModels/"):
        return f"tunedModels/{quote(model.removeprefix('tunedModels/'), safe='')}"
    return f"models/{quote(model.removeprefix('models/'), safe='@')}"
