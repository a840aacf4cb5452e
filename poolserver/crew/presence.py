"""Which rigs are connected, to whichever worker process.

Each worker tells of its own. A rig that leaves one and is at another has not gone, and those of a
worker that ended have gone unless they are at another by then. Words of a worker may be lost, or
a rig go while it is handed over: so a worker that begins to speak tells of all its rigs anew, and
whom it has not named by the end of that has gone.
"""

from collections.abc import Iterable, Mapping

from poolserver.cluster.messages import RigNews


class Presence:
    """By the worker's source, the names of its rigs, each with its account."""

    def __init__(self) -> None:
        self._at: dict[str, dict[str, str]] = {}
        self._inherited: dict[str, dict[str, str]] = {}  # of whom nothing was heard here yet
        self._not_named: dict[str, dict[str, str]] = {}  # since their worker began anew

    def state(self) -> dict[str, dict[str, str]]:
        """All of it, for ``restore``."""
        return self._at

    def restore(self, state: Mapping[str, Mapping[str, str]]) -> None:
        """Go on from what another process knew: its workers begin anew here, or their heirs do."""
        self._inherited = {source: dict(rigs) for source, rigs in state.items()}
        self._at |= self._inherited

    def begin(self, source: str) -> None:
        """A worker begins to tell of all its rigs. It has those of the one of its index that
        another process knew."""
        for before in [each for each in self._inherited if _same_index(each, source)]:
            del self._inherited[before]
            if before != source:
                self.succeed(before, source)
        if here := self._at.get(source):
            self._not_named[source] = dict(here)

    def take(self, source: str, told: Iterable[RigNews], *, is_all: bool) -> list[RigNews]:
        """What a worker tells; that of it which is so for the pool. ``is_all``: see RigsChanged."""
        here, not_named = self._at.setdefault(source, {}), self._not_named.get(source, {})
        true: list[RigNews] = []
        for news in told:
            not_named.pop(news.worker, None)
            if news.sessions:
                here[news.worker] = news.account
                true.append(news)
            else:
                true += self._gone({news.worker: news.account}, source)
        if is_all:
            true += self._gone(self._not_named.pop(source, {}), source)
        return true

    def succeed(self, before: str, source: str) -> None:
        """A worker has handed its rigs over to another, which tells of them from now on."""
        here = self._at.setdefault(source, {})
        self._at[source] = self._at.pop(before, {}) | here
        self._not_named.pop(before, None)

    def end(self, source: str) -> list[RigNews]:
        """A worker has ended: who has gone with it."""
        self._not_named.pop(source, None)
        return self._gone(self._at.pop(source, {}), source)

    def _gone(self, rigs: Mapping[str, str], source: str) -> list[RigNews]:
        """Take them out of this worker's; those of them that are at no other."""
        here = self._at.get(source, {})
        for name in rigs:
            here.pop(name, None)
        return [
            RigNews(name, account, "", "", "", None, None, 0.0, 0)
            for name, account in rigs.items()
            if not any(name in names for names in self._at.values())
        ]


def _same_index(one: str, other: str) -> bool:
    """Whether both name lives of the same worker: pool, index and boot epoch."""
    return one.rsplit("/", 1)[0] == other.rsplit("/", 1)[0]
