"""Sentences for people."""

import pytest

from poolserver.power.control.decision import Action, Intention
from poolserver.power.control.headroom import Cap
from poolserver.power.control.words import ended, place, sentence, watts, what_changed
from poolserver.power.state import Limit, LimitKind
from poolserver.power.tree import AiLoad, PowerNode, PowerTree
from poolserver.power.uncertain import NOTHING

MW = 1_000_000
TREE = PowerTree(
    [
        PowerNode("S", "site"),
        PowerNode("S/T2", "transformer", ai_loads=(AiLoad("hall", None, 0),)),
        PowerNode("S/T2/C3", "rack"),
        PowerNode("S/T2/C4", "rack"),
        PowerNode("S/dry cooler", "other", ai_loads=(AiLoad("lab", None, 0),)),
    ]
)
T2 = Limit("S/T2", LimitKind.PHYSICAL, 5 * MW, "transformer")


def intention(**changed: object) -> Intention:
    given: dict[str, object] = {
        "action": Action.OFF,
        "node": "S/T2",
        "limit": T2,
        "rigs": 42,
        "power_w": 147_000.0,
        "nodes": ("S/T2/C3",),
        "dry": True,
        "reason": "AI hall +3 MW",
        "since_s": 0.0,
    }
    return Intention(**(given | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("power_w", "text"),
    [
        (0.0, "0 W"),
        (999.4, "999 W"),
        (999.6, "1 kW"),
        (3_675.0, "3.68 kW"),
        (147_000.0, "147 kW"),
        (-2_500_000.0, "-2.5 MW"),
        (1_320_000_000.0, "1.32 GW"),
        (2e12, "2000 GW"),
    ],
)
def test_watts_have_three_digits(power_w: float, text: str) -> None:
    assert watts(power_w) == text


def test_what_would_be_done_is_said_with_its_reason_and_what_binds() -> None:
    assert sentence(TREE, intention()) == (
        "would shed 42 rigs, 147 kW, of rack C3: AI hall +3 MW; binding: transformer T2"
    )
    assert sentence(TREE, intention(dry=False, rigs=1)).startswith("sheds 1 rig, ")


@pytest.mark.parametrize(
    ("nodes", "where"),
    [
        (("S/T2/C3", "S/T2/C4"), "2 racks in transformer T2"),
        (("S/T2/C3", "S/dry cooler"), "2 places in site S"),
        (("S/T2/C3", "S/T2"), "2 places in transformer T2"),
        (("S/dry cooler",), "dry cooler"),
    ],
)
def test_where_rigs_are(nodes: tuple[str, ...], where: str) -> None:
    assert f" of {where}: " in sentence(TREE, intention(nodes=nodes))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (LimitKind.SCHEDULE, "5 MW by peak (evening)"),
        (LimitKind.OVERRIDE, "5 MW by peak (evening)"),
        (LimitKind.FAILSAFE, "5 MW failsafe of peak (evening)"),
        (LimitKind.MINING, "5 MW for mining by peak (evening)"),
    ],
)
def test_who_says_so_is_named_where_it_is_not_the_node_itself(kind: LimitKind, says: str) -> None:
    limit = Limit("S/T2", kind, 5 * MW, "peak", "evening")
    assert sentence(TREE, intention(limit=limit)).endswith(f"binding: transformer T2, {says}")


def test_what_is_left_over_is_said() -> None:
    text = sentence(TREE, intention(rigs=0, short_w=1.2e6))
    assert text.startswith("has nothing to shed: ")
    assert text.endswith("1.2 MW over still, no rig left to shed")


def test_the_end_is_said() -> None:
    assert ended(TREE, intention()) == (
        "would shed no more rigs: transformer T2 is within its limit"
    )
    assert place(TREE, "/") == "the programme"


def seen(
    mining: float = 3.0,
    ai: float = 1.0,
    other: float = 0.0,
    limit: float = 5.0,
    method: str = "meter",
) -> Cap:
    bound = Limit("S/T2", LimitKind.OVERRIDE, int(limit * MW), "grid")
    return Cap("S/T2", 2, 0.0, bound, mining * MW, ai * MW, other * MW, NOTHING, method)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (seen(ai=4.0), "AI hall +3 MW"),
        (seen(mining=4.0, ai=1.1), "mining +1 MW"),
        (seen(mining=3.5, ai=2.0), "AI hall +1 MW, mining +500 kW"),
        (seen(other=2.0), "load that is neither rigs nor AI +2 MW"),
        (seen(limit=3.0, ai=1.1), "limit 5 MW to 3 MW by grid"),
        (seen(limit=6.0), "limit 5 MW to 6 MW by grid"),
        (seen(ai=0.2), "AI hall -800 kW"),
        (seen(), "nothing that is known of has changed"),
        (seen(mining=4.0, method="shares"), "mining +1 MW (known by shares now, by meter before)"),
    ],
)
def test_the_reason_is_what_has_changed_the_most(now: Cap, reason: str) -> None:
    assert what_changed(TREE, "S/T2", seen(), now) == reason


def test_ai_loads_have_no_name_where_there_are_several() -> None:
    assert what_changed(TREE, "S", seen(), seen(ai=4.0)) == "AI load +3 MW"
    assert what_changed(TREE, "S", None, seen()) == "over its limit from the start"
