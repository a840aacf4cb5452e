"""Both sides joined without a socket."""

from dataclasses import dataclass, field

import pytest

from .. import (
    Authorize,
    Authorized,
    ClientConnection,
    ClientEvent,
    Codec,
    Configured,
    Notify,
    Response,
    ServerConnection,
    ServerEvent,
    SetDifficulty,
    SetExtranonce,
    SetVersionMask,
    State,
    StratumError,
    Submit,
    SubmitResult,
    Subscribed,
    prevhash_to_stratum_hex,
    render_notify,
)
from .helpers import EXTRANONCE1, VERSION_MASK, answer, in_pieces

PREVHASH_LE = bytes(range(32))


@dataclass
class Dialogue:
    """A miner and a pool; all that the one writes the other reads, some bytes at a time.

    The pool sends work once a connection is ready and refuses a nonce of 0.
    """

    codec: Codec
    size: int
    heard: list[ClientEvent] = field(default_factory=list)
    asked: list[ServerEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.miner = ClientConnection(codec=self.codec, user_agent="rig/1.0")
        self.pool = ServerConnection(codec=self.codec)

    def settle(self) -> None:
        """Carry bytes until both are silent."""
        while True:
            to_pool, to_miner = self.miner.data_to_send(), self.pool.data_to_send()
            if not (to_pool or to_miner):
                return
            for piece in in_pieces(to_pool, self.size):
                for request in self.pool.receive_data(piece):
                    self.asked.append(request)
                    self._answer(request)
            for piece in in_pieces(to_miner, self.size):
                self.heard += self.miner.receive_data(piece)

    def _answer(self, request: ServerEvent) -> None:
        if isinstance(request, Submit) and request.nonce == 0:
            self.pool.refuse(request, StratumError(23, "low_difficulty"))
            return
        answer(self.pool, request)
        if isinstance(request, Authorize) and self.pool.state is State.READY:
            self.pool.set_difficulty(0.001)
            self.pool.notify(JOB)


JOB = render_notify(
    job_id="5a",
    prevhash_hex=prevhash_to_stratum_hex(PREVHASH_LE),
    coinb1=b"c1",
    coinb2=b"c2",
    merkle_branch=[b"\xab" * 32],
    version=0x20000000,
    nbits=0x1D00FFFF,
    ntime=0x504E86ED,
    clean_jobs=True,
)


@pytest.fixture(params=[1, 5, 1 << 20], ids=lambda size: f"{size} bytes at a time")
def dialogue(codec: Codec, request: pytest.FixtureRequest) -> Dialogue:
    return Dialogue(codec, request.param)


def test_a_miner_gets_work_and_hands_in_shares(dialogue: Dialogue) -> None:
    miner = dialogue.miner
    configure = miner.configure(version_mask=0xFFFFFFFF)
    subscribe = miner.subscribe()
    authorize = miner.authorize("rig.1", "x")
    dialogue.settle()
    assert miner.state is dialogue.pool.state is State.READY
    assert dialogue.heard == [
        Configured(configure, VERSION_MASK, frozenset({"version-rolling"})),
        Subscribed(subscribe, EXTRANONCE1, 8, "6f1e"),
        Authorized(authorize, True, None),
        SetDifficulty(0.001),
        Notify(
            "5a",
            PREVHASH_LE,
            b"c1",
            b"c2",
            (b"\xab" * 32,),
            0x20000000,
            0x1D00FFFF,
            0x504E86ED,
            True,
        ),
    ]
    dialogue.heard.clear()
    good = miner.submit("rig.1", "5a", bytes(range(8)), 0x504E86ED, 1, 0x00002000)
    bad = miner.submit("rig.1", "5a", bytes(8), 0x504E86ED, 0)
    dialogue.settle()
    assert dialogue.asked[-2:] == [
        Submit(good, "rig.1", "5a", bytes(range(8)), 0x504E86ED, 1, 0x00002000),
        Submit(bad, "rig.1", "5a", bytes(8), 0x504E86ED, 0, None),
    ]
    assert dialogue.heard == [
        SubmitResult(good, True, None),
        SubmitResult(bad, False, StratumError(23, "low_difficulty")),
    ]


def test_a_pool_asks_and_changes_what_it_said(dialogue: Dialogue) -> None:
    miner, pool = dialogue.miner, dialogue.pool
    miner.configure(version_mask=0xFFFFFFFF)
    miner.subscribe()
    miner.authorize("rig.1")
    miner.extranonce_subscribe()
    dialogue.settle()
    dialogue.heard.clear()
    version = pool.get_version()
    pool.set_extranonce(b"\x09" * 4)
    pool.set_version_mask(0x00FFE000)
    dialogue.settle()
    assert dialogue.asked[-1] == Response(version, "client.get_version", "rig/1.0", None)
    assert dialogue.heard == [SetExtranonce(b"\x09" * 4, 8), SetVersionMask(0x00FFE000)]
    assert miner.version_mask == pool.version_mask == 0x00FFE000
    assert miner.extranonce1 == b"\x09" * 4


def test_two_sides_that_do_not_understand_each_other_fall_silent(dialogue: Dialogue) -> None:
    dialogue.miner.write_rendered(b'nonsense\n{"id":[]}\n{"id":9,"method":"mining.dance"}\n')
    dialogue.pool.write_rendered(b'nonsense\n{"id":[]}\n{"id":9,"method":"client.dance"}\n')
    dialogue.settle()
    assert dialogue.pool.state is State.NEW
