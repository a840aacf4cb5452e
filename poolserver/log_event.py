"""A line of the log as data: its shape alone, for those who read it and never log."""

import msgspec

Scalar = str | int | float | bool | None


class Event(msgspec.Struct, frozen=True, gc=False):
    """A line of the log, as docs/operations.md lists them. ``id`` grows by one with each."""

    id: int
    at: float
    level: str
    event: str
    fields: dict[str, Scalar]
