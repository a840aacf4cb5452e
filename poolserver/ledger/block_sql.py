"""The store's statements about blocks, and what they read and write. See migrations/.

Each function works inside of whatever transaction there is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.ledger.blocks import (
    EARNING,
    TRANSITIONS,
    BlockEnd,
    BlockState,
    BlockStep,
    KnownBlock,
)
from poolserver.ledger.database import Connection, Table
from poolserver.ledger.delta import FoundBlock, Rounds
from poolserver.ledger.payout_records import OutputsRecord, PayoutRecord
from poolserver.mining.coinbase import TxOut
from poolserver.mining.payout import Due


class BlockRow(NamedTuple):
    """A found block and what became of it."""

    hash_hex: str
    height: int
    state: str
    reason: str
    worker: str
    found_at_ms: int
    updated_at_ms: int


class BlockEventRow(NamedTuple):
    """A state that a block came into."""

    state: str
    reason: str
    at_ms: int


class BlockPayout(NamedTuple):
    """What a block's coinbase pays, and what the block owes."""

    value_sat: int
    fee_sat: int
    outputs: tuple[TxOut, ...]
    dues: tuple[Due, ...]
    complete: bool
    """False where some of the journal's records of it were lost."""


BLOCK_ROUND = Table("block_round", ("hash", "nbits"), exact=("accepted_work",))
OPEN_ROUND = ""
"""In place of a block's hash: the work since the last one."""

