"""What goes out of a group of nodes, and what is said, against nodes that the test moves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from poolserver.bitcoin.networks import MAIN, REGTEST, Network
from poolserver.mining.template import BlockTemplate
from poolserver.node.chains import Chain
from poolserver.node.group import GroupTerms, Member, NodeGroup
from poolserver.node.health import NodeStatus, OnStatus
from poolserver.node.heard import LatestTemplate, Signs
from poolserver.node.template_source import OnConfirmed, OnSign, OnTemplate
from tests.unit.node.answering import stopgap, template, tip

TERMS = GroupTerms()


def _nobody() -> None: ...


class Node:
    """Monitor and source in one; it says what the test tells it to. Each word takes a moment."""

    def __init__(self, clock: Callable[[], float], height: int) -> None:
        self._clock = clock
        self.signs = Signs()
        self.latest = LatestTemplate()
        self.hurried = self.asked = 0
        self._on_status: OnStatus = _nobody
        self.status = self._status(height, "aa")

    def _status(self, height: int, branch: str) -> NodeStatus:
        hashes = [tip(at, branch=branch if at > 10 else "aa") for at in range(height, 0, -1)]
        return NodeStatus(
            asked_at=self._clock(),
            error=None,
            checked=True,
            seen_at=self._clock(),
            chain=Chain(height, tuple(hashes[:8])),
            chainwork=height * 2,
            peers=8,
        )

    # --- what the group asks for

    async def run(self, *callbacks: object) -> None:
        raise NotImplementedError

    def look_now(self) -> None:
        self.hurried += 1

    def ask_now(self) -> None:
        self.asked += 1

    # --- what the test tells it to do

    def is_at(self, height: int, branch: str = "aa") -> None:
        """The monitor has found it with this tip."""
        self.status = self._status(height, branch)
        self._on_status()

    def has_peers(self, peers: int) -> None:
        self.status = replace(self.status, peers=peers)
        self._on_status()

    def fails(self, error: str = "unreachable") -> None:
        self.status = replace(self.status, error=error, asked_at=self._clock())
        self._on_status()

    def gives(self, new: BlockTemplate) -> None:
        """A template has come."""
        now, held = self._clock(), self.latest.template
        self.latest.judge(new, self.latest.tips, now)
        self.signs.answered_at = now
        self.signs.failing = self.signs.failing and new.stopgap
        self.signs.tip_is(new.prevhash_le[::-1].hex(), now)
        if held is not None and replace_time(held) == replace_time(new):
            self._on_confirmed(now)
        else:
            self._on_template(new, now)

    def hears_of(self, tip_hex: str) -> None:
        self.signs.tip_is(tip_hex, self._clock())
        self._on_tip()

    def gives_no_template(self) -> None:
        self.signs.failing = True
        self._on_trouble()

    def listen(
        self,
        on_template: OnTemplate,
        on_confirmed: OnConfirmed,
        on_tip: OnSign,
        on_trouble: OnSign,
    ) -> None:
        self._on_template, self._on_confirmed = on_template, on_confirmed
        self._on_tip, self._on_trouble = on_tip, on_trouble


def replace_time(template: BlockTemplate) -> object:
    return (template.prevhash_le, template.coinbase_value_sat, template.stopgap)


class AsMonitor:
    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def status(self) -> NodeStatus:
        return self._node.status

    async def run(self, on_status: OnStatus) -> None:
        self._node._on_status = on_status
        await asyncio.Event().wait()

    def look_now(self) -> None:
        self._node.look_now()


class AsSource:
    def __init__(self, node: Node) -> None:
        self._node = node
        self.signs = node.signs

    @property
    def latest(self) -> LatestTemplate:
        return self._node.latest

    def ask_now(self) -> None:
        self._node.ask_now()

    async def run(
        self,
        on_template: OnTemplate,
        on_confirmed: OnConfirmed,
        on_tip: OnSign,
        on_trouble: OnSign,
    ) -> None:
        self._node.listen(on_template, on_confirmed, on_tip, on_trouble)
        await asyncio.Event().wait()


class Heard:
    """What the group has said, in order: a template's height, "confirmed" or "outdated"."""

    def __init__(self, network: Network, trusted: str, takers: str, names: str) -> None:
        self.now = 100.0
        self.said: list[int | str] = []
        self.templates: list[BlockTemplate] = []
        self.nodes = {name: Node(self._moment_later, 10) for name in names}
        self.group = NodeGroup(
            [
                Member(
                    name,
                    name == trusted,
                    AsMonitor(node),  # type: ignore[arg-type]
                    AsSource(node) if name not in takers else None,
                )
                for name, node in self.nodes.items()
            ],
            network,
            lambda: self.now,
            TERMS,
        )

    def _moment_later(self) -> float:
        self.now += 0.001
        return self.now

    def on_template(self, new: BlockTemplate, received_at: float) -> None:
        self.templates.append(new)
        self.said.append(new.height)

    def on_confirmed(self, received_at: float) -> None:
        self.said.append("confirmed")

    def on_outdated(self, at: float) -> None:
        self.said.append("outdated")

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self.group.look()

    @property
    def active(self) -> str | None:
        return self.group.state.active

    def news(self) -> list[int | str]:
        """What was said since the last call."""
        said, self.said = self.said, []
        return said


