"""Which nodes are there at the start, and whether that is enough to begin with."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from poolserver.bitcoin.networks import Network
from poolserver.node.checks import NodeCheckError, NodeInfo, Rpc, check_node
from poolserver.node.health import tell_of_node

# A node that does not answer is waited for so long: it may be starting just now as we are. One that
# answers that it is not ready yet is waited for as long as it takes.
NODE_WAIT_S = 10.0
NODE_RETRY_S = 1.0
# With one node ready, each other has so long to say that the config names it wrongly.
OTHERS_WAIT_S = 2.0
LOOK_S = 0.2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node of the config."""

    name: str
    rpc: Rpc
    for_templates: bool


@dataclass(slots=True)
class _Progress:
    answered_at: float
    passed: dict[str, NodeInfo] = field(default_factory=dict)
    refusals: dict[str, NodeCheckError] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)


async def muster(
    candidates: Sequence[Candidate],
    network: Network,
    unix_time: Callable[[], float],
    stop: asyncio.Event,
    wait_s: float = NODE_WAIT_S,
) -> dict[str, NodeInfo]:
    """Check all nodes until one can give templates; those that passed, by name.

    Empty where ``stop`` was set first.

    Raises:
        NodeCheckError: a node can never be used as the config says, or none answers in time.
    """
    progress = _Progress(time.monotonic())
    attempts = [
        asyncio.create_task(_check_until_passed(each, network, unix_time, progress))
        for each in candidates
    ]
    try:
        return await _enough(candidates, progress, stop, wait_s)
    except NodeCheckError as error:
        raise _named(error, candidates, progress) from error
    finally:
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)


async def _enough(
    candidates: Sequence[Candidate], progress: _Progress, stop: asyncio.Event, wait_s: float
) -> dict[str, NodeInfo]:
    passed, refusals = progress.passed, progress.refusals
    ready_at: float | None = None
    while not stop.is_set():
        for refusal in refusals.values():
            if refusal.fatal:
                raise refusal
        now = time.monotonic()
        if any(each.for_templates and each.name in passed for each in candidates):
            ready_at = now if ready_at is None else ready_at
            all_tried = len(passed.keys() | refusals.keys()) == len(candidates)
            if all_tried or now - ready_at > OTHERS_WAIT_S:
                return passed
        elif refusals and now - progress.answered_at > wait_s:
            raise next(iter(refusals.values()))
        progress.news.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await progress.news.wait()
    return {}


async def _check_until_passed(
    candidate: Candidate,
    network: Network,
    unix_time: Callable[[], float],
    progress: _Progress,
) -> None:
    name, said = candidate.name, ""
    while name not in progress.passed:
        try:
            info = await check_node(
                candidate.rpc, network, unix_time, for_templates=candidate.for_templates
            )
        except NodeCheckError as error:
            progress.refusals[name] = error
            if error.answered:
                progress.answered_at = time.monotonic()
            if not error.fatal and str(error) != said:
                said = str(error)
                log.warning("waiting_for_node", node=name, reason=said)
        else:
            progress.passed[name] = info
            progress.refusals.pop(name, None)
            progress.answered_at = time.monotonic()
            tell_of_node(name, candidate.rpc.url, info)
        progress.news.set()
        if name not in progress.passed:
            await asyncio.sleep(NODE_RETRY_S)


def _named(
    error: NodeCheckError, candidates: Sequence[Candidate], progress: _Progress
) -> NodeCheckError:
    """Where there are several nodes, with the name of the one that it is about."""
    names = [name for name, refusal in progress.refusals.items() if refusal is error]
    text = f"{names[0]}: {error}" if names and len(candidates) > 1 else str(error)
    return NodeCheckError(text, fatal=error.fatal, answered=error.answered)
