import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power import places as places_module
from poolserver.power.places import NodeRules, Places, SitePlaces
from poolserver.power.tree import PowerNode, PowerTree, parent_path

NODES = (
    ("Sahiwal", "site"),
    ("Sahiwal/T1", "transformer"),
    ("Sahiwal/T2", "transformer"),
    ("Sahiwal/T2/c04", "container"),
    ("Sahiwal/T2/c04/r09", "rack"),
    ("Qasim", "site"),
)
USUAL = "{site}-{container}-{rack}-{slot}"


def tree() -> PowerTree:
    return PowerTree([PowerNode(path, kind) for path, kind in NODES])


def places(*rules: NodeRules, pattern: str | None = None, on: PowerTree | None = None) -> Places:
    configured = tuple(NodeRules(path) for path, kind in NODES if "/" in path)
    return Places(on or tree(), [SitePlaces("Sahiwal", (*rules, *configured), pattern)])


def test_a_rig_that_no_rule_fits_is_at_its_site() -> None:
    assert places().node_of("Sahiwal", "sahiwal.x") == "Sahiwal"
    assert places().node_of("Qasim", "qasim.x") == "Qasim"


def test_a_list_beats_a_pattern_and_a_pattern_beats_an_address() -> None:
    where = places(
        NodeRules("Sahiwal/T1", rigs=frozenset({"sahiwal.a1"})),
        NodeRules("Sahiwal/T2", workers=("a*",)),
        NodeRules("Sahiwal/T2/c04/r09", addresses=("10.0.0.0/8",)),
    )
    assert where.node_of("Sahiwal", "sahiwal.a1", "10.0.0.1") == "Sahiwal/T1"
    assert where.node_of("Sahiwal", "sahiwal.a2", "10.0.0.1") == "Sahiwal/T2"
    assert where.node_of("Sahiwal", "sahiwal.b2", "10.0.0.1") == "Sahiwal/T2/c04/r09"
    assert where.node_of("Sahiwal", "sahiwal.b2", "192.0.2.1") == "Sahiwal"


def test_of_rules_of_one_kind_the_deepest_node_wins_wherever_it_stands() -> None:
    shallow = NodeRules("Sahiwal/T2", frozenset({"s.x"}), ("a*",), ("10.0.0.0/8",))
    deep = NodeRules("Sahiwal/T2/c04", frozenset({"s.x"}), ("ab*",), ("10.1.0.0/16",))
    for rules in ((shallow, deep), (deep, shallow)):
        where = places(*rules)
        assert where.node_of("Sahiwal", "s.x") == "Sahiwal/T2/c04"
        assert where.node_of("Sahiwal", "s.abc") == "Sahiwal/T2/c04"
        assert where.node_of("Sahiwal", "s.acc") == "Sahiwal/T2"
        assert where.node_of("Sahiwal", "s.z", "10.1.2.3") == "Sahiwal/T2/c04"
        assert where.node_of("Sahiwal", "s.z", "10.2.2.3") == "Sahiwal/T2"


def test_a_pattern_is_of_the_whole_name_behind_the_account() -> None:
    where = places(NodeRules("Sahiwal/T1", workers=("a?-[0-9]",)))
    assert where.node_of("Sahiwal", "sahiwal.ab-3") == "Sahiwal/T1"
    assert where.node_of("Sahiwal", "ab-3") == "Sahiwal/T1"  # a name without an account
    for name in ("ab-33", "xab-3", "AB-3", "ab-x"):
        assert where.node_of("Sahiwal", f"sahiwal.{name}") == "Sahiwal"


@pytest.mark.parametrize("address", ["::ffff:10.0.0.1", "10.0.0.1", "2001:db8::7"])
def test_addresses_are_of_both_families_and_one_in_the_other(address: str) -> None:
    where = places(NodeRules("Sahiwal/T1", addresses=("10.0.0.0/8", "2001:db8::/32")))
    assert where.node_of("Sahiwal", "sahiwal.x", address) == "Sahiwal/T1"


