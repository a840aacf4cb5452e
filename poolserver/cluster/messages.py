"""What a worker process and the coordinator say to each other.

Down flow templates, after the settings that a worker starts with; up flow journal batches and
counters. Each message is serialisable as it stands, so the seam is the same in one process and
over a socket; what the worker needs in order to go on alone (templates, where to submit a block)
is all here.
"""

import msgspec

from poolserver.ledger.records import JournalBatch
from poolserver.log_event import Event
from poolserver.mining.payout import Payee, PayoutPlan
from poolserver.mining.template import BlockTemplate
from poolserver.process_watch import ProcessFigures


class ListenerSettings(msgspec.Struct, frozen=True):
    """One Stratum listener; difficulties as vardiff takes them."""

    host: str
    port: int
    start_difficulty: float
    min_difficulty: float
    max_difficulty: float
    tls_cert: str | None = None
    tls_key: str | None = None
    proxy_protocol_from: tuple[str, ...] = ()


class LimitSettings(msgspec.Struct, frozen=True):
    """What is put up with; see ``server.admission`` and ``server.conduct``, who give defaults."""

    trusted_networks: tuple[str, ...]
    connections_unknown: int
    connections_known: int
    connections_per_second_unknown: float
    connections_per_second_known: float
    known_for_s: float
    resend_after_s: float
    reconnect_after_s: float
    drop_after_s: float
    reject_percent: int
    reject_min_submits: int
    strikes: int
    strike_window_s: float
    ban_s: float
    pool_fault_percent: int


class NodeSettings(msgspec.Struct, frozen=True):
    """A node to submit blocks to."""

    url: str
    username: str | None
    password: str | None
    cookie_file: str | None

    def __repr__(self) -> str:  # a password must not reach a log
        return f"NodeSettings(url={self.url!r})"


class WorkerSettings(msgspec.Struct, frozen=True, tag="settings"):
    """All that a worker process is told before it opens its listeners; they hold for its life.

    ``firmware`` is the operator's own table as TOML, empty where there is none. With
    ``shares_ports`` other processes listen at the same addresses (SO_REUSEPORT). A worker process
    ends after ``alone_for_s`` without a coordinator; 0: never.
    """

    instance_id: str
    worker_index: int
    boot_epoch: int
    network: str
    payout: PayoutPlan
    coinbase_tag: bytes
    extranonce2_size: int
    version_mask: int
    target_shares_per_minute: float
    max_shares_per_minute: float
    job_lifetime_s: float
    refresh_interval_s: float
    template_max_age_s: float
    node_loss_grace_s: float
    line_limit: int
    outbox_limit: int
    handshake_timeout_s: float
    line_timeout_s: float
    resume_window_s: float
    reconnect_hosts: tuple[tuple[str, int], ...]
    firmware: str
    limits: LimitSettings
    listeners: tuple[ListenerSettings, ...]
    nodes: tuple[NodeSettings, ...]
    listed_accounts: tuple[str, ...]
    any_account: bool
    journal_dir: str
    spool_dir: str
    journal_release: str
    journal_sync_interval_s: float
    journal_when_full: str
    journal_held_bytes: int
    shares_ports: bool = False
    alone_for_s: float = 0.0


class TemplateUpdate(msgspec.Struct, frozen=True, tag="template"):
    """A new template: of a new tip, or a fresher one of the same.

    To a worker that begins later it comes so long after the coordinator had it, and so long after
    a node last confirmed it. ``heard_at``, of a new tip: when a node first told of that block, by
    the monotonic clock of this machine, which all its processes have in common.
    """

    template: BlockTemplate
    age_s: float = 0.0
    unconfirmed_s: float = 0.0
    heard_at: float | None = None


class SentPlan:
    """A plan on its way. Work has more than the 64 bits that msgpack's integers have."""

    __slots__ = ("plan",)

    def __init__(self, plan: PayoutPlan) -> None:
        self.plan = plan

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SentPlan) and other.plan == self.plan

    __hash__ = None  # type: ignore[assignment]


class PayoutUpdate(msgspec.Struct, frozen=True, tag="payout"):
    """Who is paid by the jobs from now on, in place of the settings' plan.

    With fixed shares nothing changes while the pool runs; where work decides it does.
    """

    sent: SentPlan

    @classmethod
    def of(cls, plan: PayoutPlan) -> "PayoutUpdate":
        return cls(SentPlan(plan))


class TemplateConfirmed(msgspec.Struct, frozen=True, tag="confirmed"):
    """The node was asked and its template is still the last one sent."""


class WorkOutdated(msgspec.Struct, frozen=True, tag="outdated"):
    """A newer tip is known, and no node has a template on it; until one of the two above comes."""


class OurBlock(msgspec.Struct, frozen=True, tag="ours"):
    """A node has taken this block, which another worker found: none should be preferred to it."""

    hash_hex: str


class Renew(msgspec.Struct, frozen=True, tag="renew"):
    """Hand the rigs over to a new process, which ``command`` starts, with these settings.

    That one's folder and index are added to the command.
    """

    settings: WorkerSettings
    command: tuple[str, ...]


class WorkerHello(msgspec.Struct, frozen=True, tag="hello"):
    """The first word of a worker process on a link.

    ``source`` is empty while it has no settings yet, which it is then told; one that has a life
    already, under an earlier coordinator or before the link broke, goes on with it.
    """

    index: int
    source: str


class WorkerFailed(msgspec.Struct, frozen=True, tag="failed"):
    """The worker cannot start, as where an address cannot be bound. ``reason`` is for people."""

    index: int
    reason: str


