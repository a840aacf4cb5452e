"""What a node must be before its templates are mined on."""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from poolserver.bitcoin.networks import Network
from poolserver.mining.template import OP_TRUE_CHALLENGE_HEX, GetBlockTemplate
from poolserver.node.rpc import NodeError, RpcError

# getblocktemplate with mintime of BIP94 and longpoll that waits for fees came by then.
MIN_VERSION = 250_000
# Blocks two hours ahead of the others' clocks are refused; ntime may be rolled for nearly that.
CLOCK_ALARM_S = 2.0
CLOCK_REFUSE_S = 600.0


class NodeCheckError(Exception):
    """The node cannot be mined with. Where ``fatal`` is false it may be able to later.

    ``answered`` says that it is there, and only not ready yet.
    """

    def __init__(self, text: str, *, fatal: bool, answered: bool = False) -> None:
        super().__init__(text)
        self.fatal = fatal
        self.answered = answered


class Rpc(Protocol):
    """What this package needs of a node."""

    url: str

    async def call(
        self, method: str, *params: Any, type: Any = ..., timeout_s: float | None = ...
    ) -> Any: ...

    async def close(self) -> None: ...


class ChainInfo(msgspec.Struct):
    """getblockchaininfo, as far as it matters."""

    chain: str
    blocks: int
    initialblockdownload: bool
    bestblockhash: str = ""
    signet_challenge: str | None = None


class NetworkInfo(msgspec.Struct):
    """getnetworkinfo, as far as it matters."""

    version: int
    subversion: str
    connections: int = 0


class NodeInfo(msgspec.Struct, frozen=True):
    """A node that passed.

    ``clock_skew_s`` is its clock less ours: the least that is in keeping with its answer, as the
    node tells whole seconds. So an alarm by it is never a false one.
    """

    version: int
    subversion: str
    height: int
    private_signet: bool
    clock_skew_s: float


async def check_node(
    rpc: Rpc, network: Network, unix_time: Callable[[], float], *, for_templates: bool = True
) -> NodeInfo:
    """Ask a node who it is.

    One that is not there ``for_templates`` is not asked for one, nor for its clock.

    Raises:
        NodeCheckError: it is unreachable, of another network, too old, far behind or its clock
            is far off; the text says which, for people.
    """
    try:
        info: NetworkInfo = await rpc.call("getnetworkinfo", type=NetworkInfo)
        chain: ChainInfo = await rpc.call("getblockchaininfo", type=ChainInfo)
        _check_chain(info, chain, network)
        if chain.signet_challenge is not None:
            _check_challenge(network, chain.signet_challenge)
        if not for_templates:
            return _node_info(info, chain, chain.signet_challenge, 0.0)
        asked_at = unix_time()
        template: GetBlockTemplate = await rpc.call(
            "getblocktemplate", {"rules": template_rules(network)}, type=GetBlockTemplate
        )
        answered_at = unix_time()
    except RpcError as error:
        raise NodeCheckError(
            f"the node at {rpc.url} says: {error.message}", fatal=False, answered=True
        ) from error
    except NodeError as error:
        raise NodeCheckError(f"the node cannot be asked: {error}", fatal=False) from error
    # Older nodes tell the challenge in a template alone.
    challenge = chain.signet_challenge or template.signet_challenge or ""
    _check_challenge(network, challenge)
    skew = _clock_skew_s(template, asked_at, answered_at)
    if abs(skew) > CLOCK_REFUSE_S:
        raise NodeCheckError(
            f"the node's clock and ours are {abs(skew):.0f} s apart: set them right", fatal=True
        )
    return _node_info(info, chain, challenge, skew)


def _node_info(
    info: NetworkInfo, chain: ChainInfo, challenge: str | None, clock_skew_s: float
) -> NodeInfo:
    return NodeInfo(
        version=info.version,
        subversion=info.subversion,
        height=chain.blocks,
        private_signet=challenge == OP_TRUE_CHALLENGE_HEX,
        clock_skew_s=clock_skew_s,
    )


def template_rules(network: Network) -> list[str]:
    """The rules that getblocktemplate is told we know (BIP9, BIP145)."""
    return ["segwit", "signet"] if network.chain == "signet" else ["segwit"]


def _check_chain(info: NetworkInfo, chain: ChainInfo, network: Network) -> None:
    if chain.chain != network.chain:
        raise NodeCheckError(
            f"the node runs on {chain.chain}, the config says {network.name}", fatal=True
        )
    if info.version < MIN_VERSION:
        raise NodeCheckError(
            f"Bitcoin Core or Knots 25 or newer is needed, this is {info.subversion}", fatal=True
        )
    # A signet may be a private one, whose node calls it loading until blocks are found there.
    if chain.initialblockdownload and network.chain in ("main", "testnet4"):
        raise NodeCheckError(
            f"the node is still loading the block chain, it is at block {chain.blocks}", fatal=False
        )


def _check_challenge(network: Network, challenge: str) -> None:
    if network.chain == "signet" and challenge != OP_TRUE_CHALLENGE_HEX:
        raise NodeCheckError(
            "this signet's blocks need a signature, so a pool cannot mine them; "
            "a private signet with -signetchallenge=51 can be mined",
            fatal=True,
        )


def _clock_skew_s(template: GetBlockTemplate, asked_at: float, answered_at: float) -> float:
    """The least skew, in seconds, that explains the answer's ``curtime``.

    No call tells the node's time alone, but curtime is the clock that it judges blocks by, cut
    to whole seconds; where mintime holds it up it tells no more than that it is not ahead.
    """
    at_least = template.curtime - answered_at
    at_most = template.curtime + 1 - asked_at
    if template.curtime <= template.mintime:
        return min(0.0, at_most)
    return min(max(0.0, at_least), at_most)
