"""``poolserver payouts``: what the next block would pay, for each size of coinbase that rigs take.

It asks a node for a template and makes the very job that a pool with this configuration would
make of it, and reads off what that pays.
"""

from collections.abc import Iterator, Mapping

import msgspec
from rich.table import Table

from poolserver.bitcoin.address import script_pubkey_from_address
from poolserver.bitcoin.subsidy import subsidy_sat
from poolserver.config import Config
from poolserver.mining.job import Job, JobVariant
from poolserver.mining.template import BlockTemplate, GetBlockTemplate, TemplateError
from poolserver.mining.transactions import CoinbaseReserve
from poolserver.node.checks import template_rules
from poolserver.node.rpc import NodeError
from poolserver.outfit import node_rpc, trial_factory

SAT_PER_BTC = 100_000_000
OPERATOR = "operator"


class PayoutsError(RuntimeError):
    """It cannot be told what the next block would pay; the text says why."""


class Output(msgspec.Struct, frozen=True):
    """An output of the coinbase."""

    address: str
    value_sat: int


class Payment(msgspec.Struct, frozen=True):
    """What one payee is due, and how much of it this coinbase has no room for."""

    name: str
    address: str
    due_sat: int
    unpaid_sat: int


class Coinbase(msgspec.Struct, frozen=True):
    """The coinbase that rigs get whose firmware takes one of ``for_sizes`` bytes."""

    for_sizes: list[int]
    size: int
    outputs: list[Output]
    payments: list[Payment]


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
    coinbases: list[Coinbase]


async def next_payouts(config: Config) -> Payouts:
    """Ask the nodes of ``config``, the first one first, and work it out.

    Raises:
        PayoutsError: no node gives a template that can be mined on.
    """
    factory = trial_factory(config)
    template = await _template(config, factory.reserve())
    job = factory.make(template, template.curtime)
    return payouts_of(config, factory.classes.sizes, job)


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


def payouts_of(config: Config, sizes: tuple[int, ...], job: Job) -> Payouts:
    """What a block of ``job`` would pay; ``sizes`` are those of its variants."""
    template, payout = job.template, config.payout
    addresses = {
        script_pubkey_from_address(address, config.bitcoin_network): address
        for address in (payout.address, *(share.address for share in payout.shares))
    }
    by_variant: dict[int, list[int]] = {}
    for size, variant in zip(sizes, job.variants, strict=True):
        by_variant.setdefault(id(variant), []).append(size)
    distinct = {id(variant): variant for variant in job.variants}
    return Payouts(
        network=config.network,
        height=template.height,
        value_sat=template.coinbase_value_sat,
        subsidy_sat=subsidy_sat(template.height, config.bitcoin_network),
        scheme=payout.scheme,
        operator=payout.address,
        fee_basis_points=payout.fee_basis_points,
        fee_sat=job.variants[0].distribution.fee_sat,
        coinbases=[
            _coinbase(config, distinct[key], for_sizes, addresses)
            for key, for_sizes in by_variant.items()
        ],
    )


def _coinbase(
    config: Config, variant: JobVariant, for_sizes: list[int], addresses: Mapping[bytes, str]
) -> Coinbase:
    paid = variant.distribution
    return Coinbase(
        for_sizes=for_sizes,
        size=variant.coinbase.size,
        outputs=[Output(addresses[out.script_pubkey], out.value_sat) for out in paid.outputs],
        payments=[
            Payment(due.label, share.address, due.due_sat, due.unpaid_sat)
            for due, share in zip(paid.dues, config.payout.shares, strict=True)
        ],
    )


def payouts_table(payouts: Payouts) -> Table:
    """For people: a row for each payee, a column for each coinbase that differs."""
    fees_sat = payouts.value_sat - payouts.subsidy_sat
    how = payouts.scheme
    if payouts.scheme != "solo":
        how += f", operator's fee {payouts.fee_basis_points / 100:g}%"
    table = Table(
        title=f"Block {payouts.height} of {payouts.network} would pay {_btc(payouts.value_sat)} "
        f"BTC: subsidy {_btc(payouts.subsidy_sat)}, fees {_btc(fees_sat)}; {how}",
        caption="What is unpaid, for want of room or as dust, is in the operator's output.",
    )
    table.add_column("payee")
    table.add_column("address", overflow="fold")
    table.add_column("due", justify="right")
    for coinbase in payouts.coinbases:
        table.add_column(f"rigs of {_sizes(coinbase.for_sizes)}", justify="right")
    for row in _rows(payouts):
        table.add_row(*row)
    return table


def _rows(payouts: Payouts) -> Iterator[list[str]]:
    first = payouts.coinbases[0]
    for index, payment in enumerate(first.payments):
        yield [
            payment.name,
            payment.address,
            _btc(payment.due_sat),
            *(
                "unpaid" if each.payments[index].unpaid_sat else _btc(payment.due_sat)
                for each in payouts.coinbases
            ),
        ]
    held = [sum(each.unpaid_sat for each in coinbase.payments) for coinbase in payouts.coinbases]
    fee_sat = payouts.fee_sat if first.payments else payouts.value_sat
    yield [OPERATOR, payouts.operator, _btc(fee_sat), *(_btc(fee_sat + each) for each in held)]
    yield [
        "[dim]coinbase[/]",
        "",
        "",
        *(f"[dim]{each.size} bytes[/]" for each in payouts.coinbases),
    ]


def _sizes(sizes: list[int]) -> str:
    return f"{sizes[0]:,} B" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,} B"


def _btc(sat: int) -> str:
    return f"{sat // SAT_PER_BTC}.{sat % SAT_PER_BTC:08d}"
