"""Every setting of the pool: its type, its limits, its default and what it is for.

The one place where these stand: the walker (walk.py) reads TOML by them and the reference in
docs/configuration.md is made of them. The names are a contract with the operators, and are
not changed. A limit or default cites its reason in the description, for the operator, or in
a comment, for us. Those on how rigs are dealt with stand in rigs.py, those on journal and books
in ledger.py, those on sites and power in sites.py, power.py, rig_models.py, tariff.py and
signals.py, those on HTTP and metrics in http.py and metrics.py.
"""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.bitcoin.address import script_pubkey_from_address
from poolserver.bitcoin.networks import NETWORKS, Network
from poolserver.config.budgets import BudgetConfig, BudgetSourceConfig
from poolserver.config.http import ApiTokenConfig, HttpConfig
from poolserver.config.kinds import doc, exact
from poolserver.config.ledger import JournalConfig, LedgerConfig
from poolserver.config.metrics import MetricsConfig
from poolserver.config.power import PowerConfig, ProgrammeConfig
from poolserver.config.rig_models import RigModelConfig
from poolserver.config.rigs import LimitsConfig, ListenerConfig, StratumConfig
from poolserver.config.signals import MeterConfig, MqttConfig
from poolserver.config.simulation import SimulationConfig
from poolserver.config.sites import SiteConfig
from poolserver.config.tariff import TariffConfig
from poolserver.config.values import (
    Account,
    CoinbaseTag,
    FilePath,
    InstanceId,
    NodeName,
    NodeUrl,
    Password,
    ZmqEndpoint,
)
from poolserver.mining.identity import MAX_WORKER_INDEX
from poolserver.mining.payout import BASIS_POINTS, Payee, PayoutPlan


class PayoutShareConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One who is paid by the coinbase itself, with `scheme = "split"`."""

    name: Annotated[
        Account, doc("Whom it is booked to: a site, an owner. Shown by `poolserver payouts`.")
    ]
    address: Annotated[str, doc("Receives the share. May be another's address too, or ours.")]
    weight: Annotated[
        int,
        Meta(ge=1, le=10**12),
        doc("The share is this over the sum of all weights, of what is left after the fee."),
    ]


class PayoutAccountConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where an account is paid that is not an address itself, with `scheme = "pplns"`."""

    name: Annotated[
        Account, doc("The part of `account.worker` before the first dot, as rigs give it.")
    ]
    address: Annotated[str, doc("Receives what its work earns. May be another's address too.")]


class PayoutConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the coinbase of our blocks says, and whom it pays."""

    address: Annotated[
        str,
        doc(
            "The operator's. Receives the block reward, or with shares the fee and what cannot be "
            "paid out. Base58 (P2PKH, P2SH), segwit and taproot addresses of the network."
        ),
    ]
    scheme: Annotated[
        Literal["solo", "split", "pplns"],
        doc(
            '"solo": all of it goes to `address`. "split": to `[[payout.shares]]`, by fixed '
            'weights. "pplns": to accounts that are or have an address, by their work in a window. '
            "[Payouts](payouts.md) tells more."
        ),
    ] = "solo"
    window: Annotated[
        Fraction,
        exact(gt=0, le=1000),
        doc(
            'With "pplns": how much work counts, in that of a block on average. 2 is the work in '
            "which the network finds two blocks. Longer is steadier, and slower to forget."
        ),
    ] = Fraction(2)
    fee_basis_points: Annotated[
        int,
        Meta(ge=0, le=BASIS_POINTS),
        doc("The operator's part before the shares, in hundredths of a percent: 150 is 1.5%."),
    ] = 0
    shares: tuple[PayoutShareConfig, ...] = ()
    accounts: tuple[PayoutAccountConfig, ...] = ()
    coinbase_tag: Annotated[
        CoinbaseTag,
        doc(
            "The pool's mark in each coinbase. The coinbase's 100 bytes of script also hold "
            "the height, the job's tag and the extranonce."
        ),
    ] = "/poolserver/"


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A Bitcoin node that gives templates and takes blocks; at least one, in order of preference.
    The login is `cookie_file`, or `username` with one of `password` and `password_env`.
    [Several nodes](nodes.md) tells how they stand in for each other.
    """

    url: Annotated[NodeUrl, doc("The node's RPC server.")]
    name: Annotated[
        NodeName | None,
        doc("Its name in log and metrics.", default="host and port of `url`"),
    ] = None
    roles: Annotated[
        tuple[Literal["template", "submit"], ...],
        Meta(min_length=1),
        doc(
            "What it is for: `template`, its templates may be mined on; `submit`, found blocks "
            "are given to it. At least one node must have each."
        ),
    ] = ("template", "submit")
    username: Annotated[str | None, doc("`rpcauth` or `rpcuser` of the node.")] = None
    password: Annotated[
        Password | None,
        doc("The password. `password_env` keeps it out of the file."),
    ] = None
    password_env: Annotated[
        str | None, doc("Name of an environment variable that holds the password.")
    ] = None
    cookie_file: Annotated[
        FilePath | None,
        doc("The node's `.cookie`, read at each login: the node writes a new one at each start."),
    ] = None
    zmq_hashblock: Annotated[
        ZmqEndpoint | None,
        doc(
            "The node's `zmqpubhashblock`: news of a block comes at once. Without it there are "
            "longpoll and polling.",
            default="none",
        ),
    ] = None
    trusted: Annotated[
        bool,
        doc(
            "Its chain is the one that is mined, whatever other nodes say, for as long as it can "
            "be used. For a node of your own, on your network; at most one, which must have the "
            "role `template`."
        ),
    ] = False

    @property
    def label(self) -> str:
        """``name``, or the url's host and port."""
        return self.name or self.url.split("/")[2]


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Who may mine here."""

    accounts: Annotated[
        Literal["listed", "any"],
        doc(
            '"listed": accounts of a site, and payout addresses. "any": everyone; work '
            "without a site goes to the site `unassigned`, which is shown, with an alert."
        ),
    ] = "listed"


class TemplatesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Block templates, and what to do when no node gives any."""

    check_blocks: Annotated[
        bool,
        doc(
            "Ask the node, at the first template of each new tip, whether it would take the block "
            "that we make of it (a proposal). Rigs mine on it meanwhile; if the node would not, "
            "they get a block without transactions."
        ),
    ] = True
    poll_interval_s: Annotated[
        float,
        Meta(ge=0.05, le=60),
        doc("How often a node is asked for its tip, beside longpoll and ZMQ."),
    ] = 1.0
    template_max_age_s: Annotated[
        float,
        Meta(ge=30, le=7000),
        doc(
            "How long the last template is mined on while no node answers and no newer block "
            "is known of: a block found on it is still good."
        ),
    ] = 300.0
    node_loss_grace_s: Annotated[
        float,
        Meta(ge=0, le=3600),
        doc(
            "After that, or where a newer block is known and no node has a template on it: how "
            "long until miners are disconnected, so that they go to their backup pool."
        ),
    ] = 60.0


class LogConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The log, on standard error, in UTC."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], doc("The least that is logged.")
    ] = "info"
    format: Annotated[
        Literal["console", "json"], doc('For people, or ("json") an object a line for programs.')
    ] = "console"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Which pool this is, on which network, and where it keeps its data.

    With all of the sections in it the whole of a configuration, valid and complete if it
    comes from ``load_config`` or ``parse_config``.
    """

    instance_id: Annotated[
        InstanceId,
        doc(
            "Names this pool: a part of extranonce1, of job ids and of the journal's source, "
            "so two pools that share a ledger must differ in it."
        ),
    ] = "pool-1"
    network: Annotated[Literal["main", "testnet4", "signet", "regtest"], doc("The node's network.")]
    data_dir: Annotated[
        FilePath,
        doc("Journal, blocks and database. Relative to this file's folder, like every path in it."),
    ] = Path("var")
    workers: Annotated[
        int,
        Meta(ge=1, le=MAX_WORKER_INDEX + 1),
        doc(
            "How many processes take rigs. 1: all is in one process. More than one shares the "
            "rigs among them, and a coordinator beside them has the rest: "
            "[Several processes](processes.md)."
        ),
    ] = 1
    worker_alone_h: Annotated[
        float,
        Meta(ge=0, le=8760),
        doc(
            "With several `workers`: how long one goes on without a coordinator before it ends by "
            "itself. 0: for ever."
        ),
    ] = 24.0
    payout: PayoutConfig
    nodes: Annotated[tuple[NodeConfig, ...], Meta(min_length=1)]
    listeners: Annotated[tuple[ListenerConfig, ...], Meta(min_length=1)]
    auth: AuthConfig = AuthConfig()
    http: HttpConfig = HttpConfig()
    metrics: MetricsConfig = MetricsConfig()
    programme: ProgrammeConfig = ProgrammeConfig()
    sites: tuple[SiteConfig, ...] = ()
    rig_models: tuple[RigModelConfig, ...] = ()
    power: PowerConfig = PowerConfig()
    budgets: tuple[BudgetConfig, ...] = ()
    budget_sources: tuple[BudgetSourceConfig, ...] = ()
    meters: tuple[MeterConfig, ...] = ()
    tariff: TariffConfig = TariffConfig()
    mqtt: MqttConfig | None = None
    api_tokens: tuple[ApiTokenConfig, ...] = ()
    journal: JournalConfig = JournalConfig()
    ledger: LedgerConfig = LedgerConfig()
    stratum: StratumConfig = StratumConfig()
    limits: LimitsConfig = LimitsConfig()
    templates: TemplatesConfig = TemplatesConfig()
    log: LogConfig = LogConfig()
    simulation: SimulationConfig = SimulationConfig()

    @property
    def bitcoin_network(self) -> Network:
        """What differs on this network."""
        return NETWORKS[self.network]

    @property
    def payout_plan(self) -> PayoutPlan:
        """Whom a block pays."""
        payout, network = self.payout, self.bitcoin_network
        return PayoutPlan(
            script_pubkey_from_address(payout.address, network),
            payout.fee_basis_points,
            tuple(
                Payee(each.name, script_pubkey_from_address(each.address, network), each.weight)
                for each in payout.shares
            ),
        )

    @property
    def uses_work_scale(self) -> bool:
        """Whether a site multiplies its work: then a signet's challenge must be ``51``."""
        return any(site.work_scale > 1 for site in self.sites)
