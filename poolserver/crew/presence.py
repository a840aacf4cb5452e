"""Which rigs are connected, to whichever worker process.

Each worker tells of its own. A rig that leaves one and is at another has not gone, and those of a
worker that ended have gone unless they are at another by then.
"""

from collections.abc import Iterable

from poolserver.cluster.messages import RigNews


class Presence:
    """By the worker's source, the names of its rigs, each with its account."""

    def __init__(self) -> None:
        self._at: dict[str, dict[str, str]] = {}

    def take(self, source: str, told: Iterable[RigNews]) -> list[RigNews]:
        """What a worker tells; that of it which is so for the pool."""
        here = self._at.setdefault(source, {})
        true: list[RigNews] = []
        for news in told:
            if news.sessions:
                here[news.worker] = news.account
                true.append(news)
            else:
                here.pop(news.worker, None)
                if not self._is_anywhere(news.worker):
                    true.append(news)
        return true

    def succeed(self, before: str, source: str) -> None:
        """A worker has handed its rigs over to another, which tells of them from now on."""
        here = self._at.setdefault(source, {})
        self._at[source] = self._at.pop(before, {}) | here

    def end(self, source: str) -> list[RigNews]:
        """A worker has ended: who has gone with it."""
        gone = self._at.pop(source, {})
        return [_gone(*each) for each in gone.items() if not self._is_anywhere(each[0])]

    def _is_anywhere(self, name: str) -> bool:
        return any(name in names for names in self._at.values())


def _gone(worker: str, account: str) -> RigNews:
    return RigNews(worker, account, "", "", "", None, None, 0.0, 0)
