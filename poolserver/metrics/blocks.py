"""What Prometheus is told of blocks: their states, what they pay and to how many, and luck."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from poolserver.ledger.blocks import EARNING, BlockState
from poolserver.lookout.blocks import Efforts
from poolserver.metrics.families import counter, gauge

if TYPE_CHECKING:
    from poolserver.coordinator import Coordinator

BLOCKS = counter(
    "blocks",
    "state",
    help="Blocks that ever came into this state.",
    meaning=(
        "Blocks that ever came into this state: `found`, `accepted`, `stale`, `rejected`, "
        "`orphaned`, `mature`, over the pool's whole life. See below"
    ),
)
BLOCKS_IN_STATE = gauge("blocks_in_state", "state", help="Blocks that are in this state now.")
BLOCK_VALUE = gauge(
    "block_value_satoshis",
    "state",
    help="What the blocks in this state pay.",
    meaning=(
        "What the coinbases of the blocks that are in this state pay: `accepted` cannot be "
        "spent yet, `mature` can, `orphaned` and `stale` are lost"
    ),
)
UNPAID = gauge(
    "unpaid_satoshis",
    help="What the blocks that pay could not pay to payees.",
    meaning=(
        "What accepted and mature blocks owe to payees beyond what they paid, less what later "
        "ones of them have repaid; the operator's outputs hold it"
    ),
)
BLOCKS_UNSETTLED = gauge(
    "blocks_unsettled",
    help="Found blocks without a final word of the nodes.",
    meaning=(
        "Found blocks that no node has in its chain and not all have refused: they are "
        "submitted again and again"
    ),
)
BLOCKS_UNSPOOLED = gauge(
    "blocks_unspooled",
    help="Of these the ones that are on no disk.",
    meaning=(
        "Of these the ones that could not be written to the spool: a crash now would lose them"
    ),
)
EXPECTED_BLOCKS = counter(
    "expected_blocks",
    "site",
    help="Blocks that the accepted work was to find on average.",
    meaning=(
        "Blocks that the accepted work was to find on average, by the network's difficulty at "
        "the time, over the pool's whole life"
    ),
)
EXPECTED = counter(
    "expected_satoshis",
    "site",
    help="What the accepted work was to earn on average, before any fee.",
    meaning=(
        "What the accepted work was to earn on average, subsidy and fees, before any fee of "
        "the operator's"
    ),
)
ROUND_EFFORT = gauge(
    "round_effort",
    help="Blocks that the work since our last one was to find.",
    meaning=(
        "Blocks that the work since our last one that pays was to find: at 1 one is due, at 3 "
        "the pool was unlucky"
    ),
)
LUCK = gauge(
    "luck",
    help="Blocks that pay, over those that the work was to find.",
    meaning=(
        "Blocks that pay (accepted and mature) over those that the work was to find, over the "
        "pool's whole life"
    ),
    left_out="before there is work",
)
PAYEES = gauge(
    "payees",
    help="Payees of the next block.",
    meaning=(
        "Payees of the next block: shares of `split`, or accounts in the window of `pplns` "
        "and those with a debt"
    ),
)
DEBTS_HELD = gauge(
    "debts_held",
    help="1 while no debts are paid: it is not known what a block paid.",
    meaning=(
        "1 while debts are left out of new jobs: a block of ours was found, and the books do "
        "not have yet what it paid"
    ),
)


def block_families(
    coordinator: "Coordinator", sites: Sequence[str], efforts: Efforts
) -> Iterator[Metric]:
    """From the books, and from workers that have blocks under way. ``sites`` of the config are told
    of before they have any work.
    """
    yield from _states(coordinator)
    yield from _under_way(coordinator)
    yield from _expected(coordinator, sites)
    yield ROUND_EFFORT.of(efforts.under_way())
    luck = efforts.luck()
    if luck is not None:
        yield LUCK.of(luck)
    paymaster = coordinator.paymaster
    yield PAYEES.of(len(paymaster.plan.payees))
    yield DEBTS_HELD.of(int(paymaster.holds_debts))


def _states(coordinator: "Coordinator") -> Iterator[Metric]:
    book = coordinator.keeper.blocks
    ever, now, value = BLOCKS.make(), BLOCKS_IN_STATE.make(), BLOCK_VALUE.make()
    for state in BlockState:
        ever.add_metric([state], book.reached[state])
        now.add_metric([state], book.now[state])
        value.add_metric([state], book.value_sat[state])
    yield from (ever, now, value)
    yield UNPAID.of(sum(book.unpaid_sat[state] for state in EARNING))


def _under_way(coordinator: "Coordinator") -> Iterator[Metric]:
    workers = coordinator.workers.values()
    yield BLOCKS_UNSETTLED.of(sum(worker.blocks_unsettled for worker in workers))
    yield BLOCKS_UNSPOOLED.of(sum(worker.blocks_unspooled for worker in workers))


def _expected(coordinator: "Coordinator", sites: Sequence[str]) -> Iterator[Metric]:
    expected = dict.fromkeys(sites, (0.0, 0.0))
    expected |= coordinator.keeper.rewards.luck.expected_by_site()
    rows = sorted(expected.items())
    yield EXPECTED_BLOCKS.later(lambda: (((site,), blocks) for site, (blocks, _) in rows))
    yield EXPECTED.later(lambda: (((site,), earned_sat) for site, (_, earned_sat) in rows))
