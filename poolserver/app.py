"""The composition root: the one place where the parts are wired together."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path

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
from poolserver.metrics import PoolMetrics, RpcMetrics
from poolserver.mining.firmware import FirmwareTable, firmware_with
from poolserver.mining.identity import MAX_WORKER_INDEX, WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, JobFactory, JobTerms
from poolserver.node.checks import CLOCK_ALARM_S, NodeCheckError, check_node
from poolserver.node.rpc import Credentials, NodeRpc
from poolserver.node.template_source import NodeTemplateSource
from poolserver.server.worker import Worker, submit_rpcs

# A node that does not answer is waited for so long: it may be starting just now as we are. One that
# answers that it is not ready yet is waited for as long as it takes.
NODE_WAIT_S = 10.0
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
            if await self._found_node(node, stop):
                await self._serve(node, stop)
        finally:
            for rpc in self._rpcs:
                await rpc.close()

    async def _serve(self, node: NodeConfig, stop: asyncio.Event) -> None:
        """Start the parts one after the other, and stop each whatever becomes of the others."""
        config, loop = self._config, asyncio.get_running_loop()
        settings = worker_settings(config, next_boot_epoch(config.data_dir, int(time.time())))
        down: LocalLink[Down] = LocalLink(loop, lambda message: worker.receive(message))
        up: LocalLink[Up] = LocalLink(loop, lambda message: coordinator.receive(message))
        coordinator = Coordinator(config, self._template_source(node), down)
        self._registry.register(PoolMetrics(coordinator, config.network))
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

    async def _found_node(self, node: NodeConfig, stop: asyncio.Event) -> bool:
        """Check the node, and wait for one that is not ready yet; False if ``stop`` came first.

        Raises:
            StartError: it cannot be mined with, or does not answer.
        """
        rpc, said = self._rpc(node), ""
        answered_at = time.monotonic()
        while True:
            try:
                info = await check_node(rpc, self._config.bitcoin_network, time.time)
                break
            except NodeCheckError as error:
                if error.answered:
                    answered_at = time.monotonic()
                if error.fatal or time.monotonic() - answered_at > NODE_WAIT_S:
                    raise StartError(str(error)) from error
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting_for_node", reason=said)
            if await _set_within(stop, NODE_RETRY_S):
                return False
        if self._config.uses_work_scale and self._config.network == "signet":
            assert info.private_signet  # check_node lets no other signet through
        if abs(info.clock_skew_s) > CLOCK_ALARM_S:
            log.warning("clock_skew", node_ahead_s=round(info.clock_skew_s, 1))
        log.info("node", url=node.url, version=info.subversion, height=info.height)
        return True

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
