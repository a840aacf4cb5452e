from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolserver.mining.password import PasswordOptions, parse_password

NOTHING = PasswordOptions()


@pytest.mark.parametrize(
    "password",
    ["", "x", "123", "anything", "d", "=", "=5", "d=", "dd=5", "x-d=5", "d:5", "d = 5", "d==5"],
)
def test_a_password_is_anything(password: str) -> None:
    assert parse_password(password) == NOTHING


@pytest.mark.parametrize(
    ("password", "options"),
    [
        ("d=1024", PasswordOptions(start_difficulty=1024.0)),
        ("diff=0.5", PasswordOptions(start_difficulty=0.5)),
        ("d=1e6", PasswordOptions(start_difficulty=1e6)),
        ("d=2.5E-3", PasswordOptions(start_difficulty=0.0025)),
        ("d=1e+3", PasswordOptions(start_difficulty=1000.0)),
        ("d=.5", PasswordOptions(start_difficulty=0.5)),
        ("md=524288", PasswordOptions(min_difficulty=524288.0)),
        ("w=3500", PasswordOptions(watts=3500)),
        ("w=1000000000", PasswordOptions(watts=1_000_000_000)),
        ("jth=17.5", PasswordOptions(j_per_th=Fraction(35, 2))),
        ("jth=0.1", PasswordOptions(j_per_th=Fraction(1, 10))),  # which no float is
        ("jth=1000000000", PasswordOptions(j_per_th=Fraction(10**9))),
        ("x,d=1000000", PasswordOptions(start_difficulty=1e6)),  # as MiningRigRentals writes it
        ("anything,d=1024", PasswordOptions(start_difficulty=1024.0)),
    ],
)
def test_each_option_is_read(password: str, options: PasswordOptions) -> None:
    assert parse_password(password) == options


@pytest.mark.parametrize("separator", [",", ";", " ", "\t", ", ", ";;", " ,; "])
def test_commas_semicolons_and_blanks_separate(separator: str) -> None:
    password = separator.join(["x", "d=1024", "md=512", "w=3500", "jth=17.5"])
    assert parse_password(password) == (1024.0, 512.0, 3500, Fraction(35, 2))


def test_case_does_not_matter_in_keys() -> None:
    assert parse_password("D=8,MD=4,W=2,JTH=1") == (8.0, 4.0, 2, Fraction(1))
    assert parse_password("Diff=8") == (8.0, None, None, None)


def test_the_last_of_several_wins() -> None:
    assert parse_password("d=1,diff=2,md=3,w=4,jth=5,md=6,w=7,jth=8") == (2.0, 6.0, 7, Fraction(8))
    assert parse_password("diff=2,d=1").start_difficulty == 1.0


@pytest.mark.parametrize("key", ["d", "diff", "md", "w", "jth"])
@pytest.mark.parametrize(
    "value",
    [
        *("", "0", "0.0", "-1", "+1", "nan", "inf", "Infinity", "1_000", "1e999", "0x10", "1/2"),
        *("1e", "e5", ".", "1.2.3", "1=2", "5W", "\u0665", "\uff11", "\u00b2", "1\u00a0"),
    ],
)
def test_a_bad_value_is_as_if_absent(key: str, value: str) -> None:
    assert parse_password(f"{key}={value}") == NOTHING
    assert parse_password(f"{key}=3,{key}={value}") == parse_password(f"{key}=3")


@pytest.mark.parametrize("value", ["1e-999", "1e400", "9" * 250 + "e99"])
def test_a_difficulty_that_no_float_holds_is_as_if_absent(value: str) -> None:
    assert parse_password(f"d={value}") == NOTHING


@pytest.mark.parametrize("option", ["w=1000000001", "w=1.5", "w=1e3", "jth=1000000001", "jth=1e1"])
def test_watts_are_whole_and_neither_they_nor_efficiency_are_without_bound(option: str) -> None:
    assert parse_password(option) == NOTHING


def test_only_the_first_256_characters_are_looked_at() -> None:
    assert parse_password("x" * 249 + ",d=1024").start_difficulty == 1024.0
    assert parse_password("x" * 249 + ",d=1024,md=8") == (1024.0, None, None, None)
    assert parse_password("x" * 256 + ",d=1024") == NOTHING


def test_an_option_that_is_cut_is_none_rather_than_another_number() -> None:
    assert parse_password("x" * 249 + ",d=102400") == NOTHING


@given(
    st.text(st.characters())
    | st.lists(
        st.tuples(st.sampled_from(["d", "diff", "MD", "w", "jth", "x"]), st.text("0123456789.eE-+"))
    ).map(lambda options: ",".join(f"{key}={value}" for key, value in options))
)
@example("\ud800=\udfff")
@example("jth=" + "9" * 10_000)
@example("d=" + "9" * 10_000)
def test_it_never_raises_and_gives_only_what_can_be_used(password: str) -> None:
    options = parse_password(password)
    assert options.start_difficulty is None or 0 < options.start_difficulty < float("inf")
    assert options.min_difficulty is None or 0 < options.min_difficulty < float("inf")
    assert options.watts is None or 1 <= options.watts <= 1_000_000_000
    assert options.j_per_th is None or 0 < options.j_per_th <= 10**9


@given(st.floats(min_value=1e-300, max_value=1e300), st.integers(1, 10**9), st.integers(1, 10**9))
def test_what_is_written_is_read_back(difficulty: float, watts: int, milli: int) -> None:
    password = f"x;d={difficulty!r};w={watts};jth={milli // 1000}.{milli % 1000:03}"
    assert parse_password(password) == (difficulty, None, watts, Fraction(milli, 1000))
