"""Each configured node of the power tree is told as the view has it, and as the client wrote it."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from poolserver.control_room.view import PowerView, power_view
from poolserver.metrics import power
from poolserver.metrics.lines import AT_ONCE
from poolserver.metrics.power import PowerSeries
from poolserver.power.state import (
    EffectiveLimit,
    Limit,
    LimitKind,
    MeterState,
    NodePower,
    Quality,
    Readings,
)
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain

METER = MeterState('m"1', Quality.GOOD, power_w=1200.25)
HALL = NodePower(
    "hall",
    hashrate_h_s=Uncertain(2e12),
    estimated_w=Uncertain(999.5, 144.0),
    mining_w=Uncertain(1000.0),
    ai_w=150.0,
    total_w=Uncertain(1150.0, 169.0),
    meter=METER,
    residual_w=Uncertain(-99.125),
)
LIMIT = EffectiveLimit(1100, (Limit("hall", LimitKind.PHYSICAL, 1100, "the\\grid"),))


def view_of(hall: NodePower, *others: PowerNode, limits: bool = True) -> PowerView:
    tree = PowerTree([PowerNode("hall", "site"), *others])
    known = {"hall": LIMIT} if limits else {}
    readings = Readings({"hall": hall}, known, known)
    return power_view(tree, readings, at_s=0.0, mode="observe", state="within", intended=())


def text_of(view: PowerView | None) -> str:
    return b"".join(PowerSeries(lambda: view).lines(generate_latest)).decode()


def told_of(view: PowerView, node: str = "hall") -> dict[str, float]:
    """The value of each family of a node, without what all of their names begin with."""
    return {
        sample.name.removeprefix("poolserver_power_"): sample.value
        for family in text_string_to_metric_families(text_of(view))
        for sample in family.samples
        if sample.labels["node"] == node
    }


def test_a_node_is_told_as_the_view_has_it() -> None:
    assert told_of(view_of(HALL)) == {
        "watts": 1150.0,
        "sigma_watts": 13.0,
        "limit_watts": 1100.0,
        "mining_limit_watts": 1100.0,
        "headroom_watts": -50.0,
        "mining_watts": 1000.0,
        "estimated_watts": 999.5,
        "estimated_sigma_watts": 12.0,
        "ai_watts": 150.0,
        "metered_watts": 1200.25,
        "residual_watts": -99.125,
        "hashrate_hashes_per_second": 2e12,
        "j_per_th": 500.0,
        "rigs": 0.0,
        "silent_rigs": 0.0,
        "meter_good": 1.0,
        "limit_binding": 1.0,
    }


def test_what_is_not_known_is_left_out() -> None:
    told = told_of(view_of(NodePower("hall"), limits=False))
    assert not {name for name in told if "limit" in name or "meter" in name}
    assert not {"headroom_watts", "residual_watts", "j_per_th"} & told.keys()


def test_a_meter_that_is_not_believed_tells_that_and_no_power() -> None:
    told = told_of(view_of(replace(HALL, meter=replace(METER, quality=Quality.JUMP))))
    assert told["meter_good"] == 0.0
    assert "metered_watts" not in told


def test_before_the_first_view_nothing_is_told() -> None:
    assert text_of(None) == ""


def test_all_families_are_there_whatever_is_known_in_the_order_of_their_declaration() -> None:
    families = list(text_string_to_metric_families(text_of(view_of(HALL))))
    none_known = list(text_string_to_metric_families(text_of(view_of(HALL, limits=False))))
    assert [family.name for family in families] == [family.name for family in none_known]
    assert len(families) == 17


@pytest.mark.parametrize("count", [AT_ONCE, 2 * AT_ONCE])  # with the hall and "/" it is some more
def test_all_nodes_are_told_in_the_order_of_the_tree(count: int) -> None:
    racks = [PowerNode(f"hall/r{number:05d}", "rack") for number in range(count)]
    view = view_of(HALL, *racks)
    told = {
        family.name: [sample.labels["node"] for sample in family.samples]
        for family in text_string_to_metric_families(text_of(view))
    }
    paths = [node.path for node in view.nodes]
    assert len(paths) == count + 2
    assert told["poolserver_power_watts"] == paths
    assert told["poolserver_power_silent_rigs"] == paths


def test_what_only_names_of_rigs_speak_of_is_not_told() -> None:
    made_up = PowerNode("hall/made-up", "rack", is_configured=False)
    assert told_of(view_of(HALL, made_up), "hall/made-up") == {}


def test_labels_stand_and_are_escaped_as_by_prometheus_own_client() -> None:
    limits = GaugeMetricFamily(
        power.POWER_LIMIT_BINDING.name,
        power.POWER_LIMIT_BINDING.help,
        labels=power.POWER_LIMIT_BINDING.labels,
    )
    limits.add_metric(["hall", "physical", "the\\grid"], 1)
    meters = GaugeMetricFamily(
        power.POWER_METER_GOOD.name,
        power.POWER_METER_GOOD.help,
        labels=power.POWER_METER_GOOD.labels,
    )
    meters.add_metric(['m"1', "hall"], 1)
    for family in (meters, limits):
        registry = CollectorRegistry()
        registry.register(_Of(family))
        theirs = generate_latest(registry).decode().replace(" 1.0\n", " 1\n")
        assert theirs in text_of(view_of(HALL))


class _Of:
    def __init__(self, family: GaugeMetricFamily) -> None:
        self._family = family

    def collect(self) -> list[GaugeMetricFamily]:
        return [self._family]
