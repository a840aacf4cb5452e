"""Nodes that do not agree on the chain, and nodes that are behind. Pure.

Two blocks found at the same time split the network for some minutes, and one of them is orphaned:
that is shown and no alarm. An alarm is a fork of two blocks on both sides, or one that lasts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from poolserver.node.chains import Chain, apart
from poolserver.node.views import NodeView

FORK_ALARM_DEPTH = 2
LASTING_S = 30.0
# A block takes some seconds to reach a node that is well, and is rarely followed within them.
BEHIND_ALARM_BLOCKS = 2


@dataclass(frozen=True, slots=True)
class Trouble:
    """A node whose tip is not the one that it should be.

    Of a fork ``ours`` are the blocks of the mined chain after the last shared one and ``theirs``
    the node's, each at least; of a node that is behind, ``ours`` is by how many blocks.
    """

    node: str
    ours: int
    theirs: int
    since: float
    alarmed: bool

    @property
    def depth(self) -> int:
        """Of a fork, the blocks of its shorter side."""
        return min(self.ours, self.theirs)


def forks(
    before: Mapping[str, Trouble],
    mined: Chain,
    believed: Iterable[NodeView],
    now: float,
    lasting_s: float = LASTING_S,
) -> dict[str, Trouble]:
    """The nodes that are forked from the mined chain, by name."""
    found: dict[str, Trouble] = {}
    for view in believed:
        difference = apart(mined, view.chain)
        earlier = before.get(view.name)
        if difference is None and earlier is not None:
            found[view.name] = earlier  # until it can be told again
        elif difference is not None and difference.is_fork:
            since = earlier.since if earlier else now
            alarmed = (
                (earlier is not None and earlier.alarmed)
                or difference.depth >= FORK_ALARM_DEPTH
                or now - since > lasting_s
            )
            found[view.name] = Trouble(view.name, *difference, since, alarmed)
    return found


def laggards(
    before: Mapping[str, Trouble],
    believed: Sequence[NodeView],
    now: float,
    lasting_s: float = LASTING_S,
) -> dict[str, Trouble]:
    """The nodes that are behind the longest chain that a node has, by name, and not forked.

    Of a trusted node, which rigs follow, a single block counts.
    """
    if not believed:
        return {}
    top = max(believed, key=lambda view: view.work)
    found: dict[str, Trouble] = {}
    for view in believed:
        blocks = blocks_behind(view, top)
        difference = apart(top.chain, view.chain)
        if blocks < (1 if view.trusted else BEHIND_ALARM_BLOCKS) or (
            difference is not None and difference.is_fork
        ):
            continue
        earlier = before.get(view.name)
        since = earlier.since if earlier else now
        found[view.name] = Trouble(view.name, blocks, 0, since, now - since > lasting_s)
    return found


def blocks_behind(view: NodeView, top: NodeView) -> int:
    """By how many blocks a node's chain is lower than another's."""
    return max(0, top.chain.height - view.chain.height)
