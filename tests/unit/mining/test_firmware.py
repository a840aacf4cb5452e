import tomllib
from dataclasses import FrozenInstanceError
from importlib.resources import files
from time import perf_counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolserver.mining.firmware import (
    Firmware,
    FirmwareError,
    FirmwareTable,
    builtin_firmware,
)

UNKNOWN = Firmware("unknown")


def load(text: str) -> FirmwareTable:
    return FirmwareTable.load(text, "own.toml")


def row(keys: str, family: str = "mine") -> str:
    return f'[[firmware]]\nfamily = "{family}"\n{keys}\n'


def errors_of(text: str) -> tuple[str, ...]:
    with pytest.raises(FirmwareError) as raised:
        load(text)
    return raised.value.errors


# --- the table that comes with the pool ---------------------------------------------------------


@pytest.mark.parametrize(
    ("user_agent", "family"),
    [
        ("NiceHash/1.0.0", "nicehash"),
        ("MRR-Hash/1.0.0", "miningrigrentals"),
        ("MiningRigRentals/Test/1.0", "miningrigrentals"),
        ("braiins-farm-proxy/1.0.0", "farm-proxy"),
        ("stratum-proxy/0.3", "farm-proxy"),
        ("btccom-agent/2.0.0-mu", "farm-proxy"),
        ("2026-04-14-0-912d084c-26.04-plus;bosminer-plus-tuner 0.9.0-912d084c", "braiins-os"),
        ("2022-09-27-0-26ba61b9-22.08.1-plus;bosminer-plus-am1-s9 0.9.0-26ba61b9", "braiins-os"),
        ("BOSer boser-openwrt 0.1.0-26ba61b9", "braiins-os"),
        ("Antminer S21|LUXminer 2026.3.2.193145-42668da4d|BHB68606|Unknown|Unknown|a", "luxos"),
        ("LUXminer/2026.4", "luxos"),
        ("xminer-1.2.6-rc5", "vnish"),
        ("PowerPlay-BM/1.0", "epic"),
        ("Antminer S21/Fri Oct 11 16:34:48 CST 2024", "antminer-s21"),
        ("Antminer S21 Pro/Fri Aug 30 19:35:17 CST 2024", "antminer"),
        ("Antminer S19j Pro+/Wed Jun 28 17:54:07 CST 2023", "antminer"),
        ("Antminer", "antminer"),
        ("bmminer/2.0.0/Antminer S9/14000", "antminer"),
        ("whatsminer/v1.1", "whatsminer"),
        ("btminer/3.4.0", "whatsminer"),
        ("cgminer/4.11.1", "avalon"),
        ("cgminer/4.13.5", "cgminer"),
        ("bitaxe/BM1370/v2.13.1", "esp-miner"),
        ("NerdQAxe++/BM1370/v1.0.36", "nerdqaxe"),
        ("NerdOCTAXE-\u03b3/BM1370/v1.0.35", "nerdqaxe"),
        ("NerdMinerV2", "nerdminer"),
        ("NerdMinerV2/V1.8.3", "nerdminer"),
        ("sgminer/4.1.0", "sgminer"),
        ("bfgminer/5.4.2", "bfgminer"),
        ("cpuminer/2.5.1", "cpuminer"),
        ("cpuminer-opt-26.1-x64L", "cpuminer"),
        ("", "unknown"),
        ("my own miner", "unknown"),
        ("not NiceHash/1.0.0", "unknown"),
    ],
)
def test_user_agents_as_they_are_seen_tell_their_family(user_agent: str, family: str) -> None:
    assert builtin_firmware().match(user_agent).family == family
    assert builtin_firmware().match(user_agent.upper()).family == family


