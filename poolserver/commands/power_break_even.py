"""``poolserver power break-even``: which models pay, at which price of power."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table

from poolserver.commands.common import console, fail, json_option, load
from poolserver.ledger import reward_sql
from poolserver.ledger.records import LedgerError
from poolserver.outfit import StartError, ledger_database
from poolserver.power.break_even import (
    HASHES_PER_DIFFICULTY,
    SAT_PER_BTC,
    BreakEven,
    Market,
    break_even,
)
from poolserver.power.models import load_models

ASSUMED_DIFFICULTY = Fraction(150 * 10**12)
"""Of the main network about the year 2026: for a look without a pool."""


class _Exact(click.ParamType[Fraction]):
    """A decimal number, as it is written."""

    name = "number"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: Any, param: Any, ctx: Any) -> Fraction:
        if isinstance(value, Fraction):
            return value
        try:
            number = Fraction(value) if len(value) <= 40 and "/" not in value else None
        except (ValueError, ZeroDivisionError):
            number = None
        if number is None or number < 0 or (number == 0 and not self._zero):
            self.fail(f"{value!r} is no number above 0", param, ctx)
        return number


@click.command("break-even")
@click.option("--price", type=_Exact(), required=True, help="Of a bitcoin, in USD or any money.")
@click.option(
    "--tariff", "per_kwh", type=_Exact(zero=True), required=True, help="Of a kWh, in the same."
)
@click.option("--pue", type=_Exact(), default="1", help="The site's power over that of its rigs.")
@click.option("--difficulty", type=_Exact(), help="Otherwise the last one in the pool's books.")
@click.option(
    "--subsidy-and-fees", type=_Exact(), default="3.125", show_default=True, help="In BTC a block."
)
@click.option("--config", "path", type=click.Path(path_type=Path), metavar="FILE")
@json_option()
def break_even_command(
    price: Fraction,
    per_kwh: Fraction,
    pue: Fraction,
    difficulty: Fraction | None,
    subsidy_and_fees: Fraction,
    path: Path | None,
    as_json: bool,
) -> None:
    """Tell up to which price of power each model earns more than it costs, by nameplate.

    With --config the difficulty is that of the pool's last work. Fees of a pool are not in it.
    """
    note = ""
    if difficulty is None and path is not None:
        difficulty = _last_difficulty(path)
    if difficulty is None:
        difficulty, note = ASSUMED_DIFFICULTY, " (assumed)"
    market = Market(price, difficulty, int(subsidy_and_fees * SAT_PER_BTC), per_kwh, pue)
    found = [break_even(model, market) for model in load_models()]
    found.sort(key=lambda each: each.per_mwh, reverse=True)
    if as_json:
        plain = msgspec.json.encode(_plain(market, found))
        click.echo(msgspec.json.format(plain, indent=2).decode())
        return
    limit = market.j_per_th
    click.echo(
        f"difficulty {float(difficulty):.4g}{note}: {float(market.sat_per_ph_day):,.0f} sats or"
        f" {float(market.hashprice):.2f} a PH/s and day; "
        + ("power is free" if limit is None else f"break-even at {float(limit):.2f} J/TH")
    )
    console().print(_table(found))


def _last_difficulty(path: Path) -> Fraction:
    """Of the last work that was accepted."""
    try:
        database = ledger_database(load(path))
        try:
            with closing(database.reader()) as connection:
                work = reward_sql.last_network_work(connection)
        except database.errors as error:
            raise database.error(error) from error
    except (LedgerError, StartError) as error:
        fail(str(error))
    if work == 1:
        fail("the pool has no work yet: give --difficulty")
    return work / HASHES_PER_DIFFICULTY


def _table(found: list[BreakEven]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("model", "TH/s", "J/TH", "pays to /kWh", "earns /MWh", "margin /MWh", "rig /day"):
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    for each in found:
        table.add_row(
            each.model.model,
            f"{float(each.model.hashrate_th_s):g}",
            f"{float(each.model.j_per_th):g}",
            f"{float(each.per_kwh):.4f}",
            f"{float(each.per_mwh):.2f}",
            f"{float(each.margin_per_mwh):+.2f}",
            f"{float(each.margin_per_day):+.2f}",
            style=None if each.margin_per_mwh >= 0 else "red",
        )
    return table


def _plain(market: Market, found: list[BreakEven]) -> dict[str, object]:
    limit = market.j_per_th
    return {
        "price": float(market.price),
        "difficulty": float(market.difficulty),
        "block_sat": market.block_sat,
        "per_kwh": float(market.per_kwh),
        "pue": float(market.pue),
        "sat_per_ph_day": float(market.sat_per_ph_day),
        "hashprice_per_ph_day": float(market.hashprice),
        "break_even_j_per_th": None if limit is None else float(limit),
        "models": [
            {
                "model": each.model.model,
                "th_s": float(each.model.hashrate_th_s),
                "j_per_th": float(each.model.j_per_th),
                "break_even_per_kwh": float(each.per_kwh),
                "earns_per_mwh": float(each.per_mwh),
                "margin_per_mwh": float(each.margin_per_mwh),
                "sat_per_day": float(each.sat_per_day),
                "margin_per_day": float(each.margin_per_day),
            }
            for each in found
        ],
    }
