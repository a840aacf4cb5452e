"""A broadcast of made-up things, and who reads it."""

import json
from typing import Any

from poolserver.log import EventFeed
from poolserver.lookout.broadcast import (
    Broadcast,
    Reader,
)


class Shown:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def status(self) -> Any:
        self.asked += 1
        return {"number": self.asked}

    def sites(self) -> Any:
        return []

    def nodes(self) -> Any:
        return []


class Stage:
    def __init__(self) -> None:
        self.now = 1000.0
        self.shown, self.feed = Shown(), EventFeed(lambda: 1.0)
        self.broadcast = Broadcast(self.shown, self.feed, lambda: self.now)

    def join(self, last_id: int | None = None) -> Reader:
        reader = self.broadcast.join(last_id)
        assert reader is not None
        return reader


def waiting(reader: Reader) -> list[tuple[str, str, Any]]:
    """What it was given and has not taken, parsed as the standard says."""
    text = b"".join(reader._waiting).decode()
    reader._waiting.clear()
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line not in ("", ":"))
        if "data" in fields:
            found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found
