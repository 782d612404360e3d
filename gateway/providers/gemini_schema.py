"""JSON schemas for Gemini: cleaned where it takes them as they are, else put into its subset of OpenAPI 3.0.

Reference: ai.google.dev/api/caching#Schema. Callers' schemas are never changed; what is returned is new where
it differs.
"""

from typing import Any

_META = ("$schema", "$id")
# What gives a schema without properties a meaning of its own.
_OPEN = ("$ref", "anyOf", "oneOf", "allOf", "patternProperties")
_KEPT = frozenset(
    {
        "type", "description", "enum", "items", "properties", "required", "nullable", "anyOf", "minItems",
        "maxItems", "minLength", "maxLength", "minimum", "maximum", "minProperties", "maxProperties",
        "propertyOrdering",
    }
)  # fmt: skip
_FORMATS = frozenset({"date-time", "enum", "int32", "int64", "float", "double"})
_DEPTH = 32  # levels; below, anything goes: an object
_SIZE = 5000  # schemas in a schema; references that are resolved again and again would grow without end


def clean_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema without the names that Gemini doesn't know."""
    if not any(name in schema for name in _META):
        return schema
    return {name: value for name, value in schema.items() if name not in _META}


def takes_arguments(schema: dict[str, Any]) -> bool:
    """Tell whether a function with these parameters takes any: a schema that says no is better left out."""
    if schema.get("properties") or any(name in schema for name in _OPEN):
        return True
    return bool(schema.get("additionalProperties"))


def openapi_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON schema in Gemini's subset of OpenAPI: references resolved, what it lacks left out."""
    return _Converter(schema).convert(schema, ())


class _Converter:
    """Converts one schema. `path` holds the references that led to where it is, to end recursion."""

    __slots__ = ("_left", "_root")

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._left = _SIZE

    def convert(self, schema: Any, path: tuple[str, ...]) -> dict[str, Any]:
        """Return the converted schema; what is no schema, or refers to itself, becomes any object."""
        self._left -= 1
        if not isinstance(schema, dict) or len(path) > _DEPTH or self._left < 0:
            return {"type": "object"}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target = None if reference in path else self._resolve(reference)
            if target is None:
                return {"type": "object"}
            siblings = {name: value for name, value in schema.items() if name != "$ref"}
            return self.convert({**target, **siblings}, (*path, reference))
        path = (*path, "")
        merged = self._merge_all_of(schema)
        found = {name: value for name, value in merged.items() if name in _KEPT}
        self._set_alternatives(found, merged, path)
        _set_type(found)
        _set_enum(found, merged)
        if merged.get("format") in _FORMATS:
            found["format"] = merged["format"]
        self._set_children(found, path)
        return found

    def _resolve(self, reference: str) -> dict[str, Any] | None:
        if not reference.startswith("#/"):
            return self._root if reference == "#" else None
        found: Any = self._root
        for name in reference[2:].split("/"):
            found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else None

    def _merge_all_of(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema with the members of allOf in it; properties and required names come together."""
        merged = {name: value for name, value in schema.items() if name != "allOf"}
        for part in _list(schema.get("allOf")):
            reference = part.get("$ref") if isinstance(part, dict) else None
            found = _dict(self._resolve(reference) if isinstance(reference, str) else part)
            properties = {**_dict(merged.get("properties")), **_dict(found.get("properties"))}
            required = [*_list(merged.get("required")), *_list(found.get("required"))]
            merged = {**found, **merged}
            if properties:
                merged["properties"] = properties
            if required:
                merged["required"] = required
        return merged

    def _set_alternatives(self, found: dict[str, Any], merged: dict[str, Any], path: tuple[str, ...]) -> None:
        options = [*_list(merged.get("anyOf")), *_list(merged.get("oneOf"))]
        found.pop("anyOf", None)
        others = [option for option in options if not _is_null(option)]
        if len(others) < len(options):
            found["nullable"] = True
        if len(others) == 1:
            found.update({**self.convert(others[0], path), **found})
        elif others:
            found["anyOf"] = [self.convert(option, path) for option in others]

    def _set_children(self, found: dict[str, Any], path: tuple[str, ...]) -> None:
        properties = found.get("properties")
        if isinstance(properties, dict):
            found["properties"] = {name: self.convert(child, path) for name, child in properties.items()}
            required = dict.fromkeys(name for name in _list(found.get("required")) if isinstance(name, str))
            found["required"] = [name for name in required if name in properties]
        if not found.get("required") or not properties:
            found.pop("required", None)
        if "items" in found:
            found["items"] = self.convert(found["items"], path)
        elif found.get("type") == "array":
            found["items"] = {"type": "string"}


def _set_type(found: dict[str, Any]) -> None:
    """Make a list of types one type, with nullable or anyOf."""
    kind = found.get("type")
    if not isinstance(kind, list):
        return
    del found["type"]
    kinds = [name for name in kind if name != "null"]
    if len(kinds) < len(kind):
        found["nullable"] = True
    if len(kinds) == 1:
        found["type"] = kinds[0]
    elif kinds and "anyOf" not in found:
        found["anyOf"] = [{"type": name} for name in kinds]


def _set_enum(found: dict[str, Any], merged: dict[str, Any]) -> None:
    """Write the values of enum, or the one of const, as strings: Gemini knows no others."""
    values = merged["enum"] if "enum" in merged else [merged["const"]] if "const" in merged else None
    if not isinstance(values, list):
        found.pop("enum", None)
        return
    if None in values:
        found["nullable"] = True
    found["enum"] = [
        value if isinstance(value, str) else _literal(value) for value in values if value is not None
    ]
    if found.get("type", "string") != "string":
        found["type"] = "string"
        for name in ("minimum", "maximum"):
            found.pop(name, None)
    found.setdefault("type", "string")


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_null(option: Any) -> bool:
    return isinstance(option, dict) and option.get("type") == "null"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
