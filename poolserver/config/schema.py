"""The JSON Schema of a configuration (draft 2020-12), made of the settings' definitions.

It refuses what is wrong by itself: unknown names, missing ones, wrong types, numbers out of range.
What settings must be together only ``poolserver check-config`` knows. JSON has one kind of number,
so that 1.0 is an integer to it, and to TOML it is not.
"""

import json
from datetime import datetime
from fractions import Fraction
from inspect import cleandoc
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from poolserver.config.kinds import figure
from poolserver.config.settings import Config
from poolserver.config.values import Endpoint
from poolserver.config.walk import unwrap

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def config_schema() -> str:
    """Of the whole configuration, as JSON text."""
    found = schema_of(Config)
    return json.dumps({"$schema": DIALECT, "title": "poolserver", **found}, indent=1)


def schema_of(section: type[msgspec.Struct]) -> dict[str, Any]:
    """Of a section, with all below it."""
    return _section(inspect.type_info(section))


def _section(node: inspect.Type) -> dict[str, Any]:
    assert isinstance(node, inspect.StructType), node
    return {
        "description": cleandoc(node.cls.__doc__ or "").split("\n\n")[0].replace("\n", " "),
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in node.fields if _must_be(field)],
        "properties": {field.name: _field(field) for field in node.fields},
    }


def _must_be(field: inspect.Field) -> bool:
    """Whether it must stand in the file: a section need not, if all in it has a default."""
    if not field.required:
        return False
    bare, _ = unwrap(field.type)
    if isinstance(bare, inspect.VarTupleType):
        return bool(bare.min_length)
    return not isinstance(bare, inspect.StructType) or any(map(_must_be, bare.fields))


def _field(field: inspect.Field) -> dict[str, Any]:
    found = dict(_value(field.type))
    default, in_words = _plain(field.default), None
    if isinstance(field.type, inspect.Metadata):
        told, extra = field.type.extra_json_schema or {}, field.type.extra or {}
        in_words = extra.get("default")
        if "description" in told:
            ending = f" Default: {in_words}." if in_words else ""
            found["description"] = f"{told['description']}{ending}"
    if default is not None and in_words is None:
        found["default"] = default
    return found


def _value(node: inspect.Type) -> dict[str, Any]:
    bare, kind = unwrap(node)
    if kind is not None:
        return dict(kind.schema)
    if isinstance(bare, inspect.StructType):
        return _section(bare)
    assert isinstance(bare, inspect.VarTupleType), bare
    least = {"minItems": bare.min_length} if bare.min_length else {}
    return {"type": "array", **least, "items": _value(bare.item_type)}


def _plain(value: Any) -> Any:
    """A default as JSON has it; None where there is none that could be written."""
    match value:
        case bool() | int() | str():
            return value
        case float() | Fraction() if isfinite(value):
            return int(value) if value == int(value) else float(figure(value))
        case Endpoint() | Path():
            return f"{value}"
        case tuple() if all(isinstance(each, str) for each in value):
            return list(value)
        case datetime():
            return value.isoformat()
    return None
