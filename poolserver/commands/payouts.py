"""``poolserver payouts``: what the next block would pay, for each size of coinbase that rigs take.

It asks a node for a template, makes the very job that a pool with this configuration and these
books would make of it, and reads off what that pays. The books are read as they are saved, which
is some seconds behind a pool that runs.
"""

from collections.abc import Mapping
from contextlib import closing

import msgspec

from poolserver.bitcoin.subsidy import subsidy_sat
from poolserver.bitcoin.target import work_from_target
from poolserver.config import Config
from poolserver.ledger import block_sql
from poolserver.ledger.blocks import BlockBook
from poolserver.ledger.database import Connection, Database
from poolserver.ledger.rewards import Rewards, read_window
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.window import WindowWeights
from poolserver.mining.job import Job, JobVariant
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate, GetBlockTemplate, TemplateError
from poolserver.mining.transactions import CoinbaseReserve
from poolserver.node.checks import template_rules
from poolserver.node.rpc import NodeError, in_thread
from poolserver.outfit import ledger_database, node_rpc, trial_factory
from poolserver.paymaster import payout_terms


class PayoutsError(RuntimeError):
    """It cannot be told what the next block would pay; the text says why."""


class Output(msgspec.Struct, frozen=True):
    """An output of the coinbase."""

    address: str
    value_sat: int


class Payment(msgspec.Struct, frozen=True):
    """What one payee is due, and what of that and of older debts this coinbase pays.

    ``share`` is the part of all weights; ``owed_sat`` what was owed before, below 0 what was paid
    too much. ``unpaid_sat`` is ``due_sat`` less ``paid_sat``.
    """

    name: str
    address: str
    share: float
    owed_sat: int
    due_sat: int
    paid_sat: int
    unpaid_sat: int


class Coinbase(msgspec.Struct, frozen=True):
    """The coinbase that rigs get whose firmware takes one of ``for_sizes`` bytes."""

    for_sizes: list[int]
    size: int
    outputs: list[Output]
    payments: list[Payment]


class Window(msgspec.Struct, frozen=True):
    """The window of pplns. Work is in hashes; ``since_unix`` is None where there is none."""

    times: float
    wanted_hashes: float
    hashes: float
    since_unix: int | None
    accounts: int


class Payouts(msgspec.Struct, frozen=True):
    """What the next block would pay. ``value_sat`` is subsidy and fees; all in satoshi."""

    network: str
    height: int
    value_sat: int
    subsidy_sat: int
    scheme: str
    operator: str
    fee_basis_points: int
    fee_sat: int
    owed_sat: int
    """What all payees are owed from earlier blocks."""
    window: Window | None
    coinbases: list[Coinbase]


class Basis(msgspec.Struct, frozen=True):
    """What the books say of the next block."""

    plan: PayoutPlan
    window: WindowWeights | None = None
    owed_sat: int = 0


async def next_payouts(config: Config) -> Payouts:
    """Ask the nodes of ``config``, the first one first, and the books, and work it out.

    Raises:
        PayoutsError: no node gives a template that can be mined on, or the books cannot be read.
    """
    factory = trial_factory(config)
    template = await _template(config, factory.reserve())
    database = ledger_database(config)
    basis = await in_thread(
        _read_basis, config, database, work_from_target(template.network_target)
    )
    factory.plan = basis.plan
    job = factory.make(template, template.curtime)
    return payouts_of(config, basis, factory.classes.sizes, job)


async def _template(config: Config, reserve: CoinbaseReserve) -> BlockTemplate:
    troubles = []
    for node in config.nodes:
        if "template" not in node.roles:
            continue
        rpc = node_rpc(node)
        try:
            answer: GetBlockTemplate = await rpc.call(
                "getblocktemplate",
                {"rules": template_rules(config.bitcoin_network)},
                type=GetBlockTemplate,
            )
            return BlockTemplate.from_rpc(answer, reserve, config.stratum.version_mask)
        except (NodeError, TemplateError) as error:
            troubles.append(str(error))
        finally:
            await rpc.close()
    raise PayoutsError("no node gives a template: " + "; ".join(troubles))