@pytest.mark.parametrize(
    ("user_agent", "coinbase_bytes"),
    [
        ("NiceHash/1.0.0", 500),
        ("Antminer S19 XP/Fri Apr 12 14:53:57 CST 2024", 750),
        ("bmminer/2.0.0", 750),
        ("nobody knows me", 750),
        ("Antminer S21/Fri Oct 11 16:34:48 CST 2024", 2250),
        ("Antminer S21 Pro/Fri Aug 30 19:35:17 CST 2024", 750),
        ("Antminer S21|LUXminer 2026.3.2.193145-42668da4d|BHB68606", 750),
        ("whatsminer/v1.0", 6500),
        ("whatsminer/v2.0", 750),
        ("PowerPlay-BM/", 16000),
        ("xminer-1.2.7", 16000),
        ("xminer-2.0", 750),
    ],
)
def test_no_rig_gets_a_coinbase_that_its_firmware_is_not_known_to_take(
    user_agent: str, coinbase_bytes: int
) -> None:
    assert builtin_firmware().match(user_agent).coinbase_bytes == coinbase_bytes


def test_the_facts_of_the_builtin_table() -> None:
    match = builtin_firmware().match
    assert match("NiceHash/1.0.0").min_difficulty == 524_288
    assert match("NiceHash/1.0.0").extranonce2_min == 4
    assert match("MRR-Hash/1.0.0").min_difficulty == 1_000_000
    assert match("cgminer/4.11.1").username_bytes == 63
    assert match("whatsminer/v1.0").username_bytes == 127
    assert match("whatsminer/v1.0").extranonce2_max == 8
    cgminer = match("cgminer/4.13.5")
    assert (cgminer.extranonce2_min, cgminer.extranonce2_max, cgminer.silence_s) == (2, 16, 90.0)
    assert match("NerdMinerV2").silence_s == 60.0


def test_what_is_not_known_has_the_safe_facts() -> None:
    assert builtin_firmware().match("nobody") == UNKNOWN == FirmwareTable().match("nobody")
    assert (UNKNOWN.coinbase_bytes, UNKNOWN.min_difficulty, UNKNOWN.username_bytes) == (750, 0, 191)
    assert (UNKNOWN.extranonce2_min, UNKNOWN.extranonce2_max) == (4, 8)


def test_the_default_extranonce2_and_silence_suit_every_family() -> None:
    raw = tomllib.loads((files("poolserver.mining.data") / "firmware.toml").read_text("utf-8"))
    for table in (raw["default"], *raw["firmware"]):
        least, most = table.get("extranonce2_bytes", [4, 8])
        assert least <= 4
        assert most >= 8
        assert table.get("silence_s", 60) >= 60


def test_every_row_of_the_builtin_table_tells_its_source() -> None:
    raw = tomllib.loads((files("poolserver.mining.data") / "firmware.toml").read_text("utf-8"))
    assert all(table["source"].strip() for table in (raw["default"], *raw["firmware"]))


def test_every_row_of_the_builtin_table_can_be_reached() -> None:
    raw = tomllib.loads((files("poolserver.mining.data") / "firmware.toml").read_text("utf-8"))
    rows = list(enumerate(raw["firmware"]))
    numbered = load("".join(row(f"user_agent = {it['user_agent']}", str(i)) for i, it in rows))
    reached = {
        numbered.match(pattern.replace("*", "-")).family
        for _, it in rows
        for pattern in it["user_agent"]
    }
    assert reached == {str(i) for i, _ in rows}


# --- matching -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("abc", "abc", True),
        ("abc", "ABCdef", True),
        ("ABC", "abcdef", True),
        ("abc", "ab", False),
        ("abc", "xabc", False),
        ("*abc", "xabcx", True),
        ("*abc", "xab", False),
        ("a*c", "a-b-c-d", True),
        ("a*c", "ac", True),
        ("a*c", "abd", False),
        ("a*b*c", "a-c-b", False),
        ("ab*b", "ab", False),  # the parts do not overlap
        ("*ab*b", "xab", False),
        ("*ab*ab", "xab-abx", True),
        ("a**c", "abc", True),
        ("*", "", True),
        ("a.c", "abc", False),
        ("a?c", "abc", False),
        ("[a]", "a", False),
        ("stra\u00dfe", "STRASSE", True),
    ],
)
def test_a_pattern_is_how_the_text_begins_and_a_star_is_anything(
    pattern: str, text: str, matches: bool
) -> None:
    table = load(row(f'user_agent = ["{pattern}"]'))
    assert table.match(text).family == ("mine" if matches else "unknown")


