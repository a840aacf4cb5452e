"""The composition root: the one place where the parts are wired together."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from poolserver import __version__
from poolserver.api.http import HttpServer
from poolserver.cluster.epoch import next_boot_epoch
from poolserver.cluster.link import LocalLink
from poolserver.cluster.messages import (
    Down,
    LimitSettings,
    ListenerSettings,
    NodeSettings,
    Up,
    WorkerSettings,
)
from poolserver.config import Config, LimitsConfig, NodeConfig
from poolserver.coordinator import Coordinator
from poolserver.ledger.records import LedgerError
from poolserver.metrics import NodeMetrics, PoolMetrics, RpcMetrics
from poolserver.mining.firmware import FirmwareTable, firmware_with
from poolserver.mining.identity import MAX_WORKER_INDEX, WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, JobFactory, JobTerms
from poolserver.mining.source import JobSource
from poolserver.node.checks import NodeCheckError, NodeInfo
from poolserver.node.group import GroupTerms, Member, NodeGroup
from poolserver.node.health import NodeMonitor
from poolserver.node.muster import NODE_WAIT_S, Candidate, muster
from poolserver.node.proving import ProvingSource, propose
from poolserver.node.rpc import Credentials, NodeRpc
from poolserver.node.template_source import NodeTemplateSource
from poolserver.server.worker import Worker, submit_rpcs

# How soon the end of a task that should never end is noticed.
CHECK_INTERVAL_S = 1.0

log = structlog.get_logger(__name__)


class StartError(RuntimeError):
    """The pool cannot start; the text says why, for people."""


# What means that the pool could not start and is no bug: one line each for the operator.
START_ERRORS = (StartError, LedgerError, OSError)


class PoolServer:
    """Coordinator and one worker in one process, on the running loop."""

    def __init__(self, config: Config, group_terms: GroupTerms | None = None) -> None:
        self._config = config
        self._group_terms = group_terms or GroupTerms()
        self._registry = CollectorRegistry()
        self._rpc_metrics = RpcMetrics(self._registry)
        self._rpcs: list[NodeRpc] = []
        self.http_port = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set.

        Raises:
            StartError: the nodes, an address, the data folder or the database cannot be used.
        """
        candidates = [
            Candidate(node.label, self._rpc(node), "template" in node.roles)
            for node in self._config.nodes
        ]
        try:
            passed = await self._found_nodes(candidates, stop)
            if passed:
                group = self._node_group(candidates, passed)
                await self._serve(group, self._job_source(group), stop)
        finally:
            for rpc in self._rpcs:
                await rpc.close()

    async def _serve(self, group: NodeGroup, source: JobSource, stop: asyncio.Event) -> None:
        """Start the parts one after the other, and stop each whatever becomes of the others."""
        config, loop = self._config, asyncio.get_running_loop()
        settings = worker_settings(config, next_boot_epoch(config.data_dir, int(time.time())))
        down: LocalLink[Down] = LocalLink(loop, lambda message: worker.receive(message))
        up: LocalLink[Up] = LocalLink(loop, lambda message: coordinator.receive(message))
        coordinator = Coordinator(config, source, down, self._rpc_of_active(group))
        self._registry.register(PoolMetrics(coordinator, config.network))
        self._registry.register(NodeMetrics(group))
        http = HttpServer(self._registry, coordinator.not_ready_because)
        worker = Worker(settings, up, submit_rpcs(settings, self._rpc_metrics.observe))
        async with AsyncExitStack() as parts:
            parts.push_async_callback(http.stop)
            self.http_port = await http.start(*config.http.address)
            log.info("http_listening", port=self.http_port)
            parts.push_async_callback(coordinator.stop)
            await coordinator.start()
            parts.push_async_callback(asyncio.sleep, 0)  # the last batch crosses the link
            parts.push_async_callback(worker.stop)
            await worker.start()
            log.info("running", version=__version__, network=config.network)
            while not await _set_within(stop, CHECK_INTERVAL_S):
                coordinator.check()
                worker.check()
            log.info("stopping")

    async def _found_nodes(
        self, candidates: Sequence[Candidate], stop: asyncio.Event
    ) -> dict[str, NodeInfo]:
        """The nodes that can be used now; none if ``stop`` came first.

        Raises:
            StartError: one cannot be mined with at all, or none answers.
        """
        try:
            passed = await muster(
                candidates, self._config.bitcoin_network, time.time, stop, NODE_WAIT_S
            )
        except NodeCheckError as error:
            raise StartError(str(error)) from error
        if self._config.uses_work_scale and self._config.network == "signet":
            assert all(info.private_signet for info in passed.values())  # no other passes
        return passed

    def _node_group(
        self, candidates: Sequence[Candidate], passed: Mapping[str, NodeInfo]
    ) -> NodeGroup:
        network = self._config.bitcoin_network
        members = [
            Member(
                name=candidate.name,
                trusted=node.trusted,
                monitor=NodeMonitor(
                    candidate.name,
                    candidate.rpc,
                    network,
                    for_templates=candidate.for_templates,
                    passed=candidate.name in passed,
                    clock=time.monotonic,
                    unix_time=time.time,
                ),
                source=self._template_source(node) if candidate.for_templates else None,
            )
            for node, candidate in zip(self._config.nodes, candidates, strict=True)
        ]
        return NodeGroup(members, network, time.monotonic, self._group_terms)

    def _job_source(self, group: NodeGroup) -> JobSource:
        """The group, with its templates proved by the node that they come from."""
        if not self._config.templates.check_blocks:
            return group
        network = self._config.bitcoin_network
        active_rpc = self._rpc_of_active(group)

        async def ask(block_json: msgspec.Raw) -> str | None:
            return await propose(active_rpc(), network, block_json)

        return ProvingSource(group, ask, trial_factory(self._config), network, time.monotonic)

    def _rpc_of_active(self, group: NodeGroup) -> Callable[[], NodeRpc]:
        """Connections for one more purpose, to the node whose chain is mined."""
        rpcs = {node.label: self._rpc(node) for node in self._config.nodes}
        return lambda: rpcs[group.state.active or self._config.nodes[0].label]

    def _template_source(self, node: NodeConfig) -> NodeTemplateSource:
        return NodeTemplateSource(
            self._rpc(node),
            self._rpc(node),
            self._config.bitcoin_network,
            zmq_hashblock=node.zmq_hashblock,
            poll_interval_s=self._config.templates.poll_interval_s,
            clock=time.monotonic,
            version_mask=self._config.stratum.version_mask,
        )

    def _rpc(self, node: NodeConfig) -> NodeRpc:
        password = node.password.reveal() if node.password is not None else None
        rpc = NodeRpc(
            node.url,
            Credentials(node.username, password, node.cookie_file),
            observe=self._rpc_metrics.observe,
        )
        self._rpcs.append(rpc)
        return rpc


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def worker_settings(config: Config, boot_epoch: int) -> WorkerSettings:
    """What a worker process needs to know of the config, and no more."""
    return WorkerSettings(
        instance_id=config.instance_id,
        worker_index=0,
        boot_epoch=boot_epoch,
        network=config.network,
        payout=config.payout_plan,
        coinbase_tag=config.payout.coinbase_tag.encode(),
        extranonce2_size=config.stratum.extranonce2_size,
        version_mask=config.stratum.version_mask,
        target_shares_per_minute=config.stratum.target_shares_per_minute,
        max_shares_per_minute=config.stratum.max_shares_per_minute,
        job_lifetime_s=config.stratum.job_lifetime_s,
        refresh_interval_s=config.stratum.refresh_interval_s,
        template_max_age_s=config.templates.template_max_age_s,
        node_loss_grace_s=config.templates.node_loss_grace_s,
        line_limit=config.stratum.line_limit,
        outbox_limit=config.stratum.outbox_limit,
        handshake_timeout_s=config.stratum.handshake_timeout_s,
        line_timeout_s=config.stratum.line_timeout_s,
        resume_window_s=config.stratum.resume_window_s,
        reconnect_hosts=tuple((each.host, each.port) for each in config.stratum.reconnect_hosts),
        firmware=_firmware(config.stratum.firmware_file),
        limits=limit_settings(config.limits),
        listeners=tuple(
            ListenerSettings(
                host=listener.address.host,
                port=listener.address.port,
                start_difficulty=listener.start_difficulty,
                min_difficulty=listener.min_difficulty,
                max_difficulty=listener.max_difficulty,
                tls_cert=str(listener.tls_cert) if listener.tls_cert is not None else None,
                tls_key=str(listener.tls_key) if listener.tls_key is not None else None,
                proxy_protocol_from=listener.proxy_protocol_from,
            )
            for listener in config.listeners
        ),
        nodes=tuple(
            NodeSettings(
                url=node.url,
                username=node.username,
                password=node.password.reveal() if node.password is not None else None,
                cookie_file=str(node.cookie_file) if node.cookie_file is not None else None,
            )
            for node in config.nodes
            if "submit" in node.roles
        ),
        listed_accounts=tuple(account for site in config.sites for account in site.accounts),
        any_account=config.auth.accounts == "any",
        journal_dir=str(config.data_dir / "journal"),
        spool_dir=str(config.data_dir / "spool"),
        journal_release=config.journal.release,
        journal_sync_interval_s=config.journal.sync_interval_ms / 1000,
    )