@asynccontextmanager
async def grouped(
    network: Network = REGTEST, *, trusted: str = "", takers: str = "", names: str = "xy"
) -> AsyncIterator[Heard]:
    """A group of nodes at block 10, without a template yet; ``takers`` only take blocks."""
    heard = Heard(network, trusted, takers, names)
    task = asyncio.create_task(
        heard.group.run(heard.on_template, heard.on_confirmed, heard.on_outdated)
    )
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the tasks of the group have begun
    try:
        yield heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def of(lines: list[EventDict], event: str) -> list[EventDict]:
    return [line for line in lines if line["event"] == event]


# --- what goes out ---------------------------------------------------------------------------


async def test_only_the_active_nodes_templates_and_confirmations_go_out() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11, fees_sat=5))
        assert heard.news() == [11]
        y.gives(template(11, fees_sat=5))
        y.gives(template(11, fees_sat=6))
        assert heard.news() == []
        x.gives(template(11))
        assert heard.news() == ["confirmed"]


async def test_the_next_nodes_latest_template_goes_out_when_the_active_one_is_lost() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11, fees_sat=5))
        x.fails()
        assert heard.news() == [11, 11]
        assert heard.templates[-1].coinbase_value_sat == template(11, fees_sat=5).coinbase_value_sat
        assert heard.active == "y"
        assert heard.group.switches["failover"] == 1


async def test_a_template_that_lay_ready_has_the_time_that_its_node_has_now() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11, fees_sat=5))
        heard.now += 9.0
        x.fails()
        assert heard.templates[-1].curtime == template(11).curtime + 9


async def test_a_new_block_goes_out_whoever_hears_of_it_first_and_once() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11))
        heard.passes(20.0)
        heard.news()
        y.gives(template(12))
        assert (heard.news(), heard.active) == ([12], "y")
        x.gives(template(12))
        assert (heard.news(), heard.active) == ([], "y")
        heard.passes(TERMS.gate.fail_back_after_s)
        assert (heard.news(), heard.active) == ([12], "x")


async def test_the_full_template_follows_the_stopgap_from_whoever_has_it() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11))
        x.gives(stopgap(12))
        y.gives(template(12))
        assert heard.news() == [11, 12, 12]
        assert [each.stopgap for each in heard.templates] == [False, True, False]


async def test_no_template_is_on_a_block_that_the_trusted_node_has_not() -> None:
    async with grouped(trusted="y") as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11))
        heard.news()
        x.gives(template(12))
        assert heard.news() == []
        y.hears_of(tip(11))
        assert (heard.news(), heard.active) == ([12], "x")


async def test_a_reorganisation_to_a_lower_height_is_followed() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(12))
        y.gives(template(12))
        for node in (x, y):
            node.gives(template(11, branch="bb"))
        assert heard.news() == [12, 11]


async def test_a_node_in_trouble_is_looked_at_at_once() -> None:
    async with grouped() as heard:
        heard.nodes["x"].gives_no_template()
        assert heard.nodes["x"].hurried == 1


async def test_a_node_that_is_back_is_asked_for_a_template_at_once() -> None:
    async with grouped() as heard:
        x = heard.nodes["x"]
        x.is_at(10)
        assert x.asked == 0
        x.fails()
        x.is_at(10)
        x.is_at(10)
        assert x.asked == 1


async def test_on_main_a_node_without_peers_gives_its_place_to_one_with_some() -> None:
    async with grouped(MAIN) as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11))
        x.has_peers(0)
        assert heard.active == "y"


# --- work that is outdated -------------------------------------------------------------------


async def test_a_newer_block_without_a_template_is_said_once_and_then_nothing_goes_out() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11))
        heard.news()
        x.hears_of(tip(11))
        heard.passes(TERMS.outdated_after_s - 0.1)
        assert heard.news() == []
        heard.passes(0.2)
        heard.passes(1.0)
        assert heard.news() == ["outdated"]
        x.gives_no_template()
        y.gives(template(11))
        y.gives(template(11, fees_sat=5))
        assert heard.news() == []
        y.gives(template(12))
        assert heard.news() == [12]
        assert not heard.group.is_outdated


async def test_a_stopgap_is_mined_on_where_no_node_gives_a_template_on_the_new_block() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        x.gives_no_template()
        y.gives_no_template()
        x.hears_of(tip(11))
        x.gives(stopgap(12))
        heard.passes(TERMS.outdated_after_s + 1)
        assert heard.news() == [11, 12]


async def test_outdated_work_stays_so_when_the_nodes_are_lost() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        x.hears_of(tip(11))
        x.fails()
        y.fails()
        heard.passes(TERMS.outdated_after_s)
        assert heard.news() == [11, "outdated"]


async def test_work_is_confirmed_when_the_chain_comes_back_to_it() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.fails()
        x.hears_of(tip(11))
        heard.passes(TERMS.outdated_after_s)
        x.hears_of(tip(10))
        assert heard.news() == [11, "outdated", "confirmed"]


