"""How a node does: whether it answers, the end of its chain, its peers. One monitor a node.

A monitor asks on connections of its own, so that a slow template never delays its answer, and
does nothing about what it finds: ``gate`` does.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import structlog

from poolserver.bitcoin.networks import Network
from poolserver.log import RateLimited
from poolserver.node.chains import CHAIN_LENGTH, NOTHING_KNOWN, Chain
from poolserver.node.checks import (
    CLOCK_ALARM_S,
    NetworkInfo,
    NodeCheckError,
    NodeInfo,
    Rpc,
    check_node,
)
from poolserver.node.rpc import (
    NodeAuthError,
    NodeError,
    NodeGarbage,
    NodeUnreachable,
    NodeWarmingUp,
)

# Together under the two seconds in which another node must have taken over: a node that falls
# silent just after an answer is known to be gone 1.25 s later.
PROBE_INTERVAL_S = 0.5
PROBE_TIMEOUT_S = 0.75
# A node that was restarted refuses connections first, or has a new cookie, and is checked anew. One
# that is just busy is the same process; but after so long it need not be.
WAS_AWAY = (NodeUnreachable, NodeAuthError, NodeWarmingUp)
RECHECK_AFTER_S = 10.0
CHECK_RETRY_S = 1.0
# A node of another network, or too old a one, is not mended within the second.
REFUSED_RETRY_S = 10.0

log = structlog.get_logger(__name__)
OnStatus = Callable[[], None]


class _ChainState(msgspec.Struct):
    """getblockchaininfo, as far as health goes: of one moment, under the node's own lock."""

    blocks: int
    bestblockhash: str
    chainwork: str
    initialblockdownload: bool


