"""The empty block's job: when one is made, and when none may be."""

from typing import Any

import msgspec
import pytest
import zmq
import zmq.asyncio
from structlog.testing import capture_logs

from poolserver.bitcoin.networks import REGTEST, TESTNET4
from poolserver.mining.template import GetBlockHeader
from poolserver.node import template_source
from poolserver.node.rpc import NodeError, NodeTimeout, NodeUnreachable, RpcError
from poolserver.node.stopgap import STOPGAP_AFTER_S, header_of_tip, stopgap_on
from tests.unit.node.answering import (
    NEVER_S,
    HeaderQuestion,
    Source,
    answer,
    header,
    running,
    template,
    tip,
)

OFTEN_S = 0.001


class HeaderNode:
    """Answers getblockheader with what it was given."""

    url = "http://node"

    def __init__(self, given: GetBlockHeader | NodeError) -> None:
        self._given = given
        self.asked = 0

    async def call(
        self, method: str, *params: Any, type: Any = Any, timeout_s: float | None = 1.0
    ) -> Any:
        self.asked += 1
        if isinstance(self._given, NodeError):
            raise self._given
        return self._given

    async def close(self) -> None: ...


async def new_tip(source: Source, height: int = 10, branch: str = "aa") -> HeaderQuestion:
    """The node has a new best block; the question for its header."""
    source.node.best = tip(height, branch=branch)
    asked = await source.node.headers.get()
    assert asked.tip_hex == source.node.best
    return asked


# --- the header -----------------------------------------------------------------------------------


async def test_the_header_of_the_tip_is_good_to_build_on() -> None:
    assert await header_of_tip(HeaderNode(header(10)), REGTEST, tip(10)) == header(10)


@pytest.mark.parametrize("confirmations", [-1, 0, 2])
async def test_a_block_that_is_not_the_tip_has_no_stopgap(confirmations: int) -> None:
    node = HeaderNode(header(10, confirmations=confirmations))
    assert await header_of_tip(node, REGTEST, tip(10)) is None


@pytest.mark.parametrize("height", [2015, 4031])
async def test_no_stopgap_where_difficulty_is_adjusted(height: int) -> None:
    assert await header_of_tip(HeaderNode(header(height)), REGTEST, tip(height)) is None
    before = HeaderNode(header(height - 1))
    assert await header_of_tip(before, REGTEST, tip(height - 1)) is not None


async def test_testnets_node_is_not_even_asked() -> None:
    node = HeaderNode(header(10))
    assert await header_of_tip(node, TESTNET4, tip(10)) is None
    assert node.asked == 0


@pytest.mark.parametrize(
    "trouble", [NodeUnreachable("gone"), NodeTimeout("slow"), RpcError(-5, "Block not found")]
)
async def test_trouble_is_for_the_debug_log(trouble: NodeError) -> None:
    with capture_logs() as logs:
        assert await header_of_tip(HeaderNode(trouble), REGTEST, tip(10)) is None
    assert [each["log_level"] for each in logs] == ["debug"]


# --- the template ---------------------------------------------------------------------------------


def test_the_nodes_clock_is_worked_out_from_its_last_template() -> None:
    made = stopgap_on(header(10), template(10), 61.9, REGTEST)
    assert made is not None
    assert made.curtime == template(10).curtime + 61


def test_of_a_header_that_makes_no_sense_there_is_no_stopgap() -> None:
    senseless = msgspec.structs.replace(header(10), bits="senseless")
    assert stopgap_on(senseless, template(10), 0.0, REGTEST) is None


# --- when it goes out -----------------------------------------------------------------------------


def test_the_full_template_has_20_ms() -> None:
    assert STOPGAP_AFTER_S == 0.02


async def test_a_late_template_is_preceded_by_one_stopgap() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        source.now += 7.5
        asked = await new_tip(source)
        assert asked.timeout_s == 2.0
        await source.answers(asked, header(10))
        made = source.published[-1]
        assert (made.stopgap, made.prevhash_le) == (True, template(11).prevhash_le)
        assert made.curtime == template(10).curtime + 7
        await source.node.is_polled()
        await source.answers(await source.node.questions.get(), answer(11))
        await source.node.is_polled()
        assert source.heights == [10, -11, 11]
        assert source.node.headers.empty()


async def test_a_template_in_time_has_no_stopgap() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=NEVER_S) as source:
        await source.starts()
        (await new_tip(source)).answer.set_result(header(10))
        await source.node.is_polled()
        assert source.heights == [10]  # the header is there and waits for its time
        await source.answers(await source.node.questions.get(), answer(11))
        assert source.heights == [10, 11]


async def test_a_template_that_is_before_the_header_has_no_stopgap() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        asked = await new_tip(source)
        await source.answers(await source.node.questions.get(), answer(11))
        asked.answer.set_result(header(10))
        await source.node.is_polled()
        assert source.heights == [10, 11]


async def test_a_tip_that_a_longpoll_has_brought_needs_no_stopgap() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        source.node.tells_best.clear()
        await source.answers(await source.longpoll.questions.get(), answer(11))
        source.node.best = tip(10)
        source.node.tells_best.set()
        await source.node.is_polled()
        assert source.heights == [10, 11]


