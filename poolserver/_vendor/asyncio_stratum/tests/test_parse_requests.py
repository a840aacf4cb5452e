from typing import Any

import pytest

from .. import Authorize, Configure, ParamsError, RigInfo, Submit, Subscribe, VersionRolling
from ..parse_requests import (
    parse_authorize,
    parse_configure,
    parse_get_transactions,
    parse_submit,
    parse_subscribe,
    parse_suggest_target,
)

SUBMIT = ["rig.1", "5a", "0001020304050607", "504e86ed", "B2957c02", "1fffe000"]


def test_a_submit_is_parsed_with_and_without_version_bits() -> None:
    submit = Submit(7, "rig.1", "5a", bytes(range(8)), 0x504E86ED, 0xB2957C02, 0x1FFFE000)
    assert parse_submit(7, SUBMIT, 8) == submit
    assert type(parse_submit(7, SUBMIT, 8)) is Submit
    assert parse_submit(7, SUBMIT[:5], 8) == submit._replace(version_bits=None)
    assert parse_submit(7, [*SUBMIT[:5], None], 8) == submit._replace(version_bits=None)


@pytest.mark.parametrize("size", [2, 4, 16])
def test_extranonce2_is_of_the_size_that_the_miner_was_told(size: int) -> None:
    params = [*SUBMIT[:2], "ab" * size, *SUBMIT[3:]]
    assert parse_submit(7, params, size).extranonce2 == b"\xab" * size
    with pytest.raises(ParamsError, match=f"extranonce2 is not {2 * size + 2} hex digits"):
        parse_submit(7, params, size + 1)


FIELDS = {2: ("extranonce2", 16), 3: ("ntime", 8), 4: ("nonce", 8), 5: ("version bits", 8)}


@pytest.mark.parametrize("index", FIELDS)
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text[:-2],
        lambda text: text + "0",
        lambda text: text + "00",
        lambda text: "",
        lambda text: "g" + text[1:],
        lambda text: "+" + text[1:],
        lambda text: " " + text[1:],
        lambda text: text[:3] + "_" + text[4:],
        lambda text: "0x" + text[2:],
        lambda text: "١" * len(text),
        lambda text: 12345678,
        lambda text: list(text),
        lambda text: True,
        lambda text: {"a": 1},
    ],
)
def test_a_bad_field_is_refused_by_its_name(index: int, change: Any) -> None:
    name, digits = FIELDS[index]
    params: list[Any] = list(SUBMIT)
    params[index] = change(SUBMIT[index])
    with pytest.raises(ParamsError, match=f"^{name} is not {digits} hex digits$"):
        parse_submit(7, params, 8)


def test_a_digit_too_few_and_one_too_many_do_not_make_up_for_each_other() -> None:
    params = [*SUBMIT[:3], "504e86e", "db2957c02"]
    with pytest.raises(ParamsError, match="ntime"):
        parse_submit(7, params, 8)


def test_lists_of_digits_do_not_pass_for_strings() -> None:
    params = [*SUBMIT[:3], list("504e86ed"), list("b2957c02"), list("1fffe000")]
    with pytest.raises(ParamsError, match="ntime"):
        parse_submit(7, params, 8)


@pytest.mark.parametrize("params", [[], SUBMIT[:4], [*SUBMIT, "0"]])
def test_a_submit_has_5_or_6_parameters(params: list[Any]) -> None:
    with pytest.raises(ParamsError, match=r"mining\.submit takes 5 or 6 parameters"):
        parse_submit(7, params, 8)


@pytest.mark.parametrize("index", [0, 1])
def test_worker_name_and_job_id_are_strings(index: int) -> None:
    params: list[Any] = list(SUBMIT)
    params[index] = 1
    with pytest.raises(ParamsError, match="worker name or job id is not a string"):
        parse_submit(7, params, 8)


def test_a_subscribe_may_say_nothing() -> None:
    assert parse_subscribe(1, []) == Subscribe(1, "", None)
    assert parse_subscribe(1, [None, None, "host", 3333]) == Subscribe(1, "", None)
    assert parse_subscribe(1, ["rig/1", ""]) == Subscribe(1, "rig/1", None)
    assert parse_subscribe(1, ["rig/1", "6f1e"]) == Subscribe(1, "rig/1", "6f1e")
    with pytest.raises(ParamsError, match="session id"):
        parse_subscribe(1, ["rig/1", 5])


def test_a_username_has_at_most_191_bytes() -> None:
    assert parse_authorize(1, ["é" * 95 + "x"], 191) == Authorize(1, "é" * 95 + "x", "")
    with pytest.raises(ParamsError, match="longer than 191 bytes"):
        parse_authorize(1, ["é" * 96], 191)


@pytest.mark.parametrize("params", [[], [None], [""], [5], ["a", 5]])
def test_a_username_is_a_string_that_is_not_empty_and_a_password_one_that_may_be(
    params: list[Any],
) -> None:
    with pytest.raises(ParamsError):
        parse_authorize(1, params, 191)


def test_a_suggested_target_is_big_endian_and_not_zero() -> None:
    assert parse_suggest_target(1, ["00000000ffff" + "0" * 52]).target == 0xFFFF << 208
    assert parse_suggest_target(1, ["ff"]).target == 255
    for params in ([], ["0"], ["0" * 64], ["1" * 65], ["0xff"], [255]):
        with pytest.raises(ParamsError):
            parse_suggest_target(1, params)


def test_get_transactions_names_a_job() -> None:
    assert parse_get_transactions(1, ["5a"]).job_id == "5a"
    with pytest.raises(ParamsError):
        parse_get_transactions(1, [5])


def test_a_configure_has_each_extension_once_and_its_parameters() -> None:
    names = ["version-rolling", "minimum-difficulty", "subscribe-extranonce", "info", "x", "x"]
    options = {
        "version-rolling.mask": "1fffe000",
        "version-rolling.min-bit-count": 16,
        "minimum-difficulty.value": 2048,
        "info.hw-version": "S21",
        "info.sw-version": 7,
    }
    assert parse_configure(1, [names, options]) == Configure(
        1,
        tuple(names[:5]),
        VersionRolling(0x1FFFE000, 16),
        2048.0,
        True,
        RigInfo("", "S21", "", ""),
    )


def test_a_missing_version_mask_means_all_bits_and_the_bit_count_is_only_told() -> None:
    rests: list[list[Any]] = [[], [None], [{}], [{"version-rolling.min-bit-count": "16"}]]
    for rest in rests:
        configure = parse_configure(1, [["version-rolling"], *rest])
        assert configure.version_rolling == VersionRolling(0xFFFFFFFF, 0)


def test_parameters_of_extensions_that_are_not_asked_for_mean_nothing() -> None:
    options = {"version-rolling.mask": "1fffe000", "minimum-difficulty.value": 1}
    assert parse_configure(1, [[], options]) == Configure(1, (), None, None, False, None)
    assert parse_configure(1, []) == Configure(1, (), None, None, False, None)


def test_an_extension_with_senseless_parameters_is_as_if_it_had_none() -> None:
    names = ["version-rolling", "minimum-difficulty"]
    options = {"version-rolling.mask": "1fffe00z", "minimum-difficulty.value": "1"}
    configure = parse_configure(1, [names, options])
    assert configure == Configure(1, tuple(names), None, None, False, None)


@pytest.mark.parametrize("params", [["version-rolling"], [{}], [[], []], [[5], {}], [[[]], {}]])
def test_a_configure_takes_a_list_of_names_and_an_object(params: list[Any]) -> None:
    with pytest.raises(ParamsError):
        parse_configure(1, params)
