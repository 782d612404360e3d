"""Bedrock's Converse, judged by botocore: its validator, and the patterns and lengths of its model."""

import base64
import binascii
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

_MODEL_ID = "amazon.nova-pro-v1:0"  # in the path, not in the body


@cache
def service() -> ServiceModel:
    """Return botocore's model of bedrock-runtime."""
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def converse_problems(body: dict[str, Any], operation: str = "Converse") -> list[str]:
    """Return what botocore would refuse to send, or the service to take."""
    shape = service().operation_model(operation).input_shape
    assert shape is not None
    try:
        parameters = _parameters({"modelId": _MODEL_ID, **body}, shape)
    except binascii.Error as problem:
        return [f"not base64: {problem}"]
    report = ParamValidator().validate(parameters, shape)
    found = report.generate_report().splitlines() if report.has_errors() else []
    return found + list(_out_of_bounds(parameters, shape, "$"))


def _parameters(value: Any, shape: Shape) -> Any:
    """Return the JSON as the SDK takes it: bytes where the wire has base64."""
    if isinstance(shape, StructureShape) and isinstance(value, dict) and not shape.is_document_type:
        members = shape.members
        return {
            name: _parameters(each, members[name]) if name in members else each
            for name, each in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_parameters(each, shape.member) for each in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: _parameters(each, shape.value) for name, each in value.items()}
    return base64.b64decode(value, validate=True) if shape.type_name == "blob" else value


def _out_of_bounds(value: Any, shape: Shape, path: str) -> Iterator[str]:
    """Yield what breaks a pattern, a maximum or an enumeration, none of which the validator looks at."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        if not shape.is_document_type:
            for name, each in value.items():
                if name in shape.members:
                    yield from _out_of_bounds(each, shape.members[name], f"{path}.{name}")
        if shape.is_tagged_union and len(value) != 1:
            yield f"{path}: {list(value)} where one of {list(shape.members)} must be set"
        return
    if isinstance(shape, ListShape) and isinstance(value, list):
        for index, each in enumerate(value):
            yield from _out_of_bounds(each, shape.member, f"{path}[{index}]")
    if isinstance(shape, MapShape) and isinstance(value, dict):
        for name, each in value.items():
            yield from _out_of_bounds(name, shape.key, f"{path} key")
            yield from _out_of_bounds(each, shape.value, f"{path}.{name}")
    yield from _breaks_bounds(value, shape, path)


def _breaks_bounds(value: Any, shape: Shape, path: str) -> Iterator[str]:
    bounds = shape.metadata
    if isinstance(value, str):
        # The leading (?s) and the like are Java's; Python takes the same ones.
        if "pattern" in bounds and not re.search(rf"\A(?:{bounds['pattern']})\Z", value):
            yield f"{path}: {value!r} does not match {bounds['pattern']}"
        if "enum" in bounds and value not in bounds["enum"]:
            yield f"{path}: {value!r} is none of {bounds['enum']}"
    if "max" in bounds:
        size = len(value) if isinstance(value, str | list | dict | bytes) else value
        if isinstance(size, int | float) and size > bounds["max"]:
            yield f"{path}: {size} is more than {bounds['max']}"
