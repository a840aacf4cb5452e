"""``poolserver blocks``: of a running pool, or of the books as they are saved."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from poolserver.commands.client import find_pool, pool_options, telling
from poolserver.commands.common import console, echo_json, fail, json_option, load
from poolserver.commands.fitting import Cell, fitting_table
from poolserver.commands.texts import btc, clean, time_text
from poolserver.lookout.view import BlockLine

LOST = ("orphaned", "rejected", "stale")

_COLUMNS = (
    *("height", "state", "found, UTC", "pays", "effort", "luck"),
    *("by", "payees", "unpaid", "hash"),
)


@click.command()
@pool_options("Read the books that this configuration names, whether the pool runs or not.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(min=1))
@json_option("For programs, in satoshi.")
def blocks(
    path: Path | None, url: str | None, token_file: Path | None, limit: int, as_json: bool
) -> None:
    """Tell of the pool's blocks.

    Their states, what each paid, effort and luck: of the running pool, or with --config of the
    books, and then with what they come to.
    """
    if path is not None and url is None:
        _of_books(path, limit, as_json)
        return
    with telling():
        found = find_pool(path, url, token_file).items("blocks", BlockLine, limit)
    if as_json:
        echo_json(found.items)
        return
    out = console()
    out.print(blocks_table(found.items, found.total, out.width))


def _of_books(path: Path, limit: int, as_json: bool) -> None:
    # A pool is asked without all that books need.
    from poolserver.commands.block_list import BlocksError, read_blocks
    from poolserver.commands.payouts_table import books_sum
    from poolserver.outfit import StartError, ledger_database

    config = load(path)
    try:
        found = read_blocks(config, ledger_database(config), limit)
    except (BlocksError, StartError) as error:
        fail(str(error))
    if as_json:
        echo_json(found)
    else:
        out = console()
        out.print(blocks_table(found.blocks, None, out.width))
        out.print(books_sum(found), highlight=False)


def blocks_table(found: Sequence[BlockLine], total: int | None, width: int) -> Table:
    """For people: a row for each block, the newest first, in ``width`` columns."""
    more = (total or 0) - len(found)
    caption = f"{more:,} more: --limit" if more > 0 else "" if found else "no block is found yet"
    rows = [list(_cells(each)) for each in found]
    return fitting_table(
        _COLUMNS, rows, width, texts={"state", "found, UTC", "by", "hash"}, caption=caption
    )


def _cells(block: BlockLine) -> Iterator[Cell]:
    """In the order of _COLUMNS."""
    yield f"{block.height}"
    yield Text(block.state, style="red" if block.state in LOST else "")
    yield time_text(block.found_unix_ms / 1000)
    yield btc(block.value_sat) if block.value_sat else ""  # the books have it in a second
    yield "" if block.effort is None else f"{block.effort:.1%}"
    yield "" if block.luck is None else f"{block.luck:.1%}"
    yield Text(clean(block.worker))
    yield f"{block.payees_paid}"
    yield btc(block.unpaid_sat)
    yield block.hash