def _read_basis(config: Config, database: Database, network_work: int) -> Basis:
    if not payout_terms(config).has_payees:
        return Basis(config.payout_plan)
    if isinstance(database, SqliteDatabase) and not database.path.exists():
        return Basis(config.payout_plan)  # a pool that has not run yet
    try:
        with closing(database.reader()) as connection:
            return basis_of(config, connection, network_work)
    except database.errors as error:
        raise PayoutsError(str(database.error(error))) from error


def basis_of(config: Config, connection: Connection, network_work: int) -> Basis:
    """The plan that a pool makes of these books, where a block takes so much work."""
    terms = payout_terms(config)
    book, rewards = BlockBook(), Rewards(terms.new_window())
    rewards.load(connection)
    for block in block_sql.known_blocks(connection):  # behind: no debt is of an unknown block
        book.enter(block)
    owed_sat = rewards.debts.owed_sat(book)
    window = None
    if rewards.window is not None:
        if rewards.window.missing_work(network_work):
            older = read_window(rewards.window, network_work)(connection)
            rewards.window.end_loading(older.intervals, is_whole=older.is_whole)
        window = rewards.window.weights(network_work)
    plan = terms.plan(window.weights if window else {}, owed_sat)
    return Basis(plan, window, sum(owed_sat.values()))


def payouts_of(config: Config, basis: Basis, sizes: tuple[int, ...], job: Job) -> Payouts:
    """What a block of ``job`` would pay, made by that plan; ``sizes`` are those of its variants."""
    template, payout = job.template, config.payout
    by_variant: dict[int, list[int]] = {}
    for size, variant in zip(sizes, job.variants, strict=True):
        by_variant.setdefault(id(variant), []).append(size)
    distinct = {id(variant): variant for variant in job.variants}
    named = {each.name: each.address for each in payout.shares}
    named |= {each.name: each.address for each in payout.accounts}
    return Payouts(
        network=config.network,
        height=template.height,
        value_sat=template.coinbase_value_sat,
        subsidy_sat=subsidy_sat(template.height, config.bitcoin_network),
        scheme=payout.scheme,
        operator=payout.address,
        fee_basis_points=payout.fee_basis_points,
        fee_sat=job.variants[0].distribution.fee_sat,
        owed_sat=basis.owed_sat,
        window=_window(config, basis.window),
        coinbases=[
            _coinbase(basis.plan, distinct[key], for_sizes, named, payout.address)
            for key, for_sizes in by_variant.items()
        ],
    )


def _window(config: Config, window: WindowWeights | None) -> Window | None:
    if window is None:
        return None
    return Window(
        float(config.payout.window),
        float(window.wanted_work),
        float(window.work),
        window.since_s,
        len(window.weights),
    )


def _coinbase(
    plan: PayoutPlan,
    variant: JobVariant,
    for_sizes: list[int],
    named: Mapping[str, str],
    operator: str,
) -> Coinbase:
    paid = variant.distribution
    whole = sum(payee.weight for payee in plan.payees) or 1
    addresses = {
        payee.script_pubkey: named.get(payee.label, payee.label) for payee in plan.payees
    } | {plan.operator: operator}
    return Coinbase(
        for_sizes=for_sizes,
        size=variant.coinbase.size,
        outputs=[Output(addresses[out.script_pubkey], out.value_sat) for out in paid.outputs],
        payments=[
            Payment(
                name=due.label,
                address=named.get(due.label, due.label),
                share=payee.weight / whole,
                owed_sat=payee.owed_sat,
                due_sat=due.due_sat,
                paid_sat=due.due_sat - due.unpaid_sat,
                unpaid_sat=due.unpaid_sat,
            )
            for due, payee in zip(paid.dues, plan.payees, strict=True)
        ],
    )
