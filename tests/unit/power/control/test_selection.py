"""Which rigs: whole ones, no more than needed, the least efficient first."""

from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.control.decision import Batch
from poolserver.power.control.headroom import Cap
from poolserver.power.control.plant import Above
from poolserver.power.control.selection import (
    ROUNDING_W,
    Candidate,
    Returning,
    choose_off,
    choose_on,
)
from poolserver.power.control.states import DeviceState
from poolserver.power.state import Limit, LimitKind
from poolserver.power.uncertain import NOTHING
from tests.unit.power.control.fleet import rating

TREE: Above = (("S/T", 1.0), ("S", 1.05), ("/", 1.05))


def cap(path: str) -> Cap:
    limit = Limit(path, LimitKind.PHYSICAL, 1000, "x")
    return Cap(path, path.count("/"), 0.0, limit, 0.0, 0.0, 0.0, NOTHING, "")


def candidate(
    rigs: int,
    j_per_th: str = "17.5",
    rig_w: float = 100.0,
    above: Above = TREE,
    node: str = "S/T/a",
) -> Candidate:
    return Candidate(node, rating(j_per_th), rigs, rig_w, above, dry=False)


def test_the_least_efficient_go_first() -> None:
    best, worst = candidate(5, "15"), candidate(2, "30")
    relief = choose_off([cap("S/T")], {"S/T": 350.0}, [best, worst])
    assert [(each.candidate is worst, each.rigs) for each in relief.picked] == [
        (True, 2),
        (False, 2),
    ]
    assert relief.short_w == {}


def test_what_goes_for_a_rack_counts_for_all_above_it() -> None:
    relief = choose_off(
        [cap("S/T"), cap("S")], {"S/T": 200.0, "S": 300.0}, [candidate(9), candidate(9, "15")]
    )
    assert [(each.cap.path, each.rigs) for each in relief.picked] == [("S/T", 2), ("S", 1)]


def test_a_site_is_relieved_with_pue() -> None:
    relief = choose_off([cap("S")], {"S": 1050.0}, [candidate(99)])
    assert sum(each.rigs for each in relief.picked) == 10


def test_what_cannot_be_helped_is_told() -> None:
    relief = choose_off([cap("S/T")], {"S/T": 250.0}, [candidate(1)])
    assert relief.short_w == {"S/T": 150.0}


def test_rigs_elsewhere_are_left_alone() -> None:
    relief = choose_off([cap("S/T")], {"S/T": 50.0}, [candidate(9, above=(("S", 1.05),))])
    assert relief.picked == []


groups = st.lists(
    st.tuples(
        st.integers(1, 50),
        st.sampled_from(["15", "17.5", "29.5"]),
        st.floats(10, 5000),
        st.sampled_from([TREE, TREE[1:], TREE[2:]]),
    ),
    max_size=10,
)
excesses = st.fixed_dictionaries(dict.fromkeys(("S/T", "S", "/"), st.floats(-1e4, 1e6)))


@given(groups, excesses)
def test_every_node_is_relieved_or_all_below_it_is_off_and_no_rig_too_many(
    given_groups: list[tuple[int, str, float, Above]], excess_w: dict[str, float]
) -> None:
    rigs = [candidate(n, j, w, above, f"n{i}") for i, (n, j, w, above) in enumerate(given_groups)]
    over = [cap(path) for path in ("S/T", "S", "/") if excess_w[path] > 0]
    relief = choose_off(over, excess_w, rigs)
    for each in over:
        off_w = sum(
            picked.rigs * picked.candidate.rig_w * weight
            for picked in relief.picked
            for path, weight in picked.candidate.above
            if path == each.path
        )
        left = [rig for rig in rigs if rig.rigs and each.path in dict(rig.above)]
        assert off_w >= excess_w[each.path] - 2 * ROUNDING_W or not left
        last = [picked for picked in relief.picked if picked.cap.path == each.path]
        if last:  # without one rig of the last ones picked for it, it would be over still
            rig_w = last[-1].candidate.rig_w * dict(last[-1].candidate.above)[each.path]
            by_then = relief.picked.index(last[-1]) + 1
            off_then_w = sum(
                picked.rigs * picked.candidate.rig_w * dict(picked.candidate.above)[each.path]
                for picked in relief.picked[:by_then]
                if each.path in dict(picked.candidate.above)
            )
            assert off_then_w - rig_w < excess_w[each.path]


def returning(number: int, rigs: int, j_per_th: str = "17.5", since_s: float = 0.0) -> Returning:
    batch = Batch(number, "S/T/a", rating(j_per_th), rigs, 100.0, DeviceState.OFF, since_s, since_s)
    return Returning(batch, TREE, "S")


ROOM = {"S/T": 1e9, "S": 1e9, "/": 1e9}


def test_the_most_efficient_come_back_first_and_then_those_off_for_longest() -> None:
    batches = [returning(1, 5, "30"), returning(2, 5, since_s=9.0), returning(3, 5, since_s=1.0)]
    chosen = choose_on(batches, dict(ROOM), {"S": 1200.0}, 1.0)
    assert [(batch.number, rigs) for batch, rigs in chosen] == [(3, 5), (2, 5), (1, 2)]


def test_as_many_come_back_as_fit_at_every_node_above_at_cold_start() -> None:
    chosen = choose_on([returning(1, 50)], {**ROOM, "S": 1000.0}, {"S": 1e9}, 1.1)
    assert chosen[0][1] == int(1000 / (100 * 1.1 * 1.05))


def test_a_ramp_smaller_than_a_rig_lets_one_through_if_it_fits() -> None:
    batches = [returning(1, 5), returning(2, 5)]
    assert [rigs for _, rigs in choose_on(batches, dict(ROOM), {"S": 1.0}, 1.0)] == [1]
    assert choose_on(batches, {**ROOM, "S/T": 99.0}, {"S": 1.0}, 1.0) == []
