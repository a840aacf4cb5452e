"""What the operator says of rigs."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from poolserver.config import Config
from poolserver.control_room.outfit import model_rules
from poolserver.power.models import load_models

After = Callable[..., list[str]]

RULE = """
[[rig_models]]
model = "Antminer S21"
sites = ["demo"]
workers = ["shw-c0[1-4]-*"]
"""


def test_a_known_model_needs_no_figures(good: str, read: Callable[..., Config]) -> None:
    (rule,) = model_rules(read(good + RULE), load_models())
    assert rule.j_per_th == Fraction("17.5")
    assert rule.model == "Antminer S21 (200 TH/s, 17.5 J/TH)"
    assert rule.basis == "published list, not checked against the maker"
    assert (rule.sites, rule.workers) == ({"demo"}, ("shw-c0[1-4]-*",))


@pytest.mark.parametrize(
    ("figures", "model", "j_per_th"),
    [
        ("th_s = 188\nwatts = 3290", "188 TH/s, 17.5 J/TH", Fraction("17.5")),
        ('model = "S21 low"\nth_s = 150\nwatts = 2250', "S21 low (150 TH/s, 15 J/TH)", 15),
        ("j_per_th = 16.2", "", Fraction("16.2")),
        ('model = "my own"\nj_per_th = 16.2', "my own (16.2 J/TH)", Fraction("16.2")),
    ],
)
def test_figures_of_the_operators_own_are_exact(
    good: str, read: Callable[..., Config], figures: str, model: str, j_per_th: Fraction
) -> None:
    text = good + RULE.replace('model = "Antminer S21"', figures)
    (rule,) = model_rules(read(text), load_models())
    assert (rule.j_per_th, rule.model, rule.basis) == (j_per_th, model, "the configuration")


@pytest.mark.parametrize(
    ("figures", "problem"),
    [
        ("", "rig_models[0]: needs a model, or th_s and watts, or j_per_th"),
        ("watts = 3500", "rig_models[0]: needs both th_s and watts, or neither"),
        ("th_s = 200\nj_per_th = 17", "rig_models[0]: needs both th_s and watts, or neither"),
        (
            "th_s = 200\nwatts = 3500\nj_per_th = 17",
            "rig_models[0]: needs th_s and watts, or j_per_th, but not all of them",
        ),
        (
            'model = "Antminer S99"',
            "rig_models[0].model: no model is named 'Antminer S99': see `poolserver power models`",
        ),
        ("j_per_th = 0", "rig_models[0].j_per_th: must be above 0, is 0"),
    ],
)
def test_figures_that_make_no_sense_are_told(
    good: str, after: After, figures: str, problem: str
) -> None:
    text = good + RULE.replace('model = "Antminer S21"', figures)
    assert after(text=text) == [problem]


def test_a_name_of_several_models_is_told_with_all_of_them(good: str, after: After) -> None:
    (problem,) = after(text=good + RULE.replace("Antminer S21", "M7"))
    assert "'M7' may be Whatsminer M70 (214 TH/s, 14.7 J/TH), Whatsminer M70S" in problem


def test_a_rule_for_nobody_and_a_site_that_is_not_there_are_told(good: str, after: After) -> None:
    assert after(('workers = ["shw-c0[1-4]-*"]', ""), text=good + RULE) == [
        'rig_models[0]: needs rigs, workers or addresses; workers = ["*"] is all'
    ]
    assert after(('sites = ["demo"]', 'sites = ["nowhere"]'), text=good + RULE) == [
        'rig_models[0].sites[0]: there is no site "nowhere"'
    ]


def test_what_cannot_be_read_is_told_once(good: str, after: After) -> None:
    assert after(('workers = ["shw-c0[1-4]-*"]', "workers = 7"), text=good + RULE) == [
        "rig_models[0].workers: must be a list in brackets, is 7"
    ]


@pytest.mark.parametrize(
    "pattern",
    ["{site}-{container}-{rack}-{slot}", "{rack}_{slot}", "{slot}-{model}", "c{container}"],
)
def test_a_worker_pattern_tells_a_place_or_a_model(good: str, after: After, pattern: str) -> None:
    assert after(("pue = 1.05", f'pue = 1.05\nworker_pattern = "{pattern}"'), text=good) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "rack",
        "{site}-{slot}",
        "{rack}{slot}",
        "{rack}-{rack}",
        "{row}-{rack}",
        "{rack",
        "{}-{rack}",
    ],
)
def test_a_worker_pattern_that_tells_nothing_or_two_things_is_told(
    good: str, after: After, pattern: str
) -> None:
    (problem,) = after(("pue = 1.05", f'pue = 1.05\nworker_pattern = "{pattern}"'), text=good)
    assert problem.startswith("sites[0].worker_pattern: must be made of {site}, {container}")


NODES = """
[[sites.nodes]]
name = "T2"
kind = "transformer"
limit_mw = 5
workers = ["shw-c0[1-4]-*"]
addresses = ["10.1.0.0/16"]

[[sites.nodes]]
name = "c04"
under = "T2"
kind = "container"
rigs = ["demo.a1"]
"""


def test_nodes_stand_under_nodes(good: str, read: Callable[..., Config]) -> None:
    from poolserver.control_room.outfit import power_places, power_tree

    config = read(good + NODES)
    tree = power_tree(config)
    assert [node.path for node in tree] == ["/", "demo", "demo/T2", "demo/T2/c04"]
    assert tree["demo/T2"].limit_w == 5_000_000
    places = power_places(config, tree)
    assert places.node_of("demo", "demo.a1", "10.1.0.1") == "demo/T2/c04"
    assert places.node_of("demo", "demo.shw-c02-r1-s1") == "demo/T2"
    assert places.node_of("demo", "demo.x", "10.1.0.1") == "demo/T2"


def test_a_node_that_stands_under_nothing_is_told(good: str, after: After) -> None:
    assert after(('under = "T2"', 'under = "T3"'), text=good + NODES) == [
        'sites[0].nodes[1].under: "T3" is no node that stands earlier'
    ]
    assert after(('name = "c04"', 'name = "T2"'), text=good + NODES) == [
        'sites[0].nodes[1].name: "T2" is already sites[0].nodes[0].name'
    ]
    assert after(('addresses = ["10.1.0.0/16"]', 'addresses = ["10.1.0.1/16"]'), text=good + NODES)
    assert after(('name = "c04"', 'name = "c/04"'), text=good + NODES)
