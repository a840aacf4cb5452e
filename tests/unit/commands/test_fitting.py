"""Tables fit their terminal: what is wanted least is left out, and told."""

from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from poolserver.commands.fitting import fitting_table

NAMES = ("node", "draws", "limit", "by")
ROWS = [["hall", "900 kW", "-", "meter"], [" rack 1", "90 kW", "", "shares"]]


def shown(width: int) -> str:
    console = Console(width=width, file=StringIO(), record=True)
    console.print(fitting_table(NAMES, ROWS, width, texts=("node", "by"), caption="MWh"))
    return console.export_text()


def test_a_column_that_nobody_has_anything_in_is_not_shown() -> None:
    assert "limit" not in shown(80)
    assert "wider" not in shown(80)


def test_what_there_is_no_room_for_is_left_out_from_the_end_and_named() -> None:
    text = shown(20)
    assert "900 kW" in text
    assert "shares" not in text
    assert "a wider terminal shows by" in " ".join(text.split())


@given(st.integers(12, 200))
def test_nothing_is_cut_off(width: int) -> None:
    assert "…" not in shown(width)
