"""Readers for single values. Each says what it expects: a wrong type is one line, with its number."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from gateway.manifest.reading import NULL, TEXT, Reader, Report, line_of, nearest

BOOL = "tag:yaml.org,2002:bool"
NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
TIMESTAMP = "tag:yaml.org,2002:timestamp"
_TRUE = {"true", "yes", "on"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is: in an environment variable, or in a file."""

    source: str  # "env" or "file"
    place: str


def text(node: yaml.Node, key: str, report: Report) -> str:
    """Read text. A number or a yes is not text: YAML would change it without quotes (1.10 is 1.1)."""
    if isinstance(node, yaml.ScalarNode) and node.tag == TEXT:
        return str(node.value)
    if _is_null(node):
        report.add(line_of(node), f"{key} has no value.")
    elif isinstance(node, yaml.ScalarNode):
        report.add(line_of(node), f'{key} must be text: put quotes around it ("{node.value}").')
    else:
        report.add(line_of(node), f"{key} must be text, not {_shape(node)}.")
    return ""


def flag(node: yaml.Node, key: str, report: Report) -> bool:
    """Read true or false."""
    if isinstance(node, yaml.ScalarNode) and node.tag == BOOL:
        return str(node.value).lower() in _TRUE
    report.add(line_of(node), f"{key} must be true or false, not {_shown(node)}.")
    return False


def number(node: yaml.Node, key: str, report: Report) -> Decimal:
    """Read a decimal number, exactly as written."""
    if isinstance(node, yaml.ScalarNode) and node.tag in NUMBERS and _DECIMAL.fullmatch(node.value):
        try:
            return Decimal(node.value)
        except InvalidOperation:
            pass
    report.add(line_of(node), f"{key} must be a number such as 0.7, not {_shown(node)}.")
    return Decimal(0)


def texts(node: yaml.Node, key: str, report: Report) -> tuple[str, ...]:
    """Read a list of texts."""
    if not isinstance(node, yaml.SequenceNode):
        report.add(line_of(node), f'{key} must be a list such as ["..."], not {_shown(node)}.')
        return ()
    return tuple(text(item, f"each of {key}", report) for item in node.value)


def optional_text(node: yaml.Node, key: str, report: Report) -> str | None:
    """Read text, or null for none."""
    return None if _is_null(node) else text(node, key, report)


def day(node: yaml.Node, key: str, report: Report) -> date | None:
    """Read a date, or null for none."""
    if _is_null(node):
        return None
    try:
        return date.fromisoformat(_scalar(node))
    except ValueError:
        report.add(line_of(node), f"{key} must be a date such as 2027-01-31, not {_shown(node)}.")
        return None


def moment(node: yaml.Node, key: str, report: Report) -> datetime | None:
    """Read a time, or null for none. Without an offset it is UTC; a date is its first moment."""
    if _is_null(node):
        return None
    try:
        found = datetime.fromisoformat(_scalar(node))
    except ValueError:
        report.add(line_of(node), f"{key} must be a time such as 2027-01-31T12:00:00Z, not {_shown(node)}.")
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def one_of(known: Iterable[str]) -> Reader:
    """Return a reader for one of some words."""
    words = tuple(known)

    def read(node: yaml.Node, key: str, report: Report) -> str:
        problems = len(report)
        word = text(node, key, report)
        if len(report) == problems and word not in words:
            report.add(line_of(node), f"{key} cannot be {word!r}: {nearest(word, words)}")
        return word

    return read


def settings(node: yaml.Node, key: str, report: Report) -> dict[str, Any]:
    """Read provider-specific settings: texts, or mappings of text to text."""
    if not isinstance(node, yaml.MappingNode):
        report.add(line_of(node), f"{key} must be a mapping of settings, not {_shown(node)}.")
        return {}
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        name = text(key_node, f"each key of {key}", report)
        if name in found:
            report.add(line_of(key_node), f"{key}.{name} is given twice.")
        if isinstance(value_node, yaml.MappingNode):
            found[name] = _text_mapping(value_node, f"{key}.{name}", report)
        else:
            found[name] = text(value_node, f"{key}.{name}", report)
    return found


def secret(node: yaml.Node, key: str, report: Report) -> SecretReference | None:
    """Read a reference to a secret. What is written in place of one is never repeated in the problem."""
    found = _reference(node)
    if found is None:
        report.add(
            line_of(node),
            f"{key} must say where the secret is: {{env: NAME}} or {{file: PATH}}. It is never written here.",
        )
    elif found.source == "env" and not _VARIABLE.fullmatch(found.place):
        report.add(
            line_of(node), f"{key}.env must be the name of an environment variable, such as OPENAI_API_KEY."
        )
    return found


def _reference(node: yaml.Node) -> SecretReference | None:
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        return None
    source, place = node.value[0]
    if not isinstance(place, yaml.ScalarNode) or _is_null(place) or source.value not in ("env", "file"):
        return None
    return SecretReference(source.value, place.value)


def _text_mapping(node: yaml.MappingNode, key: str, report: Report) -> dict[str, str]:
    found: dict[str, str] = {}
    for name_node, value_node in node.value:
        name = text(name_node, f"each key of {key}", report)
        if name in found:
            report.add(line_of(name_node), f"{key}.{name} is given twice.")
        found[name] = text(value_node, f"{key}.{name}", report)
    return found


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == NULL


def _scalar(node: yaml.Node) -> str:
    """Return a scalar's text if it may be a time. Raises ValueError."""
    if isinstance(node, yaml.ScalarNode) and node.tag in {TEXT, TIMESTAMP}:
        return str(node.value)
    raise ValueError("not a time")


def _shown(node: yaml.Node) -> str:
    return repr(node.value) if isinstance(node, yaml.ScalarNode) else _shape(node)


def _shape(node: yaml.Node) -> str:
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
