"""All faults that a block may be found under, by their names, and what must become of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

from tests.torture import faults
from tests.torture.fault_proxy import Fault, Moment
from tests.torture.world import World


class Fate(Enum):
    """What must become of a block."""

    BEST = "best chain"
    STALE = "stale, or in the best chain"
    LOST_ALLOWED = "lost, as is allowed"


@dataclass(frozen=True)
class BlockFault:
    """``play`` finds a block in trouble; ``dies_at`` is a step at which its pool kills itself."""

    name: str
    play: Callable[[World], Awaitable[None]]
    fate: Fate = Fate.BEST
    dies_at: str | None = None
    only_large: bool = False
    """Left out of the small run: it takes the pool's time-outs, or adds little to another."""


def _wrong(name: str, fault: Fault, method: str | None) -> BlockFault:
    return BlockFault(name, partial(faults.wrong_answers, fault=fault, method=method))


FAULTS = (
    BlockFault("none", faults.nothing),
    BlockFault("share wrong otherwise", faults.odd_share),
    BlockFault("3,000 transactions", faults.full_template),
    BlockFault("pool dies: share in", faults.pool_dies, Fate.LOST_ALLOWED, dies_at="found"),
    BlockFault("pool dies: half submitted", faults.pool_dies, dies_at="submitting"),
    BlockFault("pool dies: submitted", faults.pool_dies, dies_at="submitted"),
    BlockFault("pool dies: spooled only", faults.pool_dies, dies_at="spooled"),
    BlockFault("pool dies: answered only", faults.pool_dies, dies_at="answered"),
    BlockFault("pool dies: answered, spooled", faults.pool_dies, dies_at="answered_spooled"),
    BlockFault("pool dies: settled", faults.pool_dies, dies_at="settled"),
    BlockFault(
        "pool dies: half of 3,000",
        faults.pool_dies_on_full_template,
        dies_at="submitting",
        only_large=True,
    ),
    BlockFault("pool killed: rig answered", faults.pool_killed_after_its_reply),
    BlockFault(
        "pool killed: network cut", faults.pool_killed_with_the_network_cut, only_large=True
    ),
    BlockFault("pool killed twice", faults.pool_killed_twice, only_large=True),
    BlockFault("node killed before", faults.node_killed_before),
    BlockFault("node killed: half", partial(faults.node_killed_at, moment=Moment.HALF)),
    BlockFault("node killed: forwarded", partial(faults.node_killed_at, moment=Moment.FORWARDED)),
    BlockFault("node killed: answered", partial(faults.node_killed_at, moment=Moment.ANSWERED)),
    BlockFault("node takes and forgets", faults.node_forgets),
    BlockFault("node and pool killed", faults.node_and_pool_restart),
    BlockFault("all nodes killed", faults.all_nodes_killed),
    BlockFault("network cut: one", faults.one_node_cut),
    BlockFault("network cut: all", faults.all_nodes_cut),
    BlockFault("network cut: in flight", faults.all_nodes_cut_while_it_leaves),
    BlockFault("black hole: one", faults.one_node_in_a_black_hole),
    BlockFault("black hole: all", faults.all_nodes_in_a_black_hole),
    BlockFault("submits swallowed", faults.submits_swallowed, only_large=True),
    BlockFault("slow: submitblock", partial(faults.slow_nodes, method="submitblock")),
    BlockFault(
        "slow: template", partial(faults.slow_nodes, method="getblocktemplate"), only_large=True
    ),
    _wrong("500: submitblock", Fault.ERROR_500, "submitblock"),
    _wrong("500: all", Fault.ERROR_500, None),
    _wrong("503: submitblock", Fault.ERROR_503, "submitblock"),
    _wrong("garbage: submitblock", Fault.GARBAGE, "submitblock"),
    _wrong("garbage: all", Fault.GARBAGE, None),
    BlockFault("answers lost", faults.answers_lost),
    BlockFault("requests cut", faults.requests_cut),
    BlockFault("disk full", faults.disk_full),
    BlockFault("spool lost", faults.spool_lost, only_large=True),
    BlockFault("disk full, network cut", faults.disk_full_and_nodes_cut),
    BlockFault("spool lost, node killed", faults.spool_lost_and_node_killed),
    BlockFault("disk full, pool killed", faults.disk_full_then_the_pool_killed),
    BlockFault("rival just before", partial(faults.rival_just_before, length=1), Fate.STALE),
    BlockFault("two rivals just before", partial(faults.rival_just_before, length=2), Fate.STALE),
    BlockFault("reorg just before", faults.rival_chain_just_before, Fate.STALE),
    BlockFault("orphaned later", faults.orphaned_later, Fate.STALE),
    BlockFault("race won later", faults.race_won_later),
    BlockFault("six at once, network cut", faults.many_at_once, Fate.STALE, only_large=True),
    BlockFault("tip taken away", faults.tip_taken_away),
)
