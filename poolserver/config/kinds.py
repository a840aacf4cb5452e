"""Kinds of value: how each is read from TOML, and its name in errors and in the reference.

A reader takes what the TOML parser made (str, int, bool, Decimal, list, dict or a date), gives
the typed value, and raises ValueError with a text that completes "this setting ...". The plain
kinds (text, numbers, choices) follow from a field's type; any other is in its annotation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import frexp
from typing import TypeVar

import msgspec
from msgspec import inspect

Reader = Callable[[object], object]
Schema = Mapping[str, object]
Number = TypeVar("Number", int, float, Fraction)

TEXT: dict[str, object] = {"type": "string", "minLength": 1}
WIDE: dict[str, object] = {"minimum": -(2**63), "maximum": 2**63 - 1}
"""TOML's integers."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: its name in words, how it is read, and what its JSON Schema is.

    The schema takes whatever the reader takes, and may take more: a reader knows addresses.
    """

    words: str
    read: Reader
    schema: Schema


def doc(text: str, *, default: str | None = None) -> msgspec.Meta:
    """A setting's description; ``default`` puts a default in words that a value cannot show."""
    return msgspec.Meta(description=text, extra={"default": default} if default else None)


def of_kind(
    words: str, read: Reader, pattern: str | None = None, *, schema: Schema | None = None
) -> msgspec.Meta:
    """The annotation of a field that is not read by its type alone. It is text, of which
    ``pattern`` is found in whatever is good, unless ``schema`` says otherwise."""
    found = schema or TEXT | ({"pattern": pattern} if pattern else {})
    return msgspec.Meta(extra={"kind": Kind(words, read, found)})


def plain_kind(node: inspect.Type) -> Kind:
    """The kind that follows from a field's type."""
    match node:
        case inspect.BoolType():
            return Kind("true or false", truth, {"type": "boolean"})
        case inspect.StrType():
            return Kind("text", text, TEXT)
        case inspect.IntType(ge=ge, gt=gt, le=le):
            bounds = Bounds(ge, gt, le)
            return Kind(
                f"whole number{bounds}",
                lambda raw: bounds.hold(whole(raw), raw),
                WIDE | bounds.schema("integer"),
            )
        case inspect.FloatType(ge=ge, gt=gt, le=le):
            bounds = Bounds(ge, gt, le)
            return Kind(
                f"number{bounds}",
                lambda raw: bounds.hold(float(number(raw)), raw),
                bounds.schema("number"),
            )
        case inspect.LiteralType(values=values):
            return one_of(values)
    raise TypeError(f"no kind for {node}")


def text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"must be text in quotes, is {shown(raw)}")
    if not raw or not raw.isprintable():
        raise ValueError(f"must be text without control characters, is {quoted(raw)}")
    return raw


def truth(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise ValueError(f"must be true or false, is {shown(raw)}")
    return raw


def whole(raw: object) -> int:
    """TOML's integers are 64 bits wide; Python's parser takes any."""
    if isinstance(raw, bool) or not isinstance(raw, int) or not -(2**63) <= raw < 2**63:
        raise ValueError(f"must be a whole number, is {shown(raw)}")
    return raw


def number(raw: object) -> int | Decimal:
    if isinstance(raw, Decimal) and raw.is_finite():
        return raw
    if isinstance(raw, int) and not isinstance(raw, bool):
        return whole(raw)
    raise ValueError(f"must be a number, is {shown(raw)}")


def one_of(values: tuple[object, ...]) -> Kind:
    *others, last = (f'"{value}"' for value in values)
    words = f"{', '.join(others)} or {last}" if others else last

    def read(raw: object) -> object:
        if not isinstance(raw, str) or raw not in values:
            raise ValueError(f"must be {words}, is {shown(raw)}")
        return raw

    return Kind(words, read, {"enum": list(values)})


def exact(
    *, ge: float | None = None, gt: float | None = None, le: float | None = None
) -> msgspec.Meta:
    """A Fraction of just what is written, 1.05 as 21/20: energy is worked out without rounding."""
    bounds = Bounds(ge, gt, le)
    return of_kind(
        f"number{bounds}",
        lambda raw: bounds.hold(Fraction(number(raw)), raw),
        schema=bounds.schema("number"),
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range of a number; ``str()`` ends a kind's name, as in "whole number, 1 to 9"."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None

    def hold(self, value: Number, raw: object) -> Number:
        """``value``, if it is in range; ``raw`` is how it was written."""
        if self.ge is not None and value < self.ge:
            raise ValueError(f"must be at least {figure(self.ge)}, is {shown(raw)}")
        if self.gt is not None and value <= self.gt:
            raise ValueError(f"must be above {figure(self.gt)}, is {shown(raw)}")
        if self.le is not None and value > self.le:
            raise ValueError(f"must be at most {figure(self.le)}, is {shown(raw)}")
        return value

    def schema(self, kind: str) -> dict[str, object]:
        """Of a number of this kind, ``integer`` or ``number``, in the range."""
        ends = (("minimum", self.ge), ("exclusiveMinimum", self.gt), ("maximum", self.le))
        return {"type": kind} | {name: end for name, end in ends if end is not None}

    def __str__(self) -> str:
        if self.ge is not None and self.le is not None:
            return f", {figure(self.ge)} to {figure(self.le)}"
        ends = (("at least", self.ge), ("above", self.gt), ("at most", self.le))
        return "".join(f", {words} {figure(end)}" for words, end in ends if end is not None)


def quoted(value: str) -> str:
    """``value`` in double quotes, on one line, cut at 80 characters."""
    printable = (c if c.isprintable() else f"\\u{ord(c):04x}" for c in value[:80])
    return f'"{"".join(printable)}{"…" * (len(value) > 80)}"'


def figure(value: float | Fraction) -> str:
    """A number as a person writes it: 16384, 0.05, 2^-32."""
    mantissa, exponent = frexp(value)
    if mantissa == 0.5 and abs(exponent) > 18:
        return f"2^{exponent - 1}"
    return f"{float(value):.15g}"


def shown(raw: object) -> str:
    """What was written, in at most a line."""
    match raw:
        case bool():
            return "true" if raw else "false"
        case int():
            return f"{raw}" if -(2**63) <= raw < 2**63 else "beyond 64 bits"
        case Decimal():
            return f"{raw}" if len(f"{raw}") <= 80 else f"{float(raw)}"
        case str():
            return quoted(raw)
        case list():
            return "a list"
        case dict():
            return "a table"
    return "a date or time"
