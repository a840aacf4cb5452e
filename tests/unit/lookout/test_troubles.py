"""Each trouble is told by its signs, once, and nothing is told of a pool where all is well."""

from typing import Any

import pytest

from poolserver.control_room.view import Figure, LimitView
from poolserver.lookout.troubles import Signs, troubles
from tests.unit.lookout.seen import node
from tests.unit.lookout.signs import BOTH, POWER_WITHOUT_WORK, WELL, WRONG, disk_free_of


@pytest.mark.parametrize("signs", WELL)
def test_nothing_is_said_where_all_is_well(signs: dict[str, Any]) -> None:
    assert troubles(Signs(**signs)) == ()


@pytest.mark.parametrize(("code", "is_urgent", "signs"), WRONG)
def test_a_trouble_is_told_once_in_sentences(
    code: str, is_urgent: bool, signs: dict[str, Any]
) -> None:
    (trouble,) = troubles(Signs(**signs))
    assert (trouble.code, trouble.is_urgent) == (code, is_urgent)
    assert trouble.text.endswith((".", "it."))
    assert "None" not in trouble.text


def test_what_is_urgent_comes_first() -> None:
    found = troubles(Signs(nodes=BOTH, is_clock_wrong=True, journal_lag_s=31.0))
    assert [each.code for each in found] == ["clock_wrong", "node_lost", "journal_lag"]


def test_over_a_limit_says_where_by_how_much_and_who_binds() -> None:
    over = node(path="/", depth=0, headroom_w=-1_000_000.0)
    (trouble,) = troubles(Signs(power_nodes=(over,)))
    assert trouble.text == (
        "The programme draws 1 MW more than its limit of 10 MW (NTDC: evening peak): switch "
        "rigs off."
    )


@pytest.mark.parametrize(("ai_known", "draws"), [(True, "draws"), (False, "may draw")])
def test_where_ai_load_alone_is_over_a_limit_nobody_is_sent_to_the_rigs_alone(
    ai_known: bool, draws: str
) -> None:
    over = node(headroom_w=-1_000_000.0, ai_w=10_500_000.0, ai_known=ai_known)
    (trouble,) = troubles(Signs(power_nodes=(over,)))
    assert trouble.text.endswith(
        f"(NTDC: evening peak): its AI load alone {draws} 10.5 MW, so that rigs are not enough."
    )


def test_power_of_a_small_site_is_told_in_units_that_say_something() -> None:
    can_carry = LimitView(10_000, "physical", "transformer", "", None)
    small = {"limits": (can_carry,), "total_w": Figure(14_700.0, 500.0), "headroom_w": -4_700.0}
    (trouble,) = troubles(Signs(power_nodes=(node(**small),)))
    assert trouble.text == (
        "Sahiwal draws 4.7 kW more than its limit of 10 kW (what the transformer can carry): "
        "switch rigs off."
    )


@pytest.mark.parametrize(
    ("headroom_w", "told"),
    [
        (3_000.0, "3 kW below its limit of 10 MW (ops: heat)."),
        (-3_000.0, "3 kW over its limit of 10 MW (ops: heat), which may be the figure's error."),
    ],
)
def test_near_a_limit_says_on_which_side(headroom_w: float, told: str) -> None:
    heat = LimitView(10_000_000, "override", "ops", "heat", None)
    near = node(headroom_w=headroom_w, limits=(heat,))
    (trouble,) = troubles(Signs(power_nodes=(near,)))
    assert trouble.code == "headroom_low"
    assert trouble.text == f"Sahiwal is {told}"


def test_a_drop_that_no_power_explains_says_how_much_is_drawn_for_nothing() -> None:
    (trouble,) = troubles(Signs(**POWER_WITHOUT_WORK))
    assert trouble.text == (
        "Sahiwal has lost 50% of its hashrate against the last six hours, while 4.9 MW are drawn "
        "that no share explains: rigs that hang, mine elsewhere or cannot reach the pool."
    )


def test_silent_rigs_are_told_of_their_site_and_not_of_all_together_as_well() -> None:
    both = (node(path="/", depth=0, rigs=995, silent=30), node(rigs=470, silent=30))
    (trouble,) = troubles(Signs(power_nodes=both))
    assert trouble.text.startswith("30 of 500 rigs of Sahiwal are connected and have sent no share")


def test_a_disk_says_when_it_will_be_full_as_it_goes() -> None:
    (trouble,) = troubles(Signs(**disk_free_of(100, soon=-1.0)))
    assert trouble.text == (
        "107.4 GB are free on the disk of data_dir, and full in four hours as it goes. When it is "
        "full no share can be written down: make room."
    )