class WorkerStarted(msgspec.Struct, frozen=True, tag="started"):
    """The worker listens; ``ports`` are those really bound, in the order of the listeners."""

    source: str
    ports: tuple[int, ...]


class WorkerEnded(msgspec.Struct, frozen=True, tag="ended"):
    """A worker process is no more. It is said for it, by who looks after the processes."""

    source: str


class WorkerSucceeded(msgspec.Struct, frozen=True, tag="succeeded"):
    """A worker process, ``before``, has handed its rigs and its counts over to this one."""

    before: str
    source: str


class Timed(msgspec.Struct, frozen=True, array_like=True):
    """A histogram's counts, by bounds that both sides know, and the sum of all in seconds."""

    counts: tuple[int, ...]
    seconds: float


class WorkerCounters(msgspec.Struct, frozen=True, tag="counters"):
    """The worker's gauges and counts since its start, sent once a second.

    ``rigs`` counts the authorized workers by account; ``unresolved`` are those that mine but
    send less than a share a minute. ``refused`` counts by reason who was not let in or was
    thrown out. ``stopgap_seconds`` is how long there was only a job without transactions,
    ``stopgap_work`` the hashes that were proven on such. ``blocks_unsettled`` have no node's
    final word yet, and ``blocks_unspooled`` of them are on no disk. ``journal_held`` are records
    in memory that are not on the disk yet. ``timed`` is by the names in ``timings``; ``process``
    is None where the worker is in the coordinator's own.
    """

    source: str
    connections: int
    rigs: dict[str, int]
    jobs: int
    malformed: int
    unresolved: int
    resumed: int
    refused: dict[str, int]
    bans: int
    rejecting: int
    pool_at_fault: bool
    stopgap_seconds: float
    stopgap_work: float  # more than 64 bits
    certificate_expires_unix: int | None
    blocks_unsettled: int
    blocks_unspooled: int
    journal_failed: bool
    journal_dropped: int
    journal_held: int = 0
    timed: dict[str, Timed] = {}
    process: ProcessFigures | None = None


class RigNews(msgspec.Struct, frozen=True, array_like=True):
    """What a connected rig tells of itself, and what it is asked for; each time that changes.

    ``hardware`` is what it says of its hardware in mining.configure (BIP310 info), in one text.
    ``j_per_th`` is a decimal or a fraction in text. ``share_work`` is how many hashes one of its
    shares stands for (a float: more than 64 bits). ``sessions`` counts its connections; 0: the
    last one ended.
    """

    worker: str
    account: str
    address: str
    user_agent: str
    hardware: str
    watts: int | None
    j_per_th: str | None
    share_work: float
    sessions: int


class RigsChanged(msgspec.Struct, frozen=True, tag="rigs"):
    """The rigs that came, went or changed since the last such message; at most once a second.

    A coordinator that has just met the worker is told of all its rigs, in one or more of these;
    ``is_all`` in the last one: whom it knew of before, and was told nothing of since, has gone.
    """

    source: str
    rigs: tuple[RigNews, ...]
    is_all: bool = False


class BlockEvent(msgspec.Struct, frozen=True, tag="block"):
    """A found block, or what became of it. ``state``: found, accepted, stale, rejected."""

    source: str
    hash_hex: str
    height: int
    worker_name: str
    state: str
    reason: str
    unix_ms: int


class WorkerSaid(msgspec.Struct, frozen=True, tag="said"):
    """Lines of a worker process's log since the last such message, from ``info`` up."""

    events: tuple[Event, ...]


Down = (
    WorkerSettings
    | TemplateUpdate
    | TemplateConfirmed
    | WorkOutdated
    | PayoutUpdate
    | OurBlock
    | Renew
)
Up = (
    WorkerHello
    | WorkerFailed
    | WorkerStarted
    | WorkerEnded
    | WorkerSucceeded
    | WorkerCounters
    | RigsChanged
    | JournalBatch
    | BlockEvent
    | WorkerSaid
)


class _PayeeRow(msgspec.Struct, frozen=True, array_like=True):
    label: str
    script_pubkey: bytes
    weight_le: bytes
    owed_sat: int


class _PlanRows(msgspec.Struct, frozen=True, array_like=True):
    operator: bytes
    fee_basis_points: int
    payees: list[_PayeeRow]


def encode_hook(value: object) -> object:
    """What msgspec is to encode in place of what it does not know."""
    if not isinstance(value, SentPlan):
        raise NotImplementedError(f"{type(value)} is no part of a message")
    plan = value.plan
    return _PlanRows(
        plan.operator,
        plan.fee_basis_points,
        [
            _PayeeRow(
                each.label,
                each.script_pubkey,
                each.weight.to_bytes((each.weight.bit_length() + 7) // 8, "little"),
                each.owed_sat,
            )
            for each in plan.payees
        ],
    )


def decode_hook(kind: type, rows: object) -> SentPlan:
    """The inverse of encode_hook().

    Raises:
        ValueError: it is no plan that can be.
    """
    if kind is not SentPlan:
        raise NotImplementedError(f"{kind} is no part of a message")
    sent = msgspec.convert(rows, _PlanRows)
    return SentPlan(
        PayoutPlan(
            sent.operator,
            sent.fee_basis_points,
            tuple(
                Payee(
                    each.label,
                    each.script_pubkey,
                    int.from_bytes(each.weight_le, "little"),
                    each.owed_sat,
                )
                for each in sent.payees
            ),
        )
    )
