"""Budgets and sources that cannot be meant are told so."""

from collections.abc import Callable

import pytest

After = Callable[..., list[str]]

NODES = """
time_zone = "Asia/Karachi"

[[sites.nodes]]
name = "F1"
kind = "feeder"

[[sites.nodes]]
name = "T2"
under = "F1"

[[budgets]]
node = "demo/F1/T2"
limit_mw = 0.1
valid_from = 2026-07-01
valid_until = "2026-10-01T18:00"

[[budget_sources]]
name = "grid"
node = "/"
failsafe_mw = 0.1
"""
SOURCE = '[[budget_sources]]\nname = "grid"\nnode = "demo"\n'


def test_budgets_of_nodes_that_are_there_are_good(after: After, good: str) -> None:
    assert after(text=good + NODES + SOURCE) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            ('node = "demo/F1/T2"', 'node = "demo/T2"'),
            'budgets[0].node: there is no power node "demo/T2"',
        ),
        (('node = "/"', 'node = "demo/"'), None),
        (('node = "/"', 'node = "x"'), 'budget_sources[0].node: there is no power node "x"'),
        (('"2026-10-01T18:00"', "2026-07-01"), "budgets[0].valid_until: must be after valid_from"),
        (
            ('"2026-10-01T18:00"', '"2026-06-30T18:59:59+00:00"'),
            "budgets[0].valid_until: must be after valid_from",
        ),
        (('"2026-10-01T18:00"', '"2026-06-30T19:00:01+00:00"'), ""),
    ],
)
def test_what_does_not_go_together_is_told(
    after: After, good: str, change: tuple[str, str], problem: str | None
) -> None:
    found = after(change, text=good + NODES)
    if problem is None:
        assert len(found) == 1
        assert "must be like" in found[0]
    else:
        assert found == ([problem] if problem else [])


def test_a_source_is_declared_once_for_a_node_and_a_kind_of_load(after: After, good: str) -> None:
    assert after(text=good + SOURCE + SOURCE.replace("demo", "/")) == []
    assert after(text=good + SOURCE + SOURCE + 'load = "mining"\n') == []
    assert after(text=good + SOURCE + SOURCE) == [
        'budget_sources[1].name: "grid" is declared for this node in budget_sources[0] already'
    ]


@pytest.mark.parametrize(
    ("line", "trouble"),
    [
        ("months = [13]", "budgets[0].months[0]: must be at most 12, is 13"),
        ('days = ["friday"]', "budgets[0].days[0]: must be"),
        ('hours = ["7:00-9:00"]', 'budgets[0].hours[0]: must be like "07:00-09:30"'),
        ('hours = ["07:00-07:00"]', "budgets[0].hours[0]: must be like"),
        ('hours = ["24:00-06:00"]', "budgets[0].hours[0]: must be like"),
        ('hours = ["07:60-08:00"]', "budgets[0].hours[0]: must be like"),
        ('dates = ["02-30..03-01"]', 'budgets[0].dates[0]: must be like "11-15..02-28"'),
        ('dates = ["1-1..2-2"]', "budgets[0].dates[0]: must be like"),
        ('valid_from = "soon"', 'budgets[0].valid_from: must be like "2026-07-01"'),
        ('time_zone = "Europe/Berlin"', ""),
        ('time_zone = "Punjab"', "budgets[0].time_zone: must be like"),
    ],
)
def test_each_setting_is_read_or_told_of(after: After, good: str, line: str, trouble: str) -> None:
    found = after(text=f'{good}\n[[budgets]]\nnode = "demo"\nlimit_mw = 1\n{line}\n')
    if trouble:
        assert len(found) == 1
        assert found[0].startswith(trouble)
    else:
        assert found == []
