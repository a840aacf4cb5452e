import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.tree import PROGRAMME, PowerNode, PowerTree, parent_path


def tree(*paths: str) -> PowerTree:
    return PowerTree([PowerNode(path, "other") for path in paths])


def paths(nodes: object) -> list[str]:
    return [node.path for node in nodes]  # type: ignore[attr-defined]


def test_the_programme_is_there_without_being_given() -> None:
    assert paths(PowerTree()) == [PROGRAMME]
    assert PowerTree()[PROGRAMME].kind == "programme"


def test_a_programme_that_is_given_is_the_one() -> None:
    given_ = PowerNode(PROGRAMME, "programme", limit_w=2_000_000_000)
    assert PowerTree([PowerNode("S", "site"), given_])[PROGRAMME].limit_w == 2_000_000_000


@pytest.mark.parametrize(
    ("path", "name", "depth", "site", "above"),
    [
        ("/", "/", 0, "", "/"),
        ("Sahiwal", "Sahiwal", 1, "Sahiwal", "/"),
        ("Sahiwal/F1/T2", "T2", 3, "Sahiwal", "Sahiwal/F1"),
    ],
)
def test_a_path_tells_name_depth_site_and_the_node_above(
    path: str, name: str, depth: int, site: str, above: str
) -> None:
    node = PowerNode(path, "other")
    assert (node.name, node.depth, node.site, parent_path(path)) == (name, depth, site, above)


def test_a_node_needs_the_one_above_it() -> None:
    with pytest.raises(ValueError, match="S/F1/T2 stands under S/F1, which is not there"):
        tree("S", "S/F1/T2")


def test_a_node_stands_once() -> None:
    with pytest.raises(ValueError, match="S/F1 stands twice"):
        tree("S", "S/F1", "S/F1")


def test_lineage_goes_up_to_the_programme() -> None:
    assert paths(tree("S", "S/F1", "S/F1/T2").lineage("S/F1/T2")) == ["S/F1/T2", "S/F1", "S", "/"]
    assert paths(tree().lineage(PROGRAMME)) == ["/"]


def test_children_are_those_right_below_in_their_order() -> None:
    power_tree = tree("S", "Q", "S/b", "S/a", "S/b/x")
    assert paths(power_tree.children("S")) == ["S/b", "S/a"]
    assert paths(power_tree.children(PROGRAMME)) == ["S", "Q"]


def test_nodes_that_only_names_speak_of_stand_by_number_whoever_came_first() -> None:
    tree = PowerTree(
        [PowerNode("S", "site"), PowerNode("S/T2", "other"), PowerNode("S/T1", "other")]
    )
    for name in ("r10", "r9", "c1", "r1"):
        tree.add(PowerNode(f"S/{name}", "rack", is_configured=False))
    assert [node.name for node in tree.children("S")] == ["T2", "T1", "c1", "r1", "r9", "r10"]


def test_depth_first_shows_what_is_below_a_node_under_it() -> None:
    power_tree = tree("S", "Q", "S/b", "S/a", "S/b/x")
    assert paths(power_tree.depth_first()) == ["/", "S", "S/b", "S/b/x", "S/a", "Q"]
    assert paths(power_tree.depth_first("S/b")) == ["S/b", "S/b/x"]


def test_the_site_of_a_node_is_a_node() -> None:
    power_tree = tree("S", "S/F1")
    assert power_tree.site_of("S/F1") is power_tree["S"]
    assert power_tree.site_of("S") is power_tree["S"]
    assert power_tree.site_of(PROGRAMME) is None


def test_nodes_that_are_added_while_somebody_looks_do_not_disturb_it() -> None:
    power_tree = tree("S", "S/a")
    for node in power_tree.depth_first():
        if node.path == "S/a":
            power_tree.add(PowerNode("S/b", "rack"))
    for number, node in enumerate(power_tree):
        power_tree.add(PowerNode(f"{'' if node.path == '/' else node.path + '/'}n{number}", "rack"))
    assert "S/b" in power_tree


names = st.text("abc", min_size=1, max_size=2)
wanted = st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), max_size=20)


@given(wanted)
def test_whatever_is_added_the_tree_hangs_together(asked: list[str]) -> None:
    power_tree, there = PowerTree(), {PROGRAMME}
    for path in asked:
        may = path not in there and parent_path(path) in there
        try:
            power_tree.add(PowerNode(path, "other"))
            assert may
            there.add(path)
        except ValueError:
            assert not may
    seen: set[str] = set()
    for node in power_tree:  # each after the one above it
        assert node.path == PROGRAMME or parent_path(node.path) in seen
        assert node in power_tree.children(parent_path(node.path)) or node.path == PROGRAMME
        seen.add(node.path)
    assert seen == there
    assert sorted(paths(power_tree.depth_first())) == sorted(there)
    assert len(power_tree) == len(there)
