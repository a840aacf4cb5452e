from fractions import Fraction

from poolserver.power.control.plant import Plant, site_of
from poolserver.power.tree import PowerNode, PowerTree


def plant() -> Plant:
    site = PowerNode("S", "site", pue=Fraction("1.05"))
    return Plant(PowerTree([site, PowerNode("S/T", "transformer"), PowerNode("S/T/r", "rack")]))


def test_a_watt_of_a_rig_is_one_with_pue_from_its_site_up() -> None:
    assert plant().lineage("S/T/r") == (("S/T/r", 1.0), ("S/T", 1.0), ("S", 1.05), ("/", 1.05))


def test_only_nodes_with_a_limit_are_looked_at() -> None:
    assert plant().above("S/T/r", {"S/T", "/"}) == (("S/T", 1.0), ("/", 1.05))


def test_a_node_that_is_added_later_is_found() -> None:
    found = plant()
    found.tree.add(PowerNode("S/T/new", "rack"))
    assert found.lineage("S/T/new")[0] == ("S/T/new", 1.0)
    assert (found.pue("S"), found.pue("elsewhere"), site_of("S/T/new")) == (1.05, 1.0, "S")
