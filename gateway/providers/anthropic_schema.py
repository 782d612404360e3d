"""JSON schemas made fit for Claude's structured outputs and strict tools.

Reference: platform.claude.com/docs/en/build-with-claude/structured-outputs. Objects are closed, keywords that
the provider refuses are removed; what cannot be said in its subset is found by `is_expressible`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.providers.chat_answer import encode

MAX_OPTIONAL = 24  # properties outside `required`, in all schemas of a request
MAX_UNIONS = 16  # nodes with anyOf or a list of types, in all schemas of a request
FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_REMOVED = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "pattern", "maxItems", "uniqueItems", "default", "examples",
    }
)  # fmt: skip
_SILENTLY = frozenset({"$schema", "$id"})
_INEXPRESSIBLE = frozenset(
    {
        "patternProperties", "propertyNames", "dependentSchemas", "dependentRequired",
        "unevaluatedProperties", "unevaluatedItems", "not", "if", "prefixItems", "contains", "$dynamicRef",
    }
)  # fmt: skip
_KINDS = frozenset({"type", "properties", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"})
_SCHEMAS = ("items",)  # keywords that hold a schema
_LISTS = ("anyOf", "oneOf", "allOf")  # that hold a list of schemas
_MAPS = ("properties", "$defs", "definitions")  # that hold schemas by name
_DEFINITIONS = ("$defs", "definitions")

Schema = Mapping[str, Any]


def clean_schema(schema: Schema, *, tell: bool) -> dict[str, Any]:
    """Return a copy in the provider's subset. `tell`: put the removed constraints into descriptions."""
    if "$ref" in schema:  # the provider takes nothing beside it but the definitions
        kept: dict[str, Any] = {"$ref": schema["$ref"]}
        kept |= {key: _cleaned(key, schema[key], tell=tell) for key in _DEFINITIONS if key in schema}
        return kept
    cleaned: dict[str, Any] = {}
    removed: list[str] = []
    for key, value in schema.items():
        if _is_removed(key, value):
            removed.append(f"{key}: {encode(value).decode()}")
        elif key not in _SILENTLY:
            cleaned["anyOf" if key == "oneOf" else key] = _cleaned(key, value, tell=tell)
    if _is_object(schema):
        cleaned.setdefault("type", "object")
        cleaned["additionalProperties"] = False
    if removed and tell:
        described = cleaned.get("description")
        before = f"{described}\n\n" if isinstance(described, str) and described else ""
        cleaned["description"] = f"{before}{{{', '.join(removed)}}}"
    return cleaned


def is_expressible(schema: Schema) -> bool:
    """Tell whether the subset can say it: no maps, no recursion, no keyword without a counterpart."""
    nodes = list(_nodes(schema))
    if not all(_is_plain(node) for node in nodes):
        return False
    references = [node["$ref"] for node in nodes if "$ref" in node]
    if not all(isinstance(reference, str) for reference in references):
        return False
    return not references or _ends(schema, set(references))


def count_optional(schema: Schema) -> int:
    """Return how many properties the schema leaves optional, on all levels."""
    return sum(
        len(node["properties"].keys() - _names(node.get("required")))
        for node in _nodes(schema)
        if isinstance(node.get("properties"), dict)
    )


def count_unions(schema: Schema) -> int:
    """Return how many nodes of the schema allow several types."""
    return sum(
        "anyOf" in node or "oneOf" in node or isinstance(node.get("type"), list) for node in _nodes(schema)
    )


def _cleaned(key: str, value: Any, *, tell: bool) -> Any:
    if key in _SCHEMAS and isinstance(value, dict):
        return clean_schema(value, tell=tell)
    if key in _LISTS and isinstance(value, list):
        return [clean_schema(item, tell=tell) if isinstance(item, dict) else item for item in value]
    if key in _MAPS and isinstance(value, dict):
        return {
            name: clean_schema(item, tell=tell) if isinstance(item, dict) else item
            for name, item in value.items()
        }
    return value


def _is_removed(key: str, value: Any) -> bool:
    if key == "minItems":
        return value not in (0, 1)
    if key == "format":
        return not isinstance(value, str) or value not in FORMATS
    return key in _REMOVED


def _is_object(node: Schema) -> bool:
    kind = node.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in node


def _is_plain(node: Schema) -> bool:
    """Tell whether a node says what it is, and nothing that cannot be closed or has no counterpart."""
    return not (node.keys().isdisjoint(_KINDS) or not node.keys().isdisjoint(_INEXPRESSIBLE) or _is_map(node))


def _is_map(node: Schema) -> bool:
    """Tell whether closing the object would leave nothing but `{}`, unless the caller wants just that."""
    if not _is_object(node) or node.get("properties"):
        return False
    if "properties" in node:
        return node.get("additionalProperties", False) is not False
    return node.get("additionalProperties") is not False


def _nodes(schema: Schema) -> Iterator[Schema]:
    """Yield the schema and all schemas in it."""
    yield schema
    for key, value in schema.items():
        for child in _children(key, value):
            yield from _nodes(child)


def _children(key: str, value: Any) -> list[Schema]:
    if key in _SCHEMAS:
        found = [value]
    elif key in _LISTS and isinstance(value, list):
        found = value
    elif key in _MAPS and isinstance(value, dict):
        found = list(value.values())
    else:
        return []
    return [child for child in found if isinstance(child, dict)]


def _ends(schema: Schema, references: set[str]) -> bool:
    """Tell whether no reference leads back to itself, or out of the schema."""
    definitions = {
        f"#/{key}/{name}": {node["$ref"] for node in _nodes(item) if "$ref" in node}
        for key in _DEFINITIONS
        if isinstance(schema.get(key), dict)
        for name, item in schema[key].items()
        if isinstance(item, dict)
    }
    if not references <= definitions.keys():
        return False
    while definitions:
        leaves = {name for name, targets in definitions.items() if targets.isdisjoint(definitions)}
        if not leaves:
            return False
        for name in leaves:
            del definitions[name]
    return True


def _names(required: Any) -> set[str]:
    return {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
