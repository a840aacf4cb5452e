"""The nodes of the config, and what gives templates, made of them."""

import asyncio
import time
from collections.abc import Callable, Mapping

from poolserver.config import Config, NodeConfig
from poolserver.mining.job import JobFactory
from poolserver.node.checks import NodeCheckError, NodeInfo
from poolserver.node.group import GroupTerms, Member, NodeGroup
from poolserver.node.health import NodeMonitor
from poolserver.node.muster import NODE_WAIT_S, Candidate, muster
from poolserver.node.proving import ProvingSource, propose
from poolserver.node.rpc import NodeRpc
from poolserver.node.template_source import NodeTemplateSource
from poolserver.outfit import StartError, node_rpc


class PoolNodes:
    """All nodes, with connections of its own for each kind of question; ``close`` ends them all."""

    def __init__(
        self,
        config: Config,
        factory: JobFactory,
        observe: Callable[[str, float, str | None], None],
        terms: GroupTerms,
    ) -> None:
        """``factory`` makes the blocks that prove templates; ``observe`` is told of every call."""
        self._config = config
        self._network = config.bitcoin_network
        self._factory = factory
        self._observe = observe
        self._terms = terms
        self._rpcs: list[NodeRpc] = []
        self._candidates = [
            Candidate(node.label, self._rpc(node), "template" in node.roles)
            for node in config.nodes
        ]

    async def found(self, stop: asyncio.Event) -> dict[str, NodeInfo]:
        """Those that can be used now, by name; none if ``stop`` came first.

        Raises:
            StartError: one cannot be mined with at all, or none answers.
        """
        try:
            passed = await muster(self._candidates, self._network, time.time, stop, NODE_WAIT_S)
        except NodeCheckError as error:
            raise StartError(str(error)) from error
        if self._config.uses_work_scale and self._config.network == "signet":
            assert all(info.private_signet for info in passed.values())  # no other passes
        return passed

    def group(self, passed: Mapping[str, NodeInfo]) -> NodeGroup:
        """All of them, as one source of templates; those not in ``passed`` are checked later."""
        members = [
            Member(
                name=candidate.name,
                trusted=node.trusted,
                monitor=NodeMonitor(
                    candidate.name,
                    candidate.rpc,
                    self._network,
                    for_templates=candidate.for_templates,
                    passed=candidate.name in passed,
                    clock=time.monotonic,
                    unix_time=time.time,
                ),
                source=self._template_source(node) if candidate.for_templates else None,
            )
            for node, candidate in zip(self._config.nodes, self._candidates, strict=True)
        ]
        return NodeGroup(members, self._network, time.monotonic, self._terms)

    def active(self, group: NodeGroup) -> Callable[[], NodeRpc]:
        """The node whose templates are mined on, for questions that may take a second."""
        rpcs = {node.label: self._rpc(node) for node in self._config.nodes}
        return lambda: rpcs[group.state.active or self._config.nodes[0].label]

    def proving(self, group: NodeGroup, active: Callable[[], NodeRpc]) -> ProvingSource | None:
        """The group, its templates proved by the node that they come from; None: not wished."""
        if not self._config.templates.check_blocks:
            return None
        return ProvingSource(
            group,
            lambda block_json: propose(active(), self._network, block_json),
            self._factory,
            self._network,
            time.monotonic,
        )

    async def close(self) -> None:
        """Close all connections."""
        for rpc in self._rpcs:
            await rpc.close()

    def _template_source(self, node: NodeConfig) -> NodeTemplateSource:
        return NodeTemplateSource(
            self._rpc(node),
            self._rpc(node),
            self._network,
            zmq_hashblock=node.zmq_hashblock,
            poll_interval_s=self._config.templates.poll_interval_s,
            clock=time.monotonic,
            reserve=self._factory.reserve(),
            version_mask=self._config.stratum.version_mask,
        )

    def _rpc(self, node: NodeConfig) -> NodeRpc:
        rpc = node_rpc(node, self._observe)
        self._rpcs.append(rpc)
        return rpc
