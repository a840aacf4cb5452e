"""What a rig's firmware can take, told by the name that it gives itself.

The names and facts are data: data/firmware.toml, and an operator's own file before it. A user
agent tells a family and rarely a model, and anybody may claim any: what is found here shapes
what is sent to a rig, never what its shares are worth.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeGuard

_MATCH_KEYS = ("user_agent", "hw_version", "sw_version", "hw_id")
_TEXT_MAX = 256  # The longest name known has about 100 characters; a line may bring 16 KiB.
_MEMO_MAX = 4096  # Names by the thousand are hostile: four of 256 characters each, 17 MB at worst.

_COINBASE_MAX = 1_000_000  # A block's bytes without witnesses: 4,000,000 weight units / 4.
_USERNAME_MAX = 191  # The longest that the session takes.
_EXTRANONCE2_MAX = 100  # A coinbase's script has at most 100 bytes (consensus).
_DIFFICULTY_MAX = 1 << 224  # There the target is below 1: no hash meets it.
_SILENCE_MAX_S = 86_400  # A day: no firmware is that patient, so it is a typing error.


class FirmwareError(ValueError):
    """A file of firmware is wrong: ``errors`` has a text for each thing to mend."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Firmware:
    """What a family of firmware can take. The defaults are safe for all but rented hashrate."""

    family: str
    coinbase_bytes: int = 750
    """The largest coinbase transaction that works, without its witness."""
    min_difficulty: float = 0.0
    """The lowest difficulty it takes work at; 0.0 is any."""
    username_bytes: int = 191
    """The longest username that arrives whole."""
    extranonce2_min: int = 4
    extranonce2_max: int = 8
    silence_s: float = 60.0
    """Seconds without a message from the pool after which it reconnects."""
    short_nonce: bool = False
    """It writes the nonce without leading zeros."""
    rolls_version_unasked: bool = False
    """It sends version bits though no mask was agreed on."""


class _Pattern(NamedTuple):
    """How a text begins, ``*`` being anything. It has no end of its own, so the leftmost place
    of each part is as good as any other: one pass and no way back, whatever the text."""

    head: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, written: str) -> "_Pattern":
        head, *parts = written.casefold().split("*")
        return cls(head, tuple(filter(None, parts)))

    def matches(self, text: str) -> bool:
        """``text`` is casefolded."""
        if not text.startswith(self.head):
            return False
        at = len(self.head)
        for part in self.parts:
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return True


class _Row(NamedTuple):
    family: str
    patterns: Mapping[str, tuple[_Pattern, ...]]
    facts: Mapping[str, Any]
    """Fields of ``Firmware``, only those that the row gives."""

    def matches(self, texts: Mapping[str, str]) -> bool:
        return all(
            any(pattern.matches(texts[key]) for pattern in patterns)
            for key, patterns in self.patterns.items()
        )


class FirmwareTable:
    """Families of firmware in order of precedence."""

    def __init__(self, rows: Sequence[_Row] = (), default: Mapping[str, Any] | None = None) -> None:
        self._rows = tuple(rows)
        self._default_facts = dict(default or {})
        self._default = replace(Firmware("unknown"), **self._default_facts)
        self._found = [
            (row, replace(self._default, family=row.family, **row.facts)) for row in self._rows
        ]
        self._memo = lru_cache(maxsize=_MEMO_MAX)(self._first_match)

    @property
    def default(self) -> Firmware:
        """What is taken of a rig that no row matches."""
        return self._default

    @property
    def coinbase_sizes(self) -> set[int]:
        """Every size of coinbase that some family takes at most, in bytes."""
        return {each.coinbase_bytes for _, each in self._found} | {self._default.coinbase_bytes}

    @classmethod
    def load(cls, text: str, source: str) -> "FirmwareTable":
        """Read a TOML file's ``text``; ``source`` is its name in errors.

        Raises:
            FirmwareError: it is wrong; every problem is told with its row and key.
        """
        errors: list[str] = []
        try:
            raw = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # a number too long is a bare ValueError
            raise FirmwareError([f"{source}: it is not TOML: {error}"]) from error
        default = raw.pop("default", {})
        rows = raw.pop("firmware", [])
        errors += [f"{_quoted(key)}: no such key" for key in raw]
        if not isinstance(default, dict):
            errors.append("default: must be a table: write [default]")
            default = {}
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            errors.append("firmware: must be a list of tables: write [[firmware]]")
            rows = []
        facts = _read_facts(default, "default", {*_FACTS, "source"}, errors)
        read = [_read_row(row, f"firmware[{index}]", errors) for index, row in enumerate(rows)]
        if errors:
            raise FirmwareError([f"{source}: {error}" for error in errors])
        return cls(read, facts)

    def match(
        self, user_agent: str, hw_version: str = "", sw_version: str = "", hw_id: str = ""
    ) -> Firmware:
        """The first family that the texts match, or else the default, named "unknown".

        It never raises, whatever a rig calls itself; 256 characters of each text count.
        """
        return self._memo(
            user_agent[:_TEXT_MAX],
            hw_version[:_TEXT_MAX],
            sw_version[:_TEXT_MAX],
            hw_id[:_TEXT_MAX],
        )

    def extended_by(self, other: "FirmwareTable") -> "FirmwareTable":
        """A table that has the rows of ``other`` before these, and its defaults over these.

        A default of ``other`` also holds for the rows here that do not give that fact.
        """
        return FirmwareTable(
            other._rows + self._rows, {**self._default_facts, **other._default_facts}
        )

    def _first_match(self, *texts: str) -> Firmware:
        folded = dict(zip(_MATCH_KEYS, map(str.casefold, texts), strict=True))
        return next((found for row, found in self._found if row.matches(folded)), self._default)


