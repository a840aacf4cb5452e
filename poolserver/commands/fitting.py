"""Tables for people that fit their terminal: the most wanted columns first, and no empty ones."""

from collections.abc import Collection, Iterator, Sequence

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

Cell = str | Text
_GAP = 2
NOTHING = ("", "-")
"""What a cell has where there is nothing to say."""


def fitting_table(
    names: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    width: int,
    *,
    texts: Collection[str],
    title: str | None = None,
    caption: str = "",
) -> Table:
    """The columns of ``names`` that ``width`` has room for, the first ones first.

    Those that are left out for want of room are named in the caption. ``texts`` are the columns
    that are not numbers.
    """
    shown, left_out = _fitting(names, rows, width)
    wider = f"a wider terminal shows {', '.join(left_out)}" if left_out else ""
    table = Table(
        title=title,
        caption="; ".join(filter(None, (caption, wider))) or None,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index in shown:
        justify: JustifyMethod = "left" if names[index] in texts else "right"
        table.add_column(names[index], justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*(row[index] for index in shown))
    return table


def _fitting(
    names: Sequence[str], rows: Sequence[Sequence[Cell]], width: int
) -> tuple[list[int], list[str]]:
    shown: list[int] = []
    for index, widest in _widths(names, rows):
        if widest > width:
            return shown, [names[each] for each, _ in _widths(names, rows) if each not in shown]
        width -= widest
        shown.append(index)
    return shown, []


def _widths(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterator[tuple[int, int]]:
    """What each column takes that anybody has anything in."""
    for index, name in enumerate(names):
        if any(str(row[index]) not in NOTHING for row in rows):
            yield index, max(len(name), *(len(str(row[index])) for row in rows)) + _GAP
