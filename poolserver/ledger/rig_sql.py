"""The store's statements about rigs. See migrations/."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

from poolserver.ledger.database import Connection, Table
from poolserver.power.rater import Identity
from poolserver.power.rig_book import SavedRig

RIG = Table(
    "rig",
    ("worker",),
    replaced=(
        "account",
        "address",
        "user_agent",
        "hardware",
        "watts",
        "j_per_th",
        "th_s",
        "seen_at_ms",
    ),
)
_RIGS = f"SELECT {', '.join(RIG.columns)} FROM rig ORDER BY seen_at_ms, worker"
_TOO_MANY = """
    DELETE FROM rig WHERE seen_at_ms < (
        SELECT seen_at_ms FROM rig ORDER BY seen_at_ms DESC LIMIT 1 OFFSET ?
    )
"""


def rigs(connection: Connection) -> Iterator[SavedRig]:
    """All saved rigs, who was seen last is last."""
    for (
        worker,
        account,
        address,
        user_agent,
        hardware,
        watts,
        *exact,
        seen_at_ms,
    ) in connection.execute(_RIGS):
        j_per_th, th_s = (None if text is None else Fraction(text) for text in exact)
        identity = Identity(address, user_agent, hardware, watts, j_per_th, th_s)
        yield SavedRig(worker, account, identity, seen_at_ms)


def put(connection: Connection, changed: Iterable[SavedRig], at_most: int) -> None:
    """Save rigs, and forget who was seen longest ago where there are more than ``at_most``."""
    connection.upsert(RIG, (_row(rig) for rig in changed))
    connection.execute(_TOO_MANY, (at_most - 1,))


def _row(rig: SavedRig) -> tuple[str | int | None, ...]:
    known = rig.identity
    return (
        rig.worker,
        rig.account,
        known.address,
        known.user_agent,
        known.hardware,
        known.watts,
        None if known.j_per_th is None else str(known.j_per_th),
        None if known.th_s is None else str(known.th_s),
        rig.seen_at_ms,
    )
