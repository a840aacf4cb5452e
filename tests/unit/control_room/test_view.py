"""The view of the power tree, and the table that people are shown."""

from fractions import Fraction
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from poolserver.commands.client import AskError
from poolserver.commands.power_status import status_table
from poolserver.control_room.view import (
    NodeView,
    PowerView,
    Rigs,
    node_view,
    power_view,
    rigs_of_nodes,
)
from poolserver.power.rating import Rating, RatingSource
from poolserver.power.state import (
    EffectiveLimit,
    Limit,
    LimitKind,
    MeterState,
    Method,
    NodePower,
    Quality,
    Readings,
    RigGroup,
)
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain

TREE = PowerTree(
    [PowerNode("hall", "site"), PowerNode("hall/F1", "feeder"), PowerNode("hall/F1/c01", "rack")]
)
RATING = Rating(Fraction(35, 2), RatingSource.SITE_DEFAULT, "")
LIMIT = EffectiveLimit(
    1_000_000,
    (
        Limit("hall", LimitKind.OVERRIDE, 1_000_000, "dispatch", "evening peak", 1e9),
        Limit("hall", LimitKind.PHYSICAL, 2_000_000, "site"),
    ),
)


def power(path: str, watts: float) -> NodePower:
    mining = Uncertain(watts, 0.0, {"site:hall": watts * 0.05})
    return NodePower(path, mining_w=mining, total_w=mining, method=Method.SHARES)


def tree_view(watts: float = 900_000.0) -> PowerView:
    nodes = {node.path: power(node.path, watts) for node in TREE}
    readings = Readings(
        nodes, {"hall": LIMIT}, groups=(RigGroup("hall/F1/c01", RATING, 40, 2, 1.0),)
    )
    return power_view(TREE, readings, at_s=0.0, mode="observe", state="normal", intended=())


def shown(view: PowerView, under: str = "/", depth: int | None = None) -> str:
    console = Console(width=200, file=StringIO(), record=True)
    console.print(status_table(view, under, depth))
    return console.export_text()


def test_the_limit_that_binds_comes_first_and_headroom_is_against_it() -> None:
    site = tree_view().nodes[1]
    assert (site.limit_w, site.headroom_w) == (1_000_000, 100_000.0)
    assert [limit.source for limit in site.limits] == ["dispatch", "site"]


def test_limits_of_mining_alone_are_shown_apart() -> None:
    of_mining = Limit("hall", LimitKind.MINING, 400_000, "grid", "frequency")
    readings = Readings(
        {node.path: power(node.path, 9e5) for node in TREE},
        {"hall": LIMIT},
        {"hall": EffectiveLimit(400_000, (of_mining,))},
    )
    view = power_view(TREE, readings, at_s=0.0, mode="observe", state="over", intended=())
    (told,) = view.nodes[1].mining_limits
    assert (told.limit_w, told.kind, told.source) == (400_000, "mining", "grid")
    assert view.nodes[1].limit_w == 1_000_000
    assert "dispatch (evening peak); mining 400 kW grid (frequency)" in shown(view)


@pytest.mark.parametrize(
    ("state", "words"), [("within", "within all limits"), ("over", "over a limit")]
)
def test_the_table_says_whether_any_limit_is_broken(state: str, words: str) -> None:
    view = power_view(TREE, Readings({}, {}), at_s=0.0, mode="observe", state=state, intended=())
    assert f"observe: {words}" in shown(view)


def test_without_a_limit_there_is_no_headroom() -> None:
    programme = tree_view().nodes[0]
    assert programme.limit_w is None
    assert programme.headroom_w is None


def test_rigs_are_counted_at_their_node_and_at_all_above_it() -> None:
    groups = (
        RigGroup("hall/F1/c01", RATING, 40, 1, 140_000.0),
        RigGroup("hall", RATING, 2, 1, 7_000.0),
        RigGroup("gone", RATING, 1, 0, 3_500.0),
    )
    assert rigs_of_nodes(TREE, groups) == {
        "hall/F1/c01": Rigs(40, 1),
        "hall/F1": Rigs(40, 1),
        "hall": Rigs(42, 2),
        "/": Rigs(42, 2),
    }


def test_a_view_is_json_and_back() -> None:
    view = tree_view()
    assert msgspec.json.decode(msgspec.json.encode(view), type=PowerView) == view


def test_the_table_shows_figures_with_their_error_and_who_binds() -> None:
    text = shown(tree_view())
    assert "900 ±45 kW" in text
    assert "100 kW" in text
    assert "dispatch (evening peak)" in text
    assert "40, 2 silent" in text


def test_the_table_begins_where_it_is_told_and_ends_at_its_depth() -> None:
    assert "c01" not in shown(tree_view(), "/", 2)
    text = shown(tree_view(), "hall/F1")
    assert "c01" in text
    assert "dispatch" not in text


def test_a_node_that_is_not_there_is_told() -> None:
    with pytest.raises(AskError, match="no node hall/F9"):
        status_table(tree_view(), "hall/F9")


def test_a_name_that_looks_like_markup_is_shown_as_it_is() -> None:
    name = "[red]rack"
    node = PowerNode(f"hall/{name}", "rack")
    row = node_view(node, power(node.path, 1.0), EffectiveLimit(None), Rigs())
    assert name in shown(PowerView(0.0, "observe", "within", (row,), ()), node.path)


def test_a_meter_is_shown_with_what_is_thought_of_it() -> None:
    meter = MeterState("m1", Quality.STALE, "61 s old", 950_000.0, at_s=5.0)
    known = NodePower("hall", total_w=Uncertain(9e5), method=Method.CALIBRATED, meter=meter)
    row: NodeView = node_view(TREE["hall"], known, EffectiveLimit(None), Rigs())
    assert row.meter is not None
    assert (row.meter.quality, row.meter.reason, row.meter.power_w) == ("stale", "61 s old", 9.5e5)
    assert "calibrated, meter stale" in shown(PowerView(0.0, "observe", "n", (row,), ()), "hall")
