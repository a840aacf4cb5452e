"""Any settings can be read by their definition; every problem is noted at its path."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta

from poolserver.config.errors import Problem
from poolserver.config.walk import walk


class Rack(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    rigs: Annotated[int, Meta(ge=1)] = 1


class Hall(msgspec.Struct, frozen=True, kw_only=True):
    cooled_by: Literal["air", "water"] = "air"
    watts: Annotated[float, Meta(gt=0)]


class Farm(msgspec.Struct, frozen=True, kw_only=True):
    hall: Hall
    racks: Annotated[tuple[Rack, ...], Meta(min_length=1)]
    tags: tuple[str, ...] = ()
    note: str | None = None


def problems_of(**table: Any) -> list[str]:
    problems: list[Problem] = []
    walk(Farm, table, problems)
    return [str(problem) for problem in problems]


GOOD_HALL = {"watts": 5}
GOOD_RACKS = [{"name": "a"}]


def test_a_good_tree_is_read_with_its_defaults() -> None:
    problems: list[Problem] = []
    farm = walk(Farm, {"hall": GOOD_HALL, "racks": GOOD_RACKS, "tags": ["x"]}, problems)
    assert farm == Farm(hall=Hall(watts=5.0), racks=(Rack(name="a"),), tags=("x",))
    assert isinstance(farm.hall.watts, float)
    assert problems == []


def test_every_problem_is_noted_with_its_path() -> None:
    assert problems_of(
        hall={"cooled_by": "oil", "watts": 0},
        racks=[{"name": "a", "rigs": 0}, {"name": 7}, "rack", {}],
        tags=["x", 1],
        note=False,
    ) == [
        'hall.cooled_by: must be "air" or "water", is "oil"',
        "hall.watts: must be above 0, is 0",
        "racks[0].rigs: must be at least 1, is 0",
        "racks[1].name: must be text in quotes, is 7",
        'racks[2]: must be a section, is "rack"',
        "racks[3].name: is missing",
        "tags[1]: must be text in quotes, is 1",
        "note: must be text in quotes, is false",
    ]


def test_what_could_not_be_read_is_unset_and_the_rest_is_there() -> None:
    farm = walk(Farm, {"hall": {"watts": "x"}, "racks": 7, "note": "n"}, [])
    assert msgspec.structs.astuple(farm) == (Hall(watts=UNSET), UNSET, (), "n")  # type: ignore[arg-type]


def test_a_missing_section_is_named_by_what_it_lacks() -> None:
    assert problems_of(racks=GOOD_RACKS) == ["hall.watts: is missing"]


def test_a_missing_list_of_sections_shows_how_to_write_one() -> None:
    assert problems_of(hall=GOOD_HALL) == ["racks: needs at least one [[racks]]"]


def test_a_section_written_for_a_list_of_sections_shows_how_to_write_it() -> None:
    trouble = ["racks: must be a list: write [[racks]], is a table"]
    assert problems_of(hall=GOOD_HALL, racks={"name": "a"}) == trouble


def test_a_single_value_written_for_a_list_is_refused() -> None:
    trouble = ['tags: must be a list in brackets, is "x"']
    assert problems_of(hall=GOOD_HALL, racks=GOOD_RACKS, tags="x") == trouble


@pytest.mark.parametrize(
    ("key", "trouble"),
    [
        ("wats", 'hall.wats: unknown setting; did you mean "watts"?'),
        ("colour", "hall.colour: unknown setting"),
        ("a.b", 'hall."a.b": unknown setting'),
        ("new\nline", 'hall."new\\u000aline": unknown setting'),
        ("", 'hall."": unknown setting'),
    ],
)
def test_an_unknown_setting_is_an_error_that_names_the_nearest(key: str, trouble: str) -> None:
    assert problems_of(hall={"watts": 5, key: 1}, racks=GOOD_RACKS) == [trouble]


def test_an_unknown_setting_at_the_top_has_no_path_before_it() -> None:
    trouble = ['rakcs: unknown setting; did you mean "racks"?']
    assert problems_of(hall=GOOD_HALL, racks=GOOD_RACKS, rakcs=1) == trouble
