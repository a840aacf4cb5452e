"""``poolserver payouts``."""

from pathlib import Path

import click

from poolserver.commands.common import (
    config_option,
    console,
    echo_json,
    fail,
    json_option,
    load,
    run_async,
)
from poolserver.commands.payouts import PayoutsError, next_payouts
from poolserver.commands.payouts_table import payouts_table
from poolserver.outfit import StartError


@click.command()
@config_option
@json_option("For programs, in satoshi.")
def payouts(path: Path, as_json: bool) -> None:
    """Tell what the next block would pay.

    To whom, and for which rigs' coinbase. It asks the node and the books, not the pool.
    """
    config = load(path)
    try:
        found = run_async(next_payouts(config))
    except (PayoutsError, StartError) as error:
        fail(str(error))
    if as_json:
        echo_json(found)
    else:
        console().print(payouts_table(found))
