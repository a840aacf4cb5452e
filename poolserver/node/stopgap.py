"""Work for the time in which a node makes the first template of a new tip.

A full template takes a node some tens of milliseconds to seconds, and meanwhile every rig mines
on a block that has its successor already. An empty block needs nothing but the tip's header.

Whatever fails here is for the debug log: the full template is on its way anyway, and the loop
that asks for it tells of a node in trouble.
"""

import structlog

from poolserver.bitcoin.networks import Network
from poolserver.mining.template import BlockTemplate, GetBlockHeader, TemplateError
from poolserver.node.checks import Rpc
from poolserver.node.rpc import NodeError

# So long a full template is waited for, as it spares every rig a change of work: 20 ms on the old
# tip are 0.003% of a block's ten minutes, and a small template is there in 5 to 15 ms.
STOPGAP_AFTER_S = 0.02
# Later than this the full template is there, or the node is in more trouble than can be bridged.
HEADER_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)


async def header_of_tip(rpc: Rpc, network: Network, tip_hex: str) -> GetBlockHeader | None:
    """Ask for the header of what is said to be the tip.

    None where no empty block may follow: it is not the tip, the next block's nbits may differ,
    or the node gives no answer.
    """
    if network.twenty_minute_rule:
        return None
    try:
        header: GetBlockHeader = await rpc.call(
            "getblockheader", tip_hex, True, type=GetBlockHeader, timeout_s=HEADER_TIMEOUT_S
        )
    except NodeError as error:
        log.debug("no_stopgap", tip=tip_hex, reason=str(error))
        return None
    if header.confirmations != 1:
        log.debug("no_stopgap", tip=tip_hex, reason=f"{header.confirmations} confirmations")
        return None
    return None if network.bits_may_change_at(header.height + 1) else header


def stopgap_on(
    header: GetBlockHeader, last: BlockTemplate, age_s: float, network: Network
) -> BlockTemplate | None:
    """An empty block's template on ``header``, or None where none can be made.

    ``last`` is the template held so far and ``age_s`` how long: its ``curtime`` was the node's
    clock when it came, so this needs no clock of ours to be right.
    """
    try:
        return BlockTemplate.empty_on(header, last, network, last.curtime + int(age_s))
    except TemplateError as error:
        log.debug("no_stopgap", tip=header.hash, reason=str(error))
        return None
