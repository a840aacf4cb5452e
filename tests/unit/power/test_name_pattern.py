import re
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.name_pattern import NamePattern

USUAL = NamePattern("{site}-{container}-{rack}-{slot}")


def test_a_name_is_read_field_by_field() -> None:
    assert USUAL.read("shw-c04-r07-s012") == {
        "site": "shw",
        "container": "c04",
        "rack": "r07",
        "slot": "s012",
    }


def test_what_is_behind_the_last_separator_belongs_to_the_last_field() -> None:
    assert USUAL.read("shw-c04-r07-s012-b")["slot"] == "s012-b"


@pytest.mark.parametrize("name", ["", "shw", "shw-c04-r07", "shw--r07-s1", "shw-c/4-r07-s1"])
def test_a_name_of_another_form_says_nothing(name: str) -> None:
    assert USUAL.read(name) == {}


def test_text_around_the_fields_must_stand_there() -> None:
    pattern = NamePattern("c{container}.r{rack}!")
    assert pattern.read("c4.r7!") == {"container": "4", "rack": "7"}
    assert pattern.read("c4xr7!") == pattern.read("c4.r7") == {}


parts = st.text(st.characters(exclude_characters="-/", exclude_categories=["Cs"]), min_size=1)


@given(parts, parts, parts, parts)
def test_whatever_the_parts_are_they_are_found_again(a: str, b: str, c: str, d: str) -> None:
    fields = USUAL.read(f"{a}-{b}-{c}-{d}")
    assert list(fields.values()) == [a, b, c, d]


@given(st.text(max_size=191))
def test_no_part_of_any_name_is_empty_or_has_a_slash(name: str) -> None:
    for part in USUAL.read(name).values():
        assert part
        assert "/" not in part


def test_no_name_takes_long() -> None:
    pattern = NamePattern("{site}-{container}-{rack}-{slot}-{model}.x")
    name = "-a" * 95
    begun = perf_counter()
    for _ in range(1000):
        assert pattern.read(name) == {}
    assert perf_counter() - begun < 1.0  # a pattern that tries all ways takes 100 ms for one


def test_a_pattern_is_no_regular_expression() -> None:
    assert NamePattern("(a+)+{rack}").read("(a+)+7") == {"rack": "7"}
    assert re.escape("]") in NamePattern("{rack}]x")._names.pattern
    assert NamePattern("{rack}]x").read("7]x") == {"rack": "7"}
    assert NamePattern("{rack}^{slot}").read("7^8") == {"rack": "7", "slot": "8"}
