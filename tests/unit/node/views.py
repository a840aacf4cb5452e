"""Views of nodes for tests of what decides by them: small block trees, named by their paths.

A block's name is the path to it: "a" is the first block, "ab" one on it. Its work is its height.
"""

from poolserver.node.chains import CHAIN_LENGTH, Chain
from poolserver.node.views import NodeView, Offer


def chain(block: str) -> Chain:
    """The end of the chain to a block."""
    hashes = tuple(block[:height] for height in range(len(block), 0, -1))
    return Chain(len(block), hashes[:CHAIN_LENGTH])


def offer(block: str, *, full: bool = True, sound: bool = True) -> Offer:
    return Offer(tip_hex=block, height=len(block), work=len(block), full=full, sound=sound)


def view(
    name: str,
    tip: str = "a",
    on: str | None = "=",
    *,
    full: bool = True,
    sound: bool = True,
    trusted: bool = False,
    fault: str | None = None,
    peers: int = 1,
    tip_at: float = 0.0,
    gives_templates: bool = True,
) -> NodeView:
    """A node with this tip and a template on ``on``: "=" is its tip, None is none."""
    return NodeView(
        name=name,
        trusted=trusted,
        fault=fault,
        gives_templates=gives_templates,
        peers=peers,
        chain=chain(tip),
        work=len(tip),
        work_is_told=True,
        tip_at=tip_at,
        offer=None if on is None else offer(tip if on == "=" else on, full=full, sound=sound),
    )