@pytest.mark.parametrize("address", ["", "nonsense", "10.0.0.1.1"])
def test_what_is_no_address_is_in_no_network(address: str) -> None:
    where = places(NodeRules("Sahiwal/T1", addresses=("0.0.0.0/0", "::/0")))
    assert where.node_of("Sahiwal", "sahiwal.x", address) == "Sahiwal"


def test_containers_and_racks_that_names_speak_of_are_added() -> None:
    on = tree()
    where = places(pattern=USUAL, on=on)
    assert where.node_of("Sahiwal", "sahiwal.shw-c05-r07-s1") == "Sahiwal/c05/r07"
    assert (on["Sahiwal/c05"].kind, on["Sahiwal/c05/r07"].kind) == ("container", "rack")
    assert not on["Sahiwal/c05/r07"].is_configured
    assert where.node_of("Sahiwal", "sahiwal.shw-c05-r07-s2") == "Sahiwal/c05/r07"
    assert len(on) == len(tree()) + 2


def test_a_container_of_the_configuration_is_found_wherever_it_stands() -> None:
    where = places(pattern=USUAL)
    assert where.node_of("Sahiwal", "sahiwal.shw-c04-r09-s1") == "Sahiwal/T2/c04/r09"
    assert where.node_of("Sahiwal", "sahiwal.shw-c04-r10-s1") == "Sahiwal/T2/c04/r10"


def test_another_containers_rack_of_the_same_name_is_another_rack() -> None:
    assert places(pattern=USUAL).node_of("Sahiwal", "s.shw-c05-r09-s1") == "Sahiwal/c05/r09"


def test_a_name_refines_what_a_rule_says_and_never_contradicts_it() -> None:
    where = places(
        NodeRules("Sahiwal/T1", workers=("shw-c04-*", "shw-c06-*")),
        NodeRules("Sahiwal/T2/c04", workers=("shw-c07-*",)),
        NodeRules("Sahiwal/T2/c04/r09", rigs=frozenset({"s.shw-c06-r1-s1"})),
        pattern=USUAL,
    )
    assert where.node_of("Sahiwal", "s.shw-c06-r07-s1") == "Sahiwal/T1/c06/r07"
    assert where.node_of("Sahiwal", "s.shw-c04-r07-s1") == "Sahiwal/T1"  # c04 is below T2
    assert where.node_of("Sahiwal", "s.shw-c07-r07-s1") == "Sahiwal/T2/c04/r07"
    assert where.node_of("Sahiwal", "s.shw-c06-r1-s1") == "Sahiwal/T2/c04/r09"


def test_a_pattern_may_tell_racks_alone() -> None:
    assert places(pattern="{rack}_{slot}").node_of("Sahiwal", "s.r1_3") == "Sahiwal/r1"


def test_names_cannot_add_nodes_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places_module, "MAX_GROWN_NODES", 5)
    on = tree()
    where = places(pattern=USUAL, on=on)
    nodes = [where.node_of("Sahiwal", f"s.shw-c{n}0-r{n}-s") for n in range(10)]
    assert len(on) == len(tree()) + 5
    assert nodes[1] == "Sahiwal/c10/r1"
    assert nodes[2] == "Sahiwal/c20"  # the last that was added
    assert set(nodes[3:]) == {"Sahiwal"}
    assert where.node_of("Sahiwal", "s.shw-c10-r1-s9") == "Sahiwal/c10/r1"


@pytest.mark.parametrize("name", ["c\x1b[31m", " c1", "c1 ", "c" * 64, "c\u2028"])
def test_what_is_no_name_to_be_shown_adds_no_node(name: str) -> None:
    assert places(pattern=USUAL).node_of("Sahiwal", f"s.shw-{name}-r1-s1") == "Sahiwal"


@given(st.lists(st.text(max_size=30), max_size=20))
def test_whatever_names_come_each_rig_is_at_a_node_of_its_site(names: list[str]) -> None:
    on = tree()
    where = places(NodeRules("Sahiwal/T1", workers=("a*",)), pattern="{container}-{rack}", on=on)
    for name in names:
        path = where.node_of("Sahiwal", name)
        assert on[path].site == "Sahiwal"
        assert where.node_of("Sahiwal", name) == path
    assert all(parent_path(node.path) in on for node in on)
