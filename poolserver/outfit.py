"""What each part is made of: worked out from the config, for the composition root and commands."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from poolserver.cluster.messages import (
    LimitSettings,
    ListenerSettings,
    NodeSettings,
    WorkerSettings,
)
from poolserver.config import (
    Config,
    ConfigError,
    LimitsConfig,
    NodeConfig,
    Problem,
    load_config,
)
from poolserver.crew.spools import spool_of
from poolserver.ledger.database import Database
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.mining.firmware import FirmwareTable, firmware_with
from poolserver.mining.identity import MAX_WORKER_INDEX, WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, JobFactory, JobTerms
from poolserver.node.rpc import Credentials, NodeRpc
from poolserver.server.tls import ServerCertificate


class StartError(RuntimeError):
    """The pool cannot start; the text says why, for people."""


def tried_config(path: Path) -> Config:
    """Read a file, and see whether what it names can be used.

    Raises:
        ConfigError: with every problem of the file, or of what it names.
    """
    config = load_config(path)
    trials: list[tuple[str, Callable[[], object]]] = [
        ("stratum", lambda: _firmware(config.stratum.firmware_file)),
        ("ledger", lambda: ledger_database(config)),
    ]
    for number, listener in enumerate(config.listeners):
        if listener.tls_cert is not None and listener.tls_key is not None:
            load = partial(ServerCertificate, listener.tls_cert, listener.tls_key)
            trials.append((f"listeners[{number}]", load))
    problems = []
    for place, trial in trials:
        try:
            trial()
        except (StartError, OSError) as error:
            problems.append(Problem(place, str(error)))
    if problems:
        raise ConfigError(problems)
    return config


def node_rpc(
    node: NodeConfig, observe: Callable[[str, float, str | None], None] | None = None
) -> NodeRpc:
    """Connections to a node; ``observe`` is told of every call."""
    password = node.password.reveal() if node.password is not None else None
    login = Credentials(node.username, password, node.cookie_file)
    return NodeRpc(node.url, login, observe=observe) if observe else NodeRpc(node.url, login)


def ledger_database(config: Config) -> Database:
    """The database that the books are in.

    Raises:
        StartError: it is of a kind that is not installed, or its name cannot be read.
    """
    ledger = config.ledger
    if ledger.store == "sqlite":
        return SqliteDatabase(config.data_dir / "ledger.sqlite")
    try:
        from poolserver.ledger.postgresql import PostgresDatabase
    except ImportError as error:  # psycopg's own library may be what is missing, too
        raise StartError(
            'ledger.store = "postgresql" needs psycopg: pip install "poolserver[postgresql]" '
            f"({error})"
        ) from error
    password = ledger.postgresql_password
    try:
        return PostgresDatabase(
            ledger.postgresql or "", None if password is None else password.reveal()
        )
    except ValueError as error:
        raise StartError(f"ledger.postgresql {error}") from error


def submit_nodes(config: Config) -> tuple[NodeSettings, ...]:
    """The nodes that found blocks go to."""
    return tuple(
        NodeSettings(
            url=node.url,
            username=node.username,
            password=node.password.reveal() if node.password is not None else None,
            cookie_file=str(node.cookie_file) if node.cookie_file is not None else None,
        )
        for node in config.nodes
        if "submit" in node.roles
    )


def worker_settings(
    config: Config, index: int, boot_epoch: int, listeners: tuple[ListenerSettings, ...]
) -> WorkerSettings:
    """What a worker process needs to know of the config, and no more.

    ``listeners`` are listener_settings(), with the ports that all workers share.
    """
    return WorkerSettings(
        instance_id=config.instance_id,
        worker_index=index,
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
        listeners=listeners,
        nodes=submit_nodes(config),
        listed_accounts=tuple(account for site in config.sites for account in site.accounts),
        any_account=config.auth.accounts == "any",
        journal_dir=str(config.data_dir / "journal"),
        spool_dir=str(spool_of(config.data_dir, index)),
        journal_release=config.journal.release_policy,
        journal_sync_interval_s=config.journal.sync_interval_ms / 1000,
        journal_when_full=config.journal.when_full,
        journal_held_bytes=config.journal.held_mib << 20,
        shares_ports=config.workers > 1,
        alone_for_s=config.worker_alone_h * 3600,
    )


def listener_settings(config: Config) -> tuple[ListenerSettings, ...]:
    """Where rigs connect."""
    return tuple(
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
        reserve_whole=config.payout.scheme == "pplns",
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
