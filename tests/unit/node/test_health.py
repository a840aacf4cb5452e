"""What a monitor finds out of its node, against a node whose chain the test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from structlog.testing import capture_logs

from poolserver.bitcoin.networks import REGTEST
from poolserver.node import health
from poolserver.node.chains import CHAIN_LENGTH
from poolserver.node.health import PROBE_TIMEOUT_S, RECHECK_AFTER_S, NodeMonitor, NodeStatus
from poolserver.node.rpc import (
    NodeError,
    NodeGarbage,
    NodeHttpError,
    NodeTimeout,
    NodeUnreachable,
)
from tests.unit.node.chainnode import NOW, ChainNode

NEVER_S = 3600.0


class Watched:
    """A node and its monitor, which looks when the test says so."""

    def __init__(self, node: ChainNode, *, passed: bool, for_templates: bool) -> None:
        self.node = node
        self.now = 100.0
        self.statuses = 0
        self._came = asyncio.Event()
        self.monitor = NodeMonitor(
            "x",
            node,
            REGTEST,
            for_templates=for_templates,
            passed=passed,
            clock=lambda: self.now,
            unix_time=lambda: NOW + 0.5,
            interval_s=NEVER_S,
        )

    def on_status(self) -> None:
        self.statuses += 1
        self._came.set()

    async def next(self) -> NodeStatus:
        while not self._came.is_set():
            await self._came.wait()
        self._came.clear()
        return self.monitor.status

    async def looks(self, tip: str | None = None) -> NodeStatus:
        self.node.tip = tip or self.node.tip
        self.node.asked.clear()
        self._came.clear()
        self.monitor.look_now()
        return await self.next()


@asynccontextmanager
async def watching(
    tip: str = "a", *, passed: bool = True, for_templates: bool = True
) -> AsyncIterator[Watched]:
    watched = Watched(ChainNode(tip), passed=passed, for_templates=for_templates)
    task = asyncio.create_task(watched.monitor.run(watched.on_status))
    try:
        async with asyncio.timeout(5):
            await watched.next()
            yield watched
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_node_that_answers_is_told_in_full() -> None:
    async with watching("aaa") as watched:
        status = watched.monitor.status
        assert (status.error, status.checked, status.seen_at) == (None, True, 100.0)
        assert (status.chain.height, status.chain.hashes_hex) == (3, ("aaa", "aa", "a"))
        assert (status.chainwork, status.peers, status.loading) == (6, 8, False)


async def test_no_call_is_waited_for_longer_than_a_failover_allows() -> None:
    async with watching() as watched:
        assert watched.node.timeouts == {PROBE_TIMEOUT_S}


async def test_a_long_chain_is_followed_back_for_some_blocks_only() -> None:
    async with watching("a" * 50) as watched:
        hashes = watched.monitor.status.chain.hashes_hex
        assert len(hashes) == CHAIN_LENGTH
        assert hashes[-1] == "a" * (50 - CHAIN_LENGTH + 1)


async def test_of_a_new_block_only_its_own_header_is_asked_for() -> None:
    async with watching("a" * 50) as watched:
        status = await watched.looks("a" * 50 + "b")
        assert watched.node.asked.count("getblockheader") == 1
        assert len(status.chain.hashes_hex) == CHAIN_LENGTH
        assert status.chain.hashes_hex[:2] == ("a" * 50 + "b", "a" * 50)
        await watched.looks()
        assert watched.node.asked.count("getblockheader") == 0


@pytest.mark.parametrize("tip", ["aab", "aabbb", "ab", "b", "aa"])
async def test_a_reorganisation_is_followed_to_the_block_before_it(tip: str) -> None:
    async with watching("aaaa") as watched:
        status = await watched.looks(tip)
        expected = tuple(tip[:height] for height in range(len(tip), 0, -1))
        assert status.chain.hashes_hex == expected
        assert status.chain.height == len(tip)


async def test_a_node_that_is_gone_keeps_what_it_last_said() -> None:
    async with watching("aaa") as watched:
        watched.node.fails[""] = NodeUnreachable("gone")
        watched.now = 150.0
        status = await watched.looks()
        assert (status.error, status.asked_at, status.seen_at) == ("unreachable", 150.0, 100.0)
        assert status.chain.tip_hex == "aaa"


async def test_a_node_that_was_away_is_checked_before_it_counts_again() -> None:
    async with watching() as watched:
        watched.node.fails[""] = NodeUnreachable("gone")
        assert not (await watched.looks()).checked
        watched.node.fails = {"getblocktemplate": NodeTimeout("slow")}
        status = await watched.looks()
        assert (status.error, status.checked) == (None, False)


async def test_a_node_that_was_busy_for_a_moment_need_not_be_checked() -> None:
    async with watching() as watched:
        watched.node.fails[""] = NodeTimeout("slow")
        assert (await watched.looks()).checked
        watched.now += RECHECK_AFTER_S + 0.1
        assert not (await watched.looks()).checked


@pytest.mark.parametrize("error", [NodeHttpError(503, "busy"), NodeGarbage("half an answer")])
async def test_a_node_that_is_overrun_need_not_be_checked(error: NodeError) -> None:
    async with watching() as watched:
        watched.node.fails[""] = error
        status = await watched.looks()
        assert (status.error, status.checked) == (error.kind, True)


async def test_a_connection_that_broke_is_tried_again_before_the_node_is_called_gone() -> None:
    async with watching() as watched:
        watched.node.fails_once = NodeUnreachable("server disconnected")
        status = await watched.looks()
        assert (status.error, status.checked) == (None, True)


async def test_a_node_passes_by_itself_when_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_RETRY_S", 0.0)
    async with watching(passed=False) as watched:
        while not watched.monitor.status.checked:
            await watched.next()
        watched.node.fails[""] = NodeUnreachable("gone")
        await watched.looks()
        watched.node.fails = {}
        await watched.looks()
        while not watched.monitor.status.checked:
            await watched.next()


async def test_a_node_that_came_back_as_another_is_refused_and_that_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "CHECK_RETRY_S", 0.0)
    monkeypatch.setattr(health, "REFUSED_RETRY_S", 0.0)
    with capture_logs() as lines:
        async with watching() as watched:
            watched.node.fails[""] = NodeUnreachable("gone")
            await watched.looks()
            watched.node.chain, watched.node.fails = "main", {}
            status = await watched.looks()
            await watched.node.is_asked("getblockchaininfo", 4)  # it is asked again
            assert not status.checked
    (refused,) = [line for line in lines if line["event"] == "node_refused"]
    assert refused["log_level"] == "error"
    assert refused["reason"] == "the node runs on main, the config says regtest"


async def test_a_node_that_only_takes_blocks_is_not_asked_for_templates() -> None:
    async with watching(passed=False, for_templates=False) as watched:
        while not watched.monitor.status.checked:
            await watched.next()
        assert "getblocktemplate" not in watched.node.asked


async def test_a_loss_and_its_end_are_said_once() -> None:
    with capture_logs() as lines:
        async with watching() as watched:
            watched.node.fails[""] = NodeTimeout("slow")
            for _ in range(5):
                await watched.looks()
            watched.node.fails = {}
            for _ in range(5):
                await watched.looks()
    events = [line["event"] for line in lines if line["event"].startswith("node_")]
    assert events == ["node_lost", "node_restored"]


async def test_a_chainwork_that_is_no_number_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watching() as watched:
        spoiled = {**watched.node.getblockchaininfo(), "chainwork": "much"}
        monkeypatch.setattr(watched.node, "getblockchaininfo", lambda: spoiled)
        assert (await watched.looks()).error == "garbage"
