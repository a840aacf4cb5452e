"""A configuration as a file for people: each setting with what it is for, in its own words."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from decimal import Decimal
from inspect import cleandoc
from typing import Any

import msgspec
from msgspec import inspect

from poolserver.config.reference import default_as_written
from poolserver.config.settings import Config
from poolserver.config.walk import unwrap

WIDTH = 98
COMMON: Mapping[str, str] = {
    "instance_id": "",
    "payout.coinbase_tag": "",
    "nodes.zmq_hashblock": '"tcp://127.0.0.1:28332"',
    "listeners.start_difficulty": "65536",
    "auth.accounts": "",
    "http.read_from": "",
    "sites.pue": "",
    "sites.default_j_per_th": "",
    "sites.time_zone": "",
    "log.level": "",
    "log.format": "",
}
"""Settings that many will want to change: they stand in the file as comments, with their default
or what is written here."""

_LINK = re.compile(r"\[([^\]]+)\]\((\w+)\.md\)")

Table = Mapping[str, Any]


def write_config(settings: Table, heading: str) -> str:
    """TOML with ``settings``, a tree as the TOML parser would give it, and with the common
    settings that are not among them as comments. ``heading`` is the first comment.

    What is written is read back as just these settings.
    """
    lines = [*_comment(heading), "", *_section(inspect.type_info(Config), settings, "", "")]
    return "\n".join(lines).rstrip() + "\n"


def _section(node: inspect.Type, settings: Table, path: str, header: str) -> Iterator[str]:
    """The section's own settings first, as TOML wants it, and then those below it."""
    assert isinstance(node, inspect.StructType), node
    if header:
        yield from _comment(cleandoc(node.cls.__doc__ or "").split("\n\n")[0])
        yield header
    for field in node.fields:
        if _section_of(field)[0] is None:
            yield from _setting(field, settings, f"{path}{field.name}")
    yield ""
    for field in node.fields:
        below, is_list = _section_of(field)
        place, given = f"{path}{field.name}", settings.get(field.name)
        if below is not None and is_list:
            for each in given or ():
                yield from _section(below, each, f"{place}.", f"[[{place}]]")
        elif below is not None and (given is not None or _has_common(place)):
            yield from _section(below, given or {}, f"{place}.", f"[{place}]")


def _has_common(place: str) -> bool:
    return any(name.startswith(f"{place}.") for name in COMMON)


def _section_of(field: inspect.Field) -> tuple[inspect.StructType | None, bool]:
    """What a field's sections are, if it has any, and whether it is a list of them."""
    bare, _ = unwrap(field.type)
    is_list = isinstance(bare, inspect.VarTupleType)
    if isinstance(bare, inspect.VarTupleType):
        bare, _ = unwrap(bare.item_type)
    return (bare if isinstance(bare, inspect.StructType) else None), is_list


def _setting(field: inspect.Field, settings: Table, place: str) -> Iterator[str]:
    if field.name in settings:
        yield from _described(field)
        yield f"{field.name} = {toml(settings[field.name])}"
    elif place in COMMON:
        yield from _described(field)
        yield f"#{field.name} = {COMMON[place] or default_as_written(field.default)}"


def _described(field: inspect.Field) -> Iterator[str]:
    assert isinstance(field.type, inspect.Metadata), field.name
    told = (field.type.extra_json_schema or {})["description"]
    yield from _comment(told)


def _comment(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        plain = _LINK.sub(r"\1 (docs/\2.md)", paragraph.replace("\n", " "))
        for line in textwrap.wrap(plain, WIDTH, break_long_words=False, break_on_hyphens=False):
            yield f"# {line}"


def toml(value: Any) -> str:
    """A value in TOML, on one line.

    Text is written as in JSON: each of its escapes is one of TOML's (TOML 1.0, "String"), and
    what TOML wants escaped beside, U+007F, is.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return f"{value}"
        case float():
            return repr(value)
        case str():
            return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
    raise TypeError(f"{value!r} is no value that is written")
