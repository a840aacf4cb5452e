"""A rig that has left is freed at once: nothing of it waits for the garbage collector."""

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator

import pytest

from poolserver._vendor.asyncio_stratum import ServerConnection, ServerProtocol
from poolserver.mining.miner import AuthorizedWorker, Miner
from poolserver.mining.vardiff import Vardiff
from poolserver.server.session import MinerSession
from tests.unit.server.hall import Hall
from tests.unit.solving import template

SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["rig/1.0"]}\n'
AUTHORIZE = b'{"id":2,"method":"mining.authorize","params":["demo.rig","x"]}\n'
NONSENSE = (
    b'{"id":3,"method":"mining.submit","params":["demo.rig","0","0000000000000000","00000000",'
    b'"00000000"]}\n{"id":4,"method":"mining.submit","params":[]}\n{"id":5,"method":"a"}\n'
)
RIGS = 8
OF_A_RIG = (MinerSession, ServerProtocol, ServerConnection, Miner, AuthorizedWorker, Vardiff)


@pytest.fixture
def garbage() -> Iterator[Counter[str]]:
    """What only the collector would have freed of a rig, by type; filled by look()."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    found: Counter[str] = Counter()
    try:
        yield found
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def look(found: Counter[str]) -> None:
    gc.collect()
    found.update(type(each).__qualname__ for each in gc.garbage if isinstance(each, OF_A_RIG))


async def come_and_go(hall: Hall, *lines: bytes) -> None:
    """The pool hears all of it, answers, and is left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hall.port)
    writer.write(SUBSCRIBE + AUTHORIZE + b"".join(lines))
    async with asyncio.timeout(5):
        for _ in range(4 + 3 * len(lines)):
            await reader.readline()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("lines", [(), (NONSENSE,)], ids=["in silence", "after bad shares"])
async def test_a_rig_that_has_left_is_freed_by_reference_counts(
    hall: Hall, garbage: Counter[str], lines: tuple[bytes, ...]
) -> None:
    hall.template(template())
    for _ in range(RIGS):
        await come_and_go(hall, *lines)
    await hall.until(lambda: hall.counters().connections == 0)
    look(garbage)
    assert not garbage