class _Header(msgspec.Struct):
    previousblockhash: str | None = None  # the first block of all has none


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node said when it was last asked; times are monotonic, in seconds.

    After a failure all but the first three fields are those of its last answer.
    """

    asked_at: float
    error: str | None
    """Why there is no answer, as a stable word (``NodeError.kind``); None where there is one."""
    checked: bool
    """Whether it passed ``check_node`` since it was last away."""
    seen_at: float | None = None
    """When it last answered."""
    latency_s: float = 0.0
    chain: Chain = NOTHING_KNOWN
    chainwork: int = 0
    peers: int = 0
    loading: bool = False
    """In initial block download."""


class NodeMonitor:
    """Watches one node. ``clock`` is monotonic, ``unix_time`` the Unix time; both in seconds.

    ``passed`` says that it was checked just now. The node is checked again whenever it was away,
    for it may come back as another: of another network, or with its clock off.
    """

    def __init__(
        self,
        name: str,
        rpc: Rpc,
        network: Network,
        *,
        for_templates: bool,
        passed: bool,
        clock: Callable[[], float],
        unix_time: Callable[[], float],
        interval_s: float = PROBE_INTERVAL_S,
        timeout_s: float = PROBE_TIMEOUT_S,
    ) -> None:
        self.name = name
        self.status = NodeStatus(asked_at=clock(), error="unasked", checked=passed)
        self._rpc = rpc
        self._network = network
        self._for_templates = for_templates
        self._clock = clock
        self._unix_time = unix_time
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._hurry = asyncio.Event()
        self._checked = passed
        self._must_check = asyncio.Event()
        if not passed:
            self._must_check.set()
        self._refusal = ""  # what was last said of a node that cannot be used at all
        self._trouble = RateLimited(log)
        self._check_trouble = RateLimited(log)

    async def run(self, on_status: OnStatus) -> None:
        """Watch until cancelled; ``on_status`` is called each time that ``status`` was renewed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_for_ever(on_status))
            group.create_task(self._check_for_ever(on_status))

    def look_now(self) -> None:
        """Ask at once: there are signs of trouble."""
        self._hurry.set()

    # --- how it does ----------------------------------------------------------------------

    async def _watch_for_ever(self, on_status: OnStatus) -> None:
        while True:
            self._hurry.clear()
            self.status = await self._look()
            on_status()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._hurry.wait()

    async def _look(self) -> NodeStatus:
        asked_at = self._clock()
        try:
            state: _ChainState = await self._ask("getblockchaininfo", type=_ChainState)
            latency_s = self._clock() - asked_at
            network: NetworkInfo = await self._ask("getnetworkinfo", type=NetworkInfo)
            chainwork = _work(state.chainwork)
            hashes = await self._follow(state.bestblockhash)
        except NodeError as error:
            return self._failed(error, asked_at)
        self._trouble.restored("node_restored", self._clock(), node=self.name)
        return NodeStatus(
            asked_at=asked_at,
            error=None,
            checked=self._checked,
            seen_at=self._clock(),
            latency_s=latency_s,
            chain=Chain(state.blocks, hashes),
            chainwork=chainwork,
            peers=network.connections,
            loading=state.initialblockdownload,
        )

    async def _ask(self, method: str, *params: Any, type: type[Any]) -> Any:
        try:
            return await self._rpc.call(method, *params, type=type, timeout_s=self._timeout_s)
        except NodeUnreachable:
            # A server may end an old connection just as it is used again; one that is gone
            # refuses a new one too.
            return await self._rpc.call(method, *params, type=type, timeout_s=self._timeout_s)

    async def _follow(self, tip_hex: str) -> tuple[str, ...]:
        """The hashes from the tip back: those that are held, and what is new, asked for."""
        held, new = self.status.chain.hashes_hex, [tip_hex]
        while len(new) < CHAIN_LENGTH and new[-1] not in held:
            header: _Header = await self._ask("getblockheader", new[-1], type=_Header)
            if header.previousblockhash is None:
                return tuple(new)
            new.append(header.previousblockhash)
        if new[-1] in held:
            new.extend(held[held.index(new[-1]) + 1 :])
        return tuple(new[:CHAIN_LENGTH])

    def _failed(self, error: NodeError, asked_at: float) -> NodeStatus:
        before = self.status
        silent_since = asked_at if before.seen_at is None else before.seen_at
        if isinstance(error, WAS_AWAY) or asked_at - silent_since > RECHECK_AFTER_S:
            self._checked = False
            self._must_check.set()
        self._trouble.failed("node_lost", str(error), self._clock(), node=self.name)
        return replace(
            before,
            asked_at=asked_at,
            error=error.kind,
            checked=self._checked,
        )

    # --- who it is ------------------------------------------------------------------------

    async def _check_for_ever(self, on_status: OnStatus) -> None:
        """Check it whenever it must be, until it passes."""
        while True:
            await self._must_check.wait()
            self._must_check.clear()  # before: it may be away again while it is checked
            try:
                info = await check_node(
                    self._rpc, self._network, self._unix_time, for_templates=self._for_templates
                )
            except NodeCheckError as error:
                self._say_refusal(error)
                self._must_check.set()
                await asyncio.sleep(REFUSED_RETRY_S if error.fatal else CHECK_RETRY_S)
                continue
            if self._must_check.is_set():
                continue
            self._checked, self._refusal = True, ""
            self._check_trouble.restored("node_ready", self._clock(), node=self.name)
            tell_of_node(self.name, self._rpc.url, info)
            self.status = replace(self.status, checked=True)
            on_status()

    def _say_refusal(self, error: NodeCheckError) -> None:
        if error.fatal and str(error) != self._refusal:
            self._refusal = str(error)
            log.error("node_refused", node=self.name, reason=self._refusal)
        elif error.answered:  # where it does not answer that has been said
            self._check_trouble.failed("node_not_ready", str(error), self._clock(), node=self.name)


def tell_of_node(name: str, url: str, info: NodeInfo) -> None:
    """Log a node that passed, and a clock that is off."""
    if abs(info.clock_skew_s) > CLOCK_ALARM_S:
        log.warning("clock_skew", node=name, node_ahead_s=round(info.clock_skew_s, 1))
    log.info("node", node=name, url=url, version=info.subversion, height=info.height)


def _work(chainwork_hex: str) -> int:
    try:
        return int(chainwork_hex, 16)
    except ValueError:
        raise NodeGarbage(f"chainwork {chainwork_hex[:80]!r} is no number") from None