def firmware_with(operators: str) -> FirmwareTable:
    """The table that comes with the pool, behind the operator's own, if that is not empty.

    Raises:
        FirmwareError: the operator's is wrong.
    """
    builtin = builtin_firmware()
    if not operators:
        return builtin
    return builtin.extended_by(FirmwareTable.load(operators, "firmware_file"))


@cache
def builtin_firmware() -> FirmwareTable:
    """The table that comes with the pool."""
    source = files("poolserver.mining.data") / "firmware.toml"
    return FirmwareTable.load(source.read_text(encoding="utf-8"), "firmware.toml")


# --- reading a file ----------------------------------------------------------------------------


def _read_row(raw: Mapping[str, Any], path: str, errors: list[str]) -> _Row:
    family = raw.get("family")
    if isinstance(family, str) and family.strip():
        path = f"{path} {_quoted(family)}"
    else:
        errors.append(f"{path}: family: must be a name, is {_shown(family)}")
        family = ""
    facts = _read_facts(raw, path, {*_FACTS, *_MATCH_KEYS, "family", "source"}, errors)
    patterns = {}
    for key in _MATCH_KEYS:
        if key in raw:
            try:
                patterns[key] = _patterns(raw[key])
            except ValueError as error:
                errors.append(f"{path}: {key}: {error}")
    if not any(key in raw for key in _MATCH_KEYS):
        errors.append(f"{path}: needs one of {', '.join(_MATCH_KEYS)}")
    return _Row(family, patterns, facts)


def _read_facts(
    raw: Mapping[str, Any], path: str, known: Iterable[str], errors: list[str]
) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    errors += [f"{path}: {_quoted(key)}: no such key" for key in raw if key not in known]
    if not isinstance(raw.get("source", ""), str):
        errors.append(f"{path}: source: must be a text, is {_shown(raw['source'])}")
    for key, read in _FACTS.items():
        if key in raw:
            try:
                facts |= read(raw[key])
            except ValueError as error:
                errors.append(f"{path}: {key}: {error}")
    return facts


def _patterns(value: object) -> tuple[_Pattern, ...]:
    trouble = f'must be a list of patterns like ["cgminer/", "*bosminer"], is {_shown(value)}'
    if not isinstance(value, list) or not value:
        raise ValueError(trouble)
    if not all(isinstance(item, str) and 0 < len(item) <= _TEXT_MAX for item in value):
        raise ValueError(f"{trouble}; a pattern has 1..{_TEXT_MAX} characters")
    return tuple(map(_Pattern.parse, value))


def _integer(field: str, highest: int) -> Callable[[object], dict[str, Any]]:
    def read(value: object) -> dict[str, Any]:
        if type(value) is not int or not 1 <= value <= highest:  # a bool is an int to isinstance
            raise ValueError(f"must be a whole number of 1..{highest}, is {_shown(value)}")
        return {field: value}

    return read


def _min_difficulty(value: object) -> dict[str, Any]:
    if not _is_number(value) or not 0 <= value < _DIFFICULTY_MAX:
        raise ValueError(f"must be a number from 0 to below 2^224, is {_shown(value)}")
    return {"min_difficulty": float(value)}


def _flag(field: str) -> Callable[[object], dict[str, Any]]:
    def read(value: object) -> dict[str, Any]:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, is {_shown(value)}")
        return {field: value}

    return read


def _silence_s(value: object) -> dict[str, Any]:
    if not _is_number(value) or not 0 < value <= _SILENCE_MAX_S:
        raise ValueError(f"must be seconds above 0, {_SILENCE_MAX_S} at most, is {_shown(value)}")
    return {"silence_s": float(value)}


def _extranonce2(value: object) -> dict[str, Any]:
    match value:
        case [int(least), int(most)] if (
            all(type(size) is int for size in value) and 1 <= least <= most <= _EXTRANONCE2_MAX
        ):
            return {"extranonce2_min": least, "extranonce2_max": most}
    raise ValueError(
        f"must be [least, most], whole numbers of 1..{_EXTRANONCE2_MAX}, is {_shown(value)}"
    )


_FACTS: dict[str, Callable[[object], dict[str, Any]]] = {
    "coinbase_bytes": _integer("coinbase_bytes", _COINBASE_MAX),
    "min_difficulty": _min_difficulty,
    "username_bytes": _integer("username_bytes", _USERNAME_MAX),
    "extranonce2_bytes": _extranonce2,
    "silence_s": _silence_s,
    "short_nonce": _flag("short_nonce"),
    "rolls_version_unasked": _flag("rolls_version_unasked"),
}


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object) -> str:
    try:
        return "missing" if value is None else f"{value!r:.60}"
    except ValueError:  # Python writes no integers of over 4300 digits; 0xff... may be one
        return "far too long"


def _quoted(text: str) -> str:
    return f"{text!r:.60}"
