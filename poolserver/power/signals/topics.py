"""MQTT topics, all under one prefix. Pure.

In: ``meters/<name>``, ``ai/<site>/<name>``, ``budget/<path>`` (``budget`` alone is the
programme). Out: ``pool/<instance>/status`` and ``pool/<instance>/sites/<site>``. In a name
``+``, ``#`` and ``%`` stand as in a URL, since a topic cannot have the first two.
"""

from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

from poolserver.power.tree import PROGRAMME

Kind = Literal["meter", "ai", "budget", "other"]


class About(NamedTuple):
    """What a message is about: a meter's name, site and name of a load, or a node's path."""

    kind: Kind
    name: str
    site: str = ""


class Topics:
    """The topics under ``prefix`` of the pool ``instance``."""

    def __init__(self, prefix: str, instance: str) -> None:
        self._prefix = prefix
        self._own = f"{prefix}/pool/{instance}"
        self.incoming = tuple(f"{prefix}/{each}" for each in ("meters/+", "ai/+/+", "budget/#"))

    @property
    def status(self) -> str:
        return f"{self._own}/status"

    def site(self, name: str) -> str:
        return f"{self._own}/sites/{_level(name)}"

    def about(self, topic: str) -> About:
        """What a topic of the incoming ones is about."""
        parts = [unquote(each) for each in topic.removeprefix(f"{self._prefix}/").split("/")]
        match parts:
            case ["meters", name]:
                return About("meter", name)
            case ["ai", site, name]:
                return About("ai", name, site)
            case ["budget", *path]:
                return About("budget", "/".join(path) or PROGRAMME)
        return About("other", topic)


def _level(name: str) -> str:
    escaped = {each: quote(each) for each in "%+#"}
    return "".join(escaped.get(each, each) for each in name)