_ADD = """
    INSERT INTO block (hash, height, state, reason, worker, found_at_ms, updated_at_ms)
    VALUES (?, ?, 'found', '', ?, ?, ?) ON CONFLICT (hash) DO NOTHING
"""
# One that is told of again may be told of by a source that has no template yet.
_SET_NBITS = "UPDATE block SET nbits = ? WHERE hash = ? AND nbits = 0"
_ADD_EVENT = "INSERT INTO block_event (hash, state, reason, at_ms) VALUES (?, ?, ?, ?)"
_CHANGE = "UPDATE block SET state = ?, reason = ?, updated_at_ms = ?, final = ? WHERE hash = ?"
_END = "UPDATE block SET final = 1 WHERE hash = ?"
# A block that was in the spool at a start is told of again, by another source of the journal.
_ADD_PAYOUT = """
    INSERT INTO block_payout (hash, value_sat, fee_sat, outputs, dues) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""
_ADD_OUTPUT = """
    INSERT INTO block_output (hash, position, value_sat, script) VALUES (?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""
_ADD_DUE = """
    INSERT INTO block_due (hash, position, label, due_sat, unpaid_sat) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""
_BLOCKS = """
    SELECT hash, height, state, reason, worker, found_at_ms, updated_at_ms FROM block
    ORDER BY found_at_ms DESC, hash LIMIT ?
"""
_BLOCKS_BELOW = """
    SELECT hash, height, state, reason, worker, found_at_ms, updated_at_ms FROM block
    WHERE height < ? OR (height = ? AND hash < ?) ORDER BY height DESC, hash DESC LIMIT ?
"""
_KNOWN = """
    SELECT hash, height, state, final,
    coalesce((SELECT value_sat FROM block_payout WHERE hash = block.hash), 0),
    coalesce((SELECT sum(unpaid_sat) FROM block_due WHERE hash = block.hash), 0),
    coalesce((SELECT max(position) + 1 FROM block_due WHERE hash = block.hash), 0)
    FROM block ORDER BY height, found_at_ms, hash
"""
_REACHED = "SELECT DISTINCT hash, state FROM block_event"
_ALL = 2**62
_HIGHEST = 2**31 - 1  # PostgreSQL compares with the column's own type
_HISTORY = "SELECT state, reason, at_ms FROM block_event WHERE hash = ? ORDER BY number"
_PAYOUT = "SELECT value_sat, fee_sat, outputs, dues FROM block_payout WHERE hash = ?"
_OUTPUTS = "SELECT value_sat, script FROM block_output WHERE hash = ? ORDER BY position"
_DUES = "SELECT label, due_sat, unpaid_sat FROM block_due WHERE hash = ? ORDER BY position"
_OWED = f"""
    SELECT label, sum(unpaid_sat) FROM block_due JOIN block USING (hash)
    WHERE unpaid_sat <> 0 AND state IN ({", ".join("?" * len(EARNING))})
    GROUP BY label HAVING sum(unpaid_sat) <> 0 ORDER BY label
"""
_WITHOUT_PAYOUT = """
    SELECT count(*), max(height) FROM block LEFT JOIN block_payout AS payout USING (hash)
    WHERE payout.hash IS NULL
    OR payout.outputs > (SELECT count(*) FROM block_output WHERE hash = block.hash)
    OR payout.dues > (SELECT count(*) FROM block_due WHERE hash = block.hash)
"""


def add_found(connection: Connection, blocks: Iterable[FoundBlock]) -> None:
    """The journal's word on blocks. What became of them may stand there already."""
    for block in blocks:
        _add(connection, block.hash_hex, block.height, block.key.worker, block.found_at_ms)
        connection.execute(_SET_NBITS, (block.nbits, block.hash_hex))


def add_rounds(connection: Connection, rounds: Rounds) -> None:
    """Work, and the blocks that it led to. A block that is told of again ends no round."""
    for hash_hex, work in rounds.closed:
        _add_work(connection, OPEN_ROUND, work)
        known = connection.execute("SELECT 1 FROM block_round WHERE hash = ?", (hash_hex,))
        if known.fetchone() is None:
            connection.execute(
                "UPDATE block_round SET hash = ? WHERE hash = ?", (hash_hex, OPEN_ROUND)
            )
            _add_work(connection, hash_hex, {0: 0})  # a round without work is one, too
    _add_work(connection, OPEN_ROUND, rounds.open)


def _add_work(connection: Connection, hash_hex: str, work: Mapping[int, int]) -> None:
    connection.upsert(
        BLOCK_ROUND, ((hash_hex, nbits, str(hashes)) for nbits, hashes in work.items())
    )


def add_payouts(connection: Connection, payouts: Iterable[PayoutRecord]) -> None:
    """The journal's word on what blocks pay."""
    for record in payouts:
        hash_le, *amounts = record.head
        hash_hex = hash_le_to_hex(hash_le)
        connection.execute(_ADD_PAYOUT, (hash_hex, *amounts))
        if isinstance(record, OutputsRecord):
            connection.executemany(
                _ADD_OUTPUT,
                (
                    (hash_hex, position, output.value_sat, output.script_pubkey.hex())
                    for position, output in enumerate(record.outputs, record.position)
                ),
            )
        else:
            connection.executemany(
                _ADD_DUE,
                (
                    (hash_hex, position, due.label, due.due_sat, due.unpaid_sat)
                    for position, due in enumerate(record.dues, record.position)
                ),
            )


def take_steps(connection: Connection, steps: Iterable[BlockStep]) -> None:
    """What became of blocks, in the order in which it did."""
    for step in steps:
        if isinstance(step, BlockEnd):
            connection.execute(_END, (step.hash_hex,))
            continue
        hash_hex, height, worker, state, reason, at_ms = step
        _add(connection, hash_hex, height, worker, at_ms)
        if state is not BlockState.FOUND:
            final = int(not TRANSITIONS[state])
            connection.execute(_CHANGE, (state, reason, at_ms, final, hash_hex))
            connection.execute(_ADD_EVENT, (hash_hex, state, reason, at_ms))


def _add(connection: Connection, hash_hex: str, height: int, worker: str, found_at_ms: int) -> None:
    """A block begins as found, whoever tells of it first, and is found once."""
    added = connection.execute(_ADD, (hash_hex, height, worker, found_at_ms, found_at_ms))
    if added.rowcount == 1:
        connection.execute(_ADD_EVENT, (hash_hex, BlockState.FOUND, "", found_at_ms))


def blocks(connection: Connection, limit: int | None) -> list[BlockRow]:
    """The found blocks, newest first."""
    rows = connection.execute(_BLOCKS, (_ALL if limit is None else limit,))
    return [BlockRow(*row) for row in rows]


def blocks_below(
    connection: Connection, limit: int, below: tuple[int, str] | None
) -> list[BlockRow]:
    """The blocks that are lower than a height and hash, or all; the highest first."""
    height, hash_hex = below or (_HIGHEST, "")
    rows = connection.execute(_BLOCKS_BELOW, (height, height, hash_hex, limit))
    return [BlockRow(*row) for row in rows]


def known_blocks(connection: Connection) -> list[KnownBlock]:
    """All blocks, lowest first, as a BlockBook begins with them."""
    reached: defaultdict[str, set[BlockState]] = defaultdict(set)
    for hash_hex, state in connection.execute(_REACHED):
        reached[hash_hex].add(BlockState(state))
    return [
        KnownBlock(
            hash_hex,
            height,
            BlockState(state),
            frozenset(reached[hash_hex]),
            final != 0,
            *map(int, amounts),
        )
        for hash_hex, height, state, final, *amounts in connection.execute(_KNOWN)
    ]


def history(connection: Connection, hash_hex: str) -> list[BlockEventRow]:
    """Every state that a block came into, the first one first."""
    return [BlockEventRow(*row) for row in connection.execute(_HISTORY, (hash_hex,))]


def payout(connection: Connection, hash_hex: str) -> BlockPayout | None:
    """What a block pays; None where the journal does not tell."""
    row = connection.execute(_PAYOUT, (hash_hex,)).fetchone()
    if row is None:
        return None
    value_sat, fee_sat, outputs_due, dues_due = row
    outputs = tuple(
        TxOut(sat, bytes.fromhex(script))
        for sat, script in connection.execute(_OUTPUTS, (hash_hex,))
    )
    dues = tuple(Due(*row) for row in connection.execute(_DUES, (hash_hex,)))
    complete = (len(outputs), len(dues)) == (outputs_due, dues_due)
    return BlockPayout(value_sat, fee_sat, outputs, dues, complete)


def owed(connection: Connection) -> dict[str, int]:
    """What blocks that pay owe to each label beyond what they paid, in satoshi."""
    rows = connection.execute(_OWED, sorted(EARNING))
    return {label: int(sat) for label, sat in rows}


def without_payout(connection: Connection) -> tuple[int, int | None]:
    """Of how many blocks it is not known in full what they pay; the height of the highest."""
    ((count, height),) = connection.execute(_WITHOUT_PAYOUT)
    return count, height
