"""The roll of rigs: who is connected, told to the coordinator as it changes.

Nothing of it is on the share path: a rig is marked when it is authorized, tells who it is, is sent
another difficulty or goes, and what it then is, is read when the next message is made.
"""

from collections import Counter
from itertools import islice
from typing import Protocol

from poolserver.cluster.messages import RigNews
from poolserver.mining.miner import Miner

# In one message: with one process it is made and taken in in one go, 1 to 2 ms in which no share is
# answered. Beside a new job to 15,000 rigs 1,000 of them were most of what rigs waited.
MAX_NEWS = 100


class Enrolled(Protocol):
    """What the roll needs of a session."""

    miner: Miner

    @property
    def host(self) -> str: ...


class RigRoll:
    """The rigs of one worker process by name; of several sessions of one name the newest tells."""

    def __init__(self) -> None:
        # By name; where a name has several, the newest last. Nearly none has, and a dict for each
        # would be 245 bytes a rig.
        self._sessions: dict[str, Enrolled | dict[Enrolled, None]] = {}
        self._changed: set[Enrolled] = set()
        self._to_tell: dict[str, str] = {}  # account by name
        self._told: set[str] = set()  # those who were told as connected, and not as gone
        self._is_anew = False
        self.is_all = False
        """Whether what take() gave last was the end of what tell_all() has asked for."""
        self.rigs: Counter[str] = Counter()
        """Workers by account, each once for every session that it is authorized on."""

    def enter(self, session: Enrolled, name: str) -> None:
        """A worker was authorized, for the first time or again."""
        account = session.miner.workers[name].account
        before = self._sessions.get(name)
        if before is None or before is session:
            is_new = before is None
            self._sessions[name] = session
        else:
            sessions = self._sessions[name] = _each(before)
            is_new = session not in sessions
            sessions.pop(session, None)
            sessions[session] = None
        if is_new:
            self.rigs[account] += 1
        self._to_tell[name] = account

    def changed(self, session: Enrolled) -> None:
        """It told something of itself, or was sent another difficulty."""
        if session.miner.workers:
            self._changed.add(session)

    def leave(self, session: Enrolled) -> None:
        """Its connection has ended. What it had is in its ``miner`` still."""
        self._changed.discard(session)
        for name, worker in session.miner.workers.items():
            entered = self._sessions.pop(name, None)
            others = {} if entered is None else _each(entered)
            if session in others:
                del others[session]
                self._count_out(worker.account)
            if others:
                self._sessions[name] = others
            elif name not in self._told:  # nobody has heard of it, and nobody will
                self._to_tell.pop(name, None)
                continue
            self._to_tell[name] = worker.account

    def _count_out(self, account: str) -> None:
        self.rigs[account] -= 1
        if not self.rigs[account]:
            del self.rigs[account]

    def tell_all(self) -> None:
        """Whoever was told has forgotten: tell of every rig anew."""
        for sessions in self._sessions.values():
            self._changed.update(_each(sessions))
        self._is_anew = True

    def take(self) -> tuple[RigNews, ...]:
        """What there is to tell, MAX_NEWS at most; the rest comes with the next call."""
        while self._changed and len(self._to_tell) < MAX_NEWS:
            workers = self._changed.pop().miner.workers.values()
            self._to_tell.update((worker.name, worker.account) for worker in workers)
        names = list(islice(self._to_tell, MAX_NEWS))
        news = tuple([self._news(name, self._to_tell.pop(name)) for name in names])
        self.is_all = self._is_anew and not self._changed and not self._to_tell
        self._is_anew = self._is_anew and not self.is_all
        return news

    def _news(self, name: str, account: str) -> RigNews:
        sessions = self._sessions.get(name)
        if sessions is None:
            self._told.discard(name)
            return RigNews(name, account, "", "", "", None, None, 0.0, 0)
        self._told.add(name)
        newest = next(reversed(_each(sessions)))
        miner = newest.miner
        hint = miner.workers[name].hint
        return RigNews(
            worker=name,
            account=account,
            address=newest.host,
            user_agent=_printable(miner.user_agent),
            hardware=_hardware(miner),
            watts=hint.watts,
            j_per_th=None if hint.j_per_th is None else str(hint.j_per_th),
            share_work=float(miner.changes[-1].difficulty.work) if miner.changes else 0.0,
            sessions=len(_each(sessions)),
        )


def _each(sessions: Enrolled | dict[Enrolled, None]) -> dict[Enrolled, None]:
    return sessions if isinstance(sessions, dict) else {sessions: None}


def _hardware(miner: Miner) -> str:
    info = miner.info
    if info is None:
        return ""
    told = (info.hw_version, info.hw_id, info.sw_version)
    return "; ".join(filter(None, map(_printable, told)))


def _printable(text: str) -> str:
    """What can be shown and saved: no NUL, no half of a surrogate pair, no escape sequence."""
    if text.isprintable():
        return text
    return "".join(each for each in text if each.isprintable())