def test_any_pattern_of_a_key_will_do() -> None:
    table = load(row('user_agent = ["one", "two"]'))
    assert [table.match(text).family for text in ("one", "two", "three")] == [
        "mine",
        "mine",
        "unknown",
    ]


def test_all_keys_that_are_given_must_match() -> None:
    table = load(
        row('user_agent = ["cgminer"]\nhw_version = ["A15"]\nsw_version = ["2"]\nhw_id = ["7"]')
    )
    assert table.match("cgminer/4", "A1566", "2.1", "77").family == "mine"
    assert table.match("cgminer/4", "A1566", "2.1").family == "unknown"
    assert table.match("cgminer/4", "A1366", "2.1", "77").family == "unknown"
    assert table.match("cgminer/4", hw_version="A15", sw_version="3", hw_id="7") == UNKNOWN
    assert table.match("", "A1566", "2.1", "77").family == "unknown"


@pytest.mark.parametrize("key", ["hw_version", "sw_version", "hw_id"])
def test_a_row_may_match_by_what_the_rig_tells_of_itself_alone(key: str) -> None:
    table = load(row(f'{key} = ["S21"]'))
    assert table.match("anything", **{key: "s21 hyd"}).family == "mine"
    assert table.match("S21") == UNKNOWN


def test_the_first_match_wins() -> None:
    rows = row('user_agent = ["Antminer S21/"]', "s21") + row('user_agent = ["Antminer"]', "any")
    assert load(rows).match("Antminer S21/x").family == "s21"
    assert load(rows).match("Antminer S19/x").family == "any"


def test_a_family_may_have_several_rows() -> None:
    table = load(
        row('user_agent = ["a"]\ncoinbase_bytes = 900') + row('user_agent = ["b"]\nsilence_s = 30')
    )
    assert table.match("a") == Firmware("mine", coinbase_bytes=900)
    assert table.match("b") == Firmware("mine", silence_s=30.0)


def test_a_fact_that_a_row_leaves_out_is_the_default_of_its_file() -> None:
    table = load(
        "[default]\ncoinbase_bytes = 900\nusername_bytes = 80\n"
        + row('user_agent = ["a"]\nusername_bytes = 70\nmin_difficulty = 0.5')
    )
    assert table.match("a") == Firmware(
        "mine", coinbase_bytes=900, username_bytes=70, min_difficulty=0.5
    )
    assert table.match("b") == Firmware("unknown", coinbase_bytes=900, username_bytes=80)


def test_only_the_first_256_characters_are_looked_at() -> None:
    table = load(row('user_agent = ["*mine"]'))
    assert table.match("x" * 252 + "mine").family == "mine"
    assert table.match("x" * 253 + "mine").family == "unknown"


@pytest.mark.parametrize("key", ["hw_version", "sw_version", "hw_id"])
def test_of_what_the_rig_tells_too(key: str) -> None:
    table = load(row(f'{key} = ["*mine"]'))
    assert table.match("", **{key: "x" * 252 + "mine"}).family == "mine"
    assert table.match("", **{key: "x" * 253 + "mine"}).family == "unknown"


@given(st.text(st.characters()), st.text(st.characters()))
@example("\ud800", "\udfff")
@example("\u0130" * 300, "\x00")
def test_matching_never_raises(user_agent: str, hw_version: str) -> None:
    assert isinstance(builtin_firmware().match(user_agent, hw_version, "", user_agent), Firmware)


def test_no_text_makes_matching_slow() -> None:
    table = load(row('user_agent = ["' + "*a" * 100 + '*b"]'))
    began = perf_counter()
    for length in range(256):
        assert table.match("a" * length).family == "unknown"
    assert perf_counter() - began < 1.0  # 0.01 s; with backtracking it would never end


def test_what_was_found_is_remembered_for_a_bounded_number_of_names() -> None:
    table = load(row('user_agent = ["a"]'))
    assert table.match("a" * 256 + "1") is table.match("a" * 256 + "2")
    for number in range(5000):
        table.match(f"a{number}")
    assert table._memo.cache_info().currsize == 4096


def test_a_firmware_is_not_to_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        UNKNOWN.coinbase_bytes = 16_000  # type: ignore[misc]


# --- an operator's own file ---------------------------------------------------------------------


