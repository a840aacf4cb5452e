"""What the pool knows of each node at one moment, in the terms that ``gate`` decides by. Pure.

News of a node comes by several ways: its monitor asks twice a second, its template source hears of
a new tip at once. A view is the newest of both.
"""

from dataclasses import dataclass

from poolserver.bitcoin.header import hash_le_to_hex
from poolserver.bitcoin.target import work_from_target
from poolserver.mining.template import BlockTemplate
from poolserver.node.chains import NOTHING_KNOWN, Chain
from poolserver.node.health import NodeStatus
from poolserver.node.heard import Signs


@dataclass(frozen=True, slots=True)
class Offer:
    """A node's latest template, as far as the choice of a node goes."""

    tip_hex: str
    height: int
    """Of the tip, so one below the template's."""
    work: int
    """The chain's work up to the tip, in hashes."""
    full: bool
    """Not a stopgap."""
    sound: bool = True
    """The node can still be asked for the next; else it is as good as its tip, and no better."""


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node. ``work`` is the chain's up to its tip, in hashes."""

    name: str
    trusted: bool
    fault: str | None
    """Why nothing of it is to be believed now, as a stable word; None where all is well."""
    gives_templates: bool
    peers: int = 0
    chain: Chain = NOTHING_KNOWN
    work: int = 0
    work_is_told: bool = False
    """Whether the node said so itself; else it is worked out from its template."""
    tip_at: float = 0.0
    """Since when that is its tip, as far as is known; monotonic seconds."""
    offer: Offer | None = None
    """None before the first."""


def view_of(
    name: str,
    status: NodeStatus,
    *,
    trusted: bool = False,
    loading_matters: bool = False,
    signs: Signs | None = None,
    template: BlockTemplate | None = None,
) -> NodeView:
    """Put together what ``status`` and a template source's ``signs`` say.

    ``loading_matters``: a node in initial block download is not to be believed.
    """
    chain, work, told, tip_at = status.chain, status.chainwork, True, status.asked_at
    if signs is not None and signs.tip_hex and signs.tip_at > status.asked_at:
        if signs.tip_hex != chain.tip_hex:
            height = _tip_height(signs.tip_hex, template, chain.height + 1)
            work = _work_at(height, status, template)
            chain, told = Chain(height, (signs.tip_hex,)), False
        tip_at = signs.tip_at
    elif signs is not None and signs.tip_hex == chain.tip_hex:
        tip_at = signs.tip_at
    return NodeView(
        name=name,
        trusted=trusted,
        fault=_fault(status, signs, loading_matters),
        gives_templates=signs is not None,
        peers=status.peers,
        chain=chain,
        work=work,
        work_is_told=told,
        tip_at=tip_at,
        offer=_offer(status, template, sound=signs is not None and not signs.failing),
    )


def _fault(status: NodeStatus, signs: Signs | None, loading_matters: bool) -> str | None:
    # A node that makes a template may keep others waiting, but that template is its answer too.
    answered = signs is not None and signs.answered_at > status.asked_at
    if status.error is not None and not (answered and status.seen_at is not None):
        return status.error
    if not status.checked:
        return "unchecked"
    return "loading" if loading_matters and status.loading else None


def _offer(status: NodeStatus, template: BlockTemplate | None, *, sound: bool) -> Offer | None:
    if template is None:
        return None
    height = template.height - 1
    return Offer(
        tip_hex=hash_le_to_hex(template.prevhash_le),
        height=height,
        work=_work_at(height, status, template),
        full=not template.stopgap,
        sound=sound,
    )


def _tip_height(tip_hex: str, template: BlockTemplate | None, otherwise: int) -> int:
    if template is not None and hash_le_to_hex(template.prevhash_le) == tip_hex:
        return template.height - 1
    return otherwise


def _work_at(height: int, status: NodeStatus, template: BlockTemplate | None) -> int:
    """The node's chainwork at another height, as if all blocks on the way had the same nbits.

    At a change of nbits that is off by a part of one block, until the node is asked again.
    """
    if template is None:
        return status.chainwork
    return status.chainwork + (height - status.chain.height) * work_from_target(
        template.network_target
    )
