"""The drawing: well-formed, asks nobody for anything, axes that read well."""

import re
from math import nan
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from poolserver.sim.programme.plot import Line, Panel, plot, ticks

HOURS = [0.0, 6.0, 12.0, 18.0, 24.0]


def drawing() -> str:
    lines = [
        Line("estimate <95%>", "blue", [10, 11, nan, 12, 12], [9] * 5, [14] * 5),
        Line("limit", "black", [13, 13, 12, 12, 13], steps=True, look="dashed"),
    ]
    return plot("A day & a night", HOURS, [Panel("MW", lines, 200), Panel("AI", lines, 90, True)])


def test_it_is_well_formed_and_whole() -> None:
    root = ElementTree.fromstring(drawing())
    kinds = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert kinds.count("path") == 4
    assert kinds.count("polygon") == 2


def test_it_asks_nobody_for_anything() -> None:
    assert re.findall(r"https?://[^\s\"]+", drawing()) == ["http://www.w3.org/2000/svg"]
    assert "@font-face" not in drawing()


def test_it_is_readable_in_light_and_in_dark() -> None:
    text = drawing()
    assert "prefers-color-scheme: dark" in text
    used = set(re.findall(r"var\((--\w+)\)", text))
    assert all(text.count(f"{name}: #") == 2 for name in used)


def test_a_gap_breaks_a_line() -> None:
    line = re.findall(r'<path d="([^"]+)"', drawing())[0]
    assert line.count("M") == 2


def test_a_limit_is_drawn_in_steps() -> None:
    line = re.findall(r'<path d="([^"]+)"', drawing())[1]
    assert line.count("V") == 2


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_marks_hold_what_is_between_them(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    slack = 1e-9 * max(1.0, abs(low), abs(low + span))  # marks are rounded
    assert marks[0] <= low + slack
    assert marks[-1] >= low + span - slack
    assert 2 <= len(marks) <= 9