def test_an_operators_rows_come_before_the_builtin_ones() -> None:
    own = load(row('user_agent = ["whatsminer/v1", "shed"]\ncoinbase_bytes = 900'))
    table = builtin_firmware().extended_by(own)
    assert table.match("whatsminer/v1.0") == Firmware("mine", coinbase_bytes=900)
    assert table.match("shed 7").family == "mine"
    assert table.match("NiceHash/1.0.0") == builtin_firmware().match("NiceHash/1.0.0")
    assert table.match("nobody") == UNKNOWN


def test_an_operators_defaults_hold_for_builtin_rows_without_that_fact() -> None:
    own = load("[default]\ncoinbase_bytes = 600\n")
    table = builtin_firmware().extended_by(own)
    assert table.match("nobody").coinbase_bytes == 600
    assert table.match("cgminer/4.13").coinbase_bytes == 600
    assert table.match("cgminer/4.13").silence_s == 90.0
    assert table.match("NiceHash/1.0.0").coinbase_bytes == 500


def test_extending_changes_neither_table() -> None:
    base, own = load(row('user_agent = ["a"]', "base")), load(row('user_agent = ["a"]', "own"))
    extended = base.extended_by(own)
    assert base.match("a").family == "base"
    assert own.match("a").family == "own"
    assert extended.match("a").family == "own"
    assert extended.extended_by(base).match("a").family == "base"


def test_an_empty_file_is_an_empty_table() -> None:
    assert load("").match("anything") == UNKNOWN
    assert load("# nothing\nfirmware = []\n").match("anything") == UNKNOWN


def test_the_ends_of_each_range_are_in_it() -> None:
    least = "coinbase_bytes = 1\nusername_bytes = 1\nextranonce2_bytes = [1, 1]\nsilence_s = 0.1"
    most = (
        "coinbase_bytes = 1000000\nusername_bytes = 191\nextranonce2_bytes = [100, 100]\n"
        "silence_s = 86400\nmin_difficulty = 1e67"
    )
    table = load(row(f'{least}\nmin_difficulty = 0\nuser_agent = ["a"]') + f"[default]\n{most}\n")
    assert table.match("a") == Firmware("mine", 1, 0.0, 1, 1, 1, 0.1)
    assert table.match("b") == Firmware("unknown", 1_000_000, 1e67, 191, 100, 100, 86_400.0)


# --- wrong files --------------------------------------------------------------------------------

