"""``poolserver payouts`` and ``poolserver blocks`` for people: tables."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.table import Table

from poolserver.commands.block_list import BlockList
from poolserver.commands.payouts import Payment, Payouts, Window
from poolserver.commands.texts import SAT_PER_BTC, btc

OPERATOR = "operator"


def payouts_table(payouts: Payouts) -> Table:
    """A row for each payee, a column for each coinbase that differs."""
    table = Table(title=_title(payouts), caption=_caption(payouts))
    table.add_column("payee")
    table.add_column("address", overflow="fold")
    if payouts.window is not None:
        table.add_column("share", justify="right")
    if _has_debts(payouts):
        table.add_column("owed", justify="right")
    table.add_column("due", justify="right")
    for coinbase in payouts.coinbases:
        table.add_column(f"rigs of {_sizes(coinbase.for_sizes)}", justify="right")
    for row in _rows(payouts):
        table.add_row(*row)
    return table


def _title(payouts: Payouts) -> str:
    fees_sat = payouts.value_sat - payouts.subsidy_sat
    how = payouts.scheme
    if payouts.scheme != "solo":
        how += f", operator's fee {payouts.fee_basis_points / 100:g}%"
    title = (
        f"Block {payouts.height} of {payouts.network} would pay {btc(payouts.value_sat)} "
        f"BTC: subsidy {btc(payouts.subsidy_sat)}, fees {btc(fees_sat)}; {how}"
    )
    return title if payouts.window is None else f"{title}\n{_window(payouts.window)}"


def _window(window: Window) -> str:
    if window.since_unix is None:
        return "Nobody who can be paid has work in the window: all is the operator's"
    since = datetime.fromtimestamp(window.since_unix, UTC)
    return (
        f"Window: {window.times:g} times the work of a block, {window.wanted_hashes:.4g} hashes; "
        f"{window.hashes / window.wanted_hashes:.1%} full, since {since:%Y-%m-%d %H:%M} UTC, "
        f"{window.accounts} accounts"
    )


def _caption(payouts: Payouts) -> str:
    caption = "What is unpaid, for want of room or as dust, is in the operator's output."
    if _has_debts(payouts):
        caption += f" {btc(payouts.owed_sat)} BTC are owed from earlier blocks."
    return caption


def _has_debts(payouts: Payouts) -> bool:
    return any(each.owed_sat for each in payouts.coinbases[0].payments)


def _rows(payouts: Payouts) -> Iterator[list[str]]:
    first = payouts.coinbases[0]
    for index, payment in enumerate(first.payments):
        yield [
            payment.name,
            payment.address,
            *([f"{payment.share:.2%}"] if payouts.window is not None else []),
            *([btc(payment.owed_sat)] if _has_debts(payouts) else []),
            btc(payment.due_sat),
            *(_paid(coinbase.payments[index]) for coinbase in payouts.coinbases),
        ]
    between = [""] * ((payouts.window is not None) + _has_debts(payouts))
    fee_sat = payouts.fee_sat if first.payments else payouts.value_sat
    held = [sum(each.unpaid_sat for each in coinbase.payments) for coinbase in payouts.coinbases]
    own = [btc(fee_sat + each) for each in held]
    yield [OPERATOR, payouts.operator, *between, btc(fee_sat), *own]
    sizes = [f"[dim]{each.size} bytes[/]" for each in payouts.coinbases]
    yield ["[dim]coinbase[/]", "", *between, "", *sizes]


def _paid(payment: Payment) -> str:
    """Whether all that can be claimed is paid, and else what of it is."""
    if payment.paid_sat == 0:
        return "unpaid" if payment.due_sat + payment.owed_sat > 0 else btc(0)
    is_part = payment.paid_sat < payment.due_sat + payment.owed_sat
    return f"{btc(payment.paid_sat)} of it" if is_part else btc(payment.paid_sat)


def _sizes(sizes: list[int]) -> str:
    return f"{sizes[0]:,} B" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,} B"


def books_sum(found: BlockList) -> str:
    """What all blocks come to, in lines."""
    lines = [
        f"{found.paying} blocks pay {btc(found.earned_sat)} BTC; the work was to find "
        f"{found.expected_blocks:.4g} with {found.expected_sat / SAT_PER_BTC:.8g} BTC"
        + ("" if found.luck is None else f": luck {found.luck:.1%}"),
        f"the round under way has an effort of {found.effort:.1%}",
    ]
    lines += [
        f"site {each.site}: {each.expected_blocks:.4g} blocks, "
        f"{each.expected_sat / SAT_PER_BTC:.8g} BTC expected"
        for each in found.sites
    ]
    if found.owed_sat:
        lines.append(f"{btc(sum(found.owed_sat.values()))} BTC are owed to payees")
    return "\n".join(lines)
