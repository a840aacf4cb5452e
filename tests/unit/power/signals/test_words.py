"""What messages say, and what makes no sense."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.signal import AiLoadSignal, BudgetSignal
from poolserver.power.signals.words import (
    MOST_BYTES,
    WordError,
    ai_load_signal,
    budget_signal,
    meter_reading,
)
from poolserver.power.state import MeterReading

NOW_S = 1_800_000_000.0
NOW = "2027-01-15T08:00:00Z"


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("fields", "power_w", "energy_j"),
    [
        ({"power_w": 5}, 5.0, None),
        ({"power_kw": 1.5}, 1500.0, None),
        ({"power_mw": 40, "energy_mwh": 2}, 40e6, 7_200_000_000),
        ({"energy_kwh": 0.5}, None, 1_800_000),
        ({"power_w": -3, "energy_wh": 1, "voltage": 400}, -3.0, 3600),
    ],
)
def test_a_meter_tells_power_and_energy_in_a_unit_that_it_names(
    fields: dict[str, float], power_w: float | None, energy_j: int | None
) -> None:
    reading = meter_reading("t2", body(ts=NOW, **fields))
    assert reading == MeterReading("t2", NOW_S, power_w, energy_j)


@pytest.mark.parametrize("ts", [NOW, "2027-01-15T13:00:00+05:00", 1_800_000_000, 1_800_000_000.0])
def test_times_are_rfc_3339_or_unix_seconds(ts: object) -> None:
    assert meter_reading("t2", body(ts=ts, power_w=1)).at_s == NOW_S


def test_where_a_message_is_not_retained_its_time_may_be_left_out() -> None:
    assert meter_reading("t2", body(power_w=1), NOW_S).at_s == NOW_S


def test_how_long_a_reading_holds_is_for_its_judge() -> None:
    told = meter_reading("t2", body(ts=NOW, valid_until=NOW_S + 5, power_w=1))
    assert told.valid_until_s == NOW_S + 5


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "truncated"),
        (b"4.5", "Expected `object`"),
        (b"{", "truncated"),
        (b"[" * 5000, "longer than 4096 bytes"),
        (b"[" * 4000, "."),
        (b"\xff\xfe", "."),
        (b'{"ts": 1, "power_w": NaN}', "invalid"),
        (body(ts=NOW), "neither power"),
        (body(power_w=1), "it has no ts"),
        (body(ts=NOW, power=1), "neither power"),
        (body(ts=NOW, power_w=1, power_kw=1), "power_w and power_kw: give one"),
        (body(ts=NOW, power_w="1"), "Expected `float | null`"),
        (body(ts=NOW, power_w=True), "Expected `float | null`"),
        (body(ts="2027-01-15T08:00:00", power_w=1), "."),
        (body(ts="yesterday", power_w=1), "."),
        (b'{"ts": 1, "energy_wh": 1e308, "power_w": 1e999}', "."),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(message: bytes, words: str) -> None:
    with pytest.raises(WordError, match=words):
        meter_reading("t2", message)


def test_what_has_expired_is_refused() -> None:
    with pytest.raises(WordError, match="expired"):
        meter_reading("t2", body(ts=NOW, valid_until=NOW, power_w=1), NOW_S)


def test_an_ai_load_tells_until_when() -> None:
    word = body(power_mw=250, ts=NOW, valid_until="2027-01-15T08:05:00Z")
    assert ai_load_signal("Sahiwal", "hall", word, "mqtt") == AiLoadSignal(
        "Sahiwal", "hall", 250e6, NOW_S, NOW_S + 300, "mqtt"
    )
    for bad in (body(power_mw=250, ts=NOW), body(ts=NOW, valid_until=NOW)):
        with pytest.raises(WordError):
            ai_load_signal("Sahiwal", "hall", bad, "mqtt")


def test_a_budget_is_in_the_name_of_whoever_asks() -> None:
    word = body(limit_mw=3.5, ts=NOW, valid_until=NOW_S + 60, reason="heat")
    assert budget_signal("Sahiwal", word, "npcc", "token:npcc") == BudgetSignal(
        "Sahiwal", 3.5e6, "npcc", NOW_S, NOW_S + 60, "heat", "token:npcc"
    )
    with pytest.raises(WordError, match="cannot be given"):
        budget_signal("Sahiwal", body(limit_w=1, ts=NOW, source="x"), "npcc", "token:npcc")
    named = budget_signal(
        "/", body(limit_w=1, ts=NOW, source="x"), "mqtt", "mqtt", may_name_source=True
    )
    assert named.source == "x"


def test_a_budget_is_taken_back_in_so_many_words() -> None:
    assert budget_signal("/", body(withdraw=True), "a", "", NOW_S).limit_w is None
    for fields in ({}, {"limit_w": 5, "withdraw": True}, {"limit_w": None}):
        with pytest.raises(WordError, match="or withdraw"):
            budget_signal("/", body(**fields), "a", "", NOW_S)


def test_a_mistyped_field_of_a_budget_is_refused() -> None:
    with pytest.raises(WordError, match="valid_untill"):
        budget_signal("/", body(limit_w=5, valid_untill=NOW), "a", "", NOW_S)


@given(message=st.binary(max_size=MOST_BYTES))
def test_any_bytes_make_sense_or_are_refused(message: bytes) -> None:
    for read in (
        lambda: meter_reading("t2", message),
        lambda: ai_load_signal("s", "n", message, "mqtt"),
        lambda: budget_signal("/", message, "mqtt", "mqtt", may_name_source=True),
    ):
        with pytest.raises(WordError):  # no such bytes are found by chance
            read()


NUMBERS = st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))


@given(
    fields=st.dictionaries(
        st.sampled_from(["ts", "valid_until", "power_w", "power_mw", "energy_mwh", "limit_w"]),
        NUMBERS,
    )
)
def test_any_numbers_make_sense_or_are_refused(fields: dict[str, Any]) -> None:
    message = json.dumps(fields).replace("Infinity", "1e999").encode()
    for read in (
        lambda: meter_reading("t2", message, NOW_S),
        lambda: ai_load_signal("s", "n", message, "mqtt", NOW_S),
        lambda: budget_signal("/", message, "mqtt", "mqtt", NOW_S),
    ):
        with suppress(WordError):
            read()