# --- what is said ----------------------------------------------------------------------------


async def test_a_failover_is_a_warning_with_its_nodes() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        y.gives(template(11))
        with capture_logs() as lines:
            x.fails()
        (line,) = of(lines, "node_active")
        assert line["log_level"] == "warning"
        assert (line["node"], line["instead_of"], line["reason"]) == ("y", "x", "failover")


async def test_the_loss_of_all_nodes_is_an_error_and_its_end_is_told() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        with capture_logs() as lines:
            x.fails()
            y.fails("timeout")
            heard.passes(TERMS.lost_after_s)
            heard.passes(1.0)
            x.gives(template(11))
        (lost,) = of(lines, "nodes_lost")
        assert lost["log_level"] == "error"
        assert lost["nodes"] == {"x": "unreachable", "y": "timeout"}
        assert len(of(lines, "nodes_restored")) == 1


async def test_the_loss_of_the_trusted_node_is_an_error() -> None:
    async with grouped(trusted="y") as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        with capture_logs() as lines:
            y.fails()
            heard.passes(TERMS.lost_after_s)
            y.is_at(10)
        assert len(of(lines, "trusted_node_lost")) == 1
        assert len(of(lines, "trusted_node_restored")) == 1


async def test_stale_work_is_an_error_for_each_of_its_reasons() -> None:
    async with grouped(names="x") as heard:
        x = heard.nodes["x"]
        x.gives(template(11))
        with capture_logs() as lines:
            heard.passes(TERMS.unconfirmed_after_s + 1)
            assert heard.group.is_stale
            x.gives(template(11))
            heard.passes(0.0)
            assert not heard.group.is_stale
            x.hears_of(tip(11))
            heard.passes(TERMS.outdated_after_s)
            assert heard.group.is_stale
            x.gives(template(12))
        assert [line["reason"] for line in of(lines, "work_stale")] == [
            "not_confirmed",
            "newer_tip",
        ]
        assert len(of(lines, "work_fresh")) == 2


async def test_a_race_is_told_and_is_an_alarm_only_when_it_lasts() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(11))
        with capture_logs() as lines:
            x.is_at(11)
            x.gives(template(12))
            y.is_at(11, branch="bb")
            assert heard.group.split_depth == 1
            heard.passes(TERMS.lasting_s - 0.1)
            assert not heard.group.is_split
            heard.passes(0.2)
            assert heard.group.is_split
            y.is_at(11)
        assert not heard.group.is_split
        (differs,) = of(lines, "chain_differs")
        assert (differs["log_level"], differs["node"]) == ("info", "y")
        (split,) = of(lines, "chain_split")
        assert (split["log_level"], split["ours"], split["theirs"]) == ("error", 1, 1)
        assert len(of(lines, "chain_split_over")) == 1


async def test_a_fork_of_two_blocks_is_an_alarm_at_once_also_with_a_node_for_blocks_alone() -> None:
    async with grouped(takers="y") as heard:
        x, y = heard.nodes.values()
        x.gives(template(13))
        x.is_at(12)
        y.is_at(12, branch="bb")
        assert heard.group.is_split
        assert heard.group.split_depth == 2


async def test_a_node_that_stays_behind_is_an_alarm() -> None:
    async with grouped() as heard:
        x, y = heard.nodes.values()
        x.gives(template(13))
        with capture_logs() as lines:
            x.is_at(12)
            heard.passes(TERMS.lasting_s + 0.1)
            y.is_at(12)
        (behind,) = of(lines, "node_behind")
        assert (behind["node"], behind["blocks"]) == ("y", 2)
        assert len(of(lines, "node_caught_up")) == 1


async def test_a_single_node_is_not_called_active() -> None:
    with capture_logs() as lines:
        async with grouped(names="x") as heard:
            heard.nodes["x"].gives(template(11))
            assert heard.news() == [11]
    assert of(lines, "node_active") == []


# --- for those who look ----------------------------------------------------------------------


async def test_the_figures_of_each_node() -> None:
    async with grouped(takers="y") as heard:
        x, y = heard.nodes.values()
        x.is_at(12)
        x.gives(template(13))
        heard.now += 3.0
        y.fails()
        first, second = heard.group.figures()
        assert (first.name, first.is_up, first.is_active, first.on_mined_chain) == (
            "x",
            True,
            True,
            True,
        )
        assert (first.height, first.blocks_behind, first.peers) == (12, 0, 8)
        assert first.template_age_s == pytest.approx(3.0, abs=0.1)
        assert (second.name, second.is_up, second.is_active) == ("y", False, False)
        assert (second.height, second.blocks_behind, second.template_age_s) == (10, 2, None)


async def test_before_anything_is_known_there_are_no_figures() -> None:
    heard = Heard(REGTEST, "", "", "xy")
    assert heard.group.figures() == []
    assert (heard.group.is_split, heard.group.split_depth, heard.group.is_stale) == (
        False,
        0,
        False,
    )
