"""Words on where rigs are, in each kind of database: all are kept, and the newest come back."""

from poolserver.ledger import mapping_sql
from poolserver.ledger.database import Database
from poolserver.ledger.store import LedgerStore
from poolserver.power.places import MappingWord

FIRST = MappingWord("sahiwal.a1", "Sahiwal/T1", 1_800_000_000_250, issued_by="token:ops")
GROWN = MappingWord("sahiwal.ä2", "Sahiwal/c1/r7", 1_800_000_000_251, True, "token:ops")
MOVED = FIRST._replace(node="Sahiwal/T2", taken_at_ms=1_800_000_000_300)
BACK = FIRST._replace(node=None, taken_at_ms=1_800_000_000_400)


async def test_the_newest_word_on_each_rig_comes_back_and_none_that_was_taken_back(
    database: Database,
) -> None:
    store = LedgerStore(database)
    await store.open()
    assert await store.read(mapping_sql.newest) == []
    await store.write(lambda connection: mapping_sql.add(connection, [FIRST, GROWN]))
    assert await store.read(mapping_sql.newest) == [FIRST, GROWN]
    await store.write(lambda connection: mapping_sql.add(connection, [MOVED]))
    assert await store.read(mapping_sql.newest) == [GROWN, MOVED]
    await store.write(lambda connection: mapping_sql.add(connection, [BACK]))
    assert await store.read(mapping_sql.newest) == [GROWN]
    await store.close()
