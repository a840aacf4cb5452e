"""Who is paid by the next block: the plan, made anew from the books and sent to the workers.

It is made every 30 seconds, at a new tip, and when there is news of a block of ours. Debts are
in it, but not while the books have yet to learn what a block has paid: what that repaid would be
repaid by the next block, too.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

import structlog

from poolserver.bitcoin.address import AddressError, script_pubkey_from_address
from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.bitcoin.networks import Network
from poolserver.bitcoin.target import work_from_target
from poolserver.cluster.messages import BlockEvent
from poolserver.config import Config
from poolserver.ledger.blocks import BlockState
from poolserver.ledger.database import StoreError
from poolserver.ledger.delta import Delta
from poolserver.ledger.keeper import LedgerKeeper
from poolserver.ledger.rewards import PayoutTerms
from poolserver.log import RateLimited
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate

# A plan that is older by so much than the work differs by what half a minute does in a window
# of weeks; and making it costs milliseconds where there are thousands of accounts.
PLAN_INTERVAL_S = 30.0

log = structlog.get_logger(__name__)


def payout_terms(config: Config) -> PayoutTerms:
    """Whom the operator wants to be paid."""
    payout, network = config.payout, config.bitcoin_network
    addresses = {each.name: each.address for each in payout.shares}
    addresses |= {each.name: each.address for each in payout.accounts}
    named = {
        name: script_pubkey_from_address(address, network) for name, address in addresses.items()
    }
    is_pplns = payout.scheme == "pplns"

    def script_of(label: str) -> bytes | None:
        return named.get(label) or (_script_of_address(label, network) if is_pplns else None)

    return PayoutTerms(
        script_pubkey_from_address(payout.address, network),
        payout.fee_basis_points,
        script_of,
        {each.name: each.weight for each in payout.shares},
        payout.window if is_pplns else None,
    )


@lru_cache(maxsize=65_536)  # asked of every account in every interval
def _script_of_address(account: str, network: Network) -> bytes | None:
    try:
        return script_pubkey_from_address(account, network)
    except AddressError:
        return None


class Paymaster:
    """Makes plans; ``send`` is given each that differs from the one before it.

    ``plan`` is the last one; the workers begin with the config's. ``clock`` is monotonic.
    """

    def __init__(
        self,
        terms: PayoutTerms,
        keeper: LedgerKeeper,
        plan: PayoutPlan,
        send: Callable[[PayoutPlan], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terms = terms
        self._keeper = keeper
        self._send = send
        self._clock = clock
        self._news = asyncio.Event()
        self._trouble = RateLimited(log)
        self._untold: set[str] = set()  # blocks of which the books do not know what they paid
        self._prevhash_le = b""
        self.network_work = 0
        """The hashes that a block takes on average now; 0 before the first template."""
        self.plan = plan

    @property
    def holds_debts(self) -> bool:
        """Whether no debts are paid now, since a block may have done it."""
        return bool(self._untold)

    # --- news ----------------------------------------------------------------------------

    def on_template(self, template: BlockTemplate) -> None:
        """Call it before the workers have the template: the first job is to have a plan."""
        self.network_work = work_from_target(template.network_target)
        if not self._prevhash_le:
            self.look()
        elif template.prevhash_le != self._prevhash_le:
            self._news.set()
        self._prevhash_le = template.prevhash_le

    def on_block(self, event: BlockEvent) -> None:
        """A block was found, or there is a node's word on it: the books are told of that first."""
        block = self._keeper.blocks.blocks[event.hash_hex]
        if event.state == BlockState.REJECTED:
            self._untold.discard(event.hash_hex)
        elif not block.value_sat:
            self._untold.add(event.hash_hex)
            self._use(self.plan.without_debts())
        self._news.set()

    def on_delta(self, delta: Delta) -> None:
        """The books have taken something in."""
        for record in delta.payouts:
            hash_hex = hash_le_to_hex(record.head.hash_le)
            block = self._keeper.blocks.blocks.get(hash_hex)
            if hash_hex in self._untold and block is not None and block.dues >= record.head.dues:
                self._untold.discard(hash_hex)
                self._news.set()

    def on_state(self) -> None:
        """What has become of a block was learnt from the chain."""
        self._news.set()

    # --- the plan ------------------------------------------------------------------------

    async def run(self) -> None:
        """Make a plan whenever there is reason to; for ever."""
        if not self._terms.has_payees:
            return
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PLAN_INTERVAL_S):
                    await self._news.wait()
            self._news.clear()
            await self._load()
            self.look()

    async def _load(self) -> None:
        """The window may have become longer, by the network's difficulty."""
        now = self._clock()
        if not self.network_work:
            return
        try:
            await self._keeper.load_window(self.network_work)
        except StoreError as error:
            self._trouble.failed("reward_window", str(error), now)
        else:
            self._trouble.restored("reward_window_restored", now)

    def look(self) -> None:
        """Make the plan of what is known now, and send it if it is another."""
        if not self._terms.has_payees:
            return
        rewards, weights = self._keeper.rewards, {}
        if rewards.window is not None:
            if not self.network_work:
                return
            weights = rewards.window.weights(self.network_work).weights
            rewards.window.expire(self.network_work)
        plan = self._terms.plan(weights, rewards.debts.owed_sat(self._keeper.blocks))
        self._use(plan.without_debts() if self._untold else plan)

    def _use(self, plan: PayoutPlan) -> None:
        if plan != self.plan:
            self.plan = plan
            self._send(plan)
