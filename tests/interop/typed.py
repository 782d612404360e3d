"""A strict reading of the types in the providers' SDKs.

The SDKs check little of what they send: TypedDicts aren't checked at all, most models take any key, and
pydantic coerces. Here a JSON value must be what the type says, with no key that the type doesn't have.
"""

import base64
import binascii
import enum
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, TypeVar, Union, get_args, get_origin

import pydantic
from google.genai._common import CaseInSensitiveEnum
from typing_extensions import TypeAliasType, is_typeddict
from typing_extensions import get_type_hints as extended_type_hints

_WRAPPERS = (Annotated, Required, NotRequired)
_LISTS = {list, Iterable, Sequence, typing.List, typing.Iterable, typing.Sequence, tuple}  # noqa: UP006
_MAPPINGS = {dict, Mapping}


def violations(value: Any, type_: Any, path: str = "$") -> list[str]:
    """Return what is wrong with a JSON value, each with its path; nothing when it is what the type says."""
    if type_ is Any or type_ is object or isinstance(type_, TypeVar):
        return []
    if isinstance(type_, TypeAliasType):
        return violations(value, type_.__value__, path)
    origin, arguments = get_origin(type_), get_args(type_)
    if isinstance(origin, TypeAliasType):
        return violations(value, origin.__value__[arguments], path)
    if origin in _WRAPPERS:
        return violations(value, arguments[0], path)
    if origin in (Union, types.UnionType):
        return _of_any_branch(value, arguments, path)
    if origin is Literal:
        fits = any(value == each and type(value) is type(each) for each in arguments)
        return [] if fits else [f"{path}: {value!r} is none of {arguments}"]
    if origin in _LISTS:
        return _of_items(value, arguments[0], path)
    if origin in _MAPPINGS or type_ is dict:
        return _of_values(value, arguments[1] if arguments else Any, path)
    return _of_class(value, type_, path)


def _of_class(value: Any, type_: Any, path: str) -> list[str]:
    if is_typeddict(type_):
        return _of_keys(value, _typed_dict(type_), path)
    if isinstance(type_, type) and issubclass(type_, pydantic.BaseModel):
        return _of_keys(value, _model(type_), path)
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return _of_words(value, type_, path)
    return (
        [] if _is_scalar(value, type_) else [f"{path}: {value!r} is no {getattr(type_, '__name__', type_)}"]
    )


def _of_words(value: Any, type_: type[enum.Enum], path: str) -> list[str]:
    words = {each.value for each in type_}
    # Google's API takes its words in any case, and so does its SDK.
    known = value.upper() if isinstance(value, str) and issubclass(type_, CaseInSensitiveEnum) else value
    return [] if known in words or value in words else [f"{path}: {value!r} is none of {sorted(words)}"]


def _is_scalar(value: Any, type_: Any) -> bool:
    if type_ in (None, type(None)):
        return value is None
    if type_ is bytes:
        return isinstance(value, str) and _is_base64(value)
    if type_ is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if type_ is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(type_, type) and isinstance(value, type_)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _of_any_branch(value: Any, branches: Sequence[Any], path: str) -> list[str]:
    """Return nothing when one branch fits, else what is wrong with the branch that fits best."""
    if value is not None:
        branches = [branch for branch in branches if branch is not type(None)]
    found = [violations(value, branch, path) for branch in branches if not _is_other_variant(value, branch)]
    return min(found, key=len) if found else [f"{path}: {value!r} is none of the variants"]


def _is_other_variant(value: Any, branch: Any) -> bool:
    """Return whether the branch is an object of another `type` or `role`: its violations would mislead."""
    if not isinstance(value, dict):
        return False
    fields = _fields(branch)
    tags = ((name, fields[name].type) for name in ("type", "role") if fields is not None and name in fields)
    return any(get_origin(tag) is Literal and value.get(name) not in get_args(tag) for name, tag in tags)


def _of_items(value: Any, type_: Any, path: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{path}: {value!r} is no list"]
    return [
        found for index, each in enumerate(value) for found in violations(each, type_, f"{path}[{index}]")
    ]


def _of_values(value: Any, type_: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no object"]
    return [found for name, each in value.items() for found in violations(each, type_, f"{path}.{name}")]


class _Field(typing.NamedTuple):
    type: Any
    required: bool


def _of_keys(value: Any, fields: Mapping[str, _Field], path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no object"]
    missing = [f"{path}.{name} is missing" for name, field in fields.items() if field.required]
    found = [each for each in missing if each.removesuffix(" is missing").rpartition(".")[2] not in value]
    for name, each in value.items():
        if name in fields:
            found += violations(each, fields[name].type, f"{path}.{name}")
        else:
            found.append(f"{path}.{name} is unknown")
    return found


def _fields(type_: Any) -> Mapping[str, _Field] | None:
    while get_origin(type_) in _WRAPPERS:
        type_ = get_args(type_)[0]
    if is_typeddict(type_):
        return _typed_dict(type_)
    is_model = isinstance(type_, type) and issubclass(type_, pydantic.BaseModel)
    return _model(type_) if is_model else None


@cache
def _typed_dict(type_: Any) -> Mapping[str, _Field]:
    hints = extended_type_hints(type_, include_extras=True)
    return {name: _Field(_unwrapped(hint), _is_required(type_, name, hint)) for name, hint in hints.items()}


def _is_required(type_: Any, name: str, hint: Any) -> bool:
    # Under `from __future__ import annotations` the keys of a TypedDict that isn't total lose their marks.
    return get_origin(hint) is Required or (
        name in type_.__required_keys__ and get_origin(hint) is not NotRequired
    )


def _unwrapped(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint


@cache
def _model(type_: type[pydantic.BaseModel]) -> Mapping[str, _Field]:
    type_.model_rebuild()
    return {
        field.serialization_alias or field.alias or name: _Field(field.annotation, field.is_required())
        for name, field in type_.model_fields.items()
    }
