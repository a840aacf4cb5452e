"""The composition root: the one place where the parts are wired together."""

import asyncio
import signal
import time
from contextlib import suppress

import structlog
from prometheus_client import CollectorRegistry

from poolserver import __version__
from poolserver.api.http import HttpServer
from poolserver.cluster.epoch import next_boot_epoch
from poolserver.cluster.link import LocalLink
from poolserver.cluster.messages import (
    Down,
    ListenerSettings,
    NodeSettings,
    Up,
    WorkerSettings,
)
from poolserver.config import Config, NodeConfig
from poolserver.coordinator import Coordinator
from poolserver.ledger.records import LedgerError
from poolserver.metrics import PoolMetrics, RpcMetrics
from poolserver.node.checks import CLOCK_ALARM_S, NodeCheckError, check_node
from poolserver.node.rpc import Credentials, NodeRpc
from poolserver.node.template_source import NodeTemplateSource
from poolserver.server.worker import Worker, submit_rpcs

# A node that is still starting, or is being restarted, is waited for so long before we give up.
NODE_WAIT_S = 60.0
NODE_RETRY_S = 1.0
# How soon the end of a task that should never end is noticed.
CHECK_INTERVAL_S = 1.0

log = structlog.get_logger(__name__)


class StartError(RuntimeError):
    """The pool cannot start; the text says why, for people."""


# What means that the pool could not start and is no bug: one line each for the operator.
START_ERRORS = (StartError, LedgerError, OSError)


class PoolServer:
    """Coordinator and one worker in one process, on the running loop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._registry = CollectorRegistry()
        self._rpc_metrics = RpcMetrics(self._registry)
        self._rpcs: list[NodeRpc] = []
        self.http_port = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set.

        Raises:
            StartError: the node, an address, the data folder or the database cannot be used.
        """
        node = self._config.nodes[0]
        try:
            await self._wait_for_node(node)
            await self._serve(node, stop)
        finally:
            for rpc in self._rpcs:
                await rpc.close()

    async def _serve(self, node: NodeConfig, stop: asyncio.Event) -> None:
        config, loop = self._config, asyncio.get_running_loop()
        settings = worker_settings(config, next_boot_epoch(config.data_dir, int(time.time())))
        down: LocalLink[Down] = LocalLink(loop, lambda message: worker.receive(message))
        up: LocalLink[Up] = LocalLink(loop, lambda message: coordinator.receive(message))
        coordinator = Coordinator(config, self._template_source(node), down)
        self._registry.register(PoolMetrics(coordinator, config.network))
        http = HttpServer(self._registry, coordinator.not_ready_because)
        worker = Worker(settings, up, submit_rpcs(settings, self._rpc_metrics.observe))
        try:
            self.http_port = await http.start(*config.http.address)
            log.info("http_listening", port=self.http_port)
            await coordinator.start()
            await worker.start()
            log.info("running", version=__version__, network=config.network)
            await self._until(stop, coordinator)
        finally:
            log.info("stopping")
            await worker.stop()
            await asyncio.sleep(0)  # the last journal batch crosses the link
            await coordinator.stop()
            await http.stop()

    async def _until(self, stop: asyncio.Event, coordinator: Coordinator) -> None:
        while not stop.is_set():
            coordinator.check()
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_INTERVAL_S):
                    await stop.wait()

    async def _wait_for_node(self, node: NodeConfig) -> None:
        """Check the node; one that is not there or not ready yet is waited for."""
        rpc = self._rpc(node)
        deadline = time.monotonic() + NODE_WAIT_S
        said = ""
        while True:
            try:
                info = await check_node(rpc, self._config.bitcoin_network, time.time)
            except NodeCheckError as error:
                if error.fatal or time.monotonic() > deadline:
                    raise StartError(str(error)) from error
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting_for_node", reason=said, at_most_s=NODE_WAIT_S)
                await asyncio.sleep(NODE_RETRY_S)
                continue
            break
        if self._config.uses_work_scale and self._config.network == "signet":
            assert info.private_signet  # check_node lets no other signet through
        if abs(info.clock_skew_s) > CLOCK_ALARM_S:
            log.warning("clock_skew", node_ahead_s=round(info.clock_skew_s, 1))
        log.info("node", url=node.url, version=info.subversion, height=info.height)

    def _template_source(self, node: NodeConfig) -> NodeTemplateSource:
        return NodeTemplateSource(
            self._rpc(node),
            self._rpc(node),
            self._config.bitcoin_network,
            zmq_hashblock=node.zmq_hashblock,
            poll_interval_s=self._config.templates.poll_interval_s,
            clock=time.monotonic,
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


def worker_settings(config: Config, boot_epoch: int) -> WorkerSettings:
    """What a worker process needs to know of the config, and no more."""
    return WorkerSettings(
        instance_id=config.instance_id,
        worker_index=0,
        boot_epoch=boot_epoch,
        network=config.network,
        payout_script=config.payout_script_pubkey,
        coinbase_tag=config.payout.coinbase_tag.encode(),
        extranonce2_size=config.stratum.extranonce2_size,
        version_mask=config.stratum.version_mask,
        target_shares_per_minute=config.stratum.target_shares_per_minute,
        job_lifetime_s=config.stratum.job_lifetime_s,
        refresh_interval_s=config.stratum.refresh_interval_s,
        template_max_age_s=config.templates.template_max_age_s,
        node_loss_grace_s=config.templates.node_loss_grace_s,
        line_limit=config.stratum.line_limit,
        outbox_limit=config.stratum.outbox_limit,
        handshake_timeout_s=config.stratum.handshake_timeout_s,
        listeners=tuple(
            ListenerSettings(
                host=listener.address.host,
                port=listener.address.port,
                start_difficulty=listener.start_difficulty,
                min_difficulty=listener.min_difficulty,
                max_difficulty=listener.max_difficulty,
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
        ),
        listed_accounts=tuple(account for site in config.sites for account in site.accounts),
        any_account=config.auth.accounts == "any",
        journal_dir=str(config.data_dir / "journal"),
        spool_dir=str(config.data_dir / "spool"),
        journal_release=config.journal.release,
        journal_sync_interval_s=config.journal.sync_interval_ms / 1000,
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