GOOD = 'user_agent = ["a"]'


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("", "needs one of user_agent, hw_version, sw_version, hw_id"),
        ("coinbase_bytes = 500", "needs one of user_agent, hw_version, sw_version, hw_id"),
        (GOOD + "\ncolour = 1", "'colour': no such key"),
        (GOOD + "\nextranonce2_min = 4", "'extranonce2_min': no such key"),
        ('user_agent = "a"', 'user_agent: must be a list of patterns like ["cgminer/", '),
        ("user_agent = []", "user_agent: must be a list of patterns"),
        ('user_agent = ["a", 1]', "user_agent: must be a list of patterns"),
        ('user_agent = ["a", ""]', "user_agent: must be a list of patterns"),
        (f'hw_id = ["{"a" * 257}"]', "hw_id: must be a list of patterns"),
        (
            GOOD + "\ncoinbase_bytes = 0",
            "coinbase_bytes: must be a whole number of 1..1000000, is 0",
        ),
        (GOOD + "\ncoinbase_bytes = 1000001", "coinbase_bytes: must be a whole number"),
        (GOOD + "\ncoinbase_bytes = 500.0", "coinbase_bytes: must be a whole number"),
        (GOOD + "\ncoinbase_bytes = true", "coinbase_bytes: must be a whole number"),
        (GOOD + '\ncoinbase_bytes = "500"', "coinbase_bytes: must be a whole number"),
        (GOOD + "\ncoinbase_bytes = 0x" + "f" * 9999, "coinbase_bytes: must be a whole number"),
        (
            GOOD + "\nusername_bytes = 192",
            "username_bytes: must be a whole number of 1..191, is 192",
        ),
        (GOOD + "\nmin_difficulty = -1", "min_difficulty: must be a number from 0 to below 2^224"),
        (GOOD + "\nmin_difficulty = nan", "min_difficulty: must be a number"),
        (GOOD + "\nmin_difficulty = inf", "min_difficulty: must be a number"),
        (GOOD + "\nmin_difficulty = true", "min_difficulty: must be a number"),
        (GOOD + "\nmin_difficulty = 0x" + "f" * 9999, "min_difficulty: must be a number"),
        (GOOD + '\nmin_difficulty = "1"', "min_difficulty: must be a number"),
        (GOOD + "\nsilence_s = 0", "silence_s: must be seconds above 0, 86400 at most, is 0"),
        (GOOD + "\nsilence_s = 86401", "silence_s: must be seconds"),
        (GOOD + "\nsilence_s = nan", "silence_s: must be seconds"),
        (
            GOOD + "\nextranonce2_bytes = 4",
            "extranonce2_bytes: must be [least, most], whole numbers",
        ),
        (GOOD + "\nextranonce2_bytes = [4]", "extranonce2_bytes: must be [least, most]"),
        (GOOD + "\nextranonce2_bytes = [8, 4]", "extranonce2_bytes: must be [least, most]"),
        (GOOD + "\nextranonce2_bytes = [0, 4]", "extranonce2_bytes: must be [least, most]"),
        (GOOD + "\nextranonce2_bytes = [4, 101]", "extranonce2_bytes: must be [least, most]"),
        (GOOD + "\nextranonce2_bytes = [true, 4]", "extranonce2_bytes: must be [least, most]"),
        (GOOD + "\nextranonce2_bytes = [2.0, 4]", "extranonce2_bytes: must be [least, most]"),
        (GOOD + "\nsource = 1", "source: must be a text, is 1"),
    ],
)
def test_each_problem_is_told_with_its_row_and_key(keys: str, error: str) -> None:
    (told,) = errors_of(row(GOOD) + row(keys, "other"))
    assert told.startswith(f"own.toml: firmware[1] 'other': {error}")
    assert len(told) < 250


@pytest.mark.parametrize(
    ("family", "shown"), [("", "missing"), ("family = 1\n", "1"), ('family = " "\n', "' '")]
)
def test_a_row_needs_a_family(family: str, shown: str) -> None:
    told = errors_of(f"[[firmware]]\n{family}{GOOD}\n")
    assert told == (f"own.toml: firmware[0]: family: must be a name, is {shown}",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("default = 1", "default: must be a table: write [default]"),
        ("firmware = 1", "firmware: must be a list of tables: write [[firmware]]"),
        ("firmware = [1]", "firmware: must be a list of tables: write [[firmware]]"),
        ("[firmware]\nfamily = 'x'", "firmware: must be a list of tables: write [[firmware]]"),
        ("[other]", "'other': no such key"),
        ("[default]\nfamily = 'x'", "default: 'family': no such key"),
        ("[default]\nuser_agent = ['x']", "default: 'user_agent': no such key"),
        ("[default]\nsilence_s = -1", "default: silence_s: must be seconds above 0, 86400 at "),
        ("a = ", "it is not TOML: Invalid value (at "),
        ("a = 1" + "0" * 5000, "it is not TOML: "),
        ("a = " + "[" * 100_000, "it is not TOML: "),
    ],
)
def test_a_problem_of_the_whole_file_is_told(text: str, error: str) -> None:
    (told,) = errors_of(text)
    assert told.startswith(f"own.toml: {error}")


def test_all_problems_are_told_at_once() -> None:
    text = "x = 1\n[default]\ny = 1\n" + row("", "a") + row("hw_id = 1\ncoinbase_bytes = 0", "b")
    assert [told.split(": ")[1:3] for told in errors_of(text)] == [
        ["'x'", "no such key"],
        ["default", "'y'"],
        ["firmware[0] 'a'", "needs one of user_agent, hw_version, sw_version, hw_id"],
        ["firmware[1] 'b'", "coinbase_bytes"],
        ["firmware[1] 'b'", "hw_id"],
    ]
    with pytest.raises(ValueError, match=r"own\.toml: 'x': no such key; own\.toml: default: 'y'"):
        load(text)
