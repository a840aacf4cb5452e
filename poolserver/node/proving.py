"""Templates that a node has looked at as blocks: whether it would take what we make of them.

A node's template is good by itself, but the block has our coinbase in it. So the first template
of each block is put together as a block, and the node is asked what it thinks of it (a proposal,
BIP23), while rigs mine on it already: a question that may take a second is not waited for. Should
the node refuse it, a block without transactions goes out in its place, and full templates on that
tip go out only once they have been looked at.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from functools import partial

import msgspec
import structlog

from poolserver.bitcoin.networks import Network
from poolserver.mining.job import JobFactory
from poolserver.mining.source import JobSource
from poolserver.mining.template import BlockTemplate
from poolserver.node.checks import Rpc, template_rules
from poolserver.node.rpc import NodeError, NodeWarmingUp, RpcError, in_thread

# The node checks it as it checks a block of the network; it checks one thing after the other.
PROPOSAL_TIMEOUT_S = 30.0

OnTemplate = Callable[[BlockTemplate, float], None]
OnConfirmed = Callable[[float], None]
OnOutdated = Callable[[float], None]
Propose = Callable[[msgspec.Raw], Awaitable[str | None]]

log = structlog.get_logger(__name__)


class Proof(StrEnum):
    """What a node said to a proposal."""

    GOOD = "good"
    REFUSED = "refused"
    OVERTAKEN = "overtaken"
    """It is not on the node's tip any more, so nothing was looked at."""
    UNANSWERED = "unanswered"


async def propose(rpc: Rpc, network: Network, block_json: msgspec.Raw) -> str | None:
    """Ask a node for its word on a block without work; None if it would take it.

    ``block_json`` is the block's hex in quotes. The words are those of BIP22 and BIP23.

    Raises:
        NodeError: it gave none.
    """
    request = {"mode": "proposal", "data": block_json, "rules": template_rules(network)}
    word: str | None = await rpc.call(
        "getblocktemplate", request, type=str | None, timeout_s=PROPOSAL_TIMEOUT_S
    )
    return word


class ProvingSource:
    """A ``JobSource`` in front of another. ``factory`` makes the blocks as the workers would."""

    def __init__(
        self,
        source: JobSource,
        propose: Propose,
        factory: JobFactory,
        network: Network,
        clock: Callable[[], float],
    ) -> None:
        """``propose`` asks the node that the templates come from; ``clock`` is monotonic."""
        self._source = source
        self._propose = propose
        self._factory = factory
        self._network = network
        self._clock = clock
        self._latest: BlockTemplate | None = None
        self._tip = b""  # what rigs mine on, be it by a stopgap
        self._looked_at = b""  # the tip that has been looked at, or is being
        self._refused = b""  # the tip on which the node has refused a block
        self._news = asyncio.Event()
        self.results: Counter[Proof] = Counter()

    async def run(
        self, on_template: OnTemplate, on_confirmed: OnConfirmed, on_outdated: OnOutdated
    ) -> None:
        """See ``mining.source.JobSource``."""
        async with asyncio.TaskGroup() as group:
            group.create_task(
                self._source.run(partial(self._take, on_template), on_confirmed, on_outdated)
            )
            group.create_task(self._prove_for_ever(on_template))

    def _take(self, on_template: OnTemplate, template: BlockTemplate, received_at: float) -> None:
        self._tip = template.prevhash_le
        if template.stopgap:
            on_template(template, received_at)
            return
        self._latest = template
        if template.prevhash_le != self._refused:
            on_template(template, received_at)
            if template.prevhash_le == self._looked_at:
                return
        self._news.set()

    async def _prove_for_ever(self, on_template: OnTemplate) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            template = self._latest
            assert template is not None  # there are news
            self._looked_at = template.prevhash_le
            proof = await self._prove(template)
            self.results[proof] += 1
            if proof is Proof.UNANSWERED:
                self._looked_at = b""  # the tip's next template is asked about again
            instead = self._conclude(template, proof)
            if instead is not None and self._is_current(template):
                on_template(instead, self._clock())

    def _is_current(self, template: BlockTemplate) -> bool:
        return self._tip == template.prevhash_le

    def _conclude(self, template: BlockTemplate, proof: Proof) -> BlockTemplate | None:
        """What must take the place of the rigs' work, now that this is known of a template."""
        is_held = template.prevhash_le == self._refused
        if proof is Proof.REFUSED and not is_held:
            self._refused = template.prevhash_le
            return template.emptied(self._network)
        if proof is Proof.GOOD and is_held:
            self._refused = b""
            log.info("template_good_again", height=template.height)
            return template
        return None

    async def _prove(self, template: BlockTemplate) -> Proof:
        try:
            # In a thread: a full block is megabytes.
            block_json = await in_thread(self._block_json, template)
            word = await self._propose(block_json)
        except ValueError as error:  # a coinbase that cannot be made, a number out of range
            word = str(error)
        except NodeWarmingUp as error:
            log.warning("proposal_unanswered", height=template.height, reason=str(error))
            return Proof.UNANSWERED
        except RpcError as error:
            word = error.message  # it could not even be read
        except NodeError as error:
            log.warning("proposal_unanswered", height=template.height, reason=str(error))
            return Proof.UNANSWERED
        if word is None:
            return Proof.GOOD
        if word == "inconclusive-not-best-prevblk":
            return Proof.OVERTAKEN
        log.error("template_refused", height=template.height, reason=word)
        return Proof.REFUSED

    def _block_json(self, template: BlockTemplate) -> msgspec.Raw:
        """The block with the largest coinbase that any rig gets."""
        job = self._factory.make(template, template.curtime)
        variant = job.variants[-1]
        extranonce = bytes(variant.coinbase.extranonce_size)
        block = job.block_hex(variant, extranonce, job.version, template.curtime, 0)
        return msgspec.Raw(b'"%b"' % block.encode())
