"""What others are told of each site."""

from fractions import Fraction

from poolserver.control_room.site_words import site_words
from poolserver.control_room.view import power_view
from poolserver.power.signals.words import SiteWord
from poolserver.power.state import EffectiveLimit, NodePower, Readings
from poolserver.power.tree import PowerNode, PowerTree
from poolserver.power.uncertain import Uncertain

TREE = PowerTree([PowerNode("A", "site", pue=Fraction(1)), PowerNode("A/F1", "feeder")])


def test_each_site_and_no_node_below_it() -> None:
    readings = Readings(
        {"A": NodePower("A", total_w=Uncertain(900.0, 25.0))}, {"A": EffectiveLimit(1000)}
    )
    view = power_view(TREE, readings, at_s=5.0, mode="observe", state="within", intended=())
    assert site_words(view) == {"A": SiteWord(5.0, 900.0, 5.0, 1000, "within")}
