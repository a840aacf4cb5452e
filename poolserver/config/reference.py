"""The reference of all settings, for docs/configuration.md: made of their definitions."""

from collections.abc import Iterator
from fractions import Fraction
from inspect import cleandoc
from typing import Any

from msgspec import inspect

from poolserver.config.kinds import figure
from poolserver.config.settings import Config
from poolserver.config.walk import unwrap


def settings_reference() -> str:
    """Markdown: a heading and a table for each section, in the order of ``Config``."""
    return "\n".join(_section(inspect.type_info(Config), "Top of the file", "")).rstrip()


def _section(node: inspect.Type, heading: str, path: str) -> Iterator[str]:
    """``path`` is what stands before the names of the sections in this one."""
    assert isinstance(node, inspect.StructType), node
    yield f"### {heading}\n"
    for_operators = cleandoc(node.cls.__doc__ or "").split("\n\n")[0]
    yield for_operators.replace("\n", " ") + "\n"
    yield "| setting | value | default | meaning |"
    yield "| --- | --- | --- | --- |"
    below: list[tuple[str, inspect.StructType, str]] = []
    for field in node.fields:
        match unwrap(field.type)[0]:
            case inspect.StructType() as section:
                below.append((f"`[{path}{field.name}]`", section, f"{path}{field.name}."))
            case inspect.VarTupleType(item_type=inspect.StructType() as sections):
                below.append((f"`[[{path}{field.name}]]`", sections, f"{path}{field.name}."))
            case _:
                yield _row(field)
    yield ""
    for name, each, path_of_it in below:
        yield from _section(each, name, path_of_it)


def _row(field: inspect.Field) -> str:
    assert isinstance(field.type, inspect.Metadata), f"{field.name} has no description"
    meaning = (field.type.extra_json_schema or {})["description"]
    in_words = (field.type.extra or {}).get("default")
    default = "required" if field.required else in_words or _default(field.default)
    return f"| `{field.name}` | {_words(field.type)} | {default} | {meaning} |"


def _words(node: inspect.Type) -> str:
    bare, kind = unwrap(node)
    if isinstance(bare, inspect.VarTupleType):
        return f"list of {_words(bare.item_type)}"
    assert kind is not None, node
    return kind.words


def _default(value: Any) -> str:
    written = default_as_written(value)
    return f"`{written}`" if written and written != "[]" else "none"


def default_as_written(value: Any) -> str:
    """A default as it would be written in TOML; empty where there is none."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float() | Fraction():
            return figure(value)
        case tuple() if type(value) is tuple:
            written = ", ".join(f'"{each}"' for each in value)
            return f"[{written}]"
    return f'"{value}"'