def trial_factory(config: Config) -> JobFactory:
    """A factory of the jobs that this pool makes, for blocks to be looked at and never mined."""
    terms = JobTerms(
        coinbase_tag=config.payout.coinbase_tag.encode(),
        extranonce2_size=config.stratum.extranonce2_size,
        version_mask=config.stratum.version_mask,
    )
    firmware = firmware_with(_firmware(config.stratum.firmware_file))
    return JobFactory(
        WorkerIdentity(config.instance_id, MAX_WORKER_INDEX, 1),
        terms,
        CoinbaseClasses(firmware.coinbase_sizes),
        config.payout_plan,
    )


def _firmware(path: Path | None) -> str:
    """The operator's table of firmware, checked; empty where there is none."""
    if path is None:
        return ""
    try:
        text = path.read_text()
        FirmwareTable.load(text, str(path))
    except (OSError, ValueError) as error:
        raise StartError(f"stratum.firmware_file: {error}") from error
    return text


def limit_settings(limits: LimitsConfig) -> LimitSettings:
    return LimitSettings(
        trusted_networks=limits.trusted_networks,
        connections_unknown=limits.connections_unknown,
        connections_known=limits.connections_known,
        connections_per_second_unknown=limits.connections_per_second_unknown,
        connections_per_second_known=limits.connections_per_second_known,
        known_for_s=limits.known_for_h * 3600,
        resend_after_s=limits.resend_after_s,
        reconnect_after_s=limits.reconnect_after_s,
        drop_after_s=limits.drop_after_s,
        reject_percent=limits.reject_percent,
        reject_min_submits=limits.reject_min_submits,
        strikes=limits.strikes,
        strike_window_s=limits.strike_window_s,
        ban_s=limits.ban_s,
        pool_fault_percent=limits.pool_fault_percent,
    )


async def serve(config: Config) -> None:
    """Run the pool until SIGINT or SIGTERM.

    Raises:
        StartError: it cannot start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await PoolServer(config).run(stop)