async def test_there_is_no_stopgap_before_the_first_template() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        source.node.best = tip(10)
        await source.node.is_polled()
        assert source.node.headers.empty()
        assert source.published == []


@pytest.mark.parametrize("confirmations", [-1, 0, 2])
async def test_a_tip_is_asked_about_once_whatever_the_answer(confirmations: int) -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        (await new_tip(source)).answer.set_result(header(10, confirmations=confirmations))
        await source.node.is_polled()
        assert source.node.headers.empty()
        await source.answers(await source.node.questions.get(), answer(11))
        assert source.heights == [10, 11]


async def test_a_node_in_trouble_with_one_tip_is_asked_about_the_next() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        (await new_tip(source, 10)).answer.set_exception(NodeTimeout("slow"))
        await source.answers(await new_tip(source, 11), header(11))
        assert source.heights == [10, -12]


async def test_no_stopgap_at_a_difficulty_adjustment_nor_on_testnet() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts(2015)
        (await new_tip(source, 2015)).answer.set_result(header(2015))
        await source.node.is_polled()
        assert source.heights == [2015]
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0, network=TESTNET4) as source:
        await source.starts()
        source.node.best = tip(10)
        await source.answers(await source.node.questions.get(), answer(11))
        assert source.heights == [10, 11]
        assert source.node.headers.empty()


# --- answers that cross each other ----------------------------------------------------------------


async def test_of_two_blocks_in_quick_succession_the_newer_has_the_stopgap() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        first = await new_tip(source, 10)
        source.node.best = tip(11)
        await source.node.is_polled()
        first.answer.set_result(header(10))  # it was the tip when it was asked
        await source.answers(await new_tip(source, 11), header(11))
        assert source.heights == [10, -12]
        crossed = await source.node.questions.get()
        crossed.answer.set_result(answer(11))
        await source.answers(await source.node.questions.get(), answer(12))
        assert source.heights == [10, -12, 12]


async def test_a_header_that_was_overtaken_by_a_newer_tip_is_not_built_on() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        waiting = await source.longpoll.questions.get()
        asked = await new_tip(source, 10)
        await source.answers(waiting, answer(12))
        asked.answer.set_result(header(10))
        await source.node.is_polled()
        assert source.heights == [10, 12]


async def test_a_stopgap_is_not_made_on_a_block_that_was_reorganised_away() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        asked = await new_tip(source, 10)
        source.node.best = tip(9)
        await source.node.is_polled()
        asked.answer.set_result(header(10))
        await source.node.is_polled()
        assert source.heights == [10]


async def test_a_reorganisation_after_the_stopgap_is_followed() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        await source.answers(await new_tip(source, 10), header(10))
        await source.answers(await new_tip(source, 10, branch="bb"), header(10, branch="bb"))
        (await source.node.questions.get()).answer.set_result(answer(11))  # an old answer
        again = await source.node.questions.get()
        await source.answers(again, answer(11, branch="bb"))
        assert source.heights == [10, -11, -11, 11]
        assert source.published[-1] == template(11, branch="bb")


async def test_a_refresh_of_before_the_stopgap_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_source, "REFRESH_S", 0.0)
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        refresh = await source.node.questions.get()
        await source.answers(await new_tip(source), header(10))
        refresh.answer.set_result(answer(10, fees_sat=7))
        await source.answers(await source.node.questions.get(), answer(11))
        assert source.heights == [10, -11, 11]


async def test_a_longpoll_after_a_stopgap_is_put_on_the_nodes_own_last_template() -> None:
    async with running(poll_interval_s=OFTEN_S, stopgap_after_s=0.0) as source:
        await source.starts()
        waiting = await source.longpoll.questions.get()
        await source.answers(await new_tip(source), header(10))
        waiting.answer.set_exception(NodeUnreachable("cut"))
        again = await source.longpoll.questions.get()
        assert again.longpollid == answer(10).longpollid
        await source.answers(again, answer(11))
        assert (await source.longpoll.questions.get()).longpollid == answer(11).longpollid
        assert source.heights == [10, -11, 11]


async def test_a_poll_that_zmq_has_overtaken_says_nothing_of_the_tip() -> None:
    context = zmq.asyncio.Context()
    publisher = context.socket(zmq.XPUB)  # which is told when somebody subscribes
    port = publisher.bind_to_random_port("tcp://127.0.0.1")
    try:
        async with running(
            poll_interval_s=OFTEN_S, stopgap_after_s=0.0, zmq_hashblock=f"tcp://127.0.0.1:{port}"
        ) as source:
            await source.starts()
            source.node.tells_best.clear()
            await source.node.is_polled(1)  # its answer, the tip of now, is on its way
            assert await publisher.recv() == b"\x01hashblock"
            await publisher.send_multipart([b"hashblock", bytes.fromhex(tip(10)), bytes(4)])
            asked = await source.node.headers.get()
            assert asked.tip_hex == tip(10)
            source.node.best = tip(10)
            source.node.tells_best.set()
            await source.node.is_polled()
            await source.answers(asked, header(10))
            await source.node.is_polled()
            assert source.heights == [10, -11]
            assert source.node.headers.empty()  # the tip before was not taken for a newer one
    finally:
        publisher.close(linger=0)
        context.term()
