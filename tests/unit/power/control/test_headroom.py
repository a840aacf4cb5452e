"""What mining may draw at a node, and whose limit binds."""

from fractions import Fraction

import pytest

from poolserver.power.control.headroom import Cap, caps, mining_limits
from poolserver.power.control.terms import Terms
from poolserver.power.state import EffectiveLimit, Limit, LimitKind, NodePower, Readings
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain

TREE = PowerTree(
    [
        PowerNode("S", "site", pue=Fraction("1.25")),
        PowerNode("S/T", "t"),
        PowerNode("S/T/r", "rack"),
    ]
)


def limit(path: str, watts: int, kind: LimitKind = LimitKind.PHYSICAL) -> EffectiveLimit:
    return EffectiveLimit(watts, (Limit(path, kind, watts, "x"),))


def power(
    path: str, mining_w: float, ai_w: float = 0.0, auxiliary_w: float = 0.0, unknown_w: float = 0.0
) -> NodePower:
    return NodePower(
        path,
        mining_w=Uncertain(mining_w, 100.0, {"model": 40.0}),
        ai_w=ai_w,
        auxiliary_w=auxiliary_w,
        total_w=Uncertain(mining_w + ai_w + auxiliary_w + unknown_w, 900.0, {"model": 40.0}),
    )


def found(*powers: NodePower, terms: Terms | None = None, **limits: int) -> list[Cap]:
    paths = {"site": "S", "transformer": "S/T", "rack": "S/T/r", "programme": "/"}
    readings = Readings({each.path: each for each in powers}, {})
    given = {paths[name]: limit(paths[name], watts) for name, watts in limits.items()}
    return caps(TREE, readings, given, terms or Terms())


def test_all_that_is_not_mining_is_subtracted_from_the_limit() -> None:
    (cap,) = found(power("S", 700.0, 200.0, 30.0, 20.0), site=1000)
    assert cap.cap_w == pytest.approx(1000 - 200 - 30 - 20)
    assert cap.excess_w == pytest.approx(-50)


def test_a_meter_that_sees_less_than_is_known_of_gives_no_room() -> None:
    (cap,) = found(power("S", 700.0, 200.0, unknown_w=-100.0), site=1000)
    assert cap.cap_w == pytest.approx(800)


def test_the_reserve_is_kept_free() -> None:
    (cap,) = found(power("S", 0.0), site=1000, terms=Terms(reserve=0.05))
    assert cap.cap_w == pytest.approx(950)


def test_the_deepest_nodes_come_first_and_those_without_a_limit_not_at_all() -> None:
    assert [cap.path for cap in found(programme=9, rack=1, site=5)] == ["S/T/r", "S", "/"]


def test_nothing_is_subtracted_from_a_limit_of_mining_alone() -> None:
    readings = Readings(
        {"S": power("S", 700.0, 500.0)},
        {},
        {"S": limit("S", 650, LimitKind.MINING)},
    )
    (cap,) = caps(TREE, readings, {"S": limit("S", 2000)}, Terms())
    assert (cap.cap_w, cap.limit.kind) == (650.0, LimitKind.MINING)
    assert cap.known.value == 700.0
    (cap,) = caps(TREE, readings, {"S": limit("S", 1100)}, Terms())
    assert (cap.cap_w, cap.limit.kind) == (600.0, LimitKind.PHYSICAL)


def test_only_chance_beyond_the_dead_band_is_waited_for() -> None:
    (cap,) = found(power("S", 1050.0), site=1000)
    assert cap.noise_w(Terms(dead_band=0.01)) == pytest.approx(2 * 30 - 10)  # not 2 * 50
    assert cap.noise_w(Terms(dead_band=0.1)) == 0.0
    overload = cap.overload()
    assert (overload.excess_w, overload.chance) == (50.0, pytest.approx(0.841, abs=1e-3))


def test_a_node_may_draw_what_it_and_all_above_it_may_and_pue_ends_at_the_site() -> None:
    limited = found(
        power("/", 0.0), power("S", 0.0), power("S/T", 0.0), site=1000, transformer=900, rack=300
    )
    limits = mining_limits(TREE, limited)
    assert "/" not in limits
    assert {path: (each.limit_w, each.limit.node) for path, each in limits.items()} == {
        "S": (1000, "S"),
        "S/T": (800, "S"),
        "S/T/r": (300, "S/T/r"),
    }


def test_mining_may_draw_nothing_where_other_load_is_over_the_limit() -> None:
    limits = mining_limits(TREE, found(power("S", 0.0, 1500.0), site=1000))
    assert limits["S/T/r"].limit_w == 0.0
