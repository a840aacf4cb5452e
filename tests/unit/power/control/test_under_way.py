"""What is expected while commands are under way, and no longer."""

from fractions import Fraction

from poolserver.power.control.decision import Batch, rig_key
from poolserver.power.control.headroom import Cap
from poolserver.power.control.plant import Plant
from poolserver.power.control.states import DeviceState
from poolserver.power.control.terms import Terms
from poolserver.power.control.under_way import expected_rigs, expected_watts
from poolserver.power.state import Limit, LimitKind, RigGroup
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import NOTHING
from tests.unit.power.control.fleet import rating

S21 = rating("17.5")
TERMS = Terms()
PLANT = Plant(PowerTree([PowerNode("S", "site", pue=Fraction("1.5")), PowerNode("S/r", "rack")]))
CAP = Cap(
    "S", 1, 0.0, Limit("S", LimitKind.PHYSICAL, 1, "site"), 1000.0, 0.0, 0.0, NOTHING, "meter"
)


def batch(state: DeviceState, rigs: int = 2) -> Batch:
    return Batch(1, "S/r", S21, rigs, 100.0, state, 0.0, 0.0)


def site_w(each: Batch, now_s: float, aimed_w: float | None = None) -> float:
    aimed = {} if aimed_w is None else {"S": aimed_w}
    return expected_watts(PLANT, TERMS, [CAP], aimed, [each], now_s)["S"]


def test_what_goes_off_counts_until_it_must_have_shown() -> None:
    for state in (DeviceState.PENDING_OFF, DeviceState.VERIFYING, DeviceState.OFF):
        assert site_w(batch(state), TERMS.settle_s - 1) == 1000 - 2 * 100 * 1.5
        assert site_w(batch(state), TERMS.settle_s) == 1000


def test_what_comes_on_counts_at_cold_start_until_it_hashes() -> None:
    assert site_w(batch(DeviceState.PENDING_ON), 800.0) == 1000 + 2 * 100 * 1.5 * 1.1
    assert site_w(batch(DeviceState.ON), 1.0, aimed_w=1300.0) == 1000


def test_failed_and_protected_rigs_draw_what_is_read() -> None:
    for state in (DeviceState.FAILED, DeviceState.PROTECTED):
        assert site_w(batch(state), 0.0, aimed_w=500.0) == 1000


def test_rigs_that_go_off_are_not_counted_while_their_silence_is_waited_for() -> None:
    groups = [RigGroup("S/r", S21, 10, 0, 1000.0)]
    key = rig_key("S/r", S21)
    off = batch(DeviceState.OFF)
    assert expected_rigs(TERMS, groups, {}, [off], 299.0) == {key: 8.0}
    assert expected_rigs(TERMS, groups, {key: 8.0}, [off], 299.0) == {key: 8.0}
    assert expected_rigs(TERMS, groups, {key: 8.0}, [off], 300.0) == {}
    seen = [RigGroup("S/r", S21, 8, 2, 800.0)]
    assert expected_rigs(TERMS, seen, {key: 8.0}, [off], 299.0) == {key: 8.0}
