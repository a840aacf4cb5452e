"""TOML's tree into typed settings, by the settings' own definitions, with every problem noted.

msgspec's ``convert`` does the same but stops at the first error. Here a value that cannot be
read leaves ``UNSET`` in its place, and the walk goes on.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, inspect

from poolserver.config.errors import Problem
from poolserver.config.kinds import Kind, plain_kind, quoted, shown

T = TypeVar("T", bound=msgspec.Struct)


def walk(section: type[T], table: Mapping[str, Any], problems: list[Problem]) -> T:
    """Read a TOML table as a section, with what is wrong added to ``problems``.

    If anything was added, the section may hold ``UNSET`` in places: it is then good for
    looking for more problems and nothing else.
    """
    walked: T = _Walk(problems).section(inspect.type_info(section), table, "")
    return walked


def unwrap(node: inspect.Type) -> tuple[inspect.Type, Kind | None]:
    """A field's bare type, and its kind if it is a single value.

    ``X | None`` is X: TOML has no null, so None is never read, only a default.
    """
    match node:
        case inspect.Metadata(type=inner, extra=extra):
            bare, kind = unwrap(inner)
            return bare, (extra or {}).get("kind", kind)
        case inspect.UnionType(types=types):
            (inner,) = (each for each in types if not isinstance(each, inspect.NoneType))
            return unwrap(inner)
        case inspect.StructType() | inspect.VarTupleType():
            return node, None
        case inspect.CustomType() | inspect.NamedTupleType() | inspect.DateTimeType():
            return node, None  # the annotation around it names its kind
    return node, plain_kind(node)


class _Walk:
    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def value(self, node: inspect.Type, raw: Any, path: str) -> Any:
        """The typed value, or ``UNSET``."""
        bare, kind = unwrap(node)
        if kind is not None:
            try:
                return kind.read(raw)
            except ValueError as error:
                return self._wrong(path, str(error))
        if isinstance(bare, inspect.StructType):
            return self.section(bare, raw, path)
        assert isinstance(bare, inspect.VarTupleType), bare
        return self._list(bare, raw, path)

    def section(self, node: inspect.Type, raw: Any, path: str) -> Any:
        """The struct, with ``UNSET`` where a field is wrong or missing."""
        assert isinstance(node, inspect.StructType), node
        if not isinstance(raw, dict):
            return self._wrong(path, f"must be a section, is {shown(raw)}")
        names = [field.name for field in node.fields]
        for key in raw:
            if key not in names:
                self._wrong(_join(path, key), _unknown(key, names))
        return node.cls(
            **{
                field.name: self._field(field, raw, _join(path, field.name))
                for field in node.fields
                if field.required or field.name in raw
            }
        )

    def _field(self, field: inspect.Field, table: dict[str, Any], path: str) -> Any:
        if field.name in table:
            return self.value(field.type, table[field.name], path)
        match unwrap(field.type)[0]:
            case inspect.StructType():  # what it lacks is named one by one
                return self.value(field.type, {}, path)
            case inspect.VarTupleType():
                return self.value(field.type, [], path)
        return self._wrong(path, "is missing")

    def _list(self, node: inspect.VarTupleType, raw: Any, path: str) -> Any:
        of_sections = isinstance(unwrap(node.item_type)[0], inspect.StructType)
        if not isinstance(raw, list):
            how = f"a list: write [[{path}]]" if of_sections else "a list in brackets"
            return self._wrong(path, f"must be {how}, is {shown(raw)}")
        if len(raw) < (node.min_length or 0):
            return self._wrong(path, f"needs at least one{f' [[{path}]]' if of_sections else ''}")
        return tuple(
            self.value(node.item_type, item, f"{path}[{index}]") for index, item in enumerate(raw)
        )

    def _wrong(self, path: str, text: str) -> Any:
        self._problems.append(Problem(path, text))
        return UNSET


def _join(path: str, key: str) -> str:
    """A place as TOML would write it; a key that needs quotes has them."""
    bare = key.isascii() and key.replace("-", "_").isidentifier()
    return f"{path}.{key if bare else quoted(key)}".removeprefix(".")


def _unknown(key: str, names: list[str]) -> str:
    nearest = get_close_matches(key[:80], names, n=1)
    return f'unknown setting; did you mean "{nearest[0]}"?' if nearest else "unknown setting"
